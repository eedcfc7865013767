//! The MessagePack form: an object `{type, nsp, data, id}` for each packet, octets among its data as they are.

use super::pack::{from_json, quote};
use super::unpack::{Room, to_json};
use super::{Args, Body, DEPTH, LARGEST_ID, Limits, Packet, PacketError, text};
use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;

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

    let room = Room {
        attachments: limits.attachments,
        octets: limits.octets,
        values: VALUES,
        // The object of the packet is one.
        depth: DEPTH + 1,
    };
    let (json, attachments) = to_json(octets, room).ok_or(MALFORMED)?;
    let json = ByteString::from(json);
    let Read {
        kind,
        namespace,
        data,
        id,
    } = serde_json::from_str(&json).map_err(|_| MALFORMED)?;
    if id.is_some_and(|id| id > LARGEST_ID) {
        return Err(MALFORMED);
    }
    if !matches!(kind, 2 | 3) && !attachments.is_empty() {
        return Err(PacketError("octets that are no argument"));
    }
    let data = data.map(|data| json.slice_ref(data.get()));
    let mut body = match (kind, data, id) {
        (0, None, None) => Body::Connect(None),
        (0, Some(data), None) => Body::Connect(text::optional_object(data)?),
        (1, None, None) => Body::Disconnect,
        (2, Some(data), id) => text::event(id, &data)?,
        (3, Some(data), Some(id)) => Body::Ack {
            id,
            args: Args::from_json(text::elements(&data)?, Vec::new()),
        },
        (4, Some(data), None) => Body::ConnectError(text::reason(data)?),
        _ => return Err(MALFORMED),
    };
    if let Body::Event { args, .. } | Body::Ack { args, .. } = &mut body {
        *args = Args::from_json(args.json().into(), attachments);
    }
    Ok(Packet {
        namespace: (&*namespace).into(),
        body,
    })
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "nsp", borrow)]
    namespace: Cow<'a, str>,
    /// What is undefined in JavaScript is as good as absent.
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    id: Option<u64>,
}

/// The most values of a packet, keys among them: one octet of a message can be hundreds in memory.
const VALUES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::packet::{Binary, Decoder, Form};
    use serde_json::{Value, json};

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
        // {type: 2, nsp: "/", data: ["a", new Date(1700000000123), new Uint8Array([1, 2]).buffer]}
        let argument = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1a\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xc7\x02\x00\x01\x02";
        let args = Args::new(("2023-11-14T22:13:20.123Z", Binary::from(vec![1, 2])));
        let packet = Packet::event("/".into(), None, "a".into(), args.unwrap());
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
        // Beside the items: the array, the name, the array of both, and the packet with three keys and two more values.
        assert!(decode(&array(99_991, b"\x00")).is_ok());
        assert!(decode(&array(99_992, b"\x00")).is_err());
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
            b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xc7\x01\xff\x00",
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
