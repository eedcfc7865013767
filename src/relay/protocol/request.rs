//! What clients say.

use crate::relay::hub::{InvalidTopic, Topic};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a client says.
///
/// ```
/// use wireline::relay::protocol::{Request, read};
///
/// let text = r#"{"type":"message","topic":"orders:new","event":"placed","payload":{"pies":2}}"#;
/// let Ok(asked) = read(text) else { unreachable!() };
/// let Request::Message { topic, event, payload } = asked.request else { unreachable!() };
/// assert_eq!((topic.as_str(), &*event, payload.get()), ("orders:new", "placed", r#"{"pies":2}"#));
/// ```
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
        /// The subscription that it speaks of; whichever there is, if it does not say.
        join: Option<u64>,
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
    /// `{"type":"refresh","topic":"orders:new","token":"..."}`
    Refresh {
        /// The topic.
        topic: Topic,
        /// A token for it.
        token: Cow<'a, str>,
    },
    /// `{"type":"call","ref":1,"method":"sum","payload":[1,2]}`
    Call {
        /// The method.
        method: Cow<'a, str>,
        /// Its arguments; `null` when they were left out.
        payload: &'a RawValue,
        /// In how many milliseconds the client wants to have an answer.
        deadline: Option<u64>,
    },
    /// `{"type":"cancel","ref":1}`: the call with this `ref` is not wanted any more.
    Cancel,
    /// `{"type":"batch","delay":50}`
    Batch {
        /// For how many milliseconds pushes are gathered; 0 for not at all.
        delay: u64,
    },
    /// `{"type":"hello"}`
    Hello,
}

/// What a client wants of a subscription besides its messages; nothing, unless it says so.
///
/// ```
/// use wireline::relay::protocol::{Request, read};
///
/// let text = r#"{"type":"subscribe","topic":"room:1","rewind":10,"presence":true}"#;
/// let Ok(Request::Subscribe { wants, .. }) = read(text).map(|asked| asked.request) else { unreachable!() };
/// assert_eq!((wants.rewind, wants.presence, wants.since), (Some(10), true, None));
/// ```
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
    /// `"token"`: a signed leave to subscribe.
    pub token: Option<Cow<'a, str>>,
    /// `"join"`: what names this subscription among others of the topic.
    pub join: Option<u64>,
}

/// A message of a client and the `ref` that its answer is to have.
///
/// ```
/// use wireline::relay::protocol::{Reply, read};
///
/// let asked = read(r#"{"type":"ping","ref":"a-7"}"#).unwrap();
/// assert_eq!(Reply::Pong.text(asked.reference), r#"{"type":"pong","ref":"a-7"}"#);
/// ```
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The message.
    pub request: Request<'a>,
    /// Any JSON value of up to 256 octets; it comes back as it is.
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
    #[serde(borrow)]
    epoch: Later<'a>,
    #[serde(borrow)]
    offset: Later<'a>,
    #[serde(borrow)]
    rewind: Later<'a>,
    #[serde(borrow)]
    presence: Later<'a>,
    #[serde(borrow)]
    token: Later<'a>,
    #[serde(borrow)]
    join: Later<'a>,
    #[serde(borrow)]
    method: Later<'a>,
    #[serde(borrow)]
    deadline: Later<'a>,
    #[serde(borrow)]
    delay: Later<'a>,
}

