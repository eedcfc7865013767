"""curl, as people use it."""

import hashlib
import json
import os

from harness import Checks, Failure, Servers, expect, run

MIB = 1024 * 1024


def checks(servers: Servers) -> Checks:
    folder = servers.folder
    small, large, over = folder / "small", folder / "large", folder / "over"
    small.write_bytes(os.urandom(1000))
    large.write_bytes(os.urandom(MIB))
    over.write_bytes(bytes(11 * MIB))

    def simple(path: str, status: int, content: bytes | None = None, *options: object, version: str = "1.1", **fields: str) -> None:
        answer = Curl(*options, servers.url(path))
        answer.one(status, content, version)
        for name, wanted in fields.items():
            answer.field(name, wanted)

    def back(file: object, *options: object) -> "Curl":
        answer = Curl(*options, servers.url("/any"))
        answer.one(200)
        expect(answer.content == file.read_bytes(), "the content that came back is another", answer.command, hashlib.sha256(answer.content).hexdigest())
        return answer

    def expect_continue() -> None:
        # Without the interim response curl would wait 20 s, and the check would be out of time.
        answer = back(large, "--expect100-timeout", 20, "-H", "Expect: 100-continue", "--data-binary", f"@{large}")
        expect("< HTTP/1.1 100 Continue" in answer.trace, "no interim response 100", answer.command, answer.trace)
        expect(answer.results[0]["time_total"] < 10, "the interim response came late", answer.command, answer.trace)

    def kept_alive() -> None:
        answer = Curl(servers.url("/a"), servers.url("/b"))
        expect([each["num_connects"] for each in answer.results] == [1, 0], "the connection was not used again", answer.command, answer.trace)
        expect(answer.content == b"OKOK", "other content", answer.command, answer.content)

    def kept_alive_after_content() -> None:
        answer = Curl("--data-binary", f"@{large}", servers.url("/a"), "--next", "-sS", "-v", "-w", WRITE_OUT, servers.url("/b"))
        expect([each["num_connects"] for each in answer.results] == [1, 0], "the connection was not used again", answer.command, answer.trace)

    def head() -> None:
        answer = Curl("--head", servers.url())
        expect(answer.results[0]["http_code"] == 200, "other status", answer.command, answer.trace)
        answer.field("content-length", "2")
        expect(answer.results[0]["size_download"] == 0, "HEAD was answered with content", answer.command, answer.trace)

    def http_1_0() -> None:
        simple("/", 200, b"OK", "--http1.0", connection="close")
        answer = Curl("--http1.0", servers.url("/stream"))
        answer.one(200, b"stream")
        expect("transfer-encoding" not in answer.trace.lower(), "a transfer coding on HTTP/1.0", answer.command, answer.trace)

    def too_large(*options: object) -> None:
        # curl must see the refusal although it is still sending: no reset may overtake it.
        for _ in range(5):
            answer = Curl("-H", "Expect:", *options, servers.url("/upload"))
            expect(answer.results[0]["http_code"] == 413, "other status", answer.command, answer.trace)

    def unix_socket() -> None:
        answer = Curl("--unix-socket", servers.unix_path, "http://localhost/one", "http://localhost/two")
        expect([each["num_connects"] for each in answer.results] == [1, 0], "the connection was not used again", answer.command, answer.trace)
        expect(answer.content == b"OKOK", "other content", answer.command, answer.content)

    def unix_socket_post() -> None:
        answer = Curl("--unix-socket", servers.unix_path, "--data-binary", f"@{large}", "http://localhost/")
        answer.one(200, large.read_bytes())

    def parallel() -> None:
        answer = Curl("--parallel", "--parallel-immediate", "--parallel-max", 20, *[servers.url(f"/{number}") for number in range(100)])
        codes = [each["http_code"] for each in answer.results]
        expect(codes == [200] * 100 and answer.content == b"OK" * 100, "not 100 answers", answer.command, codes)

    def date() -> None:
        for path, options in (("/", ()), ("/s204", ()), ("/s304", ()), ("/", ("-H", "Expect: magic")), ("/", ("-H", "Host: a b"))):
            answer = Curl(*options, servers.url(path))
            expect("\n< date: " in answer.trace.lower().replace("\r", ""), "an answer without Date", answer.command, answer.trace)

    yield "GET", lambda: simple("/", 200, b"OK", connection="keep-alive")
    yield "HEAD", head
    yield "POST", lambda: back(small, "--data-binary", f"@{small}")
    yield "POST without content", lambda: simple("/", 200, b"", "-X", "POST")
    yield "POST of a form", lambda: simple("/", 200, b"a=1&b=%26", "-d", "a=1", "--data-urlencode", "b=&")
    yield "POST in chunks", lambda: back(large, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary", f"@{large}")
    yield "POST of 1 MiB that waits for 100", expect_continue
    yield "two requests on one connection", kept_alive
    yield "two requests on one connection, the first with 1 MiB", kept_alive_after_content
    yield "HTTP/1.0", http_1_0
    yield "Connection: close", lambda: simple("/", 200, b"OK", "-H", "Connection: close", connection="close")
    yield "a streamed response", lambda: simple("/stream", 200, b"stream", **{"transfer-encoding": "chunked"})
    yield "204", lambda: simple("/s204", 204, b"")
    yield "304", lambda: simple("/s304", 304, b"")
    yield "OPTIONS", lambda: simple("/", 200, b"", "-X", "OPTIONS")
    yield "another method", lambda: simple("/", 405, None, "-X", "DELETE", allow="GET, HEAD, POST, OPTIONS")
    yield "cookies", lambda: simple("/cookie", 200, b"a=1\nb=2\n", "-b", "a=1; b=2")
    yield "an upgrade that is not supported is ignored", lambda: simple("/", 200, b"OK", "--http2")
    yield "an unknown expectation", lambda: simple("/", 417, None, "-H", "Expect: magic", connection="close")
    yield "a bad Host", lambda: simple("/", 400, None, "-H", "Host: a b", connection="close")
    yield "a request line that is too long", lambda: simple("/" + "x" * 9000, 414, None, connection="close")
    yield "a header section that is too large", lambda: simple("/", 431, None, "-H", "X: " + "x" * 9000, connection="close")
    yield "content over the limit is refused, and curl sees it", lambda: too_large("--data-binary", f"@{over}")
    yield "content over the limit, in chunks", lambda: too_large("-X", "POST", "-H", "Transfer-Encoding: chunked", "--data-binary", f"@{over}")
    yield "content over the limit that waits for 100", lambda: simple("/", 413, None, "-H", "Expect: 100-continue", "--data-binary", f"@{over}")
    yield "a Unix socket", unix_socket
    yield "a Unix socket, 1 MiB both ways", unix_socket_post
    yield "100 transfers, 20 at a time", parallel
    yield "every answer has Date", date


class Curl:
    """One run of curl: the content, what it says of each transfer, and its trace."""

    def __init__(self, *arguments: object, fails: int = 0) -> None:
        words = ["curl", "-sS", "-v", "--path-as-is", "--max-time", 15, "-w", WRITE_OUT, *arguments]
        self.command = " ".join(str(word) for word in words)[:2000]
        done = run(words)
        self.trace = done.stderr.decode(errors="replace")
        if done.returncode != fails:
            raise Failure(f"curl ended with status {done.returncode} instead of {fails}", self.command, self.trace)
        self.content, self.results = b"", []
        # With several transfers, content and report take turns.
        for piece in done.stdout.split(MARK.encode())[:-1]:
            if piece.startswith(b"{"):
                self.results.append(json.loads(piece))
            else:
                self.content += piece

    def one(self, status: int, content: bytes | None = None, version: str | None = None) -> None:
        result = self.results[0]
        expect(result["http_code"] == status, f"{result['http_code']} instead of {status}", self.command, self.trace)
        expect(content is None or self.content == content, "other content", self.command, self.content)
        expect(version is None or result["http_version"] == version, f"version {result['http_version']}", self.command, self.trace)

    def field(self, name: str, wanted: str) -> None:
        line = f"\n< {name}: {wanted}\n".lower()
        expect(line in self.trace.lower().replace("\r", ""), f"no field line `{name}: {wanted}`", self.command, self.trace)


MARK = "\x1e--curl--\x1e"
WRITE_OUT = f"{MARK}%{{json}}{MARK}"
