#!/usr/bin/env bash
# The hub and the mailboxes of connections under loom: every order in which up to four threads may come to their locks, with at most three
# preemptions. Half a minute, once it is compiled, in a folder of its own: the flag compiles everything anew. It is not `loom`, because tokio has no
# sockets under that.
#
#   bash tests/loom.sh            the tests
#   bash tests/loom.sh --mutants  the same tests with one line made wrong at a time, in a copy: each has to make them fail
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="--cfg wireline_loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
export CARGO_PROFILE_DEV_DEBUG=0
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"

loom() {
    timeout 900 cargo test --locked --lib --features relay -- interleavings "$@"
}

# mutant FILE RIGHT WRONG: one line of FILE has RIGHT in it.
mutant() {
    local copy found=0
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' RETURN
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --no-dereference --parents --target-directory "$copy"
    found=$(grep -cF -- "$2" "$copy/$1") || true
    if [ "$found" != 1 ]; then
        echo "$1: $found lines have: $2" >&2
        return 1
    fi
    # A literal replacement; none of them has a `|`, nor what sed would read otherwise.
    sed -i "s|$(printf %s "$2" | sed 's/[][\.*^$]/\\&/g')|$3|" "$copy/$1"
    if (cd "$copy" && loom) >"$copy/output" 2>&1; then
        echo "not noticed: $1: $3" >&2
        return 1
    fi
    if ! grep -q '^test result: FAILED' "$copy/output"; then
        cat "$copy/output" >&2
        return 1
    fi
    echo "noticed: $1: $3"
}

if [ "${1-}" != --mutants ]; then
    loom "$@"
    exit
fi
# One round of loom's search is enough to see them; what never ends is a failure as well.
export LOOM_MAX_PREEMPTIONS=2
mutant src/relay/endpoint/mailbox.rs 'let knows = !waiting.is_empty();' 'let knows = true;'
mutant src/relay/endpoint/mailbox.rs 'is_free && write() != Delivered::Full' 'write() != Delivered::Full'
mutant src/relay/endpoint/mailbox.rs 'contents.is_free() && !contents.is_held(key)' 'contents.is_free()'
mutant src/relay/hub/group.rs 'inbox.is_armed = false;' '{}'
mutant src/relay/hub/group.rs 'self.is_pending.store(true, Ordering::Relaxed);' '{}'
