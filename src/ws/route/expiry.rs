//! The end of what a user may do.

use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::socket::WebSocket;
use std::future::poll_fn;
use std::pin::pin;
use tokio::time::{Instant, sleep_until};

/// Runs `handler` with the socket, and closes that with 4401 when the deadline has passed. The handler sees the end of the
/// socket as any other, and may finish what it does.
pub(super) async fn until<F, Fut>(deadline: Instant, socket: WebSocket, handler: F) -> Fut::Output
where
    F: FnOnce(WebSocket) -> Fut,
    Fut: Future,
{
    let sender = socket.sender();
    let mut handler = pin!(handler(socket));
    let mut timer = pin!(sleep_until(deadline));
    let mut expired = false;
    poll_fn(|cx| {
        if !expired && timer.as_mut().poll(cx).is_ready() {
            expired = true;
            if let Some(code) = CloseCode::new(EXPIRED) {
                // Whoever has closed before has the last word.
                let _ = sender.close(CloseFrame::new(code, "the credentials have expired"));
            }
        }
        handler.as_mut().poll(cx)
    })
    .await
}

/// What 401 is in HTTP, among the codes of applications.
const EXPIRED: u16 = 4401;
