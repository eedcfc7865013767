//! What becomes of the connection goes to the log.

use crate::resource::redis::RedisError;
use tracing::field::display;

/// There is a connection.
pub(super) fn connected() {
    tracing::info!("connected to the other servers of Socket.IO");
}

/// There is none any more, or still none.
#[cold]
pub(super) fn lost(why: &RedisError, was_connected: bool) {
    let why = display(why);
    if was_connected {
        tracing::warn!(
            why,
            "the connection to the other servers of Socket.IO is lost"
        );
    } else {
        tracing::debug!(why, "no connection to the other servers of Socket.IO");
    }
}
