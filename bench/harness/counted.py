"""Loads that end after so many operations, which is what counting wants: bench/icount, bench/syscalls, bench/growth."""

import contextlib
import os
import sys
import tempfile

from . import browser_options, certificate, count, load, process

HTTP = ["plaintext", "json", "browser", "pipelined", "echo"]
WEBSOCKET = [case for case in load.ECHOES if case != "ws-large"]
SOCKET_IO = ["sio-ack"]
# An operation is a delivery.
FANS = ["fan-1", "fan"]
# Which of a server's commands the case wants; its plain one unless it is here.
WIRES = {"h2c": "h2c", "tls": "tls", "tls-h2": "tls", "static": "files"}
BY_WSLOAD = {*WEBSOCKET, *SOCKET_IO, *FANS}
SUBSCRIBERS = 1000


def wire(case):
    """Which of a server's commands the case wants."""
    return WIRES.get(case, "command")


def scheme(case):
    return "https" if wire(case) == "tls" else "http"


def takes_part(server, case):
    """Whether the server of this table can be asked for it."""
    return load.kind(case) in server["cases"] and wire(case) in server


def operations(case, requests):
    """Of the short run, where `requests` are wanted. So many messages or streams in flight need more of them before every connection has run for a while."""
    if case in FANS:
        return SUBSCRIBERS * max(16, 16 * requests // SUBSCRIBERS)
    return requests * (load.ECHOES[case][1] if case in load.ECHOES else 4 if case in ("h2c", "tls-h2") else 1)


@contextlib.contextmanager
def files(cases):
    """The places that the cases want beside programs: a certificate, a directory with a file, a kilobyte to send."""
    with tempfile.TemporaryDirectory() as folder:
        kilobyte = os.path.join(folder, "kilobyte")
        with open(kilobyte, "w") as file:
            file.write("x" * 1024)
        found = {"kilobyte": kilobyte, "certificate": "", "key": "", "files": ""}
        wires = {wire(case) for case in cases}
        if "tls" in wires:
            found.update(certificate.make(folder))
        if "files" in wires:
            found["files"] = style_sheet(folder)
        yield found


def style_sheet(folder):
    """A directory with a file of 32 KB that was not changed just now; its path, as the value {files} of a command."""
    files = os.path.join(folder, "files")
    os.mkdir(files)
    path = os.path.join(files, "style.css")
    rules = "".join(f".rule-{number} {{ margin: {number % 40}px; color: #{number * 7919 % 0xFFFFFF:06x}; }}\n" for number in range(1000))
    with open(path, "w") as file:
        file.write(rules[: 32 * 1024])
    os.utime(path, (1785585600, 1785585600))
    for each, mode in ((folder, 0o755), (files, 0o755), (path, 0o644)):
        os.chmod(each, mode)
    return files


def loads(places, table, connections=64):
    """For each case a function that sends a server of this table so many operations from core 1."""
    wsload = os.path.join(places["peers"], "wsload")

    def by_h2load(path, depth=1, options=()):
        return lambda server, requests: load.h2load(
            server, path, requests, connections=connections, depth=depth, options=options, core=1
        )

    multiplexed = lambda server, requests: load.h2load(server, "/", requests, connections=16, depth=32, http2=True, core=1)

    def by_wsload(case):
        return lambda server, messages: load.echo(wsload, server, case, "-n", messages, core=1)

    def fanned(case):
        speaks = lambda server: table[server.name].get("fan", "").split()
        return lambda server, deliveries: fan(wsload, server, [*load.FANS[case], *speaks(server)], SUBSCRIBERS, deliveries)

    return {
        **{case: by_wsload(case) for case in WEBSOCKET},
        **{case: fanned(case) for case in FANS},
        "sio-ack": lambda server, events: load.wsload(wsload, server, [*load.SOCKET_IO["sio-ack"], "-n", events], core=1),
        "h2c": multiplexed,
        "tls": by_h2load("/"),
        "tls-h2": multiplexed,
        "static": by_h2load("/files/style.css"),
        "plaintext": by_h2load("/"),
        "json": by_h2load("/json"),
        "browser": by_h2load("/", options=browser_options()),
        "pipelined": by_h2load("/", depth=16),
        "echo": by_h2load("/echo", options=["-d", places["kilobyte"], "-H", "content-type: application/octet-stream"]),
    }


def fan(wsload, server, options, subscribers, deliveries):
    """As many publications of 128 octets as make so many deliveries; raises when one is lost."""
    words = ["fan", "-s", 128, *options, "-m", max(1, deliveries // subscribers)]
    result = load.wsload(wsload, server, words, core=1)
    if result["fault"]:
        raise load.LoadError(result["fault"])
    return result


def system_calls(table, names, case, put_load, operations, rounds, places, traced):
    """System calls of each server, in interleaved rounds, by the name of the server; the median counts. What failed is a `fault`."""
    found, faults = {name: [] for name in names}, {}
    for _ in range(rounds):
        for name in names:
            try:
                with process.Server(name, table[name][wire(case)], core=0, scheme=scheme(case), **places) as server:
                    found[name].append(count.system_calls(server, put_load, operations, traced))
            except (RuntimeError, KeyError, OSError) as error:
                faults[name] = f"system calls: {error}"
                print(f"{name}, {case}: {error}", file=sys.stderr)
    return {name: {**_median(calls), **({"fault": faults[name]} if name in faults else {})} for name, calls in found.items()}


def _median(calls):
    if not calls:
        return {}
    calls = sorted(calls, key=lambda one: one["sum"])
    middle, least, most = calls[len(calls) // 2], calls[0], calls[-1]
    return {"calls": {**middle, "sum": round(middle["sum"], 3), "least": round(least["sum"], 3), "most": round(most["sum"], 3)}}
