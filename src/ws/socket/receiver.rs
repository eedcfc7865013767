//! The receiving half of a socket.

use crate::resource::counters::Counter;
use crate::resource::io::FEW;
use crate::ws::connection::{Event, Lent, Replies};
use crate::ws::message::{Fragment, Message, Text};
use crate::ws::socket::backlog::{OVERHEAD, SHARED_SEAT};
use crate::ws::socket::core::{Core, Shared, TURN};
use crate::ws::socket::live::Live;
use crate::ws::socket::{CloseStatus, SocketError};
use futures_core::Stream;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, ready};

/// The receiving half.
///
/// ```
/// use wireline::ws::socket::{WebSocket, WsReceiver};
///
/// async fn echo(socket: WebSocket) {
///     let (sender, mut receiver): (_, WsReceiver) = socket.split();
///     while let Some(message) = receiver.recv_msg().await {
///         if message.is_text() && sender.send(message).await.is_err() {
///             return;
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct WsReceiver {
    shared: Arc<Shared>,
}

impl WsReceiver {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.shared.protocol.as_ref().map(|protocol| &***protocol)
    }

    /// As [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// Cancel safe.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, SocketError>>> {
        poll_fn(|cx| self.poll_message(cx))
    }

    /// As [`WebSocket::recv_msg`](super::WebSocket::recv_msg).
    ///
    /// Cancel safe.
    pub async fn recv_msg(&mut self) -> Option<Message> {
        self.recv().await?.ok()
    }

    /// As [`WebSocket::close_status`](super::WebSocket::close_status).
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.shared.lock().close_status()
    }

    /// Waits for the next part of a message, with `fragments` in the configuration; a message that came
    /// in one piece is one part. Control frames are not given here.
    ///
    /// Cancel safe.
    pub fn recv_fragment(&mut self) -> impl Future<Output = Option<Result<Fragment, SocketError>>> {
        poll_fn(|cx| {
            loop {
                let part = match ready!(self.poll_event(cx)) {
                    None => None,
                    Some(Err(error)) => Some(Err(error)),
                    Some(Ok(Event::Fragment(part))) => {
                        self.shared.lock().backlog.waiting().inside_parts = !part.last;
                        Some(Ok(part))
                    }
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
    }

    /// As [`WebSocket::recv_each`](super::WebSocket::recv_each).
    ///
    /// Cancel safe.
    pub async fn recv_each<F>(&mut self, mut f: F) -> Option<Result<(), SocketError>>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let lent = poll_fn(|cx| self.poll_each(cx, false, &mut f)).await?;
        Some(lent.map(drop))
    }

    /// As [`WebSocket::each`](super::WebSocket::each).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn each<F>(&mut self, mut f: F) -> Result<(), SocketError>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        match poll_fn(|cx| self.poll_each(cx, true, &mut f)).await {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, SocketError>>> {
        loop {
            return Poll::Ready(match ready!(self.poll_event(cx)) {
                None => None,
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(Event::Message(message))) => Some(Ok(message)),
                Some(Ok(Event::Fragment(part))) => match self.put_together(part) {
                    Some(message) => Some(message),
                    None => continue,
                },
            });
        }
    }

    /// For whoever asked for parts but now wants a message. The limit of a message bounds its parts, too.
    fn put_together(&self, part: Fragment) -> Option<Result<Message, SocketError>> {
        let mut core = self.shared.lock();
        let waiting = core.backlog.waiting();
        if waiting.inside_parts {
            waiting.inside_parts = !part.last;
            return part.last.then_some(Err(SocketError::Partial));
        }
        waiting.parts.extend_from_slice(&part.data);
        if !part.last {
            return None;
        }
        let data = std::mem::take(&mut waiting.parts).freeze();
        Some(if part.text {
            Text::try_from(data)
                .map(Message::Text)
                .map_err(SocketError::Protocol)
        } else {
            Ok(Message::Binary(data))
        })
    }

    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, SocketError>>> {
        let shared = &self.shared;
        let mut core = shared.lock();
        if let Some(ahead) = core.backlog.take_ahead() {
            return Poll::Ready(Some(ahead.map_err(SocketError::Protocol)));
        }
        loop {
            if core.ended {
                return Poll::Ready(None);
            }
            if core.yields(cx) {
                core.asked = true;
                return Poll::Pending;
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
                    core.spend(event_len(&event));
                    if let Event::Message(Message::Close(Some(close))) = &event {
                        core.backlog.waiting().received = Some(close.clone());
                    }
                    if core.has_work() {
                        // The answer leaves, should this be the last message that is asked for.
                        shared.written_by_others(core);
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Ok(None) if !live.connection.state().is_receiving() => {
                    shared.written_by_others(core);
                    return Poll::Ready(None);
                }
                Ok(None) => match ready!(read_on(&mut core, cx, shared, None)) {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.written_by_others(core);
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Err(error) => {
                    core.home.count(Counter::WebSocketProtocolErrors);
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Err(SocketError::Protocol(error))));
                }
            }
        }
    }

    /// Lends batch after batch when `on`, else one.
    fn poll_each<F>(
        &self,
        cx: &mut Context<'_>,
        on: bool,
        f: &mut F,
    ) -> Poll<Option<Result<ControlFlow<()>, SocketError>>>
    where
        F: FnMut(Lent<'_>, &mut Replies<'_>) -> ControlFlow<()>,
    {
        let shared = &*self.shared;
        let mut core = shared.lock();
        while let Some(ahead) = core.backlog.take_ahead() {
            let event = match ahead {
                Ok(event) => event,
                Err(error) => return Poll::Ready(Some(Err(SocketError::Protocol(error)))),
            };
            let mut loan = Loan {
                shared,
                live: core.lend(),
                few: &mut [],
                taken: 0,
            };
            drop(core);
            let Some(live) = &mut loan.live else {
                return Poll::Ready(None);
            };
            let (connection, _, out) = live.all();
            let flow = connection.lend_event(event, out, &mut *f);
            core = loan.end();
            if !on || flow.is_break() {
                shared.written_by_others(core);
                return Poll::Ready(Some(Ok(flow)));
            }
        }
        let mut dry = core.is_dry();
        let mut room = [MaybeUninit::uninit(); FEW];
        loop {
            let mut few: &mut [u8] = &mut [];
            if core.ended {
                return Poll::Ready(None);
            }
            if core.yields(cx) {
                core.asked = true;
                return Poll::Pending;
            }
            if dry && let Some(octets) = core.read_few(&mut room) {
                few = octets;
            } else if dry {
                match ready!(read_on(&mut core, cx, shared, Some(shared.config.queue))) {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.written_by_others(core);
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            } else if core.buffered() > shared.config.queue
                && let Err(error) = ready!(give_way(&mut core, cx, shared, shared.config.queue))
            {
                return Poll::Ready(Some(Err(error)));
            }
            let Some(live) = core.lend() else {
                return Poll::Ready(None);
            };
            // Without the lock: `f` may use other handles to this socket.
            drop(core);
            let mut loan = Loan {
                shared,
                live: Some(live),
                few,
                taken: 0,
            };
            let (mut spent, mut flow) = (0usize, ControlFlow::Continue(()));
            let mut received = None;
            let Some(live) = &mut loan.live else {
                return Poll::Ready(None);
            };
            let (connection, read, out) = live.all();
            let lend = |lent: Lent<'_>, replies: &mut Replies<'_>| {
                spent += OVERHEAD + lent_len(&lent);
                if let Lent::Close(Some(close)) = &lent {
                    received = Some(close.clone());
                }
                flow = f(lent, replies);
                if replies.waiting() > shared.config.queue || spent >= TURN {
                    // A few octets may bring many: the rest of the batch waits for the peer to read, or
                    // until others had their turn.
                    return ControlFlow::Break(());
                }
                flow
            };
            let limits = &shared.config.limits;
            let result = if loan.few.is_empty() {
                connection.receive_each(read, out, limits, lend)
            } else {
                connection.receive_small(loan.few, &mut loan.taken, out, limits, lend)
            };
            let all_taken = loan.taken == loan.few.len();
            let receiving = connection.state().is_receiving();
            core = loan.end();
            core.spend(spent / 2);
            if received.is_some() {
                core.backlog.waiting().received = received;
            }
            match result {
                Err(error) => {
                    core.home.count(Counter::WebSocketProtocolErrors);
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Err(SocketError::Protocol(error))));
                }
                Ok(_) if spent > 0 && (!on || flow.is_break()) => {
                    shared.written_by_others(core);
                    return Poll::Ready(Some(Ok(flow)));
                }
                Ok(_) if !receiving => {
                    shared.written_by_others(core);
                    return Poll::Ready(None);
                }
                Ok(all) => dry = all.is_continue() && all_taken,
            }
        }
    }
}

