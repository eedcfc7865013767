"""The load drivers: each puts load on a server and returns what was done and how long it took."""

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile

from . import BENCH, LOAD


class LoadError(RuntimeError):
    """The load could not be put on the server, or it answered something else than it should."""


def run(command, *, core=None, timeout=120):
    pin = ["taskset", "-c", str(core)] if core is not None else []
    try:
        done = subprocess.run([*pin, *map(str, command)], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise LoadError(f"{os.path.basename(command[0])} took longer than {timeout} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-200:]
        raise LoadError(f"{os.path.basename(command[0])} ended with status {done.returncode}: {said}")
    return done.stdout


def expect(server, method, path, body=None, answer=None, headers=()):
    """One request; raises unless the answer is a 200 with the content `answer`. Returns the response's header section."""
    if server.scheme == "https":
        # The certificate is of this run; what is asked is whether the answer is right.
        trusting = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trusting)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadError(f"{method} {path}: {error!r}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise LoadError(f"{method} {path}: status {response.status}")
    if answer is not None and content != answer:
        raise LoadError(f"{method} {path}: wrong content {content[:40]!r}")
    return response.headers


def wrk(server, path, connections, seconds, *, core=None, options=(), tail=()):
    out = run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options, server.url + path, *tail],
        core=core,
    )
    faults = re.findall(r"(Non-2xx or 3xx responses: \d+|Socket errors: .*)", out)
    return {
        "count": int(re.search(r"(\d+) requests in", out)[1]),
        "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        "p50_us": _microseconds(re.search(r"^ +50% +(\S+)", out, re.M)[1]),
        "p99_us": _microseconds(re.search(r"^ +99% +(\S+)", out, re.M)[1]),
        "fault": "; ".join(faults) or None,
    }


def pipelined(server, connections, seconds, depth, *, core=None):
    script = os.path.join(LOAD, "pipeline.lua")
    return wrk(server, "/", connections, seconds, core=core, options=["-s", script], tail=["--", str(depth)])


def oha(program, server, path, options, *, core=None, timeout=180):
    """Runs oha with `options`; percentiles are in microseconds, `successes` counts 2xx answers."""
    out = run([program, "--no-tui", "--output-format", "json", *options, server.url + path], core=core, timeout=timeout)
    result = json.loads(out)
    statuses = {int(status): count for status, count in result["statusCodeDistribution"].items()}
    errors = result["errorDistribution"]
    count = sum(statuses.values()) + sum(errors.values())
    successes = sum(number for status, number in statuses.items() if 200 <= status < 300)
    latency = result["latencyPercentiles"]
    other = {str(status): number for status, number in statuses.items() if not 200 <= status < 300}
    return {
        "count": count,
        "successes": successes,
        "per_second": result["summary"]["requestsPerSec"],
        "seconds": result["summary"]["total"],
        "p50_us": (latency["p50"] or 0) * 1e6,
        "p99_us": (latency["p99"] or 0) * 1e6,
        "p999_us": (latency["p99.9"] or 0) * 1e6,
        "fault": "; ".join(f"{number} x {what}" for what, number in {**other, **errors}.items()) or None,
    }


def h2load(server, path, requests, *, connections=64, depth=1, http2=False, options=(), core=None, timeout=120):
    """So many requests over HTTP/1.1 or HTTP/2; raises unless each got a 2xx answer."""
    out = run(
        ["h2load", *([] if http2 else ["--h1"]), "-t1", f"-c{connections}", f"-m{depth}", f"-n{requests}", *options, server.url + path],
        core=core,
        timeout=timeout,
    )
    answered = int(re.search(r"status codes: (\d+) 2xx", out)[1])
    if answered != requests:
        raise LoadError(f"{path}: {answered} of {requests} requests got a 2xx answer")


