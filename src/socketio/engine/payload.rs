//! The content of requests and answers: packets with a separator between them.

use super::packet::{Data, Packet};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use bytestring::ByteString;
use std::collections::VecDeque;
use std::fmt;

/// Stands between packets.
pub const SEPARATOR: u8 = 0x1e;

/// Why content is no payload.
///
/// ```
/// use wireline::socketio::engine::{InvalidPayload, payload};
///
/// assert_eq!(payload::decode("3\u{1e}3".into(), 1), Err(InvalidPayload::TooMany));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidPayload {
    /// It is not UTF-8.
    Text,
    /// A piece of it is no packet.
    Packet,
    /// It has more packets than it may.
    TooMany,
}

impl fmt::Display for InvalidPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "the payload is not UTF-8",
            Self::Packet => "the payload has a piece that is not a packet",
            Self::TooMany => "the payload has too many packets",
        })
    }
}

impl std::error::Error for InvalidPayload {}

/// Reads content that has `most` packets at the most, in one pass over it. Texts share its octets.
///
/// # Errors
///
/// When it is no payload, or too many packets.
///
/// ```
/// use wireline::socketio::engine::{Data, Packet, payload};
///
/// let packets = payload::decode("4hello\u{1e}bAQID".into(), 16).unwrap();
/// assert_eq!(packets[0], Packet::Message(Data::Text("hello".into())));
/// assert_eq!(packets[1], Packet::Message(Data::Binary(vec![1, 2, 3].into())));
/// assert!(payload::decode("abc".into(), 16).is_err());
/// ```
pub fn decode(content: Bytes, most: usize) -> Result<Vec<Packet>, InvalidPayload> {
    let text = ByteString::try_from(content).map_err(|_| InvalidPayload::Text)?;
    let mut packets = Vec::new();
    for piece in text.split(char::from(SEPARATOR)) {
        if packets.len() >= most {
            return Err(InvalidPayload::TooMany);
        }
        let packet = match piece.strip_prefix('b') {
            Some(coded) => {
                let octets = BASE64.decode(coded).map_err(|_| InvalidPayload::Packet)?;
                Packet::Message(Data::Binary(octets.into()))
            }
            None => Packet::decode(text.slice_ref(piece)).map_err(|_| InvalidPayload::Packet)?,
        };
        packets.push(packet);
    }
    Ok(packets)
}

/// Looks at content as it comes, so that no more of it is read than has to be to see that it is no payload.
#[derive(Debug)]
pub(in crate::socketio) struct Scan {
    most: usize,
    packets: usize,
    /// The next octet begins a packet.
    begins: bool,
}

impl Scan {
    /// For a payload of `most` packets at the most.
    pub(in crate::socketio) const fn new(most: usize) -> Self {
        Self {
            most,
            packets: 0,
            begins: true,
        }
    }

    /// Looks at the octets that have come next. `decode` looks at what this lets through.
    pub(in crate::socketio) fn push(&mut self, octets: &[u8]) -> Result<(), InvalidPayload> {
        let mut pieces = octets.split(|octet| *octet == SEPARATOR).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            if self.begins {
                match piece.first() {
                    Some(b'0'..=b'6' | b'b') => self.packets += 1,
                    None if is_last => return Ok(()),
                    _ => return Err(InvalidPayload::Packet),
                }
                if self.packets > self.most {
                    return Err(InvalidPayload::TooMany);
                }
            }
            self.begins = !is_last;
        }
        Ok(())
    }
}

/// Writes packets, from the first one on, as many as fit into `most` octets, and one at the least; the others stay. Empty when there
/// are none.
///
/// ```
/// use std::collections::VecDeque;
/// use wireline::socketio::engine::{Packet, payload};
///
/// let mut packets = VecDeque::from([Packet::Pong("".into()), Packet::Close, Packet::Noop]);
/// assert_eq!(payload::encode(&mut packets, 3), "3\u{1e}1");
/// assert_eq!(packets, [Packet::Noop]);
/// ```
pub fn encode(packets: &mut VecDeque<Packet>, most: usize) -> Bytes {
    let mut content = Vec::new();
    while let Some(packet) = packets.front() {
        let is_first = content.is_empty();
        if !is_first && content.len() + 1 + encoded_len(packet) > most {
            break;
        }
        if !is_first {
            content.push(SEPARATOR);
        }
        write(packet, &mut content);
        packets.pop_front();
    }
    content.into()
}

