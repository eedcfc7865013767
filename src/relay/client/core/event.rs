//! What a subscription gives, and how things fail.

use crate::relay::client::core::pace::Ended;
use crate::relay::hub::{InvalidTopic, Topic};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::fmt;

/// What happens to a subscription, in the order in which it happened.
///
/// ```
/// use wireline::relay::client::{Event, Subscription};
///
/// async fn show(mut room: Subscription) {
///     while let Some(event) = room.next().await {
///         match event {
///             Event::Push(push) => println!("{}: {}", push.event, push.payload),
///             Event::Lagged(lagged) => println!("{} are missing here", lagged.missed),
///             Event::Unsubscribed(end) => println!("over: {}", end.message),
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The subscription has begun, or goes on after a reconnection.
    Subscribed(Subscribed),
    /// Something was published.
    Push(Push),
    /// Who is present, or a change of that, for subscriptions that asked.
    Presence(Presence),
    /// Pushes are missing where this stands: the server could not keep them, they were lost between the nodes of a cluster,
    /// or this subscription's queue was full because nobody read it.
    Lagged(Lagged),
    /// The server has ended the subscription. It is the last event, unless a token callback brings it back.
    Unsubscribed(Unsubscribed),
    /// The server refused something of this subscription, or a token callback failed. When it is the last event, the
    /// subscription was refused for good.
    Error(Refusal),
}

/// A subscription has begun, or goes on.
///
/// ```
/// use wireline::relay::client::{Event, RelayClient};
/// # use wireline::relay::RelayConfig;
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let server = TestClient::new(Router::new().with_relay(RelayConfig::default()).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let mut news = client.subscribe("news").unwrap();
/// let Some(Event::Subscribed(begun)) = news.next().await else { unreachable!() };
/// assert!(begun.recovered && !begun.resumed, "it begins, and nothing was missed");
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribed {
    /// The topic.
    pub topic: Topic,
    /// Whether nothing is missing of what was asked for. When it is `false`, pushes are missing, nobody knows how many: the
    /// application asks its own source of truth.
    pub recovered: bool,
    /// Whether the subscription goes on after a reconnection, or begins.
    pub resumed: bool,
    /// What the channel's handler answered.
    pub reply: Option<Box<RawValue>>,
}

/// How many pushes are missing, and which if the server says so.
///
/// ```
/// use wireline::relay::client::{Lagged, Missing};
///
/// fn told(lagged: &Lagged) -> String {
///     match lagged.which {
///         Some(Missing::OfNode { node, first, last }) => format!("{first} to {last} of node {node:x}"),
///         Some(Missing::OfEpoch { first, last, .. }) => format!("{first} to {last}"),
///         _ => format!("{} pushes", lagged.missed),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lagged {
    /// How many.
    pub missed: u64,
    /// Which. `None` when neither the server says so nor this client can tell by what it has counted: when some of those that are
    /// missing have no offset, or are of two epochs.
    pub which: Option<Missing>,
}

/// Which pushes of a topic are missing: from the first to the last, both among them. Those between that this client was left out of,
/// because it had published them itself, are not counted as missing.
///
/// ```
/// use wireline::relay::client::Missing;
///
/// fn count(which: Missing) -> Option<u64> {
///     match which {
///         Missing::OfNode { first, last, .. } | Missing::OfEpoch { first, last, .. } => Some(last - first + 1),
///         _ => None,
///     }
/// }
/// assert_eq!(count(Missing::OfEpoch { epoch: 3, first: 11, last: 14 }), Some(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Of those that a node of the cluster published, by its own count.
    OfNode {
        /// The node's number, as the HTTP API tells it.
        node: u64,
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// Of all, by their offsets in a life of the topic.
    OfEpoch {
        /// The topic's life.
        epoch: u64,
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
}

/// Something that was published to a topic.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Push {
    /// The topic.
    pub topic: Topic,
    /// The event.
    pub event: String,
    /// What it carries, as it came; [`json`](Self::json) reads it.
    pub payload: Box<RawValue>,
    /// Whether it was published to this user alone, on all of his connections.
    pub to_user: bool,
}

