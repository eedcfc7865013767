#!/usr/bin/env bash
# The test command: installs what it needs where it may, then runs every test of the workspace and every check with independent peers.
#
#     bash tests/all.sh                  everything
#     bash tests/all.sh tools interop    the named stages only
#
# Each stage has a budget in seconds, after which it is stopped and counts as failed. Nothing is skipped: a tool that cannot be installed, an
# ignored test and a stage that ran no test are failures. The last line is `N passed, N failed`; the exit status is 0 only without a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# The budgets are ceilings for two cores and a clean clone, where `tools` builds oha and `unit` compiles everything.
stage_tools() { stage tools 720 bash tests/tools.sh; }
stage_unit() { stage unit 900 python3 tests/unit.py; }
# What the crates would be published as; `.ci/run` compiles them as they are packed, too.
stage_packages() { stage packages 60 deploy/check-packages; }
# All examples are one program. One of them that does not compile makes a program of each: three minutes, where it is a quarter of one otherwise.
stage_doc() { stage doc 300 cargo test --workspace --all-features --no-fail-fast --doc; }
stage_interop() { stage interop 440 bash tests/interop/run.sh; }
# The quick set; all 517 cases take `bash tests/autobahn/run.sh full`.
stage_autobahn() { stage autobahn 450 bash tests/autobahn/run.sh; }
# The example that exports spans, against a collector of its own; OpenTelemetry's crates stay out of the library's tree.
stage_otel() { stage otel 240 cargo test --locked --manifest-path examples/opentelemetry/Cargo.toml; }
# axum in wireline, wireline in hyper, and proofs by counting, some of them beside hyper: a workspace of its own, so that the peers' features do not reach
# the library.
stage_axum() { stage axum 330 cargo test --locked --manifest-path tests/interop/rust/Cargo.toml; }
# The JavaScript client, by itself and with the relay, in Node and in Chromium; the console in Chromium.
stage_js() { stage js 300 bash clients/js/test.sh; }
# Socket.IO: its contracts, hostile clients, churn, and real clients in Node, Chromium, Python and Rust.
stage_socketio() { stage socketio 300 bash tests/socketio/run.sh; }

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
logs=$target/tests
rm -rf "$logs"
mkdir -p "$logs"

# Where tests/tools.sh puts what it installs; the stages find everything in PATH.
export WIRELINE_TOOLS=${WIRELINE_TOOLS:-$target/tools}
export PATH="$WIRELINE_TOOLS/venv/bin:$WIRELINE_TOOLS/bin:$PATH:/usr/local/sbin:/usr/sbin"

passed=0
failed=0
declare -a summary=()
running=

main() {
    local name
    local -a names=("$@")
    ((${#names[@]})) || names=(tools unit doc packages interop autobahn axum otel js socketio)
    for name in "${names[@]}"; do
        declare -F "stage_$name" >/dev/null || {
            echo "there is no stage $name; the stages are: tools unit doc interop autobahn axum otel js socketio" >&2
            exit 2
        }
    done

    for name in "${names[@]}"; do
        "stage_$name"
    done

    # What failed, once more at the end, where whoever sees a part of the output looks.
    printf '\n'
    for name in "${names[@]}"; do
        grep -E -A 3 '^(test .* \.\.\. FAILED|FAILED |missing: |error(\[E[0-9]+\])?: )' "$logs/$name.log" | head -n 60 || true
    done
    printf '%s\n' "${summary[@]}"
    printf '%s passed, %s failed\n' "$passed" "$failed"
    ((failed == 0))
}

# stage NAME BUDGET COMMAND...: runs the command in a process group of its own, shows and keeps its output, and counts its tests.
stage() {
    local name=$1 budget=$2 begin=$SECONDS log=$logs/$1.log status=0 verdict
    local pipe=$logs/$1.pipe reader
    shift 2
    printf '\n==> %s, at most %s s: %s\n' "$name" "$budget" "$*"

    mkfifo "$pipe"
    tee "$log" <"$pipe" &
    reader=$!
    set -m
    timeout --kill-after=15 "$budget" "$@" <"/dev/null" >"$pipe" 2>&1 &
    running=$!
    set +m
    wait "$running" || status=$?
    # Whatever the stage left behind would hold ports and the log open.
    kill -KILL -- "-$running" 2>/dev/null || true
    running=
    wait "$reader" || true
    rm -f "$pipe"

    case $status in
        0) verdict=ok ;;
        124 | 137) verdict="FAILED, stopped after its $budget s" ;;
        *) verdict="FAILED, exit status $status" ;;
    esac
    count "$name" "$log"
    if [ "$name" != tools ]; then
        if [ "$verdict" = ok ] && ((stage_passed + stage_failed == 0)); then
            verdict='FAILED, no test was counted'
        elif [ "$verdict" = ok ] && ((stage_ignored > 0)); then
            verdict="FAILED, $stage_ignored ignored tests"
        elif [ "$verdict" = ok ] && ((stage_failed > 0)); then
            verdict='FAILED'
        fi
    fi
    # A stage that fails without a failed test (it did not compile, it was stopped) is one failure.
    if [ "$verdict" != ok ] && ((stage_failed == 0)); then
        stage_failed=1
    fi
    passed=$((passed + stage_passed))
    failed=$((failed + stage_failed))

    local line
    line=$(printf '<== %-8s %4s s of %4s s   %5s passed %3s failed   %s' \
        "$name" "$((SECONDS - begin))" "$budget" "$stage_passed" "$stage_failed" "$verdict")
    summary+=("$line")
    printf '%s\n' "$line"
}

# Sums the summary lines of a stage's log into stage_passed, stage_failed and stage_ignored: cargo's `test result:` lines, or for the checks
# with peers the last line of the form `N passed, N failed`.
count() {
    read -r stage_passed stage_failed stage_ignored < <(
        awk -v peers="$([[ $1 == interop || $1 == autobahn || $1 == js || $1 == packages || $1 == socketio ]] && echo 1 || echo 0)" '
            peers && match($0, /[0-9]+ passed, [0-9]+ failed/) {
                split(substr($0, RSTART, RLENGTH), word, " ")
                passed = word[1]; failed = word[3]
            }
            !peers && /^test result: / {
                for (at = 2; at <= NF; at++) {
                    if ($at == "passed;") passed += $(at - 1)
                    if ($at == "failed;") failed += $(at - 1)
                    if ($at == "ignored;") ignored += $(at - 1)
                }
            }
            END { print passed + 0, failed + 0, ignored + 0 }
        ' "$2"
    )
}

stop() {
    [ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null || true
    echo 'stopped'
    exit 130
}
trap stop INT TERM

main "$@"
