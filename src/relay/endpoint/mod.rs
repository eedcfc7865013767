//! Connections as members of a hub, and what they and the server say to each other.
//!
//! ```text
//!   Relay      the handle that everybody has: push, presence, connections
//!   Session    one connection's half of the protocol: requests in, answers out, handlers run in order
//!     Outlet   its place in the hub: what is pushed is written by whoever delivers, what does not fit waits
//!     Link     what others know of it: its user, where it is present
//!   Reader     a session for who only reads, over HTTP: an event stream, or one request of a long poll
//! ```
//!
//! A [`Relay`] is a hub whose messages are frames of WebSocket, and the tasks that deliver them: one for each worker, so
//! that a message is written to all sockets of a worker in one go, without waking the task of any. An [`Outlet`] is one
//! socket's place in it, with the room for what the socket does not take at once.

mod channels;
mod config;
mod counters;
mod directory;
mod handler;
#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(feature = "tracing")]
mod log;
mod mailbox;
#[cfg(not(feature = "tracing"))]
mod no_log;
mod node;
mod outlet;
mod overflow;
mod pace;
mod payload;
mod presence;
mod push;
mod reader;
mod session;
mod sweep;
mod token;

pub use self::config::{RelayConfig, Unmatched};
pub use self::counters::Stats;
pub use self::directory::Whom;
pub use self::handler::{EventHandler, IntoReply, RelayCall, RelayEvent};
pub use self::node::{ClusterHandle, ClusterNode, Partial};
pub use self::outlet::{Membership, Missed, Outlet, Terms};
pub use self::overflow::Overflow;
pub use self::pace::Rate;
pub use self::payload::Payload;
pub use self::presence::PresenceEntry;
pub use self::push::{Connection, IntoTopic, PushError};
pub(crate) use self::reader::{long_poll, stream};
pub(crate) use self::session::serve;

use self::config::Settings;
use self::counters::Counters;
use self::directory::Directory;
#[cfg(not(feature = "tracing"))]
use self::no_log as log;
use self::node::Node;
use self::outlet::Side;
use crate::relay::groups::Groups;
use crate::relay::hub::{Entry, Hub, InvalidTopic, Message, Published, Recovered, Resume, Topic};
use crate::service::handler::RouteCheck;
use crate::ws::origin::Policy;
use crate::ws::prepared::Prepared;
use crate::ws::socket::config::Config;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use tokio::time::Instant;

/// Topics for the connections of a process: what is pushed to one reaches everybody who subscribes to it, in order. Cloning it
/// gives another handle to the same.
///
/// It is an argument of handlers, under a router that has one by `Router::with_relay` or `Router::relay`:
///
/// ```
/// use wireline::relay::{Relay, RelayConfig};
/// use wireline::{Error, Router};
///
/// async fn place(relay: Relay, order: String) -> Result<&'static str, Error> {
///     relay.push("orders:new", "placed", &order).await.map_err(Error::internal)?;
///     Ok("thank you")
/// }
///
/// let routes = Router::new().post("/orders", place).with_relay(RelayConfig::default());
/// assert!(routes.build().is_ok());
/// ```
///
/// Sockets of your own protocol can be members, too: see [`outlet`](Self::outlet).
///
/// ```
/// use std::sync::Arc;
/// use wireline::Router;
/// use wireline::extract::State;
/// use wireline::relay::{Relay, endpoint::Terms};
/// use wireline::relay::hub::{Resume, Topic};
/// use wireline::ws::prelude::*;
///
/// #[derive(Clone)]
/// struct News(Relay, Topic);
///
/// async fn read(socket: WebSocket, State(News(relay, topic)): State<News>) {
///     let outlet = relay.outlet(&socket, Arc::new(Terms::default()));
///     let subscription = outlet.subscribe(&topic, 0, Resume::Live).0;
///     outlet.serve(socket, async |_message| {}).await;
///     outlet.unsubscribe(subscription);
/// }
///
/// async fn write(State(News(relay, topic)): State<News>, text: String) -> String {
///     relay.publish(&topic, Prepared::text(&text)).subscribers.to_string()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let news = News(Relay::default(), Topic::new("news").unwrap());
/// let routes = Router::new().websocket("/news", read).post("/news", write).state(news).build();
/// # assert!(routes.is_ok());
/// # }
/// ```
#[derive(Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Hub<Prepared>,
    groups: Groups<Prepared>,
    /// One for each group that has connections.
    sides: Mutex<Vec<Weak<Side>>>,
    directory: Directory,
    counters: Counters,
    settings: Settings,
    terms: Arc<Terms>,
    socket: Arc<Config>,
    path: String,
    sse: Option<String>,
    poll: Option<String>,
    is_public: bool,
    /// Whether a task sweeps.
    is_swept: AtomicBool,
    begun: Instant,
    ids: AtomicU64,
    /// Absent without a cluster.
    node: Option<Box<Node>>,
}

