"""What a server sent, taken apart."""

import re
from dataclasses import dataclass, field


@dataclass
class Response:
    status: int
    version: bytes
    fields: dict[bytes, bytes] = field(default_factory=dict)
    content: bytes = b""
    # The octets ended before the response did.
    cut: bool = False
    # The response does not follow the grammar of RFC 9112.
    malformed: str = ""

    @property
    def refuses(self) -> bool:
        return self.status in REFUSALS

    @property
    def closes(self) -> bool:
        """The server has said that nothing follows."""
        options = [option.strip() for option in self.fields.get(b"connection", b"").lower().split(b",")]
        return b"close" in options or (self.version != b"1.1" and b"keep-alive" not in options) or self.status == 101


def taken_apart(octets: bytes, may_be_head: bool) -> list[Response]:
    """The final responses in `octets`. With `may_be_head` a response may be without the content that its fields announce."""
    found = []
    while octets:
        response, octets = _first(octets, may_be_head)
        if response.status >= 200 or response.status == 101:
            found.append(response)
    return found


def _first(octets: bytes, may_be_head: bool) -> tuple[Response, bytes]:
    head, ended, rest = octets.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    match = STATUS_LINE.fullmatch(status_line)
    if match is None:
        # HTTP/0.9 has content alone.
        return Response(200, b"0.9", content=octets, malformed="no status line"), b""
    response = Response(int(match[2]), match[1], cut=not ended)
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not FIELD_NAME.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
            response.malformed = f"field line {line!r}"
        elif name.lower() in response.fields and name.lower() in SINGLE:
            response.malformed = f"{name!r} twice"
        response.fields[name.lower()] = value.strip()
    if response.status < 200 or response.status in (204, 304):
        return response, rest
    if may_be_head and (not rest or rest.startswith(b"HTTP/1.")):
        return response, rest
    if response.fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        return response, _chunks(response, rest)
    length = response.fields.get(b"content-length")
    if length is None:
        response.content = rest
        return response, b""
    response.content = rest[: int(length)]
    response.cut |= len(response.content) < int(length)
    return response, rest[int(length) :]


def _chunks(response: Response, rest: bytes) -> bytes:
    content = bytearray()
    while True:
        line, ended, rest = rest.partition(b"\r\n")
        size = int(line, 16) if ended and CHUNK_SIZE.fullmatch(line) else None
        if size is None or len(rest) < size + 2 or rest[size : size + 2] != b"\r\n":
            response.cut = True
            return b""
        content += rest[:size]
        rest = rest[size + 2 :]
        if size == 0:
            response.content = bytes(content)
            return rest


# What says that a request is not accepted as a message. 405 and 404 are answers of an application that has understood it.
REFUSALS = frozenset({400, 408, 411, 413, 414, 417, 421, 426, 431, 494, 501, 505})

STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) (\d{3}) [\t -~]*")
FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
SINGLE = frozenset({b"content-length", b"date", b"server", b"transfer-encoding", b"content-type"})
