//! The text form: `<type>[<attachments>-][<namespace>,][<id>][<data>]`.

use super::{Args, Body, DEPTH, Encoded, LARGEST_ID, Packet, PacketError, RESERVED};
use crate::wire::number;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A packet, and how many attachments are still to come.
pub(super) fn decode(text: &ByteString) -> Result<(Packet, usize), PacketError> {
    let kind = text.bytes().next().ok_or(PacketError("an empty packet"))?;
    let mut rest = text.get(1..).unwrap_or_default();
    let has_attachments = matches!(kind, b'5' | b'6');
    let mut attachments = 0;
    if has_attachments {
        let (count, behind) = rest.split_once('-').ok_or(ATTACHMENTS)?;
        attachments = decimal(count)
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .ok_or(ATTACHMENTS)?;
        rest = behind;
    }
    let mut namespace = ByteString::from_static("/");
    if rest.starts_with('/') {
        let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
        namespace = text.slice_ref(name);
        rest = behind;
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, data) = rest.split_at(digits);
    let id = match id {
        "" => None,
        id => {
            let id = decimal(id).filter(|id| *id <= LARGEST_ID);
            Some(id.ok_or(PacketError("an id that is too large"))?)
        }
    };
    let data = data.trim_matches([' ', '\t', '\r', '\n']);
    if is_too_deep(data) {
        return Err(PacketError("JSON is nested too deep"));
    }
    let data = text.slice_ref(data);
    let body = match (kind, id) {
        (b'0', None) => Body::Connect(optional_object(data)?),
        (b'1', None) if data.is_empty() => Body::Disconnect,
        (b'2' | b'5', id) => event(id, &data)?,
        (b'3' | b'6', Some(id)) => Body::Ack {
            id,
            args: Args::from_json(elements(&data)?, Vec::new()),
        },
        (b'4', None) => Body::ConnectError(reason(data)?),
        (b'0'..=b'6', _) => return Err(PacketError("a packet without its parts")),
        _ => return Err(PacketError("an unknown type of packet")),
    };
    Ok((Packet { namespace, body }, attachments))
}

const ATTACHMENTS: PacketError = PacketError("no number of attachments");

fn decimal(digits: &str) -> Option<u64> {
    number::decimal(digits.as_bytes())
}

pub(super) fn event(id: Option<u64>, data: &ByteString) -> Result<Body, PacketError> {
    const NAMELESS: PacketError = PacketError("an event without a name");

    let read: Named<'_> = serde_json::from_str(data).map_err(|_| NAMELESS)?;
    let name = match read.name {
        Cow::Borrowed(name) => data.slice_ref(name),
        Cow::Owned(name) => name.into(),
    };
    check_name(&name)?;
    let args = match read.first {
        None => ByteString::new(),
        Some(first) => {
            // From the first argument to the bracket at the end.
            let at = first.get().as_ptr() as usize - data.as_ptr() as usize;
            let args = data.get(at..data.len() - 1).unwrap_or_default();
            data.slice_ref(args)
        }
    };
    Ok(Body::Event {
        name,
        id,
        args: Args::from_json(args, Vec::new()),
    })
}

fn check_name(name: &str) -> Result<(), PacketError> {
    if RESERVED.contains(&name) {
        return Err(PacketError("an event with a reserved name"));
    }
    Ok(())
}

/// What stands within the brackets of an array.
pub(super) fn elements(data: &ByteString) -> Result<ByteString, PacketError> {
    serde_json::from_str::<Elements>(data).map_err(|_| PacketError("an answer is an array"))?;
    let within = data.get(1..data.len().saturating_sub(1));
    let within = within.unwrap_or_default().trim_ascii();
    Ok(data.slice_ref(within))
}

pub(super) fn optional_object(data: ByteString) -> Result<Option<ByteString>, PacketError> {
    if data.is_empty() {
        return Ok(None);
    }
    serde_json::from_str::<Object>(&data)
        .map_err(|_| PacketError("what is said to connect is an object"))?;
    Ok(Some(data))
}

/// An object, or a string of older servers.
pub(super) fn reason(data: ByteString) -> Result<ByteString, PacketError> {
    let is_reason = (data.starts_with('{') && serde_json::from_str::<Object>(&data).is_ok())
        || (data.starts_with('"') && serde_json::from_str::<IgnoredAny>(&data).is_ok());
    is_reason
        .then_some(data)
        .ok_or(PacketError("a refusal without a reason"))
}

/// Whether JSON is nested deeper than it may be. What is too short for that is not looked at.
pub(super) fn is_too_deep(json: &str) -> bool {
    if json.len() <= DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for octet in json.bytes() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                // The array of the arguments is one.
                if depth > DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The name of an event, and its first argument: the others are only looked over.
struct Named<'a> {
    name: Cow<'a, str>,
    first: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with a name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Named<'de>, A::Error> {
        let name: Name<'de> = seq
            .next_element()?
            .ok_or_else(|| A::Error::custom("empty"))?;
        let first = seq.next_element()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Named {
            name: name.0,
            first,
        })
    }
}

/// A string, borrowed when it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Elements;

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

/// The messages of a packet.
pub(super) fn encode(packet: &Packet) -> Encoded {
    let (plain, with_attachments, id, args) = match &packet.body {
        Body::Connect(data) => return without_args('0', packet, data.as_ref()),
        Body::Disconnect => return without_args('1', packet, None),
        Body::ConnectError(reason) => return without_args('4', packet, Some(reason)),
        Body::Event { id, args, .. } => ('2', '5', *id, args),
        Body::Ack { id, args } => ('3', '6', Some(*id), args),
    };
    let attachments = args.attachments();
    let mut text = String::with_capacity(packet.namespace.len() + args.json().len() + 64);
    if attachments.is_empty() {
        text.push(plain);
    } else {
        text.push(with_attachments);
        push_number(&mut text, attachments.len() as u64);
        text.push('-');
    }
    push_namespace(&mut text, &packet.namespace);
    if let Some(id) = id {
        push_number(&mut text, id);
    }
    text.push('[');
    if let Body::Event { name, .. } = &packet.body {
        push_string(&mut text, name);
        if !args.is_empty() {
            text.push(',');
        }
    }
    text.push_str(args.json());
    text.push(']');
    Encoded::Text {
        text,
        attachments: attachments.to_vec(),
    }
}

fn without_args(kind: char, packet: &Packet, data: Option<&ByteString>) -> Encoded {
    let mut text =
        String::with_capacity(packet.namespace.len() + data.map_or(0, |data| data.len()) + 2);
    text.push(kind);
    push_namespace(&mut text, &packet.namespace);
    if let Some(data) = data {
        text.push_str(data);
    }
    Encoded::Text {
        text,
        attachments: Vec::new(),
    }
}

fn push_namespace(text: &mut String, namespace: &str) {
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
}

fn push_number(text: &mut String, number: u64) {
    use fmt::Write;
    // Writing to a string does not fail.
    let _ = write!(text, "{number}");
}

/// A JSON string.
pub(super) fn push_string(text: &mut String, string: &str) {
    let is_plain = |octet: u8| octet >= 0x20 && octet != b'"' && octet != b'\\';
    if string.bytes().all(is_plain) {
        text.push('"');
        text.push_str(string);
        text.push('"');
    } else {
        // A string always becomes JSON.
        text.push_str(&serde_json::to_string(string).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
