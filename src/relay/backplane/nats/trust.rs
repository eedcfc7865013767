//! Whose certificates are believed.

use crate::relay::backplane::BackplaneError;
use crate::resource::tls_stream::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The system's authorities unless told.
#[derive(Clone, Default)]
pub(super) struct Trust(Arc<OnceLock<Arc<ClientConfig>>>);

impl Trust {
    pub(super) fn of(config: Arc<ClientConfig>) -> Self {
        Self(Arc::new(config.into()))
    }

    pub(super) fn of_pem(pem: &[u8]) -> Result<Self, BackplaneError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(BackplaneError::new)?;
            store.add(certificate).map_err(BackplaneError::new)?;
        }
        if store.is_empty() {
            return Err(BackplaneError::new("there is no certificate in PEM"));
        }
        Ok(Self::of(Arc::new(trusting(store)?)))
    }

    /// The system's authorities are read when they are first needed. Where there are none, nobody is believed: that matters where
    /// there is TLS.
    pub(super) async fn config(&self) -> Result<ClientConfig, BackplaneError> {
        if let Some(config) = self.0.get() {
            return Ok(ClientConfig::clone(config));
        }
        let read = tokio::task::spawn_blocking(|| {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            store
        });
        let config = Arc::new(trusting(read.await.map_err(BackplaneError::new)?)?);
        Ok(ClientConfig::clone(self.0.get_or_init(|| config)))
    }
}

fn trusting(store: RootCertStore) -> Result<ClientConfig, BackplaneError> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let versions = versions.map_err(BackplaneError::new)?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}
