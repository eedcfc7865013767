"""Python's websockets as a server that judges a client.

    python3 ws_python_server.py

The client asks `/getCaseCount` for the number of cases, sends back every message of `/runCase?case=N`, and ends with `/updateReports`. Prints
`listening on HOST:PORT`, then lines of JSON: {"cases": N} when it was asked for the number, and for each case {"name": ...}, with "failure" when it
did not hold.
"""

import json
import os
import sys
import traceback
import urllib.parse
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


def echoes(socket: ServerConnection) -> None:
    noise = os.urandom(100_000)
    for message in ("", "Hello", "Grüße, 世界 🦀", "abc" * 30_000, b"", noise, "abc" * 30_000, noise, b"\x00" * 125, b"\x00" * 126, os.urandom(4 << 20)):
        socket.send(message)
        got = socket.recv(10)
        assert type(got) is type(message) and got == message, f"another message came back for {message[:50]!r}"


def fragments(socket: ServerConnection) -> None:
    for parts in (["frag", "men", "ted"], ["", "", "a"], [b"\x00" * 1000, b"\x01" * 70_000], ["ü" * 1000] * 300):
        socket.send(iter(parts))
        assert socket.recv(10) == type(parts[0])().join(parts), "another message came back"


def splits(socket: ServerConnection) -> None:
    octets = "🦀".encode()
    for at in range(5):
        socket.send(iter([octets[:at], octets[at:]]), text=True)
        assert socket.recv(10) == "🦀", f"another text came back for a cut at {at}"


def pings(socket: ServerConnection) -> None:
    for number in range(20):
        assert socket.ping(f"ping {number}".encode()).wait(10), "no pong came"


def closes(code: int) -> Callable[[ServerConnection], None]:
    def close(socket: ServerConnection) -> None:
        socket.close(code, "why ü")
        assert socket.close_code == code, f"{socket.close_code} came back"

    return close


CASES = [
    ("text and octets come back as what they are", echoes),
    ("fragments come back as one message", fragments),
    ("a character cut at every place comes back whole", splits),
    ("each ping is answered", pings),
    *((f"the code {code} of a Close comes back", closes(code)) for code in (1000, 1001, 1008, 1011, 3000, 4999)),
]


def tell(what: dict[str, object]) -> None:
    """Writes a line at once: each connection has a thread of its own."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def judge(socket: ServerConnection) -> None:
    url = urllib.parse.urlsplit(socket.request.path)
    if url.path == "/getCaseCount":
        tell({"cases": len(CASES)})
        socket.send(str(len(CASES)))
    elif url.path == "/runCase":
        name, check = CASES[int(urllib.parse.parse_qs(url.query)["case"][0]) - 1]
        verdict = {"name": name}
        try:
            check(socket)
        except (AssertionError, ConnectionClosed, TimeoutError):
            verdict["failure"] = traceback.format_exc()
        tell(verdict)


def main() -> None:
    with serve(judge, "127.0.0.1", 0, max_size=32 << 20) as server:
        host, port = server.socket.getsockname()
        print(f"listening on {host}:{port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
