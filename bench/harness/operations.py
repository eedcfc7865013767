"""What bench/restarts and bench/faults have in common."""

import json
import os
import subprocess
import sys

from . import ROOT, tools


def programs(*names):
    """The paths of these programs, which are built unless BENCH_PROGRAMS says where they are."""
    folder = os.environ.get("BENCH_PROGRAMS")
    if not folder:
        subprocess.run(["cargo", "build", "--release", "-p", "wireline-cli", "-p", "wireline-bench"], cwd=ROOT, check=True)
        folder = os.path.join(tools.target(), "release")
    return [os.path.abspath(os.path.join(folder, name)) for name in names]


def run(command):
    """The row that a driver prints, whatever it thinks of it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.splitlines()
    if done.returncode not in (0, 1) or not lines:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}")
    return json.loads(lines[-1])
