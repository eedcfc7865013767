#!/usr/bin/env bash
# Socket.IO as others see it: both contracts clause by clause, hostile clients, churn, and real clients (socket.io-client in Node and in Chromium,
# python-socketio, rust_socketio) and the page of npm's admin-ui, against examples/socketio_probe.rs.
#
#     bash tests/socketio/run.sh                       everything, once
#     bash tests/socketio/run.sh --times 20            the real clients twenty times
#     bash tests/socketio/run.sh engine socket:polling the named groups only, and of a suite the cases that have a text in their name
#     bash tests/socketio/run.sh --reference           the same against the packages of npm, which the suites are held against
#     bash tests/socketio/run.sh --mutants             faults in those, each of which has to be found
#     bash tests/socketio/run.sh --address HOST:PORT   a server that runs already
#
# tests/tools.sh installs what is called here; tests/all.sh runs both. Everything stays on loopback. The last line is
# `N passed, N failed`; the exit status is 0 only without a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
export CARGO_TARGET_DIR=$(cd "$target" && pwd)
export WIRELINE_TOOLS=${WIRELINE_TOOLS:-$CARGO_TARGET_DIR/tools}
export PATH="$WIRELINE_TOOLS/venv/bin:$WIRELINE_TOOLS/bin:$PATH:/usr/local/sbin:/usr/sbin"
export NODE_PATH=$WIRELINE_TOOLS/socketio/node_modules
export PYTHONDONTWRITEBYTECODE=1

cargo build --quiet --locked --manifest-path tests/socketio/rust/Cargo.toml
export SOCKETIO_PEER=$CARGO_TARGET_DIR/debug/wireline-socketio-peer
case "${1:-}" in
    --reference | --mutants | --address) exec python3 tests/socketio/main.py "$@" ;;
esac
# As the tests of the workspace are built, so that nothing is compiled twice.
cargo build --quiet --locked --workspace --all-features --example socketio_probe
# The program that replaces this shell ends what it starts, also when it is stopped.
exec python3 tests/socketio/main.py "$CARGO_TARGET_DIR/debug/examples/socketio_probe" "$@"
