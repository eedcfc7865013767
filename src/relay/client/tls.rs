//! Whom a client trusts.

use crate::relay::client::builder::Builder;
use crate::ws::client::ConnectError;

impl Builder {
    /// Trusts these authorities, certificates in PEM, in place of the system's, for `wss`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Tls`] when there is no certificate, or one that cannot be read.
    ///
    /// ```
    /// use wireline::relay::client::RelayClient;
    ///
    /// assert!(RelayClient::builder("wss://localhost/ws").roots("no certificate").is_err());
    /// ```
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConnectError> {
        self.dial.client = self.dial.client.roots(pem)?;
        Ok(self)
    }
}
