//! What carries messages between the nodes of a cluster: a broker that people already run.
//!
//! A [`Backplane`] is one connection at a time to a broker. It knows channels and octets; what they mean, what has to be sent
//! again and what is missing is the business of [`cluster`](crate::relay::cluster), which needs no more of a broker than this:
//!
//! - a message that is published to a channel reaches every node that had taken the channel before, in the order of its publisher,
//!   or it is lost;
//! - if the broker keeps history: what is appended to a topic gets the next offset of one order for all nodes; epochs and
//!   offsets stay below 2^53.

pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "redis")]
pub mod redis;

use crate::relay::hub::{Retention, Topic};
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A broker, and how to reach it.
///
/// Implementations are tried with [`Link`]: commands come in, events go out, and the future ends when the connection does. Whoever
/// calls [`run`](Self::run) calls it again, at most once a second. [`MemoryBackplane`](memory::MemoryBackplane) shows it in its example.
///
/// ```
/// use std::pin::Pin;
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::relay::backplane::{Backplane, BackplaneError, Link};
/// use wireline::relay::{Relay, RelayConfig};
///
/// /// The same under another name.
/// struct Staging(MemoryBackplane);
///
/// impl Backplane for Staging {
///     fn name(&self) -> &'static str {
///         "staging"
///     }
///
///     fn keeps_history(&self) -> bool {
///         self.0.keeps_history()
///     }
///
///     fn run(&self, link: Link) -> Pin<Box<dyn Future<Output = BackplaneError> + Send>> {
///         self.0.run(link)
///     }
/// }
///
/// let relay = Relay::new(RelayConfig::default().backplane(Staging(MemoryBackplane::new())));
/// assert_eq!(relay.cluster().unwrap().backplane(), "staging");
/// ```
pub trait Backplane: Send + Sync + 'static {
    /// One word for logs and metrics, `redis` say.
    fn name(&self) -> &'static str;

    /// Whether [`Command::Append`] and [`Command::Read`] are known.
    fn keeps_history(&self) -> bool {
        false
    }

    /// Connects, says [`Event::Connected`], and does what the commands want until the connection ends; gives why it did. It ends
    /// as well when there are no more commands ([`Link::commands`] is closed). It must see for itself to it that a broker that does
    /// not answer for 5 s is taken for gone.
    fn run(&self, link: Link) -> Pin<Box<dyn Future<Output = BackplaneError> + Send>>;
}

/// The node's end of a connection.
///
/// ```
/// use tokio::sync::mpsc;
/// use wireline::relay::backplane::{BackplaneError, Channel, Command, Event, Link};
///
/// /// A broker that everybody is alone with.
/// async fn run(mut link: Link) -> BackplaneError {
///     let _ = link.events.send(Event::Connected).await;
///     while let Some(command) = link.commands.recv().await {
///         let event = match command {
///             Command::Subscribe(channel) => Event::Subscribed(channel),
///             Command::Unsubscribe(_) => continue,
///             Command::Publish { id, .. } => Event::Done { id },
///             Command::Append { id, .. } | Command::Read { id, .. } => {
///                 Event::Refused { id, why: "nothing is kept".to_owned() }
///             }
///         };
///         if link.events.send(event).await.is_err() {
///             break;
///         }
///     }
///     BackplaneError::new("the node wants nothing more")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (commands, wanted) = mpsc::unbounded_channel();
/// let (events, mut happened) = mpsc::channel(16);
/// commands.send(Command::Subscribe(Channel::All)).unwrap();
/// drop(commands);
/// assert_eq!(run(Link { commands: wanted, events }).await.to_string(), "the node wants nothing more");
/// assert_eq!(happened.recv().await, Some(Event::Connected));
/// assert_eq!(happened.recv().await, Some(Event::Subscribed(Channel::All)));
/// # }
/// ```
#[derive(Debug)]
pub struct Link {
    /// What the node wants. How much is under way at once is bounded by the node.
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// What has happened. Bounded: a node that is slow slows the connection.
    pub events: mpsc::Sender<Event>,
}

