//! sockudo-ws: any path is an echo.
//!
//!     sockudo-peer PORT [WORKERS]

#![forbid(unsafe_code)]

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use peer_common::Arguments;
use sockudo_ws::error::{Error, Result};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    let arguments = Arguments::from_env();
    peer_common::run(
        arguments.workers,
        peer_common::accept(arguments.address(), |stream| async {
            let _ = echo(stream).await;
        }),
    );
}

async fn echo(stream: TcpStream) -> Result<()> {
    let config = Config::builder().max_payload_length(1 << 26).build();
    let mut socket = WebSocketStream::server(open(stream).await?, config);
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

/// The opening handshake. The load sends nothing behind it before the answer.
async fn open(mut stream: TcpStream) -> Result<TcpStream> {
    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, _)) = parse_request(&head)? {
            let answer = build_response(&generate_accept_key(request.key), None, None);
            stream.write_all(&answer).await?;
            return Ok(stream);
        }
    }
}
