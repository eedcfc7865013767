//! The MessagePack form: an object `{type, nsp, data, id}` for each packet, octets among its data as they are.

use super::binary::{self, NUM, PLACEHOLDER};
use super::pack::{from_json, quote};
use super::{Args, Body, DEPTH, LARGEST_ID, Limits, Packet, PacketError, text};
use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use std::fmt::{self, Write};
use std::io::Cursor;

/// The message of a packet.
pub(super) fn encode(packet: &Packet) -> Bytes {
    // Nothing of this cannot be written: what packets carry is JSON.
    written(packet).unwrap_or_default().into()
}

fn written(packet: &Packet) -> Option<Vec<u8>> {
    let (kind, attachments) = match &packet.body {
        Body::Connect(_) => (0, &[][..]),
        Body::Disconnect => (1, &[][..]),
        Body::Event { args, .. } => (2, args.attachments()),
        Body::Ack { args, .. } => (3, args.attachments()),
        Body::ConnectError(_) => (4, &[][..]),
    };
    let mut json = format!(r#"{{"type":{kind},"nsp":"#);
    quote(&mut json, &packet.namespace)?;
    match &packet.body {
        Body::Connect(Some(data)) | Body::ConnectError(data) => {
            write!(json, r#","data":{data}"#).ok()?;
        }
        Body::Connect(None) | Body::Disconnect => {}
        Body::Event { name, args, .. } => {
            json.push_str(r#","data":["#);
            quote(&mut json, name)?;
            if !args.json().is_empty() {
                json.push(',');
            }
            write!(json, "{}]", args.json()).ok()?;
        }
        Body::Ack { args, .. } => write!(json, r#","data":[{}]"#, args.json()).ok()?,
    }
    if let Body::Event { id: Some(id), .. } | Body::Ack { id, .. } = &packet.body {
        write!(json, r#","id":{id}"#).ok()?;
    }
    json.push('}');
    from_json(&json, attachments)
}

/// The packet of a message.
pub(super) fn decode(octets: &[u8], limits: Limits) -> Result<Packet, PacketError> {
    const MALFORMED: PacketError = PacketError("no packet as MessagePack");

    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(octets));
    // The object of the packet is one.
    deserializer.set_max_depth(DEPTH + 1);
    let room = binary::Room {
        attachments: limits.attachments,
        octets: limits.octets,
        values: VALUES,
    };
    let (read, attachments) = binary::writing_within(room, || Read::deserialize(&mut deserializer));
    let Read {
        kind,
        namespace,
        data,
        id,
    } = read.map_err(|_| MALFORMED)?;
    let is_at_end = usize::try_from(deserializer.position()).is_ok_and(|at| at == octets.len());
    if !is_at_end || id.is_some_and(|id| id > LARGEST_ID) {
        return Err(MALFORMED);
    }
    if !matches!(kind, 2 | 3) && !attachments.is_empty() {
        return Err(PacketError("octets that are no argument"));
    }
    // What is undefined in JavaScript is as good as absent.
    let data = data.filter(|In(data)| !data.is_null());
    let json = |value: &Value| serde_json::to_string(value).map(ByteString::from);
    let body = match (kind, data, id) {
        (0, None, None) => Body::Connect(None),
        (0, Some(In(data @ Value::Object(_))), None) => {
            Body::Connect(Some(json(&data).map_err(|_| MALFORMED)?))
        }
        (1, None, None) => Body::Disconnect,
        (2, Some(In(Value::Array(values))), id) => {
            let Some((Value::String(name), rest)) = values.split_first() else {
                return Err(PacketError("an event without a name"));
            };
            text::check_name(name)?;
            Body::Event {
                name: name.as_str().into(),
                id,
                args: args(rest, attachments)?,
            }
        }
        (3, Some(In(Value::Array(values))), Some(id)) => Body::Ack {
            id,
            args: args(&values, attachments)?,
        },
        (4, Some(In(data @ (Value::Object(_) | Value::String(_)))), None) => {
            Body::ConnectError(json(&data).map_err(|_| MALFORMED)?)
        }
        _ => return Err(MALFORMED),
    };
    Ok(Packet {
        namespace: namespace.into(),
        body,
    })
}

fn args(values: &[Value], attachments: Vec<Bytes>) -> Result<Args, PacketError> {
    let list = Args::list(values).map_err(|_| PacketError("arguments that are no JSON"))?;
    Ok(Args::from_json(list.json().into(), attachments))
}

#[derive(Deserialize)]
struct Read {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "nsp")]
    namespace: String,
    #[serde(default)]
    data: Option<In>,
    #[serde(default)]
    id: Option<u64>,
}

/// JSON with placeholders for octets, which are kept beside it.
struct In(Value);

impl<'de> Deserialize<'de> for In {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        binary::count().ok_or_else(|| D::Error::custom("too many values"))?;
        deserializer.deserialize_any(InVisitor)
    }
}

/// What an extension type has: whether that is one octet of zero.
struct Extension(bool);

impl<'de> Deserialize<'de> for Extension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ExtensionVisitor)
    }
}

