"""Runs the Autobahn test suite in both roles, and sums up what it reports.

    python3 main.py WSTEST EXAMPLES REPORTS [quick | full] [server] [client] [tls] [h2]

WSTEST is the suite's program, EXAMPLES the folder with the built `probe`, `autobahn_client` and `autobahn_h2bridge`, REPORTS where reports go.
`server`, `tls` and `h2` judge our server, on a plain port, by wss:// and over HTTP/2 behind the bridge; `client` judges our client. Without a role it
is all of them. Without a mode it is `quick`, which runs two roles at a time; `full` runs one after the other, so that its times mean something. The
process ends whatever it started, by its id, when it is done, stopped, or out of time.
"""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from summarize import summarize

# Patterns hold for every case whose name begins with them.
CORE = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
LIMITS = ["9.*"]
# Messages of 16 octets to 8 KiB, each with every set of parameters; the others are larger and take the suite minutes.
SMALL_COMPRESSED = [f"{chapter}.{number}" for chapter in ("12.1", "12.2", "12.3", "12.4", "12.5", *(f"13.{at}" for at in range(1, 8))) for number in range(1, 8)]
COMPRESSED = ["12.*", "13.*"]


@dataclass(frozen=True)
class Run:
    """Some cases against one configuration of ours, which is a path of the probe and a word for the client."""

    agent: str
    cases: list[str]
    expected: int
    seconds: int


QUICK = [
    Run("defaults", CORE + LIMITS + SMALL_COMPRESSED, 385, 150),
    Run("takeover", SMALL_COMPRESSED, 84, 60),
]
FULL = [
    Run("defaults", CORE + LIMITS + COMPRESSED, 517, 1500),
    Run("takeover", COMPRESSED, 216, 1200),
]
# What is compressed hardly depends on what is below it.
OTHER_WIRE = [Run("plain", CORE + LIMITS, 301, 120)]
OTHER_WIRE_WHOLE = [FULL[0]]

MODES = {
    "quick": {"server": QUICK, "client": QUICK, "tls": OTHER_WIRE, "h2": OTHER_WIRE},
    "full": {"server": FULL, "client": FULL, "tls": OTHER_WIRE_WHOLE, "h2": OTHER_WIRE_WHOLE},
}


