//! What a client of the relay says is read as a plain reading of its JSON says, and what is answered with it says the same.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use wireline::relay::protocol::{
    Asked, ErrorCode, Position, Reply, Request, Wants, push_text, read,
};

/// Input: the text of a message; octets that are no UTF-8 are replaced.
///
/// # Panics
///
/// When a message is read as something else than it says, or comes back as something else.
pub fn relay_message(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let plain: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    let asked = match read(&text) {
        Ok(asked) => asked,
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("invalid message: "));
            let topic = wireline::relay::hub::Topic::new("t").ok();
            let error = Reply::Error {
                code: ErrorCode::InvalidMessage,
                topic: topic.as_ref(),
                join: None,
                message: &told,
            };
            let back: Value = serde_json::from_str(&error.text(None)).expect("JSON");
            assert_eq!(back, json!({"type": "error", "message": told}));
            return;
        }
    };
    assert!(asked.reference.is_none_or(|of| of.get().len() <= 256));
    // Written from its parts, it is read as the same.
    let again = written(&asked);
    let read_again = read(&again).expect("what was read can be written");
    assert_eq!(format!("{read_again:?}"), format!("{asked:?}"));
    // Values that are passed on are not looked into: they may be deeper than the plain reading follows, or 1e999.
    let Some(plain) = plain else {
        let shallow = serde_json::from_str::<BTreeMap<String, &RawValue>>(&text);
        assert!(shallow.is_ok(), "no JSON, and read all the same");
        return;
    };
    says_the_same(&asked, &plain);
    comes_back(&asked);
}

/// Every field that the message has, under its name.
fn fields<'a>(asked: &'a Asked<'a>) -> Vec<(&'static str, Value, Option<&'a RawValue>)> {
    let mut fields = Vec::new();
    let mut plain = |name, value: Value| fields.push((name, value, None));
    let mut raw = Vec::new();
    match &asked.request {
        Request::Subscribe { topic, wants } => {
            plain("type", "subscribe".into());
            plain("topic", topic.as_str().into());
            let Wants {
                payload,
                since,
                rewind,
                presence,
                token,
                join,
            } = wants;
            raw.extend(payload.map(|payload| ("payload", payload)));
            if let Some((epoch, offset)) = since {
                plain("epoch", (*epoch).into());
                plain("offset", (*offset).into());
            }
            if let Some(rewind) = rewind {
                plain("rewind", (*rewind).into());
            }
            if *presence {
                plain("presence", true.into());
            }
            if let Some(token) = token {
                plain("token", (**token).into());
            }
            if let Some(join) = join {
                plain("join", (*join).into());
            }
        }
        Request::Unsubscribe { topic, join } => {
            plain("type", "unsubscribe".into());
            plain("topic", topic.as_str().into());
            if let Some(join) = join {
                plain("join", (*join).into());
            }
        }
        Request::Message {
            topic,
            event,
            payload,
        } => {
            plain("type", "message".into());
            plain("topic", topic.as_str().into());
            plain("event", (**event).into());
            raw.push(("payload", *payload));
        }
        Request::Ping => plain("type", "ping".into()),
        Request::Refresh { topic, token } => {
            plain("type", "refresh".into());
            plain("topic", topic.as_str().into());
            plain("token", (**token).into());
        }
        Request::Call {
            method,
            payload,
            deadline,
        } => {
            plain("type", "call".into());
            plain("method", (**method).into());
            raw.push(("payload", *payload));
            if let Some(deadline) = deadline {
                plain("deadline", (*deadline).into());
            }
        }
        Request::Cancel => plain("type", "cancel".into()),
        Request::Batch { delay } => {
            plain("type", "batch".into());
            plain("delay", (*delay).into());
        }
        Request::Hello => plain("type", "hello".into()),
    }
    raw.extend(asked.reference.map(|reference| ("ref", reference)));
    let raw = raw
        .into_iter()
        .map(|(name, raw)| (name, Value::Null, Some(raw)));
    fields.into_iter().chain(raw).collect()
}

