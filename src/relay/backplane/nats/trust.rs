//! Whose certificates are believed.

use crate::relay::backplane::BackplaneError;
use crate::resource::authorities::{self, File};
use crate::resource::tls_stream::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The system's authorities unless told.
#[derive(Clone, Default)]
pub(super) enum Trust {
    #[default]
    System,
    Config(Arc<ClientConfig>),
    File(File),
}

impl Trust {
    pub(super) const fn of(config: Arc<ClientConfig>) -> Self {
        Self::Config(config)
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

    pub(super) fn of_file(path: &Path) -> Result<Self, BackplaneError> {
        File::read(path)
            .map(Self::File)
            .map_err(BackplaneError::new)
    }

    /// For a connection. Where the system has no authorities, nobody is believed: that matters where there is TLS.
    pub(super) async fn config(&self) -> Result<ClientConfig, BackplaneError> {
        let config = match self {
            Self::Config(config) => config.clone(),
            Self::File(file) => file.config().await,
            Self::System => match authorities::system().await {
                Ok(config) => config,
                Err(_) => return trusting(RootCertStore::empty()),
            },
        };
        Ok(ClientConfig::clone(&config))
    }
}

fn trusting(store: RootCertStore) -> Result<ClientConfig, BackplaneError> {
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let versions = versions.map_err(BackplaneError::new)?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}
