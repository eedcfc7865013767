//! Connections and how a client trusts.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::or_die;

/// A client that trusts the certificate in a PEM file and speaks HTTP/1.1; with `resumes` it keeps the sessions of its own connections.
pub fn connector(certificate: &str, resumes: bool) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificate = or_die(
        CertificateDer::from_pem_file(certificate),
        "the certificate",
    );
    or_die(roots.add(certificate), "the certificate");
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = or_die(builder.with_safe_default_protocol_versions(), "TLS");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if resumes {
        Resumption::in_memory_sessions(8)
    } else {
        Resumption::disabled()
    };
    TlsConnector::from(Arc::new(config))
}

/// Connection number `at` to 127.0.0.1:`port`. Its source address changes with the port and with every 5,000 connections, so that closed
/// connections do not use up the ephemeral ports.
pub async fn connect(port: u16, at: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let source = Ipv4Addr::new(127, 0, (port % 250) as u8 + 1, (2 + at / 5000 % 250) as u8);
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket
        .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The same over TLS.
pub async fn secure(
    connector: &TlsConnector,
    port: u16,
    at: usize,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a good name");
    connector.connect(name, connect(port, at).await?).await
}

/// Sends a head and reads until the head of the answer, and 13 octets of content when it is a 200, are there.
pub async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    head: &str,
    status: &str,
) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1024);
    let content: &[u8] = if status == "200" {
        b"Hello, World!"
    } else {
        b""
    };
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if end.is_some_and(|end| answer.len() >= end + 4 + content.len()) {
            break;
        }
    }
    if answer.get(9..12) != Some(status.as_bytes()) || !answer.ends_with(content) {
        let answer = String::from_utf8_lossy(&answer[..answer.len().min(100)]).into_owned();
        return Err(io::Error::other(answer));
    }
    Ok(())
}
