"""The package h2 as a client: what a well-behaved one is owed, with windows and settings of every kind."""

import os
import time
from collections.abc import Callable

import h2.errors
from h2.settings import SettingCodes

from h2_peer import Peer, wires
from harness import Checks, Servers, expect

OF_HTTP_1 = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


def checks(servers: Servers) -> Checks:
    for wire, opened in wires(servers):
        for name, check in CASES.items():
            yield f"{wire}: {name}", lambda check=check, opened=opened: check(opened)


def responses(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for method, path, status, content in (
            ("GET", "/", 200, b"OK"), ("HEAD", "/", 200, b""), ("GET", "/s204", 204, b""), ("GET", "/s304", 304, b""), ("GET", "/stream", 200, b"stream"),
            ("HEAD", "/stream", 200, b""), ("OPTIONS", "/", 200, b""), ("DELETE", "/", 405, b"method not allowed"), ("GET", "/version", 200, b"HTTP/2.0"),
        ):
            stream = peer.ask(method, path)
            expect((stream.status, bytes(stream.content)) == (status, content) and stream.is_ended, "another answer", (method, path), stream)
            names = [name for name, _ in stream.fields]
            expect(names.count("date") == 1 and not OF_HTTP_1 & set(names), "the fields", (method, path), stream.fields)
            length = dict(stream.fields).get("content-length")
            expect(length == ("2" if path == "/" and method in ("GET", "HEAD") else length), "Content-Length", (method, path), length)
            expect(length is None or method == "HEAD" or int(length) == len(content), "Content-Length", (method, path), length)


def echoes(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for size in (0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 3_000_000):
            content = os.urandom(size)
            stream = peer.ask("POST", "/", content=content)
            expect(stream.status == 200 and stream.content == content, "other content came back", size, len(stream.content))
        for declared in ("0", "5"):
            stream = peer.ask("POST", "/", ("content-length", declared), content=b"hello"[: int(declared)])
            expect(stream.status == 200 and len(stream.content) == int(declared), "declared content", declared, stream)


def interleaved(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        contents = {peer.begin("POST", f"/{at}", end=False): os.urandom(5000 + at) for at in range(100)}
        for at in range(0, 5100, 1000):
            for number, content in contents.items():
                piece = content[at : at + 1000]
                if piece or at == 5000:
                    peer.send(number, piece, end=at == 5000)
        for number, content in contents.items():
            stream = peer.whole(number)
            expect(stream.status == 200 and stream.content == content, "a stream got the content of another", number, len(stream.content))


def thousand(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for _ in range(20):
            numbers = [peer.begin("GET", "/") for _ in range(50)]
            for number in numbers:
                stream = peer.whole(number)
                expect((stream.status, bytes(stream.content)) == (200, b"OK"), "another answer", number, stream)


def tiny_window(opened: Callable[..., Peer]) -> None:
    with opened(settings={SettingCodes.INITIAL_WINDOW_SIZE: 10}, open_windows=False) as peer:
        content = os.urandom(300)
        number = peer.begin("POST", "/", end=False)
        peer.send(number, content)
        stream = peer.streams[number]
        peer.settle(lambda: len(stream.content) >= 10)
        expect(stream.status == 200 and stream.content == content[:10], "not as much as the window lets pass", got=stream)
        while not stream.is_ended:
            before = len(stream.content)
            peer.acknowledge(number)
            peer.until(lambda: stream.unacknowledged == min(10, len(content) - before) or stream.is_ended)
        expect(stream.content == content, "other content came back", got=stream)


def closed_window(opened: Callable[..., Peer]) -> None:
    """Without a window the head comes alone; then windows grow and shrink by SETTINGS (RFC 9113 section 6.9.2)."""
    with opened(settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}, open_windows=False) as peer:
        content = os.urandom(1000)
        number = peer.begin("POST", "/", end=False)
        peer.send(number, content)
        stream = peer.streams[number]
        peer.settle(lambda: stream.status is not None)
        expect(stream.status == 200 and not stream.content, "content without a window", got=stream)
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100})
        peer.flush()
        peer.settle(lambda: len(stream.content) >= 100)
        expect(len(stream.content) == 100, "not as much as the window lets pass", got=stream)
        # It is 80 octets below nothing now.
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 20})
        peer.flush()
        peer.quiet()
        peer.h2.increment_flow_control_window(80, number)
        peer.flush()
        peer.quiet()
        expect(len(stream.content) == 100, "content in a window of nothing", got=stream)
        peer.h2.increment_flow_control_window(1, number)
        peer.flush()
        peer.settle(lambda: len(stream.content) > 100)
        expect(len(stream.content) == 101, "not the one octet", got=stream)
        peer.h2.increment_flow_control_window(2000, number)
        peer.flush()
        expect(peer.whole(number).content == content, "other content came back", got=stream)


