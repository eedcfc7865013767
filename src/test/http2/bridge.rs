//! WebSockets of the ordinary client over HTTP/2: its opening handshake becomes an extended CONNECT (RFC 8441), and the
//! octets of both sides are carried as they are.
//!
//! ```text
//!   client --GET, Upgrade--> bridge --CONNECT, :protocol websocket--> service under test
//!          <------- octets, the end of each side as the end of the other ------>
//! ```

use crate::resource::io::memory::{self, MemoryStream};
use crate::test::CAPACITY;
use crate::test::http2::wire::send_chunk;
use crate::ws::handshake::accept_key;
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::yield_now;

/// The client's end of a bridge to a stream of this connection.
pub(super) async fn open(sender: SendRequest<Bytes>) -> io::Result<MemoryStream> {
    // RFC 8441 §3: not before the server has said that it takes such a CONNECT.
    for _ in 0..PATIENCE {
        if sender.is_extended_connect_protocol_enabled() {
            let (client, bridge) = memory::pair(CAPACITY);
            tokio::spawn(async move {
                // How it went shows in what the client reads.
                let _ = carry(bridge, sender).await;
            });
            return Ok(client);
        }
        yield_now().await;
    }
    Err(io::Error::other(
        "the server takes no extended CONNECT (RFC 8441)",
    ))
}

async fn carry(bridge: MemoryStream, mut sender: SendRequest<Bytes>) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(bridge);
    let mut buf = BytesMut::new();
    let end = loop {
        if let Some(end) = buf.windows(4).position(|octets| octets == b"\r\n\r\n") {
            break end + 4;
        }
        if from.read_buf(&mut buf).await? == 0 {
            return Ok(());
        }
    };
    let (request, key) = request(&buf.split_to(end))?;
    let (response, send) = sender
        .send_request(request, false)
        .map_err(io::Error::other)?;
    let (head, mut content) = response.await.map_err(io::Error::other)?.into_parts();
    if head.status != StatusCode::OK {
        // It opens nothing: the refusal, whole, and the end.
        let mut refusal = section(&format!("HTTP/1.1 {}", head.status), &head.headers);
        refusal.extend_from_slice(b"connection: close\r\n\r\n");
        while let Some(data) = piece(&mut content).await? {
            refusal.extend_from_slice(&data);
        }
        to.write_all(&refusal).await?;
        return to.shutdown().await;
    }
    let mut opened = section("HTTP/1.1 101 Switching Protocols", &head.headers);
    let accept = accept_key(&key);
    opened.extend_from_slice(
        format!(
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    );
    to.write_all(&opened).await?;

    let up = tokio::spawn(up(from, send, buf));
    let down = down(content, to).await;
    if down.is_err() {
        // The stream was reset: nobody listens to the other side.
        up.abort();
    }
    down
}

/// The head that the client wrote, without what is HTTP/1.1's own, and the key that it wants to have answered.
fn request(head: &[u8]) -> io::Result<(Request<()>, Vec<u8>)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let text = std::str::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = text.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1));
    let target = target.ok_or_else(|| wrong("no target"))?;
    let (mut host, mut key, mut request) = ("localhost", Vec::new(), Request::builder());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value,
            "connection" | "upgrade" => {}
            "sec-websocket-key" => key = value.into(),
            name => request = request.header(name, value),
        }
    }
    let request = request
        .method("CONNECT")
        .uri(format!("http://{host}{target}"))
        .extension(Protocol::from_static("websocket"))
        .body(());
    Ok((request.map_err(io::Error::other)?, key))
}

fn section(line: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut section = format!("{line}\r\n").into_bytes();
    for (name, value) in headers {
        section.extend_from_slice(
            &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat(),
        );
    }
    section
}

async fn up(
    mut from: ReadHalf<MemoryStream>,
    mut send: SendStream<Bytes>,
    mut buf: BytesMut,
) -> Result<(), h2::Error> {
    loop {
        if !buf.is_empty() {
            send_chunk(&mut send, buf.split().freeze()).await?;
        }
        match from.read_buf(&mut buf).await {
            Ok(0) => return send.send_data(Bytes::new(), true),
            Ok(_) => {}
            Err(_) => {
                send.send_reset(Reason::CANCEL);
                return Ok(());
            }
        }
    }
}

async fn down(mut content: RecvStream, mut to: WriteHalf<MemoryStream>) -> io::Result<()> {
    while let Some(data) = piece(&mut content).await? {
        to.write_all(&data).await?;
    }
    to.shutdown().await
}

async fn piece(content: &mut RecvStream) -> io::Result<Option<Bytes>> {
    let Some(data) = content.data().await else {
        return Ok(None);
    };
    let data = data.map_err(io::Error::other)?;
    let taken = content.flow_control().release_capacity(data.len());
    taken.map_err(io::Error::other)?;
    Ok(Some(data))
}

/// How often other tasks run before the server's settings must have come.
const PATIENCE: usize = 1000;
