//! Messages to packets: a text that announces attachments waits for them.

use super::binary::{NUM, PLACEHOLDER};
use super::{Args, Body, Form, Packet, PacketError, msgpack, text};
use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Takes the messages of a session, and gives its packets.
///
/// ```
/// use wireline::socketio::packet::{Decoder, Form};
///
/// let mut decoder = Decoder::new(Form::Text);
/// let text = r#"51-["upload",{"_placeholder":true,"num":0}]"#;
/// assert_eq!(decoder.text(text.into()), Ok(None));
/// assert!(decoder.is_waiting());
/// assert!(decoder.binary("octets".into()).unwrap().is_some());
/// ```
#[derive(Debug)]
pub struct Decoder {
    form: Form,
    limits: Limits,
    waiting: Option<Box<Waiting>>,
}

/// What a peer may have the other side hold.
///
/// ```
/// use wireline::socketio::packet::{Decoder, Form, Limits};
///
/// let limits = Limits { attachments: 0, ..Limits::default() };
/// let mut decoder = Decoder::with_limits(Form::Text, limits);
/// let text = r#"51-["upload",{"_placeholder":true,"num":0}]"#;
/// assert!(decoder.text(text.into()).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most attachments of a packet; 10 unless said otherwise.
    pub attachments: usize,
    /// The most octets of all attachments of a packet; 1,000,000 unless said otherwise.
    pub octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attachments: 10,
            octets: 1_000_000,
        }
    }
}

/// A packet whose attachments have not all come.
#[derive(Debug)]
struct Waiting {
    packet: Packet,
    missing: usize,
    /// How many octets may still come.
    room: usize,
    attachments: Vec<Bytes>,
}

impl Decoder {
    /// For a session that speaks this form.
    pub const fn new(form: Form) -> Self {
        Self::with_limits(
            form,
            Limits {
                attachments: 10,
                octets: 1_000_000,
            },
        )
    }

    /// The same, with other limits.
    pub const fn with_limits(form: Form, limits: Limits) -> Self {
        Self {
            form,
            limits,
            waiting: None,
        }
    }

    /// Whether attachments are missing. It is for whoever has a clock to end a session that never sends them.
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes a text message.
    ///
    /// # Errors
    ///
    /// When it is no packet, or attachments are missing.
    pub fn text(&mut self, text: ByteString) -> Result<Option<Packet>, PacketError> {
        if self.form == Form::MessagePack {
            return Err(PacketError("a text where packets are binary"));
        }
        if self.waiting.is_some() {
            return Err(PacketError("a text where an attachment is missing"));
        }
        let (packet, missing) = text::decode(&text)?;
        if missing == 0 {
            return Ok(Some(packet));
        }
        if missing > self.limits.attachments {
            return Err(PacketError("too many attachments"));
        }
        if let Body::Event { args, .. } | Body::Ack { args, .. } = &packet.body {
            check_placeholders(args, missing)?;
        }
        self.waiting = Some(Box::new(Waiting {
            packet,
            missing,
            room: self.limits.octets,
            attachments: Vec::with_capacity(missing),
        }));
        Ok(None)
    }

    /// Takes a binary message.
    ///
    /// # Errors
    ///
    /// When no attachment is missing, it is too large, or, as MessagePack, it is no packet.
    pub fn binary(&mut self, octets: Bytes) -> Result<Option<Packet>, PacketError> {
        if self.form == Form::MessagePack {
            return msgpack::decode(&octets, self.limits).map(Some);
        }
        let Some(waiting) = &mut self.waiting else {
            return Err(PacketError("an attachment that nothing announced"));
        };
        waiting.room = (waiting.room.checked_sub(octets.len()))
            .ok_or(PacketError("attachments are too large"))?;
        waiting.attachments.push(octets);
        waiting.missing -= 1;
        if waiting.missing > 0 {
            return Ok(None);
        }
        let Some(waiting) = self.waiting.take() else {
            return Ok(None);
        };
        let Waiting {
            mut packet,
            attachments,
            ..
        } = *waiting;
        if let Body::Event { args, .. } | Body::Ack { args, .. } = &mut packet.body {
            *args = Args::from_json(args.json().into(), attachments);
        }
        Ok(Some(packet))
    }
}

