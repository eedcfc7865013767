"""curl over every wire but the plain one: TLS with HTTP/1.1, TLS with HTTP/2, HTTP/2 with prior knowledge."""

import os
from collections.abc import Callable

from curl_checks import WRITE_OUT, Curl
from harness import Checks, Servers, exchange, expect

MIB = 1024 * 1024

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])

# RFC 9113 section 8.2.2.
OF_HTTP_1 = ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")


def checks(servers: Servers) -> Checks:
    trusted = ("--cacert", servers.authority)
    yield from on_wire(servers, "TLS, HTTP/1.1", servers.tls_url, "1.1", *trusted, "--http1.1")
    yield from on_wire(servers, "TLS, HTTP/2", servers.tls_url, "2", *trusted, "--http2")
    yield from on_wire(servers, "h2c", servers.h2c_url, "2", "--http2-prior-knowledge")

    def upgrade_ignored() -> None:
        # RFC 9113 section 3.1: the upgrade to h2c does not exist any more.
        for url in (servers.url("/version"), servers.h2c_url("/version")):
            answer = Curl("--http2", url)
            answer.one(200, b"HTTP/1.1", "1.1")
            expect("> Upgrade: h2c" in answer.trace, "curl asked for no upgrade", answer.command, answer.trace)

    def expect_continue() -> None:
        content = servers.folder / "of-8-mib"
        answer = Curl(*trusted, "--http1.1", "--expect100-timeout", 20, "-H", "Expect: 100-continue", "--data-binary", f"@{content}", servers.tls_url())
        answer.one(200, content.read_bytes(), "1.1")
        expect("< HTTP/1.1 100 Continue" in answer.trace, "no interim response 100", answer.command, answer.trace)
        expect(answer.results[0]["time_total"] < 10, "the interim response came late", answer.command, answer.trace)

    def not_spoken() -> None:
        received = exchange(servers.probe.address, PREFACE)
        expect(received.startswith(b"HTTP/1.1 400 "), "a preface that nobody asked for", PREFACE, received)

    yield "--http2 on a plain port is answered with HTTP/1.1", upgrade_ignored
    yield "TLS, HTTP/1.1: a POST that waits for 100", expect_continue
    yield "h2c: without --h2c it is not spoken", not_spoken
    yield "TLS: HTTP/2 is preferred when both are offered", lambda: Curl(*trusted, servers.tls_url("/version")).one(200, b"HTTP/2.0", "2")
    yield "TLS: without ALPN it is HTTP/1.1", lambda: Curl(*trusted, "--no-alpn", servers.tls_url("/version")).one(200, b"HTTP/1.1", "1.1")
    yield "TLS 1.2 with HTTP/2", lambda: Curl(*trusted, "--tls-max", "1.2", servers.tls_url("/version")).one(200, b"HTTP/2.0", "2")
    yield "TLS 1.3 with HTTP/2", lambda: Curl(*trusted, "--tlsv1.3", servers.tls_url("/version")).one(200, b"HTTP/2.0", "2")
    yield "TLS 1.1 is refused", lambda: none(Curl(*trusted, "--tlsv1.1", "--tls-max", "1.1", "--ciphers", "ALL@SECLEVEL=0", servers.tls_url(), fails=35))
    yield "by its name", lambda: Curl(*trusted, servers.tls_url("/", "localhost")).one(200, b"OK", "2")
    yield "curl refuses a certificate that nobody it trusts has signed", lambda: none(Curl(servers.tls_url(), fails=60))

    def another_name() -> None:
        port = servers.probe_tls.address[1]
        none(Curl(*trusted, "--resolve", f"example.org:{port}:127.0.0.1", f"https://example.org:{port}/", fails=60))

    yield "curl refuses a certificate for another name", another_name


