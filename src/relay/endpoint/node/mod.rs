//! A relay's part in a cluster.
//!
//! ```text
//!   Node   what this relay says to others, and they to it: behind one lock, so that the order here is the order there
//!   task   the connection to the broker, its times, and the next one when it ends
//!   apply  what others did, done to the hub and to connections
//!   ask    what the application asks all nodes
//! ```
//!
//! A publication takes the lock of the node, then that of its topic. Nobody waits for the broker with either.

mod apply;
mod ask;
mod bell;
mod early;
mod pause;
mod task;
mod words;

pub use self::ask::{ClusterHandle, ClusterNode, Partial};
pub(super) use self::words::{parcel, places, worth};

use self::bell::Bell;
use self::early::Early;
#[cfg(feature = "tracing")]
use super::log;
#[cfg(not(feature = "tracing"))]
use super::no_log as log;
use super::{Inner, Relay};
use crate::relay::backplane::{Backplane, Command};
use crate::relay::cluster::{Answers, Cluster, ClusterConfig, Local, Operation, Standing};
use crate::relay::hub::{Count, Entry, Present, Published, Resume, Retention, Topic};
use crate::ws::prepared::Prepared;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// What is kept of a topic.
pub(super) type Retain = Arc<dyn Fn(&Topic) -> Retention + Send + Sync>;

/// How a relay is part of a cluster.
pub(super) struct Joined {
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) cluster: ClusterConfig,
    pub(super) shares_history: bool,
}

pub(super) struct Node {
    backplane: Arc<dyn Backplane>,
    number: u64,
    shares_history: bool,
    retention: Retain,
    question_wait: Duration,
    core: Mutex<Core>,
    bell: Arc<Bell>,
    is_running: AtomicBool,
}

/// What is behind the lock.
struct Core {
    cluster: Cluster,
    /// The latest time that the cluster was told.
    now: u64,
    /// To the connection, while there is one or one is tried.
    commands: Option<mpsc::UnboundedSender<Command>>,
    /// Why there was no connection last.
    trouble: Option<Arc<str>>,
    /// The topics that are taken.
    topics: HashMap<Topic, Wanted>,
    /// Those that nobody may subscribe to any more, and since when; each once.
    idle: VecDeque<(u64, Topic)>,
    /// Who waits for a topic.
    waiting: HashMap<Topic, Vec<oneshot::Sender<()>>>,
    questions: HashMap<u64, oneshot::Sender<Answers>>,
    early: Early,
    /// Whether another node has the same number, and that was said.
    is_double: bool,
}

/// A topic that is taken.
struct Wanted {
    /// When somebody wanted it last.
    at: u64,
    is_idle: bool,
    /// Whether all nodes keep its history together.
    is_shared: bool,
}

impl Node {
    pub(super) fn new(joined: Joined, retention: Retain) -> Self {
        let Joined {
            backplane,
            cluster,
            shares_history,
        } = joined;
        let number = random() % (MOST_NODES - 1) + 1;
        let shares_history = shares_history && backplane.keeps_history();
        let question_wait = Duration::from_millis(cluster.question_wait);
        let early = Early::new(cluster.outbox);
        Self {
            core: Mutex::new(Core {
                cluster: Cluster::new(cluster, number, random(), shares_history),
                now: 0,
                commands: None,
                trouble: None,
                topics: HashMap::new(),
                idle: VecDeque::new(),
                waiting: HashMap::new(),
                questions: HashMap::new(),
                early,
                is_double: false,
            }),
            backplane,
            number,
            shares_history,
            retention,
            question_wait,
            bell: Arc::default(),
            is_running: AtomicBool::new(false),
        }
    }

    /// The number of a connection: no other node's has one like it.
    pub(super) const fn connection(&self, number: u32) -> u64 {
        (self.number << 32) | number as u64
    }

