//! Sockets that say goodbye: `cargo run --example ws_shutdown`, then `websocat ws://127.0.0.1:8000/`, and Ctrl-C
//! to the server.
//!
//! A drain closes every socket with 1001 by itself, some at a time. A handler that has something to say before
//! that waits for it; one that does not may be as simple as ever.

use wireline::router::{BuildError, Routes};
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::socket::WebSocket;
use wireline::{Router, Server};

async fn count(mut socket: WebSocket) -> CloseFrame {
    let mut received = 0;
    let sender = socket.sender();
    loop {
        tokio::select! {
            // First, so that a busy peer does not hide it.
            biased;
            () = sender.draining() => {
                let _ = sender.send(format!("{received} messages came")).await;
                return CloseFrame::new(CloseCode::AWAY, "Server shutdown");
            }
            message = socket.recv_msg() => match message {
                Some(message) if message.is_text() || message.is_binary() => received += 1,
                Some(_) => {}
                None => return CloseCode::NORMAL.into(),
            },
        }
    }
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new().websocket("/", count).build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
