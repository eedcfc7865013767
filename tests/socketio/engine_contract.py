"""What an Engine.IO server (protocol 4) owes its clients, clause by clause, at a path that echoes every message.

Heartbeat of the server: pingInterval 300 ms, pingTimeout 200 ms; maxPayload 1,000,000; CORS for everybody; transports polling and WebSocket.
Times have a floor that may not be undercut, and a ceiling that a busy machine keeps.
"""

import asyncio
import base64
import json
import time

from cases import Suite
from wire import SEPARATOR, Server, equal, expect

suite = Suite("engine.io", "/engine.io/")
case = suite.case

# Seconds. A timer may be read a little before a clock of another process agrees.
INTERVAL, TIMEOUT, EARLY, LATE = 0.3, 0.2, 0.01, 2.0

UNKNOWN_TRANSPORT = {"code": 0, "message": "Transport unknown"}
UNKNOWN_SID = {"code": 1, "message": "Session ID unknown"}
BAD_METHOD = {"code": 2, "message": "Bad handshake method"}
BAD_VERSION = {"code": 5, "message": "Unsupported protocol version"}


def refused(answer, wanted: dict) -> None:
    equal(answer.status, 400, "status")
    equal(answer.body, json.dumps(wanted, separators=(",", ":")).encode(), "body")
    equal(answer.headers.get("content-type"), "application/json", "Content-Type")


def after(begin: float, floor: float, what: str) -> None:
    took = time.monotonic() - begin
    expect(took >= floor - EARLY, f"{what} comes after {floor} s", took)
    expect(took <= floor + LATE, f"{what} comes at about {floor} s", took)


# The handshake.


