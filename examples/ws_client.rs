//! A WebSocket client for the terminal: `cargo run --example ws_client --features client,ws-deflate --
//! ws://127.0.0.1:8000/ws` sends each line that it reads and shows each message that it receives.
//!
//! The end of the input closes the socket; what the server still says before its Close is shown.

use std::error::Error;
use std::io::BufRead;
use tokio::sync::mpsc;
use wireline::ws::client::{Client, ConnectError};
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::deflate;
use wireline::ws::message::Message;
use wireline::ws::socket::{SocketError, WebSocket, WsSender};

/// Apart from `main`, so that a test can have it.
pub(crate) fn client() -> Client {
    Client::new().deflate(deflate::Config::default())
}

/// Sends what comes from `input`, closes when that ends, and shows what the server says until its Close, which it gives.
pub(crate) async fn talk(
    socket: WebSocket,
    input: mpsc::Receiver<String>,
    mut show: impl FnMut(&str),
) -> Result<Option<CloseFrame>, SocketError> {
    let (sender, mut receiver) = socket.split();
    tokio::spawn(send(sender, input));
    while let Some(message) = receiver.recv().await {
        match message? {
            Message::Text(text) => show(&text),
            Message::Binary(octets) => show(&format!("{} octets", octets.len())),
            Message::Close(close) => return Ok(close),
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(None)
}

async fn send(sender: WsSender, mut input: mpsc::Receiver<String>) {
    while let Some(line) = input.recv().await {
        if sender.send(line).await.is_err() {
            return;
        }
    }
    // Refused only when the server was first.
    let _ = sender.close(CloseCode::NORMAL);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let url = url.as_deref().unwrap_or("ws://127.0.0.1:8000/ws");
    let socket = match client().connect(url).await {
        Ok(socket) => socket,
        Err(ConnectError::Refused(refused)) => {
            let content = String::from_utf8_lossy(&refused.content);
            return Err(format!("{}: {content}", refused.status).into());
        }
        Err(error) => return Err(error.into()),
    };

    let (lines, input) = mpsc::channel(16);
    // Reading the terminal blocks, so it has a thread of its own, which does not hold up the end.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    let close = talk(socket, input, |line| println!("{line}")).await?;
    eprintln!("closed: {close:?}");
    Ok(())
}
