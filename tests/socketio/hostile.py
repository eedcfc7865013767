"""What clients do that mean no good. Each case ends in a refusal or a closed session, within its time, and another client is served as before;
afterwards the server has no more memory than it may.

The names of the cases begin with the rows of the threat model.
"""

import asyncio
import json
import time

from cases import Suite
from socket_contract import connected, open_socket
from wire import SEPARATOR, Failure, Gone, Server, equal, expect

# Few at once: their times are judged.
suite = Suite("hostile", "/socket.io/", at_once=6)
case = suite.case

PLACEHOLDER = '{"_placeholder":true,"num":0}'


def resident(server: Server) -> int:
    """Octets of memory that the server has."""
    if server.process is None:
        return 0
    with open(f"/proc/{server.process}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


async def counters(server: Server, path: str) -> dict[str, int]:
    answer = await server.at("/counters").get("")
    return json.loads(answer.body)[path]


async def is_served(server: Server) -> None:
    """Another client has its events."""
    async with await open_socket(server) as socket:
        socket.send('421["message-with-ack","on"]')
        equal(await socket.next(), '431["on"]', "another client's event")


async def closes(server: Server, *messages: str | bytes) -> None:
    """A socket that says this is closed without an answer."""
    async with await open_socket(server) as socket:
        socket.send(*messages)
        await socket.closed()


async def counted(server: Server, path: str, names: tuple[str, ...], act) -> None:
    """At least one of these counters goes up."""
    before = await counters(server, path)
    await act
    end = time.monotonic() + 5
    while True:
        after = await counters(server, path)
        if any(after[name] > before[name] for name in names):
            return
        expect(time.monotonic() < end, f"{' or '.join(names)} is counted", after)
        await asyncio.sleep(0.02)


# SI-1: attachments.

for head in ("451", "45", "45-", "45a-", "45 1-", "45+1-", "45-1-", "451.0-", "450-", "4511-", "45599999-", "4518446744073709551617-", "4500000000001a-", "460-1", "4611-1"):

    @case(f"SI-1 a count of attachments that is none or too many: {head}")
    async def _(server: Server, head: str = head) -> None:
        await closes(server, f'{head}["message",{PLACEHOLDER}]')


for text in (
    '{"_placeholder":true,"num":1}',
    '{"_placeholder":true,"num":-1}',
    '{"_placeholder":true,"num":0.5}',
    '{"_placeholder":true,"num":"0"}',
    '{"_placeholder":true,"num":"splice"}',
    '{"_placeholder":true,"num":1e99}',
    '{"_placeholder":true}',
):

    @case(f"SI-1 a place for an attachment that there is not: {text}")
    async def _(server: Server, text: str = text) -> None:
        async with await open_socket(server) as socket:
            socket.send(f'451-["message",{text}]', b"\x01", '42["message","next"]')
            # Closed, or taken as an object like any other; never an attachment of somebody else, and never a stop.
            try:
                got = await socket.next()
            except Gone:
                return
            expect(isinstance(got, str) and ("next" in got or "_placeholder" in got), "no octets", got)


@case("SI-1 octets that nobody announced")
async def _(server: Server) -> None:
    await closes(server, b"\x01")


@case("SI-1 more octets than were announced")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send(f'451-["message",{PLACEHOLDER}]', b"\x01", b"\x02")
        # The first event is whole, and may be answered before the end.
        try:
            for _ in range(3):
                await socket.next()
        except Gone:
            return
        raise Failure("the session goes on")


@case("SI-1 a text while octets are awaited")
async def _(server: Server) -> None:
    await closes(server, f'452-["message",{PLACEHOLDER}]', b"\x01", '42["message"]')


@case("SI-1 attachments that do not come: closed after 10 s, and counted", ceiling=30)
async def _(server: Server) -> None:
    # Where no heartbeat is shorter.
    app = server.at("/app/")

    async def act() -> None:
        async with await app.open_websocket() as socket:
            socket.send("40/room-late,")
            connected(await socket.next(), "/room-late,")
            equal(await socket.next(), '42/room-late,["name","/room-late"]', "the first event")
            socket.send(f'451-/room-late,["echo",{PLACEHOLDER}]')
            begin = time.monotonic()
            await socket.closed(pings=True)
            took = time.monotonic() - begin
            expect(9.5 <= took <= 14, "after 10 s", took)

    await counted(server, "/app/", ("late",), act())


@case("SI-1 attachments of more than 1 MB are not kept")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        before = resident(server)
        socket.send('4510-["message",' + ",".join(f'{{"_placeholder":true,"num":{at}}}' for at in range(10)) + "]")
        for _ in range(9):
            socket.send(bytes(999_000))
        await socket.closed(pings=True)
        expect(resident(server) - before < 64 << 20, "memory", resident(server) - before)


# SI-2: names of events.

for payload in ("[1]", "[null]", "[{}]", '[{"toString":1}]', '[["message"]]', "[true]", "[]", "{}", '{"0":"message","length":1}', "null", "0"):

    @case(f"SI-2 no name: {payload}")
    async def _(server: Server, payload: str = payload) -> None:
        await closes(server, f"42{payload}")


for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"):

    @case(f"SI-2 a reserved name: {name}")
    async def _(server: Server, name: str = name) -> None:
        await closes(server, f'42["{name}",1]')


@case("SI-2 names that objects of other languages have")
async def _(server: Server) -> None:
    for name in ("__proto__", "constructor", "toString", "hasOwnProperty", ""):
        async with await open_socket(server) as socket:
            socket.send(f'42["{name}",{{"__proto__":{{"a":1}}}}]', '42["message",1]')
            try:
                equal(await socket.next(), '42["message-back",1]', "the next event")
            except Gone:
                pass
    await is_served(server)


# SI-3: content of requests.


@case("SI-3 1 MB of empty packets is refused in linear time")
async def _(server: Server) -> None:
    for packet in ("2", "4", "6", ""):
        session = await server.open_polling()
        body = SEPARATOR.join([packet] * (1_000_000 // (len(packet) + 1)))[:1_000_000]
        begin = time.monotonic()
        answer = await server.post(session.query, body)
        took = time.monotonic() - begin
        expect(answer.status in (400, 413), "400 or 413", answer.status)
        expect(took < 3, "at once", took)
        await session.is_gone()
    await is_served(server)


@case("SI-3 1 MB of events of one octet, each of which is an error")
async def _(server: Server) -> None:
    session = await server.open_polling()
    answer = await server.post(session.query, SEPARATOR.join(["4x"] * 300_000))
    expect(answer.status in (400, 413), "400 or 413", answer.status)
    await session.is_gone()


for kind in ("application/octet-stream", "text/plain;charset=utf-16", "text/plain; charset=iso-8859-1"):

    @case(f"SI-3 content of the type {kind} is refused")
    async def _(server: Server, kind: str = kind) -> None:
        session = await server.open_polling()
        answer = await server.post(session.query, b"40", headers={"Content-Type": kind})
        expect(answer.status in (400, 415), "400 or 415", answer.status)


@case("SI-3 octets that are no UTF-8 are refused")
async def _(server: Server) -> None:
    session = await server.open_polling()
    answer = await server.post(session.query, b"4\xff\xfe")
    equal(answer.status, 400, "status")


for packet in ("b", "b====", "b*", "bA", "bAQ=", "bA Q=", "bAQID-_", "bAQ==AQ=="):

    @case(f"SI-3 base64 that is none, or of octets that nobody awaits: {packet}")
    async def _(server: Server, packet: str = packet) -> None:
        session = await server.open_polling()
        await session.send("40")
        await session.collect(2)
        await server.post(session.query, packet)
        end = time.monotonic() + 5
        while (await session.poll()).status != 400:
            expect(time.monotonic() < end, "the session is gone")


@case("SI-3 chunked content beyond maxPayload is refused with 413")
async def _(server: Server) -> None:
    session = await server.open_polling()
    reader, writer = await server.connect()
    writer.write(server.head("POST", session.query, {"Content-Type": "text/plain;charset=UTF-8", "Transfer-Encoding": "chunked"}))
    try:
        for _ in range(20):
            writer.write(b"10000\r\n" + b"4" * 65536 + b"\r\n")
            await writer.drain()
        octets = await asyncio.wait_for(reader.read(64), 5)
    except ConnectionError:
        octets = b"HTTP/1.1 413"
    writer.close()
    expect(octets.startswith(b"HTTP/1.1 413"), "413", octets)


@case("SI-3 a slow POST holds up neither its session's poll nor others")
async def _(server: Server) -> None:
    session = await server.open_polling()
    _, writer = await session.hanging("POST", b"4")
    equal(await session.packets(), ["2"], "a ping")
    await is_served(server)
    writer.close()


# SI-5 and SI-6: ids of sessions.


@case("SI-5 guesses of ids have no hit, and are counted")
async def _(server: Server) -> None:
    session = await server.open_polling()
    before = await counters(server, "/socket.io/")
    reader, writer = await server.connect()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    wrong = [session.sid[:at] + letter + session.sid[at + 1 :] for at in range(len(session.sid)) for letter in letters if letter != session.sid[at]]
    answered = 0
    for begin in range(0, len(wrong), 50):
        for sid in wrong[begin : begin + 50]:
            writer.write(server.head("GET", f"EIO=4&transport=polling&sid={sid}"))
        for _ in wrong[begin : begin + 50]:
            octets = await asyncio.wait_for(reader.readuntil(b'"Session ID unknown"}'), 5)
            expect(octets.lstrip().startswith(b"HTTP/1.1 400"), "400", octets)
            answered += 1
    writer.close()
    after = await counters(server, "/socket.io/")
    expect(after["unknown_sid"] - before["unknown_sid"] >= answered, "each is counted", after)


@case("SI-6 a client does not choose the id of its session")
async def _(server: Server) -> None:
    for method, body in (("GET", None), ("POST", "40")):
        answer = await server.request(method, "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA", body)
        equal((answer.status, json.loads(answer.body)["code"]), (400, 1), "answer")
    await server.websocket_is_closed("EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAAAA")
    answer = await server.get("EIO=4&transport=polling&sid=")
    expect(answer.status == 400 or not answer.text.startswith('0{"sid":""'), "no empty id", answer.body)


@case("SI-6 a query with a member twice, or with names of other languages' objects")
async def _(server: Server) -> None:
    session = await server.open_polling()
    for query in (
        "EIO=4&transport=polling&sid=__proto__",
        "EIO=4&transport=polling&sid[]=a",
        "EIO=4&transport=constructor",
        "EIO=4&transport=__proto__",
        f"EIO=4&EIO=3&transport=polling&transport=websocket&sid={session.sid}x",
        "&&==&%zz&EIO=4",
        "EIO=4&transport=polling&sid=%ff%fe",
    ):
        answer = await server.get(query)
        expect(answer.status in (200, 400), "an answer", answer.status)
    await is_served(server)


# SI-7: the upgrade.


@case("SI-7 a flood of probes")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send(*["2probe"] * 2000)
        answers = 0
        try:
            while answers < 2000 and await asyncio.wait_for(socket.receive(), 2) == "3probe":
                answers += 1
        except (Gone, TimeoutError):
            pass
    await is_served(server)


@case("SI-7 two WebSockets that probe: at most one becomes the transport")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as one:
        one.send("2probe")
        equal(await one.receive(), "3probe", "the answer to a probe")
        await server.websocket_is_closed(f"EIO=4&transport=websocket&sid={session.sid}")
        poll = asyncio.create_task(session.poll())
        equal((await poll).body, b"6", "the poll")
        one.send("5", "40")
        connected(await one.next())


@case("SI-7 an upgrade without a probe")
async def _(server: Server) -> None:
    session = await server.open_polling()
    async with await server.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("5")
        await socket.closed()
    await session.is_alive()


@case("SI-7 an upgrade of a session that went")
async def _(server: Server) -> None:
    session = await server.open_polling()
    await session.send("1")
    await server.websocket_is_closed(f"EIO=4&transport=websocket&sid={session.sid}")


@case("SI-7 an upgrade that does not end: its WebSocket is closed after 10 s, the session polls on", ceiling=30)
async def _(server: Server) -> None:
    # Where no heartbeat is shorter.
    app = server.at("/app/")
    session = await app.open_polling()
    await session.send("40")
    await session.collect(1)
    begin = time.monotonic()
    async with await app.websocket(f"EIO=4&transport=websocket&sid={session.sid}") as socket:
        socket.send("2probe")
        equal(await socket.receive(), "3probe", "the answer to a probe")

        async def poll() -> None:
            # While an upgrade is under way polls are answered at once.
            while True:
                await session.packets()
                await asyncio.sleep(0.02)

        polling = asyncio.create_task(poll())
        # Not with the patience of everything else.
        expect(await asyncio.wait_for(socket.reader.read(1), 15) in (b"", b"\x88"), "closed without a message")
        took = time.monotonic() - begin
        expect(9.5 <= took <= 13, "after 10 s", took)
        polling.cancel()
    await session.send('420["ack","still"]')
    while '430["still"]' not in await session.packets():
        pass
    await session.send("1")


# SI-8: CONNECT.


@case("SI-8 sessions without CONNECT are closed, and counted")
async def _(server: Server) -> None:
    async def one() -> None:
        async with await server.open_websocket() as socket:
            try:
                while True:
                    equal(await socket.next(), "", "nothing but pings")
            except Gone:
                pass

    begin = time.monotonic()
    await asyncio.gather(*(one() for _ in range(50)))
    expect(time.monotonic() - begin < 6, "after 1 s", time.monotonic() - begin)


@case("SI-8 CONNECT to 100,000 namespaces that there are not: bounded, and closed")
async def _(server: Server) -> None:
    before = resident(server)
    begin = time.monotonic()
    async with await server.open_websocket() as socket:

        async def flood() -> None:
            for at in range(100_000):
                socket.send(f"40/no{at},")
                if at % 100 == 0:
                    await socket.writer.drain()

        sending = asyncio.create_task(flood())
        try:
            while True:
                answer = await socket.next()
                expect(answer.startswith("44/no"), "a refusal", answer)
        except Gone:
            pass
        sending.cancel()
    took = time.monotonic() - begin
    expect(took < 12, "closed by the time in which a CONNECT has to come", took)
    expect(resident(server) - before < 64 << 20, "memory", resident(server) - before)
    await is_served(server)


@case("SI-8 one session has at most 16 namespaces")
async def _(server: Server) -> None:
    async with await server.at("/app/").open_websocket() as socket:
        taken = 0
        try:
            for at in range(40):
                socket.send(f"40/room-many{at},")
                answer = await socket.next()
                if answer.startswith("44"):
                    break
                taken += 1
                expect((await socket.next()).startswith(f'42/room-many{at},["name"'), "the first event")
        except Gone:
            pass
        equal(taken, 16, "namespaces")


@case("SI-8 names of namespaces of every length and kind")
async def _(server: Server) -> None:
    for name in ("/" + "a" * 100_000, "/\x00", "//", "/..", "/__proto__", "/#", "/custom\r\n", "/CUSTOM"):
        async with await server.open_websocket() as socket:
            socket.send(f"40{name},")
            try:
                answer = await socket.next()
                expect(answer.startswith("44/"), "a refusal", answer)
            except Gone:
                pass
    await is_served(server)


# SI-9: acknowledgements.


@case("SI-9 ids of acknowledgements at the edges")
async def _(server: Server) -> None:
    for number in ("0", "9007199254740991", "9007199254740992", "18446744073709551615", "18446744073709551616", "9" * 100):
        async with await open_socket(server) as socket:
            socket.send(f'42{number}["message-with-ack",1]')
            try:
                equal(await socket.next(), f"43{number}[1]", "the id as it came")
            except Gone:
                expect(len(number) > 15, "a number that is small is taken", number)


@case("SI-9 acknowledgements that nobody asked for")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        socket.send(*(f"43{at}[1]" for at in range(2000)), '42["message",1]')
        equal(await socket.next(), '42["message-back",1]', "the event")


@case("SI-9 an acknowledgement twice")
async def _(server: Server) -> None:
    async with await server.at("/app/").open_websocket() as socket:
        socket.send("40")
        connected(await socket.next())
        socket.send('427["ask",3000,"x"]')
        asked = await socket.next()
        number = asked[2 : asked.index("[")]
        socket.send(f'43{number}["one"]', f'43{number}["two"]', '42["echo","end"]')
        # One answer; the event may overtake it, as handlers run beside each other.
        equal(sorted([await socket.next(), await socket.next()]), ['42["echo","end"]', '437["one"]'], "answers")
        socket.send('42["echo","last"]')
        equal(await socket.next(), '42["echo","last"]', "what comes next")


@case("SI-9 20,000 questions of the server that nobody answers: bounded")
async def _(server: Server) -> None:
    before = resident(server)
    async with await server.at("/app/").open_websocket() as socket:
        socket.send("40")
        connected(await socket.next())

        async def flood() -> None:
            for at in range(20_000):
                socket.send(f'42{at}["ask",1000,"x"]')
                if at % 100 == 0:
                    await socket.writer.drain()

        sending = asyncio.create_task(flood())
        answers = 0
        try:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                answers += (await asyncio.wait_for(socket.next(), 2)).startswith("43")
        except (Gone, TimeoutError):
            pass
        sending.cancel()
    expect(resident(server) - before < 96 << 20, "memory", resident(server) - before)
    await is_served(server)


# SI-10: clients that do not read.


@case("SI-10 a client that stopped polling is dropped when too much waits for it, and counted", ceiling=40)
async def _(server: Server) -> None:
    app = server.at("/app/")
    before = resident(server)
    session = await app.open_polling()
    await session.send("40/room-slow,")
    await session.collect(2)

    async def flood() -> None:
        async with await app.open_websocket() as socket:
            socket.send("40/room-slow,")
            connected(await socket.next(), "/room-slow,")
            await socket.next()
            text = "x" * 200
            for at in range(100_000):
                socket.send(f'42/room-slow,["others",{at},"{text}"]')
                if at % 200 == 199:
                    await socket.writer.drain()
                    socket.send(f'42/room-slow,{at}["ack",1]')
                    got = await socket.next()
                    while got.startswith('42/room-slow,["left"'):
                        got = await socket.next()
                    equal(got, f"43/room-slow,{at}[1]", "the sender is served")
                    if at > 20_000:
                        break

    await counted(server, "/app/", ("too_slow",), flood())
    await session.is_gone()
    expect(resident(server) - before < 64 << 20, "memory", resident(server) - before)


@case("SI-10 a WebSocket that does not read is dropped, others go on", ceiling=40)
async def _(server: Server) -> None:
    app = server.at("/app/")
    before = resident(server)
    async with await app.open_websocket() as deaf, await app.open_websocket() as socket:
        deaf.send("40/room-deaf,")
        connected(await deaf.next(), "/room-deaf,")
        # From here on it does not read, and its buffers stay as they are.
        deaf.reader._transport.pause_reading()  # noqa: SLF001
        socket.send("40/room-deaf,")
        connected(await socket.next(), "/room-deaf,")
        await socket.next()
        text = "x" * 20_000

        async def flood() -> None:
            for at in range(1500):
                socket.send(f'42/room-deaf,["others",{at},"{text}"]')
                if at % 50 == 49:
                    await socket.writer.drain()
                    socket.send(f'42/room-deaf,{at}["ack",1]')
                    got = await socket.next()
                    while got.startswith('42/room-deaf,["left"'):
                        got = await socket.next()
                    equal(got, f"43/room-deaf,{at}[1]", "the sender is served")

        await counted(server, "/app/", ("too_slow",), flood())
    expect(resident(server) - before < 64 << 20, "memory", resident(server) - before)


# SI-11: depth.


@case("SI-11 JSON of a depth of 10,000 closes, one of 100 does not")
async def _(server: Server) -> None:
    async with await open_socket(server) as socket:
        deep = "[" * 100 + "]" * 100
        socket.send(f'42["message",{deep}]')
        equal(await socket.next(), f'42["message-back",{deep}]', "a depth of 100")
    for open_, close in (("[", "]"), ('{"a":', "}")):
        await closes(server, f'42["message",{open_ * 10_000}1{close * 10_000}]')
        await closes(server, f'451-["message",{open_ * 10_000}{PLACEHOLDER}{close * 10_000}]', b"\x01")
        async with await server.open_websocket() as socket:
            socket.send(f'40{{"a":{open_ * 10_000}1{close * 10_000}}}')
            await socket.closed()


# SI-12: pages of other origins.


@case("SI-12 a page of another origin is refused, over polling and WebSocket, and counted")
async def _(server: Server) -> None:
    guarded = server.at("/guarded/")
    foreign = {"Origin": "http://evil.example"}
    # What signs a user in makes a request of another origin one to refuse.
    signed = foreign | {"Cookie": "session=1"}

    async def act() -> None:
        answer = await guarded.get("EIO=4&transport=polling", headers=signed)
        expect(answer.status in (400, 403), "refused", answer.status)
        expect("access-control-allow-origin" not in answer.headers, "not for its eyes", answer.headers)
        try:
            async with await guarded.websocket("EIO=4&transport=websocket", headers=signed) as socket:
                await socket.closed()
        except Gone:
            pass
        own = {"Origin": f"http://{server.host}:{server.port}", "Cookie": "session=1"}
        equal((await guarded.get("EIO=4&transport=polling", headers=own)).status, 200, "its own pages")

    await counted(server, "/guarded/", ("refused",), act())


# All of it.


@case("every refusal has a counter")
async def _(server: Server) -> None:
    async def invalid() -> None:
        async with await server.open_websocket() as socket:
            socket.send("abc")
            await socket.closed()

    async def silent() -> None:
        async with await server.open_websocket() as socket:
            equal(await socket.receive(), "2", "a ping")
            await socket.closed()

    await counted(server, "/socket.io/", ("refused",), server.get("EIO=3&transport=polling"))
    await counted(server, "/socket.io/", ("unknown_sid",), server.get("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA"))
    await counted(server, "/socket.io/", ("protocol_errors",), invalid())
    await counted(server, "/socket.io/", ("ping_timeouts",), silent())
