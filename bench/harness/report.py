"""What stands around a figure: the commit, the command, the machine; and where results go."""

import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time

from . import RESULTS, ROOT


def circumstances(**more):
    """Everything a reader needs beside the figures."""
    return {
        "commit": commit(),
        "command": shlex.join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, Linux {'.'.join(platform.release().split('.')[:2])}",
        **more,
    }


def commit():
    """The commit, with `-dirty` when a file differs from it that is not a result, or made of results."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "uncommitted"
    return head + ("-dirty" if _git("status", "--porcelain", "--", ".", ":!bench/results", ":!docs/resilience.md", ":!docs/performance.md", ":!docs/plots") else "")


def cpu_model():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"^model name\s*: (.*)", file.read(), re.M)
    return found[1].strip() if found else platform.machine()


def save(name, value):
    """Writes `value` as JSON, or text as it is, into bench/results and returns the path."""
    os.makedirs(RESULTS, exist_ok=True)
    path = os.path.join(RESULTS, name)
    with open(path, "w") as file:
        if isinstance(value, str):
            file.write(value)
        else:
            json.dump(value, file, indent=1)
            file.write("\n")
    return path


def table(columns, rows):
    """A markdown table. Cells that are None stay empty."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def aligned(columns, rows):
    """The same for a terminal."""
    cells = [[("" if cell is None else str(cell)) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def median(values):
    """The median of what is there, None when nothing is."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def spread(values):
    """(largest - smallest) / median, None with fewer than two values."""
    there = [value for value in values if value is not None]
    middle = median(there)
    return (max(there) - min(there)) / middle if len(there) > 1 and middle else None


def ratio(values, base):
    """The median of the ratios to `base` within the same round."""
    return median(
        [value / other for value, other in zip(values, base) if value is not None and other] if base else []
    )


def _git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