def main() -> int:
    words = sys.argv[4:]
    mode = words.pop(0) if words and words[0] in MODES else "quick"
    if len(sys.argv) < 4 or any(word not in ROLES for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    wstest, examples, reports = (pathlib.Path(word).absolute() for word in sys.argv[1:4])

    def stopped(*_: object) -> NoReturn:
        for program in Program.running:
            program.process.kill()
        sys.exit(143)

    def play(role: str) -> tuple[int, int]:
        passed = failed = 0
        for run in MODES[mode][role]:
            folder = reports / role / run.agent
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            begin = time.monotonic()
            try:
                faults = ROLES[role](wstest, examples, folder, run)
            except DidNotStart as error:
                faults = [str(error)]
            summary = summarize(folder / "index.json", run.expected, strict=True)
            passed += summary.passed
            failed += summary.failed + len(faults)
            lines = summary.lines + [f"FAILED {role}, {run.agent}: {fault}" for fault in faults]
            head = f"\n{role}, {run.agent}: {summary.passed} held, {summary.failed + len(faults)} did not, {time.monotonic() - begin:.0f} s"
            # In one piece: the other role prints as well.
            print("\n  ".join([head, *lines]), flush=True)
        return passed, failed

    signal.signal(signal.SIGTERM, stopped)
    with ThreadPoolExecutor(2 if mode == "quick" else 1) as pool:
        counts = list(pool.map(play, words or ROLES))
    passed, failed = (sum(count[at] for count in counts) for at in (0, 1))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def server(wstest: pathlib.Path, examples: pathlib.Path, folder: pathlib.Path, run: Run) -> list[str]:
    """The suite as the client of our server; gives what went wrong besides the cases."""
    with Program("probe", [examples / "probe", "127.0.0.1:0"], folder) as probe:
        return judge(wstest, folder, run, probe, f"ws://{probe.address()}")


def tls(wstest: pathlib.Path, examples: pathlib.Path, folder: pathlib.Path, run: Run) -> list[str]:
    """The same by wss://. The suite does not ask whose certificate it is."""
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made = subprocess.run([*certificate, "-keyout", "key.pem", "-out", "certificate.pem"], cwd=folder, capture_output=True, text=True)
    if made.returncode:
        raise DidNotStart(f"openssl made no certificate: {made.stderr}")
    with Program("probe", [examples / "probe", "127.0.0.1:0", "--tls-cert", "certificate.pem", "--tls-key", "key.pem"], folder) as probe:
        return judge(wstest, folder, run, probe, f"wss://{probe.address()}")


def h2(wstest: pathlib.Path, examples: pathlib.Path, folder: pathlib.Path, run: Run) -> list[str]:
    """The same over HTTP/2 (RFC 8441): the bridge opens a stream for each connection of the suite."""
    with Program("probe", [examples / "probe", "127.0.0.1:0", "--h2c"], folder) as probe:
        with Program("bridge", [examples / "autobahn_h2bridge", probe.address()], folder) as bridge:
            faults = judge(wstest, folder, run, probe, f"ws://{bridge.address()}")
            if bridge.process.poll() is not None:
                faults.append(f"the bridge has ended with status {bridge.process.returncode}: {bridge.output()[-2000:]}")
    return faults


def judge(wstest: pathlib.Path, folder: pathlib.Path, run: Run, probe: "Program", url: str) -> list[str]:
    specification(folder, run, servers=[{"agent": run.agent, "url": f"{url}/{run.agent}"}])
    with Program("wstest", [wstest, "--mode=fuzzingclient", "--spec=spec.json"], folder) as suite:
        faults = suite.wait_for_end(run.seconds)
    if probe.process.poll() is not None:
        faults.append(f"the server has ended with status {probe.process.returncode}")
    if "panicked" in probe.output():
        faults.append(f"the server panicked: {probe.output()[-2000:]}")
    return faults


def client(wstest: pathlib.Path, examples: pathlib.Path, folder: pathlib.Path, run: Run) -> list[str]:
    """The suite as the server of our client; gives what went wrong besides the cases."""
    url = f"ws://127.0.0.1:{free_port()}"
    specification(folder, run, url=url)
    # -u 0: without the suite's web server.
    with Program("wstest", [wstest, "--mode=fuzzingserver", "--spec=spec.json", "--webport=0"], folder) as suite:
        suite.wait_for_port(url)
        with Program("client", [examples / "autobahn_client", url, run.agent], folder) as ours:
            faults = ours.wait_for_end(run.seconds)
        if suite.process.poll() is not None:
            faults.append(f"the suite has ended with status {suite.process.returncode}: {suite.output()[-2000:]}")
    return faults


ROLES = {"server": server, "client": client, "tls": tls, "h2": h2}


class DidNotStart(Exception):
    """A program did not say that it is there."""


class Program:
    """A program with its output in a file, ended at the latest with the block."""

    running: ClassVar[list["Program"]] = []

    def __init__(self, name: str, arguments: list[object], folder: pathlib.Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([str(argument) for argument in arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> "Program":
        self.running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.running.remove(self)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def address(self) -> str:
        return self.wait_for("listening on ")

    def wait_for(self, words: str, seconds: float = 30) -> str:
        """What follows these words in the output, to the end of the line."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            _, found, rest = self.output().partition(words)
            if found and "\n" in rest:
                return rest.partition("\n")[0]
            time.sleep(0.02)
        self.did_not_start()

    def wait_for_port(self, url: str, seconds: float = 30) -> None:
        host, _, port = url.removeprefix("ws://").rpartition(":")
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.did_not_start()

    def did_not_start(self) -> NoReturn:
        raise DidNotStart(f"{self.name} did not start: {self.output()[-2000:]}")

    def wait_for_end(self, seconds: float) -> list[str]:
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return [f"{self.name} was not done after {seconds} s; its output ends with: {self.output()[-500:]}"]
        return [f"{self.name} ended with status {status}: {self.output()[-2000:]}"] if status else []


def specification(folder: pathlib.Path, run: Run, **members: object) -> None:
    contents = {"outdir": str(folder), "cases": run.cases, "exclude-cases": [], "exclude-agent-cases": {}, **members}
    (folder / "spec.json").write_text(json.dumps(contents, indent=1))


def free_port() -> int:
    """The suite cannot be asked for any free port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
