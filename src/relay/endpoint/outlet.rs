//! One socket's place in a relay.

use super::Relay;
use super::overflow::{Item, Overflow, Waiting};
use crate::relay::hub::{Delivery, Group, Member, Recovered, Resume, Subscription, Topic};
use crate::ws::close::CloseCode;
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
    /// What all messages that wait may count, each with 64 octets besides its own: 1 MiB unless said otherwise. A socket
    /// with more is closed with 1013.
    pub octets: usize,
    /// What becomes of messages above `capacity`.
    pub overflow: Overflow,
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
            octets: 1 << 20,
            overflow: Overflow::default(),
            missed: None,
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("capacity", &self.capacity)
            .field("octets", &self.octets)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

/// One socket's place in a relay: what is published to its subscriptions is written to it by whoever delivers; what it
/// does not take at once waits here, and [`serve`](Self::serve) sends it.
pub struct Outlet {
    id: u64,
    relay: Relay,
    group: Arc<Group<Prepared>>,
    sender: WsSender,
    terms: Arc<Terms>,
    mailbox: Mutex<Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    /// Absent while nothing waits.
    waiting: Option<Box<Waiting>>,
    /// The socket's task, which sends what waits.
    waker: Option<Waker>,
}

impl Relay {
    /// A place for this socket. Must be called inside the task that serves it.
    pub fn outlet(&self, socket: &WebSocket, terms: Arc<Terms>) -> Arc<Outlet> {
        Arc::new(Outlet {
            id: self.next_id(),
            group: self.inner.groups.here(),
            relay: self.clone(),
            sender: socket.sender(),
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

    /// Subscribes the socket: it gets what is published from now on, and `key` is what [`Terms::missed`] is given. Gives
    /// the subscription and what came before, as far as `resume` asks for it, which is for the caller to send.
    pub fn subscribe(
        self: &Arc<Self>,
        topic: &Topic,
        key: u32,
        resume: Resume,
    ) -> (Subscription<Prepared>, Recovered<Prepared>) {
        let (hub, now) = (self.relay.hub(), self.relay.now());
        hub.subscribe(topic, &self.group, self.clone(), key, resume, now)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, subscription: Subscription<Prepared>) {
        self.relay.hub().unsubscribe(subscription);
    }

    /// Forgets what waits of a subscription that has ended.
    pub fn forget(&self, key: u32) {
        if let Some(waiting) = &mut self.mailbox().waiting {
            waiting.forget(key);
        }
    }

    /// Receives for as long as the socket is open, gives each message to `handler`, and sends what waits meanwhile, while
    /// the handler waits as well.
    ///
    /// Cancel safe, but for the message that the handler has.
    pub async fn serve(&self, mut socket: WebSocket, mut handler: impl AsyncFnMut(Message)) {
        let mut served = pin!(async {
            while let Some(Ok(message)) = socket.recv().await {
                handler(message).await;
            }
        });
        self.sending(served.as_mut()).await;
    }

    /// Runs a future of this socket's task, and sends what waits meanwhile.
    pub async fn sending<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            self.send_waiting(cx);
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() && self.mailbox().waiting.is_some() {
                // It may have come while the future was polled, when nobody woke this task.
                self.send_waiting(cx);
            }
            polled
        })
        .await
    }

    /// Sends what waits, as far as the socket has room.
    fn send_waiting(&self, cx: &Context<'_>) {
        let mut mailbox = self.mailbox();
        match &mut mailbox.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let Some(waiting) = &mut mailbox.waiting else {
            return;
        };
        while let Some((key, item)) = waiting.front() {
            let told;
            let frame = match item {
                Item::Message(message) => message.shared(),
                Item::Missed(count) => match &self.terms.missed {
                    Some(tell) => {
                        told = tell(*key, *count);
                        told.shared()
                    }
                    None => {
                        waiting.pop();
                        continue;
                    }
                },
            };
            match self.sender.queue_frames(frame, FRAMED, cx) {
                Delivered::Taken => waiting.pop(),
                Delivered::Full => return,
                Delivered::Closed => break,
            }
        }
        mailbox.waiting = None;
    }

    /// Lets messages wait; whom to wake, if the socket's task does not know yet.
    fn put_off(&self, key: u32, delivery: &Delivery<'_, Prepared>) -> Option<Waker> {
        let mut mailbox = self.mailbox();
        let knows = mailbox.waiting.is_some();
        let waiting = mailbox.waiting.get_or_insert_default();
        if delivery.missed > 0 {
            waiting.miss(key, delivery.missed);
        }
        for entry in delivery.entries() {
            waiting.push(key, entry.message.clone());
            while waiting.count(key) > self.terms.capacity {
                if self.terms.overflow == Overflow::Close {
                    return self.give_up(&mut mailbox);
                }
                waiting.drop_oldest(key);
            }
        }
        if waiting.octets() > self.terms.octets {
            return self.give_up(&mut mailbox);
        }
        if knows || waiting.is_empty() {
            None
        } else {
            mailbox.waker.clone()
        }
    }

    /// Closes a socket that is too slow.
    fn give_up(&self, mailbox: &mut Mailbox) -> Option<Waker> {
        mailbox.waiting = None;
        let _ = self.sender.close((CloseCode::TRY_AGAIN, "too slow"));
        mailbox.waker.clone()
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member<Prepared> for Outlet {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Prepared>) {
        if delivery.missed == 0
            && let Some(frames) = delivery.whole()
            && self.mailbox().waiting.is_none()
        {
            match self.sender.deliver(frames, FRAMED) {
                Delivered::Taken | Delivered::Closed => return,
                Delivered::Full => {}
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

/// Beyond this many octets that wait in a socket, messages wait here, where they can still be dropped.
const FRAMED: usize = 64 << 10;
