//! TLS under a connection to Redis.

#[cfg(feature = "native-roots")]
mod native_roots;
#[cfg(not(feature = "native-roots"))]
mod no_native_roots;

#[cfg(not(feature = "native-roots"))]
use self::no_native_roots as native_roots;

use crate::resource::io::{Io, Transport};
use crate::resource::redis::{RedisError, RedisServer};
use crate::resource::tls_stream::{Broken, TlsStream, provider};
use bytes::BytesMut;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

impl RedisServer {
    /// Trusts these authorities, certificates in PEM, in place of the system's. Turns TLS on.
    ///
    /// ```
    /// use wireline::resource::redis::RedisServer;
    ///
    /// # let made = rcgen::generate_simple_self_signed(["redis.example".to_owned()]).unwrap();
    /// # let pem = made.cert.pem();
    /// let server = RedisServer::new("rediss://redis.example")?.roots(pem)?;
    /// # let _ = server;
    /// # Ok::<(), wireline::resource::redis::RedisError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError`] when there is no certificate, or one that cannot be read.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, RedisError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_ref()) {
            let added = certificate.map(|certificate| store.add(certificate));
            added.map_err(RedisError::new)?.map_err(RedisError::new)?;
        }
        if store.is_empty() {
            return Err(RedisError::new("there is no certificate in PEM"));
        }
        self.trust = Some(Trust(Some(Arc::new(trusting(store)?))));
        Ok(self)
    }

    /// A configuration of rustls: other authorities, a client's certificate, other cryptography. Turns TLS on.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Some(Trust(Some(config.into())));
        self
    }
}

/// Whom one trusts: the system's authorities unless told.
#[derive(Clone, Debug)]
pub(super) struct Trust(Option<Arc<ClientConfig>>);

impl Trust {
    #[expect(clippy::unnecessary_wraps, reason = "without TLS there is none")]
    pub(super) const fn system() -> Result<Self, RedisError> {
        Ok(Self(None))
    }

    /// Makes a TLS connection of a connection. Dropping the future drops it.
    pub(super) async fn secure(&self, io: Io, host: &str) -> Result<Io, RedisError> {
        let name = ServerName::try_from(host.to_owned()).map_err(RedisError::new)?;
        let config = match &self.0 {
            Some(config) => config.clone(),
            None => {
                let read = tokio::task::spawn_blocking(native_roots::read).await;
                let store = read.map_err(RedisError::new)?.map_err(RedisError::new)?;
                Arc::new(trusting(store)?)
            }
        };
        let connection = UnbufferedClientConnection::new(config, name).map_err(RedisError::new)?;
        let mut stream = Box::new(TlsStream::new(io, connection, BytesMut::new()));
        match poll_fn(|cx| stream.poll_handshake(cx)).await {
            Ok(()) => Ok(Io::Dyn(stream)),
            Err(Broken::Io(error)) => Err(RedisError::new(error)),
            Err(Broken::Tls(error)) => {
                // The alert, as far as it goes at once.
                poll_fn(|cx| {
                    let _ = stream.poll_flush(cx);
                    Poll::Ready(())
                })
                .await;
                Err(RedisError::new(error))
            }
        }
    }
}

fn trusting(store: RootCertStore) -> Result<ClientConfig, RedisError> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let versions = versions.map_err(RedisError::new)?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}
