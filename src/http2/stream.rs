//! A stream that waits for something, polled when that may have come.

use crate::http2::content::Taken;
use crate::http2::download::Sent;
use crate::http2::exchange::{Exchange, State, Turn};
use crate::http2::streams::StreamHandle;
use crate::resource::counters::Counter;
use crate::resource::panic::guarded;
use crate::resource::worker::ticks;
use crate::service::body::BodyError;
use h2::Reason;
use std::task::{Context, Poll};

/// An exchange and its state.
pub(super) struct Stream {
    pub(super) handle: StreamHandle,
    /// What the connection is charged for it.
    pub(super) charged: usize,
    /// What of it is a response's content.
    pub(super) pulled: usize,
    /// Whether it was counted among those with a deadline.
    pub(super) is_timed: bool,
    /// Whether it was counted among the tunnels.
    pub(super) is_counted: bool,
    /// The tick in which something moved last.
    moved: u32,
    exchange: Exchange,
    state: State,
}

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Its waker.
    Wake,
    /// Its waker, or that others have less to send.
    Others,
    /// Room for what it sends.
    Room,
}

impl Stream {
    pub(super) fn new(handle: StreamHandle, exchange: Exchange, state: State, now: u32) -> Self {
        Self {
            handle,
            charged: 0,
            pulled: 0,
            is_timed: false,
            is_counted: false,
            moved: now,
            exchange,
            state,
        }
    }

    /// Goes on until it has to wait; `None` when it has ended.
    pub(super) fn poll(&mut self, turn: &Turn<'_>) -> Option<Waits> {
        let waker = self.handle.waker();
        let cx = &mut Context::from_waker(&waker);
        self.handle.begin();
        let mut moved = self.moved;
        loop {
            // Whatever goes round has moved.
            self.moved = std::mem::replace(&mut moved, turn.now());
            let exchange = &mut self.exchange;
            self.state = match &mut self.state {
                State::Gathering(gather) => match exchange.upload.poll_gather(cx, gather, turn) {
                    Poll::Pending => return Some(Waits::Wake),
                    Poll::Ready(Taken::Whole(request)) => exchange.call(cx, request, turn),
                    Poll::Ready(Taken::TooLarge(request)) => {
                        exchange.refuse_content(cx, request, turn)
                    }
                    Poll::Ready(_) => {
                        turn.count(Counter::IncompleteRequests);
                        State::Done
                    }
                },
                State::Handling(handler) => {
                    if exchange.is_reset(cx) {
                        self.cancel(turn);
                        continue;
                    }
                    match guarded(|| handler.as_mut().poll(cx)) {
                        Ok(Poll::Ready(response)) => {
                            let State::Handling(finished) =
                                std::mem::replace(&mut self.state, State::Done)
                            else {
                                continue;
                            };
                            // A value that the future captured may panic when it is dropped.
                            if let Err(payload) = guarded(|| drop(finished)) {
                                turn.link.count_panic(payload);
                            }
                            if response.body().as_bytes().is_some() {
                                exchange.upload.release();
                            }
                            exchange.answer_with(response, turn)
                        }
                        Ok(Poll::Pending) => {
                            if exchange.upload.pump(cx, &mut exchange.respond, turn) {
                                continue;
                            }
                            return Some(Waits::Wake);
                        }
                        Err(payload) => {
                            let State::Handling(panicked) =
                                std::mem::replace(&mut self.state, State::Done)
                            else {
                                continue;
                            };
                            let _ = guarded(|| drop(panicked));
                            exchange.panicked(payload, turn)
                        }
                    }
                }
                State::Sending(download) => {
                    let before = turn.sent.get();
                    let sent = download.poll(cx, turn);
                    if turn.sent.get() > before {
                        self.moved = turn.now();
                    }
                    match sent {
                        Sent::Ended => State::Done,
                        Sent::Cancelled => {
                            self.cancel(turn);
                            continue;
                        }
                        Sent::Body => {
                            // It may be made from the request's content as that comes.
                            if exchange.upload.pump(cx, &mut exchange.respond, turn) {
                                continue;
                            }
                            return Some(Waits::Wake);
                        }
                        Sent::Window => return Some(Waits::Wake),
                        Sent::Behind => return Some(Waits::Others),
                        Sent::Full => return Some(Waits::Room),
                    }
                }
                State::Tunnel(tunneled) => {
                    turn.settle();
                    let polled = tunneled.poll(cx, turn.link);
                    turn.settle();
                    if polled.is_pending() {
                        return Some(Waits::Wake);
                    }
                    if let Some(rest) = tunneled.take_rest() {
                        exchange.upload.set_source(rest);
                    }
                    State::Done
                }
                State::Parting(until) => {
                    if turn.now() >= *until || exchange.upload.poll_thrown_away(cx).is_ready() {
                        return None;
                    }
                    return Some(Waits::Wake);
                }
                // The end of a stream's handles is a reset with NO_ERROR. One that comes along with the last of
                // the answer makes clients forget the answer (curl 7.88 does), so it waits.
                State::Done if turn.is_roomy && exchange.upload.has_rest() => {
                    exchange.tell_end();
                    State::Parting(turn.now() + PARTING)
                }
                State::Done => return None,
            };
        }
    }