def connection_window(opened: Callable[..., Peer]) -> None:
    """All streams share 65,535 octets."""
    with opened(open_windows=False) as peer:
        contents = {peer.begin("POST", "/", end=False): os.urandom(40_000) for _ in range(3)}
        for number, content in contents.items():
            peer.send(number, content)
        peer.settle(lambda: sum(len(stream.content) for stream in peer.streams.values()) >= 65_535)
        came = sum(len(stream.content) for stream in peer.streams.values())
        expect(came == 65_535, "not as much as the window lets pass", got=came)
        # What has no content is not held up.
        expect(peer.ask("GET", "/s204").status == 204, "a response without content waits")
        peer.h2.increment_flow_control_window(60_000)
        peer.flush()
        for number, content in contents.items():
            expect(peer.whole(number).content == content, "other content came back", number)


def stalled_stream(opened: Callable[..., Peer]) -> None:
    with opened(settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}, open_windows=False) as peer:
        stalled = [peer.begin("GET", "/") for _ in range(20)]
        peer.quiet()
        expect(not any(peer.streams[number].content for number in stalled), "content without a window")
        number = peer.begin("GET", "/")
        peer.h2.increment_flow_control_window(100, number)
        peer.flush()
        expect(peer.whole(number).content == b"OK", "a stream waits for others")
        for number in stalled:
            peer.h2.increment_flow_control_window(2, number)
        peer.flush()
        for number in stalled:
            expect(peer.whole(number).content == b"OK", "a stream that waited", number)


def upload_windows(opened: Callable[..., Peer]) -> None:
    """What the server lets us send is bounded until a handler takes it, and does not run dry when one does."""
    with opened() as peer:
        first = peer.h2.local_flow_control_window(peer.begin("POST", "/", end=False))
        expect(0 < first <= 1 << 20, "the window", got=first)
        content = os.urandom(9 << 20)
        expect(peer.ask("POST", "/", content=content).content == content, "other content came back")


def small_frames(opened: Callable[..., Peer]) -> None:
    """A larger SETTINGS_MAX_FRAME_SIZE may be used, a small header table must be."""
    with opened() as peer:
        peer.h2.update_settings({SettingCodes.MAX_FRAME_SIZE: 100_000, SettingCodes.HEADER_TABLE_SIZE: 0})
        peer.flush()
        peer.until(lambda: peer.h2.local_settings.header_table_size == 0)
        content = os.urandom(400_000)
        expect(peer.ask("POST", "/", content=content).content == content, "other content came back")
        for _ in range(5):
            expect(peer.ask("GET", "/echo", ("x-one", "1")).status == 200, "GET")


