//! What a subscription gives, and how things fail.

use crate::relay::hub::Topic;
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
    /// Which. `None` when the server does not say, when several gaps are told as one, and when this client's own queue was
    /// full.
    pub which: Option<Missing>,
}

/// Which pushes of a topic are missing: from the first to the last, both among them.
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

/// Why a request has no answer that one would like.
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// The number by which the HTTP API, presence and handlers know this connection; another one after a reconnection.
    pub conn_id: u64,
    /// The user, if it is signed in.
    pub user: Option<String>,
}
