"""Two clients of HTTP/2 with sockets of their own: one whose state is kept by the package h2, one that keeps none and may break every rule."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import hpack
import hyperframe.frame as frames

from harness import Address, Failure, Servers, expect

# Flags of frames.
END_STREAM, END_HEADERS = 1, 4

Fields = list[tuple[str, str]]


@dataclass
class Stream:
    """What came on a stream."""

    fields: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    trailers: Fields | None = None
    content: bytearray = field(default_factory=bytearray)
    # Octets that no WINDOW_UPDATE has answered, where that is not done at once.
    unacknowledged: int = 0
    is_ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int | None:
        return int(dict(self.fields)[":status"]) if self.fields else None

    @property
    def is_over(self) -> bool:
        return self.is_ended or self.reset is not None


class Peer:
    """A connection whose frames, windows and states the package h2 checks: whatever breaks a rule raises."""

    def __init__(self, address: Address, context: ssl.SSLContext | None = None, settings: dict[int, int] | None = None, open_windows: bool = True) -> None:
        self.streams: dict[int, Stream] = {}
        self.pongs: list[bytes] = []
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.is_closed = False
        self.open_windows = open_windows
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        told = {h2.settings.SettingCodes.ENABLE_PUSH: 0, **(settings or {})}
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values=told)
        self._settings_came = False
        self._socket = socket.create_connection(address, 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
            expect(self._socket.selected_alpn_protocol() == "h2", "h2 was not chosen", got=self._socket.selected_alpn_protocol())
        self.h2.initiate_connection()
        self.flush()
        self.until(lambda: self._settings_came)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def flush(self) -> None:
        self._socket.sendall(self.h2.data_to_send())

    def begin(self, method: str, path: str, *fields: tuple[str, str], end: bool = True, **pseudo: str) -> int:
        """Sends a request's head; `pseudo` are further fields that begin with a colon."""
        number = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        head += [(f":{name}", value) for name, value in pseudo.items()]
        self.streams[number] = Stream()
        self.h2.send_headers(number, [*head, *fields], end_stream=end)
        self.flush()
        return number

    def send(self, number: int, content: bytes, end: bool = True) -> None:
        """Sends content as the windows let it pass, and reads meanwhile."""
        at = 0
        while at < len(content):
            self.until(lambda: self.h2.local_flow_control_window(number) > 0 or self.streams[number].is_over)
            if self.streams[number].is_over:
                return
            piece = content[at : at + min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)]
            self.h2.send_data(number, piece)
            self.flush()
            at += len(piece)
        if end:
            self.h2.end_stream(number)
            self.flush()

    def ask(self, method: str, path: str, *fields: tuple[str, str], content: bytes | None = None) -> Stream:
        number = self.begin(method, path, *fields, end=content is None)
        if content is not None:
            self.send(number, content)
        return self.whole(number)

    def whole(self, number: int) -> Stream:
        self.until(lambda: self.streams[number].is_over)
        return self.streams[number]

    def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if self.is_closed:
                raise Failure("the connection has ended", got=(self.goaway, self.streams))
            if not self.take(max(end - time.monotonic(), 0.001)) and time.monotonic() > end:
                raise Failure(f"not within {seconds} s", got=self.streams)

    def settle(self, holds: Callable[[], bool]) -> None:
        """Reads until that holds, and on until nothing more comes."""
        self.until(holds)
        self.quiet()

    def quiet(self, seconds: float = 0.15) -> None:
        """Reads until nothing has come for a while."""
        while self.take(seconds) and not self.is_closed:
            pass

    def take(self, seconds: float) -> bool:
        """Reads once; whether something came."""
        self._socket.settimeout(seconds)
        try:
            octets = self._socket.recv(65536)
        except TimeoutError:
            return False
        if not octets:
            self.is_closed = True
        for event in self.h2.receive_data(octets):
            self._note(event)
        self.flush()
        return True

    def _note(self, event: h2.events.Event) -> None:
        stream = self.streams.get(getattr(event, "stream_id", None) or 0, Stream())
        match event:
            case h2.events.RemoteSettingsChanged():
                self._settings_came = True
            case h2.events.InformationalResponseReceived():
                stream.interim.append(event.headers)
            case h2.events.ResponseReceived():
                stream.fields = event.headers
            case h2.events.TrailersReceived():
                stream.trailers = event.headers
            case h2.events.DataReceived():
                stream.content += event.data
                stream.unacknowledged += event.flow_controlled_length
                if self.open_windows:
                    self.acknowledge(event.stream_id)
            case h2.events.StreamEnded():
                stream.is_ended = True
            case h2.events.StreamReset():
                stream.reset = int(event.error_code)
            case h2.events.PingAckReceived():
                self.pongs.append(event.ping_data)
            case h2.events.ConnectionTerminated():
                self.goaway = event

    def acknowledge(self, number: int) -> None:
        """Opens the windows by what came on a stream."""
        stream = self.streams[number]
        octets, stream.unacknowledged = stream.unacknowledged, 0
        if octets and not self.goaway:
            self.h2.acknowledge_received_data(octets, number)
            self.flush()


