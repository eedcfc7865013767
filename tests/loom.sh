#!/usr/bin/env bash
# The hub under loom: every order in which up to four threads may come to its locks, with at most three preemptions. Half a minute, once it is
# compiled, in a folder of its own: the flag compiles everything anew. It is not `loom`, because tokio has no sockets under that.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="--cfg wireline_loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
export CARGO_PROFILE_DEV_DEBUG=0
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
exec timeout 900 cargo test --locked --lib --features relay -- relay::hub::interleavings "$@"
