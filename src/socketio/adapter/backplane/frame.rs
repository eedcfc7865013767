//! A message on a backplane: who says it, where, and the words.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Broadcast,
    Question,
    Answer,
    /// A node has come, and wants to hear of the others.
    Hello,
    /// A node is there.
    Here,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) from: ByteString,
    pub(super) namespace: ByteString,
    pub(super) words: Bytes,
}

impl Frame {
    /// Nothing for a name that nobody gives.
    pub(super) fn write(&self) -> Option<Bytes> {
        let (from, namespace) = (self.from.as_bytes(), self.namespace.as_bytes());
        let mut octets =
            BytesMut::with_capacity(8 + from.len() + namespace.len() + self.words.len());
        octets.put_u8(FIRST);
        octets.put_u8(match self.kind {
            Kind::Broadcast => b'b',
            Kind::Question => b'q',
            Kind::Answer => b'a',
            Kind::Hello => b'h',
            Kind::Here => b'i',
        });
        for name in [from, namespace] {
            octets.put_u16(name.len().try_into().ok()?);
            octets.put_slice(name);
        }
        octets.put_slice(&self.words);
        Some(octets.freeze())
    }

    /// Whether it says that a node is there, and nothing else.
    pub(super) fn is_here(octets: &Bytes) -> bool {
        octets.starts_with(&[FIRST, b'i'])
    }

    pub(super) fn read(octets: &Bytes) -> Option<Self> {
        let (&[FIRST, kind], rest) = octets.split_first_chunk()? else {
            return None;
        };
        let kind = match kind {
            b'b' => Kind::Broadcast,
            b'q' => Kind::Question,
            b'a' => Kind::Answer,
            b'h' => Kind::Hello,
            b'i' => Kind::Here,
            _ => return None,
        };
        let (from, rest) = name(rest)?;
        let (namespace, rest) = name(rest)?;
        Some(Self {
            kind,
            from,
            namespace,
            words: octets.slice_ref(rest),
        })
    }
}

fn name(octets: &[u8]) -> Option<(ByteString, &[u8])> {
    let (length, rest) = octets.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((str::from_utf8(name).ok()?.into(), rest))
}

/// What no envelope of a relay begins with.
const FIRST: u8 = b'S';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_nothing_else_is() {
        for kind in [
            Kind::Broadcast,
            Kind::Question,
            Kind::Answer,
            Kind::Hello,
            Kind::Here,
        ] {
            let frame = Frame {
                kind,
                from: "0123".into(),
                namespace: "/ü".into(),
                words: Bytes::from_static(&[0, 255]),
            };
            let octets = frame.write().unwrap();
            assert_eq!(Frame::is_here(&octets), kind == Kind::Here);
            assert_eq!(Frame::read(&octets), Some(frame));
            for length in 0..octets.len() - 2 {
                assert_eq!(Frame::read(&octets.slice(..length)), None);
            }
        }
        for wrong in [&b"Sx\0\0\0\0"[..], b"Rb\0\0\0\0", b"Sb\0\x01\xff\0\0"] {
            assert_eq!(Frame::read(&Bytes::from_static(wrong)), None);
        }
    }
}
