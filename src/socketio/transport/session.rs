//! The handle of a session, and what waits for its client.

use super::Outgoing;
use super::deflate;
use super::engine_io::Shared;
use super::polling::Polling;
use super::sid::Sid;
use crate::socketio::engine::session::Session as Core;
use crate::socketio::engine::{CloseReason, Transport};
use crate::ws::close::CloseCode;
use crate::ws::socket::{Delivered, WsSender};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// A session of Engine.IO, whatever its transport now; cloning it gives another handle to the same.
///
/// ```
/// use wireline::socketio::engine::{CloseReason, Data};
/// use wireline::socketio::transport::{EngineIo, Outgoing, Session};
///
/// // Says everything twice, and goodbye when it is asked to.
/// let engine = EngineIo::each(Default::default(), |session: &Session, data| match data {
///     Data::Text(text) if &*text == "goodbye" => session.close(CloseReason::ForcedClose),
///     Data::Text(text) => {
///         let message = Outgoing::text(&text);
///         let _ = session.send(&message) && session.send(&message);
///     }
///     Data::Binary(_) => {}
/// });
/// ```
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) sid: Sid,
    pub(super) shared: Arc<Shared>,
    /// The same as the state's, to be read without its lock.
    is_closed: AtomicBool,
    /// Its conversation is to end it.
    is_put_out: AtomicBool,
    /// It is to be looked at earlier than its timer says.
    is_due_earlier: AtomicBool,
    /// Its own task has its turn: what is sent now is written at its end, all at once.
    has_turn: AtomicBool,
    state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    pub(super) core: Core,
    /// The WebSocket, once that is the transport.
    pub(super) sender: Option<WsSender>,
    /// Whether that takes messages that were compressed by themselves.
    is_deflated: bool,
    /// Absent while nothing waits.
    pub(super) queue: Option<Box<Queue>>,
    /// The task that has the conversation.
    waker: Option<Waker>,
    /// Absent in a session that never polled.
    pub(super) polling: Option<Box<Polling>>,
}

#[derive(Default)]
pub(super) struct Queue {
    messages: VecDeque<Outgoing>,
    octets: usize,
    /// What may wait besides: it came in one go, and its client could not have taken any of it. Until nothing waits.
    extra: Extra,
}

#[derive(Clone, Copy, Default)]
struct Extra {
    messages: usize,
    octets: usize,
}

impl Session {
    pub(super) fn new(
        sid: Sid,
        shared: Arc<Shared>,
        core: Core,
        polling: Option<Box<Polling>>,
    ) -> Self {
        Self(Arc::new(Inner {
            sid,
            shared,
            is_closed: AtomicBool::new(false),
            is_put_out: AtomicBool::new(false),
            is_due_earlier: AtomicBool::new(false),
            has_turn: AtomicBool::new(false),
            state: Mutex::new(State {
                core,
                sender: None,
                is_deflated: false,
                queue: None,
                waker: None,
                polling,
            }),
        }))
    }

    /// What names it: 128 random bits as 22 characters of base64url. Whoever knows it can send in its client's name.
    pub fn id(&self) -> &str {
        self.0.sid.as_str()
    }

    /// Sends a message, in order: at once when nothing waits, and as soon as the client takes it otherwise. `false` once the session
    /// has ended.
    ///
    /// When more would wait than may, the session is closed with [`CloseReason::TooSlow`].
    pub fn send(&self, message: &Outgoing) -> bool {
        let mut state = self.lock();
        let is_sent = self.push(&mut state, message);
        self.settle(state);
        is_sent
    }

    /// Sends a message that was kept for a client which was away: as [`send`](Self::send), but it may wait beside all others.
    pub(in crate::socketio) fn send_missed(&self, message: &Outgoing) {
        let mut state = self.lock();
        self.push_within(&mut state, message, Bound::None);
        self.settle(state);
    }

