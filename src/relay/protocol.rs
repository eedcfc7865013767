//! The messages of the relay endpoint: JSON in text frames.
//!
//! A client that knows the plain messages alone, `subscribe`, `unsubscribe`, `message` and `ping`, is sent the plain answers
//! alone. Everything else is asked for: who gives a message a `ref` gets an answer with it, who says where he stopped is
//! told whether he has everything, who wants to know who is present is told.

use crate::relay::hub::{InvalidTopic, Present, Topic};
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a client says.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// `{"type":"subscribe","topic":"orders:new"}`
    Subscribe {
        /// The topic.
        topic: Topic,
        /// What it wants besides.
        wants: Wants<'a>,
    },
    /// `{"type":"unsubscribe","topic":"orders:new"}`
    Unsubscribe {
        /// The topic.
        topic: Topic,
    },
    /// `{"type":"message","topic":"orders:new","event":"placed","payload":{...}}`
    Message {
        /// The topic.
        topic: Topic,
        /// The event.
        event: Cow<'a, str>,
        /// What it carries; `null` when it was left out.
        payload: &'a RawValue,
    },
    /// `{"type":"ping"}`
    Ping,
}

/// What a client wants of a subscription besides its messages; nothing, unless it says so.
#[derive(Clone, Debug, Default)]
pub struct Wants<'a> {
    /// `"payload"`: for whoever decides whether it may subscribe.
    pub payload: Option<&'a RawValue>,
    /// `"epoch"` and `"offset"`: all that came after that.
    pub since: Option<(u64, u64)>,
    /// `"rewind"`: the newest messages, so many at most.
    pub rewind: Option<u32>,
    /// `"presence"`: who is present, and every change of that.
    pub presence: bool,
}

/// A message of a client and the `ref` that its answer is to have.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The message.
    pub request: Request<'a>,
    /// Any JSON value; it comes back as it is.
    pub reference: Option<&'a RawValue>,
}

/// Every field that any message has.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "ref", borrow)]
    reference: Option<&'a RawValue>,
    epoch: Option<u64>,
    offset: Option<u64>,
    rewind: Option<u32>,
    #[serde(default)]
    presence: bool,
}

/// Reads a message of a client.
///
/// # Errors
///
/// [`InvalidMessage`]: its text is what the client is told.
///
/// ```
/// use wireline::relay::protocol::{Request, read};
///
/// let asked = read(r#"{"type":"subscribe","topic":"orders:new"}"#).unwrap();
/// assert!(matches!(asked.request, Request::Subscribe { topic, .. } if topic.as_str() == "orders:new"));
/// assert_eq!(
///     read(r#"{"type":"subscribe"}"#).unwrap_err().to_string(),
///     "invalid message: missing field `topic`",
/// );
/// ```
pub fn read(text: &str) -> Result<Asked<'_>, InvalidMessage> {
    let fields: Fields<'_> = serde_json::from_str(text).map_err(InvalidMessage::Json)?;
    let topic = || match &fields.topic {
        Some(name) => Topic::new(name).map_err(InvalidMessage::Topic),
        None => Err(InvalidMessage::Missing("topic")),
    };
    let request = match &*fields.kind {
        "subscribe" => Request::Subscribe {
            topic: topic()?,
            wants: Wants {
                payload: fields.payload,
                since: fields
                    .epoch
                    .map(|epoch| (epoch, fields.offset.unwrap_or(0))),
                rewind: fields.rewind,
                presence: fields.presence,
            },
        },
        "unsubscribe" => Request::Unsubscribe { topic: topic()? },
        "message" => Request::Message {
            topic: topic()?,
            event: fields.event.ok_or(InvalidMessage::Missing("event"))?,
            payload: fields.payload.unwrap_or(RawValue::NULL),
        },
        "ping" => Request::Ping,
        _ => {
            return Err(InvalidMessage::Kind(
                fields.kind.chars().take(KIND_SHOWN).collect(),
            ));
        }
    };
    Ok(Asked {
        request,
        reference: fields.reference,
    })
}

