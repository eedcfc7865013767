//! A connected pair over each transport.

use crate::tls;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use wireline::resource::io::fault::{Fault, FaultyTransport};
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::resource::io::{Io, Transport};

/// A connected pair: the peer as a client sees it, and the transport under test.
pub(crate) struct Pair {
    pub(crate) peer: Box<dyn Peer>,
    pub(crate) under_test: Box<dyn Transport>,
}

/// The peer's end; dropping it resets the connection once [`abandon`](Self::abandon) was called.
pub(crate) trait Peer: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the end of this peer a reset.
    fn abandon(&mut self);
}

impl Peer for TcpStream {
    fn abandon(&mut self) {
        socket2::SockRef::from(&*self)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

impl Peer for UnixStream {
    /// A Unix socket that is closed with octets unread resets its peer; the clause leaves some unread.
    fn abandon(&mut self) {}
}

impl Peer for MemoryStream {
    fn abandon(&mut self) {
        self.reset();
    }
}

impl<T: Peer> Peer for tokio_rustls::client::TlsStream<T> {
    fn abandon(&mut self) {
        self.get_mut().0.abandon();
    }
}

pub(crate) async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (client.unwrap(), accepted.unwrap().0)
}

fn pair(peer: impl Peer + 'static, under_test: impl Transport) -> Pair {
    Pair {
        peer: Box::new(peer),
        under_test: Box::new(under_test),
    }
}

pub(crate) async fn over_tcp() -> Pair {
    let (client, server) = tcp().await;
    pair(client, server)
}

pub(crate) async fn over_io() -> Pair {
    let (client, server) = tcp().await;
    pair(client, Io::from(server))
}

pub(crate) async fn over_unix() -> Pair {
    let (client, server) = UnixStream::pair().unwrap();
    pair(client, server)
}

pub(crate) async fn over_memory() -> Pair {
    let (client, server) = memory::pair(CAPACITY);
    pair(client, server)
}

pub(crate) async fn over_no_fault() -> Pair {
    let (client, server) = memory::pair(CAPACITY);
    pair(
        client,
        FaultyTransport::new(server, Fault::Reset, usize::MAX),
    )
}

pub(crate) async fn over_tls_in_memory() -> Pair {
    let (client, server) = memory::pair(CAPACITY);
    let (client, server) = tls::handshake(client, server).await;
    pair(client, server)
}

pub(crate) async fn over_tls() -> Pair {
    let (client, server) = tcp().await;
    let (client, server) = tls::handshake(client, server).await;
    pair(client, server)
}

#[cfg(feature = "tls")]
pub(crate) async fn over_our_tls_in_memory() -> Pair {
    let (client, server) = memory::pair(CAPACITY);
    over_ours(client, Io::Dyn(Box::new(server)), rustls::ALL_VERSIONS).await
}

#[cfg(feature = "tls")]
pub(crate) async fn over_our_tls() -> Pair {
    let (client, server) = tcp().await;
    over_ours(client, server.into(), rustls::ALL_VERSIONS).await
}

#[cfg(feature = "tls")]
pub(crate) async fn over_our_tls_1_2() -> Pair {
    let (client, server) = tcp().await;
    over_ours(client, server.into(), &[&rustls::version::TLS12]).await
}

/// The transport of `Server::bind_tls`.
#[cfg(feature = "tls")]
async fn over_ours<T: Peer + 'static>(
    client: T,
    server: Io,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Pair {
    use std::sync::Arc;

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let config = wireline::server::TlsConfig::from_pem_bytes(certificate, key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client_config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config));
    let acceptor = config.acceptor().unwrap();
    let (client, server) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
    let (io, tls) = server.unwrap();
    assert_eq!(tls.server_name(), Some("localhost"));
    pair(client.unwrap(), io)
}

/// What an in-memory direction holds before its writer waits.
pub(crate) const CAPACITY: usize = 16 * 1024;
