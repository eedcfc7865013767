#!/usr/bin/env bash
# Holds the dependency tree small: counts the crates that an embedder compiles, wireline itself aside, for the core without features and for
# the default features. A change that needs more crates raises the figure here and says in its commit what the crate is for.
set -euo pipefail
cd "$(dirname "$0")/.."

CORE_AT_MOST=14
DEFAULT_AT_MOST=47

# crates ARGUMENT...: the name and version of every crate of the library's normal dependency tree, once each.
crates() {
    cargo tree -e normal --prefix none --no-dedupe --format '{p}' -p wireline "$@" |
        awk '$1 != "wireline" { print $1, $2 }' | sort -u
}

status=0

# gate NAME AT_MOST ARGUMENT...
gate() {
    local name=$1 at_most=$2 list count
    shift 2
    list=$(crates "$@")
    count=$(printf '%s\n' "$list" | sed '/^$/d' | wc -l)
    printf '%-14s %3d crates, at most %d\n' "$name" "$count" "$at_most"
    if ((count == 0)); then
        echo 'no crate was counted: is this the right place?'
        status=1
    elif ((count > at_most)); then
        printf '%s\n' "$list" | sed 's/^/    /'
        status=1
    fi
}

gate 'no features' "$CORE_AT_MOST" --no-default-features
gate 'default' "$DEFAULT_AT_MOST"
# What they are, where the program is that looks. Advisories take a network.
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked --workspace check bans licenses sources || status=1
fi
exit "$status"
