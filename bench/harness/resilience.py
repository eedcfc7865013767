"""The rows of docs/resilience.md, from bench/resilience.toml and the results that are kept."""

import collections
import json
import os
import pathlib
import re
import tomllib

from . import BENCH, RESULTS, ROOT, report

DOCUMENT = os.path.join(ROOT, "docs", "resilience.md")
KEPT = os.path.join(RESULTS, "resilience.json")
PASSED, PART, MISSED, NOT_RUN = "passed", "in part", "missed", "not run"


def build():
    """Both texts, as they follow from the results."""
    attacks = {row["id"]: row for row in _kept_rows("attack-*.json")}
    with open(os.path.join(BENCH, "resilience.toml"), "rb") as file:
        rows = [_row(row, attacks) for row in tomllib.load(file)["row"]]
    kept = {"rows": rows, "attacks": [_attack(row) for row in sorted(attacks.values(), key=_order)]}
    return json.dumps(kept, indent=1, ensure_ascii=False) + "\n", _document(kept)


def write():
    kept, document = build()
    pathlib.Path(KEPT).write_text(kept)
    pathlib.Path(DOCUMENT).write_text(document)


def stale():
    """The files that are not what the results make of them."""
    return [path for path, text in zip((KEPT, DOCUMENT), build()) if not os.path.exists(path) or pathlib.Path(path).read_text() != text]


def _kept_rows(pattern):
    for path in sorted(pathlib.Path(RESULTS).glob(pattern)):
        value = json.loads(path.read_text())
        if isinstance(value, dict):
            rows = value.get("rows")
            for row in rows if isinstance(rows, list) else [value]:
                # Of results that are older than that, the commit stands above them all.
                yield {"commit": value.get("commit"), "command": value.get("command"), **row}


def _row(spec, attacks):
    """A row with its figure, and what is to be said of it."""
    row = {"id": spec["id"], "what": spec["what"], "limit": spec["limit"], "figure": "", "reason": "", "command": "", "commit": "", "seed": None}
    others = [found for found in _kept_rows("*.json") if found.get("row") == spec["id"]]
    if "attacks" in spec:
        row.update(_from_attacks(spec, attacks))
    elif spec["id"] in SPECIAL:
        row.update(SPECIAL[spec["id"]]())
    elif not others:
        row.update(state=NOT_RUN, reason=spec["otherwise"], command=spec.get("command", ""))
    if others:
        row.update(_from_others(others))
        # What a row says of its attacks is no business of another program's.
        own = [] if "attacks" in spec else [spec.get("part")]
        lacking = [f"no run of {name} is kept" for name in spec.get("names", []) if all(found.get("name") != name for found in others)]
        parts = [part for part in [*own, *lacking, *(found.get("part") for found in others)] if part]
        if parts and row["state"] in (PASSED, PART):
            row.update(state=PART, reason="; ".join([*parts, *filter(None, [row["reason"]])]))
    return row


def _from_attacks(spec, attacks):
    command = "bench/attacks " + " ".join(spec["attacks"])
    missing = [name for name in spec["attacks"] if name not in attacks]
    if missing:
        return {"state": NOT_RUN, "reason": f"no full run of {', '.join(missing)} is kept", "command": command}
    found = {name: attacks[name] for name in spec["attacks"]}
    complaints = [f"{name}: {why}" for name, row in found.items() for why in faults(row)]
    values = {name: collections.defaultdict(float, {**row["facts"], **_beside(row)}) for name, row in found.items()}
    # Names have hyphens, which str.format takes as they are.
    figure = re.sub(r"\{([\w-]+)\[", lambda match: "{values[" + match[1] + "][", spec["figure"]).format(values=values)
    return {
        "state": MISSED if complaints else PART if "part" in spec else PASSED,
        "figure": figure,
        "reason": "; ".join([*complaints, *([spec["part"]] if "part" in spec else [])]),
        "command": command,
        "commit": ", ".join(sorted({row["commit"] for row in found.values()})),
        "seed": next(iter(found.values()))["seed"],
    }


def _beside(row):
    probe, memory = row["probe"], row["memory_kib"]
    return {
        "more_mib": max(memory["peak"] - memory["idle"], 0) / 1024,
        "seconds": row["seconds"],
        "p99_ms": probe["p99_ms"],
        "failures": probe["failures"],
        "requests": probe["requests"],
    }


