"""SI-5: a million guesses at the ids of sessions that are there. It needs the server for itself."""

import asyncio
import base64
import os
import time

from cases import Suite
from hostile import counters, is_served, resident
from wire import Server, equal, expect

suite = Suite("guesses", "/socket.io/", at_once=1)
case = suite.case

GUESSES = 1_000_000
CONNECTIONS = 4
# In one write; the answers to them come in one or two reads.
BATCH = 500
SECONDS = 30


@case("SI-5 a million guesses in half a minute: no hit, each is counted, nothing is kept of them", ceiling=150)
async def _(server: Server) -> None:
    app = server.at("/app/")
    sessions = [await app.open_polling() for _ in range(100)]
    for session in sessions:
        await session.send("40")
    before, memory = await counters(server, "/app/"), resident(server)
    begin = time.monotonic()
    answers = await asyncio.gather(*(guess(app, GUESSES // CONNECTIONS) for _ in range(CONNECTIONS)))
    took = time.monotonic() - begin
    equal(sum(answers), GUESSES, "refusals")
    after = await counters(server, "/app/")
    equal(after["unknown_sid"] - before["unknown_sid"], GUESSES, "refusals that were counted")
    expect(resident(server) - memory < 16 << 20, "memory", resident(server) - memory)
    # Half a minute on a machine with nothing else to do.
    expect(took < 3 * SECONDS, "time", took)
    print(f"# {GUESSES} guesses in {took:.1f} s")
    await is_served(server)
    for session in sessions:
        await session.send("1")


@case("SI-5 an address that guesses 1,000 times in a minute has a connection for each guess from then on")
async def _(server: Server) -> None:
    guarded = server.at("/guarded/")
    before = await counters(server, "/guarded/")
    session = await guarded.open_polling()
    # What is refused beyond that is the last on its connection.
    equal(await guess(guarded, 3 * BATCH), 1001, "answers on the first connection")
    for _ in range(3):
        equal(await guess(guarded, BATCH), 1, "answers on another one")
    after = await counters(server, "/guarded/")
    equal(after["guesses"] - before["guesses"], 4, "connections that were closed")
    equal(after["unknown_sid"] - before["unknown_sid"], 1004, "refusals that were counted")
    # Who has a session is served.
    await session.send("1")


async def guess(server: Server, count: int) -> int:
    """How many of so many guesses are refused, until the server closes; anything else ends it."""
    reader, writer = await server.connect()
    start = f"GET {server.path}?EIO=4&transport=polling&sid=".encode()
    end = f" HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()

    async def send() -> None:
        for _ in range(0, count, BATCH):
            octets = os.urandom(16 * BATCH)
            ids = (base64.urlsafe_b64encode(octets[at : at + 16])[:22] for at in range(0, 16 * BATCH, 16))
            writer.write(b"".join(start + sid + end for sid in ids))
            await writer.drain()

    sending = asyncio.create_task(send())
    refused, rest = 0, b""
    while refused < count and (octets := await asyncio.wait_for(reader.read(1 << 18), 20)):
        octets = rest + octets
        refused += octets.count(b"HTTP/1.1 400 ")
        if b"HTTP/1.1 2" in octets:
            break
        # A status line may be cut in two.
        cut = octets.rfind(b"\n") + 1
        rest = octets[cut:] if b"HTTP/1.1 400 " not in octets[cut:] else b""
    sending.cancel()
    writer.close()
    return refused
