#!/usr/bin/env bash
# Each feature of the library stands alone: it compiles without warnings with no other, and none does, too. Then the examples and the tests without
# features, where those that need one say so in Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

# clippy ARGUMENT...
clippy() {
    printf 'cargo clippy --package wireline --no-default-features %s\n' "$*"
    cargo clippy --quiet --locked --package wireline --no-default-features "$@" -- -D warnings
}

features=$(cargo metadata --no-deps --format-version 1 --manifest-path Cargo.toml |
    python3 -c 'import json, sys; print(*next(each["features"] for each in json.load(sys.stdin)["packages"] if each["name"] == "wireline"))')
for feature in $features; do
    # What everything together is, every other check sees.
    [ "$feature" != full ] || continue
    clippy --lib --features "$feature"
done
clippy --lib
clippy --examples --tests