impl Drop for WsReceiver {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        core.deaf = true;
        core.backlog.clear_ahead();
        self.shared.written_by_others(core);
    }
}

impl Stream for WsReceiver {
    type Item = Result<Message, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

/// The protocol while it is lent. It goes back even when the function that it is lent to panics.
struct Loan<'a, 'b> {
    shared: &'a Shared,
    live: Option<Box<Live>>,
    /// What was read and is in no buffer, and how much of it was taken.
    few: &'b mut [u8],
    taken: usize,
}

impl<'a> Loan<'a, '_> {
    #[inline]
    fn end(mut self) -> MutexGuard<'a, Core> {
        let mut core = self.shared.lock();
        self.give_back(&mut core);
        // Nothing is left to drop.
        std::mem::forget(self);
        core
    }

    #[inline]
    fn give_back(&mut self, core: &mut Core) {
        if let Some(live) = self.live.take() {
            core.give_back(live);
            core.keep_rest(self.few.get(self.taken..).unwrap_or_default());
        }
    }
}

impl Drop for Loan<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        self.give_back(&mut core);
    }
}

fn event_len(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.as_bytes().len(),
        Event::Fragment(part) => part.data.len(),
    }
}

#[inline]
fn lent_len(lent: &Lent<'_>) -> usize {
    match lent {
        Lent::Text(text) => text.len(),
        Lent::Binary(octets) | Lent::Ping(octets) | Lent::Pong(octets) => octets.len(),
        Lent::Close(_) => 0,
        Lent::Fragment(part) => part.data.len(),
    }
}

