//! What happens to certificates goes to the log.

use crate::resource::tls_stream::Broken;
use crate::server::tls::error::TlsError;

/// One event: at level INFO when they are in use, at ERROR when they are not.
pub(super) fn reload(outcome: Result<(), &TlsError>) {
    match outcome {
        Ok(()) => tracing::info!("the certificates were read again and are in use"),
        Err(error) => tracing::error!("the certificates stay as they were: {error}"),
    }
}

/// One event at level DEBUG: anybody can cause it.
pub(super) fn failure(broken: &Broken) {
    tracing::debug!("a TLS handshake failed: {broken}");
}