@case("polling: the open packet has exactly its five members")
async def _(server: Server) -> None:
    answer = await server.get("EIO=4&transport=polling")
    equal(answer.status, 200, "status")
    equal(answer.headers.get("content-type", "").lower().replace(" ", ""), "text/plain;charset=utf-8", "Content-Type")
    expect(answer.text.startswith("0"), "an open packet", answer.body)
    opened = json.loads(answer.text[1:])
    equal(list(opened), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"], "members")
    equal((opened["upgrades"], opened["pingInterval"], opened["pingTimeout"], opened["maxPayload"]), (["websocket"], 300, 200, 1000000), "values")
    expect(isinstance(opened["sid"], str) and len(opened["sid"]) >= 20, "an id of at least 20 characters", opened["sid"])
    equal(answer.text, "0" + json.dumps(opened, separators=(",", ":")), "one packet, without spaces")


@case("WebSocket: the open packet has exactly its five members and offers no upgrade")
async def _(server: Server) -> None:
    async with await server.websocket("EIO=4&transport=websocket") as socket:
        text = await socket.text()
        opened = json.loads(text[1:])
        equal(text, "0" + json.dumps(opened, separators=(",", ":")), "one packet, without spaces")
        equal(list(opened), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"], "members")
        equal((opened["upgrades"], opened["pingInterval"], opened["pingTimeout"], opened["maxPayload"]), ([], 300, 200, 1000000), "values")


@case("sessions have ids of their own")
async def _(server: Server) -> None:
    sessions = await asyncio.gather(*(server.open_polling() for _ in range(20)))
    equal(len({session.sid for session in sessions}), 20, "different ids")


@case("polling without EIO: 400, code 5")
async def _(server: Server) -> None:
    refused(await server.get("transport=polling"), BAD_VERSION)


@case("polling with EIO=3: 400, code 5")
async def _(server: Server) -> None:
    refused(await server.get("EIO=3&transport=polling"), BAD_VERSION)


@case("polling with EIO=abc: 400, code 5")
async def _(server: Server) -> None:
    refused(await server.get("EIO=abc&transport=polling"), BAD_VERSION)


@case("polling without transport: 400, code 0")
async def _(server: Server) -> None:
    refused(await server.get("EIO=4"), UNKNOWN_TRANSPORT)


@case("polling with transport=abc: 400, code 0")
async def _(server: Server) -> None:
    refused(await server.get("EIO=4&transport=abc"), UNKNOWN_TRANSPORT)


@case("POST without sid: 400, code 2")
async def _(server: Server) -> None:
    refused(await server.post("EIO=4&transport=polling", ""), BAD_METHOD)


@case("PUT without sid: 400, code 2")
async def _(server: Server) -> None:
    refused(await server.request("PUT", "EIO=4&transport=polling", ""), BAD_METHOD)


@case("GET with an unknown sid: 400, code 1")
async def _(server: Server) -> None:
    for sid in ("abcdefghijklmnopqrst", "__proto__", "toString", "%00", "a" * 2000):
        refused(await server.get(f"EIO=4&transport=polling&sid={sid}"), UNKNOWN_SID)


@case("POST with an unknown sid: 400, code 1")
async def _(server: Server) -> None:
    refused(await server.post("EIO=4&transport=polling&sid=abcdefghijklmnopqrst", "4abc"), UNKNOWN_SID)


@case("a sid is compared exactly")
async def _(server: Server) -> None:
    session = await server.open_polling()
    for other in (session.sid.swapcase(), session.sid + "A", session.sid[:-1]):
        refused(await server.get(f"EIO=4&transport=polling&sid={other}"), UNKNOWN_SID)
    await session.is_alive()


for name, query in {
    "without EIO": "transport=websocket",
    "with EIO=abc": "EIO=abc&transport=websocket",
    "without transport": "EIO=4",
    "with transport=abc": "EIO=4&transport=abc",
    "with an unknown sid": "EIO=4&transport=websocket&sid=abcdefghijklmnopqrst",
}.items():

    @case(f"a WebSocket {name} is closed")
    async def _(server: Server, query: str = query) -> None:
        await server.websocket_is_closed(query)


@case("transport=websocket without an upgrade: 400")
async def _(server: Server) -> None:
    answer = await server.get("EIO=4&transport=websocket")
    equal(answer.status, 400, "status")


@case("pages of any origin may read answers and errors")
async def _(server: Server) -> None:
    origin = {"Origin": "http://example.com"}
    for query in ("EIO=4&transport=polling", "EIO=4&transport=abc", "EIO=4&transport=polling&sid=abcdefghijklmnopqrst"):
        answer = await server.get(query, headers=origin)
        equal(answer.headers.get("access-control-allow-origin"), "*", f"Access-Control-Allow-Origin of ?{query}")


@case("a preflight is answered")
async def _(server: Server) -> None:
    asked = {"Origin": "http://example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = await server.request("OPTIONS", "EIO=4&transport=polling", headers=asked)
    expect(answer.status in (200, 204), "200 or 204", answer.status)
    equal(answer.headers.get("access-control-allow-origin"), "*", "Access-Control-Allow-Origin")
    expect("POST" in answer.headers.get("access-control-allow-methods", ""), "POST is allowed", answer.headers)


# The heartbeat.


@case("polling: the first ping comes after pingInterval, and so does each after its pong")
async def _(server: Server) -> None:
    session = await server.open_polling()
    begin = session.begin
    for _ in range(3):
        equal(await session.packets(), ["2"], "a ping")
        after(begin, INTERVAL, "a ping")
        begin = time.monotonic()
        await session.send("3")


@case("WebSocket: the first ping comes after pingInterval, and so does each after its pong")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        begin = socket.begin
        for _ in range(3):
            equal(await socket.receive(), "2", "a ping")
            after(begin, INTERVAL, "a ping")
            begin = time.monotonic()
            socket.send("3")


@case("polling: without a pong the session is gone after pingTimeout")
async def _(server: Server) -> None:
    session = await server.open_polling()
    equal(await session.packets(), ["2"], "a ping")
    await asyncio.sleep(TIMEOUT * 0.5)
    # Still there: another ping is not due, so this poll ends with the session.
    answer = await session.poll()
    after(session.begin, INTERVAL + TIMEOUT, "the end")
    expect(answer.status == 400 or answer.body == b"1", "the session ends", (answer.status, answer.body))
    await session.is_gone()


@case("polling: without a poll the session is gone after pingInterval and pingTimeout")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await asyncio.sleep(INTERVAL + TIMEOUT + 0.3)
    refused(await session.poll(), UNKNOWN_SID)


@case("WebSocket: without a pong the connection is closed after pingTimeout")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        equal(await socket.receive(), "2", "a ping")
        await socket.closed()
        after(socket.begin, INTERVAL + TIMEOUT, "the end")


@case("a message is no pong")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        equal(await socket.receive(), "2", "a ping")
        socket.send("4abc")
        equal(await socket.receive(), "4abc", "the echo")
        await socket.closed()
        after(socket.begin, INTERVAL + TIMEOUT, "the end")


# Messages.


@case("polling: a text message comes back")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("4hello")
    equal(await session.collect(1), ["4hello"], "packets")


@case("polling: several messages of one payload come back in their order")
async def _(server: Server) -> None:
    session = await server.open_polling()
    sent = [f"4test{at}" for at in range(50)]
    await session.send(SEPARATOR.join(sent))
    equal(await session.collect(50), sent, "packets")


@case("polling: a poll that waits is answered by a message at once")
async def _(server: Server) -> None:
    session = await server.open_polling()
    poll = asyncio.create_task(session.poll())
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    await session.send("4now")
    equal((await poll).body, b"4now", "payload")
    expect(time.monotonic() - begin < INTERVAL + LATE, "at once", time.monotonic() - begin)


@case("polling: octets come back as b and base64")
async def _(server: Server) -> None:
    session = await server.open_polling()
    octets = bytes(range(256))
    sent = ["bAQIDBA==", "b" + base64.b64encode(octets).decode(), "b"]
    await session.send(SEPARATOR.join(sent[:2]))
    equal(await session.collect(2), sent[:2], "packets")


@case("polling: text and octets in one payload keep their order")
async def _(server: Server) -> None:
    session = await server.open_polling()
    sent = ["4one", "bAQ==", "4two", "bAgM=", "4"]
    await session.send(SEPARATOR.join(sent))
    equal(await session.collect(5), sent, "packets")


@case("polling: characters beyond ASCII, and beyond 16 bits")
async def _(server: Server) -> None:
    session = await server.open_polling()
    sent = ["4utf8 — string: Ḽơᶉëᶆ", "4€ and \U0001f389", "4\x00\x7f"]
    await session.send(SEPARATOR.join(sent))
    equal(await session.collect(3), sent, "packets")


@case("WebSocket: a text message comes back")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("4hello", "4", "4€ and \U0001f389")
        equal([await socket.next() for _ in range(3)], ["4hello", "4", "4€ and \U0001f389"], "messages")


@case("WebSocket: octets come back as they are")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        sent = [bytes([1, 2, 3, 4]), b"", bytes(range(256)) * 300]
        socket.send(*sent)
        equal([await socket.next() for _ in range(3)], sent, "messages")


@case("WebSocket: 500 messages come back in their order")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        sent = [f"4{at}" for at in range(500)]
        socket.send(*sent)
        equal([await socket.next() for _ in range(500)], sent, "messages")


@case("WebSocket: a message in several frames is one")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.write(1, b"4hel", final=False)
        socket.write(0, b"lo", final=False)
        socket.write(0, b"", final=True)
        equal(await socket.next(), "4hello", "the echo")


@case("a message of almost maxPayload comes back over both transports")
async def _(server: Server) -> None:
    message = "4" + "x" * 999_990
    session = await server.open_polling()
    await session.send(message)
    equal(await session.collect(1), [message], "packets")
    async with await server.open_websocket() as socket:
        socket.send(message)
        equal(await socket.next(), message, "the echo")


@case("polling: a body beyond maxPayload is refused with 413")
async def _(server: Server) -> None:
    session = await server.open_polling()
    answer = await server.post(session.query, "4" + "x" * 1_000_000)
    equal(answer.status, 413, "status")


@case("WebSocket: a message beyond maxPayload closes")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("4" + "x" * 1_000_000)
        await socket.closed()


# Faults.


@case("polling: POST of an invalid packet: 400, and the session is gone", beyond=True)
async def _(server: Server) -> None:
    session = await server.open_polling()
    answer = await server.post(session.query, "abc")
    equal(answer.status, 400, "status")
    await session.is_gone()


@case("polling: POST of an empty packet in a payload: 400, and the session is gone", beyond=True)
async def _(server: Server) -> None:
    session = await server.open_polling()
    answer = await server.post(session.query, SEPARATOR.join(["4one", "", "4two"]))
    equal(answer.status, 400, "status")
    await session.is_gone()


for name, text in {"an unknown type": "abc", "nothing": "", "an unknown digit": "9"}.items():

    @case(f"WebSocket: {name} closes")
    async def _(server: Server, text: str = text) -> None:
        async with await server.open_websocket() as socket:
            socket.send(text)
            await socket.closed()


@case("a second poll while one waits: the first gets 200 and 1, the second 400, the session is gone")
async def _(server: Server) -> None:
    session = await server.open_polling()
    first = asyncio.create_task(session.poll())
    await asyncio.sleep(0.1)
    second = await session.poll()
    one = await first
    equal((one.status, one.body), (200, b"1"), "the first poll")
    equal(second.status, 400, "status of the second poll")
    await session.is_gone()


for name, length in {"in chunks": 0, "of three octets": 3, "of 100,000 octets": 100_000}.items():

    @case(f"a second POST while one is read, {name}: 400, and the session is gone")
    async def _(server: Server, length: int = length) -> None:
        session = await server.open_polling()
        reader, writer = await session.hanging("POST", b"4a", length)
        await asyncio.sleep(0.1)
        second = await server.post(session.query, "4abc")
        equal(second.status, 400, "status of the second POST")
        await session.is_gone()
        writer.close()


@case("a client that gives up its poll ends the session")
async def _(server: Server) -> None:
    session = await server.open_polling()
    _, writer = await session.hanging()
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.1)
    refused(await session.poll(), UNKNOWN_SID)


@case("polling: a close packet answers the poll that waits with 200 and 6, and the session is gone")
async def _(server: Server) -> None:
    session = await server.open_polling()
    poll = asyncio.create_task(session.poll())
    await asyncio.sleep(0.1)
    await session.send("1")
    answer = await poll
    equal((answer.status, answer.body), (200, b"6"), "the poll that waited")
    refused(await session.poll(), UNKNOWN_SID)


@case("WebSocket: a close packet closes", beyond=True)
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("1")
        await socket.closed()


@case("a sid of a WebSocket that went is unknown", beyond=True)
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        sid = socket.sid
        socket.send("1")
        await socket.closed()
    await server.websocket_is_closed(f"EIO=4&transport=websocket&sid={sid}")
    refused(await server.get(f"EIO=4&transport=polling&sid={sid}"), UNKNOWN_SID)


# The upgrade.


async def upgraded(server: Server):
    """A session that began with polling and is on a WebSocket now."""
    session = await server.open_polling()
    socket = await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}")
    socket.sid, socket.begin = session.sid, session.begin
    socket.send("2probe")
    equal(await socket.receive(), "3probe", "the answer to a probe")
    poll = asyncio.create_task(session.poll())
    equal((await poll).body, b"6", "the poll that waits during the upgrade")
    socket.send("5")
    return session, socket


@case("upgrade: probe, the poll that waits gets 6, then messages go both ways")
async def _(server: Server) -> None:
    session = await server.open_polling()
    poll = asyncio.create_task(session.poll())
    await asyncio.sleep(0.05)
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")
        answer = await poll
        equal((answer.status, answer.body), (200, b"6"), "the poll that waited")
        socket.send("5", "4hello", b"\x01\x02")
        equal(await socket.next(), "4hello", "the echo")
        equal(await socket.next(), b"\x01\x02", "the echo of octets")


@case("upgrade: the heartbeat goes on over the WebSocket")
async def _(server: Server) -> None:
    _, socket = await upgraded(server)
    async with socket:
        equal(await socket.receive(), "2", "a ping")
        after(socket.begin, INTERVAL, "the ping")
        begin = time.monotonic()
        socket.send("3")
        equal(await socket.receive(), "2", "a ping")
        after(begin, INTERVAL, "the next ping")
        await socket.closed()


@case("upgrade: what was sent before it ended comes over one of the two, once and in order")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")
        await session.send("4one" + SEPARATOR + "4two")
        got = [packet for packet in (await session.poll()).packets if packet not in ("2", "6")]
        socket.send("5", "4three")
        while len(got) < 3:
            got.append(await socket.next())
        equal(got, ["4one", "4two", "4three"], "messages")


@case("upgrade: polling with the sid afterwards: 400")
async def _(server: Server) -> None:
    session, socket = await upgraded(server)
    async with socket:
        socket.send("4up")
        equal(await socket.next(), "4up", "the echo")
        equal((await session.poll()).status, 400, "status of GET")
        equal((await server.post(session.query, "4abc")).status, 400, "status of POST")
        socket.send("4still")
        equal(await socket.next(), "4still", "the echo")


@case("upgrade: a second WebSocket on an upgraded sid is closed, the first goes on")
async def _(server: Server) -> None:
    session, socket = await upgraded(server)
    async with socket:
        socket.send("4up")
        equal(await socket.next(), "4up", "the echo")
        await server.websocket_is_closed(f"EIO=4&transport=websocket&sid={session.sid}")
        socket.send("4still")
        equal(await socket.next(), "4still", "the echo")


@case("upgrade: a WebSocket on the sid of a WebSocket session is closed", beyond=True)
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        await server.websocket_is_closed(f"EIO=4&transport=websocket&sid={socket.sid}")
        socket.send("4still")
        equal(await socket.next(), "4still", "the echo")


@case("upgrade: a WebSocket that goes before the upgrade ends leaves the session on polling")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")
    await session.send("4hello")
    got: list[str] = []
    while "4hello" not in got:
        packets = await session.packets()
        if "2" in packets:
            await session.send("3")
        got += packets
    equal([packet for packet in got if packet not in ("2", "6")], ["4hello"], "messages")


@case("upgrade: a probe of something else closes the WebSocket")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("4abc")
        await socket.closed()


@case("upgrade: the WebSocket's end is the session's")
async def _(server: Server) -> None:
    session, socket = await upgraded(server)
    async with socket:
        socket.send("4up")
        equal(await socket.next(), "4up", "the echo")
    end = time.monotonic() + 5
    while (answer := await session.poll()).body != json.dumps(UNKNOWN_SID, separators=(",", ":")).encode():
        expect(time.monotonic() < end, "the session is gone", answer.body)
        await asyncio.sleep(0.02)


@case("many sessions of both transports at once")
async def _(server: Server) -> None:
    async def polling(at: int) -> None:
        session = await server.open_polling()
        await session.send(f"4{at}")
        equal(await session.collect(1), [f"4{at}"], "packets")
        await session.send("1")

    async def websocket(at: int) -> None:
        async with await server.open_websocket() as socket:
            socket.send(f"4{at}")
            equal(await socket.next(), f"4{at}", "the echo")

    await asyncio.gather(*(kind(at) for at in range(30) for kind in (polling, websocket)))
