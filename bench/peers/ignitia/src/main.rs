//! Ignitia.
//!
//!     ignitia-peer PORT [WORKERS]      /, /ws (echo)

use ignitia::prelude::{Message, Response, Router, Server, WebSocketConnection};
use peer_common::{Arguments, run};

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address();
    run(arguments.workers, async move {
        let router = Router::new()
            .get("/", || async { Response::text("Hello, World!") })
            .websocket("/ws", echo);
        if let Err(error) = Server::new(router, address).ignitia().await {
            eprintln!("{address}: {error}");
            std::process::exit(1);
        }
    });
}

async fn echo(socket: WebSocketConnection) -> Response {
    while let Some(message) = socket.recv().await {
        let sent = match message {
            Message::Text(text) => socket.send_text(text).await,
            Message::Binary(bytes) => socket.send(Message::Binary(bytes)).await,
            Message::Close(_) => break,
            _ => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
    Response::ok()
}
