//! Frames out, masked in advance, and a counter of the frames that come back.

use crate::die;

/// A whole masked frame (RFC 6455 §5.2).
pub fn encode(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        medium @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// Walks over a server's frames, however they are cut, and counts the messages that ended.
#[derive(Default)]
pub struct Walk {
    head: [u8; 10],
    filled: usize,
    left: u64,
    /// What messages begin with that count; all of them count without it.
    wanted_first: Option<u8>,
    /// What this one begins with, once it is known.
    first: Option<u8>,
}

impl Walk {
    /// Counts messages that begin with this octet.
    pub fn of(first: u8) -> Self {
        Self {
            wanted_first: Some(first),
            ..Self::default()
        }
    }

    /// How many data messages end within `bytes`. A close or a masked frame ends the run.
    pub fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let mut done = 0;
        loop {
            if self.left > 0 {
                let taken = bytes
                    .len()
                    .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.first = self.first.or(bytes.first().copied());
                self.left -= taken as u64;
                bytes = &bytes[taken..];
                if self.left > 0 {
                    return done;
                }
                done += self.end();
            }
            let Some((first, rest)) = bytes.split_first() else {
                return done;
            };
            self.head[self.filled] = *first;
            self.filled += 1;
            bytes = rest;
            if self.filled < self.wanted() {
                continue;
            }
            self.filled = 0;
            if self.head[1] & 0x80 != 0 {
                die("the server sent a masked frame");
            }
            let [_, _, a, b, c, d, e, f, g, h] = self.head;
            self.left = match self.head[1] & 127 {
                126 => u64::from(u16::from_be_bytes([a, b])),
                127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
                short => u64::from(short),
            };
            if self.left == 0 {
                done += self.end();
            }
        }
    }

    fn wanted(&self) -> usize {
        match self.head[1] & 127 {
            _ if self.filled < 2 => 2,
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn end(&mut self) -> usize {
        let (fin, opcode) = (self.head[0] & 0x80 != 0, self.head[0] & 0x0f);
        let first = self.first;
        if fin || opcode > 2 {
            self.first = None;
        }
        if opcode == 8 {
            die("the server sent a close frame");
        }
        let counts = self.wanted_first.is_none() || self.wanted_first == first;
        usize::from(fin && opcode <= 2 && counts)
    }
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut bytes = b"\x82\x03abc\x01\x01x\x80\x01y\x89\x00\x82\x00\x82\x7e\x01\x00".to_vec();
        bytes.extend([0; 256]);
        assert_eq!(Walk::default().feed(&bytes), 4);
        let mut walk = Walk::default();
        assert_eq!(
            bytes.chunks(1).map(|byte| walk.feed(byte)).sum::<usize>(),
            4
        );
    }

    #[test]
    fn messages_are_told_by_their_first_octet() {
        let bytes = b"\x81\x034ab\x81\x012\x81\x00\x01\x014\x80\x01x\x81\x024c";
        assert_eq!(Walk::of(b'4').feed(bytes), 3);
        let mut walk = Walk::of(b'4');
        let fed = bytes.chunks(1).map(|byte| walk.feed(byte));
        assert_eq!(fed.sum::<usize>(), 3);
    }

    #[test]
    fn a_frame_is_masked() {
        assert_eq!(
            encode(1, b"Hello"),
            [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
    }
}
