//! Without the feature `tls` no client speaks TLS.

use crate::resource::io::Io;
use std::io;

/// What goes wrong with TLS.
pub(crate) type TlsError = Box<dyn std::error::Error + Send + Sync>;

/// Nobody is trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(());

/// Why a connection is not secure.
#[derive(Debug)]
pub(crate) enum Insecure {
    #[allow(dead_code, reason = "the one with TLS has a connection that may fail")]
    Io(io::Error),
    Tls(TlsError),
}

impl Trust {
    /// Refuses.
    #[allow(clippy::unused_async, reason = "the one with TLS waits")]
    pub(crate) async fn secure(&self, _: Io, _: &str, _: Option<&[u8]>) -> Result<Io, Insecure> {
        Err(Insecure::Tls("TLS needs the feature `tls`".into()))
    }
}
