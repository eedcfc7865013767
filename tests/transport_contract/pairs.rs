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

/// What an in-memory direction holds before its writer waits.
pub(crate) const CAPACITY: usize = 16 * 1024;