/// What is no message of a client.
#[derive(Debug)]
pub enum InvalidMessage {
    /// It is no JSON, or a field has another type.
    Json(serde_json::Error),
    /// A field is missing.
    Missing(&'static str),
    /// There is no such type of message.
    Kind(String),
    /// The topic has no name.
    Topic(InvalidTopic),
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid message: ")?;
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Missing(field) => write!(f, "missing field `{field}`"),
            Self::Kind(kind) => write!(
                f,
                "unknown type {kind:?}, expected `subscribe`, `unsubscribe`, `message` or `ping`"
            ),
            Self::Topic(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InvalidMessage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Topic(error) => Some(error),
            Self::Missing(_) | Self::Kind(_) => None,
        }
    }
}

/// What a server says.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// `{"type":"subscribed","topic":"orders:new"}`
    Subscribed {
        /// The topic.
        topic: &'a Topic,
        /// Where it stands, for a client that asked.
        position: Option<Position>,
        /// What whoever let it subscribe says.
        reply: Option<&'a RawValue>,
    },
    /// `{"type":"unsubscribed","topic":"orders:new"}`
    Unsubscribed {
        /// The topic.
        topic: &'a Topic,
    },
    /// `{"type":"push","topic":"orders:new","event":"placed","payload":{...}}`
    Push {
        /// The topic.
        topic: &'a Topic,
        /// The event.
        event: &'a str,
        /// What it carries.
        payload: &'a RawValue,
    },
    /// `{"type":"pong"}`
    Pong,
    /// `{"type":"ok"}`, to a message with a `ref`.
    Ok,
    /// `{"type":"error","message":"not subscribed to orders:new"}`
    Error {
        /// A word for programs, for a client that gave a `ref`.
        code: ErrorCode,
        /// The words for people.
        message: &'a str,
    },
    /// `{"type":"lagged","topic":"orders:new","missed":3}`
    Lagged {
        /// The topic.
        topic: &'a Topic,
        /// How many pushes are missing where this stands.
        missed: u64,
    },
    /// `{"type":"presence_state","topic":"room:1","members":[...]}`
    PresenceState {
        /// The topic.
        topic: &'a Topic,
        /// Who is present.
        members: &'a [Present],
    },
    /// `{"type":"presence_diff","topic":"room:1","joined":[...],"left":[...]}`
    PresenceDiff {
        /// The topic.
        topic: &'a Topic,
        /// Who has come, or is known by something else now.
        joined: &'a [Present],
        /// Who has gone.
        left: &'a [Present],
    },
}

/// Where a subscription begins: the push that comes next has the next offset, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the topic.
    pub epoch: u64,
    /// The offset of the last push before those that follow.
    pub offset: u64,
    /// Whether nothing is missing of what the client asked for.
    pub recovered: bool,
}

/// What is wrong, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The message is none.
    InvalidMessage,
    /// There are too many subscriptions.
    SubscriptionLimit,
    /// Whoever decides has said no.
    JoinRejected,
    /// The topic is not subscribed to.
    NotSubscribed,
    /// Whoever takes the messages of the topic failed.
    HandlerError,
    /// Nobody takes messages of this topic.
    UnknownTopic,
    /// There were too many messages.
    RateLimited,
}

impl ErrorCode {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "invalid_message",
            Self::SubscriptionLimit => "subscription_limit",
            Self::JoinRejected => "join_rejected",
            Self::NotSubscribed => "not_subscribed",
            Self::HandlerError => "handler_error",
            Self::UnknownTopic => "unknown_topic",
            Self::RateLimited => "rate_limited",
        }
    }
}

impl Reply<'_> {
    /// The text of the message, with the `ref` of what it answers.
    pub fn text(&self, reference: Option<&RawValue>) -> String {
        let tagged = Tagged {
            reply: self,
            reference,
        };
        // Strings as keys, and no type that can fail.
        serde_json::to_string(&tagged).unwrap_or_default()
    }
}

