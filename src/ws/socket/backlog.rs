//! What waits in a socket and is not framed yet, who waits for it to leave, and what else most sockets never have:
//! they hold a pointer.

use crate::wire::out::{SHARED_FROM, Shares};
use crate::ws::close::CloseFrame;
use crate::ws::connection::Event;
use crate::ws::error::Error;
use crate::ws::message::{Message, is_short};
use crate::ws::prepared::Prepared;
use crate::ws::socket::core::Shared;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// Messages, a Close and wakers that wait.
#[derive(Debug, Default)]
pub(super) struct Backlog(Option<Box<Waiting>>);

/// Kept apart, so that a socket with nothing to do is small.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: VecDeque<Queued>,
    octets: usize,
    dropped: u64,
    /// Whom to wake when something was written.
    writers: Vec<(u32, Waker)>,
    /// Whom to wake when a message in parts has ended, or a drain begins: a write changes nothing for them.
    parked: Vec<(u32, Waker)>,
    /// The seats that were given out.
    seats: u32,
    /// Whoever waits for a message in another task than the one that writes.
    reader: Option<Waker>,
    /// A Close is to be sent once the lent batch is back, or the message in parts has ended.
    close: Option<Option<CloseFrame>>,
    /// How the message in parts ends once the lent batch is back.
    pub(super) end: Option<End>,
    /// What was received while the handler did something else, and what it counts.
    ahead: VecDeque<Result<Event, Error>>,
    ahead_octets: usize,
    /// Nothing more of a message is read until others have let go of what they hold.
    pub(super) paused: bool,
    /// The end has come before everything that was queued had been written.
    pub(super) lost: bool,
    /// What the peer's Close said.
    pub(super) received: Option<CloseFrame>,
    /// The message that is put together of its parts.
    pub(super) parts: BytesMut,
    /// Whether a part was handed on and the last one was not.
    pub(super) inside_parts: bool,
}

impl Backlog {
    /// Whether no message waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|waiting| waiting.messages.is_empty())
    }

    /// Whether there is nothing here, and never was.
    #[inline]
    pub(super) fn is_unused(&self) -> bool {
        self.0.is_none()
    }

    /// What the messages that wait count.
    #[inline]
    pub(super) fn octets(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.octets)
    }

    /// The messages that were dropped for want of room.
    pub(super) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |waiting| waiting.dropped)
    }

    pub(super) fn push(&mut self, message: Queued) {
        let message = match message {
            Queued::Message(message) => Queued::Message(message.detached()),
            prepared => prepared,
        };
        let waiting = self.waiting();
        waiting.octets += message.weight();
        waiting.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let message = waiting.messages.pop_front()?;
        waiting.octets -= message.weight();
        Some(message)
    }

    /// The oldest that is no control frame.
    pub(super) fn pop_data(&mut self) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let place = waiting.messages.iter().position(Queued::is_data)?;
        let message = waiting.messages.remove(place)?;
        waiting.octets -= message.weight();
        Some(message)
    }

    pub(super) fn count_dropped(&mut self) {
        self.waiting().dropped += 1;
    }

    /// Forgets the messages.
    pub(super) fn clear(&mut self) {
        if let Some(waiting) = &mut self.0 {
            waiting.messages = VecDeque::new();
            waiting.octets = 0;
        }
    }

    /// A Close is to be sent once the lent batch is back, or the message in parts has ended; the first one
    /// that was asked for.
    pub(super) fn close_after(&mut self, close: Option<CloseFrame>) {
        self.waiting().close.get_or_insert(close);
    }

    /// Whether a Close waits for that.
    #[inline]
    pub(super) fn closes(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|waiting| waiting.close.is_some())
    }

    #[inline]
    pub(super) fn take_close(&mut self) -> Option<Option<CloseFrame>> {
        self.0.as_mut()?.close.take()
    }

    /// How the message in parts ends, if it could not end while a batch was lent.
    pub(super) fn take_end(&mut self) -> Option<End> {
        self.0.as_mut()?.end.take()
    }

    /// Waits until something was written.
    pub(super) fn wait(&mut self, cx: &Context<'_>, seat: &mut u32) {
        let waiting = self.waiting();
        sit(&mut waiting.writers, &mut waiting.seats, cx, seat);
    }

    /// Wakes who waits until something was written.
    #[inline]
    pub(super) fn wake(&mut self) {
        if let Some(waiting) = &mut self.0 {
            wake_all(&mut waiting.writers);
        }
    }

    /// Waits until a message in parts has ended, or a drain begins.
    pub(super) fn park(&mut self, cx: &Context<'_>, seat: &mut u32) {
        let waiting = self.waiting();
        sit(&mut waiting.parked, &mut waiting.seats, cx, seat);
    }

    /// Whoever had the seat waits no longer.
    fn leave(&mut self, seat: u32) {
        if let Some(waiting) = &mut self.0 {
            waiting.writers.retain(|(taken, _)| *taken != seat);
            waiting.parked.retain(|(taken, _)| *taken != seat);
        }
    }

    /// Whether somebody waits until something was written.
    #[inline]
    pub(super) fn has_writers(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|waiting| !waiting.writers.is_empty())
    }

    /// Wakes who is parked.
    pub(super) fn wake_parked(&mut self) {
        if let Some(waiting) = &mut self.0 {
            wake_all(&mut waiting.parked);
        }
    }

    /// Waits for a message in another task than the one that writes: the end may come from there.
    pub(super) fn read(&mut self, cx: &Context<'_>) {
        match &mut self.waiting().reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// What was received ahead counts so much.
    pub(super) fn ahead_octets(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.ahead_octets)
    }

    /// Keeps what was received ahead.
    pub(super) fn push_ahead(&mut self, event: Result<Event, Error>) {
        let event = event.map(detached);
        let waiting = self.waiting();
        waiting.ahead_octets += ahead_weight(&event);
        waiting.ahead.push_back(event);
    }

    /// The oldest that was received ahead.
    #[inline]
    pub(super) fn take_ahead(&mut self) -> Option<Result<Event, Error>> {
        let waiting = self.0.as_mut()?;
        let event = waiting.ahead.pop_front()?;
        waiting.ahead_octets -= ahead_weight(&event);
        Some(event)
    }

    /// Forgets what was received ahead.
    pub(super) fn clear_ahead(&mut self) {
        if let Some(waiting) = &mut self.0 {
            waiting.ahead = VecDeque::new();
            waiting.ahead_octets = 0;
        }
    }

    /// Counts the octets that are held here, for the byte budget.
    pub(super) fn count(&self, shares: &mut Shares) {
        let Some(waiting) = &self.0 else {
            return;
        };
        shares.octets += waiting.ahead_octets + waiting.parts.capacity();
        if waiting.messages.len() > waiting.octets / SHARED_FROM {
            // Small ones, of which there may be thousands.
            shares.octets += waiting.octets;
            return;
        }
        for message in &waiting.messages {
            shares.octets += OVERHEAD;
            if let Some(octets) = message.shared() {
                shares.add(octets, 0);
            }
        }
    }

    /// Whether reading was paused, which is over.
    pub(super) fn take_paused(&mut self) -> bool {
        self.0
            .as_mut()
            .is_some_and(|waiting| std::mem::take(&mut waiting.paused))
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&mut self) {
        self.wake();
        self.wake_parked();
        self.wake_reader();
    }

    /// Wakes whoever waits for a message in another task.
    pub(super) fn wake_reader(&mut self) {
        let reader = self.0.as_mut().and_then(|waiting| waiting.reader.take());
        reader.into_iter().for_each(Waker::wake);
    }

    /// Whether the end has come before everything that was queued had been written.
    pub(super) fn lost(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.lost)
    }

    /// What the peer's Close said.
    pub(super) fn received(&self) -> Option<&CloseFrame> {
        self.0.as_ref()?.received.as_ref()
    }

    /// Makes what most sockets never have.
    pub(super) fn waiting(&mut self) -> &mut Waiting {
        self.0.get_or_insert_default()
    }
}

