#!/usr/bin/env bash
# The Autobahn test suite (RFC 6455, RFC 7692) against examples/probe.rs as a server and tests/autobahn/client.rs as a client.
#
#     bash tests/autobahn/run.sh                 the quick set in every role: 247 core cases, 54 of limits, 84 of compression; two to three minutes
#     bash tests/autobahn/run.sh full            all 517 cases, one role after the other; an hour, because the suite's own compression is slow
#     bash tests/autobahn/run.sh full server     one role only: server, client, tls or h2
#
# The roles tls and h2 are the server's over TLS and over HTTP/2, the latter behind tests/autobahn/h2bridge.rs; the quick set has the 301 cases of core and limits there.
# `bench/conformance` runs `full`, and keeps the verdicts. The compression cases run twice, with the library's defaults and with contexts kept between messages. Everything stays on loopback. The suite's
# own pages of what went over the wire are kept in autobahn/ of the target folder. The last line is `N passed, N failed`; the exit status is 0 only
# without a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export WIRELINE_TOOLS=${WIRELINE_TOOLS:-$target/tools}

export PYTHONDONTWRITEBYTECODE=1
bash tests/autobahn/setup.sh "$WIRELINE_TOOLS/autobahn"
cargo build --quiet --release --features client,http2,tls,ws-deflate --example probe --example autobahn_client --example autobahn_h2bridge
# The program that replaces this shell ends what it starts, also when it is stopped.
exec python3 tests/autobahn/main.py "$WIRELINE_TOOLS/autobahn/bin/wstest" "$target/release/examples" "$target/autobahn" "$@"
