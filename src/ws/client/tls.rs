//! TLS under the handshake of a `wss` URL (RFC 6455 §4.1).

use crate::resource::trust::Trust;
use crate::ws::client::Client;
use crate::ws::client::error::ConnectError;
use rustls::ClientConfig;
use std::sync::Arc;

impl Client {
    /// Trusts these authorities, certificates in PEM, in place of the system's, for `wss`.
    ///
    /// ```
    /// use wireline::ws::client::Client;
    ///
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem();
    /// let client = Client::new().roots(pem)?;
    /// assert!(Client::new().roots("no certificate").is_err());
    /// # Ok::<(), wireline::ws::client::ConnectError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError::Tls`] when there is no certificate, or one that cannot be read.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConnectError> {
        self.trust = Trust::roots(pem.as_ref()).map_err(ConnectError::Tls)?;
        Ok(self)
    }

    /// A configuration of rustls for `wss`: other authorities, a client's certificate, other cryptography. What it
    /// offers by ALPN does not count, `http/1.1` is offered.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Trust::with(config.into());
        self
    }
}
