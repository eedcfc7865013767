"""The octets of tests/corpus/http1/*.toml."""

import pathlib
import re
import tomllib


def requests(folder: pathlib.Path) -> dict[str, bytes]:
    """Name and octets of every case, with their escapes resolved."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.glob("*.toml")):
        for case in tomllib.loads(file.read_text()).get("case", ()):
            found[case["name"]] = octets(case["bytes"])
    return found


def octets(text: str) -> bytes:
    r"""`\r`, `\n`, `\t`, `\0`, `\\`, `\xHH`, and `{N*TEXT}` for N times TEXT."""
    resolved = bytearray()
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"unknown escape at {text[place : place + 20]!r}")
        times, repeated, hexadecimal, letter, plain = match.groups()
        if times:
            resolved += octets(repeated) * int(times)
        elif hexadecimal:
            resolved.append(int(hexadecimal, 16))
        elif letter:
            resolved += LETTERS[letter]
        else:
            resolved += plain.encode()
        place = match.end()
    return bytes(resolved)


TOKEN = re.compile(r"\{(\d+)\*([^{}]*)\}|\\x([0-9a-fA-F]{2})|\\([rnt0\\])|([^\\{}]+)", re.DOTALL)
LETTERS = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
