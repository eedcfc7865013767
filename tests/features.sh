#!/usr/bin/env bash
# Each feature of the library stands alone: it compiles without warnings with no other, and none does, too. Then the examples and the tests without
# features, where those that need one say so in Cargo.toml.
#
# A check is one crate on one core: two of them run at a time, in a target folder each.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}

# check ARGUMENT...: any warning fails. Clippy's own have been looked for with everything on.
check() {
    local said
    said=$(cargo check --quiet --locked --package wireline --no-default-features "$@" 2>&1) || said+=$'\nit does not compile'
    printf 'cargo check --package wireline --no-default-features %s\n' "$*"
    if [ -n "$said" ]; then
        printf '%s\n' "$said"
        return 1
    fi
}

features=$(cargo metadata --no-deps --format-version 1 --manifest-path Cargo.toml |
    python3 -c 'import json, sys; print(*next(each["features"] for each in json.load(sys.stdin)["packages"] if each["name"] == "wireline"))')

# half REMAINDER: every second feature.
half() {
    local at=0 feature
    for feature in $features; do
        # What everything together is, every other check sees.
        [ "$feature" != full ] || continue
        if ((at++ % 2 == $1)); then
            check --lib --features "$feature" || return 1
        fi
    done
}

CARGO_TARGET_DIR=$target/features half 1 &
other=$!
trap 'kill "$other" 2>/dev/null || true' EXIT
half 0
check --lib
check --examples --tests
wait "$other"
trap - EXIT
