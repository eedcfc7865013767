"""Our WebSocket client against servers that others wrote: ws for Node and websockets for Python, which judge it."""

import json
import sys

from harness import Checks, Process, Servers, expect, run
from node_checks import held


def checks(servers: Servers) -> Checks:
    for peer, process in (("ws", servers.websocket("ws_node_server.mjs", "node")), ("websockets", servers.websocket("ws_python_server.py", sys.executable))):
        for agent in ("plain", "defaults", "takeover"):
            yield from judged(servers, peer, process, agent)


def judged(servers: Servers, peer: str, process: Process, agent: str) -> Checks:
    host, port = process.address
    before = len(process.output())
    words = [servers.client, f"ws://{host}:{port}", agent]
    done = run(words, seconds=60)
    verdicts = [json.loads(line) for line in process.output()[before:].splitlines() if line.startswith("{")]
    for verdict in verdicts:
        # Where nothing is compressed there is no deflate to judge.
        if agent != "plain" or not verdict["name"].startswith("deflate "):
            yield f"{peer}, {agent}: {verdict['name']}", lambda verdict=verdict: held(verdict)

    def ended() -> None:
        expect(done.returncode == 0 and len(verdicts) >= 10, f"the client ended with status {done.returncode} after {len(verdicts)} cases", " ".join(map(str, words)), done.stdout + done.stderr)

    yield f"{peer}, {agent}: every case was run", ended