    /// Sends a message if it can be written at once, and drops it otherwise; `false` when it was dropped.
    ///
    /// Over a WebSocket that is when its client has taken what was sent before, as far as that can be seen from here. A client that polls
    /// has to have a poll that waits, and nothing may wait for it: from the probe of a WebSocket until that is the transport no poll
    /// does.
    pub fn send_volatile(&self, message: &Outgoing) -> bool {
        let mut state = self.lock();
        if state.core.closed().is_some() || state.queue.is_some() {
            return false;
        }
        if let Some(sender) = &state.sender {
            let frames = state.frames(message, &self.0.shared);
            let delivered = match sender.deliver(frames, 1) {
                // What its task was about to write is written first.
                Delivered::Full => sender.deliver_later(frames, 1),
                delivered => delivered,
            };
            return delivered == Delivered::Taken;
        }
        let is_sent = state.core.is_polled() && self.push(&mut state, message);
        self.settle(state);
        is_sent
    }

    /// Sends messages that came in a run, whose frames these are in one piece.
    pub fn deliver(&self, run: &Bytes, messages: &mut dyn Iterator<Item = &Outgoing>) {
        let mut state = self.lock();
        if state.core.closed().is_some() {
            return;
        }
        if state.queue.is_none()
            && let Some(sender) = &state.sender
        {
            // A short run has nothing in it that would be compressed.
            if state.is_deflated && run.len() > self.0.shared.config().compress_from {
                return self.deliver_each(state, messages);
            }
            if self.write(sender, run) != Delivered::Full {
                return;
            }
        }
        for message in messages {
            self.enqueue(&mut state, message, Bound::Queue);
        }
        self.settle(state);
    }

    /// The same for a WebSocket that takes messages compressed, where they are not in one piece.
    fn deliver_each(
        &self,
        mut state: MutexGuard<'_, State>,
        messages: &mut dyn Iterator<Item = &Outgoing>,
    ) {
        for message in messages {
            self.push(&mut state, message);
        }
        self.settle(state);
    }

