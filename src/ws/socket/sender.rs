//! The sending half of a socket.

use crate::resource::counters::Counter;
use crate::ws::close::{CloseFrame, IntoCloseFrame, LONGEST_REASON};
use crate::ws::frame::LONGEST_CONTROL;
use crate::ws::message::{Message, Text};
use crate::ws::prepared::Prepared;
use crate::ws::socket::backlog::Seat;
use crate::ws::socket::core::{Core, Shared};
use crate::ws::socket::{CloseStatus, Parts, Sent, SocketError};
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// The sending half; cloning it gives another handle to the same.
///
/// ```
/// use std::time::Duration;
/// use wireline::ws::socket::{WebSocket, WsSender};
///
/// /// Another task sends, while this one receives.
/// async fn clock(mut socket: WebSocket) {
///     let sender: WsSender = socket.sender();
///     tokio::spawn(async move {
///         while sender.send("tick").await.is_ok() {
///             tokio::time::sleep(Duration::from_secs(1)).await;
///         }
///     });
///     while let Some(Ok(_)) = socket.recv().await {}
/// }
/// ```
#[derive(Debug)]
pub struct WsSender {
    pub(super) shared: Arc<Shared>,
}

impl WsSender {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// As [`WebSocket::send`](super::WebSocket::send).
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        let mut message = Some(message.into());
        self.queue(move |this, core| this.push(core, &mut message, true))
    }

    /// As [`WebSocket::send_text`](super::WebSocket::send_text).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_text(
        &self,
        text: impl Into<Text>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.send(Message::Text(text.into()))
    }

    /// As [`WebSocket::send_binary`](super::WebSocket::send_binary).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_binary(
        &self,
        octets: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.send(Message::Binary(octets.into()))
    }

    /// As [`WebSocket::send_ping`](super::WebSocket::send_ping).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_ping(
        &self,
        payload: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.send(Message::Ping(payload.into()))
    }

    /// As [`WebSocket::send_pong`](super::WebSocket::send_pong).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_pong(
        &self,
        payload: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.send(Message::Pong(payload.into()))
    }

    /// As [`WebSocket::send_prepared`](super::WebSocket::send_prepared).
    ///
    /// Cancel safe: what was not queued was not sent.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(
        &self,
        message: &Prepared,
    ) -> impl Future<Output = Result<Sent, SocketError>> {
        self.queue(move |this, core| core.push_prepared(message, &this.shared.config, true))
    }

    /// Queues what `push` queues, and waits while that gives `None`.
    #[inline]
    fn queue<F>(&self, mut push: F) -> impl Future<Output = Result<Sent, SocketError>>
    where
        F: FnMut(&Self, &mut Core) -> Result<Option<Sent>, SocketError>,
    {
        let mut seat = Seat::new(&self.shared);
        poll_fn(move |cx| {
            let seat = &mut seat;
            let mut core = self.shared.lock();
            core.spend(0);
            if core.yields(cx) {
                self.shared.written_by_others(core);
                return Poll::Pending;
            }
            let sent = push(self, &mut core)?;
            if sent.is_none() {
                core.wait(cx, &mut seat.number);
            }
            if core.driven {
                self.shared.written_by_others(core);
            } else {
                // Wakes this task as well, if it waits and everything was written.
                core.write_now(&self.shared.config)?;
            }
            match sent {
                Some(sent) => Poll::Ready(Ok(sent)),
                None => Poll::Pending,
            }
        })
    }

    /// As [`WebSocket::send_parts`](super::WebSocket::send_parts).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send_parts(&self, text: bool) -> Result<Parts, SocketError> {
        Parts::begin(self.shared.clone(), text).await
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SocketError::Full`] when the policy is to wait, which this does not.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<Sent, SocketError> {
        let mut message = Some(message.into());
        let mut core = self.shared.lock();
        let sent = self.push(&mut core, &mut message, false);
        // Even for an error: it may have been answered with a Close.
        self.shared.written_by_others(core);
        sent?.ok_or(SocketError::Full)
    }

    /// Queues a message that was framed before, without waiting.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, message: &Prepared) -> Result<Sent, SocketError> {
        let mut core = self.shared.lock();
        let sent = core.push_prepared(message, &self.shared.config, false);
        // Even for an error: it may have been answered with a Close.
        self.shared.written_by_others(core);
        sent?.ok_or(SocketError::Full)
    }

    fn push(
        &self,
        core: &mut Core,
        message: &mut Option<Message>,
        can_wait: bool,
    ) -> Result<Option<Sent>, SocketError> {
        match message {
            Some(Message::Close(close)) => {
                let close = close.take();
                *message = None;
                close_with(core, close).map(|()| Some(Sent::Queued))
            }
            Some(Message::Ping(payload) | Message::Pong(payload))
                if payload.len() > LONGEST_CONTROL.into() =>
            {
                Err(SocketError::TooLong)
            }
            _ => core.push(message, &self.shared.config, can_wait),
        }
    }

    /// As [`WebSocket::close`](super::WebSocket::close).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close(&self, close: impl IntoCloseFrame) -> Result<(), SocketError> {
        let mut core = self.shared.lock();
        close_with(&mut core, close.into_close_frame())?;
        if !core.driven {
            // Whoever closes and goes may not wait for the task that writes.
            return core.write_now(&self.shared.config);
        }
        self.shared.written_by_others(core);
        Ok(())
    }

    /// Whether `other` sends on the same connection: for a room that removes a member by name, and must not
    /// remove who has taken the name since.
    pub fn same_socket(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The octets that wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.shared.lock().buffered()
    }

    /// The messages that were dropped because there was no room for them.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().backlog.dropped()
    }

    /// As [`WebSocket::close_status`](super::WebSocket::close_status).
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.shared.lock().close_status()
    }

    /// Whether nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        !self.shared.lock().is_sending()
    }

    /// Waits until nothing can be sent any more: either side has begun to close, or the peer is gone. For a
    /// handler that waits for something else than the peer, and does not receive.
    ///
    /// Cancel safe.
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.parked(|core| !core.is_sending())
    }

    /// As [`WebSocket::draining`](super::WebSocket::draining).
    ///
    /// Cancel safe.
    pub fn draining(&self) -> impl Future<Output = ()> {
        self.parked(|core| core.ended || core.is_draining())
    }

    /// Whether the server ends.
    #[allow(dead_code, reason = "sessions of Socket.IO alone need it")]
    pub(crate) fn is_draining(&self) -> bool {
        self.shared.lock().is_draining()
    }

    /// Whether [`deliver`](Self::deliver) and its like may be given messages that were compressed by themselves, with a window of this
    /// power of two.
    #[allow(dead_code, reason = "sessions of Socket.IO alone need it")]
    pub(crate) fn takes_deflated(&self, window_bits: u8) -> bool {
        let mut core = self.shared.lock();
        (core.live()).is_some_and(|live| live.connection.takes_deflated(window_bits))
    }

    fn parked(&self, over: impl Fn(&Core) -> bool) -> impl Future<Output = ()> {
        let mut seat = Seat::new(&self.shared);
        poll_fn(move |cx| {
            let seat = &mut seat;
            let mut core = self.shared.lock();
            if over(&core) {
                return Poll::Ready(());
            }
            core.backlog.park(cx, &mut seat.number);
            Poll::Pending
        })
    }

    /// Waits until everything was written, or nothing can be any more.
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        let mut seat = Seat::new(&self.shared);
        let _ = poll_fn(|cx| self.poll_drained(cx, &mut seat.number)).await;
    }

    /// Ready when everything was written, or when the end has come before.
    pub(super) fn poll_drained(
        &self,
        cx: &Context<'_>,
        seat: &mut u32,
    ) -> Poll<Result<(), SocketError>> {
        let mut core = self.shared.lock();
        if !core.driven {
            let _ = core.write_now(&self.shared.config);
        }
        if core.backlog.lost() {
            return Poll::Ready(Err(SocketError::Closed));
        }
        if core.ended || core.is_drained() {
            return Poll::Ready(Ok(()));
        }
        core.wait(cx, seat);
        self.shared.written_by_others(core);
        Poll::Pending
    }

    pub(super) fn count(&self, counter: Counter) {
        self.shared.lock().home.count(counter);
    }
}

impl Clone for WsSender {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::SeqCst);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for WsSender {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.written_by_others(self.shared.lock());
        }
    }
}

fn close_with(core: &mut Core, close: Option<CloseFrame>) -> Result<(), SocketError> {
    if close
        .as_ref()
        .is_some_and(|close| close.reason.len() > LONGEST_REASON)
    {
        return Err(SocketError::TooLong);
    }
    if !core.is_sending() {
        return Err(SocketError::Closed);
    }
    core.close(close);
    core.backlog.wake_parked();
    Ok(())
}
