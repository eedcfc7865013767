//! Without the feature `tls` there is no `wss`.

use crate::resource::io::Io;
use crate::ws::client::error::ConnectError;

/// Nobody is trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust(());

impl Trust {
    /// Refuses.
    #[allow(clippy::unused_async, reason = "the one with TLS waits")]
    pub(super) async fn secure(&self, _: Io, _: &str) -> Result<Io, ConnectError> {
        Err(ConnectError::Tls("wss needs the feature `tls`".into()))
    }
}
