//! The halves of a socket.

use crate::ws::close::{CloseFrame, LONGEST_REASON};
use crate::ws::connection::{Event, Lent, Replies};
use crate::ws::frame::LONGEST_CONTROL;
use crate::ws::message::{Fragment, Message};
use crate::ws::prepared::Prepared;
use crate::ws::socket::core::{Core, Shared};
use crate::ws::socket::{Sent, SocketError};
use futures_core::Stream;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, ready};

/// The receiving half.
#[derive(Debug)]
pub struct WsReceiver {
    shared: Arc<Shared>,
    protocol: Option<Box<str>>,
}

/// The sending half; cloning it gives another handle to the same.
#[derive(Debug)]
pub struct WsSender {
    shared: Arc<Shared>,
}

impl WsReceiver {
    pub(super) const fn new(shared: Arc<Shared>, protocol: Option<Box<str>>) -> Self {
        Self { shared, protocol }
    }

    pub(super) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// As [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// Cancel safe.
    pub async fn recv(&mut self) -> Option<Result<Message, SocketError>> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Waits for the next part of a message, with `fragments` in the configuration; a message that came
    /// in one piece is one part. Control frames are not given here.
    ///
    /// Cancel safe.
    pub async fn recv_fragment(&mut self) -> Option<Result<Fragment, SocketError>> {
        poll_fn(|cx| {
            loop {
                let part = match ready!(self.poll_event(cx)) {
                    None => None,
                    Some(Err(error)) => Some(Err(error)),
                    Some(Ok(Event::Fragment(part))) => Some(Ok(part)),
                    Some(Ok(Event::Message(message))) => match message {
                        Message::Text(_) | Message::Binary(_) => Some(Ok(Fragment {
                            text: message.is_text(),
                            data: message.into_bytes(),
                            last: true,
                        })),
                        _ => continue,
                    },
                };
                return Poll::Ready(part);
            }
        })
        .await
    }

