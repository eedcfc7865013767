//! TLS under the handshake of a `wss` URL (RFC 6455 §4.1).

#[cfg(feature = "native-roots")]
mod native_roots;
#[cfg(not(feature = "native-roots"))]
mod no_native_roots;

use crate::resource::io::{Io, Transport};
use crate::resource::tls_stream::{Broken, TlsStream, provider};
use crate::ws::client::Client;
use crate::ws::client::error::ConnectError;
#[cfg(feature = "native-roots")]
use crate::ws::client::tls::native_roots as roots;
#[cfg(not(feature = "native-roots"))]
use crate::ws::client::tls::no_native_roots as roots;
use bytes::BytesMut;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};

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
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_ref()) {
            let added = certificate.map(|certificate| store.add(certificate));
            added.map_err(failed)?.map_err(failed)?;
        }
        if store.is_empty() {
            return Err(failed("there is no certificate in PEM"));
        }
        self.trust = Trust(Some(Arc::new(trusting(store)?)));
        Ok(self)
    }

    /// A configuration of rustls for `wss`: other authorities, a client's certificate, other cryptography. What it
    /// offers by ALPN does not count, `http/1.1` is offered.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Trust(Some(config.into()));
        self
    }
}

/// Whom a client trusts: the system's authorities unless told.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust(Option<Arc<ClientConfig>>);

impl Trust {
    /// Makes a TLS connection of a connection. Dropping the future drops it.
    pub(super) async fn secure(&self, io: Io, host: &str) -> Result<Io, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(failed)?;
        let config = match &self.0 {
            Some(config) => config.clone(),
            None => system().await?,
        };
        let protocols = vec![b"http/1.1".to_vec()];
        let connection = UnbufferedClientConnection::new_with_alpn(config, name, protocols);
        let connection = connection.map_err(failed)?;
        let mut stream = Box::new(TlsStream::new(io, connection, BytesMut::new()));
        match poll_fn(|cx| stream.poll_handshake(cx)).await {
            Ok(()) => Ok(Io::Dyn(stream)),
            Err(Broken::Io(error)) => Err(error.into()),
            Err(Broken::Tls(error)) => {
                // The alert, as far as it goes at once.
                poll_fn(|cx| {
                    let _ = stream.poll_flush(cx);
                    std::task::Poll::Ready(())
                })
                .await;
                Err(failed(error))
            }
        }
    }
}

/// The system's authorities, read once.
async fn system() -> Result<Arc<ClientConfig>, ConnectError> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = SYSTEM.get() {
        return Ok(config.clone());
    }
    let read = tokio::task::spawn_blocking(roots::read).await;
    let store = read.map_err(failed)?.map_err(failed)?;
    let config = Arc::new(trusting(store)?);
    Ok(SYSTEM.get_or_init(|| config).clone())
}

fn trusting(store: RootCertStore) -> Result<ClientConfig, ConnectError> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let versions = versions.map_err(failed)?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectError {
    ConnectError::Tls(error.into())
}
