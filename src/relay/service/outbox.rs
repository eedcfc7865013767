//! What is sent to a client, and what waits for one that is slower than what is published.

use crate::relay::endpoint::Overflow;
use crate::relay::service::log;
use crate::relay::service::registry::ClientId;
use crate::ws::close::CloseCode;
use crate::ws::prepared::Prepared;
use crate::ws::socket::{SocketError, WsSender};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// What may wait for a client that is slower than what is published, beside the 64 KiB that its socket holds, and what becomes of the rest. A client is not told
/// what it misses.
///
/// ```
/// use wireline::relay::Overflow;
/// use wireline::relay::service::Waiting;
///
/// let waiting = Waiting { octets: 256 * 1024, ..Waiting::default() };
/// assert_eq!((waiting.messages, waiting.beyond_messages), (128, Overflow::DropOldest));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The most messages of one topic. Default 128.
    pub messages: usize,
    /// What becomes of one more. Default [`Overflow::DropOldest`]: of that topic.
    pub beyond_messages: Overflow,
    /// The most octets of all messages, each with 64 beside its own. Default 1 MiB.
    pub octets: usize,
    /// What becomes of one more. Default [`Overflow::Close`].
    pub beyond_octets: Overflow,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            messages: 128,
            beyond_messages: Overflow::DropOldest,
            octets: 1 << 20,
            beyond_octets: Overflow::Close,
        }
    }
}

/// What clients that are too slow have missed, in all.
#[derive(Debug, Default)]
pub(super) struct Losses {
    dropped: AtomicU64,
    closed_slow: AtomicU64,
}

impl Losses {
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn closed_slow(&self) -> u64 {
        self.closed_slow.load(Ordering::Relaxed)
    }
}

/// The sending side of a client's socket. It is there before the socket is: what is published while the handshake is on its way waits.
#[derive(Debug)]
pub(super) struct Outbox {
    id: ClientId,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<(Arc<str>, Prepared)>,
    octets: usize,
    /// How many messages of a topic wait.
    counts: HashMap<Arc<str>, usize>,
    /// The one before them is being sent.
    busy: bool,
    /// Once it is open.
    sender: Option<WsSender>,
    /// What to close it with.
    closed: Option<(CloseCode, &'static str)>,
    /// The socket's task.
    waker: Option<Waker>,
}

impl Outbox {
    pub(super) fn new(id: ClientId) -> Self {
        Self {
            id,
            queue: Mutex::default(),
        }
    }

    /// The socket is open. If its place is gone already, it is closed.
    pub(super) fn attach(&self, sender: &WsSender) {
        let mut queue = self.queue();
        queue.sender = Some(sender.clone());
        if let Some(close) = queue.closed {
            drop(queue);
            let _ = sender.close(close);
        }
    }

