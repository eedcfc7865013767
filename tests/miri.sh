#!/usr/bin/env bash
# The cores under miri, which sees what no test does: reads of memory that was never written, out of bounds, or freed, and arithmetic that a
# processor would do in another way. This crate has no unsafe code; what it calls has some, and is run with what a peer could send.
#
#   rustup toolchain install nightly --component miri --component rust-src
#   bash tests/miri.sh              all of them
#   bash tests/miri.sh ws::utf8     those with this in their names
#
# It asks for the unit tests of: numbers, targets, fields and addresses (wire), heads, sections, framing and chunks (http1), frames, masks, UTF-8, the
# closing handshake and its states (ws), paths of files (files::path), packets and payloads of Socket.IO (socketio::packet, socketio::engine).
# Left out is what needs a clock, a socket, a file or C (permessage-deflate), and what tries whole spaces, which takes hours here.
#
# It needs a nightly toolchain, and longer than everything else, so CI does not call it; no run of all of it is kept yet. Vector instructions are
# off: miri runs the plain code.
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain=${MIRI_TOOLCHAIN:-nightly}
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    echo "there is no miri: rustup toolchain install $toolchain --component miri --component rust-src" >&2
    exit 1
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}"
cores=(
    wire::
    http1::framing http1::head http1::state http1::client::tests
    ws::close ws::connection ws::extension ws::frame ws::handshake ws::mask ws::message ws::origin ws::state ws::utf8
    files::path
    socketio::packet socketio::engine
)
# Whole spaces, and what is another room's.
skipped=(--skip http2)
cargo "+$toolchain" miri test --locked --lib --no-default-features --features files,socketio -- "${@:-${cores[@]}}" "${skipped[@]}"
