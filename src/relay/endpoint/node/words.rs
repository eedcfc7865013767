//! What subscribers are told that other nodes have a part in.

use crate::relay::cluster::Parcel;
use crate::relay::cluster::envelope::Run;
use crate::relay::hub::Topic;
use crate::ws::prepared::Prepared;
use serde::Serialize;

/// A message as it came from another node.
pub(super) fn message(parcel: &Parcel) -> Prepared {
    match std::str::from_utf8(&parcel.payload) {
        Ok(text) if parcel.is_text => Prepared::text(text),
        _ => Prepared::binary(&parcel.payload),
    }
}

/// What goes to other nodes of a message.
pub(in crate::relay::endpoint) fn parcel(message: &Prepared, except: Option<u64>) -> Parcel {
    Parcel {
        is_text: message.is_text(),
        except: except.unwrap_or(0),
        payload: message.payload().clone(),
    }
}

/// The message with the mark that clients do not count it by. What is no push is as it was: nobody counts what another protocol sends.
pub(super) fn uncounted(message: Prepared) -> Prepared {
    let marked = std::str::from_utf8(message.payload())
        .ok()
        .and_then(|text| {
            let open = text.strip_suffix('}')?;
            let is_push = message.is_text() && text.starts_with(PUSH);
            is_push.then(|| Prepared::text(&format!("{open}{MARK}")))
        });
    marked.unwrap_or(message)
}

/// How many places a message of a subscription stands for.
pub(in crate::relay::endpoint) fn places(text: &[u8]) -> u64 {
    let is_marked = text.ends_with(MARK.as_bytes());
    if text.starts_with(LAGGED) {
        if is_marked { 0 } else { missed(text) }
    } else {
        u64::from(!(is_marked && text.starts_with(PUSH.as_bytes())))
    }
}

/// How many messages are missing with one that does not count: those that it told of, or itself.
pub(in crate::relay::endpoint) fn worth(message: &Prepared) -> u64 {
    let text = message.payload();
    if text.starts_with(LAGGED) {
        missed(text)
    } else {
        1
    }
}

fn missed(lagged: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Gap {
        missed: u64,
    }
    serde_json::from_slice(lagged).map_or(1, |Gap { missed }| missed)
}

/// Whose messages are missing.
pub(super) enum Whose {
    /// Those of a node.
    Node(u64),
    /// Those of the order that all nodes share, in this epoch.
    All(u64),
}

/// The message that says which are missing, from the first to the last.
pub(super) fn lagged(topic: &Topic, whose: &Whose, first: u64, last: u64) -> Prepared {
    #[derive(Serialize)]
    struct Lagged<'a> {
        r#type: &'static str,
        topic: &'a str,
        missed: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        first: u64,
        last: u64,
    }
    let lagged = Lagged {
        r#type: "lagged",
        topic: topic.as_str(),
        missed: span(first, last),
        node: match whose {
            Whose::Node(node) => Some(format!("{node:x}")),
            Whose::All(_) => None,
        },
        epoch: match whose {
            Whose::Node(_) => None,
            Whose::All(epoch) => Some(*epoch),
        },
        first,
        last,
    };
    // Strings as keys, and no type that can fail.
    Prepared::text(&serde_json::to_string(&lagged).unwrap_or_default())
}

/// The message that says that so many of a node are missing which have no place in the order that all nodes share, and which they are
/// by its own count, if that is known.
pub(super) fn given_up(topic: &Topic, node: u64, missed: u64, run: Option<Run>) -> Prepared {
    #[derive(Serialize)]
    struct Lagged<'a> {
        r#type: &'static str,
        topic: &'a str,
        missed: u64,
        node: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
        to: &'static str,
    }
    let lagged = Lagged {
        r#type: "lagged",
        topic: topic.as_str(),
        missed,
        node: format!("{node:x}"),
        first: run.map(|run| run.first),
        last: run.map(|run| run.last),
        to: "all",
    };
    Prepared::text(&serde_json::to_string(&lagged).unwrap_or_default())
}

/// How many there are from the first to the last.
pub(super) const fn span(first: u64, last: u64) -> u64 {
    last.saturating_sub(first).saturating_add(1)
}

const PUSH: &str = r#"{"type":"push","#;
const LAGGED: &[u8] = br#"{"type":"lagged","#;
const MARK: &str = r#","to":"all"}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::protocol::push_text;

    fn text(message: &Prepared) -> &str {
        std::str::from_utf8(message.payload()).unwrap()
    }

    #[test]
    fn a_push_that_does_not_count_is_marked() {
        let topic = &Topic::new("a").unwrap();
        for payload in ["}", "all", r#","to":"all"}"#] {
            let push = push_text(topic, "e", payload, false).unwrap();
            assert_eq!(places(push.as_bytes()), 1, "{push}");
            let marked = uncounted(Prepared::text(&push));
            let value: serde_json::Value = serde_json::from_str(text(&marked)).unwrap();
            assert_eq!(
                (&value["to"], &value["payload"]),
                (&"all".into(), &payload.into())
            );
            assert_eq!(places(marked.payload()), 0);
        }
        let object = push_text(topic, "e", &serde_json::json!({"x": 1, "to": "all"}), false);
        assert_eq!(places(object.unwrap().as_bytes()), 1);
        for other in ["", "{}", "text", r#"{"x":1}"#] {
            assert_eq!(text(&uncounted(Prepared::text(other))), other);
        }
        let binary = Prepared::binary(br#"{"type":"push","x":1}"#);
        assert!(!uncounted(binary).is_text());
    }

    #[test]
    fn a_gap_is_told_with_its_range() {
        let topic = &Topic::new("a").unwrap();
        let of_node = lagged(topic, &Whose::Node(0x1_f00d), 3, 5);
        assert_eq!(
            text(&of_node),
            r#"{"type":"lagged","topic":"a","missed":3,"node":"1f00d","first":3,"last":5}"#
        );
        let of_all = lagged(topic, &Whose::All(9), 5, 5);
        assert_eq!(
            text(&of_all),
            r#"{"type":"lagged","topic":"a","missed":1,"epoch":9,"first":5,"last":5}"#
        );
        assert_eq!(
            (places(of_node.payload()), places(of_all.payload())),
            (3, 1)
        );
        let run = Run {
            sequence: 2,
            first: 7,
            last: 10,
        };
        let with = given_up(topic, 0x1_f00d, 4, Some(run));
        assert_eq!(
            text(&with),
            r#"{"type":"lagged","topic":"a","missed":4,"node":"1f00d","first":7,"last":10,"to":"all"}"#
        );
        assert_eq!((places(with.payload()), worth(&with)), (0, 4));
        let without = given_up(topic, 0x1_f00d, 4, None);
        assert_eq!(
            text(&without),
            r#"{"type":"lagged","topic":"a","missed":4,"node":"1f00d","to":"all"}"#
        );
        assert_eq!(places(without.payload()), 0);
        assert_eq!((worth(&without), worth(&Prepared::text("x"))), (4, 1));
    }

    #[test]
    fn what_another_node_sent_is_as_it_was() {
        for message in [Prepared::text("ä"), Prepared::binary(&[0xff, 0])] {
            let sent = parcel(&message, Some(7));
            assert_eq!((sent.is_text, sent.except), (message.is_text(), 7));
            assert_eq!(super::message(&sent).frame(), message.frame());
        }
        let garbled = Parcel {
            is_text: true,
            except: 0,
            payload: vec![0xff].into(),
        };
        assert!(!message(&garbled).is_text());
    }
}
