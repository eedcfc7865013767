"""What bench/restarts, bench/faults and bench/in_memory have in common."""

import json
import os
import pathlib
import subprocess
import sys

from . import RESULTS, ROOT, report, resilience, tools


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


def keep(name, key, rows):
    """Puts rows in the place of those with the same value of `key`, and from there into docs/resilience.md."""
    path = pathlib.Path(RESULTS, name)
    kept = {row[key]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}
    around = report.circumstances()
    own = {each: around[each] for each in ("commit", "command", "date")}
    kept.update({row[key]: {**row, **own} for row in rows})
    report.save(name, {**around, "rows": [kept[each] for each in sorted(kept)]})
    resilience.write()
