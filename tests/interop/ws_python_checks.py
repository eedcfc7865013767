"""Python's websockets as a client, which sends fragments, compresses and judges the closing handshake."""

import asyncio
import os
import socket as sockets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness import Address, Checks, Failure, Servers, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

MIB = 1024 * 1024


def checks(servers: Servers) -> Checks:
    yield from over(servers.url().replace("http:", "ws:").rstrip("/"), lambda: None)
    context, address = servers.tls_context("http/1.1"), servers.probe_tls.address
    for name, check in over(f"ws://localhost:{address[1]}", lambda: through_tls(address, context)):
        yield f"TLS: {name}", check


def over(base: str, carrier: Callable[[], sockets.socket | None]) -> Checks:
    def to(path: str, **options: object) -> ClientConnection:
        return connect(base + path, open_timeout=10, sock=carrier(), **options)

    @contextmanager
    def opened(path: str = "/", **options: object) -> Iterator[ClientConnection]:
        with to(path, max_size=32 * MIB, close_timeout=10, **options) as socket:
            yield socket
        expect(socket.close_code == 1000, "the Close was not clean", got=f"{socket.close_code} {socket.close_reason}")

    def echoes() -> None:
        with opened() as socket:
            for message in ("", "Hello", "Grüße, 世界 🦀", "x" * 70_000, b"", os.urandom(125), os.urandom(126), os.urandom(65_536), os.urandom(16 * MIB)):
                back(socket, message)

    def fragments() -> None:
        with opened() as socket:
            for parts in (["frag", "men", "ted"], ["", "", "a"], [b"\x00" * 1000, b"\x01" * 70_000], ["ü" * 1000] * 300):
                socket.send(iter(parts))
                whole = type(parts[0])().join(parts)
                expect(socket.recv(10) == whole, "another message came back", whole)

    def splits() -> None:
        """Four octets of one character, cut at every place."""
        with opened("/plain", compression=None) as socket:
            octets = "🦀".encode()
            for at in range(5):
                socket.send(iter([octets[:at], octets[at:]]), text=True)
                expect(socket.recv(10) == "🦀", "another text came back", at)

    def pings() -> None:
        with opened() as socket:
            for number in range(20):
                payload = f"ping {number}".encode()
                expect(socket.ping(payload).wait(10), "no pong came", payload)

    def deflate(path: str, **parameters: object) -> None:
        factory = ClientPerMessageDeflateFactory(**parameters)
        with opened(path, compression=None, extensions=[factory]) as socket:
            expect(len(socket.protocol.extensions) == 1, "permessage-deflate was not agreed on", parameters)
            noise = os.urandom(100_000)
            for message in ("", "a", "abc" * 1000, noise, "abc" * 1000, noise, "ü" * 200_000, "Hello"):
                back(socket, message)
            # Compressed parts of one message.
            socket.send(iter(["part " * 100] * 50))
            expect(socket.recv(10) == "part " * 5000, "another message came back for fragments")

    def no_deflate() -> None:
        with opened(compression=None) as socket:
            expect(not socket.protocol.extensions, "an extension that was not offered")
            back(socket, "abc" * 1000)
        with opened("/plain") as socket:
            expect(not socket.protocol.extensions, "an extension where there is none")

    def close_codes() -> None:
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999):
            with to("/") as socket:
                socket.close(code, "why ü")
            expect(socket.close_code == code, "another code came back", code, socket.close_code)

    def server_closes() -> None:
        for asked, code, reason in (("1000 done", 1000, "done"), ("4321 ünd weg", 4321, "ünd weg"), ("1012 ", 1012, ""), ("no code", 1003, "Unsupported data")):
            with to("/close") as socket:
                socket.send(asked)
                got = ended(socket)
                expect((got.code, got.reason) == (code, reason), "another Close came", asked, got)

    def too_big() -> None:
        with to("/", max_size=None) as socket:
            # As octets on the wire it is small; the limit counts what it becomes.
            socket.send("x" * (16 * MIB + 1))
            got = ended(socket)
            expect(got.code == 1009, "a message beyond the limit", got=got)

    def subprotocol() -> None:
        with opened(subprotocols=["soap", "echo"]) as socket:
            expect(socket.subprotocol == "echo", "the subprotocol", got=socket.subprotocol)
        with opened(subprotocols=["soap"]) as socket:
            expect(socket.subprotocol is None, "the subprotocol", got=socket.subprotocol)

    def origin() -> None:
        try:
            with to("/", origin="https://elsewhere.example", additional_headers={"Cookie": "session=1"}):
                pass
        except InvalidStatus as refusal:
            expect(refusal.response.status_code == 403, "a foreign page with a cookie", got=refusal.response)
        else:
            raise Failure("a foreign page with a cookie was let in")
        with opened(origin="https://elsewhere.example") as socket:
            back(socket, "Hello")

    def at_once() -> None:
        failures: list[str] = []

        def one(number: int) -> None:
            try:
                with opened() as socket:
                    for turn in range(10):
                        back(socket, f"{number} {turn} " * 100)
            except Exception as failure:  # a thread has nobody else to tell
                failures.append(f"{number}: {failure!r}")

        threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(not failures, "sockets failed", got=failures)

    yield "text and octets come back as what they are", echoes
    yield "fragments come back as one message", fragments
    yield "a character cut at every place comes back whole", splits
    yield "each ping is answered", pings
    yield "deflate with the defaults of both", lambda: deflate("/", client_max_window_bits=True)
    yield "deflate with contexts kept", lambda: deflate("/takeover", client_max_window_bits=True)
    yield "deflate without contexts", lambda: deflate("/takeover", server_no_context_takeover=True, client_no_context_takeover=True)
    for bits in range(9, 16):
        yield f"deflate with windows of 2^{bits}", lambda bits=bits: deflate("/takeover", server_max_window_bits=bits, client_max_window_bits=bits)
    yield "deflate for a client whose window has one size", lambda: deflate("/takeover")
    yield "no deflate that was not offered", no_deflate
    yield "the code of a Close comes back", close_codes
    yield "the server closes with the code and the reason of its handler", server_closes
    yield "a message beyond the limit is told so", too_big
    yield "a subprotocol of those that were offered", subprotocol
    yield "a foreign page with a cookie is refused", origin
    yield "40 sockets at the same time", at_once


