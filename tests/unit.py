#!/usr/bin/env python3
"""Builds all tests of the workspace with all features, and runs their programs two at a time, as most of them wait more than they compute.

    python3 tests/unit.py [NAME...]      only the programs with these names: those of tests/, or of a crate for its own tests

What a program prints is shown when it ends. Exit status 1 when one fails, 101 when they do not compile.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time

AT_ONCE = 2
# The longest first, so that none of them is left alone at the end.
LONG = ["wireline", "attack", "fuzz_replay", "decompression", "relay_cluster", "relay", "cluster_faults", "ws_resilience", "corpus", "relay_nats", "compression", "relay_redis"]
# A program that takes longer hangs.
CEILING = 300

printing = threading.Lock()


def main():
    programs = [each for each in build() if not sys.argv[1:] or each["name"] in sys.argv[1:]]
    if not programs:
        sys.exit("no such program")
    programs.sort(key=lambda each: LONG.index(each["name"]) if each["name"] in LONG else len(LONG))
    libraries = compiler()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [name for name in pool.map(lambda each: run(each, libraries), programs) if name]
    if failed:
        print(f"error: {len(failed)} of {len(programs)} programs failed: {', '.join(failed)}")
        sys.exit(1)


def build():
    """The test programs: the name, the program and the folder of the package of each."""
    words = ["cargo", "test", "--locked", "--workspace", "--all-features", "--lib", "--bins", "--tests", "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit(built.returncode)
    found = []
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            folder = os.path.dirname(message["manifest_path"])
            path = os.path.relpath(message["target"]["src_path"], folder)
            found.append({"name": message["target"]["name"], "program": message["executable"], "folder": folder, "path": path})
    return found


def compiler():
    """Where the programs of a crate of macros find the compiler's libraries."""
    return subprocess.run(["rustc", "--print", "target-libdir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def run(program, libraries):
    """Runs a program as cargo runs it. Its name, when it fails."""
    begin = time.monotonic()
    known = [part for part in (libraries, os.environ.get("LD_LIBRARY_PATH")) if part]
    environment = {**os.environ, "CARGO": "cargo", "CARGO_MANIFEST_DIR": program["folder"], "LD_LIBRARY_PATH": ":".join(known)}
    try:
        ended = subprocess.run(
            [program["program"]], cwd=program["folder"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CEILING
        )
        output, status = ended.stdout, ended.returncode
    except subprocess.TimeoutExpired as late:
        output, status = late.stdout or b"", f"none in {CEILING} s"
    with printing:
        print(f"     Running {program['path']} ({program['name']}, {time.monotonic() - begin:.0f} s)")
        print(output.decode(errors="replace"), end="")
        if status:
            print(f"error: {program['name']} failed, status {status}")
        sys.stdout.flush()
    return program["name"] if status else None


if __name__ == "__main__":
    main()