class Raw:
    """A connection that sends any frames, and notes what comes."""

    def __init__(self, address: Address, settings: dict[int, int] | None = None) -> None:
        self.frames: list[frames.Frame] = []
        self.is_closed = False
        self._received = b""
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self._socket = socket.create_connection(address, 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.octets(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames.SettingsFrame(0, settings or {}).serialize())

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def octets(self, octets: bytes) -> None:
        try:
            self._socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            # What matters is what the server said before.
            self.is_closed = True

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.octets(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def block(self, fields: list[tuple[str | bytes, str | bytes]]) -> bytes:
        """A header section, whatever it says; without the dynamic table, so that a refused one does no harm."""
        self._encoder.header_table_size = 0
        return self._encoder.encode(fields, huffman=False)

    def head(self, stream: int, fields: list[tuple[str | bytes, str | bytes]], flags: int = 0x5) -> None:
        self.frame(0x1, flags, stream, self.block(fields))

    def next(self, seconds: float = 5) -> frames.Frame | None:
        """The next frame; `None` at the end."""
        end = time.monotonic() + seconds
        while True:
            if len(self._received) >= 9:
                length = int.from_bytes(self._received[:3], "big")
                if len(self._received) >= 9 + length:
                    frame, _ = frames.Frame.parse_frame_header(memoryview(self._received[:9]))
                    frame.parse_body(memoryview(self._received[9 : 9 + length]))
                    self._received = self._received[9 + length :]
                    if isinstance(frame, frames.HeadersFrame):
                        # Each is decoded once, in order.
                        frame.fields = self._decoder.decode(bytes(frame.data))
                    self.frames.append(frame)
                    return frame
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                block = self._socket.recv(65536)
            except TimeoutError:
                raise Failure(f"no frame within {seconds} s", got=self.frames) from None
            except ConnectionResetError:
                block = b""
            if not block:
                self.is_closed = True
                return None
            self._received += block

    def verdict(self, stream: int) -> str:
        """What becomes of a stream: `200`, `reset 1`, or `goaway 1`, which is the connection's."""
        while frame := self.next():
            if isinstance(frame, frames.GoAwayFrame) and frame.error_code:
                return f"goaway {frame.error_code}"
            if isinstance(frame, frames.RstStreamFrame) and frame.stream_id == stream:
                return f"reset {frame.error_code}"
            if isinstance(frame, frames.HeadersFrame) and frame.stream_id == stream:
                return dict(frame.fields)[":status"]
        return "closed"

    def pong(self) -> None:
        """Sees that the connection is well."""
        self.frame(0x6, 0, 0, b"are you?")
        while frame := self.next():
            expect(not isinstance(frame, frames.GoAwayFrame) or not frame.error_code, "the connection was ended", got=self.frames)
            if isinstance(frame, frames.PingFrame) and "ACK" in frame.flags:
                expect(bytes(frame.opaque_data) == b"are you?", "another payload", got=frame)
                return
        raise Failure("the connection ended", got=self.frames)


def wires(servers: Servers) -> list[tuple[str, Callable[..., Peer]]]:
    """HTTP/2 with prior knowledge, and over TLS."""

    def h2c(**options: object) -> Peer:
        return Peer(servers.probe_h2c.address, **options)

    def tls(**options: object) -> Peer:
        return Peer(servers.probe_tls.address, servers.tls_context("h2"), **options)

    return [("h2c", h2c), ("TLS", tls)]
