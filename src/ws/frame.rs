//! Frame heads (RFC 6455 §5.2).
//!
//! ```text
//!   octet 0: FIN RSV1 RSV2 RSV3 opcode(4)      octet 1: MASK length(7)
//!   length 126: 16 bits follow; length 127: 64 bits follow; then, when masked, the key
//! ```

use crate::ws::error::Error;
use crate::ws::mask::MaskingKey;

/// What a frame is (RFC 6455 §5.2).
///
/// ```
/// use wireline::ws::frame::Opcode;
///
/// assert_eq!(Opcode::from_bits(0x89), Some(Opcode::Ping), "FIN is none of its bits");
/// assert!(Opcode::Ping.is_control() && !Opcode::Text.is_control());
/// assert_eq!(Opcode::from_bits(0x3), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The message goes on.
    Continuation = 0x0,
    /// A text message begins.
    Text = 0x1,
    /// A binary message begins.
    Binary = 0x2,
    // 0x3 to 0x7 are reserved for further data frames.
    /// The closing handshake.
    Close = 0x8,
    /// A ping.
    Ping = 0x9,
    /// A pong.
    Pong = 0xa,
    // 0xb to 0xf are reserved for further control frames.
}

impl Opcode {
    /// The opcode in the low four bits; `None` when it is reserved.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits & 0xf {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is a control frame (RFC 6455 §5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// What the receiver of a frame expects.
///
/// ```
/// use wireline::ws::error::Error;
/// use wireline::ws::frame::{Expected, FrameHeader};
///
/// // A ping without a mask may come from a server, and from nobody else.
/// let ping = [0x89, 0x00];
/// let (from_server, from_client) = (Expected::default(), Expected { masked: true, ..Expected::default() });
/// assert!(FrameHeader::decode(&ping, from_server).is_ok());
/// assert_eq!(FrameHeader::decode(&ping, from_client), Err(Error::Unmasked));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The frame comes from a client.
    pub masked: bool,
    /// A compression extension was agreed on: RSV1 may stand on the first frame of a message.
    pub compression: bool,
    /// A fragmented message has begun and not ended.
    pub inside_message: bool,
}

/// The head of one frame.
///
/// ```
/// use wireline::ws::frame::{Expected, FrameHeader, Opcode};
///
/// // RFC 6455 §5.7: the head of a masked text message that says "Hello".
/// let octets = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let expected = Expected { masked: true, ..Expected::default() };
/// let (header, len) = FrameHeader::decode(&octets, expected).unwrap().unwrap();
/// assert!(header.fin && header.opcode == Opcode::Text);
/// assert_eq!((header.payload_len, len), (5, 6));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// RSV1: the message is compressed (RFC 7692 §6).
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key, when the payload is masked.
    pub masking_key: Option<MaskingKey>,
    /// The length of the payload.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Reads a head and how many octets it takes; `Ok(None)` asks for more. The first two octets are
    /// judged as soon as they are there, the length as soon as it is.
    ///
    /// # Errors
    ///
    /// The frame is not one that may come here.
    pub fn decode(octets: &[u8], expected: Expected) -> Result<Option<(Self, usize)>, Error> {
        let Some(([first, second], rest)) = octets.split_first_chunk() else {
            return Ok(None);
        };
        let (opcode, short) = judge(*first, *second, expected)?;
        // RFC 6455 §5.2: the fewest octets that can hold the length, and 63 bits at most.
        let (payload_len, rest) = match (short, rest) {
            (126, [a, b, rest @ ..]) => match u16::from_be_bytes([*a, *b]) {
                ..126 => return Err(Error::Length),
                len => (u64::from(len), rest),
            },
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                match u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) {
                    ..=0xffff | 0x8000_0000_0000_0000.. => return Err(Error::Length),
                    len => (len, rest),
                }
            }
            (126 | 127, _) => return Ok(None),
            (len, rest) => (u64::from(len), rest),
        };
        let (masking_key, rest) = match (expected.masked, rest) {
            (false, rest) => (None, rest),
            (true, [a, b, c, d, rest @ ..]) => (Some(MaskingKey::new([*a, *b, *c, *d])), rest),
            (true, _) => return Ok(None),
        };
        let header = Self {
            fin: first & FIN != 0,
            compressed: first & RSV1 != 0,
            opcode,
            masking_key,
            payload_len,
        };
        Ok(Some((header, octets.len() - rest.len())))
    }

    /// Appends the head. A length above 63 bits, which no payload has, is not written right.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let first = self.opcode as u8
            | if self.fin { FIN } else { 0 }
            | if self.compressed { RSV1 } else { 0 };
        push_head(out, first, self.payload_len, self.masking_key);
    }
}

