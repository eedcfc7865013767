//! What the peers share that speak TLS: an acceptor with the certificate of the command line, and a runtime of one thread.

#![forbid(unsafe_code)]

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use tokio_rustls::TlsAcceptor;

/// How a peer is spoken to.
pub enum Wire {
    /// As its mode says, or without one.
    Plain(Option<String>),
    /// HTTP/2 by prior knowledge: mode `h2c`.
    H2c,
    /// TLS, with HTTP/2 and HTTP/1.1 by ALPN: mode `tls`.
    Tls(TlsAcceptor),
}

impl Wire {
    /// Reads the command line `NAME PORT WORKERS [h2c | tls CERTIFICATE KEY | MODE]`; ends the process with status 2 when the files make no sense.
    pub fn from_env() -> Self {
        let mut words = std::env::args().skip(3);
        match words.next().as_deref() {
            Some("h2c") => Self::H2c,
            Some("tls") => {
                let (Some(certificate), Some(key)) = (words.next(), words.next()) else {
                    fail("tls wants a certificate and a key");
                };
                Self::Tls(acceptor(&certificate, &key))
            }
            mode => Self::Plain(mode.map(str::to_owned)),
        }
    }
}

/// The provider, the versions, the tickets and ALPN are those of wireline's own server.
fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let chain: Result<Vec<_>, _> = match CertificateDer::pem_file_iter(certificate) {
        Ok(chain) => chain.collect(),
        Err(error) => fail(error),
    };
    let chain = chain.unwrap_or_else(|error| fail(error));
    let key = PrivateKeyDer::from_pem_file(key).unwrap_or_else(|error| fail(error));
    let built = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = built.unwrap_or_else(|error| fail(error));
    config.ticketer = aws_lc_rs::Ticketer::new().unwrap_or_else(|error| fail(error));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Runs `server` and its tasks on the calling thread alone.
pub fn alone(server: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(server);
}

fn fail(error: impl std::fmt::Display) -> ! {
    eprintln!("{error}");
    std::process::exit(2)
}