def faults(row):
    """Why an attack's row does not hold."""
    if row["holds"]:
        return []
    probe = row["probe"]
    if row["complaints"]:
        return row["complaints"]
    if probe["failures"]:
        return [f"{probe['failures']} of {probe['requests']} requests of the probe failed"]
    behind = row.get("after") or {}
    if behind.get("failures") or behind.get("p99_ms", 0) > probe["p99_ms"]:
        return [f"the probe behind it: {behind['failures']} failures, p99 {behind['p99_ms']:.1f} ms"]
    return [f"the probe's p99 is {probe['p99_ms']:.1f} ms"]


def _attack(row):
    most = row.get("most_mib")
    limit = "no complaint, every request of the probe answered in time" + (f", at most {most} MiB more" if most else "")
    facts = ", ".join(f"{name} {value:g}" for name, value in row["facts"].items() if name != "complaints")
    return {
        "id": row["id"],
        "count": row["count"],
        "figure": facts,
        "limit": limit,
        "probe": f"{row['probe']['failures']} of {row['probe']['requests']} failed, p99 {row['probe']['p99_ms']:.1f} ms",
        "more_mib": round(_beside(row)["more_mib"]),
        "state": PASSED if row["holds"] else MISSED,
        "reason": "; ".join(faults(row)),
        "command": f"bench/attacks {row['id']}",
        "commit": row["commit"],
        "seed": row["seed"],
    }


def _order(row):
    family, *numbers = re.split(r"-", row["id"], maxsplit=1)
    return [family, [int(number) for number in re.findall(r"\d+", "".join(numbers))], row["id"]]


def _from_others(found):
    """Rows that a program has printed as such: `row`, `figure`, and whether it is passed."""
    faults = [str(fault) for row in found for fault in row.get("faults", [])]
    passed = all(row.get("pass", not faults) for row in found)
    # What lists its faults, has none and is not passed has not gone far enough.
    few = not passed and not faults and all("faults" in row for row in found)
    says = [f"{row['what']}: {_number(row.get('figure'))}" if "what" in row else _number(row.get("figure")) for row in found]
    reasons = [row["reason"] for row in found if row.get("reason")]
    reasons += [f"{_number(row['figure'])} of {_number(row.get('limit'))}" for row in found if few and not row.get("pass")]
    return {
        "state": PASSED if passed else PART if few else MISSED,
        "figure": "; ".join(says),
        "reason": "; ".join([*faults[:3], *reasons]) or ("" if passed else "beyond its limit"),
        "command": ", ".join(sorted({row.get("command") or "" for row in found})),
        "commit": ", ".join(sorted({row.get("commit") or "" for row in found})),
        "seed": found[0].get("seed"),
    }


def _number(value):
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


# A broker is frozen, slow, garbled, or out of reach.
KINDS = 4


def _brokers(name, wanted):
    def found():
        rows = [row for row in _kept_rows("brokers.json") if row["id"] == name]
        if not rows:
            return {"state": NOT_RUN, "reason": "no run is kept", "command": "bench/brokers kills faults"}
        # Of faults so many of each kind.
        times = {id(row): row["count"] * (KINDS if row["what"] == "faults" else 1) for row in rows}
        count = sum(times.values())
        whose = lambda row: row["broker"] + (" with a shared history" if row.get("history") else "")
        complaints = [f"{whose(row)}: {why}" for row in rows for why in row["complaints"]]
        few = [f"{count} of {wanted}"] if count < wanted else []
        says = [
            f"{whose(row)}: {times[id(row)]} {row['what']}, {row['facts']['delivered']:,} delivered, {row['facts']['gaps_told']:,} gaps told, {row['facts']['wrong']} wrong"
            for row in rows
        ]
        return {
            "state": MISSED if complaints else PART if few else PASSED,
            "figure": "; ".join(says),
            "reason": "; ".join([*complaints, *few]),
            "command": "bench/brokers kills faults",
            "commit": ", ".join(sorted({row["commit"] for row in rows})),
        }

    return found


def _simulation():
    found = _one("simulation.json")
    few = [] if found["seeds"] >= 100_000 else [f"{found['seeds']:,} of 100,000 seeds"]
    failed = [f"{found['failed']} seeds failed"] if found["failed"] else []
    return {
        "state": MISSED if failed else PART if few else PASSED,
        "figure": f"{found['seeds']:,} seeds, {found['failed']} failed; {found['simulated_seconds']:,} simulated seconds, {found['faults']:,} faults",
        "reason": "; ".join([*failed, *few]),
        "command": found["command"],
        "commit": found["commit"],
        "seed": found["first"],
    }


