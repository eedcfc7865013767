"""Frames and fields that break the rules of RFC 9113, sent by a client that keeps none of them: each gets its verdict, and nothing else suffers."""

import itertools
import socket

from h2_peer import Peer, Raw
from harness import Checks, Servers, expect, get

NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, REFUSED, COMPRESSION = 0, 1, 3, 5, 6, 7, 9
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITIZED = 1, 4, 8, 0x20

Field = tuple[str | bytes, str | bytes]
METHOD, SCHEME, AUTHORITY, PATH = (":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")
GET_HEAD: list[Field] = [METHOD, SCHEME, AUTHORITY, PATH]

# What must not come to a handler (RFC 9113 section 8.1.1): a malformed request resets its stream; what the text after it lets be is answered.
MALFORMED: dict[str, list[Field]] = {
    "a name in upper case": [*GET_HEAD, ("X-Upper", "1")],
    "Connection": [*GET_HEAD, ("connection", "keep-alive")],
    "Keep-Alive": [*GET_HEAD, ("keep-alive", "timeout=5")],
    "Proxy-Connection": [*GET_HEAD, ("proxy-connection", "keep-alive")],
    "Transfer-Encoding": [*GET_HEAD, ("transfer-encoding", "chunked")],
    "Upgrade": [*GET_HEAD, ("upgrade", "h2c")],
    "TE other than trailers": [*GET_HEAD, ("te", "gzip")],
    "no :method": [SCHEME, AUTHORITY, PATH],
    "no :scheme": [METHOD, AUTHORITY, PATH],
    "no :path": [METHOD, SCHEME, AUTHORITY],
    "an empty :path": [METHOD, SCHEME, AUTHORITY, (":path", "")],
    "a :path without a slash": [METHOD, SCHEME, AUTHORITY, (":path", "path")],
    "a :path of an asterisk with GET": [METHOD, SCHEME, AUTHORITY, (":path", "*")],
    "a :path with a space": [METHOD, SCHEME, AUTHORITY, (":path", "/a b")],
    "neither :authority nor Host": [METHOD, SCHEME, PATH],
    "two :method": [METHOD, *GET_HEAD],
    "two :path": [*GET_HEAD, PATH],
    "two :authority": [*GET_HEAD, AUTHORITY],
    "an unknown pseudo-header": [*GET_HEAD, (":unknown", "1")],
    ":status in a request": [*GET_HEAD, (":status", "200")],
    "a pseudo-header after a field": [METHOD, SCHEME, AUTHORITY, ("x-one", "1"), PATH],
    ":authority with userinfo": [METHOD, SCHEME, (":authority", "user@localhost"), PATH],
    ":authority with a path": [METHOD, SCHEME, (":authority", "localhost/x"), PATH],
    "Host that says another": [*GET_HEAD, ("host", "elsewhere")],
    "two Host": [METHOD, SCHEME, PATH, ("host", "a"), ("host", "a")],
    "a method with a space": [(":method", "GE T"), SCHEME, AUTHORITY, PATH],
    "an empty name": [*GET_HEAD, ("", "1")],
    "a name with a space": [*GET_HEAD, ("x one", "1")],
    "a value with CR and LF": [*GET_HEAD, ("x-one", b"1\r\nx-two: 2")],
    "a value with NUL": [*GET_HEAD, ("x-one", b"1\x002")],
    "a value that begins with a space": [*GET_HEAD, ("x-one", " 1")],
    "a value that ends with a tab": [*GET_HEAD, ("x-one", "1\t")],
    "Content-Length with a sign": [*GET_HEAD, ("content-length", "+0")],
    "Content-Length that is no number": [*GET_HEAD, ("content-length", "five")],
    "two Content-Length": [*GET_HEAD, ("content-length", "0"), ("content-length", "0")],
    "Content-Length with a list": [*GET_HEAD, ("content-length", "0, 0")],
    "Content-Length without content": [*GET_HEAD, ("content-length", "5")],
    ":protocol without CONNECT": [*GET_HEAD, (":protocol", "websocket")],
    "CONNECT with :path": [(":method", "CONNECT"), AUTHORITY, PATH],
}

