"""Sees to it that the programs a benchmark needs are there: Debian packages, oha, bench-server, the peers."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

from . import BENCH, ROOT

# Program -> Debian package.
PACKAGES = {
    "faketime": "faketime",
    "h2load": "nghttp2-client",
    "nghttp": "nghttp2-client",
    "nghttpd": "nghttp2-server",
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "perf": "linux-perf",
    "prlimit": "util-linux",
    "nats-server": "nats-server",
    "redis-server": "redis-server",
    "strace": "strace",
    "taskset": "util-linux",
    "valgrind": "valgrind",
    "wrk": "wrk",
}


def need(*programs, must=True):
    """Sees to it that every program is there; as root it installs what is missing. Ends the run without one, unless not `must`."""
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted({PACKAGES[program] for program in missing})
        print("installing Debian packages:", *packages, file=sys.stderr)
        # RUNLEVEL=1 asks nginx's package not to start its service.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "-qq", "update"], env=environment)
        subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages], env=environment)
        missing = [program for program in programs if not shutil.which(program)]
    if missing and must:
        packages = sorted({PACKAGES[program] for program in missing})
        sys.exit(f"missing: {', '.join(missing)} (Debian packages: {' '.join(packages)}); install them and run again")


def target():
    return os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")


def oha():
    """The path of oha: $OHA, PATH, the project's own tools folder; otherwise cargo builds it there, which takes minutes."""
    tools = os.environ.get("WIRELINE_TOOLS") or os.path.join(target(), "tools")
    local = os.path.join(tools, "bin", "oha")
    for found in (os.environ.get("OHA"), shutil.which("oha"), local):
        if found and os.access(found, os.X_OK):
            return found
    print("building oha", file=sys.stderr)
    environment = {**os.environ, "CARGO_TARGET_DIR": os.path.join(tools, "build")}
    built = subprocess.run(["cargo", "install", "oha", "--locked", "--root", tools], env=environment)
    if built.returncode:
        sys.exit("oha could not be built: put a recent one into PATH, or its path into $OHA")
    shutil.rmtree(os.path.join(tools, "build"), ignore_errors=True)
    return local


def build_server():
    """Builds bench-server in release mode and returns its path."""
    _cargo(ROOT, "--package", "wireline-bench", "--bin", "bench-server")
    return os.path.join(target(), "release", "bench-server")


def build_sessions():
    """Builds the program `sessions` in release mode and returns its path."""
    _cargo(ROOT, "--package", "wireline-bench", "--features", "sessions", "--bin", "sessions")
    return os.path.join(target(), "release", "sessions")


def build_peers(programs):
    """Builds these programs of the peers' workspace in release mode and returns their folder. They keep a target folder of their own."""
    folder = _peers_target()
    wanted = [word for program in sorted(programs) for word in ("--bin", program)]
    _cargo(os.path.join(BENCH, "peers"), "--locked", "--target-dir", folder, *wanted)
    return os.path.join(folder, "release")


def bun():
    """The program of npm's package bun, of the version that peers/bun names; installs it beside the peers' programs when it is missing."""
    return os.path.join(_packages("bun", ".bin/bun"), ".bin", "bun")


def npm():
    """The folder of npm's packages that peers/npm names; installs them beside the peers' programs when they are missing."""
    need("node")
    return _packages("npm", "socket.io-client")


def artillery():
    """The folder of npm's packages with Artillery; installs it when it is missing."""
    # Browsers are no part of it, but a script of one of its packages would fetch three.
    os.environ["PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD"] = "1"
    return _packages("artillery", ".bin/artillery")


def _packages(peer, wanted):
    """The folder `node_modules` with what peers/PEER names, `wanted` among it."""
    need("npm")
    folder = os.path.join(_peers_target(), peer)
    modules = os.path.join(folder, "node_modules")
    if not os.path.exists(os.path.join(modules, wanted)):
        print(f"installing {peer}'s packages", file=sys.stderr)
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(BENCH, "peers", peer, "package.json"), folder)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--foreground-scripts"]
        if subprocess.run(command, cwd=folder).returncode or not os.path.exists(os.path.join(modules, wanted)):
            sys.exit(f"{peer}'s packages could not be installed; leave it out with --skip {peer}")
    return modules


def _peers_target():
    return os.environ.get("BENCH_PEERS_TARGET") or os.path.join(BENCH, "peers", "target")


def _cargo(folder, *arguments):
    if subprocess.run(["cargo", "build", "--release", "--quiet", *arguments], cwd=folder).returncode:
        sys.exit(f"cargo build failed in {os.path.relpath(folder, ROOT)}")


def servers(override=None):
    """The tables of servers.toml. A command in `override` stands in for wireline; then there are no other rows of bench-server's."""
    with open(os.path.join(BENCH, "servers.toml"), "rb") as file:
        table = tomllib.load(file)
    if override:
        table = {name: server for name, server in table.items() if not name.startswith("wireline-")}
        table["wireline"].update(command=override, unequal="another server stands in: " + os.path.basename(override.split()[0]))
        for key in ("limited", "h2c", "tls", "files", "cluster"):
            table["wireline"].pop(key, None)
    return table


def places(names, table, load=(), wires=("command",)):
    """Builds what the servers `names` and the load drivers `load` need for the keys `wires`, and returns the values for their commands."""
    found = {"bench": BENCH, "server": "", "peers": "", "bun": "", "npm": ""}
    commands = [table[name][wire] for name in names for wire in wires if wire in table[name]]
    if any("{server}" in command for command in commands):
        found["server"] = build_server()
    programs = {program for command in commands for program in re.findall(r"\{peers\}/(\S+)", command)} | set(load)
    if programs:
        found["peers"] = build_peers(programs)
    if any("{bun}" in command for command in commands):
        found["bun"] = bun()
    if any("{npm}" in command for command in commands):
        found["npm"] = npm()
    for program in ("nginx", "nghttpd"):
        if any(program in command for command in commands):
            need(program)
    return found
