//! One connection's place in a relay.

use super::Relay;
use super::mailbox::{Command, Mailbox, Rare};
use super::overflow::{Item, NO_SUBSCRIPTION, Overflow, Waiting};
use crate::relay::hub::{Delivery, Group, Member, Recovered, Resume, Subscription, Topic};
use crate::ws::close::{CloseCode, CloseFrame, IntoCloseFrame};
use crate::ws::message::Message;
use crate::ws::prepared::Prepared;
use crate::ws::socket::{Delivered, WebSocket, WsSender};
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// What a socket may have waiting, and what it is told; one for many sockets.
pub struct Terms {
    /// How many messages of a subscription may wait: 128 unless said otherwise.
    pub capacity: usize,
    /// What becomes of messages above `capacity`: the oldest is dropped unless said otherwise.
    pub overflow: Overflow,
    /// What all messages that wait may count, each with 64 octets besides its own: 1 MiB unless said otherwise.
    pub octets: usize,
    /// What becomes of messages above `octets`: the socket is closed unless said otherwise.
    pub octets_overflow: Overflow,
    /// Makes the message that says how many of the subscription with this key are missing; nothing is sent unless this
    /// is set.
    pub missed: Option<Box<Missed>>,
}

/// See [`Terms::missed`].
pub type Missed = dyn Fn(u32, u64) -> Prepared + Send + Sync;

impl Default for Terms {
    fn default() -> Self {
        Self {
            capacity: 128,
            overflow: Overflow::DropOldest,
            octets: 1 << 20,
            octets_overflow: Overflow::Close,
            missed: None,
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .field("octets", &self.octets)
            .field("octets_overflow", &self.octets_overflow)
            .finish_non_exhaustive()
    }
}

/// One connection's place in a relay: what is published to its subscriptions is written to its socket by whoever delivers;
/// what that does not take at once waits here, and [`serve`](Self::serve) sends it.
pub struct Outlet {
    id: u64,
    relay: Relay,
    group: Arc<Group<Prepared>>,
    /// Absent for a reader that is no socket: everything waits for it here.
    sender: Option<WsSender>,
    terms: Arc<Terms>,
    mailbox: Mutex<Mailbox>,
}

/// What is missing of a subscription where this stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Missed(u64),
    Skipped(u64),
}

/// Marks the key of a subscription whose client counts what it gets.
pub(super) const COUNTS: u32 = 1 << 31;

impl Relay {
    /// A place for this socket. Must be called inside the task that serves it.
    pub fn outlet(&self, socket: &WebSocket, terms: Arc<Terms>) -> Arc<Outlet> {
        self.line(Some(socket.sender()), terms)
    }

    /// A place for a socket, or for a reader that is none.
    pub(super) fn line(&self, sender: Option<WsSender>, terms: Arc<Terms>) -> Arc<Outlet> {
        Arc::new(Outlet {
            id: self.next_id(),
            group: self.inner.groups.here(),
            relay: self.clone(),
            sender,
            terms,
            mailbox: Mutex::default(),
        })
    }
}

impl Outlet {
    /// Tells it from all others of the relay.
    pub const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn relay(&self) -> &Relay {
        &self.relay
    }

    pub(super) const fn group(&self) -> &Arc<Group<Prepared>> {
        &self.group
    }

    /// Subscribes the socket: it gets what is published from now on, and `key`, which is below 2^30, is what
    /// [`Terms::missed`] is given. Gives the subscription and what came before, as far as `resume` asks for it, which is for
    /// the caller to send.
    pub fn subscribe(
        self: &Arc<Self>,
        topic: &Topic,
        key: u32,
        resume: Resume,
    ) -> (Membership, Recovered<Prepared>) {
        let (subscription, recovered) = self.enter(topic, key, resume);
        let membership = Membership {
            outlet: self.clone(),
            subscription: Some(subscription),
        };
        (membership, recovered)
    }

    /// Ends a subscription, as dropping it does.
    pub fn unsubscribe(&self, membership: Membership) {
        drop(membership);
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        topic: &Topic,
        key: u32,
        resume: Resume,
    ) -> (Subscription<Prepared>, Recovered<Prepared>) {
        let enter = || {
            let (hub, now) = (self.relay.hub(), self.relay.now());
            hub.subscribe(topic, &self.group, self.clone(), key, resume, now)
        };
        let ((subscription, mut recovered), early) = self.relay.entering(topic, resume, enter);
        recovered.entries.extend(early);
        (subscription, recovered)
    }

