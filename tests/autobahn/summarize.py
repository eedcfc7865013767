"""Sums up a report of the Autobahn test suite, which itself ends with status 0 whatever happened.

    python3 summarize.py REPORT/index.json --expect=N [--strict]

Prints what did not pass and, last, `N passed, N failed`. A case passes with the behaviour OK or INFORMATIONAL and such a close; NON-STRICT
passes only without --strict; UNIMPLEMENTED (permessage-deflate was not agreed on) never does. A case of the N that did not run has failed. The
exit status is 0 only without a failure.
"""

import collections
import json
import pathlib
import sys
from dataclasses import dataclass, field


@dataclass
class Summary:
    """What became of the cases of one agent."""

    passed: int = 0
    failed: int = 0
    lines: list[str] = field(default_factory=list)


def summarize(index: pathlib.Path, expected: int, strict: bool) -> Summary:
    summary = Summary()
    try:
        agents = json.loads(index.read_text())
    except (OSError, ValueError) as error:
        summary.failed = expected
        summary.lines.append(f"there is no report, so that {expected} cases did not run: {error}")
        return summary

    ran = 0
    for agent, cases in sorted(agents.items()):
        ran += len(cases)
        good = {"OK", "INFORMATIONAL"} if strict else {"OK", "INFORMATIONAL", "NON-STRICT"}
        bad = {name: case for name, case in cases.items() if case["behavior"] not in good or case["behaviorClose"] not in good - {"NON-STRICT"}}
        summary.passed += len(cases) - len(bad)
        summary.failed += len(bad)
        summary.lines.append(f"{agent}: {len(cases)} of {expected} cases, {counts(cases, 'behavior')}; close: {counts(cases, 'behaviorClose')}; {limits(cases)}")
        for name in sorted(bad, key=lambda name: [int(number) for number in name.split(".")]):
            case = bad[name]
            summary.lines.append(f"FAILED {agent} {name}: {case['behavior']}, close {case['behaviorClose']} with code {case['remoteCloseCode']}")
    if ran != expected:
        summary.failed += max(expected - ran, 1)
        summary.lines.append(f"FAILED {ran} cases ran where {expected} should have")
    return summary


def counts(cases: dict[str, dict], key: str) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in collections.Counter(case[key] for case in cases.values()).most_common())


def limits(cases: dict[str, dict]) -> str:
    """The milliseconds of 9.*, large messages, which say something about speed."""
    return f"9.* in {sum(case['duration'] for name, case in cases.items() if name.startswith('9.'))} ms"


def main() -> int:
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    expected = [int(word.removeprefix("--expect=")) for word in sys.argv[1:] if word.startswith("--expect=")]
    if len(names) != 1 or len(expected) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    summary = summarize(pathlib.Path(names[0]), expected[0], "--strict" in sys.argv)
    print("\n".join(summary.lines))
    print(f"{summary.passed} passed, {summary.failed} failed")
    return 1 if summary.failed or not summary.passed else 0


if __name__ == "__main__":
    sys.exit(main())
