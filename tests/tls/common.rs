//! An authority, certificates of it, clients that trust it, and one conversation.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wireline::resource::tls_info::TlsInfo;
use wireline::router::{Router, Routes};
use wireline::server::{Bound, Handle, TlsConfig};
use wireline::service::request::Request;

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().unwrap();
        // Each has a name of its own.
        let name = format!("authority {:x?}", &key.public_key_raw()[1..9]);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn sign(&self, name: &str) -> Pair {
        self.sign_between(name, 1975, 4096)
    }

    /// Valid from one year's beginning to another's.
    pub(crate) fn sign_between(&self, name: &str, from: i32, to: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn tls(&self, name: &str) -> TlsConfig {
        let pair = self.sign(name);
        TlsConfig::from_pem_bytes(pair.certificate, pair.key).unwrap()
    }
}

/// A folder of its own, which goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wireline-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The paths of the certificate and of the key.
    pub(crate) fn write_pair(&self, pair: &Pair) -> (PathBuf, PathBuf) {
        (
            self.write("cert.pem", &pair.certificate),
            self.write("key.pem", &pair.key),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client that trusts `authority`, and shows a certificate if it has one.
pub(crate) fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Pair>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    }
}

pub(crate) fn any_client(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client(authority, rustls::ALL_VERSIONS, None))
}

pub(crate) async fn connect(
    addr: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(TlsConnector::from(config.clone()).connect(name, tcp)).await
}

/// One request on a connection of its own, to the clean end of the stream: without `close_notify` it is an error.
pub(crate) async fn get(
    addr: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
    path: &str,
) -> io::Result<String> {
    let mut stream = connect(addr, name, config).await?;
    ask(&mut stream, path).await
}

pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
) -> io::Result<String> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    Ok(answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// One request on a connection that goes on; the answer is `hello`.
pub(crate) async fn say_hello(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhello") {
        answer.push(within(stream.read_u8()).await.unwrap());
    }
}

pub(crate) fn routes() -> Routes {
    Router::new()
        .get("/hello", async || "hello")
        .get("/tls", async |tls: TlsInfo| describe(&tls))
        .get("/maybe", async |tls: Option<TlsInfo>| {
            tls.map_or_else(|| "none".to_owned(), |tls| describe(&tls))
        })
        .post("/length", async |mut request: Request| {
            request
                .collect()
                .await
                .map(|content| content.len().to_string())
        })
        .get("/large", async || vec![b'x'; 1024 * 1024])
        .build()
        .unwrap()
}

/// Version, suite, name, ALPN, and the octets of each certificate of the client.
fn describe(tls: &TlsInfo) -> String {
    let chain: Vec<String> = tls
        .peer_certificates()
        .map(|certificate| certificate.len().to_string())
        .collect();
    format!(
        "{} {} {} {} {} [{}]",
        tls.version(),
        tls.cipher_suite(),
        tls.server_name().unwrap_or("-"),
        String::from_utf8_lossy(tls.alpn().unwrap_or(b"-")),
        if tls.is_resumed() { "resumed" } else { "full" },
        chain.join(",")
    )
}

/// The place where the server speaks TLS.
pub(crate) fn secure_addr(handle: &Handle) -> SocketAddr {
    let found = handle.bound().iter().find_map(|bound| match bound {
        Bound::Tls(addr) => Some(*addr),
        _ => None,
    });
    found.expect("a TLS listener")
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("nobody was woken")
}

/// Waits until something is true.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// Puts a file in the place of another at once, as whoever renews certificates should.
pub(crate) fn replace(path: &Path, text: impl AsRef<[u8]>) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(&next, path).unwrap();
}
