//! What most sockets never need, and what they need it for.

use crate::resource::counters::Counter;
use crate::resource::worker::Phase;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::socket::config::{Config, Overflow};
use crate::ws::socket::core::{Core, OVERHEAD};
use crate::ws::socket::{CloseStatus, Sent, SocketError};
use crate::ws::state::State;
use bytes::BytesMut;
use std::task::{Context, Waker};

/// Kept apart, so that a socket which waits is small.
#[derive(Debug, Default)]
pub(in crate::ws::socket) struct Rare {
    /// The subprotocol that was agreed on.
    pub(in crate::ws::socket) protocol: Option<Box<str>>,
    pub(in crate::ws::socket) dropped: u64,
    /// Whom to wake when something was written.
    pub(super) waiters: Vec<Waker>,
    /// Whom to wake when a message in parts has ended, or a drain begins: a write changes nothing for them.
    pub(super) parked: Vec<Waker>,
    /// A Close is to be sent once the lent batch is back.
    pub(super) close_after: Option<Option<CloseFrame>>,
    /// What the peer's Close said.
    pub(in crate::ws::socket) received: Option<CloseFrame>,
    /// The message that is put together of its parts.
    pub(in crate::ws::socket) parts: BytesMut,
    /// Whether a part was handed on and the last one was not.
    pub(in crate::ws::socket) inside_parts: bool,
}

impl Core {
    /// What becomes of a framed message for which there is no room.
    pub(in crate::ws::socket) fn overflow(&mut self, config: &Config) -> Result<Sent, SocketError> {
        match config.overflow {
            Overflow::DropNewest => {
                self.count_dropped();
                Ok(Sent::Dropped)
            }
            Overflow::Close => {
                self.count(Counter::WebSocketQueueOverflows);
                self.close(Some(CloseCode::TRY_AGAIN.into()));
                Err(SocketError::Closed)
            }
            Overflow::Wait | Overflow::DropOldest => Err(SocketError::Full),
        }
    }

    pub(super) fn count_dropped(&mut self) {
        self.rare().dropped += 1;
        self.count(Counter::WebSocketMessagesDropped);
    }

    /// Makes what most sockets never need.
    pub(in crate::ws::socket) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What most sockets never need, if this one has.
    pub(in crate::ws::socket) fn rare_if_any(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Whether a message in parts may go on with `len` octets more. Messages that wait for its end do not
    /// count: it would wait for them.
    pub(in crate::ws::socket) fn has_room(&self, len: usize, config: &Config) -> bool {
        let waiting = self.live.as_ref().map_or(0, |live| live.waiting());
        waiting == 0 || waiting + len + OVERHEAD <= config.queue
    }

    /// Begins a message in parts, behind everything that waits. `false`: not now.
    pub(in crate::ws::socket) fn begin_parts(&mut self) -> bool {
        if self.streaming || self.live.is_none() {
            return false;
        }
        self.frame_all();
        self.streaming = true;
        true
    }

    /// Frames a part of the message that was begun. `Ok(false)`: not now.
    pub(in crate::ws::socket) fn part(
        &mut self,
        text: bool,
        part: &[u8],
        last: bool,
    ) -> Result<bool, SocketError> {
        if self.ended || !self.state().is_open() {
            return Err(SocketError::Closed);
        }
        let Some(live) = &mut self.live else {
            return Ok(false);
        };
        let (connection, out) = live.parts();
        connection.send_fragment(text, part, last, out)?;
        if last {
            self.end_parts();
        }
        Ok(true)
    }

    /// Others may send again.
    pub(in crate::ws::socket) fn end_parts(&mut self) {
        self.streaming = false;
        self.wake_parked();
    }

    /// Whether and how the connection has closed.
    pub(in crate::ws::socket) fn close_status(&self) -> Option<CloseStatus> {
        let clean = match self.state() {
            State::Open | State::LocalClosing => return None,
            State::RemoteClosing => true,
            State::Closed { clean } => clean,
        };
        let frame = self.rare_if_any().and_then(|rare| rare.received.clone());
        Some(CloseStatus { frame, clean })
    }

    /// The server drains.
    pub(in crate::ws::socket) fn is_draining(&self) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.worker().phase() >= Phase::Draining)
    }

    /// Waits until something was written, or until others may send again.
    pub(in crate::ws::socket) fn wait(&mut self, cx: &Context<'_>) {
        if self.streaming {
            self.park(cx);
        } else {
            self.wait_written(cx);
        }
    }

    /// Waits until something was written.
    pub(in crate::ws::socket) fn wait_written(&mut self, cx: &Context<'_>) {
        remember(&mut self.rare().waiters, cx);
    }

    /// Waits until a message in parts has ended, or a drain begins.
    pub(in crate::ws::socket) fn park(&mut self, cx: &Context<'_>) {
        remember(&mut self.rare().parked, cx);
    }

    /// Wakes who is parked.
    pub(in crate::ws::socket) fn wake_parked(&mut self) {
        let parked = self.rare.as_mut().map(|rare| &mut rare.parked);
        parked
            .map(std::mem::take)
            .into_iter()
            .flatten()
            .for_each(Waker::wake);
    }

    pub(in crate::ws::socket) fn wake_waiters(&mut self) {
        if let Some(rare) = &mut self.rare
            && !rare.waiters.is_empty()
        {
            std::mem::take(&mut rare.waiters)
                .into_iter()
                .for_each(Waker::wake);
        }
    }

    pub(super) fn count_end(&self) {
        self.count(match self.state() {
            State::Closed { clean: true } => Counter::WebSocketsClosedClean,
            _ => Counter::WebSocketsClosedUnclean,
        });
    }
}

fn remember(wakers: &mut Vec<Waker>, cx: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

impl Drop for Core {
    /// The server has dropped the connection's task.
    fn drop(&mut self) {
        if !self.ended {
            self.count_end();
        }
    }
}