    /// What is kept of a topic, as the application says, and what all nodes keep of it together, if they do. It is asked without a
    /// lock: it may take its time, and it may speak to the relay.
    fn kept(&self, topic: &Topic) -> (Retention, Option<Retention>) {
        let keep = (self.retention)(topic);
        (
            keep,
            Some(keep).filter(|_| self.shares_history && keep.is_some()),
        )
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic in the midst of a call leaves what was said until then.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Its task has nobody to work for.
        self.bell.ring();
    }
}

impl Relay {
    /// Whether there are other nodes.
    pub(super) fn is_clustered(&self) -> bool {
        self.inner.node.is_some()
    }

    /// Says something to the cluster, and does what comes of it.
    fn with_core<T>(&self, node: &Node, say: impl FnOnce(&mut Core, u64) -> T) -> T {
        let mut core = node.core();
        let now = core.now.max(self.now());
        core.now = now;
        let said = say(&mut core, now);
        self.settle(&mut core, now);
        drop(core);
        node.bell.ring();
        self.keep_joined(node);
        said
    }

    /// Does what the cluster wants, in its order.
    fn settle(&self, core: &mut Core, now: u64) {
        while let Some(action) = core.cluster.next_action() {
            self.apply(core, action, now);
        }
        while let Some(command) = core.cluster.next_command() {
            if let Some(commands) = &core.commands {
                // Whom it does not reach any more is told that the connection has ended.
                let _ = commands.send(command);
            }
        }
    }

    #[cold]
    pub(super) fn publish_to_all(
        &self,
        node: &Node,
        topic: &Topic,
        message: Prepared,
        except: Option<u64>,
    ) -> Published {
        let (keep, shared) = node.kept(topic);
        self.with_core(node, |core, now| {
            let parcel = parcel(&message, except);
            let hub = &self.inner.hub;
            let published = match core.cluster.publish(topic, parcel, shared, now) {
                Local::Deliver => {
                    let keep = Some(keep);
                    hub.publish_kept(topic, message, except, Count::Next(1), (keep, now))
                }
                Local::DeliverUncounted => {
                    if core.topics.contains_key(topic) {
                        core.early.add(topic, &message, except);
                    }
                    let message = words::uncounted(message);
                    hub.publish_as(topic, message, except, Count::Nothing, now)
                }
                // The broker says where it stands.
                Local::Wait => Published {
                    subscribers: hub.subscribers(topic),
                    ..Published::default()
                },
            };
            Published {
                elsewhere: core.cluster.elsewhere(),
                ..published
            }
        })
    }

    /// Has a topic taken from the broker; what to wait for, if it is not yet.
    fn attach(&self, node: &Node, topic: &Topic) -> Option<oneshot::Receiver<()>> {
        let (keep, shared) = node.kept(topic);
        self.with_core(node, |core, now| {
            match core.topics.get_mut(topic) {
                Some(wanted) => wanted.at = now,
                None => {
                    // For as long as it is taken nobody has to be asked under the lock of the node.
                    self.inner.hub.keep(topic, keep);
                    let wanted = Wanted {
                        at: now,
                        is_idle: true,
                        is_shared: shared.is_some(),
                    };
                    core.topics.insert(topic.clone(), wanted);
                    core.idle.push_back((now, topic.clone()));
                }
            }
            if core.cluster.is_attached(topic) {
                return None;
            }
            core.cluster.attach(topic, shared, now);
            let (sender, receiver) = oneshot::channel();
            let waiting = core.waiting.entry(topic.clone()).or_default();
            waiting.retain(|waiter| !waiter.is_closed());
            waiting.push(sender);
            Some(receiver)
        })
    }

    /// Has a topic taken from the broker, whatever comes of it.
    pub(super) fn attach_soon(&self, topic: &Topic) {
        if let Some(node) = &self.inner.node {
            drop(self.attach(node, topic));
        }
    }

    /// What to wait for before somebody subscribes to a topic, or reads what is kept of it: nothing without a cluster, and where
    /// the topic is there already.
    pub(super) fn attaching(
        &self,
        topic: &Topic,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let node = self.inner.node.as_ref()?;
        let attached = self.attach(node, topic)?;
        Some(async move {
            // Who waits too long has what is known here.
            let _ = timeout(LONGEST_ATTACH, attached).await;
        })
    }

