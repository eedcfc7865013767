//! A TLS transport over any other, as an embedder would write one: what the seam must be able to carry.

use bytes::BytesMut;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};
use wireline::resource::io::Transport;

/// The server's side of a TLS connection.
pub(crate) struct Tls<T> {
    stream: TlsStream<T>,
    /// Nothing that was taken off the socket waits to be read. Only a read that was `Pending` proves it.
    drained: bool,
}

impl<T: Transport + AsyncRead + AsyncWrite> Transport for Tls<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.drained {
            self.stream.get_mut().0.poll_readable(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let read = pin!(self.stream.read_buf(buf)).poll(cx);
        self.drained = read.is_pending();
        read
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            len => Poll::Ready(Ok(len)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.stream.get_mut().0.is_reset(cx)
    }
}

/// A handshake over a connected pair, with a certificate made for it: the client's side, the server's side.
pub(crate) async fn handshake<T>(client: T, server: T) -> (client::TlsStream<T>, Tls<T>)
where
    T: Transport + AsyncRead + AsyncWrite,
{
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let versions = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let server_config = versions
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let client_config = versions.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client_config));
    let acceptor = TlsAcceptor::from(Arc::new(server_config));
    let (client, server) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
    (
        client.unwrap(),
        Tls {
            stream: server.unwrap(),
            drained: false,
        },
    )
}
