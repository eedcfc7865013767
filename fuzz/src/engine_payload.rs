//! The content of a poll or a POST of Engine.IO is read as splitting its text reads it, and what is written reads back.

use bytes::Bytes;
use std::collections::VecDeque;
use wireline::socketio::engine::payload::{InvalidPayload, decode, encode, encoded_len};
use wireline::socketio::engine::{Data, Packet};

/// Input: how many packets there may be, how many octets an answer may have, then the content.
///
/// # Panics
///
/// When it is read otherwise, or does not come back.
pub fn engine_payload(data: &[u8]) {
    let [most, room, content @ ..] = data else {
        return;
    };
    let most = usize::from(*most % 32);
    let read = decode(Bytes::copy_from_slice(content), most);
    assert_eq!(read, plain(content, most));
    let Ok(packets) = read else {
        return;
    };
    for packet in &packets {
        if let Some(text) = packet.text() {
            assert_eq!(Packet::decode(text).as_ref(), Ok(packet));
        }
    }
    let whole = encode(&mut packets.clone().into(), usize::MAX);
    let lengths: usize = packets.iter().map(encoded_len).sum();
    assert_eq!(whole.len(), lengths + packets.len().saturating_sub(1));
    assert_eq!(decode(whole, most).as_ref(), Ok(&packets));
    // In answers of so many octets.
    let mut waiting: VecDeque<Packet> = packets.clone().into();
    let mut back = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let answer = encode(&mut waiting, usize::from(*room));
        let count = before - waiting.len();
        assert!(count == 1 || answer.len() <= usize::from(*room));
        let some = decode(answer, most).expect("what was written");
        assert_eq!(some.len(), count);
        back.extend(some);
    }
    assert_eq!(back, packets);
}

/// The same by splitting, piece by piece.
fn plain(content: &[u8], most: usize) -> Result<Vec<Packet>, InvalidPayload> {
    let text = std::str::from_utf8(content).map_err(|_| InvalidPayload::Text)?;
    let mut packets = Vec::new();
    for piece in text.split('\u{1e}') {
        if packets.len() == most {
            return Err(InvalidPayload::TooMany);
        }
        let mut characters = piece.chars();
        let kind = characters.next().ok_or(InvalidPayload::Packet)?;
        let rest = characters.as_str();
        packets.push(match kind {
            '0' => Packet::Open(rest.into()),
            '1' => Packet::Close,
            '2' => Packet::Ping(rest.into()),
            '3' => Packet::Pong(rest.into()),
            '4' => Packet::Message(Data::Text(rest.into())),
            '5' => Packet::Upgrade,
            '6' => Packet::Noop,
            'b' => {
                let octets = octets(rest).ok_or(InvalidPayload::Packet)?;
                Packet::Message(Data::Binary(octets.into()))
            }
            _ => return Err(InvalidPayload::Packet),
        });
    }
    Ok(packets)
}

/// Base64 (RFC 4648 section 4), bit by bit; padding may be missing.
fn octets(text: &str) -> Option<Vec<u8>> {
    let symbols = text.trim_end_matches('=');
    let padding = text.len() - symbols.len();
    if padding > (4 - symbols.len() % 4) % 4 || symbols.len() % 4 == 1 {
        return None;
    }
    let (mut octets, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for symbol in symbols.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over is zero.
    (bits == 0).then_some(octets)
}