/// A field that is looked at by the messages that have it; to all others it may be anything.
type Later<'a> = Option<&'a RawValue>;

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
    let reference = fields.reference;
    if reference.is_some_and(|reference| reference.get().len() > LONGEST_REFERENCE) {
        return Err(InvalidMessage::Reference);
    }
    let request = match &*fields.kind {
        "subscribe" => Request::Subscribe {
            topic: fields.topic()?,
            wants: fields.wants()?,
        },
        "unsubscribe" => Request::Unsubscribe {
            topic: fields.topic()?,
            join: field("join", fields.join)?,
        },
        "message" => Request::Message {
            topic: fields.topic()?,
            event: needed("event", fields.event)?,
            payload: fields.payload.unwrap_or(RawValue::NULL),
        },
        "ping" => Request::Ping,
        "refresh" => Request::Refresh {
            topic: fields.topic()?,
            token: needed("token", field("token", fields.token)?)?,
        },
        "call" => {
            needed("ref", reference)?;
            Request::Call {
                method: needed("method", field("method", fields.method)?)?,
                payload: fields.payload.unwrap_or(RawValue::NULL),
                deadline: field("deadline", fields.deadline)?,
            }
        }
        "cancel" => {
            needed("ref", reference)?;
            Request::Cancel
        }
        "batch" => Request::Batch {
            delay: needed("delay", field("delay", fields.delay)?)?,
        },
        "hello" => Request::Hello,
        _ => {
            return Err(InvalidMessage::Kind(
                fields.kind.chars().take(KIND_SHOWN).collect(),
            ));
        }
    };
    Ok(Asked { request, reference })
}

impl<'a> Fields<'a> {
    fn topic(&self) -> Result<Topic, InvalidMessage> {
        let name = needed("topic", self.topic.as_ref())?;
        Topic::new(name).map_err(InvalidMessage::Topic)
    }

    fn wants(self) -> Result<Wants<'a>, InvalidMessage> {
        let epoch: Option<u64> = field("epoch", self.epoch)?;
        let offset = field("offset", self.offset)?.unwrap_or(0);
        Ok(Wants {
            payload: self.payload,
            since: epoch.map(|epoch| (epoch, offset)),
            rewind: field("rewind", self.rewind)?,
            presence: field("presence", self.presence)?.unwrap_or(false),
            token: field("token", self.token)?,
            join: field("join", self.join)?,
        })
    }
}

/// The value of a field that is looked at now.
fn field<'a, T: Deserialize<'a>>(
    name: &'static str,
    raw: Later<'a>,
) -> Result<Option<T>, InvalidMessage> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|error| InvalidMessage::Field(name, error))
}

/// The `ref` of what is no message, for the answer that says so: `None` when there is none, or none to be found.
///
/// ```
/// use wireline::relay::protocol::{read, reference_of};
///
/// let text = r#"{"type":"dance","ref":7}"#;
/// assert!(read(text).is_err());
/// assert_eq!(reference_of(text).unwrap().get(), "7", "the client is told which one is wrong");
/// ```
pub fn reference_of(text: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Reference<'a> {
        #[serde(rename = "ref", borrow)]
        reference: Option<&'a RawValue>,
    }
    let found: Reference<'_> = serde_json::from_str(text).ok()?;
    let reference = found.reference?;
    (reference.get().len() <= LONGEST_REFERENCE).then_some(reference)
}

fn needed<T>(name: &'static str, field: Option<T>) -> Result<T, InvalidMessage> {
    field.ok_or(InvalidMessage::Missing(name))
}

/// What is no message of a client.
///
/// ```
/// use wireline::relay::protocol::{InvalidMessage, read};
///
/// assert!(matches!(read("hello"), Err(InvalidMessage::Json(_))));
/// assert!(matches!(read(r#"{"type":"unsubscribe"}"#), Err(InvalidMessage::Missing("topic"))));
/// assert!(matches!(read(r#"{"type":"dance"}"#), Err(InvalidMessage::Kind(kind)) if kind == "dance"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// It is no JSON, or a field that all messages have has another type.
    Json(serde_json::Error),
    /// A field is missing.
    Missing(&'static str),
    /// A field has another type.
    Field(&'static str, serde_json::Error),
    /// There is no such type of message.
    Kind(String),
    /// The topic has no name.
    Topic(InvalidTopic),
    /// The `ref` is longer than 256 octets.
    Reference,
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid message: ")?;
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Missing(field) => write!(f, "missing field `{field}`"),
            Self::Field(field, error) => write!(f, "field `{field}`: {error}"),
            Self::Kind(kind) => write!(
                f,
                "unknown type {kind:?}, expected `subscribe`, `unsubscribe`, `message` or `ping`"
            ),
            Self::Topic(error) => error.fmt(f),
            Self::Reference => f.write_str("`ref` has at most 256 octets"),
        }
    }
}

