//! What becomes of the connection goes to the log.

use std::fmt::Display;
use tracing::field::display;

/// There is a connection.
pub(super) fn connected(adapter: &str) {
    tracing::info!(adapter, "connected to the other servers of Socket.IO");
}

/// There is none any more, or still none.
#[cold]
pub(super) fn lost(adapter: &str, why: &dyn Display, was_connected: bool) {
    let why = display(why);
    if was_connected {
        tracing::warn!(
            adapter,
            why,
            "the connection to the other servers of Socket.IO is lost"
        );
    } else {
        tracing::debug!(
            adapter,
            why,
            "no connection to the other servers of Socket.IO"
        );
    }
}
