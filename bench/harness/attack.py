"""What bench/attacks, bench/soak and bench/overload have in common: the attack driver, and the server on a core of its own."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from . import ROOT, process, report, resilience, tools


def programs():
    """The driver and the server."""
    folder = os.environ.get("BENCH_PROGRAMS")
    if not folder:
        subprocess.run(["cargo", "build", "--release", "-p", "wireline-bench", "--features", "attack"], cwd=ROOT, check=True)
        folder = os.path.join(tools.target(), "release")
    return [os.path.abspath(os.path.join(folder, name)) for name in ("bench-attack", "bench-server")]


@contextlib.contextmanager
def driver():
    """The command of the driver on core 1, to which the attack's id and options are added; its server runs on core 0."""
    attack, server = programs()
    process.raise_descriptor_limit()
    with tempfile.TemporaryDirectory() as folder:
        pinned = pathlib.Path(folder, "server")
        pinned.write_text(f'#!/bin/sh\nexec taskset -c 0 "{server}" "$@"\n')
        pinned.chmod(0o755)
        yield ["taskset", "-c", "1", attack, "--server", str(pinned)]


def row(name, seconds, wanted, seed, figure, notes):
    """Runs one attack for so many seconds of those that the scoreboard wants; gives the row there, and the driver's line beside it."""
    with driver() as command:
        done = subprocess.run([*command, name, "--full", "--count", str(seconds), "--seed", str(seed)], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"{name} could not be run")
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "row": name,
        "seconds": seconds,
        "seed": seed,
        "figure": figure(found),
        "reason": notes(found["facts"]),
        "part": f"{seconds // 60:,} of {wanted // 60:,} minutes" if seconds < wanted else "",
        "faults": resilience.faults(found),
        "pass": found["holds"],
        "report": found,
    }


def save(name, found):
    """Into bench/results, and from there into docs/resilience.md."""
    report.save(name, {**report.circumstances(), **found})
    resilience.write()