/// Writes what the last batch has brought, then reads once. Whoever is lent to has a bound, see [`give_way`].
#[inline(always)]
#[allow(clippy::inline_always, reason = "measured: 40 instructions a message")]
fn read_on(
    core: &mut MutexGuard<'_, Core>,
    cx: &mut Context<'_>,
    shared: &Shared,
    bound: Option<usize>,
) -> Poll<Result<bool, SocketError>> {
    let all_written =
        if core.has_work() && !(core.driven && shared.turn.is_running() && core.write_at_once()) {
            match ready!(give_way(core, cx, shared, bound.unwrap_or(usize::MAX))) {
                Ok(all_written) => all_written,
                Err(error) => return Poll::Ready(Err(error)),
            }
        } else {
            true
        };
    let read = core.poll_read(cx, bound.is_some());
    if read.is_pending() {
        core.asked = true;
        if !core.home.is_woken_by(cx.waker()) {
            // Even inside the handler: what combines futures wakes each by a waker of its own.
            core.backlog.read(cx);
        } else if all_written && core.is_settled() && shared.turn.is_running() {
            // The usual end of a turn: the task need not look at everything again.
            core.asked = false;
            core.charge();
            shared.turn.settle();
        }
        return Poll::Pending;
    }
    match ready!(read) {
        Ok(more) => Poll::Ready(Ok(more)),
        Err(error) => {
            core.end();
            Poll::Ready(Err(SocketError::Io(error)))
        }
    }
}

/// Writes, or has it done, and waits while more than `bound` is left. Whoever answers as he is lent has no
/// other bound; whoever receives and sends waits where he sends, and would wait for ever if he waited here
/// for a peer that itself sends first. Gives whether nothing is left.
#[inline]
fn give_way(
    core: &mut MutexGuard<'_, Core>,
    cx: &mut Context<'_>,
    shared: &Shared,
    bound: usize,
) -> Poll<Result<bool, SocketError>> {
    if core.driven && shared.turn.is_running() {
        return match core.poll_write(cx, &shared.config) {
            Poll::Ready(Err(error)) => {
                core.fail(&shared.config);
                Poll::Ready(Err(SocketError::Io(error)))
            }
            Poll::Pending if core.buffered() > bound => {
                if !core.home.is_woken_by(cx.waker()) {
                    core.backlog.wait(cx, &mut { SHARED_SEAT });
                }
                core.asked = true;
                Poll::Pending
            }
            written => Poll::Ready(Ok(written.is_ready())),
        };
    }
    if core.driven {
        core.home.wake();
    } else {
        core.write_now(&shared.config)?;
    }
    if core.buffered() > bound {
        core.wait(cx, &mut { SHARED_SEAT });
        core.asked = true;
        return Poll::Pending;
    }
    Poll::Ready(Ok(!core.has_work()))
}