/// How a message in parts ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Whole {
        text: bool,
    },
    /// Nobody has it any more.
    Broken,
}

/// A message that waits.
#[derive(Debug)]
pub(super) enum Queued {
    Message(Message),
    /// Framed already, for others as well.
    Prepared(Prepared),
}

impl Queued {
    /// What it counts while it waits.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Message(message) => weight(message),
            Self::Prepared(message) => message.frame().len() + OVERHEAD,
        }
    }

    fn is_data(&self) -> bool {
        match self {
            Self::Message(message) => matches!(message, Message::Text(_) | Message::Binary(_)),
            Self::Prepared(_) => true,
        }
    }

    /// What it keeps allocated, unless that is next to nothing.
    fn shared(&self) -> Option<&Bytes> {
        match self {
            Self::Message(message) => message.shared(),
            Self::Prepared(message) => Some(message.shared()),
        }
    }
}

/// The place of a future among those who wait; it is free again when the future is gone.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    pub(super) shared: &'a Shared,
    /// 0 until the future has to wait.
    pub(super) number: u32,
}

impl<'a> Seat<'a> {
    pub(super) const fn new(shared: &'a Shared) -> Self {
        Self { shared, number: 0 }
    }
}

impl Drop for Seat<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.number != 0 {
            self.shared.lock().backlog.leave(self.number);
        }
    }
}

/// Waits in `seat`, which is given out when it is 0.
fn sit(wakers: &mut Vec<(u32, Waker)>, seats: &mut u32, cx: &Context<'_>, seat: &mut u32) {
    if *seat == 0 {
        // Comes round only when four thousand million futures of one socket had to wait.
        *seats = seats.wrapping_add(1).max(SHARED_SEAT + 1);
        *seat = *seats;
    }
    let number = *seat;
    let same = |(taken, waker): &&mut (u32, Waker)| {
        *taken == number && (number != SHARED_SEAT || waker.will_wake(cx.waker()))
    };
    match wakers.iter_mut().find(same) {
        Some((_, waker)) => waker.clone_from(cx.waker()),
        None => wakers.push((number, cx.waker().clone())),
    }
}

/// The seat of those who are polled by functions and have no future to give it back.
pub(super) const SHARED_SEAT: u32 = 1;

fn wake_all(wakers: &mut Vec<(u32, Waker)>) {
    if !wakers.is_empty() {
        for (_, waker) in std::mem::take(wakers) {
            waker.wake();
        }
    }
}

/// An event as it may wait, see [`Message::detached`].
fn detached(event: Event) -> Event {
    match event {
        Event::Message(message) => Event::Message(message.detached()),
        Event::Fragment(mut part) => {
            if is_short(&part.data) {
                part.data = Bytes::copy_from_slice(&part.data);
            }
            Event::Fragment(part)
        }
    }
}

fn ahead_weight(event: &Result<Event, Error>) -> usize {
    OVERHEAD
        + match event {
            Ok(Event::Message(message)) => message.as_bytes().len(),
            Ok(Event::Fragment(part)) => part.data.len(),
            Err(_) => 0,
        }
}

/// What a message counts while it waits.
pub(super) fn weight(message: &Message) -> usize {
    message.as_bytes().len() + OVERHEAD
}

/// What a message costs beside its payload.
pub(super) const OVERHEAD: usize = 64;