/// What a node wants of a broker. They are carried out in order, but [`Read`](Self::Read).
///
/// ```
/// use wireline::relay::backplane::{Channel, Command, Event};
/// use wireline::relay::cluster::{Cluster, ClusterConfig};
///
/// // What a node wants first is to hear what is for everybody, and what is for it.
/// let mut node = Cluster::new(ClusterConfig::default(), 7, 1, false);
/// node.event(Event::Connected, 0);
/// assert_eq!(node.next_command(), Some(Command::Subscribe(Channel::All)));
/// assert_eq!(node.next_command(), Some(Command::Subscribe(Channel::Node(7))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take a channel, which [`Event::Subscribed`] answers once everything that is published from now on will come.
    Subscribe(Channel),
    /// Take it no longer.
    Unsubscribe(Channel),
    /// Send a message to everybody who has taken the channel, this node as well if it has.
    Publish {
        /// Names it in [`Event::Done`].
        id: u64,
        /// Where to.
        channel: Channel,
        /// An envelope; its first octet is never a digit.
        message: Bytes,
    },
    /// In one step: give the message the next offset of its topic, keep it, and send it to the topic's channel with that. Does
    /// nothing for a message that was appended before.
    Append {
        /// Names it in [`Event::Done`].
        id: u64,
        /// Whose history, and whose [`Channel`].
        topic: Topic,
        /// Who appends, in which life of his sequence.
        origin: (u64, u64),
        /// Its place in that: one that is not above the last one that was appended was appended before.
        seq: u64,
        /// What is kept of the topic.
        keep: Retention,
        /// An envelope.
        message: Bytes,
    },
    /// Tell what is kept of a topic behind an offset of an epoch, all if that is not its epoch.
    Read {
        /// Names it in [`Event::History`].
        id: u64,
        /// Whose history.
        topic: Topic,
        /// Behind which epoch and offset.
        after: Option<(u64, u64)>,
        /// At most so many, the newest.
        most: usize,
    },
}

/// What a broker has done.
///
/// ```
/// use tokio::sync::mpsc;
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::relay::backplane::{Backplane, Command, Event, Link};
/// use wireline::relay::hub::Topic;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (commands, wanted) = mpsc::unbounded_channel();
/// let (events, mut happened) = mpsc::channel(16);
/// tokio::spawn(MemoryBackplane::new().run(Link { commands: wanted, events }));
/// assert_eq!(happened.recv().await, Some(Event::Connected));
///
/// let topic = Topic::new("news").unwrap();
/// commands.send(Command::Read { id: 1, topic, after: None, most: 10 }).unwrap();
/// assert!(matches!(happened.recv().await, Some(Event::History { id: 1, last: 0, .. })));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a connection: nothing is subscribed on it, and nothing is under way.
    Connected,
    /// Everything that is published to the channel from now on comes.
    Subscribed(Channel),
    /// A message has come.
    Message {
        /// Where it was published.
        channel: Channel,
        /// The epoch and offset of one that was appended.
        position: Option<(u64, u64)>,
        /// The envelope.
        message: Bytes,
    },
    /// The broker has done what was wanted.
    Done {
        /// Which.
        id: u64,
    },
    /// The broker has refused it; the connection is as it was. It may be tried again.
    Refused {
        /// Which.
        id: u64,
        /// Why, in the broker's words.
        why: String,
    },
    /// What is kept of a topic.
    History {
        /// Which [`Command::Read`] this answers.
        id: u64,
        /// The epoch of the topic. One that nothing was appended to has one from now on, so that whoever reads it is told where it
        /// begins; 0 if there is no room for it.
        epoch: u64,
        /// The offset of the last message; 0 for none.
        last: u64,
        /// What is kept, oldest first: the offset, the age in milliseconds, the envelope.
        entries: Vec<(u64, u64, Bytes)>,
    },
}

/// Where messages are published: a topic's, a node's, or everybody's.
///
/// ```
/// use wireline::relay::backplane::Channel;
/// use wireline::relay::hub::Topic;
///
/// /// How a broker may call it.
/// fn subject(channel: &Channel) -> String {
///     match channel {
///         Channel::Topic(topic) => format!("app:topic:{topic}"),
///         Channel::Node(node) => format!("app:node:{node:x}"),
///         Channel::All => "app:all".to_owned(),
///     }
/// }
/// assert_eq!(subject(&Channel::Topic(Topic::new("news").unwrap())), "app:topic:news");
/// assert_eq!(subject(&Channel::Node(0x2a)), "app:node:2a");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// What is published to a topic.
    Topic(Topic),
    /// What is for one node.
    Node(u64),
    /// What is for every node.
    All,
}

/// Why there is no connection.
///
/// ```
/// use wireline::relay::backplane::BackplaneError;
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// assert_eq!(BackplaneError::new(&refused).to_string(), refused.to_string());
/// ```
#[derive(Clone, Debug)]
pub struct BackplaneError(Arc<str>);

impl BackplaneError {
    /// In words for a log, without credentials.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

impl fmt::Display for BackplaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BackplaneError {}
