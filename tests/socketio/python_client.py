"""python-socketio as a client: over polling, over WebSocket, and from one to the other. PLACE is where the server listens."""

import faulthandler
import os
import queue
import sys
import traceback

import engineio.packet
import socketio

BASE = f"http://{os.environ['PLACE']}"
WAYS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}

# Whether the server is npm's, which puts all that waits into one answer.
REFERENCE = "reference.cjs" in os.environ.get("SERVER", "")

# Seconds for anything to arrive: a busy machine may need some for what an idle one does at once.
PATIENCE = 30


def same(got: object, wanted: object) -> None:
    if got != wanted:
        raise AssertionError(f"{got!r:.500} instead of {wanted!r:.500}")


class Client:
    """A connection, and what comes over it."""

    def __init__(self, transports: list[str] | None, path: str = "/app", namespaces: list[str] | None = None, auth: object = None) -> None:
        self.socket = socketio.Client(reconnection=False)
        self.came: queue.Queue[tuple[str, tuple[object, ...]]] = queue.Queue()
        for namespace in namespaces or ["/"]:
            for event in ("echo", "said", "name", "auth", "message-back", "connect_error", "left"):
                self.socket.on(event, self._take(event), namespace=namespace)
            self.socket.on("disconnect", self._take("disconnect"), namespace=namespace)
        self._arguments = {"transports": transports, "socketio_path": path, "namespaces": namespaces, "auth": auth, "wait_timeout": PATIENCE}

    def _take(self, event: str):
        return lambda *args: self.came.put((event, args))

    def __enter__(self) -> "Client":
        self.socket.connect(BASE, **self._arguments)
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.disconnect()

    def next(self, event: str, patience: float = PATIENCE) -> tuple[object, ...]:
        while True:
            name, args = self.came.get(timeout=patience)
            if name == event:
                return args

    def call(self, event: str, *args: object, namespace: str = "/") -> object:
        return self.socket.call(event, args or None, timeout=PATIENCE, namespace=namespace)


def events(way) -> None:
    with Client(way) as client:
        for args in ((1,), ("€ \U0001f389",), (None, True, -1.5), ({"a": [1, {"b": []}]}, "x")):
            client.socket.emit("echo", args)
            same(client.next("echo"), args)


def transport(way) -> None:
    with Client(way, auth={"name": "a"}) as client:
        wanted = "polling" if way == ["polling"] else "websocket"
        same(client.socket.transport(), wanted)
        who = client.call("who")
        same((who["auth"], who["id"], who["transport"]), ({"name": "a"}, client.socket.get_sid(), wanted))


def many(way) -> None:
    # This client takes no more than 16 packets of one poll.
    count = 10 if REFERENCE else 100
    with Client(way) as client:
        # Handlers run in threads of their own, so only what came is compared.
        for begin in range(0, 200, count):
            for at in range(begin, begin + count):
                client.socket.emit("echo", at)
            same(sorted(client.next("echo")[0] for _ in range(count)), list(range(begin, begin + count)))


def at_once(way) -> None:
    """A hundred messages that wait for one poll."""
    if REFERENCE:
        return
    with Client(way) as client, Client(way) as other:
        room = f"room {id(client)} {os.getpid()} {way}"
        client.call("join", [room])
        for at in range(100):
            other.socket.emit("all-in", ([room], at))
        same(sorted(client.next("said")[0] for _ in range(100)), list(range(100)))
        same(client.call("ack", "on"), "on")


def acknowledgements(way) -> None:
    with Client(way) as client:
        same([client.call("ack", at) for at in range(3)], [0, 1, 2])
        same(list(client.call("ack", 1, {"a": 2})), [1, {"a": 2}])
        client.socket.on("question", lambda question: {"you": question})
        same(client.call("ask", 3000, "name"), {"you": "name"})


def binary(way) -> None:
    with Client(way) as client:
        every = bytes(range(256))
        client.socket.emit("echo", (b"\x01\x02", "x", {"deep": [b"", {"more": every}]}))
        same(client.next("echo"), (b"\x01\x02", "x", {"deep": [b"", {"more": every}]}))
        same(client.call("ack", every), every)
        client.socket.on("question", lambda question: [question, b"\x09"])
        same(client.call("ask", 3000, b"\x08"), [b"\x08", b"\x09"])


def large(way) -> None:
    with Client(way) as client:
        same(client.call("ack", "é" * 150_000), "é" * 150_000)
        same(client.call("ack", bytes(300_000)), bytes(300_000))


def namespaces(way) -> None:
    with Client(way, namespaces=["/", "/room-1"]) as client:
        same(client.next("name"), ("/room-1",))
        same(client.call("ack", 1, namespace="/room-1"), 1)
        same(client.call("ack", 2), 2)


def unknown_namespace(way) -> None:
    client = Client(way, namespaces=["/nowhere"])
    try:
        with client:
            pass
    except socketio.exceptions.ConnectionError:
        same(client.next("connect_error")[0], {"message": "Invalid namespace"})
    else:
        raise AssertionError("it was let in")


def refusal(way) -> None:
    client = Client(way, namespaces=["/private"], auth={"token": "wrong"})
    try:
        with client:
            pass
    except socketio.exceptions.ConnectionError:
        same(client.next("connect_error")[0], {"message": "not allowed", "data": {"code": 401, "tried": "wrong"}})
    else:
        raise AssertionError("it was let in")
    with Client(way, namespaces=["/private"], auth={"token": "secret"}) as client:
        same(client.call("ack", "in", namespace="/private"), "in")


def rooms(way) -> None:
    with Client(way) as one, Client(way) as two:
        room = f"room {id(one)} {os.getpid()} {way}"
        same(one.call("join", [room]), [room])
        same(two.call("join", [room]), [room])
        one.socket.emit("others-in", ([room], "others"))
        one.socket.emit("all-in", ([room], {"all": b"\x01"}))
        same((two.next("said"), two.next("said")), (("others",), ({"all": b"\x01"},)))
        same(one.next("said"), ({"all": b"\x01"},))


def disconnect(way) -> None:
    with Client(way) as client:
        client.socket.emit("bye", False)
        same(client.next("disconnect"), (client.socket.reason.SERVER_DISCONNECT,))


def heartbeat(way) -> None:
    # Only behind the answer to a ping the next one comes; one without an answer is the last for 20 s.
    client = Client(way, path="/steady")
    below = client.socket.eio
    receive = below._receive_packet

    def seen(packet) -> None:
        if packet.packet_type == engineio.packet.PING:
            client.came.put(("ping", ()))
        receive(packet)

    below._receive_packet = seen
    with client:
        for _ in range(4):
            client.next("ping", 15)
        same(client.call("ack", "on"), "on")
        same(client.socket.connected, True)


def main() -> int:
    # What hangs is seen, before this is stopped.
    faulthandler.dump_traceback_later(280, exit=True)
    passed = failed = 0
    for name, way in WAYS.items():
        for case in (events, transport, many, at_once, acknowledgements, binary, large, namespaces, unknown_namespace, refusal, rooms, disconnect, heartbeat):
            try:
                case(way)
                passed += 1
            except Exception:
                failed += 1
                print(f"FAILED python: {name}: {case.__name__}: {traceback.format_exc().rstrip()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
