//! What happens to certificates goes to the log.

use crate::resource::tls_stream::Broken;
use crate::server::tls::error::TlsError;

/// One event: at level INFO when they are all in use, at ERROR for one that is not.
pub(super) fn reload(outcome: Result<(), &TlsError>) {
    match outcome {
        Ok(()) => tracing::info!("the certificates were read again and are in use"),
        Err(error) => tracing::error!("a certificate stays as it was: {error}"),
    }
}

/// One event at level DEBUG: anybody can cause it.
pub(super) fn failure(broken: &Broken) {
    tracing::debug!("a TLS handshake failed: {broken}");
}
