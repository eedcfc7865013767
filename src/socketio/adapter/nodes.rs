//! What nodes do with each other's words, whatever carries them: who has asked what, who has answered, and what is asked of this node.

mod open;

pub(super) use self::open::Others;

use self::open::{Guard, Open};
use super::log;
use super::words::{Answer, Asks, Broadcast, Question, Says};
use super::{Asked, Event, Local, RemoteSocket, Target};
use crate::socketio::packet::Args;
use bytes::Bytes;
use bytestring::ByteString;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Where words go in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// To all who have sockets in the one room that is meant, or to all.
    Broadcast(Option<&'a str>),
    /// To all.
    Questions,
    /// To who has asked, or to all if it has no name.
    Answers(Option<&'a str>),
}

/// What carries words.
pub(super) trait Carrier: Send + Sync + 'static {
    /// Sends in order, at some time; `false` if there is no room.
    fn send(&self, namespace: &str, place: Place<'_>, words: Bytes) -> bool;

    /// Tells who else is there; nothing without a connection.
    fn others(&self, namespace: &str) -> Option<Counting>;
}

/// Who else is there; nothing if the connection was lost before it was known.
pub(super) type Counting = Pin<Box<dyn Future<Output = Option<Others>> + Send>>;

/// This node among others.
pub(super) struct Nodes {
    /// Its name.
    own: ByteString,
    /// How long a question waits for answers.
    wait: Duration,
    carrier: Arc<dyn Carrier>,
    local: Weak<dyn Local>,
    open: Mutex<HashMap<ByteString, Arc<Open>>>,
    asked: AtomicU64,
    counters: Counters,
}

/// What an adapter has done.
#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    garbled: AtomicU64,
    connects: AtomicU64,
}

/// What an adapter has done since it began.
///
/// ```
/// use wireline::socketio::adapter::{Adapter, AdapterStats, MemoryAdapter};
///
/// assert_eq!(MemoryAdapter.stats(), AdapterStats::default(), "who is alone has nothing to say");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdapterStats {
    /// Words that were given to the broker, or wait for it.
    pub sent: u64,
    /// Words of others that were understood.
    pub received: u64,
    /// Words that were given up: too much waited for the broker, it refused them, or its connection ended with them.
    pub dropped: u64,
    /// What came and was nothing that nodes say.
    pub garbled: u64,
    /// How many connections were made: with each but the first, something of others may have been missed.
    pub connects: u64,
}

impl Nodes {
    pub(super) fn new(
        own: ByteString,
        wait: Duration,
        carrier: Arc<dyn Carrier>,
        local: Weak<dyn Local>,
    ) -> Arc<Self> {
        Arc::new(Self {
            own,
            wait,
            carrier,
            local,
            open: Mutex::default(),
            asked: AtomicU64::new(1),
            counters: Counters::default(),
        })
    }

    pub(super) fn stats(&self) -> AdapterStats {
        let counters = &self.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AdapterStats {
            sent: of(&counters.sent),
            received: of(&counters.received),
            dropped: of(&counters.dropped),
            garbled: of(&counters.garbled),
            connects: of(&counters.connects),
        }
    }

