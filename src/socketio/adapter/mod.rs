//! Several servers that are one: what they say to each other, so that rooms span them.
//!
//! ```text
//!   Adapter     what a server asks of the others: to send, to join, to tell who is there
//!   Local       what the others may ask of a server
//!   words       the messages between nodes, as `@socket.io/redis-adapter` writes them
//!   nodes       who has asked what, and who has answered
//!   running     what adapters over a broker have in common
//!   redis       the same channels of Redis that servers and emitters of npm use
//!   backplane   the same over whatever carries a relay's messages
//! ```
//!
//! An adapter is about the other nodes alone: what a server does to its own sockets it has done itself. Rooms, sockets and sessions
//! stay with their node; what goes to others names rooms.
//!
//! What is sent to others may be lost with the broker, or with a node, and is not sent again. What is asked has a deadline, and
//! whoever has not answered by then is counted in [`Answers::missing`]: there is an answer in any case.

mod backplane;
mod keeper;
#[cfg(feature = "tracing")]
mod log;
mod memory;
#[cfg(not(feature = "tracing"))]
mod no_log;
mod nodes;
mod outbox;
#[cfg(feature = "redis")]
mod redis;
mod running;
pub mod words;

pub use self::backplane::BackplaneAdapter;
pub use self::memory::MemoryAdapter;
pub use self::nodes::{AdapterStats, Replies};
#[cfg(feature = "redis")]
pub use self::redis::RedisAdapter;

#[cfg(not(feature = "tracing"))]
use self::no_log as log;
use crate::socketio::packet::Args;
use bytestring::ByteString;
use std::pin::Pin;
use std::sync::Weak;
use std::time::Duration;

/// What a server asks of the other nodes.
///
/// [`MemoryAdapter`] knows no others and is the default; `RedisAdapter` (feature `redis`) shares rooms with servers of npm;
/// [`BackplaneAdapter`] is for servers of this kind alone. An implementation of your own calls the [`Local`] that it was started
/// with. Nothing here waits for a broker but the futures, which are cancel safe.
///
/// ```
/// use std::sync::Arc;
/// use wireline::socketio::adapter::{Adapter, MemoryAdapter};
///
/// let adapter: Arc<dyn Adapter> = Arc::new(MemoryAdapter);
/// assert_eq!(adapter.name(), "memory");
/// ```
pub trait Adapter: Send + Sync + 'static {
    /// One word for logs and metrics, `redis` say.
    fn name(&self) -> &'static str;

    /// Begins. What the others ask is asked of `local` from now on. It is called once; what it has to do on a runtime, it does as soon
    /// as anything here is called on one.
    fn start(&self, local: Weak<dyn Local>);

    /// There is a namespace on this node: what the others say of it is wanted. A second call does nothing.
    fn take(&self, namespace: &str);

    /// There is none any more.
    fn give_up(&self, namespace: &str);

    /// Sends an event to sockets of the others.
    fn broadcast(&self, to: &Target, event: &Event);

    /// Sends an event to sockets of the others, each of which is to answer it within `wait`. Gives what they answered: the first
    /// argument of each.
    fn broadcast_with_acks(&self, to: &Target, event: &Event, wait: Duration) -> Asked<Args>;

    /// Has sockets of the others join rooms.
    fn join(&self, who: &Target, rooms: &[ByteString]);

    /// Has sockets of the others leave rooms.
    fn leave(&self, who: &Target, rooms: &[ByteString]);

    /// Takes sockets of the others out of the namespace, or closes their sessions.
    fn disconnect(&self, who: &Target, close: bool);

    /// Sockets of the others.
    fn sockets(&self, who: &Target) -> Asked<RemoteSocket>;

    /// Rooms of the others that somebody is in. One may be named by several.
    fn rooms(&self, namespace: &str) -> Asked<ByteString>;

    /// Waits until there is a connection and everything is taken on it that was wanted before: without end for a broker that does not
    /// exist, and before [`start`](Self::start).
    fn up(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// What it has done.
    fn stats(&self) -> AdapterStats {
        AdapterStats::default()
    }

    /// Has the servers themselves take an event.
    fn emit(&self, namespace: &str, event: &Event);

    /// Has the servers themselves take an event, and gives what they answered.
    fn emit_with_ack(&self, namespace: &str, event: &Event) -> Asked<Args>;
}