def _sessions():
    found = _one("sessions.json")
    row = {
        "state": PASSED if found["holds"] else MISSED,
        "figure": f"{found['sessions']:,} sessions, {found['octets_per_session_after_broadcasts']:,.0f} octets each, a message to all in {found['slowest_broadcast_seconds']:.2f} s",
        "reason": "",
        "command": found["command"],
        "commit": found["commit"],
    }
    sockets = [each for each in _kept_rows("growth.json") if (each.get("axis"), each.get("server")) == ("idle-ws", "wireline") and each["at"] >= SOCKETS and each.get("rounds")]
    if not sockets:
        return {**row, "state": PART if found["holds"] else MISSED, "reason": f"in memory; no run of {SOCKETS:,} over TCP is kept, which is bench/growth idle-ws"}
    most = sockets[-1]
    # A process that has just started, and what each of them adds.
    held = max(one["before_bytes"] + SOCKETS * one["bytes_per_connection"] for one in most["rounds"]) / 1e6
    row["figure"] += f"; {most['at']:,} over TCP, {SOCKETS:,} of which are {held:.0f} MB with the process"
    row["command"] += ", bench/growth idle-ws"
    row["commit"] = ", ".join(sorted({row["commit"], most["commit"]}))
    if held > SOCKETS_MB:
        row.update(state=MISSED, reason=f"{held:.0f} MB of {SOCKETS_MB}")
    return row


# WebSockets over TCP, and what all of them may hold.
SOCKETS, SOCKETS_MB = 17_500, 110


def _requirements():
    demands = []
    for path in sorted(pathlib.Path(ROOT, "tests", "requirements").glob("*.toml")):
        demands += tomllib.loads(path.read_text())["demand"]
    shown = sum(bool(demand.get("tests")) for demand in demands)
    bare = [demand["id"] for demand in demands if not demand.get("tests") and not demand.get("exception")]
    return {
        "state": MISSED if bare else PASSED,
        "figure": f"{len(demands)} demands, {shown} with a test, {len(demands) - shown - len(bare)} with a reason alone",
        "reason": f"{len(bare)} with neither" if bare else "",
        "command": "cargo test --all-features --test requirements",
    }


def _one(name):
    return json.loads(pathlib.Path(RESULTS, name).read_text())


SPECIAL = {"R29": _brokers("R29", 100), "R30": _brokers("R30", 200), "R31": _simulation, "R37": _sessions, "R40": _requirements}

HEAD = """# Resilience

What is thrown at the server, what has to come of it, and what did. `bench/resilience` writes this document from `bench/resilience.toml` and the results that are kept
in `bench/results`; a test holds it to `bench/results/resilience.json`. A figure that was missed stands here as it was measured, a row that nobody has run says so.

All figures are from two cores. Those of `bench/attacks` have the server on one of them, attackers and an honest client on the other; that client asks a hundred times a second, on connections of
its own. Its p99 is what one request of a hundred took, in milliseconds from when it was due. *More* is the server's resident memory at its largest, less what it was
before. [bench/README.md](../bench/README.md) says how to run all of it.

"""


def _document(kept):
    counts = collections.Counter(row["state"] for row in kept["rows"])
    text = HEAD + ", ".join(f"{counts[state]} {state}" for state in (PASSED, PART, MISSED, NOT_RUN)) + ".\n\n## The rows\n\n"
    columns = ["row", "what", "limit", "figure", "state", "command", "commit"]
    text += report.table(columns, [[row["id"], row["what"], row["limit"], row["figure"], _state(row), _code(row["command"]), row["commit"]] for row in kept["rows"]])
    text += "\n## The attacks\n\nEach against a server of its own, with its full count.\n\n"
    columns = ["attack", "count", "figure", "probe", "MiB more", "state", "seed", "commit"]
    return text + report.table(
        columns, [[row["id"], f"{row['count']:,}", row["figure"], row["probe"], row["more_mib"], _state(row), row["seed"], row["commit"]] for row in kept["attacks"]]
    )


def _state(row):
    return row["state"] + (": " + row["reason"].replace("|", "\\|").replace("\n", " ") if row["reason"] else "")


def _code(command):
    return f"`{command}`" if command else ""
