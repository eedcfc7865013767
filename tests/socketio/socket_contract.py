"""What a Socket.IO server (protocol 5) owes its clients, clause by clause, at a path of its own.

connectTimeout is 1000 ms. The namespaces `/` and `/custom` emit `auth` with what the client gave to authenticate itself; `/` answers `message` by
`message-back` with the same arguments and acknowledges `message-with-ack` with them; there is no other namespace.
"""

import asyncio
import json
import re
import time

from cases import Suite
from engine_contract import EARLY, LATE
from wire import Gone, SEPARATOR, Server, WebSocket, equal, expect

suite = Suite("socket.io", "/socket.io/")
case = suite.case

CONNECT_TIMEOUT = 1.0


def connected(packet: object, namespace: str = "") -> str:
    """The id in the answer to CONNECT, which has nothing else."""
    found = re.fullmatch(re.escape(f"40{namespace}") + r'\{"sid":"([^"\\]{20,})"\}', packet) if isinstance(packet, str) else None
    expect(found is not None, f"an answer to CONNECT of {namespace or '/'}", packet)
    return found.group(1)


async def open_socket(server: Server) -> WebSocket:
    """A socket of the main namespace, over a WebSocket."""
    socket = await server.open_websocket()
    socket.send("40")
    connected(await socket.next())
    equal(await socket.next(), '42["auth",{}]', "the first event")
    return socket


async def connect(socket: WebSocket, namespace: str, auth: str = "") -> str:
    socket.send(f"40{namespace}{auth}")
    sid = connected(await socket.next(), namespace)
    equal(await socket.next(), f'42{namespace}["auth",{auth or "{}"}]', "the first event")
    return sid


# CONNECT.


@case("the main namespace: an id, then auth with an empty object in a packet of its own")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("40")
        sid = connected(await socket.next())
        expect(sid != socket.sid, "not the id of the session below", sid)
        equal(await socket.next(), '42["auth",{}]', "the first event")


@case("the main namespace with a payload: auth has it")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send('40{"token":"123","nested":{"a":[1,2.5,null,true,"\\u20ac"]}}')
        connected(await socket.next())
        first = await socket.next()
        equal(json.loads(first[2:]), ["auth", {"token": "123", "nested": {"a": [1, 2.5, None, True, "€"]}}], "the first event")


@case("another namespace: an id, then auth with an empty object")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        await connect(socket, "/custom,")


@case("another namespace with a payload: auth has it")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        await connect(socket, "/custom,", '{"token":"abc"}')


@case("a namespace without the comma behind it")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("40/custom")
        connected(await socket.next(), "/custom,")


@case("an unknown namespace is refused, the session goes on")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send("40/random,")
        equal(await socket.next(), '44/random,{"message":"Invalid namespace"}', "the refusal")
        await connect(socket, "")


@case("an unknown namespace with a payload is refused")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send('40/random,{"token":"123"}')
        equal(await socket.next(), '44/random,{"message":"Invalid namespace"}', "the refusal")


@case("several namespaces of one connection have ids of their own")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        main = await connect(socket, "")
        custom = await connect(socket, "/custom,")
        expect(main != custom, "different ids", main)


@case("polling: the answer to CONNECT and the first event are packets of their own")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send('40{"token":"123"}')
    packets = await session.collect(2)
    connected(packets[0])
    equal(packets[1:], ['42["auth",{"token":"123"}]'], "the first event")


@case("polling: two namespaces in one payload")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40" + SEPARATOR + "40/custom,")
    packets = await session.collect(4)
    connected(next(packet for packet in packets if packet.startswith("40{")))
    connected(next(packet for packet in packets if packet.startswith("40/custom")), "/custom,")
    expect('42["auth",{}]' in packets and '42/custom,["auth",{}]' in packets, "both events", packets)


@case("no CONNECT within connectTimeout closes")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        while True:
            try:
                equal(await socket.receive(), "2", "a ping")
            except Gone:
                break
            socket.send("3")
        took = time.monotonic() - socket.begin
        expect(CONNECT_TIMEOUT - EARLY <= took <= CONNECT_TIMEOUT + LATE, "after 1 s", took)


@case("polling: no CONNECT within connectTimeout closes")
async def _(server: Server) -> None:
    session = await server.open_polling()
    while (answer := await session.poll()).status == 200 and answer.body == b"2":
        await session.send("3")
    took = time.monotonic() - session.begin
    expect(CONNECT_TIMEOUT - EARLY <= took <= CONNECT_TIMEOUT + LATE, "after 1 s", took)
    await session.is_gone()