# What is none of its stream's alone: flags and payloads, and the error that ends the connection.
BROKEN: dict[str, tuple[list[tuple[int, int, int, bytes]], set[int]]] = {
    "DATA on stream 0": ([(DATA, 0, 0, b"x")], {PROTOCOL}),
    "HEADERS on stream 0": ([(HEADERS, END_HEADERS, 0, b"\x82")], {PROTOCOL}),
    "HEADERS on an even stream": ([(HEADERS, END_HEADERS | END_STREAM, 2, b"\x82\x86\x84\x01\x01a")], {PROTOCOL}),
    "DATA on an idle stream": ([(DATA, 0, 1, b"x")], {PROTOCOL, STREAM_CLOSED}),
    "RST_STREAM on an idle stream": ([(RST_STREAM, 0, 1, bytes(4))], {PROTOCOL}),
    "WINDOW_UPDATE on an idle stream": ([(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")], {PROTOCOL}),
    "RST_STREAM on stream 0": ([(RST_STREAM, 0, 0, bytes(4))], {PROTOCOL}),
    "RST_STREAM of another length": ([(HEADERS, END_HEADERS, 1, b"\x83\x86\x84\x01\x01a"), (RST_STREAM, 0, 1, bytes(3))], {FRAME_SIZE}),
    "PRIORITY on stream 0": ([(PRIORITY, 0, 0, bytes(5))], {PROTOCOL}),
    "SETTINGS on a stream": ([(SETTINGS, 0, 1, b"")], {PROTOCOL}),
    "SETTINGS of another length": ([(SETTINGS, 0, 0, bytes(5))], {FRAME_SIZE}),
    "SETTINGS with ACK and a payload": ([(SETTINGS, 1, 0, bytes(6))], {FRAME_SIZE}),
    "SETTINGS_ENABLE_PUSH of 2": ([(SETTINGS, 0, 0, b"\0\2\0\0\0\2")], {PROTOCOL}),
    "SETTINGS_INITIAL_WINDOW_SIZE of 2^31": ([(SETTINGS, 0, 0, b"\0\4\x80\0\0\0")], {FLOW_CONTROL, PROTOCOL}),
    "SETTINGS_MAX_FRAME_SIZE of 100": ([(SETTINGS, 0, 0, b"\0\5\0\0\0\x64")], {PROTOCOL}),
    "SETTINGS_MAX_FRAME_SIZE of 2^24": ([(SETTINGS, 0, 0, b"\0\5\1\0\0\0")], {PROTOCOL}),
    "PUSH_PROMISE of a client": ([(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2\x82")], {PROTOCOL}),
    "PING on a stream": ([(PING, 0, 1, bytes(8))], {PROTOCOL}),
    "PING of another length": ([(PING, 0, 0, bytes(7))], {FRAME_SIZE}),
    "GOAWAY on a stream": ([(GOAWAY, 0, 1, bytes(8))], {PROTOCOL}),
    "WINDOW_UPDATE of another length": ([(WINDOW_UPDATE, 0, 0, bytes(3))], {FRAME_SIZE}),
    "WINDOW_UPDATE of 0 on the connection": ([(WINDOW_UPDATE, 0, 0, bytes(4))], {PROTOCOL}),
    "WINDOW_UPDATE beyond 2^31 on the connection": ([(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")], {FLOW_CONTROL}),
    "CONTINUATION without HEADERS": ([(CONTINUATION, END_HEADERS, 1, b"\x82")], {PROTOCOL}),
    "CONTINUATION after END_HEADERS": ([(HEADERS, END_HEADERS, 1, b"\x83\x86\x84\x01\x01a"), (CONTINUATION, END_HEADERS, 1, b"\x82")], {PROTOCOL}),
    "a frame between HEADERS and CONTINUATION": ([(HEADERS, 0, 1, b"\x82"), (PING, 0, 0, bytes(8))], {PROTOCOL}),
    "CONTINUATION of another stream": ([(HEADERS, 0, 1, b"\x82"), (CONTINUATION, END_HEADERS, 3, b"\x86")], {PROTOCOL}),
    "a frame beyond SETTINGS_MAX_FRAME_SIZE": ([(PING, 0, 0, bytes(16_385))], {FRAME_SIZE}),
    "HEADERS whose padding is longer than they are": ([(HEADERS, END_HEADERS | PADDED, 1, b"\x05\x82")], {PROTOCOL}),
    "DATA whose padding is longer than it is": ([(HEADERS, END_HEADERS, 1, b"\x83\x86\x84\x01\x01a"), (DATA, PADDED, 1, b"\x05x")], {PROTOCOL}),
    # The crate h2 does not tell what HPACK cannot be from other faults.
    "a header block that is no HPACK": ([(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff")], {COMPRESSION, PROTOCOL}),
    "an index of HPACK that is none": ([(HEADERS, END_HEADERS | END_STREAM, 1, b"\xc0")], {COMPRESSION, PROTOCOL}),
    "a header table larger than allowed": ([(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\x03\x82\x86\x84\x01\x01a")], {COMPRESSION, PROTOCOL}),
}


def checks(servers: Servers) -> Checks:
    address = servers.probe_h2c.address

    def malformed(fields: list[Field]) -> None:
        with Raw(address) as raw:
            raw.head(1, fields)
            verdict = raw.verdict(1)
            expect(verdict in ("reset 1", "400", "goaway 1"), f"{verdict} for a malformed request", fields, raw.frames)
            if verdict.startswith("goaway"):
                # Only for what is no field at all, and nobody else has a share in it.
                get(address, "/")
                return
            raw.head(3, GET_HEAD)
            verdict = raw.verdict(3)
            expect(verdict == "200", f"{verdict} for the next request", fields, raw.frames)
            raw.pong()

    def broken(sent: list[tuple[int, int, int, bytes]], codes: set[int]) -> None:
        with Raw(address) as raw:
            for kind, flags, stream, payload in sent:
                raw.frame(kind, flags, stream, payload)
            while (frame := raw.next()) is not None:
                if frame.type == GOAWAY:
                    expect(frame.error_code in codes, f"error {frame.error_code} instead of {codes}", sent, raw.frames)
                    break
            expect(frame is not None, "the connection ended without GOAWAY", sent, raw.frames)
            while raw.next() is not None:
                pass
        get(address, "/")

    for name, fields in MALFORMED.items():
        yield f"malformed: {name}", lambda fields=fields: malformed(fields)
    for name, (sent, codes) in BROKEN.items():
        yield f"the connection ends: {name}", lambda sent=sent, codes=codes: broken(sent, codes)
    for name, check in CASES.items():
        yield name, lambda check=check: check(servers)


def lengths(servers: Servers) -> None:
    """RFC 9113 section 8.1.1: Content-Length and the sum of the DATA frames are one number."""
    for declared, pieces in (("5", [b"hell"]), ("5", [b"hello", b"!"]), ("0", [b"x"]), ("5", [b"", b""]), ("100000", [bytes(10_000)] * 3)):
        with Raw(servers.probe_h2c.address) as raw:
            raw.head(1, [(":method", "POST"), SCHEME, AUTHORITY, PATH, ("content-length", declared)], END_HEADERS)
            for at, piece in enumerate(pieces, 1):
                raw.frame(DATA, END_STREAM if at == len(pieces) else 0, 1, piece)
            verdict = raw.verdict(1)
            expect(verdict in ("reset 1", "400"), f"{verdict} for another length than declared", (declared, [len(piece) for piece in pieces]), raw.frames)
            raw.head(3, GET_HEAD)
            expect(raw.verdict(3) == "200", "the connection suffered", declared, raw.frames)


def allowed(servers: Servers) -> None:
    with Raw(servers.probe_h2c.address) as raw:
        numbers = itertools.count(1, 2)
        for head in (
            [*GET_HEAD, ("te", "trailers")],
            [METHOD, SCHEME, PATH, ("host", "localhost")],
            [*GET_HEAD, ("host", "LOCALHOST")],
            [(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")],
            [PATH, AUTHORITY, SCHEME, METHOD],
            [METHOD, (":scheme", "https"), AUTHORITY, PATH],
            [*GET_HEAD, ("x-empty", "")],
            [*GET_HEAD, ("x-latin", b"\xe4")],
        ):
            number = next(numbers)
            raw.head(number, head)
            verdict = raw.verdict(number)
            expect(verdict == "200", f"{verdict} for what is allowed", head, raw.frames)
        # Frames and settings that nobody knows, priorities and padding are passed over (RFC 9113 sections 4.1, 5.3.2, 6.5.2).
        raw.frame(0xEE, 0xFF, 0, b"unknown")
        raw.frame(SETTINGS, 0, 0, b"\xfa\xce\0\0\0\1")
        number = next(numbers)
        raw.frame(PRIORITY, 0, number, bytes(5))
        raw.frame(0xEE, 0xFF, number, b"unknown")
        raw.frame(HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITIZED, number, b"\x08" + bytes(5) + raw.block(GET_HEAD) + bytes(8))
        expect(raw.verdict(number) == "200", "padding and a priority", got=raw.frames)
        raw.pong()


def in_pieces(servers: Servers) -> None:
    """A header section in a HEADERS frame of nothing and a CONTINUATION frame for each octet."""
    with Raw(servers.probe_h2c.address) as raw:
        block = raw.block(GET_HEAD)
        raw.frame(HEADERS, END_STREAM, 1)
        for at, octet in enumerate(block, 1):
            raw.frame(CONTINUATION, END_HEADERS if at == len(block) else 0, 1, bytes([octet]))
        verdict = raw.verdict(1)
        expect(verdict in ("200", "goaway 11"), f"{verdict} for CONTINUATION frames", len(block), raw.frames)


def bad_trailers(servers: Servers) -> None:
    for trailers in ([("X-Upper", "1")], [("connection", "close")], [("x-one", b"1\n")]):
        with Raw(servers.probe_h2c.address) as raw:
            raw.head(1, [(":method", "POST"), SCHEME, AUTHORITY, (":path", "/trailers")], END_HEADERS)
            raw.frame(DATA, 0, 1, b"hello")
            raw.head(1, trailers, END_HEADERS | END_STREAM)
            verdict = raw.verdict(1)
            expect(verdict in ("reset 1", "400", "goaway 1"), f"{verdict} for bad trailers", trailers, raw.frames)
    with Raw(servers.probe_h2c.address) as raw:
        raw.head(1, [(":method", "POST"), SCHEME, AUTHORITY, PATH], END_HEADERS)
        # A second section that does not end the stream.
        raw.head(1, [("x-check", "1")], END_HEADERS)
        verdict = raw.verdict(1)
        expect(verdict in ("reset 1", "goaway 1"), f"{verdict} for HEADERS in the middle", got=raw.frames)


def closed_streams(servers: Servers) -> None:
    with Raw(servers.probe_h2c.address) as raw:
        raw.head(5, GET_HEAD)
        expect(raw.verdict(5) == "200", "a stream that is not the first", got=raw.frames)
        raw.head(3, GET_HEAD)
        verdict = raw.verdict(3)
        # RFC 9113 section 5.1.1: a number below the last one is closed.
        expect(verdict in ("goaway 1", "goaway 5", "reset 5"), f"{verdict} for a number that is used up", got=raw.frames)
    for kind, payload in ((DATA, b"x"), (HEADERS, b"\x82\x86\x84\x01\x01a")):
        with Raw(servers.probe_h2c.address) as raw:
            raw.head(1, GET_HEAD)
            raw.frame(kind, END_HEADERS if kind == HEADERS else 0, 1, payload)
            frame = raw.next()
            while frame is not None and not (frame.type in (RST_STREAM, GOAWAY)):
                frame = raw.next()
            expect(frame is not None and frame.error_code in (PROTOCOL, STREAM_CLOSED), f"frame {kind} after the end of its stream", got=raw.frames)


def too_many(servers: Servers) -> None:
    """Stream 101 of 100 is refused, which lets a client try again (RFC 9113 section 5.1.2)."""
    with Raw(servers.probe_h2c.address) as raw:
        head = [(":method", "POST"), SCHEME, AUTHORITY, PATH]
        for number in range(1, 203, 2):
            raw.head(number, head, END_HEADERS)
        verdict = raw.verdict(201)
        expect(verdict == f"reset {REFUSED}", f"{verdict} for one too many", got=raw.frames[-3:])
        for number in range(1, 201, 2):
            raw.frame(DATA, END_STREAM, number, b"%d" % number)
        answered: set[int] = set()
        while len(answered) < 100:
            frame = raw.next()
            expect(frame is not None, "the connection ended", got=raw.frames[-3:])
            if frame.type == HEADERS:
                expect(dict(frame.fields)[":status"] == "200", "another answer", got=frame)
                answered.add(frame.stream_id)
        raw.head(203, GET_HEAD)
        expect(raw.verdict(203) == "200", "the connection suffered", got=raw.frames[-3:])


def overrun(servers: Servers) -> None:
    """More than the window lets pass, which the server counts too."""
    with Raw(servers.probe_h2c.address) as raw:
        # A handler that waits for the rest takes nothing that it would give back at once.
        raw.head(1, [(":method", "POST"), SCHEME, AUTHORITY, PATH], END_HEADERS)
        sent = 0
        while sent < 64 << 20:
            raw.frame(DATA, 0, 1, bytes(16_384))
            sent += 16_384
            if raw.is_closed:
                break
        verdict = raw.verdict(1)
        expect(verdict in (f"reset {FLOW_CONTROL}", f"goaway {FLOW_CONTROL}", "413"), f"{verdict} for too much", sent, raw.frames[-3:])


def stream_windows(servers: Servers) -> None:
    """Faults of one stream's window are that stream's (RFC 9113 section 6.9)."""
    for payload, code in ((bytes(4), PROTOCOL), (b"\x7f\xff\xff\xff", FLOW_CONTROL)):
        with Raw(servers.probe_h2c.address) as raw:
            raw.head(1, [(":method", "POST"), SCHEME, AUTHORITY, PATH], END_HEADERS)
            raw.frame(WINDOW_UPDATE, 0, 1, payload)
            verdict = raw.verdict(1)
            # RFC 9113 section 5.4.2 lets a stream error be treated as the connection's.
            expect(verdict in (f"reset {code}", f"goaway {code}"), f"{verdict} for a bad WINDOW_UPDATE", payload, raw.frames)


def bad_preface(servers: Servers) -> None:
    for octets in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"):
        with socket.create_connection(servers.probe_h2c.address, 10) as connection:
            connection.sendall(octets + bytes(9))
            received = connection.recv(65536)
            expect(received.startswith(b"HTTP/1.1 400 ") or received == b"", "a preface with a fault", octets, received)


def no_settings(servers: Servers) -> None:
    """After the preface comes SETTINGS (RFC 9113 section 3.4)."""
    with socket.create_connection(servers.probe_h2c.address, 10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 8, PING, 0, 0, 0, 0, 0]) + bytes(8))
        received = b""
        while block := connection.recv(65536):
            received += block
        expect(bytes([GOAWAY, 0, 0, 0, 0, 0]) in received, "no GOAWAY", got=received)


def side_by_side(servers: Servers) -> None:
    """A connection ended for its faults, and another that works on."""
    with Peer(servers.probe_h2c.address) as peer:
        number = peer.begin("POST", "/", end=False)
        peer.send(number, b"hel", end=False)
        with Raw(servers.probe_h2c.address) as raw:
            raw.frame(DATA, 0, 0, b"x")
            while raw.next() is not None:
                pass
        peer.send(number, b"lo")
        expect(peer.whole(number).content == b"hello", "another connection suffered", got=peer.streams)


CASES = {
    "another length of content than declared": lengths,
    "what is allowed, or to be passed over": allowed,
    "a header section in many frames": in_pieces,
    "bad trailers": bad_trailers,
    "frames on closed streams": closed_streams,
    "more streams than are allowed": too_many,
    "more content than the window": overrun,
    "a bad WINDOW_UPDATE on a stream": stream_windows,
    "a preface with a fault": bad_preface,
    "a preface without SETTINGS": no_settings,
    "faults of another connection": side_by_side,
}