/// What a server does when another node asks. All of it is quick; what takes longer is done elsewhere.
///
/// An adapter calls what it was started with, for as long as that is there:
///
/// ```
/// use std::sync::Weak;
/// use wireline::socketio::adapter::{Event, Local, Target};
///
/// /// Another node has said so.
/// fn heard(local: &Weak<dyn Local>, to: &Target, event: &Event) {
///     if let Some(local) = local.upgrade() {
///         local.broadcast(to, event);
///     }
/// }
/// # let _ = heard;
/// ```
pub trait Local: Send + Sync + 'static {
    /// Sends an event to sockets here.
    fn broadcast(&self, to: &Target, event: &Event);

    /// Sends an event to sockets here, says how many they are with [`Replies::expect`], and passes on with [`Replies::give`] what
    /// they answer within `wait`.
    fn broadcast_with_acks(&self, to: &Target, event: &Event, wait: Duration, replies: Replies);

    /// Has sockets here join rooms.
    fn join(&self, who: &Target, rooms: &[ByteString]);

    /// Has sockets here leave rooms.
    fn leave(&self, who: &Target, rooms: &[ByteString]);

    /// Takes sockets out of the namespace, or closes their sessions.
    fn disconnect(&self, who: &Target, close: bool);

    /// Tells which sockets are here.
    fn sockets(&self, who: &Target) -> Vec<RemoteSocket>;

    /// Tells which rooms somebody here is in.
    fn rooms(&self, namespace: &str) -> Vec<ByteString>;

    /// Another server has emitted an event for servers; `replies` is
    /// there if it waits for an answer, which [`Replies::answer`] takes.
    fn emitted(&self, namespace: &str, event: &Event, replies: Option<Replies>);
}

/// What an adapter gives when others are asked.
pub type Asked<T> = Pin<Box<dyn Future<Output = Answers<T>> + Send>>;

/// What is sent: an event.
///
/// ```
/// use wireline::socketio::adapter::Event;
/// use wireline::socketio::packet::Args;
///
/// let event = Event { name: "goal".into(), args: Args::new((1, 0)).unwrap() };
/// assert_eq!(event.args.json(), "1,0");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: ByteString,
    /// What it carries.
    pub args: Args,
}

/// Which sockets are meant.
///
/// ```
/// use wireline::socketio::adapter::{Adapter, Event, MemoryAdapter, Target};
/// use wireline::socketio::packet::Args;
///
/// let readers = Target { namespace: "/".into(), rooms: vec!["news".into()], ..Target::default() };
/// let event = Event { name: "told".into(), args: Args::new("hello").unwrap() };
/// MemoryAdapter.broadcast(&readers, &event);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The namespace, `/` as a rule.
    pub namespace: ByteString,
    /// Those who are in one of these rooms, each once; all of the namespace if there is none here. A socket's id is a room that
    /// it is in.
    pub rooms: Vec<ByteString>,
    /// But for those who are in one of these.
    pub except: Vec<ByteString>,
    /// How it is sent.
    pub flags: Flags,
}

/// How an event is sent.
///
/// ```
/// use wireline::socketio::adapter::{Flags, Target};
///
/// let flags = Flags { is_volatile: true, ..Flags::default() };
/// let everybody_who_keeps_up = Target { namespace: "/".into(), flags, ..Target::default() };
/// assert_eq!(everybody_who_keeps_up.flags.compress, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Only to those it can be written to at once.
    pub is_volatile: bool,
    /// Whether it may be compressed, if somebody has said so.
    pub compress: Option<bool>,
}

/// A socket of another node.
///
/// ```
/// use wireline::socketio::adapter::{Adapter, MemoryAdapter, RemoteSocket, Target};
///
/// fn name(socket: &RemoteSocket) -> &str {
///     socket.data["name"].as_str().unwrap_or("somebody")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let members = Target { namespace: "/".into(), rooms: vec!["members".into()], ..Target::default() };
/// let found = MemoryAdapter.sockets(&members).await;
/// let names: Vec<&str> = found.answers.iter().map(name).collect();
/// assert!(names.is_empty());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSocket {
    /// Its id.
    pub id: ByteString,
    /// The rooms that it is in, its id among them.
    pub rooms: Vec<ByteString>,
    /// The request that it came with: an object with `headers`, `query`, `auth` and the like.
    pub handshake: serde_json::Value,
    /// What its server has put there.
    pub data: serde_json::Value,
}

/// What others answered, and whether it is all of it.
///
/// ```
/// use wireline::socketio::adapter::Answers;
///
/// let answers = Answers { answers: vec![1, 2], nodes: 3, missing: 1, missing_nodes: Vec::new() };
/// assert!(!answers.is_complete());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers<T> {
    /// What was answered, in the order in which it came.
    pub answers: Vec<T>,
    /// How many other nodes were asked; 0 as well if that is not known.
    pub nodes: usize,
    /// How many of them, or of their sockets, have not answered in time; 1 without a connection.
    pub missing: usize,
    /// Which nodes have not answered, where the adapter knows them by name; a server of npm has none.
    pub missing_nodes: Vec<String>,
}

impl<T> Answers<T> {
    /// Whether everybody who was asked has answered.
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self {
            answers: Vec::new(),
            nodes: 0,
            missing: 0,
            missing_nodes: Vec::new(),
        }
    }
}