    /// As [`WebSocket::recv_each`](super::WebSocket::recv_each).
    ///
    /// Cancel safe.
    pub async fn recv_each<F>(&mut self, mut f: F) -> Option<Result<(), SocketError>>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        poll_fn(|cx| self.poll_each(cx, &mut f)).await
    }

    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, SocketError>>> {
        loop {
            return Poll::Ready(match ready!(self.poll_event(cx)) {
                None => None,
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(Event::Message(message))) => Some(Ok(message)),
                // Whoever asks for parts takes them with `recv_fragment`; a part is no message.
                Some(Ok(Event::Fragment(_))) => continue,
            });
        }
    }

    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, SocketError>>> {
        let shared = &self.shared;
        let mut core = shared.lock();
        loop {
            if core.ended {
                return Poll::Ready(None);
            }
            let Some(live) = core.live() else {
                return Poll::Ready(None);
            };
            match live
                .connection
                .receive(&mut live.read, &shared.config.limits)
            {
                Ok(Some(Event::Message(Message::Ping(_) | Message::Pong(_))))
                    if !shared.config.control_frames => {}
                Ok(Some(event)) => {
                    if !core.driven && core.has_work() {
                        // The keeper answers, should this be the last message that is asked for.
                        core.wake();
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Ok(None) if !live.connection.state().is_receiving() => {
                    shared.written_by_others(core);
                    return Poll::Ready(None);
                }
                Ok(None) => match ready!(read_on(&mut core, cx, shared)) {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.written_by_others(core);
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Err(error) => {
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Err(SocketError::Protocol(error))));
                }
            }
        }
    }

    fn poll_each<F>(&self, cx: &mut Context<'_>, f: &mut F) -> Poll<Option<Result<(), SocketError>>>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let shared = &self.shared;
        let mut core = shared.lock();
        loop {
            if core.ended {
                return Poll::Ready(None);
            }
            if core.is_dry() {
                match ready!(read_on(&mut core, cx, shared)) {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.written_by_others(core);
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            let Some(mut live) = core.lend() else {
                return Poll::Ready(None);
            };
            // Without the lock: `f` may use other handles to this socket.
            drop(core);
            let mut count = 0usize;
            let result = {
                let (connection, read, out) = live.all();
                connection.receive_each(read, out, &shared.config.limits, |lent, replies| {
                    count += 1;
                    f(lent, replies)
                })
            };
            core = shared.lock();
            let receiving = live.connection.state().is_receiving();
            core.give_back(live);
            match result {
                Err(error) => {
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Err(SocketError::Protocol(error))));
                }
                Ok(_) if count > 0 => {
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Ok(())));
                }
                Ok(_) if !receiving => {
                    shared.written_by_others(core);
                    return Poll::Ready(None);
                }
                Ok(_) => match ready!(read_on(&mut core, cx, shared)) {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.written_by_others(core);
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

/// Writes what the last batch has brought, then reads once.
fn read_on(
    core: &mut MutexGuard<'_, Core>,
    cx: &mut Context<'_>,
    shared: &Shared,
) -> Poll<Result<bool, SocketError>> {
    if core.has_work() {
        if !core.driven {
            core.write_now()?;
        } else if shared.polling.load(Ordering::SeqCst) {
            if let Poll::Ready(Err(error)) = core.poll_write(cx) {
                core.end();
                return Poll::Ready(Err(SocketError::Io(error)));
            }
        } else {
            core.wake();
        }
    }
    let read = core.poll_read(cx);
    if read.is_pending() && !shared.polling.load(Ordering::SeqCst) {
        // The end may come from the task that writes.
        match &mut core.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
    match ready!(read) {
        Ok(more) => Poll::Ready(Ok(more)),
        Err(error) => {
            core.end();
            core.wake();
            Poll::Ready(Err(SocketError::Io(error)))
        }
    }
}

impl Drop for WsReceiver {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        core.deaf = true;
        self.shared.written_by_others(core);
    }
}

impl Stream for WsReceiver {
    type Item = Result<Message, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
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
    pub async fn send(&self, message: impl Into<Message>) -> Result<Sent, SocketError> {
        let mut message = Some(message.into());
        poll_fn(|cx| {
            let mut core = self.shared.lock();
            let sent = self.push(&mut core, &mut message)?;
            if sent.is_none() {
                core.wait(cx);
            }
            if core.driven {
                self.shared.written_by_others(core);
            } else {
                // Wakes this task as well, if it waits and everything was written.
                core.write_now()?;
            }
            match sent {
                Some(sent) => Poll::Ready(Ok(sent)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SocketError::Full`] where that would wait.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<Sent, SocketError> {
        let mut message = Some(message.into());
        let mut core = self.shared.lock();
        let sent = self.push(&mut core, &mut message)?;
        self.shared.written_by_others(core);
        sent.ok_or(SocketError::Full)
    }

    /// Queues a message that was framed before, without waiting. It takes its place behind what is framed.
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, message: &Prepared) -> Result<Sent, SocketError> {
        let mut core = self.shared.lock();
        let waiting = core.buffered();
        if waiting > 0 && waiting + message.frame().len() > self.shared.config.queue {
            return Err(SocketError::Full);
        }
        if core.ended || !core.state().is_open() {
            return Err(SocketError::Closed);
        }
        core.prepared(message)?;
        self.shared.written_by_others(core);
        Ok(Sent::Queued)
    }

    fn push(
        &self,
        core: &mut Core,
        message: &mut Option<Message>,
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
            _ => core.push(message, &self.shared.config),
        }
    }

    /// As [`WebSocket::close`](super::WebSocket::close).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close(&self, close: impl Into<Option<CloseFrame>>) -> Result<(), SocketError> {
        let mut core = self.shared.lock();
        close_with(&mut core, close.into())?;
        self.shared.written_by_others(core);
        Ok(())
    }

    /// The octets that wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.shared.lock().buffered()
    }

    /// The messages that were dropped because there was no room for them.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything was written, or nothing can be any more.
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        poll_fn(|cx| {
            let mut core = self.shared.lock();
            if core.ended || core.buffered() == 0 {
                return Poll::Ready(());
            }
            core.wait(cx);
            self.shared.written_by_others(core);
            Poll::Pending
        })
        .await;
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
    if core.ended || !core.state().is_open() {
        return Err(SocketError::Closed);
    }
    core.close(close);
    Ok(())
}