def multiplexed(server, path, seconds, *, core=None, timeout=120):
    """HTTP/2 for so many seconds: 16 connections, on each 32 requests in flight."""
    with tempfile.NamedTemporaryFile("r") as log:
        words = ["h2load", "-t1", "-c16", "-m32", f"-D{seconds}", f"--log-file={log.name}", server.url + path]
        out = run(words, core=core, timeout=timeout)
        took = sorted(int(line.split("\t")[2]) for line in log if line.count("\t") == 2)
    if "Application protocol: h2" not in out:
        raise LoadError("h2load spoke no HTTP/2")
    count = int(re.search(r"status codes: (\d+) 2xx", out)[1])
    faults = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", out)
    others = re.search(r"2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if count == 0:
        raise LoadError(f"{path}: no request got a 2xx answer")
    return {
        "count": count,
        "per_second": count / seconds,
        "p50_us": took[len(took) // 2],
        "p99_us": took[len(took) * 99 // 100],
        "p999_us": took[len(took) * 999 // 1000],
        "fault": "; ".join(found[0] for found in (faults, others) if any(map(int, found.groups()))) or None,
    }


def expect_http2(server, path, answer):
    """One request over HTTP/2; raises unless the content is `answer`."""
    out = run(["nghttp", server.url + path], timeout=10)
    if answer not in out:
        raise LoadError(f"GET {path}: wrong content {out[:40]!r}")


# The echo cases of WebSocket: octets of a message, messages in flight on each connection, connections.
ECHOES = {
    "ws-16x1": (16, 1, 64),
    "ws-16x16": (16, 16, 64),
    "ws-1kx1": (1024, 1, 64),
    "ws-1kx16": (1024, 16, 64),
    "ws-64kx1": (64 * 1024, 1, 64),
    "ws-64kx16": (64 * 1024, 16, 64),
    "ws-large": (16 * 1024 * 1024, 1, 4),
}


# Fan-out of 128 octets: how many subscribe, in how many topics, how many of them never read, messages in flight.
FANS = {
    "fan-1": ["-n", 1000, "-k", 1],
    "fan": ["-n", 1000, "-k", 16],
    "fan-64": ["-n", 1000, "-k", 64],
    "fan-topics": ["-n", 10_000, "--topics", 1000, "-k", 64],
    "fan-deaf": ["-n", 10_000, "--deaf", 500, "-k", 1],
    # At two nodes with Redis between them: half of the subscribers at each, the publisher at the first.
    "fan-nodes": ["-n", 1000, "-k", 16],
}

# In Socket.IO: a room of 1,000 with 16 messages in flight; 64 sockets, each with an event that waits for its answer.
SOCKET_IO = {
    "sio-fan": ["fan", "-n", 1000, "-k", 16, "-s", 128, "--sio"],
    "sio-ack": ["echo", "-c", 64, "-d", 1, "-s", 16, "--sio"],
}


# Latency at fixed rates, operations a second: HTTP, and echo of 16 octets over 64 WebSockets.
RATES = (5_000, 15_000, 30_000, 50_000)
RATED = {f"rate-{rate // 1000}k": rate for rate in RATES}
WS_RATED = {f"ws-rate-{rate // 1000}k": rate for rate in RATES}


def kind(case):
    """What a server's `cases` call it."""
    if case in RATED:
        return "rate"
    return "ws" if case in ECHOES or case in WS_RATED else "fan" if case in FANS and case not in ("fan-topics", "fan-nodes") else case


def echo(program, server, case, *end, core=None):
    """Echo load by wsload; `end` is how it ends, `-t SECONDS` or `-n MESSAGES`."""
    size, depth, connections = ECHOES[case]
    return wsload(program, server, ["echo", "-c", connections, "-s", size, "-d", depth, *end], core=core)


def wsload(program, server, arguments, *, core=None, timeout=120):
    """Runs wsload or tlsload; `cpu_ns` is the server's between its two marks."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    words = [*pin, program, arguments[0], str(server.port), *map(str, arguments[1:])]
    result, begin, end = {"error": "no result"}, None, None
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("MARK start"):
                begin = server.cpu_ns()
            elif line.startswith("MARK end"):
                end = server.cpu_ns()
            elif line.startswith("{"):
                result = json.loads(line)
    if "error" in result:
        raise LoadError(f"{os.path.basename(program)}: {result['error']}")
    fault = f"lost {result['lost']}" if result.get("lost") else None
    return {**result, "cpu_ns": end - begin, "fault": fault}


def at_rate(result, rate):
    """The same, with a fault where the load was not what it should be: latencies at another rate are another figure."""
    if not result.get("fault") and result["per_second"] < 0.97 * rate:
        result["fault"] = f"{result['per_second']:,.0f} a second in the place of {rate:,}"
    return result


def transfer(server, direction, size, connections, *, core=None, timeout=120):
    """Uploads to /sink or downloads from /bytes/{size}, once on each of `connections` at the same time."""
    out = run(
        [sys.executable, os.path.join(BENCH, "harness", "transfer.py"), direction, server.port, size, connections],
        core=core,
        timeout=timeout,
    )
    return json.loads(out)


def _microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}[unit]
