#!/usr/bin/env bash
# Each feature of the library stands alone: it compiles without warnings with no other, and none does, too. Then the examples and the tests without
# features, where those that need one say so in Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

# check ARGUMENT...: any warning fails. Clippy's own have been looked for with everything on.
check() {
    local said
    printf 'cargo check --package wireline --no-default-features %s\n' "$*"
    said=$(cargo check --quiet --locked --package wireline --no-default-features "$@" 2>&1) || said+=$'\nit does not compile'
    if [ -n "$said" ]; then
        printf '%s\n' "$said"
        return 1
    fi
}

features=$(cargo metadata --no-deps --format-version 1 --manifest-path Cargo.toml |
    python3 -c 'import json, sys; print(*next(each["features"] for each in json.load(sys.stdin)["packages"] if each["name"] == "wireline"))')
for feature in $features; do
    # What everything together is, every other check sees.
    [ "$feature" != full ] || continue
    check --lib --features "$feature"
done
check --lib
check --examples --tests