fn written(asked: &Asked<'_>) -> String {
    let fields = fields(asked).into_iter().map(|(name, value, raw)| {
        let text = raw.map_or_else(|| value.to_string(), |raw| raw.get().to_owned());
        format!("{name:?}:{text}")
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// Every field is what the plain reading has under that name.
fn says_the_same(asked: &Asked<'_>, plain: &Map<String, Value>) {
    for (name, value, raw) in fields(asked) {
        let value = raw.map_or(value, parsed);
        match plain.get(name) {
            Some(said) => assert_eq!(said, &value, "{name}"),
            // What stands for a field that was left out.
            None => assert!(
                name == "payload" && value.is_null() || name == "offset" && value == 0,
                "{name}"
            ),
        }
    }
    if let Some(Value::String(topic)) = plain.get("topic")
        && has_topic(&asked.request)
    {
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"_-:./@=,~".contains(&octet);
        assert!((1..=255).contains(&topic.len()) && topic.bytes().all(is_name));
        assert!(!topic.contains(".."));
    }
}

const fn has_topic(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Subscribe { .. }
            | Request::Unsubscribe { .. }
            | Request::Message { .. }
            | Request::Refresh { .. }
    )
}

/// The answers have what they were made of.
fn comes_back(asked: &Asked<'_>) {
    let reference = asked.reference;
    let position = Position {
        epoch: u64::MAX,
        offset: 7,
        recovered: true,
    };
    match &asked.request {
        Request::Subscribe { topic, wants } => {
            let subscribed = Reply::Subscribed {
                topic,
                position: wants.since.map(|_| position),
                reply: wants.payload,
                ttl: None,
                join: wants.join,
            };
            let mut expected = json!({"type": "subscribed", "topic": topic.as_str()});
            if wants.since.is_some() {
                expected["epoch"] = u64::MAX.into();
                expected["offset"] = 7.into();
                expected["recovered"] = true.into();
            }
            if let Some(payload) = wants.payload {
                expected["reply"] = parsed(payload);
            }
            if let Some(join) = wants.join {
                expected["join"] = join.into();
            }
            same(&subscribed, reference, expected);
        }
        Request::Unsubscribe { topic, join } => {
            let unsubscribed = Reply::Unsubscribed {
                topic,
                join: *join,
                reason: None,
            };
            let mut expected = json!({"type": "unsubscribed", "topic": topic.as_str()});
            if let Some(join) = join {
                expected["join"] = (*join).into();
            }
            same(&unsubscribed, reference, expected);
        }
        Request::Message {
            topic,
            event,
            payload,
        } => {
            let push = Reply::Push {
                topic,
                event,
                payload,
            };
            let mut expected = json!({"type": "push", "topic": topic.as_str(), "event": event});
            expected["payload"] = parsed(payload);
            same(&push, None, expected);
            let text = push_text(topic, event, payload, false).expect("JSON");
            assert_eq!(text, push.text(None));
        }
        Request::Call { payload, .. } => {
            let mut expected = json!({"type": "result"});
            expected["payload"] = parsed(payload);
            same(&Reply::Result { payload }, reference, expected);
        }
        Request::Refresh { topic, token } => {
            let message = format!("no good: {token}");
            let error = Reply::Error {
                code: ErrorCode::InvalidToken,
                topic: Some(topic),
                join: None,
                message: &message,
            };
            let mut expected = json!({"type": "error", "message": message});
            if reference.is_some() {
                expected["code"] = "invalid_token".into();
                expected["topic"] = topic.as_str().into();
            }
            same(&error, reference, expected);
        }
        Request::Ping => same(&Reply::Pong, reference, json!({"type": "pong"})),
        Request::Cancel | Request::Batch { .. } => {
            same(&Reply::Ok { ttl: None }, reference, json!({"type": "ok"}));
        }
        Request::Hello => {
            let hello = Reply::Hello {
                conn_id: 7,
                user: None,
            };
            same(&hello, reference, json!({"type": "hello", "conn_id": 7}));
        }
    }
}

fn same(reply: &Reply<'_>, reference: Option<&RawValue>, mut expected: Value) {
    if let Some(reference) = reference {
        expected["ref"] = parsed(reference);
    }
    let text = reply.text(reference);
    let back: Value = serde_json::from_str(&text).expect("an answer is JSON");
    assert_eq!(back, expected);
}

fn parsed(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("a part of what was read")
}