    /// Sends a message, or lets it wait. Never waits itself. Whether the socket may still get it.
    pub(super) fn deliver(
        &self,
        topic: &Arc<str>,
        message: &Prepared,
        bounds: &Waiting,
        losses: &Losses,
    ) -> bool {
        let mut queue = self.queue();
        let is_first = queue.messages.is_empty() && !queue.busy;
        let sent = match &queue.sender {
            _ if queue.closed.is_some() => Err(SocketError::Closed),
            Some(sender) if is_first => sender.try_send_prepared(message).map(drop),
            _ => Err(SocketError::Full),
        };
        match sent {
            Ok(()) => return true,
            Err(SocketError::Full) => {}
            Err(error) => {
                drop(queue);
                log::tell_failed(self.id, &error);
                return false;
            }
        }
        let waiting = queue.messages.len() + 1;
        let taken = queue.push(topic, message, bounds);
        let dropped = waiting.saturating_sub(queue.messages.len());
        let waker = queue.waker.take();
        drop(queue);
        losses.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
        if !taken {
            losses.closed_slow.fetch_add(1, Ordering::Relaxed);
            self.close(CloseCode::TRY_AGAIN, "too slow");
            log::tell_slow(self.id);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        taken
    }

    /// Closes the socket behind what it has taken, and forgets what waits.
    pub(super) fn close(&self, code: CloseCode, reason: &'static str) {
        let mut queue = self.queue();
        queue.clear();
        queue.closed.get_or_insert((code, reason));
        let sender = queue.sender.clone();
        drop(queue);
        if let Some(sender) = sender {
            // It may be closing already.
            let _ = sender.close((code, reason));
        }
    }

    /// Sends what waits, until the socket takes nothing any more.
    ///
    /// Not cancel safe: a message that is being sent is lost.
    pub(super) async fn drain(&self, sender: &WsSender) {
        loop {
            let message = poll_fn(|cx| {
                let mut queue = self.queue();
                queue.busy = false;
                if let Some(message) = queue.pop() {
                    queue.busy = true;
                    return Poll::Ready(message);
                }
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            if let Err(error) = sender.send_prepared(&message).await {
                self.queue().clear();
                log::tell_failed(self.id, &error);
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whether it was taken, as opposed to a client that is to be closed.
    fn push(&mut self, topic: &Arc<str>, message: &Prepared, bounds: &Waiting) -> bool {
        self.octets += weight(message);
        *self.counts.entry(topic.clone()).or_insert(0) += 1;
        self.messages.push_back((topic.clone(), message.clone()));
        while self.counts.get(topic).is_some_and(|n| *n > bounds.messages) {
            let oldest = self.messages.iter().position(|(of, _)| of == topic);
            match (bounds.beyond_messages, oldest) {
                (Overflow::DropOldest, Some(place)) => self.remove(place),
                _ => return false,
            }
        }
        while self.octets > bounds.octets {
            match bounds.beyond_octets {
                Overflow::DropOldest => self.remove(0),
                Overflow::Close => return false,
            }
        }
        true
    }

    fn pop(&mut self) -> Option<Prepared> {
        let (topic, message) = self.messages.pop_front()?;
        self.forget(&topic, &message);
        Some(message)
    }

    fn remove(&mut self, place: usize) {
        if let Some((topic, message)) = self.messages.remove(place) {
            self.forget(&topic, &message);
        }
    }

    fn forget(&mut self, topic: &Arc<str>, message: &Prepared) {
        self.octets -= weight(message);
        if let Some(count) = self.counts.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(topic);
            }
        }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.counts.clear();
        self.octets = 0;
    }
}

fn weight(message: &Prepared) -> usize {
    message.frame().len() + OVERHEAD
}

/// What a message costs beside its frame.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(queue: &Queue) -> String {
        let messages = queue.messages.iter();
        messages
            .map(|(topic, message)| {
                format!("{topic}{}", str::from_utf8(&message.frame()[2..]).unwrap())
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn push(queue: &mut Queue, bounds: &Waiting, pushed: &str) -> bool {
        let (topic, text) = pushed.split_at(1);
        queue.push(&topic.into(), &Prepared::text(text), bounds)
    }

    #[test]
    fn the_oldest_of_a_topic_makes_room() {
        let bounds = Waiting {
            messages: 2,
            ..Waiting::default()
        };
        let mut queue = Queue::default();
        for pushed in ["a1", "b1", "a2", "a3", "b2", "a4"] {
            assert!(push(&mut queue, &bounds, pushed));
        }
        assert_eq!(shown(&queue), "b1 a3 b2 a4");
        let close = Waiting {
            beyond_messages: Overflow::Close,
            ..bounds
        };
        assert!(!push(&mut queue, &close, "b3"));
        while queue.pop().is_some() {}
        assert_eq!((queue.octets, queue.counts.len()), (0, 0));
    }

    #[test]
    fn octets_are_bounded() {
        // A frame of 3 octets counts 67.
        let bounds = Waiting {
            octets: 150,
            ..Waiting::default()
        };
        let mut queue = Queue::default();
        assert!(push(&mut queue, &bounds, "a1") && push(&mut queue, &bounds, "b1"));
        assert!(!push(&mut queue, &bounds, "c1"));
        queue.clear();
        let drop = Waiting {
            beyond_octets: Overflow::DropOldest,
            ..bounds
        };
        for pushed in ["a1", "b1", "c1"] {
            assert!(push(&mut queue, &drop, pushed));
        }
        assert_eq!(shown(&queue), "b1 c1");
        // One that has no room at all does not stay, and does not close anything.
        let long = format!("d{}", "x".repeat(100));
        assert!(push(&mut queue, &drop, &long));
        assert_eq!((shown(&queue).as_str(), queue.octets), ("", 0));
    }
}
