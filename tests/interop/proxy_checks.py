"""HAProxy and nginx in front of the probe: the client's address comes through, by the PROXY protocol and by X-Forwarded-For."""

import socket
from collections.abc import Callable

from harness import Checks, Failure, Servers, exchange, expect

# Another loopback address than the one that proxies have.
CLIENT = "127.0.0.5"


def checks(servers: Servers) -> Checks:
    ports: dict[str, int] = {}

    def through(name: str, expected: str, *fields: str) -> Callable[[], None]:
        def check() -> None:
            if not ports:
                ports.update(servers.proxies())
            for _ in range(3):
                expect_client(ports[name], expected, *fields)

        return check

    yield "HAProxy: version 1", through("version-1", f"{CLIENT} http")
    yield "HAProxy: version 2", through("version-2", f"{CLIENT} http")
    yield "HAProxy: version 2 with TLVs and a checksum", through("version-2-tlvs", f"{CLIENT} http")
    yield "HAProxy: version 2 in front of a tunnel", through("tunnel", f"{CLIENT} http")
    yield "HAProxy: X-Forwarded-For", through("field", f"{CLIENT} https")
    yield "HAProxy: X-Forwarded-For behind one of the client", through("field", f"{CLIENT} https", "X-Forwarded-For: 203.0.113.9")
    yield "nginx: X-Forwarded-For", through("nginx", f"{CLIENT} https")
    yield "nginx: X-Forwarded-For behind one of the client", through("nginx", f"{CLIENT} https", "X-Forwarded-For: 203.0.113.9, unknown")
    yield "without a proxy: nobody is believed but whoever is trusted", lambda: direct(servers)


def direct(servers: Servers) -> None:
    probe, proxied = servers.proxied_probe()
    expect_client(probe, f"{CLIENT} http", "X-Forwarded-For: 203.0.113.9")
    octets = b"PROXY TCP4 203.0.113.9 127.0.0.1 1 1\r\nGET /client HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(proxied) as connection:
        connection.sendall(octets)
        try:
            received = connection.recv(100)
        except ConnectionResetError:
            received = b""
    expect(received == b"", "whoever is not listed may say who his client is", octets, received)
    received = exchange(("127.0.0.1", proxied), octets.replace(b"a\r\n", b"a\r\nConnection: close\r\n"))
    expect(received.endswith(b"203.0.113.9 http"), "a header of a listed source is not taken", octets, received)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(CLIENT, 0))


def expect_client(port: int, expected: str, *fields: str) -> None:
    lines = ["GET /client HTTP/1.1", "Host: a", "Connection: close", *fields, "", ""]
    octets, received = "\r\n".join(lines).encode(), b""
    with connect(port) as connection:
        connection.sendall(octets)
        while block := connection.recv(65536):
            received += block
    if not received.startswith(b"HTTP/1.1 200 "):
        raise Failure("not answered 200", octets, received)
    content = received.partition(b"\r\n\r\n")[2]
    expect(content == expected.encode(), f"the client is not {expected}", octets, received)
