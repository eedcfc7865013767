//! Whom the client trusts.

use crate::http1::client::driver::{Client, RequestError};
use crate::resource::trust::Trust;
use rustls::ClientConfig;
use std::sync::Arc;

impl Client {
    /// Trusts these authorities, certificates in PEM, in place of the system's, for `https`.
    ///
    /// ```
    /// use wireline::http1::client::driver::Client;
    ///
    /// assert!(Client::new().roots("no certificate").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError::Tls`] when there is no certificate, or one that cannot be read.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        self.trust = Trust::roots(pem.as_ref()).map_err(RequestError::Tls)?;
        // Those that are kept were made with another trust.
        self.idle = Arc::default();
        Ok(self)
    }

    /// A configuration of rustls for `https`: other authorities, a client's certificate, other cryptography. What it
    /// offers by ALPN does not count, `http/1.1` is offered.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Trust::with(config.into());
        self.idle = Arc::default();
        self
    }
}