def through_tls(address: Address, context: ssl.SSLContext) -> sockets.socket:
    """A socket whose octets travel through TLS.

    This client reads in one thread and writes in another, which the objects of OpenSSL's library do not stand: one connection in some hundreds
    would wait for ever, with any server. So TLS has a thread, and a loop, of its own.
    """
    near, far = sockets.socketpair()
    threading.Thread(target=asyncio.run, args=[carry(far, address, context)], daemon=True).start()
    return near


async def carry(far: sockets.socket, address: Address, context: ssl.SSLContext) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while octets := await reader.read(65536):
                writer.write(octets)
                await writer.drain()
        except OSError:
            pass  # whoever reads at the other end sees that it ended
        writer.close()

    inner, to_inner = await asyncio.open_connection(sock=far)
    try:
        outer, to_outer = await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")
    except OSError:
        to_inner.close()
        return
    await asyncio.gather(pump(inner, to_outer), pump(outer, to_inner))


def back(socket: ClientConnection, message: str | bytes) -> None:
    socket.send(message)
    got = socket.recv(10)
    expect(type(got) is type(message) and got == message, "another message came back", message[:50], got[:50])


def ended(socket: ClientConnection) -> object:
    """The Close that the server sent."""
    try:
        message = socket.recv(10)
    except ConnectionClosed as closed:
        expect(closed.rcvd is not None, "the connection ended without a Close", got=closed)
        return closed.rcvd
    raise Failure("a message came in place of a Close", got=message)
