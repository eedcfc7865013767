"""Runs the Socket.IO suites against a server: ours, the packages of npm that they are held against, or one that runs already.

    python3 main.py PROGRAM [--times N] [GROUP...]     PROGRAM is the built examples/socketio_probe.rs
    python3 main.py --reference [--times N] [GROUP...] the same contracts as socket.io and engine.io keep them
    python3 main.py --address HOST:PORT [GROUP...]     a server that somebody else started
    python3 main.py --mutants                          faults in the reference, each of which a contract has to find

`--times N` runs the groups with real clients N times. A suite of cases may be followed by `:` and a part of a case's name. The last line is
`N passed, N failed`.
"""

import asyncio
import contextlib
import importlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from wire import Server

HERE = pathlib.Path(__file__).resolve().parent

# Cases that speak for themselves on sockets.
SUITES = {"engine": "engine_contract", "socket": "socket_contract", "hostile": "hostile", "guesses": "guesses", "churn": "churn"}
# Programs with real clients, and seconds after which one run hangs: a busy machine takes many times what an idle one does. Each prints a line that begins with FAILED for what did not hold, and at the end
# `N passed, N failed`.
CLIENTS = {
    "node": (["node", HERE / "node_clients.cjs"], 300),
    "old": (["node", HERE / "old_client.cjs"], 120),
    "chromium": (["node", HERE / "chromium.mjs"], 300),
    "admin": (["node", HERE / "admin.mjs"], 300),
    "python": ([sys.executable, HERE / "python_client.py"], 300),
    # Built from the folder rust.
    "rust": ([os.environ.get("SOCKETIO_PEER", "wireline-socketio-peer")], 300),
}
# Not for the reference.
OURS = {"hostile", "guesses", "churn"}


class Probe:
    """A server under test, ended by its id."""

    def __init__(self, command: list[str], folder: pathlib.Path) -> None:
        self._log = folder / f"server-{time.monotonic_ns()}.log"
        words = [word.replace("{place}", "127.0.0.1:0") for word in command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.place = self._place()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def _place(self) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"listening on (?:http://)?(\S+)", self.output()):
                return found.group(1)
            time.sleep(0.02)
        self.stop()
        raise SystemExit(f"the server did not start: {self.output()[-2000:]}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Run:
    """The tally of one call."""

    def __init__(self, command: list[str] | None, place: str | None, folder: pathlib.Path, reference: bool) -> None:
        self.command, self.folder, self.reference = command, folder, reference
        self.passed = self.failed = 0
        self.probe = Probe(command, folder) if place is None else None
        self.place = self.probe.place if self.probe else place

    def suite(self, name: str, only: str) -> None:
        host, _, port = self.place.rpartition(":")
        suite = importlib.import_module(SUITES[name]).suite
        server = Server(host, int(port), "/", self.probe and self.probe.process.pid)
        passed, failed = asyncio.run(suite.run(server, only, self.reference))
        self.passed += passed
        self.failed += failed
        if self.probe and self.probe.process.poll() is not None:
            self.failed += 1
            print(f"FAILED {name}: the server ended: {self.probe.output()[-1000:]}")
            self.probe = Probe(self.command, self.folder)
            self.place = self.probe.place

    def clients(self, name: str) -> None:
        command, seconds = CLIENTS[name]
        # How a program starts a server of its own, for what happens when one goes.
        settings = os.environ | {"PLACE": self.place, "SERVER": json.dumps(self.command or [])}
        begin = time.monotonic()
        with tempfile.TemporaryFile("w+", dir=self.folder) as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings, start_new_session=True)
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = "stopped, out of time"
            finally:
                # Whatever it left behind: browsers, servers.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.seek(0)
            output = log.read()
        counts = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
        passed, failed = (int(count) for count in counts[-1]) if counts else (0, 1)
        if status != 0 and failed == 0:
            failed = 1
        self.passed += passed
        self.failed += failed
        if failed:
            print(output if len(output) < 8000 else output[-8000:])
            print(f"FAILED {name}: {status}")
        print(f"{name}: {passed} held, {failed} did not, {time.monotonic() - begin:.1f} s", flush=True)

    def all(self, names: list[str], times: int) -> None:
        for name in names:
            name, _, only = name.partition(":")
            if name in SUITES:
                self.suite(name, only)
        for turn in range(times):
            if times > 1:
                print(f"-- {turn + 1} of {times}", flush=True)
            for name in names:
                if name in CLIENTS:
                    self.clients(name)

    def stop(self) -> None:
        if self.probe:
            self.probe.stop()


def reference(mutant: str = "") -> list[str]:
    return ["node", str(HERE / "reference.cjs"), "{place}", *([mutant] if mutant else [])]


def mutants(folder: pathlib.Path) -> int:
    """Every fault has to make at least one case fail."""
    names = subprocess.run(["node", str(HERE / "reference.cjs"), "-", "--list"], capture_output=True, text=True, check=True).stdout.split()
    found = 0
    for name in names:
        run = Run(reference(name), None, folder, True)
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                run.all(["engine", "socket"], 1)
        finally:
            run.stop()
        found += run.failed > 0
        first = next((line for line in output.getvalue().splitlines() if line.startswith("FAILED")), "not found by any case")
        print(f"{'' if run.failed else 'FAILED '}{name}: {run.failed} cases, {first[:150]}", flush=True)
    print(f"{found} passed, {len(names) - found} failed")
    return found != len(names)


def main() -> int:
    words = sys.argv[1:]
    times = 1
    if "--times" in words:
        at = words.index("--times")
        times = int(words[at + 1])
        del words[at : at + 2]
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    known = [*SUITES, *CLIENTS]
    first = words.pop(0)
    place, command = None, None
    if first == "--address":
        place = words.pop(0)
    elif first == "--reference":
        command = reference()
    elif first != "--mutants":
        command = [str(pathlib.Path(first).resolve()), "{place}"]
    unknown = [name for name in words if name.partition(":")[0] not in known]
    if unknown:
        print(f"there is no group {unknown[0]}; the groups are: {' '.join(known)}", file=sys.stderr)
        return 2

    # An end by signal runs what stands under `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="wireline-socketio-") as folder:
        if first == "--mutants":
            return mutants(pathlib.Path(folder))
        names = words or [name for name in known if first != "--reference" or name not in OURS]
        run = Run(command, place, pathlib.Path(folder), first == "--reference")
        try:
            run.all(names, times)
        finally:
            run.stop()
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed != 0


if __name__ == "__main__":
    sys.exit(main())