impl Inner {
    /// Nanoseconds since the relay was made.
    fn nanos(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Relay {
    /// Topics with these settings.
    pub fn new(mut config: RelayConfig) -> Self {
        let node = config.join();
        Self {
            inner: Arc::new(Inner {
                hub: Hub::new(config.hub),
                groups: Groups::new(),
                sides: Mutex::default(),
                directory: Directory::default(),
                counters: Counters::default(),
                settings: config.settings,
                terms: Arc::new(config.terms),
                socket: Arc::new(config.socket),
                path: config.path,
                sse: config.sse,
                poll: config.poll,
                is_public: config.is_public,
                is_swept: AtomicBool::new(false),
                begun: Instant::now(),
                ids: AtomicU64::new(1),
                node,
            }),
        }
    }

    /// Publishes a message of any kind to everybody who subscribes to the topic.
    ///
    /// In a cluster it goes to all nodes, and the count is this node's. Nobody waits for them: of a topic whose history is shared,
    /// epoch and offset are 0, because they are not known yet.
    pub fn publish(&self, topic: &Topic, message: Prepared) -> Published {
        self.publish_except(topic, message, None)
    }

    /// The same, to everybody but this socket.
    pub fn publish_from(&self, outlet: &Outlet, topic: &Topic, message: Prepared) -> Published {
        self.publish_except(topic, message, Some(outlet.id()))
    }

    fn publish_except(&self, topic: &Topic, message: Prepared, except: Option<u64>) -> Published {
        let published = match &self.inner.node {
            None => (self.inner.hub).publish(topic, message, except, self.now()),
            Some(node) => self.publish_to_all(node, topic, message, except),
        };
        self.inner.counters.published(published.subscribers);
        if published.epoch != 0 {
            self.keep_swept();
        }
        published
    }

    /// The topics themselves.
    pub fn hub(&self) -> &Hub<Prepared> {
        &self.inner.hub
    }

    /// The time that the hub knows: milliseconds since this was made.
    pub fn now(&self) -> u64 {
        u64::try_from(self.inner.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What is kept of a topic, as [`Hub::history`] gives it, a page of it: [`history_page`](Self::history_page) with as many messages
    /// as a page has.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    ///
    /// ```
    /// use wireline::relay::Relay;
    /// use wireline::relay::hub::Resume;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let found = Relay::default().history("news", Resume::Newest(10)).await.unwrap();
    /// assert!(found.entries.is_empty());
    /// # }
    /// ```
    pub async fn history(
        &self,
        topic: impl IntoTopic,
        resume: Resume,
    ) -> Result<Recovered<Prepared>, InvalidTopic> {
        self.history_page(topic, resume, MOST_PAGE).await
    }

    /// What is kept of a topic, a page of it: so many messages, but 1,000 at most, and 4 MiB of them, or a single one that has more. Of the
    /// newest it has the newest; of what follows an offset the oldest, and then [`Recovered::next`] says what to ask for to have those
    /// behind them. However much is kept of the topic, this holds no more than its page.
    ///
    /// In a cluster that keeps histories together it is the cluster's, which this waits for: a second at most, and not while there is no
    /// connection to the broker. Cancel safe.
    ///
    /// # Errors
    ///
    /// When the topic's name is none.
    ///
    /// ```
    /// use wireline::relay::Relay;
    /// use wireline::relay::hub::Resume;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let relay = Relay::default();
    /// // No epoch is 0: it is all that is kept, from the beginning.
    /// let mut from = Some(Resume::Since { epoch: 0, offset: 0 });
    /// while let Some(resume) = from {
    ///     let page = relay.history_page("news", resume, 100).await.unwrap();
    ///     for entry in &page.entries {
    ///         println!("{} {:?}", entry.offset, entry.message);
    ///     }
    ///     from = page.next();
    /// }
    /// # }
    /// ```
    pub async fn history_page(
        &self,
        topic: impl IntoTopic,
        resume: Resume,
        most: usize,
    ) -> Result<Recovered<Prepared>, InvalidTopic> {
        let topic = topic.into_topic()?;
        if let Some(attaching) = self.attaching(&topic) {
            attaching.await;
        }
        // A page of nothing would lead to itself.
        let most = most.clamp(1, MOST_PAGE);
        let (resume, newest) = match resume {
            Resume::Newest(count) => (Resume::Newest(count.min(most)), true),
            resume => (resume, false),
        };
        let now = self.now();
        let mut page = self.inner.hub.history_page(&topic, resume, most, now);
        page.shorten(MOST_OCTETS, newest);
        Ok(page)
    }

    /// The path of the endpoint.
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// What it has done, and what it holds now.
    pub fn stats(&self) -> Stats {
        Stats {
            uptime_ms: self.now(),
            connections: self.inner.directory.len() as u64,
            topics: self.inner.hub.len() as u64,
            history_octets: self.inner.hub.held() as u64,
            ..self.inner.counters.read()
        }
    }

    /// The path of event streams.
    pub(crate) fn sse_path(&self) -> Option<&str> {
        self.inner.sse.as_deref()
    }

    /// The path of long polls.
    pub(crate) fn poll_path(&self) -> Option<&str> {
        self.inner.poll.as_deref()
    }

    pub(crate) fn is_public(&self) -> bool {
        self.inner.is_public
    }

    pub(crate) fn socket_config(&self) -> Arc<Config> {
        self.inner.socket.clone()
    }

    pub(crate) fn origin(&self) -> &Policy {
        &self.inner.settings.origin
    }

    /// Whether connections keep the head of their request.
    pub(crate) fn extracts(&self) -> bool {
        self.inner.settings.channels.extract()
    }

    /// Whether everything that its handlers want is there.
    pub(crate) fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
        if let Some(problem) = self.inner.settings.problems.first() {
            return Err(problem.clone());
        }
        self.inner.settings.channels.check(route)
    }

    fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    fn next_number(&self) -> u32 {
        loop {
            let counter = self.inner.ids.fetch_add(1, Ordering::Relaxed);
            // They begin anew one day, when some of the first may still be there.
            let [.., a, b, c, d] = counter.to_be_bytes();
            let number = u32::from_be_bytes([a, b, c, d]);
            let is_first = counter <= u64::from(u32::MAX);
            if number != 0 && (is_first || !self.inner.directory.has(number)) {
                return number;
            }
        }
    }

    /// The id of the connection with this number here.
    fn id_of(&self, number: u32) -> u64 {
        let node = self.inner.node.as_ref();
        node.map_or_else(|| number.into(), |node| node.connection(number))
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new(RelayConfig::default())
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("hub", &self.inner.hub)
            .finish_non_exhaustive()
    }
}

/// A run is its frames, one behind the other.
impl Message for Prepared {
    type Run = Bytes;

    fn octets(&self) -> usize {
        self.frame().len()
    }

    fn run(entries: &[Entry<Self>]) -> Bytes {
        if let [only] = entries {
            return only.message.shared().clone();
        }
        let len = entries
            .iter()
            .map(|entry| entry.message.frame().len())
            .sum();
        let mut joined = BytesMut::with_capacity(len);
        for entry in entries {
            joined.extend_from_slice(entry.message.frame());
        }
        joined.freeze()
    }
}

/// What a page of a history has: messages, and octets of them.
const MOST_PAGE: usize = 1000;
const MOST_OCTETS: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::directory::Link;
    use super::*;
    use crate::relay::backplane::memory::MemoryBackplane;

    #[tokio::test]
    async fn a_number_that_is_in_use_is_given_to_nobody_else() {
        let relay = Relay::new(RelayConfig::default().backplane(MemoryBackplane::default()));
        let link = Link::new(relay.line(None, Arc::default()), None);
        relay.inner.directory.add(&link);
        let id = link.outlet.id();
        // 2^32 connections later.
        relay.inner.ids.store((1 << 32) + 1, Ordering::Relaxed);
        assert_eq!(relay.id_of(relay.next_number()), id + 1);
        relay.inner.directory.remove(&link);
        relay.inner.ids.store((1 << 32) + 1, Ordering::Relaxed);
        assert_eq!(relay.id_of(relay.next_number()), id);
    }
}
