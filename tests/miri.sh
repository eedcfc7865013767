#!/usr/bin/env bash
# The cores under Miri: HTTP/1.1 and WebSocket octet by octet, forms at every cut, and mutated requests beside hyper, with what of `wire` they need. There is no
# `unsafe` here; Miri sees what is done by the crates underneath (bytes, http, memchr), and any overflow or leak of ours.
#
#     rustup component add miri rust-src --toolchain nightly
#     bash tests/miri.sh
set -euo pipefail
cd "$(dirname "$0")/interop/rust"

# Sources of the corpora are read; vector instructions have no meaning for Miri, which takes the plain code.
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"

proofs() {
    timeout 1800 cargo +nightly miri run --quiet --locked -p wireline-proofs -- "$@"
}

for kind in target field fields chunks extensions trailers fragments message; do
    proofs dribble "$kind" 600
    echo "$kind: ok"
done
proofs --count 200 differential
