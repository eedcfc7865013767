"""Our WebSocket client against servers that others wrote: ws for Node and websockets for Python, which judge it."""

import json
import sys
import time

from harness import Checks, Process, Servers, expect, run
from node_checks import held


def checks(servers: Servers) -> Checks:
    for peer, process in (("ws", servers.websocket("ws_node_server.mjs", "node")), ("websockets", servers.websocket("ws_python_server.py", sys.executable))):
        for agent in ("plain", "defaults", "takeover"):
            yield from judged(servers, peer, process, agent)


def judged(servers: Servers, peer: str, process: Process, agent: str) -> Checks:
    host, port = process.address
    before = len(process.output().splitlines())
    words = [servers.client, f"ws://{host}:{port}", agent]
    done = run(words, seconds=60)
    count, verdicts = said(process, before)
    for verdict in verdicts:
        # Where nothing is compressed there is no deflate to judge.
        if agent != "plain" or not verdict["name"].startswith("deflate "):
            yield f"{peer}, {agent}: {verdict['name']}", lambda verdict=verdict: held(verdict)

    def ended() -> None:
        expect(done.returncode == 0 and len(verdicts) == count >= 10, f"the client ended with status {done.returncode} after {len(verdicts)} of {count} cases", " ".join(map(str, words)), done.stdout + done.stderr)

    yield f"{peer}, {agent}: every case was run", ended


def said(process: Process, before: int) -> tuple[int, list[dict[str, str]]]:
    """How many cases there are, and what the server found in each; the last may be told only after the client has ended."""
    end = time.monotonic() + 5
    while True:
        lines = [json.loads(line) for line in process.output().rpartition("\n")[0].splitlines()[before:]]
        count = next((line["cases"] for line in lines if "cases" in line), 0)
        verdicts = [line for line in lines if "name" in line]
        if len(verdicts) >= count > 0 or time.monotonic() > end:
            return count, verdicts
        time.sleep(0.05)
