//! Messages that are sent in parts.

use crate::ws::socket::SocketError;
use crate::ws::socket::backlog::Seat;
use crate::ws::socket::core::Shared;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A message that is being sent in parts (RFC 6455 §5.4). It ends with [`finish`](Self::finish); dropped
/// before that it leaves half a message, and the connection is closed with 1011.
///
/// ```no_run
/// # async fn export(socket: wireline::ws::socket::WebSocket) -> Result<(), wireline::ws::socket::SocketError> {
/// let mut parts = socket.send_parts(true).await?;
/// for line in 0..1_000_000 {
///     parts.send(format!("{line}\n")).await?;
/// }
/// parts.finish().await
/// # }
/// ```
#[derive(Debug)]
pub struct Parts {
    shared: Arc<Shared>,
    text: bool,
    /// Whether the last part was sent, or will be.
    finished: bool,
}

impl Parts {
    /// Waits until no other message is being sent.
    pub(super) async fn begin(shared: Arc<Shared>, text: bool) -> Result<Self, SocketError> {
        let mut seat = Seat::new(&shared);
        poll_fn(|cx| {
            let mut core = shared.lock();
            if !core.is_sending() {
                return Poll::Ready(Err(SocketError::Closed));
            }
            if core.begin_parts() {
                return Poll::Ready(Ok(()));
            }
            if core.streaming {
                core.backlog.park(cx, &mut seat.number);
            } else {
                // A batch is lent for a moment.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await?;
        drop(seat);
        Ok(Self {
            shared,
            text,
            finished: false,
        })
    }

    /// Sends a part, after waiting for room in the queue. Parts of text may end inside a character; that
    /// the whole is UTF-8 is the caller's duty.
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`].
    pub async fn send(&mut self, part: impl AsRef<[u8]>) -> Result<(), SocketError> {
        let mut seat = Seat::new(&self.shared);
        poll_fn(|cx| self.poll_part(cx, part.as_ref(), &mut seat.number)).await
    }

    /// Ends the message, then waits for room in the queue.
    ///
    /// Cancel safe: the message ends when this is first polled, whatever waits before it, and others may send
    /// again. What is given up later is the wait. Never polled it is a drop.
    ///
    /// # Errors
    ///
    /// [`SocketError::Closed`].
    pub async fn finish(mut self) -> Result<(), SocketError> {
        // The last frame has no payload: it needs no room, and whoever had to wait for some could be given up.
        self.shared.lock().last_part(self.text)?;
        self.finished = true;
        let mut seat = Seat::new(&self.shared);
        poll_fn(|cx| self.poll_room(cx, &mut seat.number)).await
    }

    fn poll_room(&self, cx: &Context<'_>, seat: &mut u32) -> Poll<Result<(), SocketError>> {
        let mut core = self.shared.lock();
        if !core.driven {
            core.write_now(&self.shared.config)?;
        }
        if core.backlog.lost() {
            return Poll::Ready(Err(SocketError::Closed));
        }
        let has_room = core.has_room(0, &self.shared.config);
        if !has_room {
            core.backlog.wait(cx, seat);
        }
        if core.driven {
            self.shared.written_by_others(core);
        }
        if has_room {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_part(
        &self,
        cx: &Context<'_>,
        part: &[u8],
        seat: &mut u32,
    ) -> Poll<Result<(), SocketError>> {
        let mut core = self.shared.lock();
        if !core.driven {
            core.write_now(&self.shared.config)?;
        }
        let sent =
            core.has_room(part.len(), &self.shared.config) && core.part(self.text, part, false)?;
        if !sent {
            if core.ended || !core.state().is_open() {
                return Poll::Ready(Err(SocketError::Closed));
            }
            core.backlog.wait(cx, seat);
        }
        if core.driven {
            self.shared.written_by_others(core);
        } else {
            core.write_now(&self.shared.config)?;
        }
        if sent {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut core = self.shared.lock();
        if !core.ended && core.state().is_open() {
            // What waits for the end of this message can never be sent.
            core.break_off();
        }
        core.backlog.wake_parked();
        self.shared.written_by_others(core);
    }
}