struct ExtensionVisitor;

impl Visitor<'_> for ExtensionVisitor {
    type Value = Extension;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the octets of an extension type")
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Extension, E> {
        Ok(Extension(octets == [0]))
    }
}

struct InVisitor;

impl<'de> Visitor<'de> for InVisitor {
    type Value = In;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON has, or octets")
    }

    fn visit_bool<E>(self, value: bool) -> Result<In, E> {
        Ok(In(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<In, E> {
        Ok(In(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<In, E> {
        Ok(In(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<In, E> {
        Ok(In(
            Number::from_f64(value).map_or(Value::Null, Value::Number)
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<In, E> {
        Ok(In(value.into()))
    }

    fn visit_unit<E>(self) -> Result<In, E> {
        Ok(In(Value::Null))
    }

    fn visit_bytes<E: serde::de::Error>(self, octets: &[u8]) -> Result<In, E> {
        let place = binary::keep(&Bytes::copy_from_slice(octets))
            .ok_or_else(|| E::custom("octets out of place"))?;
        let mut placeholder = Map::new();
        placeholder.insert(PLACEHOLDER.to_owned(), true.into());
        placeholder.insert(NUM.to_owned(), place.into());
        Ok(In(Value::Object(placeholder)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<In, A::Error> {
        // As long as they come: what was announced may be a lie.
        let mut values = Vec::new();
        while let Some(In(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(In(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<In, A::Error> {
        let mut object = Map::new();
        while let Some(In(key)) = map.next_key()? {
            let key = match key {
                Value::String(key) => key,
                Value::Number(key) => key.to_string(),
                _ => return Err(A::Error::custom("a key that is no string")),
            };
            let In(value) = map.next_value()?;
            object.insert(key, value);
        }
        if object.get(PLACEHOLDER) == Some(&Value::Bool(true)) {
            // It would be taken for octets from now on.
            return Err(A::Error::custom("a placeholder where octets are in place"));
        }
        Ok(In(Value::Object(object)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<In, D::Error> {
        // JavaScript's `undefined`; there is none in JSON.
        match <(i8, Extension)>::deserialize(deserializer)? {
            (0, Extension(true)) => Ok(In(Value::Null)),
            _ => Err(D::Error::custom("an extension type")),
        }
    }
}

/// The most values of a packet, keys among them: one octet of a message can be hundreds in memory.
const VALUES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::packet::{Binary, Decoder, Form};
    use serde_json::json;

    fn decode(octets: &[u8]) -> Result<Packet, PacketError> {
        super::decode(octets, Limits::default())
    }

    fn back(packet: &Packet) -> Packet {
        decode(&encode(packet)).unwrap()
    }

    #[test]
    fn packets_there_and_back() {
        let args = Args::new((1, -1, 1.5, "a", json!({"b": [null, true]}))).unwrap();
        for body in [
            Body::Connect(None),
            Body::Connect(Some(r#"{"token":"1"}"#.into())),
            Body::Disconnect,
            Body::Event {
                name: "a".into(),
                id: None,
                args: args.clone(),
            },
            Body::Event {
                name: "\"".into(),
                id: Some(LARGEST_ID),
                args: Args::default(),
            },
            Body::Ack { id: 0, args },
            Body::ConnectError(r#"{"message":"no"}"#.into()),
        ] {
            let packet = Packet {
                namespace: "/a".into(),
                body,
            };
            assert_eq!(back(&packet), packet);
        }
    }

    #[test]
    fn octets_stand_where_they_belong() {
        let args = Args::new((
            Binary::from(vec![1]),
            json!({"a": 1}),
            Binary::from(vec![2, 3]),
        ));
        let packet = Packet::event("/".into(), None, "x".into(), args.unwrap());
        let octets = encode(&packet);
        assert!(!octets.windows(4).any(|window| window == b"plac"));
        assert_eq!(back(&packet), packet);
        let mut decoder = Decoder::new(Form::MessagePack);
        assert_eq!(decoder.binary(octets), Ok(Some(packet)));
        assert!(decoder.text("2[\"x\"]".into()).is_err());
    }

    #[test]
    fn what_other_programs_write() {
        // {type: 2, data: ["a", 1], options: {compress: true}, nsp: "/"}
        let with_options =
            b"\x84\xa4type\x02\xa4data\x92\xa1a\x01\xa7options\x81\xa8compress\xc3\xa3nsp\xa1/";
        let args = Args::new(1).unwrap();
        let packet = Packet::event("/".into(), None, "a".into(), args);
        assert_eq!(decode(with_options), Ok(packet));
        // {type: 1, nsp: "/", data: nil, id: nil}
        let with_nothing = b"\x84\xa4type\x01\xa3nsp\xa1/\xa4data\xc0\xa2id\xc0";
        assert_eq!(
            decode(with_nothing).map(|packet| packet.body),
            Ok(Body::Disconnect)
        );
        // {type: 0, nsp: "/", data: undefined}, as socket.io-msgpack-parser connects.
        let undefined = b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xd4\x00\x00";
        assert_eq!(
            decode(undefined).map(|packet| packet.body),
            Ok(Body::Connect(None))
        );
        // {type: 2, nsp: "/", data: ["a", undefined]}
        let argument = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xd4\x00\x00";
        let packet = Packet::event(
            "/".into(),
            None,
            "a".into(),
            Args::list(&[Value::Null]).unwrap(),
        );
        assert_eq!(decode(argument), Ok(packet));
    }

    /// An event whose argument is this.
    fn event(argument: &[u8]) -> Vec<u8> {
        [
            &b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"[..],
            argument,
        ]
        .concat()
    }

    #[test]
    fn si1_octets_and_values_are_as_many_as_allowed() {
        let array = |count: u32, item: &[u8]| {
            let items = item.repeat(count.try_into().unwrap());
            event(&[&[0xdd][..], &count.to_be_bytes(), &items].concat())
        };
        let limits = Limits {
            attachments: 10,
            octets: 10,
        };
        let decode = |octets: &[u8]| super::decode(octets, limits);
        assert!(decode(&array(10, b"\xc4\x01\xff")).is_ok());
        assert!(decode(&array(11, b"\xc4\x00")).is_err());
        assert!(decode(&array(6, b"\xc4\x02\xff\xff")).is_err());
        // Beside the items: the array, the name, and the array of both.
        assert!(decode(&array(99_997, b"\x00")).is_ok());
        assert!(decode(&array(99_998, b"\x00")).is_err());
        assert!(decode(&array(33_333, b"\x81\xa0\x00")).is_err());
    }

    #[test]
    fn no_packets() {
        let deep = [
            &b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"[..],
            &[0x91; 10_000],
            &[0xc0],
        ]
        .concat();
        let placeholder =
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\x82\xac_placeholder\xc3\xa3num\x00";
        for octets in [
            &b""[..],
            b"\x00",
            b"\xc0",
            b"\x80",
            b"\x81\xa4type\x02",
            b"\x82\xa4type\x01\xa3nsp\xc0",
            b"\x82\xa4type\x01\xa3nsp\xa1/\x00",
            b"\x82\xa4type\x05\xa3nsp\xa1/",
            b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa1a\xc4\x01\xff",
            b"\x82\xa4type\x02\xa3nsp\xa1/",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\x01",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xaadisconnect",
            b"\x83\xa4type\x03\xa3nsp\xa1/\xa4data\x90",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xd4\x01\x00",
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            placeholder,
            &deep,
        ] {
            let found = decode(octets);
            assert!(
                found.is_err(),
                "{:?}: {found:?}",
                &octets[..octets.len().min(40)]
            );
        }
    }
}
