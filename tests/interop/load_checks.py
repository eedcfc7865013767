"""oha and wrk: many connections at once, and not one request lost."""

import json
import re

from harness import Checks, Failure, Servers, expect, run


def checks(servers: Servers) -> Checks:
    yield "oha: 2,000 requests, 50 connections", lambda: oha(2000, "-c", "50", servers.url())
    yield "oha: 2,000 POSTs of 1 KiB, 50 connections", lambda: oha(2000, "-c", "50", "-m", "POST", "-d", "x" * 1024, servers.url())
    yield "oha: 500 requests, each on a connection of its own", lambda: oha(500, "-c", "50", "--disable-keepalive", servers.url())
    yield "oha: 500 requests over a Unix socket", lambda: oha(500, "-c", "20", "--unix-socket", servers.unix_path, "http://localhost/")
    yield "wrk: 2 s, 50 connections", lambda: wrk(servers, "/")
    yield "wrk: 2 s, 50 connections, streamed responses", lambda: wrk(servers, "/stream")


def oha(requests: int, *arguments: object) -> None:
    words = ["oha", "-n", requests, "--no-tui", "--output-format", "json", *arguments]
    command = " ".join(str(word) for word in words)[:300]
    done = run(words, seconds=40)
    if done.returncode:
        raise Failure(f"oha ended with status {done.returncode}", command, done.stdout + done.stderr)
    report = json.loads(done.stdout)
    told = {name: report[name] for name in ("statusCodeDistribution", "errorDistribution")}
    expect(report["summary"]["successRate"] == 1.0, "not every request succeeded", command, told)
    expect(told["statusCodeDistribution"] == {"200": requests} and not told["errorDistribution"], "other answers than 200", command, told)


def wrk(servers: Servers, path: str) -> None:
    words = ["wrk", "-t1", "-c50", "-d2s", "--timeout", "5s", servers.url(path)]
    done = run(words, seconds=20)
    said = (done.stdout + done.stderr).decode(errors="replace")
    counted = re.search(r"(\d+) requests in", said)
    expect(done.returncode == 0 and counted is not None, f"wrk ended with status {done.returncode}", " ".join(words), said)
    expect("Socket errors" not in said and "Non-2xx" not in said, "wrk saw errors", " ".join(words), said)
    expect(int(counted.group(1)) > 500, "hardly any request was answered", " ".join(words), said)
