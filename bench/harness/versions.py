"""Which versions a result was made with: of what is installed, and of the peers."""

import os
import re
import shutil
import subprocess
import tomllib

from . import BENCH

TOOLS = {
    "rustc": "-V", "wrk": "-v", "h2load": "--version", "valgrind": "--version", "perf": "--version", "strace": "-V", "openssl": "version",
    "nginx": "-v", "nghttpd": "--version", "node": "-v", "redis-server": "-v",
}
PEERS = (
    "actix-web", "actix-ws", "axum", "fastwebsockets", "h2", "hyper", "ignitia", "may_minihttp", "ntex", "rpress", "rustls", "socketioxide", "sockudo-ws", "tokio", "tokio-tungstenite",
    "warp", "xitca-web", "yawc",
)


def found():
    """By name; what is not there is left out."""
    return {"tools": {name: version for name, option in TOOLS.items() if (version := _said(name, option))}, "peers": _locked()}


def _said(name, option):
    path = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        return None
    try:
        done = subprocess.run([path, option], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return version and version[0]


def _locked():
    with open(os.path.join(BENCH, "peers", "Cargo.lock"), "rb") as file:
        packages = tomllib.load(file)["package"]
    versions = {}
    for package in packages:
        if package["name"] in PEERS:
            versions.setdefault(package["name"], []).append(package["version"])
    return {name: ", ".join(of) for name, of in sorted(versions.items())}
