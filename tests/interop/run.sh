#!/usr/bin/env bash
# The checks with independent peers: clients and parsers that this project did not write, against examples/probe.rs;
# and its WebSocket client, tests/autobahn/client.rs, against their servers.
#
#     bash tests/interop/run.sh                      every group
#     bash tests/interop/run.sh curl differential    the named groups only
#
# tests/tools.sh installs what is called here; tests/all.sh runs both. Everything stays on loopback. The last line is
# `N passed, N failed`; the exit status is 0 only without a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export WIRELINE_TOOLS=${WIRELINE_TOOLS:-$target/tools}
export PATH="$WIRELINE_TOOLS/venv/bin:$WIRELINE_TOOLS/bin:$PATH:/usr/local/sbin:/usr/sbin"
# Where Node finds the package ws.
export NODE_PATH=$WIRELINE_TOOLS/node/node_modules

export PYTHONDONTWRITEBYTECODE=1
cargo build --quiet --release --features client,http2,tls,ws-deflate --example probe --example autobahn_client
# The program that replaces this shell ends what it starts, also when it is stopped.
exec python3 tests/interop/main.py "$target/release/examples/probe" "$@"