def on_wire(servers: Servers, wire: str, url: Callable[[str], str], version: str, *options: object) -> Checks:
    small, large, over = (servers.folder / name for name in ("of-1000", "of-8-mib", "of-11-mib"))
    if not small.exists():
        small.write_bytes(os.urandom(1000))
        large.write_bytes(os.urandom(8 * MIB))
        over.write_bytes(bytes(11 * MIB))

    def simple(path: str, status: int, content: bytes | None = None, *more: object, **fields: str) -> None:
        answer = Curl(*options, *more, url(path))
        answer.one(status, content, version)
        for name, wanted in fields.items():
            answer.field(name, wanted)
        lines = [line.lower() for line in answer.trace.splitlines() if line.startswith("< ")]
        expect(any(line.startswith("< date: ") for line in lines), "an answer without Date", answer.command, answer.trace)
        if version == "2":
            names = [line[2:].partition(":")[0] for line in lines]
            expect(not set(names) & set(OF_HTTP_1), "a field of HTTP/1.1", answer.command, answer.trace)

    def head() -> None:
        answer = Curl(*options, "--head", url("/"))
        answer.field("content-length", "2")
        expect(answer.results[0]["http_code"] == 200 and answer.results[0]["size_download"] == 0, "HEAD", answer.command, answer.trace)

    def large_twice() -> None:
        if wire == "h2c":
            # curl 7.88 begins an h2c connection once more when it uses it again, which no server can take.
            Curl(*options, "--data-binary", f"@{large}", url("/a")).one(200, large.read_bytes(), version)
            return
        answer = Curl(*options, "--data-binary", f"@{large}", url("/a"), "--next", "-sS", "-v", "-w", WRITE_OUT, *options, url("/b"))
        expect([each["num_connects"] for each in answer.results] == [1, 0], "the connection was not used again", answer.command, answer.trace)
        expect(answer.content == large.read_bytes() + b"OK", "other content came back", answer.command, len(answer.content))

    def too_large() -> None:
        # curl must see the refusal although it is still sending.
        for _ in range(3):
            Curl(*options, "-H", "Expect:", "--data-binary", f"@{over}", url("/upload")).one(413, None, version)

    def parallel() -> None:
        answer = Curl(*options, "--parallel", "--parallel-max", 50, *[url(f"/{number}") for number in range(200)])
        codes = [each["http_code"] for each in answer.results]
        expect(codes == [200] * 200 and answer.content == b"OK" * 200, "not 200 answers", answer.command, codes)
        connections = sum(each["num_connects"] for each in answer.results)
        expect(connections == 1 if version == "2" else connections <= 50, f"{connections} connections", answer.command)

    def parallel_uploads() -> None:
        words = [word for number in range(20) for word in ("--next", *OF_EACH, *options, "--data-binary", f"@{small}", url(f"/{number}"))]
        answer = Curl(*options, "--parallel", "--data-binary", f"@{small}", url("/"), *words)
        codes = [each["http_code"] for each in answer.results]
        expect(codes == [200] * 21 and answer.content == small.read_bytes() * 21, "not 21 echoes", answer.command, codes)

    yield f"{wire}: GET", lambda: simple("/version", 200, b"HTTP/2.0" if version == "2" else b"HTTP/1.1")
    yield f"{wire}: HEAD", head
    yield f"{wire}: POST", lambda: simple("/", 200, small.read_bytes(), "--data-binary", f"@{small}")
    yield f"{wire}: POST without content", lambda: simple("/", 200, b"", "-X", "POST")
    yield f"{wire}: POST of 8 MiB, and the connection goes on", large_twice
    yield f"{wire}: POST of unknown length", lambda: simple("/", 200, small.read_bytes(), "-X", "POST", "-T", small)
    yield f"{wire}: a streamed response", lambda: simple("/stream", 200, b"stream")
    yield f"{wire}: 204", lambda: simple("/s204", 204, b"")
    yield f"{wire}: 304", lambda: simple("/s304", 304, b"")
    yield f"{wire}: OPTIONS", lambda: simple("/", 200, b"", "-X", "OPTIONS")
    yield f"{wire}: another method", lambda: simple("/", 405, None, "-X", "DELETE", allow="GET, HEAD, POST, OPTIONS")
    yield f"{wire}: cookies", lambda: simple("/cookie", 200, b"a=1\nb=2\n", "-b", "a=1; b=2")
    yield f"{wire}: a target that is too long", lambda: simple("/" + "x" * 9000, 414)
    yield f"{wire}: an unknown expectation", lambda: simple("/", 417, None, "-H", "Expect: magic")
    yield f"{wire}: content over the limit is refused, and curl sees it", too_large
    if wire != "h2c":
        yield f"{wire}: 200 transfers, 50 at a time", parallel
        yield f"{wire}: 21 uploads at a time", parallel_uploads


def none(answer: Curl) -> None:
    expect(not any(each["http_code"] for each in answer.results) and not answer.content, "there was an answer", answer.command, answer.trace)


# What `--next` forgets.
OF_EACH = ("-sS", "--max-time", 15, "-w", WRITE_OUT)
