//! Errors of handlers go to the log: nobody else is told what was behind them. So does the connection to other nodes.

use crate::relay::backplane::BackplaneError;
use crate::service::error::Error;
use std::error::Error as _;
use tracing::field::display;

/// One event: at level DEBUG when the client is to blame, else at level ERROR.
#[cold]
pub(super) fn tell(error: &Error, what: &str) {
    let status = error.status().as_u16();
    let message = error.message();
    let source = error.source().map(display);
    if error.status().is_client_error() {
        tracing::debug!(status, source, "the handler of a {what} failed: {message}");
    } else {
        tracing::error!(status, source, "the handler of a {what} failed: {message}");
    }
}

/// There is a connection to a broker.
pub(super) fn connected(backplane: &str) {
    tracing::info!(backplane, "connected to the other nodes");
}

/// Connections of two nodes may have the same number.
#[cold]
pub(super) fn double(node: u64) {
    tracing::error!(
        node,
        "another node has the same number: start one of them again"
    );
}

/// There is none any more, or still none.
#[cold]
pub(super) fn lost(backplane: &str, why: &BackplaneError, was_connected: bool) {
    let why = display(why);
    if was_connected {
        tracing::warn!(backplane, why, "the connection to the other nodes is lost");
    } else {
        tracing::debug!(backplane, why, "no connection to the other nodes");
    }
}
