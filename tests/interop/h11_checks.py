"""h11 as the client's state machine on a plain socket: whatever the probe sends must be HTTP/1.1 to it, octet by octet.

h11 raises RemoteProtocolError on a response that breaks the protocol, and LocalProtocolError when this file would.
"""

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import h11

from harness import Address, Checks, Failure, Servers, expect

Field = tuple[str, str]


def checks(servers: Servers) -> Checks:
    address = servers.probe.address

    def one(method: str, target: str, status: int, content: bytes, fields: Iterable[Field] = (), body: Iterable[bytes] = (), closes: bool = False) -> None:
        with Client.to(address) as client:
            answer = client.round(method, target, fields, body)
            answer.equals(status, content)
            if closes:
                client.is_closed()
            else:
                client.next()
                client.round("GET", "/").equals(200, b"OK")

    def chunked(blocks: list[bytes], trailers: Iterable[Field] = ()) -> None:
        with Client.to(address) as client:
            for _ in range(2):
                client.round("POST", "/", [CHUNKED], blocks, trailers).equals(200, b"".join(blocks))
                client.next()

    def octet_by_octet(request: bytes, content: bytes) -> None:
        with Client.to(address) as client:
            client.send(h11.Request(method="GET", target="/", headers=[HOST]), h11.EndOfMessage(), quietly=True)
            for place in range(len(request)):
                client.write(request[place : place + 1])
            client.answer().equals(200, content)

    def pipelined(requests: list[tuple[str, str, list[Field], bytes, bytes]]) -> None:
        # Every request is on its way before the first answer is read. h11 has no pipelining for clients: the octets are made by machines
        # of their own, and the one that reads is told of each request when its turn has come.
        with Client.to(address) as client:
            octets = b""
            for method, target, fields, body, _ in requests:
                octets += as_octets(method, target, fields, [body] if body else [])
            client.write(octets)
            for method, target, fields, body, content in requests:
                client.send(*as_events(method, target, fields, [body] if body else []), quietly=True)
                client.answer().equals(200, content)
                client.next()

    def two_pipelined_then_closed() -> None:
        # What follows a request with `Connection: close` is never answered.
        with Client.to(address) as client:
            client.write(as_octets("GET", "/", [CLOSE]) + as_octets("GET", "/stream"))
            client.send(*as_events("GET", "/", [CLOSE]), quietly=True)
            client.answer().equals(200, b"OK")
            client.is_closed()

    def streamed() -> None:
        with Client.to(address) as client:
            for _ in range(3):
                answer = client.round("GET", "/stream")
                answer.equals(200, b"stream")
                expect(answer.field("transfer-encoding") == "chunked" and answer.field("content-length") is None, "not in chunks", client.sent, client.received)
                client.next()

    def expects_continue(length: int) -> None:
        content = os.urandom(length)
        with Client.to(address) as client:
            client.send(request_head("POST", "/", [("Content-Length", str(length)), EXPECT]))
            interim = client.event()
            expect(isinstance(interim, h11.InformationalResponse) and interim.status_code == 100, "no interim response 100", client.sent, interim)
            client.send(h11.Data(data=content), h11.EndOfMessage())
            client.answer().equals(200, content)

    def final_instead_of_continue() -> None:
        # No handler reads the content of a PUT: the final response comes without 100, and the connection does not wait for the content.
        with Client.to(address) as client:
            client.send(request_head("PUT", "/", [("Content-Length", "100000"), EXPECT]))
            client.answer().equals(405, b"method not allowed")
            client.is_closed()

    def content_without_waiting() -> None:
        # RFC 9110 10.1.1: a client need not wait for 100, and the server may leave it out when content has come.
        with Client.to(address) as client:
            content = os.urandom(2000)
            answer = client.round("POST", "/", [("Content-Length", "2000"), EXPECT], [content])
            answer.equals(200, content)
            client.next()
            client.round("GET", "/").equals(200, b"OK")

    def unread(length: int, chunks: bool, method: str = "PUT", answer: tuple[int, bytes] = (405, b"method not allowed")) -> None:
        # The answer comes without a look at the content. A little of a known length is read and forgotten; for much, and for chunks that are not here
        # yet, of which nobody can tell how long they go on, the connection closes, and the client sees why.
        with Client.to(address) as client:
            fields = [CHUNKED] if chunks else [("Content-Length", str(length))]
            size = min(length, 1000)
            said = client.round(method, "/", fields, [b"x" * size] * (length // size))
            said.equals(*answer)
            if said.field("connection") == "close":
                expect(chunks or length > 64 * 1024, "the connection was closed for little", client.sent, client.received)
                client.is_closed()
                return
            expect(length <= 64 * 1024, "the connection was to go on after much", client.sent, client.received)
            client.write(as_octets("GET", "/", [CLOSE]))
            rest = client.rest()
            answered = rest.startswith(b"HTTP/1.1 200 ") and rest.endswith(b"\r\n\r\nOK")
            expect(answered, "the next request was not answered", client.sent, client.received)

    def refused(octets: bytes, status: int) -> None:
        # The canary behind the refused message must stay unanswered.
        with Client.to(address) as client:
            client.send(*as_events("GET", "/"), quietly=True)
            client.write(octets + as_octets("GET", "/echo", [("X-Canary", "alive")]))
            answer = client.answer()
            expect(answer.status == status, f"{answer.status} instead of {status}", client.sent, client.received)
            expect(answer.field("connection") == "close" and answer.field("date") is not None, "no `Connection: close` or no Date", client.sent, client.received)
            client.is_closed()

    def answered_then_refused() -> None:
        with Client.to(address) as client:
            client.write(as_octets("GET", "/") + as_octets("POST", "/", [("Content-Length", "3")], [b"abc"]) + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n" + as_octets("GET", "/"))
            client.send(*as_events("GET", "/"), quietly=True)
            client.answer().equals(200, b"OK")
            client.next()
            client.send(*as_events("POST", "/", [("Content-Length", "3")], [b"abc"]), quietly=True)
            client.answer().equals(200, b"abc")
            client.next()
            client.send(*as_events("GET", "/"), quietly=True)
            expect(client.answer().status == 400, "other status", client.sent, client.received)
            client.is_closed()

    def too_large(fields: list[Field]) -> None:
        with Client.to(address) as client:
            answer = client.round("POST", "/", fields, [b"x" * 65_536] * 176)
            expect(answer.status == 413, f"{answer.status} instead of 413", client.sent, client.received)
            client.is_closed()

    def half_closed() -> None:
        with Client.to(address) as client:
            client.send(*as_events("GET", "/stream"))
            client.socket.shutdown(socket.SHUT_WR)
            client.answer().equals(200, b"stream")

    def empty_line_first() -> None:
        with Client.to(address) as client:
            for _ in range(2):
                client.write(b"\r\n")
                client.round("GET", "/").equals(200, b"OK")
                client.next()

    block = os.urandom(100_000)
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "example/1")]
    websocket = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]

    yield "GET", lambda: one("GET", "/", 200, b"OK")
    yield "HEAD", lambda: one("HEAD", "/", 200, b"")
    yield "HEAD of a stream", lambda: one("HEAD", "/stream", 200, b"")
    yield "204", lambda: one("GET", "/s204", 204, b"")
    yield "304", lambda: one("GET", "/s304", 304, b"")
    yield "OPTIONS *", lambda: one("OPTIONS", "*", 200, b"")
    yield "absolute-form", lambda: one("GET", "http://other.example/", 200, b"OK")
    yield "GET with content", lambda: one("GET", "/", 200, b"OK", [("Content-Length", "5")], [b"hello"])
    yield "GET with content in chunks", lambda: unread(250, chunks=True, method="GET", answer=(200, b"OK"))
    yield "HEAD with content", lambda: one("HEAD", "/", 200, b"", [("Content-Length", "5")], [b"hello"])
    yield "POST", lambda: one("POST", "/", 200, block, [("Content-Length", "100000")], [block])
    yield "POST of nothing", lambda: one("POST", "/", 200, b"", [("Content-Length", "0")])
    yield "chunks", lambda: chunked([b"hello", b"x" * 10, block])
    yield "chunks of one octet", lambda: chunked([b"x"] * 2000)
    yield "no chunk but the last", lambda: chunked([])
    yield "trailers", lambda: chunked([b"hello", b" there"], [("X-Check", "abc"), ("X-Other", "def")])
    yield "trailers that name framing fields", lambda: chunked([b"hello"], [("X-Check", "1"), ("Expires", "0"), ("Host", "other")])
    yield "a head in segments of one octet", lambda: octet_by_octet(as_octets("GET", "/", [("X-Long", "v" * 200)]), b"OK")
    yield "chunks in segments of one octet", lambda: octet_by_octet(as_octets("POST", "/", [CHUNKED], [b"hello", b"there"]), b"hellothere")
    yield "two requests pipelined", lambda: pipelined([("GET", "/", [], b"", b"OK"), ("GET", "/stream", [], b"", b"stream")])
    yield "64 requests of every framing pipelined", lambda: pipelined(
        [
            ("GET", "/", [], b"", b"OK"),
            ("POST", "/", [("Content-Length", "5")], b"hello", b"hello"),
            ("HEAD", "/", [], b"", b""),
            ("POST", "/", [CHUNKED], b"there", b"there"),
            ("GET", "/stream", [], b"", b"stream"),
            ("POST", "/", [("Content-Length", "36")], b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r", b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r"),
            ("OPTIONS", "*", [], b"", b""),
            ("GET", "/cookie", [("Cookie", "a=1")], b"", b"a=1\n"),
        ]
        * 8
    )
    yield "pipelined after Connection: close", two_pipelined_then_closed
    yield "a streamed response", streamed
    yield "Expect: 100-continue", lambda: expects_continue(5)
    yield "Expect: 100-continue, 1 MiB", lambda: expects_continue(1024 * 1024)
    yield "Expect: 100-continue, answered at once", final_instead_of_continue
    yield "Expect: 100-continue, the content sent with the head", content_without_waiting
    yield "an unknown expectation", lambda: one("GET", "/", 417, ANY, [("Expect", "magic")], closes=True)
    yield "Connection: close", lambda: one("GET", "/", 200, b"OK", [CLOSE], closes=True)
    yield "Connection: close, streamed", lambda: one("GET", "/stream", 200, b"stream", [CLOSE], closes=True)
    yield "Connection: close, POST", lambda: one("POST", "/", 200, b"hello", [CLOSE, ("Content-Length", "5")], [b"hello"], closes=True)
    yield "an upgrade that is not supported is ignored", lambda: one("GET", "/", 200, b"OK", upgrade)
    yield "an upgrade to websocket is ignored with another method", lambda: one("POST", "/", 200, b"hello", [*websocket, ("Content-Length", "5")], [b"hello"])
    yield "an upgrade to h2c is ignored", lambda: one("GET", "/", 200, b"OK", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    yield "CONNECT is a method like another", lambda: refused_or_405(address)
    yield "little content that no handler reads", lambda: unread(10_000, chunks=False)
    yield "little content that no handler reads, in chunks", lambda: unread(10_000, chunks=True)
    yield "much content that no handler reads", lambda: unread(2_000_000, chunks=False)
    yield "much content that no handler reads, in chunks", lambda: unread(2_000_000, chunks=True)
    yield "content over the limit", lambda: too_large([("Content-Length", str(65_536 * 176))])
    yield "content over the limit, in chunks", lambda: too_large([CHUNKED])
    yield "an empty line before the request", empty_line_first
    yield "a client that closes its side after the request", half_closed
    yield "answered, answered, refused", answered_then_refused
    for name, octets, status in REFUSED:
        yield f"refused: {name}", lambda octets=octets, status=status: refused(octets, status)


class Client:
    """A socket, h11 in the client's role, and everything that passed between them."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024)
        self.sent = bytearray()
        self.received = bytearray()

    @classmethod
    @contextmanager
    def to(cls, address: Address) -> Iterator["Client"]:
        with socket.create_connection(address, 5) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = cls(connection)
            try:
                yield client
            except (h11.ProtocolError, OSError) as error:
                raise Failure(repr(error), client.sent, client.received) from error

    def write(self, octets: bytes) -> None:
        self.sent += octets
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse before it has read everything; what it said is still there to be read.
            pass

    def send(self, *events: h11.Event, quietly: bool = False) -> None:
        """Sends events, or with `quietly` only tells the machine of them."""
        for event in events:
            octets = self.machine.send(event)
            if octets and not quietly:
                self.write(octets)

    def event(self) -> h11.Event:
        while (event := self.machine.next_event()) is h11.NEED_DATA:
            block = self.socket.recv(65536)
            self.received += block
            self.machine.receive_data(block)
        return event

    def answer(self) -> "Answer":
        answer = Answer(self)
        while True:
            event = self.event()
            if isinstance(event, h11.Response):
                answer.response = event
            elif isinstance(event, h11.Data):
                answer.content += event.data
            elif isinstance(event, h11.EndOfMessage):
                return answer
            elif isinstance(event, h11.ConnectionClosed):
                raise Failure("the connection closed without an answer", self.sent, self.received)

    def round(self, method: str, target: str, fields: Iterable[Field] = (), body: Iterable[bytes] = (), trailers: Iterable[Field] = ()) -> "Answer":
        self.send(*as_events(method, target, fields, body, trailers))
        return self.answer()

    def next(self) -> None:
        expect(self.machine.our_state is h11.DONE and self.machine.their_state is h11.DONE, f"the machines are {self.machine.states}", self.sent, self.received)
        self.machine.start_next_cycle()

    def is_closed(self) -> None:
        """The server has sent nothing more and has closed."""
        expect(self.machine.their_state in (h11.MUST_CLOSE, h11.CLOSED), f"the response does not close: {self.machine.states}", self.sent, self.received)
        rest = self.rest()
        expect(not rest, f"octets after the last response: {rest!r}", self.sent, self.received)

    def rest(self) -> bytes:
        """Everything behind the last response, to the server's close."""
        rest = self.machine.trailing_data[0]
        while block := self.socket.recv(65536):
            self.received += block
            rest += block
        return rest


class Answer:
    """A final response and its content."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.response: h11.Response
        self.content = bytearray()

    @property
    def status(self) -> int:
        return self.response.status_code

    def field(self, name: str) -> str | None:
        values = [value for each, value in self.response.headers if each == name.encode()]
        expect(len(values) <= 1, f"{name} comes {len(values)} times", self._client.sent, self._client.received)
        return values[0].decode() if values else None

    def equals(self, status: int, content: bytes | None) -> None:
        expect(self.status == status, f"{self.status} instead of {status}", self._client.sent, self._client.received)
        expect(content is ANY or self.content == content, "other content", self._client.sent, self._client.received)
        expect(self.field("date") is not None, "no Date", self._client.sent, self._client.received)


def as_events(method: str, target: str, fields: Iterable[Field] = (), body: Iterable[bytes] = (), trailers: Iterable[Field] = ()) -> list[h11.Event]:
    data = [h11.Data(data=block) for block in body if block]
    return [request_head(method, target, fields), *data, h11.EndOfMessage(headers=list(trailers))]


def as_octets(*arguments: object) -> bytes:
    machine = h11.Connection(h11.CLIENT)
    return b"".join(machine.send(event) or b"" for event in as_events(*arguments))


def request_head(method: str, target: str, fields: Iterable[Field]) -> h11.Request:
    return h11.Request(method=method, target=target, headers=[HOST, *fields])


def refused_or_405(address: Address) -> None:
    with Client.to(address) as client:
        client.send(*as_events("CONNECT", "a.example:443"))
        answer = client.answer()
        expect(answer.status in (405, 501), f"{answer.status} instead of 405 or 501", client.sent, client.received)


ANY = None
HOST = ("Host", "h11.example")
CLOSE = ("Connection", "close")
CHUNKED = ("Transfer-Encoding", "chunked")
EXPECT = ("Expect", "100-continue")

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
REFUSED = (
    ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("space before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("a folded line", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", 400),
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), 400),
    ("length and coding", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    ("a signed length", POST + b"Content-Length: +5\r\n\r\nhello", 400),
    ("a coding nobody knows", POST + b"Transfer-Encoding: zip, chunked\r\n\r\n", 501),
    ("a coding nobody knows, and no chunks", POST + b"Transfer-Encoding: zip\r\n\r\n", 400),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("a chunk-size that is no number", POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("a chunk-size of 17 digits", POST + b"Transfer-Encoding: chunked\r\n\r\n00000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk longer than its size", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400),
    ("a chunk over 1 MiB", POST + b"Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413),
    ("a bad trailer", POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n", 400),
    ("trailers over 16 KiB", POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: %s\r\n" % (b"y" * 8000) * 3 + b"\r\n", 431),
    ("a long request line", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("a large header section", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
    ("101 fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
)  # fmt: skip