    pub(super) fn dropped(&self, count: u64) {
        self.counters.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// There is a connection.
    pub(super) fn connected(&self, adapter: &str) {
        self.counters.connects.fetch_add(1, Ordering::Relaxed);
        log::connected(adapter);
    }

    pub(super) fn garbled(&self) {
        self.counters.garbled.fetch_add(1, Ordering::Relaxed);
    }

    fn send(&self, namespace: &str, place: Place<'_>, words: Option<Bytes>) -> bool {
        let is_sent = words.is_some_and(|words| self.carrier.send(namespace, place, words));
        let counters = &self.counters;
        let counter = if is_sent {
            &counters.sent
        } else {
            &counters.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
        is_sent
    }

    pub(super) fn broadcast(&self, to: &Target, event: &Event) {
        let words = Broadcast {
            from: self.own.clone(),
            to: to.clone(),
            event: event.clone(),
        };
        let room = match &*to.rooms {
            [room] => Some(&**room),
            _ => None,
        };
        self.send(&to.namespace, Place::Broadcast(room), words.write());
    }

    /// Asks without waiting for an answer.
    pub(super) fn tell(&self, namespace: &str, asks: Asks) {
        let question = Question {
            from: Some(self.own.clone()),
            id: None,
            asks,
        };
        self.send(namespace, Place::Questions, question.write());
    }

    /// An event that was broadcast has come.
    pub(super) fn heard_broadcast(&self, namespace: &str, octets: &[u8]) {
        if Broadcast::is_from(octets, &self.own) {
            return;
        }
        let Some(broadcast) = Broadcast::read(namespace, octets) else {
            return self.garbled();
        };
        if broadcast.from != self.own
            && let Some(local) = self.local()
        {
            local.broadcast(&broadcast.to, &broadcast.event);
        }
    }

    /// A question has come.
    pub(super) fn heard_question(self: &Arc<Self>, namespace: &str, octets: &[u8]) {
        let Some(Question { from, id, asks }) = Question::read(namespace, octets) else {
            return self.garbled();
        };
        if from.as_ref() == Some(&self.own) {
            return;
        }
        let Some(local) = self.local() else {
            return;
        };
        let replies = id.map(|id| {
            Replies(Arc::new(Asker {
                nodes: Arc::downgrade(self),
                namespace: namespace.into(),
                id,
                name: from,
                is_answered: AtomicBool::new(false),
            }))
        });
        let answer = |says: Says| {
            if let Some(Replies(asker)) = &replies {
                asker.answer(says);
            }
        };
        match asks {
            Asks::Ids(target) => {
                let sockets = local.sockets(&target).into_iter();
                answer(Says::Ids(sockets.map(|socket| socket.id).collect()));
            }
            Asks::Rooms => answer(Says::Rooms(local.rooms(namespace))),
            Asks::Join(target, rooms) => local.join(&target, &rooms),
            Asks::Leave(target, rooms) => local.leave(&target, &rooms),
            Asks::Disconnect(target, close) => local.disconnect(&target, close),
            Asks::Sockets(target) => answer(Says::Sockets(local.sockets(&target))),
            Asks::Emit(event) => local.emitted(namespace, &event, replies),
            Asks::BroadcastWithAcks(target, event, wait) => {
                let wait = Duration::from_millis(wait).min(LONGEST);
                match replies {
                    Some(replies) => local.broadcast_with_acks(&target, &event, wait, replies),
                    None => local.broadcast(&target, &event),
                }
            }
        }
    }

    /// An answer has come, maybe to another node's question.
    pub(super) fn heard_answer(&self, octets: &[u8]) {
        let Some(Answer { id, from, says }) = Answer::read(octets) else {
            return self.garbled();
        };
        let open = self.open().get(&id).cloned();
        if let Some(open) = open {
            self.counters.received.fetch_add(1, Ordering::Relaxed);
            open.answered(from, says, octets.len());
        }
    }

    fn local(&self) -> Option<Arc<dyn Local>> {
        self.counters.received.fetch_add(1, Ordering::Relaxed);
        self.local.upgrade()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ByteString, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back to a node that has asked. Cloning it is cheap.
///
/// ```
/// use wireline::socketio::adapter::Replies;
/// use wireline::socketio::packet::Args;
///
/// /// What a `Local` may do when another server waits for an answer.
/// fn pong(replies: Option<Replies>) {
///     if let (Some(replies), Ok(args)) = (replies, Args::new("pong")) {
///         replies.answer(&args);
///     }
/// }
/// # pong(None);
/// ```
#[derive(Clone)]
pub struct Replies(Arc<Asker>);

struct Asker {
    nodes: Weak<Nodes>,
    namespace: ByteString,
    id: ByteString,
    name: Option<ByteString>,
    is_answered: AtomicBool,
}

impl Replies {
    /// Says how many sockets have been sent the event. It is said once, before any of them has answered.
    pub fn expect(&self, sockets: usize) {
        self.0
            .answer(Says::Count(sockets.try_into().unwrap_or(u64::MAX)));
    }

    /// Passes on what a socket has answered: its first argument.
    pub fn give(&self, args: &Args) {
        self.0.answer(Says::Ack(args.clone()));
    }

    /// Answers for this server: the first argument, once.
    pub fn answer(&self, args: &Args) {
        if !self.0.is_answered.swap(true, Ordering::Relaxed) {
            self.0.answer(Says::Emitted(args.clone()));
        }
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}

impl Asker {
    fn answer(&self, says: Says) {
        let Some(nodes) = self.nodes.upgrade() else {
            return;
        };
        let answer = Answer {
            id: self.id.clone(),
            from: Some(nodes.own.clone()),
            says,
        };
        let place = Place::Answers(self.name.as_deref());
        nodes.send(&self.namespace, place, answer.write());
    }
}

/// Asks all others within `wait`, or the adapter's own, and gives of the answers what `pick` takes.
pub(super) fn ask<T: Send + 'static>(
    nodes: &Arc<Nodes>,
    namespace: &str,
    asks: Asks,
    wait: Option<Duration>,
    pick: fn(Says) -> Vec<T>,
) -> Asked<T> {
    let deadline = Instant::now() + wait.unwrap_or(nodes.wait).min(LONGEST);
    let open = Arc::new(Open::new(matches!(asks, Asks::BroadcastWithAcks(..))));
    let others = nodes.carrier.others(namespace);
    // Whoever answers finds it open.
    let guard = Guard::new(nodes, open.clone());
    let (Some(others), Some(guard)) = (others, guard) else {
        // Nobody can be asked.
        return Box::pin(std::future::ready(open.answers(pick)));
    };
    let question = Question {
        from: Some(nodes.own.clone()),
        id: Some(guard.id().clone()),
        asks,
    };
    // It goes at the call, so that what is said behind it comes behind it.
    let is_sent = nodes.send(namespace, Place::Questions, question.write());
    Box::pin(async move {
        let answered = async {
            if let Some(others) = others.await {
                open.expect(others);
                open.complete().await;
            }
        };
        if is_sent {
            let _ = timeout_at(deadline, answered).await;
        }
        drop(guard);
        open.answers(pick)
    })
}

/// Sockets.
pub(super) fn sockets(says: Says) -> Vec<RemoteSocket> {
    match says {
        Says::Sockets(sockets) => sockets,
        _ => Vec::new(),
    }
}

/// Rooms.
pub(super) fn rooms(says: Says) -> Vec<ByteString> {
    match says {
        Says::Rooms(rooms) => rooms,
        _ => Vec::new(),
    }
}

/// What servers or sockets answered.
pub(super) fn args(says: Says) -> Vec<Args> {
    match says {
        Says::Emitted(args) | Says::Ack(args) => vec![args],
        _ => Vec::new(),
    }
}

/// A name for this node, or for a question.
pub(super) fn name() -> ByteString {
    let number = getrandom::u64().unwrap_or_else(|_| {
        use std::hash::BuildHasher;
        std::hash::RandomState::new().hash_one("node")
    });
    format!("{number:016x}").into()
}

/// How long sockets may have for an answer, whatever another node says.
const LONGEST: Duration = Duration::from_secs(600);

/// The questions that may be open.
const MOST: usize = 1_024;