    /// Somebody has left a topic, which may have been the last.
    pub(super) fn left(&self, topic: &Topic) {
        if let Some(node) = &self.inner.node
            && self.inner.hub.subscribers(topic) == 0
        {
            let now = self.now();
            let mut core = node.core();
            if let Some(wanted) = core.topics.get_mut(topic)
                && !std::mem::replace(&mut wanted.is_idle, true)
            {
                wanted.at = now;
                core.idle.push_back((now, topic.clone()));
                drop(core);
                node.bell.ring();
            }
        }
    }

    /// Runs `enter`, which subscribes and gives what came before; gives as well what has come that has no offset yet.
    pub(super) fn entering<T>(
        &self,
        topic: &Topic,
        resume: Resume,
        enter: impl FnOnce() -> T,
    ) -> (T, Vec<Entry<Prepared>>) {
        let Some(node) = &self.inner.node else {
            return (enter(), Vec::new());
        };
        self.attach_soon(topic);
        // Nothing is published meanwhile.
        let core = node.core();
        let entered = enter();
        let early = match resume {
            Resume::Live => Vec::new(),
            _ => core.early.of(topic, self.now()),
        };
        (entered, early)
    }

    /// Tells the others who is present here.
    pub(super) fn tell_present(&self, topic: &Topic, present: &Present) {
        if let Some(node) = &self.inner.node {
            self.with_core(node, |core, now| core.cluster.track(topic, present, now));
        }
    }

    /// Tells the others who is not any more.
    pub(super) fn tell_absent(&self, topic: &Topic, member: u64) {
        if let Some(node) = &self.inner.node {
            self.with_core(node, |core, now| core.cluster.untrack(topic, member, now));
        }
    }

    /// Has all other nodes do something.
    pub(super) fn tell(&self, operation: impl FnOnce() -> Operation) {
        if let Some(node) = &self.inner.node {
            let operation = operation();
            self.with_core(node, |core, now| core.cluster.tell(operation, now));
        }
    }

    /// How the relay stands in its cluster; `None` without one.
    pub fn cluster_standing(&self) -> Option<Standing> {
        let node = self.inner.node.as_ref()?;
        Some(self.with_core(node, |core, now| core.cluster.standing(now)))
    }

    /// Gives up the topics that nobody has wanted for a while.
    fn detach_idle(&self, core: &mut Core, now: u64) {
        for _ in 0..core.idle.len() {
            if (core.idle.front()).is_none_or(|(since, _)| since + LINGER > now) {
                return;
            }
            let Some((_, topic)) = core.idle.pop_front() else {
                return;
            };
            let Some(wanted) = core.topics.get_mut(&topic) else {
                continue;
            };
            if self.inner.hub.subscribers(&topic) > 0 {
                // Its last subscriber says when he leaves.
                wanted.is_idle = false;
                continue;
            }
            // Somebody who reads with one request after the other comes again.
            let is_awaited = self.inner.hub.is_lingering(&topic);
            // What is kept here is whole for as long as everything comes; what nobody wants to have for long is not kept for ever.
            let is_kept = !wanted.is_shared
                && wanted.at + KEPT > now
                && !(self
                    .inner
                    .hub
                    .history(&topic, Resume::Newest(1), now)
                    .entries)
                    .is_empty();
            if wanted.at + LINGER > now || is_kept || is_awaited {
                core.idle.push_back((now, topic));
                continue;
            }
            core.topics.remove(&topic);
            core.cluster.detach(&topic, now);
            core.early.forget(&topic);
            self.inner.hub.release(&topic);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("backplane", &self.backplane.name())
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Without randomness of the system what `HashMap` has is as good as any.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one("node"))
}

/// Numbers of connections stay below 2^53.
const MOST_NODES: u64 = 1 << 21;

/// How long a subscription waits for the broker.
const LONGEST_ATTACH: Duration = Duration::from_secs(1);

/// For how many milliseconds a topic is still taken that nobody subscribes to, and one of which something is kept here.
const LINGER: u64 = 5_000;
const KEPT: u64 = 3_600_000;
