"""What is aimed at, in bench/targets.toml, and whether the kept results reach it."""

import json
import os
import tomllib

from . import BENCH, RESULTS, report
from .slope import number

PASSED, MISSED, NONE = "passed", "**missed**", "not measured"
UNITS = {"cpu_us": "µs", "instructions": "instructions", "calls.sum": "calls", "bytes_per_connection": "octets", "p99_us": "µs", "milliseconds": "ms"}


def rows():
    """Each target with its figure and its verdict: what, target, figure, verdict, result, commit, command."""
    with open(os.path.join(BENCH, "targets.toml"), "rb") as file:
        specs = tomllib.load(file)["target"]
    return [row for spec in specs for row in _rows(spec)]


def _rows(spec):
    """One row for each of its cases."""
    told = result(spec["file"])
    for case, words in spec.get("cases", {"": ""}).items():
        # A group that has names for its cases says first what is the same in all.
        where = {**spec.get("where", {}), **({spec.get("by", "case"): case} if case else {})}
        yield _row({**spec, "what": f"{spec['what']}: {words}" if words else spec["what"]}, told, where)


def _row(spec, told, where):
    unit = spec.get("unit", UNITS.get(spec["key"], ""))
    most, others = spec.get("most", 1.0), spec.get("beat", [])
    if others or "case" in where:
        where = {**where, "server": "wireline"}
    ours, commit = figures(told, where, spec["key"]), _commit(told, where)
    if not others:
        target = f"at most {number(most)} {unit}".rstrip()
        middle = report.median(ours)
        figure = None if middle is None else f"{number(middle)} {unit}".rstrip()
        return _told(spec, commit, target, figure, None if middle is None else middle <= most)
    times = "" if most == 1.0 else f"{most:g} × "
    target = f"at most {times}{'the least of ' if len(others) > 1 else ''}{', '.join(others)}"
    if "or_fewer" in spec:
        target += ", or within the spread with fewer user instructions"
    measured = {other: ratios for other in others if (ratios := _ratios(ours, figures(told, {**where, "server": other}, spec["key"])))}
    if not measured:
        return _told(spec, None, target, None, None)
    # Who is hardest to beat decides.
    hardest = max(measured, key=lambda other: report.median(measured[other]))
    ratios = measured[hardest]
    figure = f"{number(report.median(ours))} {unit}, × {report.median(ratios):.2f} of {hardest}"
    if len(ratios) > 1:
        figure += f" ({min(ratios):.2f} to {max(ratios):.2f})"
    if left := [other for other in others if other not in measured]:
        figure += f"; not measured: {', '.join(left)}"
    is_reached = report.median(ratios) <= most
    if not is_reached and "or_fewer" in spec and min(ratios) <= most and (counts := _counts(spec["or_fewer"], where, hardest)):
        is_reached = counts[0] < counts[1]
        figure += f"; {number(counts[0])} user instructions against {number(counts[1])}"
    return _told(spec, commit, target, figure, is_reached)


def _told(spec, commit, target, figure, is_reached):
    verdict = NONE if is_reached is None else PASSED if is_reached else MISSED
    source = f"[{spec['file']}](../bench/results/{spec['file']}.json)" if commit else ""
    return [spec["what"], target, figure or "", verdict, source, commit or "", f"`{spec['command']}`"]


def _counts(name, where, other):
    """Our user instructions and those of another, if both were counted."""
    counts = [next(iter(figures(result(name), {**where, "server": server}, "instructions")), None) for server in ("wireline", other)]
    return counts if all(counts) else None


def _commit(told, where):
    """That of the row, of results that are kept row by row, else that of all."""
    if told is None:
        return None
    of = [row["commit"] for row in told.get("rows", []) if "commit" in row and all(row.get(name) == value for name, value in where.items())]
    return of[0] if of else told["commit"]


def _ratios(ours, others):
    """Within the same round."""
    return [one / other for one, other in zip(ours, others) if one is not None and other]


def result(name):
    path = os.path.join(RESULTS, f"{name}.json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def figures(told, where, key):
    """The figure of each round, None where a round has none: of results in rounds, in rows, in figures of servers, or of one that is a figure itself."""
    if told is None:
        return []
    if isinstance(told.get(key), list):
        return [servers.get(where["server"]) for servers in told[key]]
    rounds = told.get("rounds_measured") or [told.get("rows", [told])]
    return [next((_of(row, key) for row in rows if not row.get("fault") and all(row.get(name) == value for name, value in where.items())), None) for rows in rounds]


def _of(row, key):
    for part in key.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row