def trailers(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for content in (b"", b"hello", os.urandom(100_000)):
            number = peer.begin("POST", "/trailers", ("trailer", "x-check"), end=False)
            peer.send(number, content, end=False)
            peer.h2.send_headers(number, [("x-check", "abc"), ("x-more", "1")], end_stream=True)
            peer.flush()
            stream = peer.whole(number)
            expect((stream.status, stream.content, stream.trailers) == (200, content, [("x-check", "abc"), ("x-more", "1")]), "the trailers", got=stream)
        stream = peer.ask("POST", "/trailers", content=b"none")
        expect((stream.content, stream.trailers) == (b"none", None), "trailers from nowhere", got=stream)


def interim(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        number = peer.begin("POST", "/", ("expect", "100-continue"), ("content-length", "100000"), end=False)
        stream = peer.streams[number]
        peer.until(lambda: bool(stream.interim))
        expect(stream.interim == [[(":status", "100")]], "the interim response", got=stream)
        peer.send(number, bytes(100_000))
        expect(peer.whole(number).status == 200 and len(stream.content) == 100_000, "the final response", got=stream)
        expect(peer.ask("GET", "/", ("expect", "magic")).status == 417, "an unknown expectation")


def resets(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        kept = peer.begin("POST", "/", end=False)
        peer.send(kept, b"before, ", end=False)
        for code in (h2.errors.ErrorCodes.CANCEL, h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.INTERNAL_ERROR):
            for _ in range(5):
                number = peer.begin("POST", "/", ("content-length", "1000"), end=False)
                peer.send(number, bytes(500), end=False)
                peer.h2.reset_stream(number, code)
                peer.flush()
        peer.send(kept, b"after")
        expect(peer.whole(kept).content == b"before, after", "another stream suffered", got=peer.streams[kept])
        expect(peer.goaway is None, "the connection was ended", got=peer.goaway)


def refused_upload(opened: Callable[..., Peer]) -> None:
    """RFC 9113 section 8.1: an answer before the request has ended, then RST_STREAM with NO_ERROR."""
    with opened() as peer:
        for declared in (("content-length", str(11 << 20)), ("x-none", "")):
            number = peer.begin("POST", "/", declared, end=False)
            peer.send(number, bytes(11 << 20))
            stream = peer.whole(number)
            peer.until(lambda: stream.reset is not None)
            expect((stream.status, stream.is_ended, stream.reset) == (413, True, 0), "not refused and told to stop", declared, stream)
            expect(peer.ask("GET", "/").content == b"OK", "the connection suffered", declared)


def pings(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        payloads = [f"ping {at:03}".encode() for at in range(20)]
        for payload in payloads:
            peer.h2.ping(payload)
            peer.flush()
            peer.until(lambda payload=payload: payload in peer.pongs)
        expect(peer.pongs == payloads, "other payloads", got=peer.pongs)


def settings(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        told = peer.h2.remote_settings
        expect(told.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1, "no SETTINGS_ENABLE_CONNECT_PROTOCOL", got=dict(told))
        expect(told.max_concurrent_streams == 100, "SETTINGS_MAX_CONCURRENT_STREAMS", got=told.max_concurrent_streams)
        expect((told.max_header_list_size or 0) > 0, "no SETTINGS_MAX_HEADER_LIST_SIZE", got=dict(told))
        # RFC 9113 section 7: a server does not tell of push.
        expect(told.get(SettingCodes.ENABLE_PUSH) in (None, 0, 1), "SETTINGS_ENABLE_PUSH", got=dict(told))
        for size in (1000, 70_000, 65_535):
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
            peer.flush()
            peer.until(lambda size=size: peer.h2.local_settings.initial_window_size == size)


def goaway(opened: Callable[..., Peer]) -> None:
    """What was begun is finished, and then the server closes."""
    with opened() as peer:
        number = peer.begin("POST", "/", end=False)
        peer.send(number, b"hel", end=False)
        # h2 takes nothing more once it has said it, so that the frames are made by hand.
        peer._socket.sendall(bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8))
        peer.send(number, b"lo")
        stream = peer.whole(number)
        expect((stream.status, bytes(stream.content)) == (200, b"hello"), "what was begun", got=stream)
        end = time.monotonic() + 5
        while not peer.is_closed and time.monotonic() < end:
            peer.take(1)
        expect(peer.is_closed, "the server did not close")


def fields(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        sent = [("x-one", "1"), ("x-many", "a"), ("x-many", "b"), ("x-long", "v" * 5000), ("te", "trailers"), ("x-empty", "")]
        stream = peer.ask("GET", "/echo", *sent)
        lines = stream.content.decode().split("\n")
        for name, value in sent:
            expect(f"{name}: {value}" in lines, "a field was lost", (name, value[:20]), lines)
        for crumbs in (("a=1; b=2",), ("a=1", "b=2"), ("a=1", "b=2; c=3", "d=4")):
            stream = peer.ask("GET", "/cookie", *(("cookie", crumb) for crumb in crumbs))
            expect(stream.content.decode() == "; ".join(crumbs).replace("; ", "\n") + "\n", "the crumbs", crumbs, stream)
        stream = peer.ask("GET", "/echo", ("cookie", "a=1"), ("cookie", "b=2"))
        expect(b"cookie: a=1; b=2\n" in stream.content, "crumbs are not one field", got=stream)


def too_much(opened: Callable[..., Peer]) -> None:
    with opened() as peer:
        for at in range(3):
            stream = peer.ask("GET", "/", ("x-large", "v" * 15_000), ("x-larger", "v" * 15_000), *((f"x-{name}", "v" * 15_000) for name in range(4)))
            expect(stream.status == 431, "too many octets of fields", at, stream)
        expect(peer.ask("GET", "/", *((f"x-{name}", "v") for name in range(200))).status == 431, "too many fields")
        expect(peer.ask("GET", "/" + "x" * 9000).status == 414, "a target that is too long")
        expect(peer.ask("GET", "/").content == b"OK", "the connection suffered")


CASES = {
    "every kind of response": responses,
    "content of every size comes back": echoes,
    "100 uploads at the same time, a piece of each in turn": interleaved,
    "1,000 requests, 50 at a time": thousand,
    "a window of 10 octets is never passed": tiny_window,
    "no window, then by SETTINGS, then less than none": closed_window,
    "the window of the connection": connection_window,
    "streams that wait do not hold up another": stalled_stream,
    "an upload of 9 MiB does not run dry": upload_windows,
    "frames and header tables of other sizes": small_frames,
    "trailers come back": trailers,
    "100 comes when it is waited for": interim,
    "resets in the middle of uploads": resets,
    "an upload that is refused early": refused_upload,
    "each PING is answered with its payload": pings,
    "SETTINGS are told, taken and acknowledged": settings,
    "GOAWAY of the client": goaway,
    "fields and the crumbs of cookies": fields,
    "too much of a head": too_much,
}
