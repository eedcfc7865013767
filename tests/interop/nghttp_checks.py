"""nghttp and h2load of the nghttp2 project: another HTTP/2, with its own HPACK and windows."""

import os
import re

from harness import Checks, Failure, Servers, expect, run

MIB = 1024 * 1024


def checks(servers: Servers) -> Checks:
    small, large = servers.folder / "nghttp-small", servers.folder / "nghttp-large"
    small.write_bytes(os.urandom(1000))
    large.write_bytes(os.urandom(2 * MIB))

    def nghttp(*arguments: object) -> bytes:
        words = ["nghttp", "--no-verify-peer", "--timeout=15", *arguments]
        done = run(words)
        expect(done.returncode == 0, f"nghttp ended with status {done.returncode}", " ".join(map(str, words))[:500], done.stdout + done.stderr)
        return done.stdout

    def told(*arguments: object) -> str:
        """The frames, as nghttp tells of them, without its colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", nghttp("--verbose", "--null-out", *arguments).decode(errors="replace"))

    def got(*arguments: object) -> None:
        expect(nghttp(*arguments) == b"OK", "other content", arguments)

    def back(*arguments: object) -> None:
        content = nghttp(f"--data={large}", *arguments)
        expect(content == large.read_bytes(), "other content came back", arguments, len(content))

    for wire, url in (("h2c", servers.h2c_url), ("TLS", servers.tls_url)):

        def many(url=url) -> None:
            said = told(*(url(f"/{number}") for number in range(90)))
            expect(said.count(":status: 200") == 90, "not 90 answers", got=said[-2000:])
            expect("RST_STREAM" not in said, "a stream was reset", got=said[-2000:])

        def trailers(url=url) -> None:
            said = told("--trailer=x-check: abc", f"--data={small}", url("/trailers"))
            expect(re.search(r"recv \(stream_id=\d+\) x-check: abc", said) is not None, "the trailers did not come back", got=said)
            expect(re.search(r"recv \(stream_id=\d+\) :status: 200", said) is not None, "not 200", got=said)

        def interim(url=url) -> None:
            said = told("--expect-continue", f"--data={small}", url("/"))
            statuses = re.findall(r"recv \(stream_id=\d+\) :status: (\d+)", said)
            expect(statuses == ["100", "200"], "not an interim response and a final one", got=said)

        yield f"{wire}: GET", lambda url=url: got(url("/"))
        yield f"{wire}: an upload of 2 MiB comes back", lambda url=url: back(url("/"))
        yield f"{wire}: an upload without Content-Length", lambda url=url: back("--no-content-length", url("/"))
        yield f"{wire}: an upload in windows of 1023 octets", lambda url=url: back("--window-bits=10", "--connection-window-bits=16", url("/"))
        yield f"{wire}: an upload in padded frames", lambda url=url: back("--padding=100", url("/"))
        yield f"{wire}: 90 requests on one connection", many
        yield f"{wire}: with CONTINUATION frames", lambda url=url: got("--continuation", url("/"))
        yield f"{wire}: with CONTINUATION frames and padding", lambda url=url: got("--continuation", "--padding=255", url("/"))
        yield f"{wire}: HPACK without a dynamic table", lambda url=url: got("--header-table-size=0", "--encoder-header-table-size=0", url("/"))
        yield f"{wire}: HPACK with a small table", lambda url=url: got("--header-table-size=100", url("/"))
        yield f"{wire}: HPACK with a large table", lambda url=url: got("--header-table-size=65536", url("/"))
        yield f"{wire}: with a priority", lambda url=url: got("--weight=256", url("/"))
        yield f"{wire}: without push and priorities", lambda url=url: got("--no-push", "--no-dep", url("/"))
        yield f"{wire}: trailers come back", trailers
        yield f"{wire}: an upload that waits for 100", interim

    h2c, tls = servers.h2c_url("/"), servers.tls_url("/")
    yield "h2load: h2c, 10,000 requests", lambda: h2load(10_000, 10, "--max-concurrent-streams=50", h2c)
    yield "h2load: h2c, 1,000 connections of one request", lambda: h2load(1000, 1000, h2c)
    yield "h2load: h2c, streamed responses", lambda: h2load(3000, 10, "--max-concurrent-streams=30", servers.h2c_url("/stream"))
    yield "h2load: h2c, uploads", lambda: h2load(2000, 10, "--max-concurrent-streams=20", f"--data={small}", h2c)
    yield "h2load: h2c, uploads in windows of 255 octets", lambda: h2load(300, 5, "--max-concurrent-streams=20", "--window-bits=8", f"--data={small}", h2c)
    yield "h2load: h2c, large uploads", lambda: h2load(24, 4, "--max-concurrent-streams=3", f"--data={large}", h2c)
    yield "h2load: TLS, 5,000 requests", lambda: h2load(5000, 10, "--max-concurrent-streams=50", tls)
    yield "h2load: TLS, 50 connections of one request", lambda: h2load(50, 50, tls)
    yield "h2load: TLS, uploads in windows of 1023 octets", lambda: h2load(500, 5, "--max-concurrent-streams=20", "--window-bits=10", "--connection-window-bits=16", f"--data={small}", tls)
    yield "h2load: TLS, large uploads", lambda: h2load(12, 4, "--max-concurrent-streams=3", f"--data={large}", tls)
    yield "h2load: TLS, HTTP/1.1", lambda: h2load(2000, 20, "--h1", tls)


def h2load(requests: int, connections: int, *arguments: object) -> None:
    words = ["h2load", f"--requests={requests}", f"--clients={connections}", *arguments]
    done = run(words, seconds=40)
    said = (done.stdout + done.stderr).decode(errors="replace")
    counted = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    if done.returncode or counted is None:
        raise Failure(f"h2load ended with status {done.returncode}", " ".join(map(str, words)), said)
    expect([int(each) for each in counted.groups()] == [requests, requests, 0, 0, 0], "not every request succeeded", " ".join(map(str, words)), said)
    expect(f"status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, "other answers", " ".join(map(str, words)), said)
