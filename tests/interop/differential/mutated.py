"""Cases with one to four things done to them: octets changed, lines told twice or moved, what decides put where it does not belong."""

import random
from collections.abc import Iterator


def requests(seeds: list[bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many, each with a name; the same ones for one seed."""
    source = random.Random(seed)
    short = [octets for octets in seeds if len(octets) < 1500]
    for number in range(count):
        yield f"mutated-{seed}-{number}", _mutated(short, source)


def _mutated(seeds: list[bytes], source: random.Random) -> bytes:
    octets = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 4)):
        at = source.randint(0, len(octets))
        what = source.randrange(8)
        if what == 0:
            octets[at:at] = source.choice(TOKENS)
        elif what == 1:
            octets[at:at] = bytes([source.choice(OCTETS)])
        elif what == 2:
            octets[at : at + 1] = bytes([source.choice(OCTETS)])
        elif what == 3:
            del octets[at : at + 1]
        elif what == 4:
            other = source.choice(seeds)
            octets[at:] = other[source.randint(0, len(other)) :]
        elif what == 5:
            octets[at : at + 1] = bytes([source.randrange(256)])
        else:
            lines = bytes(octets).splitlines(keepends=True) or [b""]
            place = sum(map(len, lines[: source.randrange(len(lines))]))
            octets[place:place] = source.choice(lines) if what == 6 else source.choice(FIELDS)
    return bytes(octets)


OCTETS = b"\r\n \t:;,0123456789aAfFgGxX+-_./{}%\"\\\x00\x0b\x7f\x80\xa0\xff"
TOKENS = [b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b";a=b", b"0\r\n\r\n", b"5\r\nhello\r\n", b"chunked", b"HTTP/1.0", b"0x", b"+", b"-", b"00"]
FIELDS = [
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:36\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", b" folded\r\n", b"Host: b\r\n", b"X:\r\n",
]  # fmt: skip
