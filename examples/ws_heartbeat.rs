//! A handler that pings for itself and sees the pongs: `cargo run --example ws_heartbeat`.
//!
//! Nobody has to: the server pings whoever is silent for 25 seconds, and ends who does not answer. Here the
//! handler wants to know how long a round trip takes, and tells its peer.

use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wireline::router::{BuildError, Routes};
use wireline::ws::close::CloseCode;
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;
use wireline::{Router, Server};

async fn heartbeat(mut socket: WebSocket) -> CloseCode {
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent: Option<Instant> = None;
    loop {
        // Both are cancel safe: whichever is not first loses nothing.
        tokio::select! {
            _ = beat.tick() => {
                if sent.is_some() {
                    // A whole beat without an answer.
                    return CloseCode::POLICY;
                }
                sent = Some(Instant::now());
                if socket.send_ping("beat").await.is_err() {
                    return CloseCode::NORMAL;
                }
            }
            message = socket.recv_msg() => match message {
                None => return CloseCode::NORMAL,
                Some(Message::Pong(payload)) if payload == "beat" => {
                    if let Some(since) = sent.take() {
                        let _ = socket.send(format!("{} ms", since.elapsed().as_millis())).await;
                    }
                }
                Some(_) => {}
            },
        }
    }
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new().websocket("/", heartbeat).build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}

const EVERY: Duration = Duration::from_secs(30);