@case("a socket stays beyond connectTimeout")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        await socket.quiet(CONNECT_TIMEOUT + 0.5)
        socket.send('42["message",1]')
        equal(await socket.next(), '42["message-back",1]', "the event")


# DISCONNECT.


@case("leaving the main namespace leaves the session up")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send("41")
        await socket.quiet(CONNECT_TIMEOUT + 0.2)
        await connect(socket, "")


@case("leaving another namespace leaves the main one up")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        await connect(socket, "/custom,")
        socket.send("41/custom,", '42["message","still"]')
        equal(await socket.next(), '42["message-back","still"]', "the event")


@case("leaving the main namespace leaves another one up, and it may be entered again")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        custom = await connect(socket, "/custom,")
        socket.send("41")
        await socket.quiet(0.1)
        again = await connect(socket, "")
        expect(again != custom, "a new id", again)
        socket.send('42["message",1]')
        equal(await socket.next(), '42["message-back",1]', "the event")


@case("a close packet of Engine.IO ends everything", beyond=True)
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send("1")
        await socket.closed()


# Events.


@case("an event comes back")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42["message",1,"2",{"3":[true]}]')
        equal(await socket.next(), '42["message-back",1,"2",{"3":[true]}]', "the event")


@case("an event without arguments comes back")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42["message"]')
        equal(await socket.next(), '42["message-back"]', "the event")


@case("text beyond ASCII comes back")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42["message","€ \U0001f389 \\" \\\\ \\n"]')
        equal(json.loads((await socket.next())[2:]), ["message-back", '€ \U0001f389 " \\ \n'], "the event")


@case("a text that looks like a packet is a text")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        for text in ("/custom,", "451-", "]", "42", "1-"):
            packet = json.dumps(["message", text], separators=(",", ":"))
            socket.send("42" + packet)
            equal(json.loads((await socket.next())[2:]), ["message-back", text], "the event")


@case("the main namespace may be written out")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42/,["message",1]')
        equal(await socket.next(), '42["message-back",1]', "the event")


@case("an event that nobody listens to is left alone")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42["nobody",1]', '42["message",2]')
        equal(await socket.next(), '42["message-back",2]', "the event")


@case("300 events come back in their order")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send(*(f'42["message",{at}]' for at in range(300)))
        equal([await socket.next() for _ in range(300)], [f'42["message-back",{at}]' for at in range(300)], "the events")


@case("polling: events come back in their order")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    await session.send(SEPARATOR.join(f'42["message",{at}]' for at in range(50)))
    equal(await session.collect(50), [f'42["message-back",{at}]' for at in range(50)], "the events")


# Attachments.


@case("one attachment comes back")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('451-["message",{"_placeholder":true,"num":0}]', b"\x01\x02\x03")
        equal(await socket.next(), '451-["message-back",{"_placeholder":true,"num":0}]', "the event")
        equal(await socket.next(), b"\x01\x02\x03", "the attachment")


@case("several attachments, some of them deep, come back in their order")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        rest = '{"_placeholder":true,"num":0},"a",{"b":[{"_placeholder":true,"num":1},{"c":{"_placeholder":true,"num":2}}]}]'
        socket.send(f'453-["message",{rest}', b"\x01", b"", bytes(range(256)))
        equal(await socket.next(), f'453-["message-back",{rest}', "the event")
        equal([await socket.next() for _ in range(3)], [b"\x01", b"", bytes(range(256))], "the attachments")


@case("polling: attachments come back")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    await session.send(SEPARATOR.join(['452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', "bAQID", "bBAUG"]))
    wanted = ['452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', "bAQID", "bBAUG"]
    equal(await session.collect(3), wanted, "packets")


@case("polling: attachments in payloads after the event's")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    await session.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await session.send("bAQID")
    await session.send("bBAUG")
    wanted = ['452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', "bAQID", "bBAUG"]
    equal(await session.collect(3), wanted, "packets")


# Acknowledgements.


@case("an event is acknowledged")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('42456["message-with-ack",1,"2",{"3":[false]}]')
        equal(await socket.next(), '43456[1,"2",{"3":[false]}]', "the acknowledgement")


@case("an event without arguments is acknowledged without arguments")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('420["message-with-ack"]')
        equal(await socket.next(), "430[]", "the acknowledgement")


@case("an acknowledgement with attachments")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"\x01\x02\x03", b"\x04\x05\x06")
        equal(await socket.next(), '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', "the acknowledgement")
        equal([await socket.next() for _ in range(2)], [b"\x01\x02\x03", b"\x04\x05\x06"], "the attachments")


