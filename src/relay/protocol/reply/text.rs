//! The text of what the server says.

use super::Reply;
use crate::relay::hub::{Present, Topic};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

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

/// The text of a push with a payload of any type; `to_user` for one that goes to the connections of a user.
///
/// # Errors
///
/// When the payload does not become JSON.
///
/// ```
/// use wireline::relay::hub::Topic;
/// use wireline::relay::protocol::push_text;
///
/// let topic = Topic::new("orders:new").unwrap();
/// let text = push_text(&topic, "placed", &[1, 2], false).unwrap();
/// assert_eq!(text, r#"{"type":"push","topic":"orders:new","event":"placed","payload":[1,2]}"#);
/// ```
pub fn push_text<T: Serialize + ?Sized>(
    topic: &Topic,
    event: &str,
    payload: &T,
    to_user: bool,
) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct Push<'a, T: ?Sized> {
        r#type: &'static str,
        topic: &'a str,
        event: &'a str,
        payload: &'a T,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'static str>,
    }
    serde_json::to_string(&Push {
        r#type: "push",
        topic: topic.as_str(),
        event,
        payload,
        to: to_user.then_some("user"),
    })
}

struct Tagged<'a> {
    reply: &'a Reply<'a>,
    reference: Option<&'a RawValue>,
}

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.reply.kind())?;
        if let Some(topic) = self.topic() {
            map.serialize_entry("topic", topic.as_str())?;
        }
        let join = self.fields(&mut map)?;
        if let Some(join) = join {
            map.serialize_entry("join", &join)?;
        }
        if let Some(reference) = self.reference {
            map.serialize_entry("ref", reference)?;
        }
        map.end()
    }
}

impl Reply<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Subscribed { .. } => "subscribed",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Push { .. } => "push",
            Self::Pong => "pong",
            Self::Ok { .. } => "ok",
            Self::Result { .. } => "result",
            Self::Hello { .. } => "hello",
            Self::Error { .. } => "error",
            Self::Lagged { .. } => "lagged",
            Self::Skipped { .. } => "skipped",
            Self::PresenceState { .. } => "presence_state",
            Self::PresenceDiff { .. } => "presence_diff",
        }
    }
}

impl Tagged<'_> {
    fn topic(&self) -> Option<&Topic> {
        match *self.reply {
            Reply::Subscribed { topic, .. }
            | Reply::Unsubscribed { topic, .. }
            | Reply::Push { topic, .. }
            | Reply::Lagged { topic, .. }
            | Reply::Skipped { topic, .. }
            | Reply::PresenceState { topic, .. }
            | Reply::PresenceDiff { topic, .. } => Some(topic),
            Reply::Error { topic, .. } => topic.filter(|_| self.reference.is_some()),
            Reply::Pong | Reply::Ok { .. } | Reply::Result { .. } | Reply::Hello { .. } => None,
        }
    }

    /// What each has besides; gives the `join` that it ends with.
    fn fields<M: SerializeMap>(&self, map: &mut M) -> Result<Option<u64>, M::Error> {
        match *self.reply {
            Reply::Subscribed {
                position,
                reply,
                ttl,
                join,
                ..
            } => {
                if let Some(position) = position {
                    map.serialize_entry("epoch", &position.epoch)?;
                    map.serialize_entry("offset", &position.offset)?;
                    map.serialize_entry("recovered", &position.recovered)?;
                }
                optional(map, "reply", reply)?;
                optional(map, "ttl", ttl)?;
                return Ok(join);
            }
            Reply::Unsubscribed { join, reason, .. } => {
                if let Some((code, message)) = reason {
                    map.serialize_entry("code", code)?;
                    map.serialize_entry("message", message)?;
                }
                return Ok(join);
            }
            Reply::Push { event, payload, .. } => {
                map.serialize_entry("event", event)?;
                map.serialize_entry("payload", payload)?;
            }
            Reply::Pong => {}
            Reply::Ok { ttl } => optional(map, "ttl", ttl)?,
            Reply::Result { payload } => map.serialize_entry("payload", payload)?,
            Reply::Hello { conn_id, user } => {
                map.serialize_entry("conn_id", &conn_id)?;
                optional(map, "user", user)?;
            }
            Reply::Error {
                code,
                join,
                message,
                ..
            } => {
                if self.reference.is_some() {
                    map.serialize_entry("code", code.as_str())?;
                }
                map.serialize_entry("message", message)?;
                return Ok(join);
            }
            Reply::Lagged {
                missed,
                counts,
                offsets,
                ..
            } => {
                map.serialize_entry("missed", &missed)?;
                if let Some((epoch, first, last)) = offsets {
                    map.serialize_entry("epoch", &epoch)?;
                    map.serialize_entry("first", &first)?;
                    map.serialize_entry("last", &last)?;
                }
                if !counts {
                    map.serialize_entry("to", "all")?;
                }
            }
            Reply::Skipped { count, .. } => map.serialize_entry("count", &count)?,
            Reply::PresenceState { members, more, .. } => {
                map.serialize_entry("members", members)?;
                if more {
                    map.serialize_entry("more", &true)?;
                }
            }
            Reply::PresenceDiff { joined, left, .. } => {
                map.serialize_entry("joined", joined)?;
                map.serialize_entry("left", left)?;
            }
        }
        Ok(None)
    }
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &str,
    value: Option<T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
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
