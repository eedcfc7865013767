"""WebSockets over HTTP/2 (RFC 8441): the package h2 for the streams, the package wsproto for the messages, many of them on one connection."""

import os
from collections.abc import Callable

import h2.errors
from h2.settings import SettingCodes
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from h2_peer import END_HEADERS, END_STREAM, Peer, Raw, Stream, wires
from harness import Checks, Servers, expect

MIB = 1024 * 1024


class Socket:
    """A WebSocket on a stream."""

    def __init__(self, peer: Peer, path: str = "/plain", *fields: tuple[str, str], deflate: PerMessageDeflate | None = None) -> None:
        self.peer = peer
        offer = [("sec-websocket-extensions", f"permessage-deflate; {deflate.offer()}")] if deflate else []
        self.number = peer.begin("CONNECT", path, ("sec-websocket-version", "13"), *offer, *fields, end=False, protocol="websocket")
        peer.until(lambda: bool(self.stream.fields) or self.stream.is_over)
        expect(self.stream.status == 200 and not self.stream.is_ended, "it did not open", path, self.stream)
        self.agreed = dict(self.stream.fields).get("sec-websocket-extensions")
        if deflate and self.agreed:
            deflate.finalize(self.agreed)
        self.ws = Connection(ConnectionType.CLIENT, [deflate] if self.agreed else [])
        self._taken = 0
        self._parts: list[str | bytes] = []
        self._events: list[Event] = []

    @property
    def stream(self) -> Stream:
        return self.peer.streams[self.number]

    def send(self, event: Event, end: bool = False) -> None:
        self.peer.send(self.number, self.ws.send(event), end=end)

    def message(self, data: str | bytes, finished: bool = True) -> None:
        kind = TextMessage if isinstance(data, str) else BytesMessage
        self.send(kind(data=data, message_finished=finished))

    def next(self) -> Event:
        """The next message, whole, or control frame."""
        while True:
            while self._events:
                event = self._events.pop(0)
                if not isinstance(event, (TextMessage, BytesMessage)):
                    return event
                self._parts.append(event.data)
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    return type(event)(data=type(parts[0])().join(parts))
            before = self._taken
            self.peer.until(lambda: len(self.stream.content) > before or self.stream.is_over)
            piece = bytes(self.stream.content[before:])
            expect(piece != b"", "the stream ended", got=(self.stream.is_ended, self.stream.reset))
            self._taken += len(piece)
            self.ws.receive_data(piece)
            self._events += self.ws.events()

    def echo(self, data: str | bytes) -> None:
        self.message(data)
        self.back(data)

    def back(self, data: str | bytes) -> None:
        event = self.next()
        expect(isinstance(event, (TextMessage, BytesMessage)) and event.data == data, "another message came back", data[:60], show(event))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.send(CloseConnection(code=code, reason=reason or None))
        event = self.next()
        expect(isinstance(event, CloseConnection) and event.code == code, "another Close came back", code, event)
        self.ended()

    def ended(self) -> None:
        """The server ends its half, and leaves us time to end ours: whoever is reset may lose what it has not read yet."""
        self.peer.until(lambda: self.stream.is_over)
        expect(self.stream.is_ended and self.stream.reset is None, "the stream did not end in order", got=(self.stream.is_ended, self.stream.reset))
        self.peer.h2.end_stream(self.number)
        self.peer.flush()


def show(event: Event) -> str:
    return f"{event!r:.200}"


def checks(servers: Servers) -> Checks:
    for wire, opened in wires(servers):
        for name, check in CASES.items():
            yield f"{wire}: {name}", lambda check=check, opened=opened: check(opened)
    for name, fields, verdicts in REFUSED:
        yield f"refused: {name}", lambda fields=fields, verdicts=verdicts: refused(servers, fields, verdicts)
    yield "a stream that ends with its opening", lambda: ended_at_once(servers)