impl std::error::Error for InvalidMessage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) | Self::Field(_, error) => Some(error),
            Self::Topic(error) => Some(error),
            Self::Missing(_) | Self::Kind(_) | Self::Reference => None,
        }
    }
}

/// How much of a wrong type is told.
const KIND_SHOWN: usize = 64;

/// A `ref` goes out again with every answer.
const LONGEST_REFERENCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

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
            (r#"{"type":"unsubscribe","topic":"a"}"#, "-a "),
            (r#"{"type":"unsubscribe","topic":"a","join":4}"#, "-a 4"),
            (
                r#"{"type":"message","topic":"a","event":"e\n","payload":[1, 2.50]}"#,
                "a \"e\\n\" [1, 2.50]",
            ),
            (
                r#"{"type":"message","topic":"a","event":"e"}"#,
                "a \"e\" null",
            ),
            (r#"{"type":"\u0070ing","ref":"x"}"#, "Ping \"x\""),
            (
                r#"{"type":"refresh","topic":"a","token":"t.o.k"}"#,
                "a t.o.k",
            ),
            (
                r#"{"type":"call","ref":1,"method":"sum","payload":[1,2],"deadline":5}"#,
                "sum([1,2]) Some(5) 1",
            ),
            (r#"{"type":"call","ref":0,"method":"m"}"#, "m(null) None 0"),
            (r#"{"type":"cancel","ref":1}"#, "Cancel 1"),
            (r#"{"type":"batch","delay":0}"#, "batch 0"),
            (r#"{"type":"hello","more":[{}]}"#, "Hello"),
            (r#"{"type":"ping","offset":"x","presence":7}"#, "Ping"),
            (r#"{"type":"refresh","topic":"a","token":"\u0074"}"#, "a t"),
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
                Request::Unsubscribe { topic, join } => {
                    format!(
                        "-{topic} {}",
                        join.map_or(String::new(), |join| join.to_string())
                    )
                }
                Request::Message {
                    topic,
                    event,
                    payload,
                } => format!("{topic} {event:?} {payload}"),
                Request::Refresh { topic, token } => format!("{topic} {token}"),
                Request::Call {
                    method,
                    payload,
                    deadline,
                } => {
                    format!("{method}({payload}) {deadline:?}")
                }
                Request::Batch { delay } => format!("batch {delay}"),
                other => format!("{other:?}"),
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
                r#"{"type":"call","method":"m"}"#,
                "invalid message: missing field `ref`",
            ),
            (
                r#"{"type":"cancel"}"#,
                "invalid message: missing field `ref`",
            ),
            (
                r#"{"type":"batch"}"#,
                "invalid message: missing field `delay`",
            ),
            (
                r#"{"type":"refresh","topic":"a"}"#,
                "invalid message: missing field `token`",
            ),
            (
                r#"{"type":"subscribe","topic":"a","offset":-1}"#,
                "invalid message: field `offset`: invalid value: integer `-1`, expected u64 at line 1 column 2",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
        let deep = format!(
            r#"{{"type":"message","topic":"a","event":"e","payload":{}}}"#,
            "[".repeat(100_000)
        );
        assert!(read(&deep).is_err());
        let reference = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(255));
        assert_eq!(
            read(&reference).unwrap_err().to_string(),
            "invalid message: `ref` has at most 256 octets"
        );
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(100_000));
        assert!(read(&long).unwrap_err().to_string().len() < 200);
    }
}
