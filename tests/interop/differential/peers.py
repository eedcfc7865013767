"""The servers that get the same octets, and what each of them made of a case."""

import asyncio
import json
from dataclasses import dataclass, field
from enum import Enum

import h11

from differential.responses import Response, taken_apart
from harness import Address


class End(Enum):
    """How a peer left off."""

    CANARY = "answered the canary"
    REFUSED = "refused"
    # Closed without a word.
    SILENT = "closed in silence"
    # Closed as its last response said it would.
    CLOSED = "closed as announced"
    # Node drops what comes behind an upgrade that it ignores.
    NO_OPINION = "has no opinion on what follows"
    WAITING = "waits for more"


@dataclass
class Outcome:
    """The messages that a peer accepted before the canary, each with the length of its content where it is known."""

    messages: list[int | None] = field(default_factory=list)
    end: End = End.WAITING
    status: int = 0
    responses: list[Response] = field(default_factory=list)
    received: bytes = b""

    def __str__(self) -> str:
        lengths = ", ".join("?" if length is None else str(length) for length in self.messages)
        return f"accepted [{lengths}], then {self.end.value}{f' with {self.status}' if self.status else ''}"


# What follows each case. Who answers it holds that everything before it were whole messages.
CANARY = b"GET /echo?canary HTTP/1.1\r\nHost: canary\r\nX-Canary: 4f1c9a\r\nConnection: close\r\n\r\n"


class Peer:
    """A server at an address."""

    def __init__(self, name: str, address: Address, tells: "type[Tells]") -> None:
        self.name = name
        self.address = address
        self.tells = tells

    async def outcome(self, octets: bytes, quiet: float) -> Outcome:
        """What the server makes of `octets` and the canary; it has had its say when it closes or has been quiet for so many seconds."""
        received, closed = await _exchange(self.address, octets + CANARY, quiet)
        outcome = Outcome(responses=taken_apart(received, b"HEAD " in octets), received=received)
        for response in outcome.responses:
            if response.refuses:
                outcome.end, outcome.status = End.REFUSED, response.status
                return outcome
            if self.tells.canary(response):
                outcome.end = End.CANARY
                return outcome
            outcome.messages.append(self.tells.length(response))
        if outcome.responses and outcome.responses[-1].closes:
            outcome.end = End.CLOSED
        elif closed:
            outcome.end = End.SILENT
        elif outcome.responses and self.tells.deaf(outcome.responses[-1]):
            outcome.end = End.NO_OPINION
        return outcome


class Tells:
    """What the responses of one server tell of the requests."""

    @staticmethod
    def canary(response: Response) -> bool:
        """Whether this answers the canary."""
        raise NotImplementedError

    @staticmethod
    def length(response: Response) -> int | None:
        """The length of the request's content."""
        raise NotImplementedError

    @staticmethod
    def deaf(response: Response) -> bool:
        """Whether the server forgets what came behind the request."""
        return False


class Probe(Tells):
    """GET /echo has the field lines, with names in lower case; POST the content."""

    @staticmethod
    def canary(response: Response) -> bool:
        return b"\nx-canary: 4f1c9a\n" in response.content

    @staticmethod
    def length(response: Response) -> int | None:
        echoed = response.status == 200 and response.fields.get(b"content-type") == b"application/octet-stream"
        return len(response.content) if echoed and not response.cut else None


class Node(Tells):
    """The content is JSON, made by node_server.mjs."""

    @staticmethod
    def canary(response: Response) -> bool:
        return response.content.startswith(b'{"method":"GET","target":"/echo?canary"')

    @staticmethod
    def length(response: Response) -> int | None:
        return json.loads(response.content)["length"] if response.status == 200 and response.content else None

    @staticmethod
    def deaf(response: Response) -> bool:
        return response.status == 200 and response.content.endswith(b'"upgrade":true}')


class Nginx(Tells):
    """The content is the method and the target; nothing tells of the request's content."""

    @staticmethod
    def canary(response: Response) -> bool:
        return response.content == b"GET /echo?canary"

    @staticmethod
    def length(response: Response) -> int | None:
        return None


class H11:
    """h11 in the server's role, in this process."""

    name = "h11"

    async def outcome(self, octets: bytes, quiet: float) -> Outcome:
        machine = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        machine.receive_data(octets + CANARY)
        outcome = Outcome()
        request, length = None, 0
        while True:
            try:
                event = machine.next_event()
            except h11.RemoteProtocolError as error:
                outcome.end, outcome.status = End.REFUSED, error.error_status_hint
                return outcome
            if isinstance(event, h11.Request):
                request, length = event, 0
            elif isinstance(event, h11.Data):
                length += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                if (request.method, request.target) == (b"GET", b"/echo?canary"):
                    outcome.end = End.CANARY
                    return outcome
                outcome.messages.append(length)
                status = 405 if request.method == b"CONNECT" else 200
                machine.send(h11.Response(status_code=status, headers=[("Content-Length", "0")]))
                machine.send(h11.EndOfMessage())
                if machine.our_state is h11.MUST_CLOSE:
                    outcome.end = End.CLOSED
                    return outcome
                machine.start_next_cycle()
            else:
                # NEED_DATA or PAUSED
                return outcome


async def _exchange(address: Address, octets: bytes, quiet: float) -> tuple[bytes, bool]:
    """What the server sent until it closed (True), or until it was quiet."""
    collector = _Collector(quiet)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: collector, *address)
    transport.write(octets)
    closed = await collector.ended
    # Octets that the server did not take must not hold the connection.
    transport.abort()
    return bytes(collector.received), closed


class _Collector(asyncio.Protocol):
    """Not a stream: after a reset that would forget what had come before it."""

    def __init__(self, quiet: float) -> None:
        self.received = bytearray()
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._quiet = quiet
        self._timer = asyncio.get_running_loop().call_later(quiet, self._end, False)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._quiet, self._end, False)

    def eof_received(self) -> None:
        self._end(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(True)

    def _end(self, closed: bool) -> None:
        self._timer.cancel()
        if not self.ended.done():
            self.ended.set_result(closed)
