//! A subscriber of one topic at one node.

use crate::Failure;
use crate::run::Clock;
use crate::verdict::{Heard, Verdict};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
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

/// Takes what comes until it is told that there is no more.
pub(crate) async fn listen(
    mut socket: WebSocket,
    own: usize,
    clock: Arc<Clock>,
    mut over: watch::Receiver<Option<Arc<Vec<u64>>>>,
) -> Verdict {
    let mut verdict = Verdict::new(own, clock.nodes());
    let published = loop {
        tokio::select! {
            message = socket.recv_msg() => match message.as_ref().and_then(Message::as_text) {
                Some(text) => match serde_json::from_str::<Heard>(text) {
                    Ok(heard) => {
                        if let Some(stamp) = verdict.take(&heard) {
                            clock.came(own, &stamp);
                        }
                    }
                    Err(error) => verdict.complain(format!("{error} in {text}")),
                },
                // The server asks whether somebody is there, which is answered already.
                None if matches!(message, Some(Message::Ping(_) | Message::Pong(_))) => {}
                None => {
                    verdict.complain(format!("the socket has ended: {message:?}"));
                    return verdict;
                }
            },
            changed = over.changed() => match (changed, over.borrow().clone()) {
                (Ok(()), Some(published)) => break published,
                (Ok(()), None) => {}
                (Err(_), _) => return verdict,
            },
        }
    };
    verdict.end(&published);
    clock.ended.fetch_add(1, Ordering::Relaxed);
    verdict
}