/// How many octets a packet has in a payload.
///
/// ```
/// use wireline::socketio::engine::{Data, Packet, payload};
///
/// let packet = Packet::Message(Data::Binary(vec![1, 2, 3].into()));
/// assert_eq!(payload::encoded_len(&packet), "bAQID".len());
/// ```
pub fn encoded_len(packet: &Packet) -> usize {
    match packet {
        Packet::Message(Data::Binary(octets)) => octets.len().div_ceil(3) * 4 + 1,
        _ => packet.rest().map_or(0, str::len) + 1,
    }
}

fn write(packet: &Packet, content: &mut Vec<u8>) {
    if let Packet::Message(Data::Binary(octets)) = packet {
        write_octets(octets, content);
    } else {
        content.extend(packet.kind().to_string().as_bytes());
        content.extend_from_slice(packet.rest().unwrap_or_default().as_bytes());
    }
}

/// Writes octets as the packet that they are.
pub(in crate::socketio) fn write_octets(octets: &[u8], content: &mut Vec<u8>) {
    content.push(b'b');
    content.extend_from_slice(BASE64.encode(octets).as_bytes());
}

/// Clients leave the padding away, or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let all = [
            Packet::Open("{}".into()),
            Packet::Message(Data::Text("ä".into())),
            Packet::Message(Data::Binary(Bytes::from_static(b"\x1e\xff"))),
            Packet::Message(Data::Binary(Bytes::new())),
            Packet::Ping("".into()),
            Packet::Close,
        ];
        for packet in &all {
            let alone = encode(&mut VecDeque::from([packet.clone()]), usize::MAX);
            assert_eq!(alone.len(), encoded_len(packet), "{packet:?}");
        }
        let mut packets = VecDeque::from(all.to_vec());
        let content = encode(&mut packets, usize::MAX);
        assert!(packets.is_empty());
        assert_eq!(decode(content, 6).unwrap(), all);
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        for (content, error) in [
            (&b""[..], InvalidPayload::Packet),
            (b"abc", InvalidPayload::Packet),
            (b"4a\x1e", InvalidPayload::Packet),
            (b"\x1e4a", InvalidPayload::Packet),
            (b"4a\x1e\x1e4a", InvalidPayload::Packet),
            (b"b*", InvalidPayload::Packet),
            (b"bA", InvalidPayload::Packet),
            (b"4\xff", InvalidPayload::Text),
            (b"4\x1e4\x1e4\x1e4", InvalidPayload::TooMany),
        ] {
            let content = Bytes::copy_from_slice(content);
            assert_eq!(decode(content.clone(), 3), Err(error), "{content:?}");
        }
        assert!(decode("bAQ\u{1e}bAQ==".into(), 3).is_ok());
    }

    /// However it is cut: what has a fault is found by the octet that has it, and what has none is not held up.
    #[test]
    fn what_is_no_payload_is_seen_as_it_comes() {
        for (content, seen) in [
            (&b"4a\x1eb\x1e2\x1e"[..], None),
            (b"\x1e4a", Some((1, InvalidPayload::Packet))),
            (b"4a\x1e\x1e4a", Some((4, InvalidPayload::Packet))),
            (b"4a\x1ex", Some((4, InvalidPayload::Packet))),
            (b"4\x1e4\x1e4\x1e4", Some((7, InvalidPayload::TooMany))),
        ] {
            for step in 1..=content.len() {
                let mut scan = Scan::new(3);
                let mut came = 0;
                let found = content.chunks(step).find_map(|chunk| {
                    came += chunk.len();
                    scan.push(chunk).err()
                });
                assert_eq!(found, seen.map(|(_, error)| error), "{content:?}, {step}");
                if let Some((at, _)) = seen {
                    assert!(came - at < step, "{content:?}, {step}: {came}");
                }
            }
        }
    }

    #[test]
    fn a_packet_that_is_too_large_goes_alone() {
        let large = Packet::Message(Data::Text("x".repeat(100).into()));
        let mut packets = VecDeque::from([large.clone(), large, Packet::Close]);
        assert_eq!(encode(&mut packets, 50).len(), 101);
        assert_eq!(encode(&mut packets, 103).len(), 103);
        assert_eq!(encode(&mut packets, 103).len(), 0);
    }
}