struct Tagged<'a> {
    reply: &'a Reply<'a>,
    reference: Option<&'a RawValue>,
}

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut begin = |kind: &str, topic: Option<&Topic>| {
            map.serialize_entry("type", kind)?;
            topic.map_or(Ok(()), |topic| map.serialize_entry("topic", topic.as_str()))
        };
        match self.reply {
            Reply::Subscribed {
                topic,
                position,
                reply,
            } => {
                begin("subscribed", Some(topic))?;
                if let Some(position) = position {
                    map.serialize_entry("epoch", &position.epoch)?;
                    map.serialize_entry("offset", &position.offset)?;
                    map.serialize_entry("recovered", &position.recovered)?;
                }
                if let Some(reply) = reply {
                    map.serialize_entry("reply", reply)?;
                }
            }
            Reply::Unsubscribed { topic } => begin("unsubscribed", Some(topic))?,
            Reply::Push {
                topic,
                event,
                payload,
            } => {
                begin("push", Some(topic))?;
                map.serialize_entry("event", event)?;
                map.serialize_entry("payload", payload)?;
            }
            Reply::Pong => begin("pong", None)?,
            Reply::Ok => begin("ok", None)?,
            Reply::Error { code, message } => {
                begin("error", None)?;
                if self.reference.is_some() {
                    map.serialize_entry("code", code.as_str())?;
                }
                map.serialize_entry("message", message)?;
            }
            Reply::Lagged { topic, missed } => {
                begin("lagged", Some(topic))?;
                map.serialize_entry("missed", missed)?;
            }
            Reply::PresenceState { topic, members } => {
                begin("presence_state", Some(topic))?;
                map.serialize_entry("members", &Members(members))?;
            }
            Reply::PresenceDiff {
                topic,
                joined,
                left,
            } => {
                begin("presence_diff", Some(topic))?;
                map.serialize_entry("joined", &Members(joined))?;
                map.serialize_entry("left", &Members(left))?;
            }
        }
        if let Some(reference) = self.reference {
            map.serialize_entry("ref", reference)?;
        }
        map.end()
    }
}

struct Members<'a>(&'a [Present]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0)
    }
}

/// `{"conn_id":7,"user":"ann","meta":{...}}`
impl Serialize for Present {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("conn_id", &self.member)?;
        if let Some(name) = &self.name {
            map.serialize_entry("user", &**name)?;
        }
        match serde_json::from_str::<&RawValue>(&self.meta) {
            Ok(meta) => map.serialize_entry("meta", meta)?,
            Err(_) => map.serialize_entry("meta", &*self.meta)?,
        }
        map.end()
    }
}

