"""Python's http.client."""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Checks, Servers, expect


def checks(servers: Servers) -> Checks:
    @contextmanager
    def connection() -> Iterator[http.client.HTTPConnection]:
        client = http.client.HTTPConnection(*servers.probe.address, timeout=10)
        client.connect()
        try:
            yield client
        finally:
            client.close()

    def one(method: str, path: str, status: int, content: bytes, **options: object) -> None:
        with connection() as client:
            answered(client, method, path, status, content, **options)

    def kept_alive() -> None:
        with connection() as client:
            first = client.sock
            for method, path, status, content in (
                ("GET", "/", 200, b"OK"), ("HEAD", "/", 200, b""), ("GET", "/s204", 204, b""), ("GET", "/s304", 304, b""), ("GET", "/stream", 200, b"stream"),
                ("OPTIONS", "/", 200, b""), ("PUT", "/", 405, b"method not allowed"), ("GET", "/", 200, b"OK"),
            ):  # fmt: skip
                answered(client, method, path, status, content)
                expect(client.sock is first, f"the connection was closed after {method} {path}")

    def post(octets: bytes) -> None:
        one("POST", "/", 200, octets, body=octets)

    def chunked() -> None:
        blocks = [os.urandom(size) for size in (1, 10, 1000, 65_536, 200_000)]
        one("POST", "/", 200, b"".join(blocks), body=iter(blocks), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})

    def unread_content() -> None:
        # 405 is answered without a look at the content, which must not be taken for the next request.
        with connection() as client:
            for _ in range(3):
                answered(client, "PUT", "/", 405, b"method not allowed", body=b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            answered(client, "GET", "/", 200, b"OK")

    def closing() -> None:
        with connection() as client:
            client.auto_open = 0
            response = answered(client, "GET", "/", 200, b"OK", headers={"Connection": "close"})
            expect(response.will_close, "the response does not say that the connection closes", got=response.getheaders())

    def version_1_0(path: str, content: bytes, keep: bool) -> None:
        with connection() as client:
            client._http_vsn, client._http_vsn_str = 10, "HTTP/1.0"
            response = answered(client, "GET", path, 200, content, headers={"Connection": "keep-alive"} if keep else {})
            expect(response.getheader("transfer-encoding") is None, "a transfer coding on HTTP/1.0", got=response.getheaders())
            if keep:
                expect(not response.will_close, "the connection was not kept", got=response.getheaders())
                answered(client, "GET", path, 200, content)

    def echo() -> None:
        with connection() as client:
            lines = {"X-Latin": "h\xe9", "X-Empty": "", "X-Tab": "a\tb"}
            client.request("GET", "/echo", headers=lines)
            got = client.getresponse().read()
            for line in (b"x-empty: \n", b"x-tab: a\tb\n", b"accept-encoding: identity\n"):
                expect(line in got, f"{line!r} did not reach the handler", lines, got)

    def fields(count: int, status: int) -> None:
        # http.client adds Host and Accept-Encoding.
        with connection() as client:
            client.request("GET", "/", headers={f"X-{number}": "v" for number in range(count - 2)})
            response = client.getresponse()
            expect(response.status == status, f"{response.status} instead of {status} for {count} fields", got=response.read())

    def half_closed() -> None:
        with connection() as client:
            client.putrequest("POST", "/")
            client.putheader("Content-Length", "4")
            client.endheaders(b"last")
            client.sock.shutdown(socket.SHUT_WR)
            response = client.getresponse()
            expect(response.status == 200 and response.read() == b"last", "a half-closed client got no answer", got=response.status)

    yield "GET", lambda: one("GET", "/", 200, b"OK")
    yield "HEAD", lambda: one("HEAD", "/", 200, b"")
    yield "every kind of response on one connection", kept_alive
    yield "POST", lambda: post(os.urandom(1000))
    yield "POST of nothing", lambda: post(b"")
    yield "POST of 5 MB", lambda: post(os.urandom(5_000_000))
    yield "POST in chunks", chunked
    yield "content that no handler reads", unread_content
    yield "Connection: close", closing
    yield "HTTP/1.0", lambda: version_1_0("/", b"OK", False)
    yield "HTTP/1.0, kept alive", lambda: version_1_0("/", b"OK", True)
    yield "HTTP/1.0, streamed", lambda: version_1_0("/stream", b"stream", False)
    yield "field values reach the handler", echo
    yield "100 fields", lambda: fields(100, 200)
    yield "101 fields", lambda: fields(101, 431)
    yield "a client that closes its side after the request", half_closed


def answered(client: http.client.HTTPConnection, method: str, path: str, status: int, content: bytes, **options: object) -> http.client.HTTPResponse:
    client.request(method, path, **options)
    response = client.getresponse()
    got = response.read()
    expect(response.status == status and response.version == 11, f"{method} {path}: HTTP version {response.version}, status {response.status}", got=got)
    expect(got == content, f"{method} {path}: other content", got=got)
    return response
