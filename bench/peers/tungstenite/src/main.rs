//! tokio-tungstenite: any path is an echo.
//!
//!     tungstenite-peer PORT [WORKERS]

#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use peer_common::Arguments;
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

fn main() {
    let arguments = Arguments::from_env();
    peer_common::run(
        arguments.workers,
        peer_common::accept(arguments.address(), |stream| async {
            let _ = echo(stream).await;
        }),
    );
}

async fn echo(stream: TcpStream) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(1 << 26))
        .max_frame_size(Some(1 << 26));
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}
