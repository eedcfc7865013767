//! The heads of frames (RFC 9113 §4.1), read off a stream of octets as they pass.

/// Follows one direction of a connection and gives the head of each frame when it is whole.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Octets of a preface or of a payload that still pass.
    skip: usize,
    have: usize,
    head: [u8; HEAD + MOST_EXTRA],
}

/// What a frame says in its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// The octets of the payload.
    pub(super) len: usize,
    /// The first octets of the payload, where they matter: the length of the padding of DATA, the code of
    /// RST_STREAM.
    pub(super) extra: u32,
}

impl Frames {
    /// Frames behind a preface of `len` octets.
    pub(super) fn after(len: usize) -> Self {
        Self {
            skip: len,
            ..Self::default()
        }
    }

    /// The next frame whose head is whole; takes off `octets` what has passed.
    #[inline]
    pub(super) fn next(&mut self, octets: &mut &[u8]) -> Option<Frame> {
        let passed = self.skip.min(octets.len());
        self.skip -= passed;
        *octets = &octets[passed..];
        while !octets.is_empty() {
            let wanted = self.wanted();
            let taken = (wanted - self.have).min(octets.len());
            self.head[self.have..self.have + taken].copy_from_slice(&octets[..taken]);
            self.have += taken;
            *octets = &octets[taken..];
            if self.have >= HEAD && self.have == self.wanted() {
                return Some(self.finish());
            }
        }
        None
    }

    /// Whether part of a frame has come, and the rest has not.
    pub(super) const fn is_inside(&self) -> bool {
        self.have > 0 || self.skip > 0
    }

    /// Whether the frame whose payload passes ends within the next `len` octets.
    #[inline]
    pub(super) const fn ends_within(&self, len: usize) -> bool {
        self.have == 0 && self.skip <= len
    }

    fn wanted(&self) -> usize {
        if self.have < HEAD {
            return HEAD;
        }
        let len = self.len();
        HEAD + match self.head[3] {
            DATA if self.head[4] & PADDED != 0 => len.min(1),
            RST_STREAM if len == 4 => 4,
            _ => 0,
        }
    }

    fn len(&self) -> usize {
        let [a, b, c, ..] = self.head;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    #[inline]
    fn finish(&mut self) -> Frame {
        let [_, _, _, kind, flags, a, b, c, d, ..] = self.head;
        let len = self.len();
        let extra = self.head[HEAD..self.have]
            .iter()
            .fold(0, |value, octet| value << 8 | u32::from(*octet));
        self.skip = len - (self.have - HEAD);
        self.have = 0;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([a & 0x7f, b, c, d]),
            len,
            extra,
        }
    }
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
/// RFC 9218 §7.1.
pub(super) const PRIORITY_UPDATE: u8 = 16;

pub(super) const ACK: u8 = 0x1;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;

/// The octets of a head.
pub(super) const HEAD: usize = 9;
const MOST_EXTRA: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn heads_are_the_same_however_octets_are_cut() {
        let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let frames = [
            (SETTINGS, 0, 0, &b""[..], 0),
            (HEADERS, END_HEADERS, 1, b"abc", 0),
            (DATA, PADDED, 1, b"\x02a\0\0", 2),
            (DATA, PADDED, 1, b"", 0),
            (DATA, END_STREAM, 1, b"xyz", 0),
            (RST_STREAM, 0, 0x8000_0003, b"\0\0\0\x08", 8),
            (RST_STREAM, 0, 5, b"\0\0", 0),
            (0xee, 0xff, 7, &[9; 300], 0),
            (PING, 0, 0, b"12345678", 0),
        ];
        for (kind, flags, stream, payload, _) in frames {
            wire.extend(frame(kind, flags, stream, payload));
        }
        for step in 1..=wire.len() {
            let mut parser = Frames::after(24);
            let mut seen = Vec::new();
            for mut piece in wire.chunks(step) {
                while let Some(frame) = parser.next(&mut piece) {
                    seen.push(frame);
                }
                assert!(piece.is_empty());
            }
            assert!(!parser.is_inside(), "{step}");
            let wanted: Vec<Frame> = frames
                .iter()
                .map(|(kind, flags, stream, payload, extra)| Frame {
                    kind: *kind,
                    flags: *flags,
                    stream: stream & 0x7fff_ffff,
                    len: payload.len(),
                    extra: *extra,
                })
                .collect();
            assert_eq!(seen, wanted, "in pieces of {step}");
        }
    }
}