    pub(super) fn exit(&self, subscription: Subscription<Prepared>) {
        let topic = (self.relay.is_clustered()).then(|| subscription.topic().clone());
        self.relay.hub().unsubscribe(subscription);
        if let Some(topic) = topic {
            self.relay.left(&topic);
        }
    }

    /// Lets everything of a subscription wait until [`release`](Self::release).
    pub(super) fn hold(&self, key: u32) {
        let mut mailbox = self.mailbox();
        let rare = mailbox.rare.get_or_insert_default();
        rare.held.push((key, Waiting::default()));
    }

    /// What has waited is sent now, in its turn.
    pub(super) fn release(&self, key: u32) {
        let mut mailbox = self.mailbox();
        if let Some(held) = mailbox.take_held(key)
            && !held.is_empty()
        {
            mailbox.waiting.get_or_insert_default().append(held);
        }
    }

    /// Forgets what waits of a subscription that has ended.
    pub fn forget(&self, key: u32) {
        let mut mailbox = self.mailbox();
        mailbox.take_held(key);
        if let Some(waiting) = &mut mailbox.waiting {
            waiting.forget(key);
        }
    }

    /// Whether messages are to wait for others, to be sent with them.
    pub(super) fn gather(&self, on: bool) {
        self.mailbox().is_gathering = on;
    }

    /// How many octets wait here.
    pub(super) fn gathered(&self) -> usize {
        let mailbox = self.mailbox();
        let waiting = mailbox.waiting.as_ref();
        waiting.map_or(0, |waiting| waiting.octets())
    }

    /// How many octets wait, those in the socket among them.
    pub(super) fn waiting(&self) -> usize {
        let buffered = self.sender.as_ref().map_or(0, WsSender::buffered_amount);
        self.gathered() + buffered
    }

