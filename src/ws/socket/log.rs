//! What becomes of WebSockets goes to the log; so do errors of their handlers: nobody else is told what was
//! behind them.

use crate::service::error::Error;
use std::error::Error as _;
use tracing::field::display;

/// One event: at level DEBUG when the client is to blame, else at level ERROR.
#[cold]
pub(super) fn tell(error: &Error) {
    let status = error.status().as_u16();
    let message = error.message();
    let source = error.source().map(display);
    if error.status().is_client_error() {
        tracing::debug!(status, source, "a handler of a WebSocket failed: {message}");
    } else {
        tracing::error!(status, source, "a handler of a WebSocket failed: {message}");
    }
}

/// The socket is open.
pub(super) fn tell_connected() {
    tracing::debug!("WebSocket connected");
}

/// The socket has ended, and whether with a Close in each direction.
pub(super) fn tell_closed(clean: bool) {
    tracing::debug!(clean, "WebSocket closed");
}

/// Its handler has returned, and its connection is done with.
pub(super) fn tell_completed() {
    tracing::debug!("WebSocket completed");
}