impl Push {
    /// The payload as a value of this type.
    ///
    /// # Errors
    ///
    /// The payload is no such value.
    ///
    /// ```
    /// # use wireline::relay::client::{Event, Push};
    /// fn total(push: &Push) -> Option<u64> {
    ///     #[derive(serde::Deserialize)]
    ///     struct Order {
    ///         total: u64,
    ///     }
    ///     push.json::<Order>().ok().map(|order| order.total)
    /// }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload.get())
    }
}

/// Who is present.
///
/// ```
/// use wireline::relay::client::{Event, Presence, Subscription};
///
/// async fn watch(mut room: Subscription) {
///     while let Some(event) = room.next().await {
///         match event {
///             Event::Presence(Presence::State { members, .. }) => println!("{} are here", members.len()),
///             Event::Presence(Presence::Diff { joined, left }) => println!("+{} -{}", joined.len(), left.len()),
///             _ => {}
///         }
///     }
/// }
/// # let _ = watch;
/// ```
#[derive(Clone, Debug)]
pub enum Presence {
    /// Everybody who is present; it replaces all that was known.
    State {
        /// The members.
        members: Vec<Member>,
        /// Whether there are more than the server tells.
        more: bool,
    },
    /// A change.
    Diff {
        /// Who has come, or has new `meta`.
        joined: Vec<Member>,
        /// Who has gone.
        left: Vec<Member>,
    },
}

/// A connection that is present at a topic.
///
/// ```
/// use wireline::relay::RelayConfig;
/// use wireline::relay::client::{Event, RelayClient, SubscribeOptions};
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // Whoever subscribes to a room is present in it.
/// let config = RelayConfig::default().presence("room:*");
/// # let server = TestClient::new(Router::new().with_relay(config).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let options = SubscribeOptions::new().presence(true).payload("in the kitchen");
/// let mut room = client.subscribe_with("room:1", options).unwrap();
/// while room.members().is_empty() {
///     assert!(matches!(room.next().await, Some(Event::Subscribed(_) | Event::Presence(_))));
/// }
/// assert_eq!(room.members()[0].meta.get(), r#""in the kitchen""#);
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The connection; a user with three devices is three members.
    pub conn_id: u64,
    /// The user, if it is signed in.
    pub user: Option<String>,
    /// What is known of it, as JSON; `null` if nothing is.
    #[serde(default = "nothing")]
    pub meta: Box<RawValue>,
}

fn nothing() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// The server has ended a subscription.
///
/// ```
/// use wireline::relay::Relay;
/// use wireline::relay::client::{Event, RelayClient};
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::default();
/// # let server = TestClient::new(Router::new().relay(&relay).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let mut news = client.subscribe("news").unwrap();
/// assert!(matches!(news.next().await, Some(Event::Subscribed(_))));
///
/// let conn_id = client.hello().await.unwrap().conn_id;
/// relay.unsubscribe(conn_id, "news").unwrap();
/// let Some(Event::Unsubscribed(end)) = news.next().await else { unreachable!() };
/// assert_eq!(end.code, "server");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsubscribed {
    /// The topic.
    pub topic: Topic,
    /// Why, for programs: `server`, `token_expired`; `disconnected` when the server had made the subscription and the
    /// connection that it was made for is gone.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// What the server said in place of yes.
///
/// ```
/// use wireline::relay::client::{Event, RelayClient};
/// use wireline::relay::{RelayConfig, Unmatched};
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let config = RelayConfig::default().unmatched(Unmatched::Reject);
/// # let server = TestClient::new(Router::new().with_relay(config).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let mut news = client.subscribe("news").unwrap();
/// let Some(Event::Error(refusal)) = news.next().await else { unreachable!() };
/// assert_eq!(refusal.code, "unknown_topic");
/// assert!(news.next().await.is_none(), "it was refused for good");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// For programs: `join_rejected`, `rate_limited`, ...; `token` when a token callback failed; empty if the server gave none.
    pub code: String,
    /// For people.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Why there is no subscription.
