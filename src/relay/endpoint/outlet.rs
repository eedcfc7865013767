//! One connection's place in a relay.

use super::Relay;
use super::mailbox::{Command, Mailbox, PutOff};
use super::overflow::{Gap, Item, NO_SUBSCRIPTION, Overflow};
use crate::relay::hub::{Delivery, Entry, Group, Member, Recovered, Resume, Subscription, Topic};
use crate::ws::close::{CloseCode, CloseFrame, IntoCloseFrame};
use crate::ws::message::Message;
use crate::ws::prepared::Prepared;
use crate::ws::socket::{Delivered, WebSocket, WsSender};
use std::fmt;
use std::future::poll_fn;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// What a socket may have waiting, and what it is told; one for many sockets.
///
/// ```
/// use wireline::relay::{Overflow, endpoint::Terms};
/// use wireline::ws::prepared::Prepared;
///
/// let missed = |key: u32, count: u64| Prepared::text(&format!("{count} of {key} are missing"));
/// let terms = Terms { capacity: 16, missed: Some(Box::new(missed)), ..Terms::default() };
/// assert_eq!(terms.overflow, Overflow::DropOldest);
/// ```
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
///
/// ```
/// use std::sync::Arc;
/// use wireline::Router;
/// use wireline::relay::hub::{Resume, Topic};
/// use wireline::relay::{Relay, endpoint::Terms};
/// use wireline::test::TestClient;
/// use wireline::ws::prelude::*;
///
/// async fn read(socket: WebSocket, relay: Relay) {
///     let topic = Topic::new("news").unwrap();
///     let outlet = relay.outlet(&socket, Arc::new(Terms::default()));
///     let (_membership, _before) = outlet.subscribe(&topic, 0, Resume::Live);
///     relay.publish(&topic, Prepared::text("somebody is here"));
///     outlet.serve(socket, async |_message| {}).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let routes = Router::new().websocket("/news", read).relay(&Relay::default());
/// let client = TestClient::new(routes.build().unwrap());
/// let mut socket = client.websocket("/news").await;
/// let message = socket.recv().await.unwrap().unwrap();
/// assert_eq!(message.as_text(), Some("somebody is here"));
/// # }
/// ```
pub struct Outlet {
    /// What the relay makes the id of.
    number: u32,
    /// How many subscriptions it has.
    subscriptions: AtomicU32,
    side: Arc<Side>,
    /// Absent for a reader that is no socket: everything waits for it here.
    sender: Option<WsSender>,
    terms: Arc<Terms>,
    pub(super) mailbox: Mailbox,
}

/// What the connections share that one task delivers to.
pub(super) struct Side {
    relay: Relay,
    group: Arc<Group<Prepared>>,
}

/// See [`Outlet::enter`].
type Entered = (
    Subscription<Prepared>,
    Recovered<Prepared>,
    Vec<Entry<Prepared>>,
);

/// Marks the key of a subscription whose client counts what it gets.
pub(super) const COUNTS: u32 = 1 << 31;

impl Relay {
    /// A place for this socket. Must be called inside the task that serves it.
    pub fn outlet(&self, socket: &WebSocket, terms: Arc<Terms>) -> Arc<Outlet> {
        Arc::new(self.line(Some(socket.sender()), terms))
    }

    /// A place for a socket, or for a reader that is none.
    pub(super) fn line(&self, sender: Option<WsSender>, terms: Arc<Terms>) -> Outlet {
        Outlet {
            number: self.next_number(),
            subscriptions: AtomicU32::new(0),
            side: self.side(),
            sender,
            terms,
            mailbox: Mailbox::default(),
        }
    }
}

impl Relay {
    /// What the connections share that this task's group has.
    fn side(&self) -> Arc<Side> {
        let group = self.inner.groups.here();
        let mut sides = (self.inner.sides)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut known = sides.iter().filter_map(Weak::upgrade);
        if let Some(side) = known.find(|side| Arc::ptr_eq(&side.group, &group)) {
            return side;
        }
        let side = Arc::new(Side {
            relay: self.clone(),
            group,
        });
        sides.retain(|side| side.strong_count() > 0);
        sides.push(Arc::downgrade(&side));
        side
    }
}

impl Outlet {
    /// Tells it from all others of the relay.
    pub fn id(&self) -> u64 {
        self.relay().id_of(self.number)
    }

    /// The part of the id that is this node's.
    pub(super) const fn number(&self) -> &u32 {
        &self.number
    }

    pub(super) fn relay(&self) -> &Relay {
        &self.side.relay
    }

