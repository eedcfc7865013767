#!/usr/bin/env bash
# Every test of the client, from a clean clone: it is installed, built, and tested as source and as what was built; then with the real
# server, in Node and in Chromium; behind nginx, with two nodes and Redis; and in Chromium the example `whiteboard`, and the page of the console, as the
# program `wireline` serves it.
#
#     bash clients/js/test.sh
#
# The server is the example relay_js, and the program is `wireline`: both, and `whiteboard`, are built by cargo with all features unless the environment
# variables RELAY_JS, WIRELINE and WHITEBOARD name them. Without that build it takes a minute.
# The last line is `N passed, N failed`; the exit status is 0 only without a failure.
set -euo pipefail
# Where cargo builds, from where this was called.
[ -z "${CARGO_TARGET_DIR:-}" ] || export CARGO_TARGET_DIR=$(realpath -m "$CARGO_TARGET_DIR")
cd "$(dirname "$0")"

passed=0
failed=0

# run NAME COMMAND...: one run of node's tests, whose counts are added up.
run() {
    local name=$1 log status=0 pass fail skip
    shift
    log=$(mktemp)
    printf '==> %s\n' "$name"
    timeout --kill-after=5 80 "$@" >"$log" 2>&1 </dev/null || status=$?
    pass=$(sed -n 's/^# pass //p' "$log")
    fail=$(sed -n 's/^# fail //p' "$log")
    skip=$(($(sed -n 's/^# skipped //p' "$log") + $(sed -n 's/^# todo //p' "$log") + $(sed -n 's/^# cancelled //p' "$log")))
    sed -n 's/^# \(.* with gzip\)$/    \1/p' "$log"
    # A run that broke off, and tests that were left out, are failures.
    if ((status != 0 && ${fail:-0} == 0)); then fail=1; fi
    fail=$((${fail:-1} + skip))
    if ((fail > 0)); then grep -v '^ok ' "$log" || true; fi
    printf '<== %s: %s passed, %s failed\n' "$name" "${pass:-0}" "$fail"
    passed=$((passed + ${pass:-0}))
    failed=$((failed + fail))
    rm -f "$log"
}

if [ -z "${RELAY_JS:-}" ] || [ -z "${WIRELINE:-}" ] || [ -z "${WHITEBOARD:-}" ]; then
    # As the tests of the workspace are built, so that nothing is compiled twice.
    cargo build --quiet --locked --manifest-path ../../Cargo.toml --workspace --all-features --bin wireline --example relay_js --example whiteboard
    built=$(realpath "${CARGO_TARGET_DIR:-../../target}/debug")
    RELAY_JS=${RELAY_JS:-$built/examples/relay_js}
    WIRELINE=${WIRELINE:-$built/wireline}
    WHITEBOARD=${WHITEBOARD:-$built/examples/whiteboard}
fi
export RELAY_JS WIRELINE WHITEBOARD

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build

export NODE_NO_WARNINGS=1
# No test waits longer than so many milliseconds.
tap=(node --test --test-reporter=tap --test-timeout=60000)
run package "${tap[@]}" test/package.test.js
run source "${tap[@]}" test/messages.test.js test/connections.test.js test/tokens.test.js test/streams.test.js
run built env WIRELINE_CLIENT=../dist/wireline-client.min.js "${tap[@]}" test/messages.test.js test/connections.test.js test/tokens.test.js test/streams.test.js
run server "${tap[@]}" test/real.test.js
run chromium "${tap[@]}" test/chromium.test.js
run cluster "${tap[@]}" test/cluster.test.js
run whiteboard "${tap[@]}" test/whiteboard.test.js
run console "${tap[@]}" test/console.test.js

printf '%s passed, %s failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
