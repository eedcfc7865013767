//! What happens to workers goes to the log.

use std::time::Duration;

/// One event at level WARN, each time that it begins.
pub(super) fn blocked(worker: usize, behind: Duration) {
    tracing::warn!(
        worker,
        seconds = behind.as_secs_f64(),
        "a worker does nothing: a handler blocks its thread"
    );
}

/// One event at level INFO.
pub(super) fn goes_on(worker: usize) {
    tracing::info!(worker, "a worker that was blocked goes on");
}
