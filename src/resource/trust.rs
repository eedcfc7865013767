//! Whom a client over TLS trusts, and TLS under its connections.

pub(crate) use crate::resource::authorities::TlsError;
use crate::resource::authorities::{system, trusting};
use crate::resource::io::{Io, Transport};
use crate::resource::tls_stream::{Broken, TlsStream};
use bytes::BytesMut;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

/// Whom a client trusts: the system's authorities unless told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(Option<Arc<ClientConfig>>);

/// Why a connection is not secure.
#[derive(Debug)]
pub(crate) enum Insecure {
    /// The connection failed under it.
    Io(io::Error),
    Tls(TlsError),
}

impl Trust {
    /// These authorities, certificates in PEM.
    pub(crate) fn roots(pem: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate?)?;
        }
        if store.is_empty() {
            return Err("there is no certificate in PEM".into());
        }
        Ok(Self(Some(Arc::new(trusting(store)?))))
    }

    /// Whatever this configuration says.
    pub(crate) const fn with(config: Arc<ClientConfig>) -> Self {
        Self(Some(config))
    }

    /// Makes a TLS connection of a connection, for this protocol, or for those that the configuration has. Dropping the future drops it.
    pub(crate) async fn secure(
        &self,
        io: Io,
        host: &str,
        protocol: Option<&[u8]>,
    ) -> Result<Io, Insecure> {
        let name = ServerName::try_from(host.to_owned()).map_err(failed)?;
        let config = match &self.0 {
            Some(config) => config.clone(),
            None => system().await.map_err(Insecure::Tls)?,
        };
        let connection = match protocol {
            Some(protocol) => {
                UnbufferedClientConnection::new_with_alpn(config, name, vec![protocol.to_vec()])
            }
            None => UnbufferedClientConnection::new(config, name),
        };
        let connection = connection.map_err(failed)?;
        let mut stream = Box::new(TlsStream::new(io, connection, BytesMut::new()));
        match poll_fn(|cx| stream.poll_handshake(cx)).await {
            Ok(()) => Ok(Io::Dyn(stream)),
            Err(Broken::Io(error)) => Err(Insecure::Io(error)),
            Err(Broken::Tls(error)) => {
                // The alert, as far as it goes at once.
                poll_fn(|cx| {
                    let _ = stream.poll_flush(cx);
                    Poll::Ready(())
                })
                .await;
                Err(failed(error))
            }
        }
    }
}

fn failed(error: impl Into<TlsError>) -> Insecure {
    Insecure::Tls(error.into())
}