/// Judges the first two octets; gives the opcode and the seven bits of the length.
fn judge(first: u8, second: u8, expected: Expected) -> Result<(Opcode, u8), Error> {
    let opcode = Opcode::from_bits(first);
    // RFC 7692 §6: RSV1 stands on the first frame of a message and nowhere else.
    let begins = matches!(opcode, Some(Opcode::Text | Opcode::Binary));
    let allowed = if expected.compression && begins {
        RSV1
    } else {
        0
    };
    if first & RESERVED & !allowed != 0 {
        return Err(Error::ReservedBits);
    }
    let opcode = opcode.ok_or(Error::ReservedOpcode)?;
    // RFC 6455 §5.1: a client masks every frame, a server none.
    match (second & MASK != 0, expected.masked) {
        (false, true) => return Err(Error::Unmasked),
        (true, false) => return Err(Error::Masked),
        _ => {}
    }
    let short = second & !MASK;
    if opcode.is_control() {
        if first & FIN == 0 {
            return Err(Error::FragmentedControl);
        }
        if short > LONGEST_CONTROL {
            return Err(Error::ControlTooLong);
        }
    } else if begins && expected.inside_message {
        return Err(Error::ExpectedContinuation);
    } else if !begins && !expected.inside_message {
        return Err(Error::UnexpectedContinuation);
    }
    Ok((opcode, short))
}

/// Appends a head whose first octet is ready.
#[inline]
pub(crate) fn push_head(out: &mut Vec<u8>, first: u8, len: u64, key: Option<MaskingKey>) {
    let mask = if key.is_some() { MASK } else { 0 };
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..126), _) => out.extend_from_slice(&[first, mask | short]),
        (_, Ok(medium)) => {
            let [a, b] = medium.to_be_bytes();
            out.extend_from_slice(&[first, mask | 126, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first, mask | 127]);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key.octets());
    }
}

/// The most octets that a head takes.
pub(crate) const LONGEST_HEAD: usize = 14;

/// The most octets of payload in a control frame (RFC 6455 §5.5).
pub const LONGEST_CONTROL: u8 = 125;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x70;
pub(crate) const MASK: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back_and_ask_for_more() {
        for payload_len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, (1 << 63) - 1] {
            for masking_key in [None, Some(MaskingKey::new([1, 2, 3, 4]))] {
                for (opcode, inside_message) in [
                    (Opcode::Text, false),
                    (Opcode::Binary, false),
                    (Opcode::Continuation, true),
                ] {
                    for fin in [false, true] {
                        let header = FrameHeader {
                            fin,
                            compressed: opcode != Opcode::Continuation,
                            opcode,
                            masking_key,
                            payload_len,
                        };
                        let expected = Expected {
                            masked: masking_key.is_some(),
                            compression: true,
                            inside_message,
                        };
                        let mut octets = Vec::new();
                        header.encode(&mut octets);
                        assert!(octets.len() <= LONGEST_HEAD);
                        for cut in 0..octets.len() {
                            assert_eq!(FrameHeader::decode(&octets[..cut], expected), Ok(None));
                        }
                        let len = octets.len();
                        octets.push(0xff);
                        assert_eq!(
                            FrameHeader::decode(&octets, expected),
                            Ok(Some((header, len)))
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_length_takes_the_fewest_octets() {
        let decode = |octets: &[u8]| FrameHeader::decode(octets, Expected::default());
        for short in 0..126u16 {
            let [a, b] = short.to_be_bytes();
            assert_eq!(decode(&[0x82, 126, a, b]), Err(Error::Length));
        }
        for long in [0, 125, 126, 65_535, 1 << 63, u64::MAX] {
            let octets = [&[0x82, 127][..], &long.to_be_bytes()].concat();
            assert_eq!(decode(&octets), Err(Error::Length), "{long}");
            assert_eq!(decode(&octets[..9]), Ok(None));
        }
    }
}
