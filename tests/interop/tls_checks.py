"""Python's ssl, which is OpenSSL's library: what TLS itself owes its clients."""

import socket
import ssl

from harness import Checks, Failure, Servers, exchange, expect

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def checks(servers: Servers) -> Checks:
    def opened(*protocols: str, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        connection = socket.create_connection(servers.probe_tls.address, 10)
        context = context or servers.tls_context(*protocols)
        # An end without close_notify is an error, not an end.
        return context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False, session=session)

    def alpn() -> None:
        for offered, chosen in ((("h2", "http/1.1"), "h2"), (("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), (("h2",), "h2"), ((), None), (("example", "http/1.1"), "http/1.1")):
            with opened(*offered) as connection:
                got = connection.selected_alpn_protocol()
                expect(got == chosen, "another protocol was chosen", offered, got)

    def unknown_protocol() -> None:
        # RFC 7301 section 3.2.
        try:
            opened("example").close()
        except ssl.SSLError as error:
            expect("no application protocol" in str(error).lower().replace("_", " "), "another alert", got=error)
        else:
            raise Failure("a client that speaks neither was let in")

    def plain() -> None:
        for octets in (GET, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", b"HEAD / HTTP/1.0\r\n\r\n"):
            received = exchange(servers.probe_tls.address, octets)
            head, _, content = received.partition(b"\r\n\r\n")
            expect(head.startswith(b"HTTP/1.1 400 ") and b"\r\ndate: " in head.lower(), "not a 400", octets, received)
            expect(octets.startswith(b"HEAD") or b"TLS" in content or b"https" in content.lower(), "it does not say why", octets, received)

    def not_sniffed() -> None:
        """On TLS the protocol is what ALPN says (RFC 9113 section 3.2)."""
        with opened("http/1.1") as connection:
            connection.sendall(PREFACE)
            received = read(connection)
            expect(received.startswith(b"HTTP/1.1 400 "), "HTTP/2 where HTTP/1.1 was chosen", PREFACE, received)
        with opened("h2") as connection:
            connection.sendall(GET)
            received = read(connection)
            expect(b"HTTP/1.1" not in received and b"OK" not in received, "HTTP/1.1 where HTTP/2 was chosen", GET, received)

    def close_notify() -> None:
        for _ in range(5):
            with opened("http/1.1") as connection:
                connection.sendall(GET)
                received = read(connection)
                expect(received.endswith(b"\r\n\r\nOK"), "another answer", GET, received)

    def resumed(version: ssl.TLSVersion) -> None:
        context = servers.tls_context("http/1.1")
        context.maximum_version = version
        with opened(context=context) as connection:
            connection.sendall(GET)
            read(connection)
            session = connection.session
        for _ in range(3):
            with opened(context=context, session=session) as connection:
                expect(connection.session_reused, "a full handshake where a session was offered", connection.version())
                connection.sendall(GET)
                received = read(connection)
                expect(received.endswith(b"OK"), "another answer", GET, received)
                session = connection.session

    def half_closed() -> None:
        """A close_notify after the request, as OpenSSL's client sends it, leaves the answer its way."""
        left, right = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = servers.tls_context("http/1.1").wrap_bio(left, right, server_hostname="localhost")
        with socket.create_connection(servers.probe_tls.address, 10) as connection:

            def until(step: object) -> object:
                while True:
                    try:
                        done = step()
                    except ssl.SSLWantReadError:
                        done = None
                    if right.pending:
                        connection.sendall(right.read())
                    if done is not None:
                        return done
                    block = connection.recv(65536)
                    expect(block != b"", "the server closed")
                    left.write(block)

            until(lambda: client.do_handshake() or True)
            client.write(GET.replace(b"Connection: close\r\n", b""))
            try:
                client.unwrap()
            except ssl.SSLWantReadError:
                pass
            connection.sendall(right.read())
            octets = b""
            while block := connection.recv(65536):
                octets += block
            expect(len(octets) > 100, "no answer came after close_notify", got=octets)

    def large() -> None:
        content = bytes(range(256)) * 4 * 8192
        with opened("http/1.1") as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
            received = read(connection)
            expect(received.endswith(b"\r\n\r\n" + content), "other content came back", got=len(received))

    def byte_by_byte() -> None:
        with opened("http/1.1") as connection:
            for octet in GET:
                connection.send(bytes([octet]))
            expect(read(connection).endswith(b"OK"), "a record for each octet")

    yield "ALPN chooses HTTP/2 before HTTP/1.1", alpn
    yield "ALPN without a protocol in common", unknown_protocol
    yield "plain HTTP is told so", plain
    yield "nothing is guessed from what is sent", not_sniffed
    yield "the end is a close_notify", close_notify
    yield "a session is resumed, TLS 1.2", lambda: resumed(ssl.TLSVersion.TLSv1_2)
    yield "a session is resumed, TLS 1.3", lambda: resumed(ssl.TLSVersion.TLSv1_3)
    yield "a close_notify after the request", half_closed
    yield "8 MiB both ways", large
    yield "a request in records of one octet", byte_by_byte


def read(connection: ssl.SSLSocket) -> bytes:
    received = b""
    while block := connection.recv(65536):
        received += block
    return received