@case("acknowledgements of many events have their ids")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send(*(f'42{at}["message-with-ack",{at}]' for at in range(100)))
        equal(sorted([await socket.next() for _ in range(100)]), sorted(f"43{at}[{at}]" for at in range(100)), "the acknowledgements")


@case("polling: an event is acknowledged")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    await session.send('427["message-with-ack","a"]')
    equal(await session.collect(1), ['437["a"]'], "packets")


@case("an acknowledgement that nobody waits for is left alone")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send("4377[1]", '42["message",1]')
        equal(await socket.next(), '42["message-back",1]', "the event")


# Faults.

for name, packet in {
    "an unknown type": "4abc",
    "a type beyond the last": "47",
    "no type": "4",
    "an event whose payload is an object": "42{}",
    "an event whose payload is a text": '42"message"',
    "an event with an empty array": "42[]",
    "an event with a name that is no text": "42[{}]",
    "an event that is cut off": '42["message"',
    "a bad id of an acknowledgement": '42abc["message-with-ack",1]',
    "a bad id of an acknowledgement behind digits": '4212a["message-with-ack",1]',
    "an acknowledgement whose payload is an object": "4312{}",
    "attachments without their number": '45["message",{"_placeholder":true,"num":0}]',
    "attachments with a number that is none": '45a-["message",{"_placeholder":true,"num":0}]',
    "CONNECT with an array": "40[1]",
    "DISCONNECT with a payload": "41{}",
}.items():

    @case(f"{name} closes")
    async def _(server: Server, packet: str = packet) -> None:
        async with await open_socket(server) as socket:
            socket.send(packet)
            await socket.closed()


@case("an event without a payload closes", beyond=True)
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send("42")
        await socket.closed()


@case("CONNECT of a namespace that is connected closes")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send("40")
        await socket.closed()


@case("octets that no event announced close")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send(b"\x01")
        await socket.closed()


@case("a text where an attachment has to come closes")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send('451-["message",{"_placeholder":true,"num":0}]', '42["message",1]')
        await socket.closed()


@case("an event before CONNECT closes")
async def _(server: Server) -> None:
    async with await server.open_websocket() as socket:
        socket.send('42["message",1]')
        await socket.closed()


@case("polling: an invalid packet ends the session")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    await server.post(session.query, "4abc")
    end = time.monotonic() + 5
    while (await session.poll()).status != 400:
        expect(time.monotonic() < end, "the session is gone")


# The upgrade.


@case("a socket goes over to a WebSocket and keeps its events in order")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("40")
    await session.collect(2)
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")
        got = []
        await session.send(SEPARATOR.join(f'42["message",{at}]' for at in range(5)))
        got += [packet for packet in (await session.poll()).packets if packet not in ("2", "6")]
        socket.send("5", *(f'42["message",{at}]' for at in range(5, 10)))
        while len(got) < 10:
            got.append(await socket.next())
        equal(got, [f'42["message-back",{at}]' for at in range(10)], "the events")


@case("many sockets at once")
async def _(server: Server) -> None:
    async def one(at: int) -> None:
        async with await open_socket(server) as socket:
            socket.send(f'42{at}["message-with-ack",{at}]')
            equal(await socket.next(), f"43{at}[{at}]", "the acknowledgement")

    await asyncio.gather(*(one(at) for at in range(50)))


# The end of a session by the server, at a path of an application.


async def next_but_events(socket: WebSocket) -> str | bytes:
    """The next packet that is no event: others say things, too."""
    while str(packet := await socket.next()).startswith("42"):
        pass
    return packet


@case("the server ends a session: each namespace is told, in the order in which the client came to them")
async def _(server: Server) -> None:
    async with await server.at("/app/").open_websocket() as socket:
        names = ["", "/room-two,", "/room-one,"]
        for name in names:
            socket.send(f"40{name}")
            connected(await next_but_events(socket), name)
        socket.send('42/room-two,["bye",true]')
        for name in names:
            equal(await next_but_events(socket), f"41{name}", "the end of a namespace")
        try:
            packet = await next_but_events(socket)
        except Gone:
            return
        expect(False, "the server closes", packet)


@case("the server ends a session that goes over to a WebSocket: the client is told there")
async def _(server: Server) -> None:
    app = server.at("/app/")
    session = await app.open_polling()
    await session.send("40")
    connected((await session.packets())[0])
    async with await app.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")
        # The poll that waits during the upgrade; before that, others may have said something.
        while "6" not in await session.packets():
            pass
        await session.send('42["bye",true]')
        socket.send("5")
        equal(await next_but_events(socket), "41", "the end of the namespace")
        try:
            packet = await next_but_events(socket)
        except Gone:
            return
        expect(False, "the server closes", packet)
