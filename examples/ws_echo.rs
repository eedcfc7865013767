//! A WebSocket that sends back what it receives: `cargo run --example ws_echo -- 127.0.0.1:8000`, then
//! `websocat ws://127.0.0.1:8000/ws`.
//!
//! `/ws` takes messages one by one, `/deflate` compressed ones as well; `/lent` answers from the read buffer, without a copy or an allocation.

use std::ops::ControlFlow;
use wireline::router::{BuildError, Routes};
use wireline::ws::connection::Lent;
use wireline::ws::deflate;
use wireline::ws::limits::Limits;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::config::Config;
use wireline::{Response, Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .get("/", echo)
        .get("/ws", echo)
        .get("/lent", lent)
        .get("/deflate", deflated)
        .build()
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.config(large()).on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

/// The same with permessage-deflate, when the client offers it.
async fn deflated(upgrade: WebSocketUpgrade) -> Response {
    echo(upgrade.deflate(deflate::Config::default())).await
}

async fn lent(upgrade: WebSocketUpgrade) -> Response {
    upgrade.config(large()).on_upgrade(async |mut socket| {
        while let Some(Ok(())) = socket
            .recv_each(|message, replies| {
                let sent = match message {
                    Lent::Text(text) => replies.text(text),
                    Lent::Binary(octets) => replies.binary(octets),
                    _ => Ok(()),
                };
                if sent.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .await
        {}
    })
}

/// As large as any message of the test suites.
fn large() -> Config {
    Config {
        limits: Limits {
            frame: 16 << 20,
            message: 16 << 20,
            ..Limits::default()
        },
        ..Config::default()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    Server::new(routes()?).bind(address).run()?;
    Ok(())
}