def echoes(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        socket = Socket(peer, "/version")
        expect(socket.next().data == "HTTP/2.0", "another version")
        names = {name for name, _ in socket.stream.fields}
        # RFC 8441 section 5: neither the key's answer nor what upgrades, and no framing of content.
        expect(not names & {"sec-websocket-accept", "connection", "upgrade", "content-length", "transfer-encoding"}, "fields of HTTP/1.1", got=names)
        for data in ("", "Hello", "Grüße, 世界 🦀", "x" * 70_000, b"", os.urandom(125), os.urandom(126), os.urandom(65_536), os.urandom(3 * MIB)):
            socket.echo(data)
        socket.close(1001, "away")
        expect(peer.ask("GET", "/").content == b"OK", "the connection suffered")


def fragments(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        socket = Socket(peer)
        for parts in (["frag", "men", "ted"], ["", "", "a"], [bytes(1000), b"\1" * 70_000], ["ü" * 500] * 100):
            for at, part in enumerate(parts):
                socket.message(part, finished=at == len(parts) - 1)
            socket.back(type(parts[0])().join(parts))
        # A frame in DATA frames of one octet.
        for octet in socket.ws.send(TextMessage(data="Grüße")):
            peer.send(socket.number, bytes([octet]), end=False)
        socket.back("Grüße")
        socket.close()


def pings(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        socket = Socket(peer)
        socket.message("be", finished=False)
        for number in range(10):
            payload = f"ping {number}".encode()
            socket.send(Ping(payload=payload))
            event = socket.next()
            expect(isinstance(event, Pong) and event.payload == payload, "no such pong", payload, event)
        socket.message("tween")
        socket.back("between")
        socket.close()


def closes(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for code in (1000, 1001, 1002, 1011, 3000, 4999):
            Socket(peer).close(code, "why ü")
        for asked, code, reason in (("1000 done", 1000, "done"), ("4321 ünd weg", 4321, "ünd weg")):
            socket = Socket(peer, "/close")
            socket.message(asked)
            event = socket.next()
            expect(isinstance(event, CloseConnection) and (event.code, event.reason) == (code, reason), "another Close", asked, event)
            socket.send(event.response())
            socket.ended()
        expect(peer.ask("GET", "/").content == b"OK", "the connection suffered")


def faults(opened: Callable[..., Peer]) -> None:
    """What breaks RFC 6455 is told by a Close, and is this stream's alone."""
    with opened() as peer:
        other = Socket(peer)
        for octets, code in (
            (b"\x81\x82\0\0\0\0\xff\xff", 1007), (b"\x81\0", 1002), (b"\x83\x80\0\0\0\0", 1002), (b"\xc1\x80\0\0\0\0", 1002), (b"\x80\x80\0\0\0\0", 1002),
            (b"\x88\x81\0\0\0\0\0", 1002), (b"\x82\xff\0\0\1\0\0\0\0\0\0\0\0\0", 1009),
        ):
            socket = Socket(peer)
            peer.send(socket.number, octets, end=False)
            event = socket.next()
            expect(isinstance(event, CloseConnection) and event.code == code, f"not closed with {code}", octets, event)
        other.echo("still there")
        other.close()


def deflate(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for path, options in (
            ("/", {}), ("/takeover", {}), ("/takeover", {"client_no_context_takeover": True, "server_no_context_takeover": True}),
            ("/takeover", {"client_max_window_bits": 10, "server_max_window_bits": 10}),
        ):
            socket = Socket(peer, path, deflate=PerMessageDeflate(**options))
            expect((socket.agreed or "").startswith("permessage-deflate"), "permessage-deflate was not agreed on", options, socket.agreed)
            noise = os.urandom(100_000)
            for data in ("", "a", "abc" * 1000, noise, "abc" * 1000, noise, "ü" * 200_000, "Hello"):
                socket.echo(data)
            before = len(socket.stream.content)
            socket.echo("compress " * 100_000)
            came = len(socket.stream.content) - before
            expect(came < 45_000, f"{came} octets of a message that compresses well", options)
            socket.close()
        socket = Socket(peer, "/plain", deflate=PerMessageDeflate())
        expect(socket.agreed is None, "an extension where there is none", got=socket.agreed)
        socket.echo("abc" * 1000)


def subprotocol(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for offered, chosen in (("soap, echo", "echo"), ("soap", None)):
            fields = dict(Socket(peer, "/", ("sec-websocket-protocol", offered)).stream.fields)
            expect(fields.get("sec-websocket-protocol") == chosen, "the subprotocol", offered, fields)


def together(opened: Callable[..., Peer]) -> None:
    """Sockets, requests and uploads in turn on one connection."""
    with opened() as peer:
        sockets = [Socket(peer, "/", deflate=PerMessageDeflate() if at % 2 else None) for at in range(45)]
        for turn in range(5):
            for at, socket in enumerate(sockets):
                socket.message(f"{at} {turn} " * 300)
            upload = os.urandom(50_000)
            numbers = [peer.begin("POST", "/", end=False) for _ in range(5)]
            for number in numbers:
                peer.send(number, upload)
            for number in numbers:
                expect(peer.whole(number).content == upload, "other content came back")
            # The other way round than they were sent.
            for at, socket in reversed(list(enumerate(sockets))):
                socket.back(f"{at} {turn} " * 300)
        for socket in sockets:
            socket.close()


def never_ended(opened: Callable[..., Peer]) -> None:
    """Clients that do not end their half are reset, after a while or when there are many."""
    with opened() as peer:
        sockets = [Socket(peer) for _ in range(90)]
        for socket in sockets:
            socket.send(CloseConnection(code=1000))
        for socket in sockets:
            peer.until(lambda socket=socket: socket.stream.reset is not None)
            expect((socket.stream.is_ended, socket.stream.reset) == (True, 0), "not reset with NO_ERROR", got=(socket.stream.is_ended, socket.stream.reset))
        expect(peer.ask("GET", "/").content == b"OK", "the connection suffered")


def opened_and_closed(opened: Callable[..., Peer]) -> None:
    """More sockets in all than a connection may have at a time."""
    with opened() as peer:
        for at in range(250):
            socket = Socket(peer)
            socket.echo(f"{at}")
            socket.close()


def reset_mid_message(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        kept = Socket(peer)
        kept.message("be", finished=False)
        for code in (h2.errors.ErrorCodes.CANCEL, h2.errors.ErrorCodes.PROTOCOL_ERROR, h2.errors.ErrorCodes.NO_ERROR):
            for _ in range(5):
                socket = Socket(peer)
                socket.message("x" * 5000, finished=False)
                # Inside a frame, too.
                peer.send(socket.number, b"\x80\xfe\xff\xff\0\0\0\0xxx", end=False)
                peer.h2.reset_stream(socket.number, code)
                peer.flush()
        kept.message("tween")
        kept.back("between")
        kept.close()
        expect(peer.goaway is None, "the connection was ended", got=peer.goaway)


def half_closed(opened: Callable[..., Peer]) -> None:
    """END_STREAM without a Close: what was sent is answered or not, and then the stream ends; the connection stays."""
    with opened() as peer:
        kept = Socket(peer)
        for octets in (b"", b"\x81\x85\0\0\0\0he"):
            socket = Socket(peer)
            socket.echo("Hello")
            peer.send(socket.number, octets)
            peer.until(lambda socket=socket: socket.stream.is_over)
        socket = Socket(peer)
        # The Close and the end in one.
        socket.send(CloseConnection(code=1000), end=True)
        event = socket.next()
        expect(isinstance(event, CloseConnection) and event.code == 1000, "another Close came back", got=event)
        peer.until(lambda: socket.stream.is_over)
        kept.echo("still there")
        kept.close()


def stalled(opened: Callable[..., Peer]) -> None:
    """A socket whose window is shut is not given more than it lets pass, and holds up nobody."""
    with opened(settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000}, open_windows=False) as peer:
        socket = Socket(peer)
        message = os.urandom(20_000)
        socket.message(message)
        peer.settle(lambda: len(socket.stream.content) >= 1000)
        expect(len(socket.stream.content) == 1000, "not as much as the window lets pass", got=len(socket.stream.content))
        for _ in range(3):
            other = Socket(peer)
            other.echo("past the stalled one")
            other.close()
        peer.open_windows = True
        peer.acknowledge(socket.number)
        socket.back(message)
        socket.close()


CASES = {
    "text and octets come back as what they are": echoes,
    "fragments come back as one message": fragments,
    "pings between fragments are answered": pings,
    "Close from either side ends the stream": closes,
    "what breaks the protocol is told so": faults,
    "permessage-deflate": deflate,
    "a subprotocol of those that were offered": subprotocol,
    "45 sockets, requests and uploads on one connection": together,
    "250 sockets one after the other on one connection": opened_and_closed,
    "sockets whose client does not end them": never_ended,
    "resets in the middle of messages": reset_mid_message,
    "half-close": half_closed,
    "a socket whose window is shut": stalled,
}

METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH = (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")
VERSION = ("sec-websocket-version", "13")

# Name, fields, what may come of them.
REFUSED = [
    ("an unknown :protocol", [METHOD, (":protocol", "example"), SCHEME, AUTHORITY, PATH, VERSION], {"501"}),
    ("no :path", [METHOD, PROTOCOL, SCHEME, AUTHORITY, VERSION], {"reset 1", "400", "goaway 1"}),
    ("no :scheme", [METHOD, PROTOCOL, AUTHORITY, PATH, VERSION], {"reset 1", "400", "goaway 1"}),
    ("no :authority", [METHOD, PROTOCOL, SCHEME, PATH, VERSION], {"reset 1", "400", "goaway 1"}),
    (":protocol with GET", [(":method", "GET"), PROTOCOL, SCHEME, AUTHORITY, PATH, VERSION], {"reset 1", "400", "goaway 1"}),
    ("CONNECT without :protocol", [METHOD, AUTHORITY], {"405", "501"}),
    ("no version", [METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH], {"400", "426"}),
    ("another version", [METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH, ("sec-websocket-version", "8")], {"400", "426"}),
    ("a foreign page with a cookie", [METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH, VERSION, ("origin", "https://elsewhere.example"), ("cookie", "session=1")], {"403"}),
    ("Upgrade beside it", [METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH, VERSION, ("upgrade", "websocket"), ("connection", "upgrade")], {"reset 1", "400", "goaway 1"}),
]


def refused(servers: Servers, fields: list[tuple[str, str]], verdicts: set[str]) -> None:
    with Raw(servers.probe_h2c.address) as raw:
        raw.head(1, fields, END_HEADERS)
        verdict = raw.verdict(1)
        expect(verdict in verdicts, f"{verdict}, not {verdicts}", fields, raw.frames)
        if not verdict.startswith("goaway"):
            raw.head(3, [(":method", "GET"), SCHEME, AUTHORITY, PATH])
            verdict = raw.verdict(3)
            expect(verdict == "200", f"{verdict} for the next request", fields, raw.frames)


def ended_at_once(servers: Servers) -> None:
    with Raw(servers.probe_h2c.address) as raw:
        raw.head(1, [METHOD, PROTOCOL, SCHEME, AUTHORITY, PATH, VERSION], END_HEADERS | END_STREAM)
        # There is nobody to talk to: opened and ended, or refused.
        verdict = raw.verdict(1)
        expect(verdict in ("200", "400", "reset 1"), f"{verdict} for a tunnel without a way in", got=raw.frames)
        raw.head(3, [(":method", "GET"), SCHEME, AUTHORITY, PATH])
        expect(raw.verdict(3) == "200", "the connection suffered", got=raw.frames)
