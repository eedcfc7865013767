//! Errors of handlers go to the log: nobody else is told what was behind them.

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