    /// Sends a message that belongs to no subscription, as deliveries are sent.
    pub(super) fn send(&self, message: &Prepared) {
        if let Some(sender) = &self.sender
            && self.mailbox().is_free()
        {
            match sender.deliver(message.shared(), FRAMED) {
                Delivered::Taken | Delivered::Closed => return,
                Delivered::Full => {}
            }
        }
        let mut mailbox = self.mailbox();
        if mailbox.is_closed {
            return;
        }
        let waiting = mailbox.waiting.get_or_insert_default();
        waiting.push(NO_SUBSCRIPTION, message.clone(), 0);
        let waker = match self.bound(&mut mailbox) {
            Ok(dropped) => {
                self.relay.counters().dropped(dropped);
                mailbox.waker.clone()
            }
            Err(waker) => waker,
        };
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Tells the connection's task to do something.
    pub(super) fn command(&self, command: Command) {
        let mut mailbox = self.mailbox();
        if mailbox.is_closed {
            return;
        }
        mailbox.rare.get_or_insert_default().commands.push(command);
        let waker = mailbox.waker.clone();
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the connection's task has been told to do.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut mailbox = self.mailbox();
        let commands = match &mut mailbox.rare {
            Some(rare) => std::mem::take(&mut rare.commands),
            None => Vec::new(),
        };
        mailbox.tidy();
        commands
    }

    /// Closes the connection. A reader that is no socket gets what waits, and then [`closing`](Self::closing) says why.
    pub(super) fn close(&self, close: impl IntoCloseFrame) {
        if let Some(sender) = &self.sender {
            let _ = sender.close(close);
            return;
        }
        let mut mailbox = self.mailbox();
        if mailbox.is_closed {
            return;
        }
        mailbox.is_closed = true;
        mailbox.rare = close.into_close_frame().map(Rare::closing);
        let waker = mailbox.waker.clone();
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Why a reader that is no socket is to end, once nothing waits for it any more.
    pub(super) fn closing(&self) -> Option<CloseFrame> {
        let mailbox = self.mailbox();
        let rare = mailbox.rare.as_ref().filter(|_| mailbox.waiting.is_none());
        rare.and_then(|rare| rare.close.clone())
    }

    /// Takes nothing any more.
    pub(super) fn end(&self) {
        let mut mailbox = self.mailbox();
        mailbox.is_closed = true;
        mailbox.waiting = None;
        mailbox.rare = None;
        let waker = mailbox.waker.take();
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Receives for as long as the socket is open, gives each message to `handler`, and sends what waits meanwhile, while
    /// the handler waits as well.
    ///
    /// Cancel safe, but for the message that the handler has.
    #[expect(
        clippy::manual_async_fn,
        reason = "what an async function is given stays in its future twice, for as long as the socket lives"
    )]
    pub fn serve(
        &self,
        mut socket: WebSocket,
        mut handler: impl AsyncFnMut(Message),
    ) -> impl Future<Output = ()> {
        async move {
            let mut served = pin!(async {
                while let Some(Ok(message)) = socket.recv().await {
                    handler(message).await;
                }
            });
            self.sending(served.as_mut()).await;
        }
    }

    /// Runs a future of this socket's task, and sends what waits meanwhile.
    pub fn sending<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| {
            self.send_waiting(cx);
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() && self.mailbox().waiting.is_some() {
                // It may have come while the future was polled, when nobody woke this task.
                self.send_waiting(cx);
            }
            polled
        })
    }

    /// Sends what waits, as far as the socket has room.
    fn send_waiting(&self, cx: &Context<'_>) {
        self.listen(cx);
        let Some(sender) = &self.sender else {
            return;
        };
        let missed = self.terms.missed.as_deref();
        self.flush(
            |_, message| sender.queue_frames(message.shared(), FRAMED, cx),
            |key, gap| match gap {
                Gap::Missed(count) => missed.map(|tell| tell(key, count)),
                Gap::Skipped(_) => None,
            },
        );
    }

    /// Has the task of the context woken when something waits.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        match &mut self.mailbox().waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Gives what waits to `take`, with the key of its subscription, for as long as that takes it, and what `tell` says where
    /// something is missing.
    pub(super) fn flush(
        &self,
        mut take: impl FnMut(u32, &Prepared) -> Delivered,
        mut tell: impl FnMut(u32, Gap) -> Option<Prepared>,
    ) -> Delivered {
        loop {
            let (key, gap) = {
                let mut mailbox = self.mailbox();
                let Some(waiting) = &mut mailbox.waiting else {
                    return Delivered::Taken;
                };
                loop {
                    match waiting.front() {
                        None => {
                            mailbox.waiting = None;
                            return Delivered::Taken;
                        }
                        Some((key, Item::Message(message, _))) => match take(*key, message) {
                            Delivered::Taken => {
                                waiting.pop();
                            }
                            Delivered::Full => return Delivered::Full,
                            Delivered::Closed => {
                                mailbox.waiting = None;
                                return Delivered::Closed;
                            }
                        },
                        Some((_, Item::Told(message))) => match take(NO_SUBSCRIPTION, message) {
                            Delivered::Taken => {
                                waiting.pop();
                            }
                            other => return other,
                        },
                        Some((key, Item::Missed(count))) => {
                            let gap = (*key, Gap::Missed(*count));
                            waiting.pop();
                            break gap;
                        }
                        Some((key, Item::Skipped(count))) => {
                            let gap = (*key, Gap::Skipped(*count));
                            waiting.pop();
                            break gap;
                        }
                    }
                }
            };
            // Here the mailbox is open: who is told may want to look at the hub.
            if let Some(told) = tell(key, gap) {
                let mut mailbox = self.mailbox();
                let waiting = mailbox.waiting.get_or_insert_default();
                waiting.push_told(key, told);
            }
        }
    }

    /// The payloads of what waits as a JSON array, up to about `most` octets of them.
    pub(super) fn batch(
        &self,
        most: usize,
        mut tell: impl FnMut(u32, Gap) -> Option<Prepared>,
    ) -> Option<Prepared> {
        let mut array = Vec::new();
        while array.len() < most {
            let Some((key, item)) = self.pop() else {
                break;
            };
            let message = match item {
                Item::Message(message, _) if message.is_text() => Some(message),
                // It has no place in a text, and no client of the protocol reads it.
                Item::Message(_, 0) => None,
                Item::Message(_, span) => tell(key, Gap::Skipped(span)),
                Item::Told(message) => Some(message),
                Item::Missed(count) => tell(key, Gap::Missed(count)),
                Item::Skipped(count) => tell(key, Gap::Skipped(count)),
            };
            if let Some(message) = message {
                array.push(if array.is_empty() { b'[' } else { b',' });
                array.extend_from_slice(message.payload());
            }
        }
        if array.is_empty() {
            return None;
        }
        array.push(b']');
        // Texts and commas between them are text.
        String::from_utf8(array)
            .ok()
            .map(|text| Prepared::text(&text))
    }

    fn pop(&self) -> Option<(u32, Item)> {
        let mut mailbox = self.mailbox();
        let popped = mailbox.waiting.as_mut().and_then(|waiting| waiting.pop());
        if popped.is_none() {
            mailbox.waiting = None;
        }
        popped
    }

    /// Lets messages wait; whom to wake, if the socket's task does not know yet.
    fn put_off(&self, key: u32, delivery: &Delivery<'_, Prepared>) -> Option<Waker> {
        let mut mailbox = self.mailbox();
        if mailbox.is_closed {
            return None;
        }
        if delivery.missed == 0 && key & COUNTS == 0 && delivery.entries().next().is_none() {
            // For everybody else, and nobody asks to be told so.
            return None;
        }
        let (waiting, knows) = mailbox.queue(key);
        if delivery.missed > 0 {
            waiting.miss(key, delivery.missed);
        }
        let mut dropped = delivery.missed;
        for (entry, is_for_it) in delivery.all() {
            if !is_for_it {
                if key & COUNTS != 0 && entry.span > 0 {
                    waiting.skip(key, entry.span);
                }
                continue;
            }
            waiting.push(key, entry.message.clone(), entry.span);
            while waiting.count(key) > self.terms.capacity {
                if self.terms.overflow == Overflow::Close {
                    return self.give_up(&mut mailbox);
                }
                waiting.drop_oldest(key);
                dropped += 1;
            }
        }
        let is_much = waiting.octets() >= BATCH || waiting.count(key) > self.terms.capacity / 2;
        match self.bound(&mut mailbox) {
            Ok(more) => self.relay.counters().dropped(dropped + more),
            Err(waker) => return waker,
        }
        // Gathered messages are sent early rather than dropped. Whoever is slow has no use for being woken more often.
        let is_pressing = is_much && mailbox.is_gathering;
        mailbox.is_pressed |= is_pressing;
        if knows && !is_pressing {
            None
        } else {
            mailbox.waker.clone()
        }
    }

    /// Keeps what waits under its octets; gives how many messages were dropped for that, or whom to wake when the connection is
    /// closed for it.
    fn bound(&self, mailbox: &mut Mailbox) -> Result<u64, Option<Waker>> {
        let mut dropped = 0;
        while mailbox.octets() > self.terms.octets {
            let is_dropped = match self.terms.octets_overflow {
                Overflow::DropOldest => mailbox.drop_oldest(),
                Overflow::Close => false,
            };
            if !is_dropped {
                return Err(self.give_up(mailbox));
            }
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Whether gathered messages are to be sent now, because there are many.
    pub(super) fn is_pressed(&self) -> bool {
        std::mem::take(&mut self.mailbox().is_pressed)
    }

    /// Closes a connection that is too slow.
    fn give_up(&self, mailbox: &mut Mailbox) -> Option<Waker> {
        mailbox.waiting = None;
        mailbox.rare = None;
        mailbox.is_closed = true;
        self.relay.counters().closed_slow();
        let close = CloseFrame::new(CloseCode::TRY_AGAIN, "too slow");
        match &self.sender {
            Some(sender) => drop(sender.close(close)),
            None => mailbox.rare = Some(Rare::closing(close)),
        }
        mailbox.waker.clone()
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription of an [`Outlet`]: it ends when this is dropped, however that comes about.
#[derive(Debug)]
#[must_use = "the subscription ends when this is dropped"]
pub struct Membership {
    outlet: Arc<Outlet>,
    subscription: Option<Subscription<Prepared>>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(subscription) = self.subscription.take() {
            self.outlet.exit(subscription);
        }
    }
}

impl Member<Prepared> for Outlet {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Prepared>) {
        if delivery.missed == 0
            && let Some(frames) = delivery.whole()
            && let Some(sender) = &self.sender
        {
            let mailbox = self.mailbox();
            let is_free = mailbox.is_free() && !mailbox.is_held(key);
            drop(mailbox);
            if is_free {
                match sender.deliver(frames, FRAMED) {
                    Delivered::Taken | Delivered::Closed => return,
                    Delivered::Full => {}
                }
            }
        }
        if let Some(waker) = self.put_off(key, delivery) {
            waker.wake();
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The octets of a batch that does not wait for more.
pub(super) const BATCH: usize = 64 << 10;

/// Beyond this many octets that wait in a socket, messages wait here, where they can still be dropped.
pub(super) const FRAMED: usize = 64 << 10;
