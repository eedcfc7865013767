"""HTTP/1.1 and WebSocket as a test writes them: what goes over the wire is what the case says, and nothing is put right on the way."""

import asyncio
import base64
import dataclasses
import json
import os
import struct
import time

# Between packets of one polling payload.
SEPARATOR = "\x1e"

# Seconds that anything expected may take. A busy machine needs more than a test of time allows itself.
PATIENCE = 8.0

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Failure(Exception):
    """A case that did not hold."""


def expect(holds: bool, why: str, got: object = None) -> None:
    if not holds:
        raise Failure(why if got is None else f"{why}; got {got!r:.400}")


def equal(got: object, wanted: object, what: str) -> None:
    if got != wanted:
        raise Failure(f"{what}: {got!r:.400} instead of {wanted!r:.400}")


@dataclasses.dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def packets(self) -> list[str]:
        return self.text.split(SEPARATOR)


class Gone(Exception):
    """The peer closed where an answer was expected."""


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        octets = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Gone(getattr(error, "partial", b"")) from None
    lines = octets.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split(" ")[1]), headers


async def response(reader: asyncio.StreamReader) -> Response:
    status, headers = await head(reader)
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError as error:
        raise Gone(error.partial) from None
    return Response(status, headers, body)


class Server:
    """What is tested: an address, and a path that Engine.IO is served at."""

    def __init__(self, host: str, port: int, path: str, process: int | None = None) -> None:
        self.host, self.port, self.path, self.process = host, port, path, process

    def at(self, path: str) -> "Server":
        return Server(self.host, self.port, path, self.process)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(asyncio.open_connection(self.host, self.port, limit=1 << 24), PATIENCE)

    def head(self, method: str, query: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
        lines = [f"{method} {self.path}{'?' if query else ''}{query} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode()

    async def request(self, method: str, query: str, body: str | bytes | None = None, headers: dict[str, str] | None = None) -> Response:
        """One request on a connection of its own."""
        reader, writer = await self.connect()
        try:
            if isinstance(body, str):
                body = body.encode()
            fields = {"Connection": "close"}
            if body is not None:
                fields["Content-Type"] = "text/plain;charset=UTF-8"
            writer.write(self.head(method, query, fields | (headers or {}), body) + (body or b""))
            return await asyncio.wait_for(response(reader), PATIENCE)
        finally:
            writer.close()

    async def get(self, query: str, **more) -> Response:
        return await self.request("GET", query, **more)

    async def post(self, query: str, body: str | bytes, **more) -> Response:
        return await self.request("POST", query, body, **more)

    async def websocket(self, query: str, headers: dict[str, str] | None = None) -> "WebSocket":
        """The opening handshake, which has to succeed."""
        reader, writer = await self.connect()
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
        writer.write(self.head("GET", query, fields | (headers or {})))
        try:
            status, _ = await asyncio.wait_for(head(reader), PATIENCE)
        except BaseException:
            writer.close()
            raise
        if status != 101:
            writer.close()
            raise Gone(status)
        return WebSocket(reader, writer)

    async def websocket_is_closed(self, query: str) -> None:
        """A WebSocket that the server does not want: refused in the handshake, or closed at once without a message."""
        try:
            socket = await self.websocket(query)
        except Gone:
            return
        async with socket:
            # engine.io may write the head of a 400 behind the 101, or a close frame and then wait for ours.
            octets = await asyncio.wait_for(socket.reader.read(1 << 16), PATIENCE)
            expect(octets[:1] in (b"", b"\x88", b"H"), "no session is opened", octets)

    async def open_polling(self) -> "Polling":
        begin = time.monotonic()
        answer = await self.get("EIO=4&transport=polling")
        equal(answer.status, 200, "status of the handshake")
        return Polling(self, json.loads(answer.text[1:])["sid"], begin)

    async def open_websocket(self) -> "WebSocket":
        begin = time.monotonic()
        socket = await self.websocket("EIO=4&transport=websocket")
        opened = await socket.text()
        expect(opened.startswith("0{"), "an open packet comes first", opened)
        socket.sid, socket.begin = json.loads(opened[1:])["sid"], begin
        return socket


class Polling:
    """A session over polling; every request has a connection of its own."""

    def __init__(self, server: Server, sid: str, begin: float) -> None:
        self.server, self.sid, self.begin = server, sid, begin
        self.query = f"EIO=4&transport=polling&sid={sid}"

    async def poll(self) -> Response:
        return await self.server.get(self.query)

    async def packets(self) -> list[str]:
        answer = await self.poll()
        equal(answer.status, 200, f"status of a poll, {answer.body!r}")
        return answer.packets

    async def send(self, body: str) -> None:
        answer = await self.server.post(self.query, body)
        equal((answer.status, answer.body), (200, b"ok"), "answer to a POST")

    async def collect(self, count: int) -> list[str]:
        """So many packets, over as many polls as it takes; pings are answered and left out."""
        packets: list[str] = []
        while len(packets) < count:
            for packet in await self.packets():
                if packet == "2":
                    await self.send("3")
                else:
                    packets.append(packet)
        return packets

    async def hanging(self, since: str = "GET", body: bytes = b"", length: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A poll whose answer is not waited for; with `since` POST, the head of a request whose body does not come whole: in chunks, or of
        so many octets."""
        reader, writer = await self.server.connect()
        if since == "GET":
            writer.write(self.server.head("GET", self.query))
        else:
            fields = {"Content-Type": "text/plain;charset=UTF-8"}
            if length:
                writer.write(self.server.head("POST", self.query, fields | {"Content-Length": str(length)}) + body)
            else:
                head = self.server.head("POST", self.query, fields | {"Transfer-Encoding": "chunked"})
                writer.write(head + b"%x\r\n%s\r\n" % (len(body), body))
        await writer.drain()
        return reader, writer

    async def is_gone(self) -> None:
        """Its next poll is refused as one of a session that does not exist."""
        end = time.monotonic() + PATIENCE
        while True:
            answer = await self.poll()
            if answer.status == 400:
                equal(json.loads(answer.body), {"code": 1, "message": "Session ID unknown"}, "body")
                return
            expect(time.monotonic() < end, "the session has to be gone", answer.body)
            # What was on its way out: a close packet.
            equal(answer.body, b"1", "a poll of a session that is closing")

    async def is_alive(self) -> None:
        await self.send("3")


class WebSocket:
    """A client's end. Frames are masked with zeros, which is allowed and leaves octets readable."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sid, self.begin = "", 0.0

    async def __aenter__(self) -> "WebSocket":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def write(self, opcode: int, octets: bytes, final: bool = True) -> None:
        length = len(octets)
        first = bytes([(0x80 if final else 0) | opcode])
        if length < 126:
            size = bytes([0x80 | length])
        elif length < 1 << 16:
            size = b"\xfe" + struct.pack("!H", length)
        else:
            size = b"\xff" + struct.pack("!Q", length)
        self.writer.write(first + size + bytes(4) + octets)

    def send(self, *messages: str | bytes) -> None:
        """Messages, one frame each."""
        for message in messages:
            if isinstance(message, str):
                self.write(TEXT, message.encode())
            else:
                self.write(BINARY, message)

    async def frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        expect(first & 0x70 == 0, "no reserved bit", first)
        expect(first & 0x80 != 0, "a frame that is a whole message", first)
        expect(second & 0x80 == 0, "a server does not mask", second)
        length = second
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)

    async def receive(self, patience: float = PATIENCE) -> str | bytes:
        """The next message; pings of WebSocket are answered."""
        while True:
            try:
                opcode, octets = await asyncio.wait_for(self.frame(), patience)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise Gone(str(error)) from None
            if opcode == TEXT:
                return octets.decode()
            if opcode == BINARY:
                return octets
            if opcode == CLOSE:
                raise Gone(f"close {octets!r}")
            if opcode == PING:
                self.write(PONG, octets)

    async def text(self) -> str:
        message = await self.receive()
        expect(isinstance(message, str), "a text message", message)
        return message

    async def next(self) -> str | bytes:
        """The next message that is no ping; pings are answered."""
        while True:
            message = await self.receive()
            if message != "2":
                return message
            self.send("3")

    async def closed(self, pings: bool = False) -> None:
        """The server ends the connection and says nothing before, but for pings where they are allowed."""
        try:
            while True:
                message = await self.receive()
                expect(pings and message == "2", "the server closes without a message", message)
        except Gone:
            return

    async def quiet(self, seconds: float) -> None:
        """Nothing but pings, which are answered, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                message = await self.receive(left)
            except TimeoutError:
                return
            equal(message, "2", "a message where none was expected")
            self.send("3")
