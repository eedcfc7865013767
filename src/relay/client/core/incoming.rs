//! What a server says, read.

use crate::relay::client::core::event::{Lagged, Member, Missing};
use crate::wire::number;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A message of the server.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    Subscribed {
        topic: Cow<'a, str>,
        /// Epoch and offset.
        position: Option<(u64, u64)>,
        recovered: Option<bool>,
        reply: Option<&'a RawValue>,
        ttl: Option<u64>,
    },
    Unsubscribed {
        topic: Cow<'a, str>,
        code: Option<Cow<'a, str>>,
        message: Cow<'a, str>,
    },
    Push {
        topic: Cow<'a, str>,
        event: Cow<'a, str>,
        payload: &'a RawValue,
        to: To,
    },
    Lagged {
        topic: Cow<'a, str>,
        lagged: Lagged,
        counts: bool,
    },
    Skipped {
        topic: Cow<'a, str>,
        count: u64,
    },
    PresenceState {
        topic: Cow<'a, str>,
        members: Vec<Member>,
        more: bool,
    },
    PresenceDiff {
        topic: Cow<'a, str>,
        joined: Vec<Member>,
        left: Vec<Member>,
    },
    Ok {
        ttl: Option<u64>,
    },
    Pong,
    Result {
        payload: &'a RawValue,
    },
    Hello {
        conn_id: u64,
        user: Option<Cow<'a, str>>,
    },
    /// The last word of an event stream, where a socket has a Close.
    Disconnect {
        code: u16,
        reason: Cow<'a, str>,
    },
    Error {
        code: Option<Cow<'a, str>>,
        message: Cow<'a, str>,
        topic: Option<Cow<'a, str>>,
    },
}

/// Whom a push is for, and whether it has an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Those who subscribe; it counts.
    Subscribers,
    /// Those who subscribe; it counts when the nodes of the cluster have agreed on its offset, which is said apart.
    Uncounted,
    /// The connections of a user.
    User,
}

/// A message and what it belongs to.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) message: Incoming<'a>,
    /// The `ref` of what it answers, when it is one of ours: a number.
    pub(crate) reference: Option<u64>,
    /// The subscription that it speaks of.
    pub(crate) join: Option<u64>,
}

/// Gives every message of a frame to `f`, in order: one, or those of a batch. What is no message that this version
/// knows is `None`, and the rest of its batch is given all the same.
pub(crate) fn each(text: &str, mut f: impl FnMut(Option<Told<'_>>)) {
    if text.trim_ascii_start().starts_with('[') {
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(batch) => batch.into_iter().for_each(|one| f(read(one.get()))),
            Err(_) => f(None),
        }
    } else {
        f(read(text));
    }
}

/// Every field that any message has.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    topic: Option<Word<'a>>,
    #[serde(borrow)]
    event: Option<Word<'a>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "ref", borrow)]
    reference: Option<&'a RawValue>,
    join: Option<u64>,
    epoch: Option<u64>,
    offset: Option<u64>,
    recovered: Option<bool>,
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    ttl: Option<u64>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<Word<'a>>,
    #[serde(borrow)]
    node: Option<Word<'a>>,
    first: Option<u64>,
    last: Option<u64>,
    #[serde(borrow)]
    message: Option<Word<'a>>,
    missed: Option<u64>,
    count: Option<u64>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    members: Option<Vec<Member>>,
    joined: Option<Vec<Member>>,
    left: Option<Vec<Member>>,
    more: Option<bool>,
    conn_id: Option<u64>,
    #[serde(borrow)]
    user: Option<Word<'a>>,
}

/// Text that is lent where it has no escapes.
#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// A `code`, which is text but for that of `disconnect`.
fn word(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Word<'_>>(value.get())
        .ok()
        .map(|word| word.0)
}

/// A node's number: 1 to 16 hexadecimal digits.
fn hexadecimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.bytes().try_fold(0, |value: u64, octet| {
        Some(value << 4 | u64::from(number::hex_digit(octet)?))
    })
}

fn read(text: &str) -> Option<Told<'_>> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    let topic = fields.topic.map(|word| word.0);
    let message = match &*fields.kind {
        "subscribed" => Incoming::Subscribed {
            topic: topic?,
            position: fields
                .epoch
                .map(|epoch| (epoch, fields.offset.unwrap_or(0))),
            recovered: fields.recovered,
            reply: fields.reply,
            ttl: fields.ttl,
        },
        "unsubscribed" => Incoming::Unsubscribed {
            topic: topic?,
            code: fields.code.and_then(word),
            message: fields.message.map_or_else(Cow::default, |word| word.0),
        },
        "push" => Incoming::Push {
            topic: topic?,
            event: fields.event?.0,
            payload: fields.payload.unwrap_or(RawValue::NULL),
            to: match fields.to.map(RawValue::get) {
                None => To::Subscribers,
                Some(r#""all""#) => To::Uncounted,
                Some(_) => To::User,
            },
        },
        "lagged" => Incoming::Lagged {
            topic: topic?,
            counts: fields.to.is_none(),
            lagged: Lagged {
                missed: fields.missed?,
                which: match (fields.node, fields.epoch, fields.first, fields.last) {
                    (Some(node), _, Some(first), Some(last)) => {
                        hexadecimal(&node.0).map(|node| Missing::OfNode { node, first, last })
                    }
                    (None, Some(epoch), Some(first), Some(last)) => {
                        Some(Missing::OfEpoch { epoch, first, last })
                    }
                    _ => None,
                },
            },
        },
        "skipped" => Incoming::Skipped {
            topic: topic?,
            count: fields.count?,
        },
        "presence_state" => Incoming::PresenceState {
            topic: topic?,
            members: fields.members?,
            more: fields.more.unwrap_or(false),
        },
        "presence_diff" => Incoming::PresenceDiff {
            topic: topic?,
            joined: fields.joined.unwrap_or_default(),
            left: fields.left.unwrap_or_default(),
        },
        "ok" => Incoming::Ok { ttl: fields.ttl },
        "pong" => Incoming::Pong,
        "result" => Incoming::Result {
            payload: fields.payload.unwrap_or(RawValue::NULL),
        },
        "hello" => Incoming::Hello {
            conn_id: fields.conn_id?,
            user: fields.user.map(|word| word.0),
        },
        "disconnect" => Incoming::Disconnect {
            code: serde_json::from_str(fields.code?.get()).ok()?,
            reason: fields.reason.map_or_else(Cow::default, |word| word.0),
        },
        "error" => Incoming::Error {
            code: fields.code.and_then(word),
            message: fields.message.map_or_else(Cow::default, |word| word.0),
            topic,
        },
        _ => return None,
    };
    let reference = fields
        .reference
        .and_then(|value| serde_json::from_str(value.get()).ok());
    Some(Told {
        message,
        reference,
        join: fields.join,
    })
}
