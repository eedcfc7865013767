"""Starts the servers, runs the groups of checks, and sums them up.

    python3 main.py PROBE [GROUP...]

PROBE is the built examples/probe.rs, with the built tests/autobahn/client.rs beside it. The groups stand in GROUPS below; without a name all of
them run. The process ends whatever it started, by its id, when it is done, stopped, or out of time.
"""

import importlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from harness import Failure, Servers, Tally, get

# Group, module. Each module has `checks(servers)`, which yields a name and a function that raises Failure.
GROUPS = {
    "curl": "curl_checks",
    "curl-wires": "curl_wires_checks",
    "tls": "tls_checks",
    "load": "load_checks",
    "nghttp": "nghttp_checks",
    "h2": "h2_checks",
    "h2-rules": "h2_rules_checks",
    "h2-ws": "h2_ws_checks",
    "http.client": "http_client_checks",
    "h11": "h11_checks",
    "node": "node_checks",
    "node-http2": "node_http2_checks",
    "ws": "ws_node_checks",
    "websockets": "ws_python_checks",
    "client": "ws_client_checks",
    "chromium": "ws_chromium_checks",
    "chromium-tls": "tls_chromium_checks",
    "redbot": "redbot_checks",
    "proxies": "proxy_checks",
    "differential": "differential.checks",
}

# Seconds for everything after the build. A machine with nothing else to do needs a third of it.
TIME_LIMIT = int(os.environ.get("WIRELINE_INTEROP_SECONDS", 210))

PROGRAMS = ("curl", "openssl", "oha", "wrk", "nghttp", "h2load", "node", "nginx", "haproxy", "redbot", "chromium")


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    probe, names = pathlib.Path(sys.argv[1]), sys.argv[2:] or list(GROUPS)
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        print(f"there is no group {unknown[0]}; the groups are: {' '.join(GROUPS)}", file=sys.stderr)
        return 2
    missing = lacking()
    if missing:
        print(f"missing: {', '.join(missing)}; bash tests/tools.sh installs them")
        print(f"0 passed, {len(missing)} failed")
        return 1

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(TIME_LIMIT)

    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="wireline-interop-") as folder:
        servers = Servers(probe, pathlib.Path(folder))
        try:
            servers.start()
            for name in names:
                tally.group(name)
                for check, function in importlib.import_module(GROUPS[name]).checks(servers):
                    tally.run(check, function)
            tally.group("the server itself")
            tally.run("the probes are still there, and nothing in them panicked", lambda: still_there(servers))
        except OutOfTime:
            tally.fail("time", f"not done after {TIME_LIMIT} s")
        except Failure as failure:
            tally.fail("servers", str(failure))
        finally:
            signal.alarm(0)
            servers.stop()
    tally.close_group()
    print(tally.summary())
    return 1 if tally.failed or not tally.passed else 0


def lacking() -> list[str]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    for module in ("h11", "h2", "hpack", "hyperframe", "tomllib", "websockets", "wsproto"):
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(f"Python's module {module}")
    return missing


class OutOfTime(BaseException):
    """Not an Exception, so that no check takes it for its own failure."""


def out_of_time(*_: object) -> None:
    raise OutOfTime


def still_there(servers: Servers) -> None:
    time.sleep(0.1)
    for process in servers.probes:
        if process.popen.poll() is not None:
            raise Failure(f"{process.name} has ended with status {process.popen.returncode}", got=process.output())
        if "panicked" in process.output():
            raise Failure(f"{process.name} panicked", got=process.output())
    get(servers.probe.address, "/")


if __name__ == "__main__":
    sys.exit(main())
