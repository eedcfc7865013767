"""Sessions that come and go leave nothing: none that is still counted, and no memory that grows with them.

It needs the server for itself.
"""

import asyncio
import time

from cases import Suite
from hostile import counters, resident
from socket_contract import connected
from wire import SEPARATOR, Server, expect

suite = Suite("churn", "/app/", at_once=1)
case = suite.case

SESSIONS = 2000
AT_ONCE = 40


async def none_left(server: Server, before: dict[str, int]) -> None:
    """Sessions, sockets: what was not there before."""
    end = time.monotonic() + 15
    while True:
        left = await counters(server, server.path)
        if all(left[name] <= before[name] for name in ("sessions", "sockets")):
            return
        expect(time.monotonic() < end, "nothing is left", left)
        await asyncio.sleep(0.05)


async def churn(server: Server, one) -> None:
    turns = asyncio.Semaphore(AT_ONCE)
    before = await counters(server, server.path)

    async def bounded(at: int) -> None:
        async with turns:
            await one(at)

    await asyncio.gather(*(bounded(at) for at in range(SESSIONS // 2)))
    await none_left(server, before)
    half = resident(server)
    await asyncio.gather(*(bounded(at) for at in range(SESSIONS // 2)))
    await none_left(server, before)
    # The first half has filled every pool; the second has nothing to add but noise.
    grown = resident(server) - half
    expect(grown < 4 << 20, f"{SESSIONS // 2} more sessions leave no memory", grown)


async def polling_session(server: Server, at: int):
    session = await server.open_polling()
    await session.send("40")
    await session.send(f'420["join",["churn{at % 7}","own{at}"]]')
    await session.collect(2)
    return session


async def websocket_session(server: Server, at: int):
    socket = await server.open_websocket()
    await join(socket, at)
    return socket


async def join(socket, at: int) -> None:
    socket.send("40")
    connected(await socket.next())
    socket.send(f'420["join",["churn{at % 7}","own{at}"]]')
    while not (await socket.next()).startswith("430"):
        pass


@case("2,000 sessions over polling that close", ceiling=90)
async def _(server: Server) -> None:
    async def one(at: int) -> None:
        session = await polling_session(server, at)
        await session.send(SEPARATOR.join(["41", "1"]) if at % 2 else "1")

    await churn(server, one)


@case("2,000 sessions over WebSockets, of which some close and some are gone", ceiling=90)
async def _(server: Server) -> None:
    async def one(at: int) -> None:
        socket = await websocket_session(server, at)
        if at % 3 == 0:
            socket.send("41")
        elif at % 3 == 1:
            socket.send("1")
        socket.writer.close() if at % 2 else socket.writer.transport.abort()

    await churn(server, one)


@case("2,000 sessions that are upgraded, or stopped in the middle of it", ceiling=90)
async def _(server: Server) -> None:
    async def one(at: int) -> None:
        session = await server.open_polling()
        async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
            if at % 4:
                socket.send("2probe")
                await socket.receive()
            if at % 4 > 1:
                await session.poll()
                socket.send("5")
                await join(socket, at)
        if at % 4 < 2:
            await session.send("1")

    await churn(server, one)


@case("2,000 sessions that are not heard of again after their first request", ceiling=90)
async def _(server: Server) -> None:
    # With the heartbeat of the contract they are gone after half a second.
    async def one(_: int) -> None:
        await server.at("/socket.io/").open_polling()

    await churn(server.at("/socket.io/"), one)