    /// Looks at the deadlines. Whether it has to be polled.
    pub(super) fn meet_deadlines(&mut self, turn: &Turn<'_>) -> bool {
        let config = &turn.link.shared.config;
        let now = turn.now();
        if let State::Parting(until) = self.state {
            return now >= until;
        }
        if let State::Sending(download) = &mut self.state
            && download.is_overdue(now, config)
        {
            turn.count(Counter::WriteTimeouts);
            download.reset(Reason::CANCEL);
            self.state = State::Done;
            return true;
        }
        if let Some(limit) = config.http2.stream_idle_timeout
            && now >= self.idle_from().saturating_add(ticks(limit))
        {
            turn.count(Counter::Http2StreamIdleTimeouts);
            self.exchange.respond.send_reset(Reason::CANCEL);
            self.drop_state(turn);
            return true;
        }
        if self.exchange.upload.is_overdue(now, config) {
            turn.count(Counter::BodyTimeouts);
            self.exchange.upload.cut(BodyError::Timeout);
            if let State::Gathering(gather) = &mut self.state {
                let request = gather.take();
                let waker = self.handle.waker();
                let cx = &mut Context::from_waker(&waker);
                self.state = self.exchange.refuse_late(cx, request, turn);
            }
            return true;
        }
        self.exchange.upload.is_paused()
    }

    /// The tick from which on nothing has moved; the largest there is when others look after that.
    pub(super) const fn idle_from(&self) -> u32 {
        match self.state {
            State::Handling(_) | State::Sending(_) => self.moved,
            State::Gathering(_) | State::Tunnel(_) | State::Parting(_) | State::Done => u32::MAX,
        }
    }

    /// Whether others read what comes on it.
    pub(super) const fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel(_))
    }

    /// Whether it waits for its client.
    pub(super) const fn has_deadline(&self) -> bool {
        matches!(self.state, State::Sending(_) | State::Parting(_))
            || self.exchange.upload.has_deadline()
    }

    /// The octets that it keeps while it waits.
    pub(super) fn held(&mut self) -> usize {
        OVERHEAD
            + self.exchange.upload.held()
            + match &self.state {
                State::Gathering(gather) => gather.held(),
                State::Sending(download) => download.held(),
                State::Tunnel(tunneled) => tunneled.held(),
                _ => 0,
            }
    }

    /// The octets of its response that wait for a window.
    pub(super) const fn pulled(&self) -> usize {
        match &self.state {
            State::Sending(download) => download.held(),
            _ => 0,
        }
    }

    /// The client is not there any more, or does not want the answer.
    pub(super) fn cancel(&mut self, turn: &Turn<'_>) {
        if matches!(self.state, State::Handling(_) | State::Sending(_)) {
            turn.count(Counter::HandlersCancelled);
        }
        self.drop_state(turn);
    }

    fn drop_state(&mut self, turn: &Turn<'_>) {
        self.exchange.upload.cut(BodyError::Incomplete);
        let cancelled = std::mem::replace(&mut self.state, State::Done);
        if let Err(payload) = guarded(|| drop(cancelled)) {
            turn.link.count_panic(payload);
        }
    }
}

/// What a stream costs beside its content: its state here and in h2, and its head.
const OVERHEAD: usize = 2048;

/// How long a client that was answered early has to end its half, in ticks: a quarter of a second at least. Deadlines are looked at
/// once a second.
const PARTING: u32 = 2;