    /// Ends the session. What was sent before still goes to the client, as far as it takes it soon.
    pub fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.core.close(reason);
        self.settle(state);
    }

    /// Asks its conversation to end it: whoever has more to say to its client than this knows does so first.
    pub(in crate::socketio) fn put_out(&self) {
        self.0.is_put_out.store(true, Ordering::Release);
    }

    /// Whether its conversation is to end it.
    pub(in crate::socketio) fn is_put_out(&self) -> bool {
        self.0.is_put_out.load(Ordering::Acquire)
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }

    /// Its transport now.
    pub fn transport(&self) -> Transport {
        self.lock().core.transport()
    }

    /// Whether what is sent now is written at once: nothing waits, and who polls has a poll that does.
    pub fn is_writable(&self) -> bool {
        let state = self.lock();
        if state.core.closed().is_some() || state.queue.is_some() {
            return false;
        }
        match &state.sender {
            Some(sender) => sender.buffered_amount() == 0,
            None => state.core.is_polled(),
        }
    }

    /// How many octets wait for the client, those in the socket among them.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        let queued = state.queue.as_ref().map_or(0, |queue| queue.octets);
        queued + state.sender.as_ref().map_or(0, WsSender::buffered_amount)
    }

    /// Has its conversation polled.
    pub fn wake(&self) {
        Self::wake_task(self.lock());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Its task has its turn from now on, or no longer.
    pub(super) fn set_turn(&self, on: bool) {
        self.0.has_turn.store(on, Ordering::Relaxed);
    }

    /// Whether it is to be looked at earlier than its timer says, since this was asked last.
    pub(super) fn takes_due_earlier(&self) -> bool {
        let is_due_earlier = &self.0.is_due_earlier;
        is_due_earlier.load(Ordering::Relaxed) && is_due_earlier.swap(false, Ordering::Relaxed)
    }

    /// Packets have come, where it was due so late before: an answer to a ping has the next one come before it would have been missed.
    /// Whether that is so.
    pub(super) fn is_due_earlier(&self, state: &State, before: Option<u64>) -> bool {
        let is_earlier = state.core.poll_timeout() < before;
        if is_earlier {
            self.0.is_due_earlier.store(true, Ordering::Relaxed);
        }
        is_earlier
    }

    /// Why it has ended, if it has.
    pub(super) fn closed(&self) -> Option<CloseReason> {
        self.lock().core.closed()
    }

    /// Has the task of the context woken for what there is to do; `true` when that was another before, or none.
    pub(super) fn listen(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_other = !(state.waker.as_ref()).is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_other {
            state.waker = Some(cx.waker().clone());
        }
        is_other
    }

    pub(super) fn push(&self, state: &mut State, message: &Outgoing) -> bool {
        self.push_within(state, message, Bound::Queue)
    }

    fn push_within(&self, state: &mut State, message: &Outgoing, bound: Bound) -> bool {
        if state.core.closed().is_some() {
            return false;
        }
        if state.queue.is_none()
            && let Some(sender) = &state.sender
        {
            match self.write(sender, state.frames(message, &self.0.shared)) {
                Delivered::Taken => return true,
                Delivered::Closed => return false,
                Delivered::Full => {}
            }
        }
        self.enqueue(state, message, bound)
    }

    fn write(&self, sender: &WsSender, frames: &Bytes) -> Delivered {
        if self.0.has_turn.load(Ordering::Relaxed) {
            sender.deliver_later(frames, FRAMED)
        } else {
            sender.deliver(frames, FRAMED)
        }
    }

    fn enqueue(&self, state: &mut State, message: &Outgoing, bound: Bound) -> bool {
        if state.core.closed().is_some() {
            return false;
        }
        let config = self.0.shared.config();
        let queue = state.queue.get_or_insert_default();
        let octets = queue.octets.saturating_add(message.octets());
        let messages = queue.messages.len() + 1;
        // One that is larger than all that may wait waits alone.
        let is_over = (messages > 1 && octets > config.queue.saturating_add(queue.extra.octets))
            || messages > config.queue_messages.saturating_add(queue.extra.messages);
        if is_over {
            // Within a turn of its task a client does not get to take much.
            let is_granted = match bound {
                Bound::None => true,
                Bound::Queue => {
                    self.0.has_turn.load(Ordering::Relaxed)
                        && octets <= config.queue.saturating_mul(TURN)
                        && messages <= config.queue_messages.saturating_mul(TURN)
                }
            };
            if !is_granted {
                state.core.close(CloseReason::TooSlow);
                return false;
            }
            queue.extra = Extra { messages, octets };
        }
        queue.octets = octets;
        queue.messages.push_back(message.clone());
        true
    }

    /// Whoever has changed something lets go of it here: what its end brings is done, and whoever has something to do now is woken.
    pub(super) fn settle(&self, mut state: MutexGuard<'_, State>) {
        if let Some(reason) = state.core.closed()
            && !self.0.is_closed.swap(true, Ordering::AcqRel)
        {
            self.ended(&mut state, reason);
        }
        Self::wake_up(state);
    }

    fn ended(&self, state: &mut State, reason: CloseReason) {
        self.0.shared.counters().closed(reason);
        let is_orderly = reason.is_orderly();
        if !is_orderly {
            state.queue = None;
        }
        if let Some(sender) = &state.sender
            && state.queue.is_none()
        {
            // What waits in the socket goes before it.
            let _ = sender.close(code(reason));
        }
        let is_polled = state.core.is_polled();
        if let Some(polling) = &mut state.polling {
            polling.inbox.clear();
            let is_told = is_polled && state.queue.is_none();
            polling.lingers = is_orderly && state.sender.is_none() && !is_told;
            if polling.lingers {
                // Its next polls are told, or the WebSocket that it is about to have.
                return;
            }
            state.core.give_up_upgrade();
        }
        self.0.shared.forget(&self.0.sid);
    }

    /// Gives what waits to the WebSocket, as far as there is room, and has the task of the context woken for the rest.
    pub(super) fn flush(&self, cx: &Context<'_>) {
        let mut state = self.lock();
        let give = |sender: &WsSender, frames: &Bytes| sender.queue_frames(frames, FRAMED, cx);
        if !state.give_waiting(&self.0.shared, give) {
            return;
        }
        if let Some(reason) = state.core.closed()
            && let Some(sender) = &state.sender
        {
            let _ = sender.close(code(reason));
        }
    }

    /// Whether nothing waits outside of the socket.
    pub(super) fn is_flushed(&self) -> bool {
        self.lock().queue.is_none()
    }

    /// Wakes whoever has something to do: its task, a poll, a POST, a WebSocket that waits.
    pub(super) fn wake_up(mut state: MutexGuard<'_, State>) {
        let is_closed = state.core.closed().is_some();
        let has_waiting = state.queue.is_some();
        if !is_closed && !has_waiting && state.polling.is_none() {
            return;
        }
        let is_for_task = is_closed || (has_waiting && state.sender.is_some());
        let task = state.waker.clone().filter(|_| is_for_task);
        let is_for_poll = is_closed || has_waiting || state.core.is_upgrading();
        let (mut poll, mut post, mut upgrade) = (None, None, None);
        if let Some(polling) = &mut state.polling {
            if is_for_poll {
                poll = polling.poll.take();
            }
            if is_closed {
                (post, upgrade) = (polling.post.take(), polling.upgrade.take());
            }
        }
        drop(state);
        let all = [task, poll, post, upgrade];
        all.into_iter().flatten().for_each(Waker::wake);
    }

    /// Its task has something to do.
    pub(super) fn wake_task(state: MutexGuard<'_, State>) {
        let task = state.waker.clone();
        drop(state);
        if let Some(waker) = task {
            waker.wake();
        }
    }
}

