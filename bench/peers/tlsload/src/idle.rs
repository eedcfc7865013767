//! Connections that only wait.

use std::any::Any;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Method, Request, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::connect::{ask, connect, connector, secure};
use crate::{die, or_die};

/// What waits.
#[derive(Clone, Copy)]
pub enum Kind {
    /// HTTP/1.1 over TLS, one GET / answered.
    Tls,
    /// A WebSocket over TLS.
    Wss,
    /// HTTP/2 by prior knowledge, one GET / answered.
    H2,
    /// So many WebSockets in each connection of HTTP/2.
    H2Ws(usize),
}

/// Whatever keeps a connection open.
type Held = Box<dyn Any + Send>;

pub async fn run(port: u16, certificate: &str, count: usize, kind: Kind) {
    let connector = connector(certificate, false);
    let connections = match kind {
        Kind::H2Ws(streams) => count.div_ceil(streams),
        _ => count,
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for at in 0..connections {
        let (connector, places) = (connector.clone(), places.clone());
        let kind = match kind {
            Kind::H2Ws(streams) => Kind::H2Ws(streams.min(count - at * streams)),
            other => other,
        };
        opening.spawn(async move {
            let _place = places.acquire_owned().await;
            let held = open(&connector, port, at, kind).await;
            held.map_err(|error| format!("connection {at}: {error}"))
        });
    }
    let mut held = Vec::with_capacity(connections);
    while let Some(opened) = opening.join_next().await {
        held.push(or_die(or_die(opened, "a connection"), "idle"));
    }
    println!("READY {count}");
    // h2's connections go on meanwhile.
    let ended = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]));
    drop(ended.await);
    // Nobody waits for ten thousand farewells.
    std::process::exit(0);
}

async fn open(
    connector: &TlsConnector,
    port: u16,
    at: usize,
    kind: Kind,
) -> Result<Held, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match kind {
        Kind::Tls => {
            let mut stream = secure(connector, port, at).await?;
            ask(&mut stream, GET, "200").await?;
            Box::new(stream)
        }
        Kind::Wss => {
            let mut stream = secure(connector, port, at).await?;
            ask(&mut stream, UPGRADE, "101").await?;
            Box::new(stream)
        }
        Kind::H2 => Box::new(http2(port, at).await?),
        Kind::H2Ws(streams) => {
            let sender = http2(port, at).await?;
            if !sender.is_extended_connect_protocol_enabled() {
                die("the server does not take WebSockets over HTTP/2");
            }
            let mut sockets = Vec::new();
            for _ in 0..streams {
                let mut ready = sender.clone().ready().await?;
                let request = Request::builder()
                    .method(Method::CONNECT)
                    .uri("http://localhost/ws")
                    .header("sec-websocket-version", "13")
                    .extension(Protocol::from_static("websocket"))
                    .body(())?;
                let (response, send) = ready.send_request(request, false)?;
                let response = response.await?;
                if response.status() != StatusCode::OK {
                    return Err(format!("a WebSocket: {}", response.status()).into());
                }
                sockets.push((send, response.into_body()));
            }
            Box::new((sender, sockets))
        }
    })
}

/// A connection on which one request was answered.
async fn http2(
    port: u16,
    at: usize,
) -> Result<SendRequest<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (sender, connection) = h2::client::handshake(connect(port, at).await?).await?;
    tokio::spawn(connection);
    let mut ready = sender.clone().ready().await?;
    let request = Request::get("http://localhost/").body(())?;
    let mut body = ready.send_request(request, true)?.0.await?.into_body();
    let mut content = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        content.extend_from_slice(&piece);
    }
    if content != b"Hello, World!" {
        return Err("wrong content".into());
    }
    Ok(sender)
}

/// How many connections are being opened.
const AT_ONCE: usize = 32;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: tlsload\r\nAccept: */*\r\n\r\n";

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