/// Placeholders stand for attachments that there are: whoever gets them next looks for them, and may not be as careful.
fn check_placeholders(args: &Args, count: usize) -> Result<(), PacketError> {
    let array = args.array();
    let mut deserializer = serde_json::Deserializer::from_str(&array);
    let read = Walk(count).deserialize(&mut deserializer);
    read.map(|_| ())
        .map_err(|_| PacketError("a placeholder without an attachment"))
}

/// Walks over JSON in search of placeholders, of which so many may be.
#[derive(Clone, Copy)]
struct Walk(usize);

/// What matters of a value.
enum Seen {
    True,
    Number(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut is_placeholder, mut place) = (false, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = map.next_value_seed(self)?;
            if key == PLACEHOLDER {
                is_placeholder = matches!(value, Seen::True);
            } else if key == NUM {
                place = match value {
                    Seen::Number(place) => Some(place),
                    _ => None,
                };
            }
        }
        let is_there = place.is_some_and(|place| place < self.0 as u64);
        if is_placeholder && !is_there {
            return Err(A::Error::custom("no such attachment"));
        }
        Ok(Seen::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::packet::Binary;

    const ONE: &str = r#"{"_placeholder":true,"num":0}"#;

    fn decoder() -> Decoder {
        Decoder::new(Form::Text)
    }

    #[test]
    fn attachments_come_behind_their_packet() {
        let mut decoder = decoder();
        let two = r#"52-/a,7["x",{"_placeholder":true,"num":1},[{"num":0,"_placeholder":true}]]"#;
        assert_eq!(decoder.text(two.into()), Ok(None));
        assert_eq!(decoder.binary(Bytes::from_static(b"first")), Ok(None));
        assert!(decoder.is_waiting());
        let packet = decoder.binary(Bytes::from_static(b"second")).unwrap();
        let Some(Body::Event { args, id, .. }) = packet.map(|packet| packet.body) else {
            panic!("no event")
        };
        assert_eq!(id, Some(7));
        let (second, first): (Binary, Vec<Binary>) = args.to().unwrap();
        assert_eq!((&*second, &*first[0]), (&b"second"[..], &b"first"[..]));
        assert!(!decoder.is_waiting());
        let answer = format!("61-7[{ONE}]");
        assert_eq!(decoder.text(answer.into()), Ok(None));
        assert!(decoder.binary(Bytes::new()).unwrap().is_some());
        assert!(decoder.text(r#"2["x"]"#.into()).unwrap().is_some());
    }

    #[test]
    fn si1_attachments_that_were_not_announced_or_do_not_come() {
        assert!(decoder().binary(Bytes::from_static(b"x")).is_err());
        let mut text_between = decoder();
        text_between
            .text(format!("51-[\"x\",{ONE}]").into())
            .unwrap();
        assert!(text_between.text("2[\"x\"]".into()).is_err());
        for count in ["11", "599999", "99999999999999999999"] {
            let text = format!("5{count}-[\"x\",{ONE}]");
            assert!(decoder().text(text.into()).is_err(), "{count}");
        }
    }

    #[test]
    fn si1_no_more_octets_than_allowed_are_held() {
        let mut decoder = decoder();
        decoder.text(format!("52-[\"x\",{ONE}]").into()).unwrap();
        assert_eq!(decoder.binary(vec![0; 600_000].into()), Ok(None));
        assert!(decoder.binary(vec![0; 400_001].into()).is_err());
    }

    #[test]
    fn si1_placeholders_stand_for_what_is_there() {
        for wrong in [
            r#"{"_placeholder":true,"num":1}"#,
            r#"{"_placeholder":true,"num":-1}"#,
            r#"{"_placeholder":true,"num":"toString"}"#,
            r#"{"_placeholder":true,"num":0.5}"#,
            r#"{"_placeholder":true}"#,
            r#"[[{"a":{"num":7,"_placeholder":true}}]]"#,
            r#"{"_placeholder":true,"num":0,"a":{"_placeholder":true,"num":2}}"#,
        ] {
            let text = format!("51-[\"x\",{wrong}]");
            assert!(decoder().text(text.into()).is_err(), "{wrong}");
        }
        for right in [
            ONE,
            r#"{"_placeholder":false,"num":9}"#,
            r#"{"_placeholder":1,"num":9}"#,
            r#"{"num":"x"}"#,
            "null",
        ] {
            let text = format!("51-[\"x\",{right}]");
            assert_eq!(decoder().text(text.into()), Ok(None), "{right}");
        }
    }
}
