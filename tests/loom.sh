#!/usr/bin/env bash
# What threads share, under loom: every order in which up to five of them may come to its locks and atomics, with at most three preemptions; one
# `interleavings.rs` beside each piece. In a folder of its own: the flag compiles everything anew. It is not `loom`, because tokio has no sockets
# under that.
#
#   bash tests/loom.sh              the models
#   bash tests/loom.sh permit       those with this in their names
#   bash tests/loom.sh --mutants    the same with one guard taken away at a time, in a copy: each has to make its own models fail; every round of
#                                   them compiles the crate again
#
# Two minutes to compile and a few to run on two cores. LOOM_MAX_PREEMPTIONS=4 is more thorough and takes many times as long. `bench/schedules` runs
# it, and keeps how many orders there were.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="--cfg wireline_loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/loom"
export CARGO_PROFILE_DEV_DEBUG=0
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"

# Nearly all of the time is loom's own: it is optimized, what it tries is not.
quick=()
for name in loom generator scoped-tls tracing tracing-core; do
    quick+=(--config "profile.dev.package.$name.opt-level=3")
done

# loom [WORDS]: the models with WORDS in their names.
loom() {
    timeout "${LOOM_SECONDS:-1800}" cargo test "${quick[@]}" --locked --lib --features socketio -- "${@:-interleavings}"
}

if [ "${1-}" != --mutants ]; then
    loom "$@"
    exit
fi

# What never ends is a failure as well. With fewer preemptions some are not noticed.
copy=$(mktemp -d)
# What was compiled of the copy must not be taken for what stands here.
trap 'rm -rf "$copy"; cargo clean --quiet -p wireline' EXIT
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | xargs -0 cp --no-dereference --parents --target-directory "$copy"
unnoticed=0 models=() taken=()

# take FILE RIGHT WRONG MODELS: one line of FILE has RIGHT in it, and has WRONG for it in this round; MODELS have to fail.
take() {
    python3 - "$copy/$1" "$2" "$3" <<'PYTHON'
import pathlib, sys
path, right, wrong = pathlib.Path(sys.argv[1]), *sys.argv[2:]
text = path.read_text()
if text.count(right) != 1:
    sys.exit(f"{path}: {text.count(right)} times: {right}")
path.write_text(text.replace(right, wrong))
PYTHON
    models+=("$4")
    taken+=("$1")
}

# Runs the models of this round, and puts everything back.
look() {
    local name
    (cd "$copy" && timeout 1800 cargo test "${quick[@]}" --locked --lib --features socketio --no-run)
    for name in "${models[@]}"; do
        # Whoever fails in the midst of a model may take the whole program with him.
        if (cd "$copy" && loom "$name::interleavings") >"$copy/output" 2>&1; then
            echo "not noticed: $name" >&2
            unnoticed=1
        elif grep -q 'panicked at' "$copy/output"; then
            echo "noticed: $name"
        else
            cat "$copy/output" >&2
            exit 1
        fi
    done
    for name in "${taken[@]}"; do
        cp "$name" "$copy/$name"
    done
    models=() taken=()
}

take src/relay/endpoint/mailbox.rs 'let knows = !waiting.is_empty();' 'let knows = true;' relay::endpoint
take src/relay/hub/group.rs 'inbox.is_armed = false;' '{}' relay::hub
take src/server/permit.rs 'released.as_mut().enable();' '{}' permit
take src/layer/shed/places.rs 'if state.taken < self.most {' 'if false {' shed::places
take src/service/feed.rs 'let consumer = other(slot.consumer.take(), own);' 'let consumer: Option<Waker> = None;' feed
take src/ws/socket/turn.rs 'SETTLED => self.reopen(),' 'SETTLED => News::Seen,' turn
take src/relay/endpoint/node/bell.rs 'swap(false, Ordering::AcqRel)' 'swap(false, Ordering::Relaxed)' bell
take src/socketio/server/members.rs 'all.is_empty() &&' '({ let is_empty = all.is_empty(); drop(all); is_empty }) &&' members
take src/resource/draining.rs 'if !self.has_begun.load(Ordering::SeqCst) {' 'if true {' draining
look
take src/relay/endpoint/mailbox.rs 'is_free && write() != Delivered::Full' 'write() != Delivered::Full' relay::endpoint
take src/relay/hub/group.rs 'self.is_pending.store(true, Ordering::Relaxed);' '{}' relay::hub
take src/server/tls/places.rs 'if self.call.has_place.load(Ordering::Acquire) {' 'if false {' tls::places
take src/http2/streams.rs '!self.has_ready()' 'true' streams
take src/service/feed.rs 'if slot.abandoned {
            // Since' 'if false {
            // Since' feed
look
take src/relay/endpoint/mailbox.rs 'self.held.iter().all(|(of, _)| *of != key)' 'true' relay::endpoint
take src/sync/order.rs 'fence(Ordering::SeqCst);' '{}' worker
take src/http2/streams.rs 'is_queued.swap(false, Ordering::SeqCst);' 'is_queued.store(false, Ordering::SeqCst);' streams
look
exit "$unnoticed"