///
/// ```
/// use wireline::relay::client::{RelayClient, SubscribeError};
/// # use wireline::relay::RelayConfig;
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let server = TestClient::new(Router::new().with_relay(RelayConfig::default()).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let news = client.subscribe("news").unwrap();
/// assert!(matches!(client.subscribe("news"), Err(SubscribeError::Taken)));
/// drop(news);
/// assert!(client.subscribe("news").is_ok());
/// assert!(matches!(client.subscribe("the news"), Err(SubscribeError::Topic(_))));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The topic is none, with the reason.
    Topic(InvalidTopic),
    /// This client has a subscription to the topic already.
    Taken,
    /// This client has as many subscriptions as it may have.
    TooMany,
    /// The payload is longer than a message may be.
    TooLarge,
    /// The payload does not become JSON, with the reason.
    Payload(String),
    /// The client has ended.
    Ended(Ended),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::Taken => f.write_str("there is a subscription to the topic already"),
            Self::TooMany => f.write_str("too many subscriptions"),
            Self::TooLarge => f.write_str("the payload is longer than a message may be"),
            Self::Payload(reason) => f.write_str(reason),
            Self::Ended(ended) => write!(f, "the client has ended: {ended}"),
        }
    }
}

impl std::error::Error for SubscribeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            Self::Ended(ended) => Some(ended),
            _ => None,
        }
    }
}

/// Why a request has no answer that one would like.
///
/// ```
/// use std::time::Duration;
/// use wireline::relay::client::{RelayClient, RequestError};
/// # use wireline::relay::RelayConfig;
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let server = TestClient::new(Router::new().with_relay(RelayConfig::default()).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let sum: Result<i64, RequestError> = client.call("sum", &[1, 2], Duration::from_secs(5)).await;
/// assert!(matches!(sum, Err(RequestError::Refused(refusal)) if refusal.code == "unknown_method"));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused it.
    Refused(Refusal),
    /// There was no answer in time. Whether it took effect is not known.
    Timeout,
    /// The connection ended before the answer came. Whether it took effect is not known.
    Disconnected,
    /// No WebSocket could be opened, and what there is in its place only reads: an event stream.
    ReadOnly,
    /// Too many requests wait for an answer, or to be sent.
    Full,
    /// It is longer than a message may be.
    TooLarge,
    /// What was given is no request, with the reason: a topic that is none, a deadline that is too long.
    Invalid(&'static str),
    /// The value does not become JSON, or the answer is no such value.
    Json(serde_json::Error),
    /// The client has ended.
    Ended,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Disconnected => f.write_str("the connection ended before the answer came"),
            Self::ReadOnly => f.write_str("an event stream only reads: there is no WebSocket"),
            Self::Full => f.write_str("too many requests wait"),
            Self::TooLarge => f.write_str("longer than a message may be"),
            Self::Invalid(reason) => f.write_str(reason),
            Self::Json(error) => error.fmt(f),
            Self::Ended => f.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// Who this connection is to the server.
///
/// ```
/// use wireline::relay::Relay;
/// use wireline::relay::client::RelayClient;
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::default();
/// # let server = TestClient::new(Router::new().relay(&relay).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let hello = client.hello().await.unwrap();
/// assert_eq!(hello.user, None, "nobody has signed in");
/// assert_eq!(hello.conn_id, relay.connections(1)[0].conn_id);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The number by which the HTTP API, presence and handlers know this connection; another one after a reconnection.
    pub conn_id: u64,
    /// The user, if it is signed in.
    pub user: Option<String>,
}