    pub(super) fn group(&self) -> &Arc<Group<Prepared>> {
        &self.side.group
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
        let all = (resume, usize::MAX);
        let (subscription, mut recovered, early) = self.enter(self.clone(), topic, key, all);
        recovered.entries.extend(early);
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

    /// Subscribes `member`, which gives what it gets to this outlet. Gives what came before as well, so many messages at most, and
    /// behind all of that what has no offset yet.
    pub(super) fn enter(
        &self,
        member: Arc<dyn Member<Prepared>>,
        topic: &Topic,
        key: u32,
        (resume, most): (Resume, usize),
    ) -> Entered {
        let enter = || {
            let (hub, now) = (self.relay().hub(), self.relay().now());
            hub.subscribe_page(topic, self.group(), member, key, (resume, most), now)
        };
        let ((subscription, recovered), early) = self.relay().entering(topic, resume, enter);
        (subscription, recovered, early)
    }

    pub(super) fn exit(&self, subscription: Subscription<Prepared>) {
        let topic = (self.relay().is_clustered()).then(|| subscription.topic().clone());
        self.relay().hub().unsubscribe(subscription);
        if let Some(topic) = topic {
            self.relay().left(&topic);
        }
    }

    /// The same for a subscription of which only the seat was kept.
    pub(super) fn leave(&self, topic: &Topic, seat: NonZero<u32>) {
        let hub = self.relay().hub();
        hub.leave(topic, self.group(), seat);
        if self.relay().is_clustered() {
            self.relay().left(topic);
        }
    }

    /// Forgets what waits of a subscription that has ended.
    pub fn forget(&self, key: u32) {
        self.mailbox.forget(key);
    }

    /// How many octets wait, those in the socket among them.
    pub(super) fn waiting(&self) -> usize {
        let buffered = self.sender.as_ref().map_or(0, WsSender::buffered_amount);
        self.mailbox.gathered() + buffered
    }

    /// Sends a message that belongs to no subscription, as deliveries are sent.
    pub(super) fn send(&self, message: &Prepared) {
        let is_written = self.sender.as_ref().is_some_and(|sender| {
            let write = || sender.deliver(message.shared(), FRAMED);
            self.mailbox.passes(NO_SUBSCRIPTION, write)
        });
        if !is_written {
            self.finish(self.mailbox.put_off_one(message, &self.terms));
        }
    }

    /// Tells the connection's task to do something.
    pub(super) fn command(&self, command: Command) {
        let mut mailbox = self.mailbox.lock();
        if mailbox.is_closed() {
            return;
        }
        mailbox.rare.get_or_insert_default().commands.push(command);
        let waker = mailbox.waker();
        drop(mailbox);
        self.wake(waker);
    }

    /// Wakes the connection's task: its socket does, unless it was polled by somebody whom that does not know.
    fn wake(&self, waker: Option<Waker>) {
        match (waker, &self.sender) {
            (Some(waker), _) => waker.wake(),
            (None, Some(sender)) => sender.wake(),
            (None, None) => {}
        }
    }

    /// Has the task of the context woken when something waits.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let is_known = self.sender.as_ref().is_some_and(|sender| sender.wakes(cx));
        self.mailbox.listen(cx, is_known);
    }