/// How much of a wrong type is told.
const KIND_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn messages_of_clients_are_read() {
        for (text, shown) in [
            (
                r#"{"type":"subscribe","topic":"orders:new"}"#,
                "+orders:new None None false -",
            ),
            (
                r#"{"ref":[1],"type":"subscribe","topic":"a","epoch":7,"offset":3,"rewind":2,"presence":true,"payload":{"k": 1}}"#,
                "+a Some((7, 3)) Some(2) true {\"k\": 1} [1]",
            ),
            (r#"{"type":"unsubscribe","topic":"a"}"#, "-a"),
            (
                r#"{"type":"message","topic":"a","event":"e\n","payload":[1, 2.50]}"#,
                "a \"e\\n\" [1, 2.50]",
            ),
            (
                r#"{"type":"message","topic":"a","event":"e"}"#,
                "a \"e\" null",
            ),
            (r#"{"type":"\u0070ing","ref":"x"}"#, "ping \"x\""),
        ] {
            let asked = read(text).unwrap();
            let mut found = match asked.request {
                Request::Subscribe { topic, wants } => format!(
                    "+{topic} {:?} {:?} {} {}",
                    wants.since,
                    wants.rewind,
                    wants.presence,
                    wants.payload.map_or("-", RawValue::get),
                ),
                Request::Unsubscribe { topic } => format!("-{topic}"),
                Request::Message {
                    topic,
                    event,
                    payload,
                } => format!("{topic} {event:?} {payload}"),
                Request::Ping => "ping".to_owned(),
            };
            if let Some(reference) = asked.reference {
                found = format!("{found} {reference}");
            }
            assert_eq!(found, shown);
        }
    }

    #[test]
    fn what_is_no_message_is_told_why() {
        for (text, told) in [
            (
                "",
                "invalid message: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{}",
                "invalid message: missing field `type` at line 1 column 2",
            ),
            (
                r#"{"type":"message","topic":"a"}"#,
                "invalid message: missing field `event`",
            ),
            (
                r#"{"type":"subscribe","topic":"a b"}"#,
                "invalid message: a topic is made of letters, digits and _ - : . / @ = , ~",
            ),
            (
                r#"{"type":"join"}"#,
                "invalid message: unknown type \"join\", expected `subscribe`, `unsubscribe`, `message` or `ping`",
            ),
            (
                r#"{"type":"subscribe","topic":"a","offset":-1}"#,
                "invalid message: invalid value: integer `-1`, expected u64 at line 1 column 43",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
        let deep = format!(
            r#"{{"type":"message","topic":"a","event":"e","payload":{}}}"#,
            "[".repeat(100_000)
        );
        assert!(read(&deep).is_err());
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(100_000));
        assert!(read(&long).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn plain_answers_have_nothing_but_what_they_always_had() {
        let topic = &Topic::new("chat:lobby").unwrap();
        let payload = &*raw(r#"{"total": 9.50}"#);
        for (reply, text) in [
            (
                Reply::Subscribed {
                    topic,
                    position: None,
                    reply: None,
                },
                r#"{"type":"subscribed","topic":"chat:lobby"}"#,
            ),
            (
                Reply::Unsubscribed { topic },
                r#"{"type":"unsubscribed","topic":"chat:lobby"}"#,
            ),
            (
                Reply::Push {
                    topic,
                    event: "a\"b",
                    payload,
                },
                r#"{"type":"push","topic":"chat:lobby","event":"a\"b","payload":{"total": 9.50}}"#,
            ),
            (Reply::Pong, r#"{"type":"pong"}"#),
            (
                Reply::Error {
                    code: ErrorCode::NotSubscribed,
                    message: "not subscribed to chat:lobby",
                },
                r#"{"type":"error","message":"not subscribed to chat:lobby"}"#,
            ),
        ] {
            assert_eq!(reply.text(None), text);
        }
    }

    #[test]
    fn what_was_asked_for_is_added() {
        let topic = &Topic::new("a").unwrap();
        let reference = raw("17");
        let position = Position {
            epoch: 5,
            offset: 2,
            recovered: true,
        };
        let ann = Present {
            member: 7,
            name: Some("ann".into()),
            meta: r#"{"age":3}"#.into(),
        };
        let bob = Present {
            member: 8,
            name: None,
            meta: "no JSON".into(),
        };
        for (reply, text) in [
            (
                Reply::Subscribed {
                    topic,
                    position: Some(position),
                    reply: Some(&reference),
                },
                r#"{"type":"subscribed","topic":"a","epoch":5,"offset":2,"recovered":true,"reply":17,"ref":17}"#,
            ),
            (Reply::Ok, r#"{"type":"ok","ref":17}"#),
            (
                Reply::Error {
                    code: ErrorCode::JoinRejected,
                    message: "join rejected: no",
                },
                r#"{"type":"error","code":"join_rejected","message":"join rejected: no","ref":17}"#,
            ),
            (
                Reply::Lagged { topic, missed: 3 },
                r#"{"type":"lagged","topic":"a","missed":3,"ref":17}"#,
            ),
            (
                Reply::PresenceDiff {
                    topic,
                    joined: &[ann],
                    left: &[bob],
                },
                r#"{"type":"presence_diff","topic":"a","joined":[{"conn_id":7,"user":"ann","meta":{"age":3}}],"left":[{"conn_id":8,"meta":"no JSON"}],"ref":17}"#,
            ),
        ] {
            assert_eq!(reply.text(Some(&reference)), text);
        }
    }
}
