//! A subscriber of one topic at one node.

use super::verdict::{Heard, Verdict};
use super::{Clock, Failure};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use wireline::ws::prelude::*;

/// Opens its socket, subscribes, and is told so.
pub(crate) async fn open(port: u16, topic: &str) -> Result<WebSocket, Failure> {
    let mut socket = wireline::ws::client::connect(&format!("ws://127.0.0.1:{port}/ws")).await?;
    let subscribe = format!(r#"{{"type":"subscribe","topic":"{topic}"}}"#);
    socket.send(Message::Text(subscribe.into())).await?;
    let answer = timeout(Duration::from_secs(20), socket.recv_msg()).await?;
    match answer.as_ref().and_then(Message::as_text) {
        Some(text) if text.contains("\"subscribed\"") => Ok(socket),
        other => Err(format!("in place of the subscription: {other:?}").into()),
    }
}

/// Takes what comes until all has come that was published, or was told to be missing, or it does not come.
pub(super) async fn listen(
    mut socket: WebSocket,
    mut verdict: Verdict,
    clock: Arc<Clock>,
    mut over: watch::Receiver<Option<Arc<Vec<u64>>>>,
) -> Verdict {
    let published = loop {
        tokio::select! {
            message = socket.recv_msg() => if !take(message, &clock, &mut verdict) {
                return verdict;
            },
            changed = over.changed() => match (changed, over.borrow().clone()) {
                (Ok(()), Some(published)) => break published,
                (Ok(()), None) => {}
                (Err(_), _) => return verdict,
            },
        }
    };
    let limit = Instant::now() + LATEST;
    // What comes behind the last one comes twice, or out of order.
    loop {
        let is_all = verdict.is_all(&published);
        let quiet = Instant::now() + QUIET;
        let until = if is_all { quiet.min(limit) } else { limit };
        match timeout_at(until, socket.recv_msg()).await {
            Ok(message) => {
                if !take(message, &clock, &mut verdict) {
                    return verdict;
                }
            }
            Err(_) => break,
        }
    }
    verdict.end(&published);
    verdict
}

/// Whether there may be more.
fn take(message: Option<Message>, clock: &Clock, verdict: &mut Verdict) -> bool {
    match message.as_ref().and_then(Message::as_text) {
        Some(text) => match serde_json::from_str::<Heard>(text) {
            Ok(heard) => {
                if let Some(stamp) = verdict.take(&heard) {
                    clock.came(verdict.own, &stamp);
                }
            }
            Err(error) => verdict.complain(format!("{error} in {text}")),
        },
        // The server asks whether somebody is there, which is answered already.
        None if matches!(message, Some(Message::Ping(_) | Message::Pong(_))) => {}
        None => {
            verdict.complain(format!("the socket has ended: {message:?}"));
            return false;
        }
    }
    true
}

/// What has not come so long after the last message was published does not come.
const LATEST: Duration = Duration::from_secs(15);

/// When nothing comes for so long, there is no more.
const QUIET: Duration = Duration::from_millis(500);