    /// What the connection's task has been told to do.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut mailbox = self.mailbox.lock();
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
        let mut mailbox = self.mailbox.lock();
        if mailbox.is_closed() {
            return;
        }
        mailbox.close();
        mailbox.end_with(close.into_close_frame());
        let waker = mailbox.waker();
        drop(mailbox);
        self.wake(waker);
    }

    /// Takes nothing any more.
    pub(super) fn end(&self) {
        let mut mailbox = self.mailbox.lock();
        let waker = mailbox.take_waker();
        mailbox.end();
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Gives a message to the socket, or has the task of the context woken when it has room again.
    pub(super) fn write(&self, message: &Prepared, cx: &Context<'_>) -> Delivered {
        let sender = self.sender.as_ref();
        sender.map_or(Delivered::Closed, |sender| {
            sender.queue_frames(message.shared(), FRAMED, cx)
        })
    }

    /// Whether the socket takes nothing any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.as_ref().is_none_or(WsSender::is_closed)
    }

    /// The connection has one subscription more, or less.
    pub(super) fn count(&self, more: bool) {
        // Those of one connection come and go one by one.
        let count = self.subscriptions.load(Ordering::Relaxed);
        let count = match more {
            true => count.saturating_add(1),
            false => count.saturating_sub(1),
        };
        self.subscriptions.store(count, Ordering::Relaxed);
    }

    /// How many subscriptions the connection has.
    pub(super) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed) as usize
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
            loop {
                let received = poll_fn(|cx| {
                    let mut receiving = pin!(socket.recv());
                    self.poll_sending(receiving.as_mut(), cx)
                });
                let Some(Ok(message)) = received.await else {
                    return;
                };
                let mut handling = pin!(handler(message));
                self.sending(handling.as_mut()).await;
            }
        }
    }

    /// Runs a future of this socket's task, and sends what waits meanwhile.
    ///
    /// Cancel safe: giving it up leaves the future where it is, and what waits where it waits.
    pub fn sending<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| self.poll_sending(future.as_mut(), cx))
    }

    fn poll_sending<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.send_waiting(cx);
        let polled = future.poll(cx);
        if polled.is_pending() && self.mailbox.lock().waiting().is_some() {
            // It may have come while the future was polled, when nobody woke this task.
            self.send_waiting(cx);
        }
        polled
    }

    /// Sends what waits, as far as the socket has room.
    fn send_waiting(&self, cx: &Context<'_>) {
        self.listen(cx);
        if self.sender.is_none() {
            return;
        }
        let missed = self.terms.missed.as_deref();
        self.mailbox.flush(
            |_, message| self.write(message, cx),
            |key, gap| {
                let count = match gap {
                    Gap::Missed(missed) => missed.count,
                    Gap::MissedUncounted(count) => count,
                    Gap::Skipped(_) => return Vec::new(),
                };
                missed.map(|tell| tell(key, count)).into_iter().collect()
            },
        );
    }

    /// After messages were put off: closes a connection that is too slow, and wakes who is to be woken.
    fn finish(&self, put_off: PutOff) {
        self.relay().counters().dropped(put_off.dropped);
        if put_off.is_over {
            self.relay().counters().closed_slow();
            let close = CloseFrame::new(CloseCode::TRY_AGAIN, "too slow");
            match &self.sender {
                Some(sender) => drop(sender.close(close)),
                None => self.mailbox.lock().end_with(Some(close)),
            }
        }
        if put_off.is_news {
            self.wake(put_off.waker);
        }
    }

    /// The payloads of what waits as a JSON array, up to about `most` octets of them.
    pub(super) fn batch(
        &self,
        most: usize,
        mut tell: impl FnMut(u32, Gap) -> Vec<Prepared>,
    ) -> Option<Prepared> {
        let mut array = Vec::new();
        let add = |array: &mut Vec<u8>, message: &Prepared| {
            array.push(if array.is_empty() { b'[' } else { b',' });
            array.extend_from_slice(message.payload());
        };
        while array.len() < most {
            let Some(slot) = self.mailbox.pop() else {
                break;
            };
            let gap = match slot.item {
                Item::Message(message, _) if message.is_text() => {
                    add(&mut array, &message);
                    continue;
                }
                Item::Told(message) => {
                    add(&mut array, &message);
                    continue;
                }
                // It has no place in a text, and no client of the protocol reads it.
                Item::Message(..) if slot.span == 0 => continue,
                Item::Message(..) => Gap::Skipped(slot.span.into()),
                Item::Missed(missed) => Gap::Missed(*missed),
                Item::MissedUncounted(count) => Gap::MissedUncounted(count),
                Item::Skipped(count) => Gap::Skipped(count),
            };
            for message in tell(slot.key, gap) {
                add(&mut array, &message);
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
}

/// A subscription of an [`Outlet`]: it ends when this is dropped, however that comes about.
///
/// ```
/// use std::sync::Arc;
/// use wireline::relay::hub::{Resume, Topic};
/// use wireline::relay::{Relay, endpoint::Terms};
/// use wireline::ws::prelude::*;
///
/// /// Tells of a topic for as long as the peer says nothing.
/// async fn until_a_word(socket: WebSocket, relay: Relay, topic: Topic) {
///     let outlet = relay.outlet(&socket, Arc::new(Terms::default()));
///     let (membership, _before) = outlet.subscribe(&topic, 0, Resume::Live);
///     let mut membership = Some(membership);
///     // Dropping it ends the subscription; the socket stays open.
///     outlet.serve(socket, async |_message| drop(membership.take())).await;
/// }
/// # let _ = until_a_word;
/// ```
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
        Self::id(self)
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Prepared>) {
        if delivery.missed == 0
            && let Some(frames) = delivery.whole()
            && let Some(sender) = &self.sender
            && self.mailbox.passes(key, || sender.deliver(frames, FRAMED))
        {
            return;
        }
        if delivery.missed == 0 && key & COUNTS == 0 && delivery.entries().next().is_none() {
            // For everybody else, and nobody asks to be told so.
            return;
        }
        let messages = delivery.all();
        let messages = messages.map(|(entry, is_for_it)| (&entry.message, entry.span, is_for_it));
        let put_off = self.mailbox.put_off(
            key,
            (delivery.before(), delivery.missed),
            messages,
            &self.terms,
        );
        self.finish(put_off);
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Beyond this many octets that wait in a socket, messages wait here, where they can still be dropped.
pub(super) const FRAMED: usize = 64 << 10;