impl State {
    /// Messages go to this WebSocket from now on.
    pub(super) fn set_sender(&mut self, sender: WsSender) {
        self.is_deflated = sender.takes_deflated(deflate::WINDOW);
        self.sender = Some(sender);
    }

    /// Gives what waits to the WebSocket, as far as that takes it; `false` when nothing did, or something still does.
    pub(super) fn give_waiting(
        &mut self,
        shared: &Shared,
        give: impl Fn(&WsSender, &Bytes) -> Delivered,
    ) -> bool {
        let Some(sender) = &self.sender else {
            return false;
        };
        let Some(mut queue) = self.queue.take() else {
            return false;
        };
        while let Some(message) = queue.front() {
            match give(sender, self.frames(message, shared)) {
                Delivered::Taken => drop(queue.pop()),
                Delivered::Full => {
                    self.queue = Some(queue);
                    return false;
                }
                Delivered::Closed => break,
            }
        }
        true
    }

    /// A message as its WebSocket takes it.
    fn frames<'a>(&self, message: &'a Outgoing, shared: &Shared) -> &'a Bytes {
        match &shared.deflate {
            Some(config) if self.is_deflated => message.deflated(config),
            _ => message.frames(),
        }
    }
}

impl Queue {
    pub(super) fn front(&self) -> Option<&Outgoing> {
        self.messages.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let message = self.messages.pop_front()?;
        self.octets = self.octets.saturating_sub(message.octets());
        Some(message)
    }
}

/// What a WebSocket says when its session ends.
const fn code(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::ServerShuttingDown => CloseCode::AWAY,
        CloseReason::PayloadTooLarge => CloseCode::TOO_BIG,
        CloseReason::TooSlow => CloseCode::TRY_AGAIN,
        CloseReason::ParseError => CloseCode::PROTOCOL,
        _ => CloseCode::NORMAL,
    }
}

impl fmt::Debug for Session {
    /// Not its id: whoever knows that can use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Beyond what a message may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Queue,
    None,
}

/// How many times as much may wait of what a session's task says in its own turn.
const TURN: usize = 4;

/// Beyond this many octets that wait in a WebSocket, messages wait here, where they are counted.
pub(super) const FRAMED: usize = 64 << 10;
