//! The heads of frames (RFC 9113 §4.1), read off a stream of octets as they pass.

/// Follows one direction of a connection and gives the head of each frame when it is whole.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Octets of a preface or of a payload that still pass.
    skip: usize,
    have: usize,
    head: [u8; HEAD + MOST_EXTRA],
    section: Section,
    /// Changes of the size of HPACK's table that have passed.
    resizes: u32,
    /// The section goes on behind its first field, and what looks like changes there, in the present run.
    goes_on: bool,
    run: u32,
}

/// Where the octets that pass stand in a header section. Changes of the table's size come before its first field
/// (RFC 7541 §4.2); h2 takes them at the beginning of each frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    /// Outside, or behind its first field.
    #[default]
    Elsewhere,
    /// So many octets of padding and priority come first, in the section's first frame.
    Before(u8),
    Begun,
    /// Inside the integer that is the table's new size (RFC 7541 §5.1).
    Size,
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
        self.pass::<true>(octets)
    }

    /// As [`next`](Self::next), without a look at header sections: they are our own.
    #[inline]
    pub(super) fn next_head(&mut self, octets: &mut &[u8]) -> Option<Frame> {
        self.pass::<false>(octets)
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: 50 instructions a frame")]
    fn pass<const SCANS: bool>(&mut self, octets: &mut &[u8]) -> Option<Frame> {
        let passed = self.skip.min(octets.len());
        if SCANS && self.section != Section::Elsewhere {
            match octets[..passed].first() {
                // Nearly every section begins with a field.
                Some(first) if self.section == Section::Begun && !is_resize(*first) => {
                    self.section = Section::Elsewhere;
                }
                _ => self.scan(&octets[..passed]),
            }
        }
        self.skip -= passed;
        *octets = &octets[passed..];
        // Most heads come whole, and nothing of their payload matters.
        if self.have == 0
            && let Some((head, rest)) = octets.split_first_chunk()
            && extra_len(head) == 0
        {
            *octets = rest;
            return Some(self.enter::<SCANS>(*head, &[]));
        }
        self.pass_slowly::<SCANS>(octets)
    }

    #[inline(never)]
    fn pass_slowly<const SCANS: bool>(&mut self, octets: &mut &[u8]) -> Option<Frame> {
        while !octets.is_empty() {
            let wanted = self.wanted();
            let taken = (wanted - self.have).min(octets.len());
            self.head[self.have..self.have + taken].copy_from_slice(&octets[..taken]);
            self.have += taken;
            *octets = &octets[taken..];
            if self.have >= HEAD && self.have == self.wanted() {
                let whole = self.head;
                let (head, extra) = whole[..self.have].split_at(HEAD);
                self.have = 0;
                return (head.first_chunk()).map(|head| self.enter::<SCANS>(*head, extra));
            }
        }
        None
    }

    /// Whether part of a frame has come, and the rest has not.
    pub(super) const fn is_inside(&self) -> bool {
        self.have > 0 || self.skip > 0
    }

    /// How many changes of the size of HPACK's table have passed since this was asked last.
    #[inline]
    pub(super) fn take_resizes(&mut self) -> u32 {
        std::mem::take(&mut self.resizes)
    }

    fn scan(&mut self, octets: &[u8]) {
        for octet in octets {
            self.section = match self.section {
                Section::Before(left @ 2..) => Section::Before(left - 1),
                Section::Before(_) => Section::Begun,
                Section::Begun if is_resize(*octet) => {
                    self.run = self.run.wrapping_add(1);
                    // The rest of a value that was cut looks like it, too, but not for long.
                    if !self.goes_on || self.run.is_multiple_of(LOOKALIKES) {
                        self.resizes = self.resizes.saturating_add(1);
                    }
                    if octet & 0x1f == 0x1f {
                        Section::Size
                    } else {
                        Section::Begun
                    }
                }
                Section::Size if octet & 0x80 != 0 => Section::Size,
                Section::Size => Section::Begun,
                Section::Begun | Section::Elsewhere => {
                    self.section = Section::Elsewhere;
                    return;
                }
            };
        }
    }

    /// Whether the frame whose payload passes ends within the next `len` octets.
    #[inline]
    pub(super) const fn ends_within(&self, len: usize) -> bool {
        self.have == 0 && self.skip <= len
    }

    fn wanted(&self) -> usize {
        match self.head.first_chunk() {
            Some(head) if self.have >= HEAD => HEAD + extra_len(head),
            _ => HEAD,
        }
    }

    /// A frame's head, and the first octets of its payload where they matter, have passed.
    #[inline]
    fn enter<const SCANS: bool>(&mut self, head: [u8; HEAD], extra: &[u8]) -> Frame {
        let [_, _, _, kind, flags, a, b, c, d] = head;
        let len = payload_len(&head);
        self.skip = len - extra.len();
        if SCANS {
            self.enter_section(kind, flags);
        }
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([a & 0x7f, b, c, d]),
            len,
            extra: (extra.iter()).fold(0, |value, octet| value << 8 | u32::from(*octet)),
        }
    }

    #[inline]
    fn enter_section(&mut self, kind: u8, flags: u8) {
        if kind == HEADERS {
            let before = u8::from(flags & PADDED != 0) + 5 * u8::from(flags & HAS_PRIORITY != 0);
            self.section = match before {
                0 => Section::Begun,
                before => Section::Before(before),
            };
            self.goes_on = false;
        } else if kind != CONTINUATION {
            self.section = Section::Elsewhere;
        } else if self.section == Section::Elsewhere {
            self.section = Section::Begun;
            self.goes_on = true;
            self.run = 0;
        }
    }
}

/// Whether a change of the table's size begins there (RFC 7541 §6.3).
#[inline]
const fn is_resize(octet: u8) -> bool {
    octet & 0xe0 == 0x20
}

/// How many octets of the payload matter.
#[inline]
fn extra_len(head: &[u8; HEAD]) -> usize {
    match head[3] {
        DATA if head[4] & PADDED != 0 => payload_len(head).min(1),
        RST_STREAM if payload_len(head) == 4 => 4,
        _ => 0,
    }
}

#[inline]
fn payload_len(head: &[u8; HEAD]) -> usize {
    let [a, b, c, ..] = *head;
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
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
const HAS_PRIORITY: u8 = 0x20;

/// How many of what looks like a change of the table's size, where it may be something else, count as one.
const LOOKALIKES: u32 = 64;

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

    #[test]
    fn changes_of_the_tables_size_are_counted_where_they_can_stand() {
        // Sizes 0, 4,096 (three octets) and 0; then `:method: GET`, and what looks like one more but is a value.
        let section = [
            0x20, 0x3f, 0xe1, 0x1f, 0x20, 0x82, 0x10, 1, b'a', 2, 0x20, 0x20,
        ];
        let padded = [&[3, 0, 0, 0, 0x21, 16][..], &section, &[0x20; 3]].concat();
        let cases = [
            (vec![frame(HEADERS, END_HEADERS, 1, &section)], 3),
            (
                vec![frame(
                    HEADERS,
                    END_HEADERS | PADDED | HAS_PRIORITY,
                    1,
                    &padded,
                )],
                3,
            ),
            (
                vec![
                    frame(HEADERS, 0, 1, &section[..2]),
                    frame(CONTINUATION, END_HEADERS, 1, &section[2..]),
                ],
                3,
            ),
            (
                vec![
                    frame(HEADERS, 0, 1, &[]),
                    frame(CONTINUATION, END_HEADERS, 1, &section[..1]),
                    frame(DATA, 0, 1, &[0x20; 9]),
                ],
                1,
            ),
            // Behind the first field: too few to tell them from the rest of a value, and then more than such a rest.
            (
                vec![
                    frame(HEADERS, 0, 1, &section[5..6]),
                    frame(CONTINUATION, 0, 1, &[0x20; 63]),
                    frame(CONTINUATION, END_HEADERS, 1, &[0x20; 66]),
                ],
                2,
            ),
            (
                vec![
                    frame(HEADERS, PADDED, 1, &[1, 0x20, 0]),
                    frame(CONTINUATION, END_HEADERS, 1, &[0x20; 640]),
                ],
                11,
            ),
            (
                vec![
                    frame(HEADERS, END_HEADERS, 1, &section[5..]),
                    frame(PING, 0, 0, &[0x20; 8]),
                ],
                0,
            ),
            (
                vec![
                    frame(HEADERS, END_HEADERS, 1, &[0x20; 100]),
                    frame(HEADERS, END_HEADERS, 3, &[0x20; 10]),
                ],
                110,
            ),
        ];
        for (place, (frames, wanted)) in cases.into_iter().enumerate() {
            let wire = frames.concat();
            for step in 1..=wire.len() {
                let mut parser = Frames::default();
                for mut piece in wire.chunks(step) {
                    while parser.next(&mut piece).is_some() {}
                }
                assert_eq!(
                    parser.take_resizes(),
                    wanted,
                    "case {place} in pieces of {step}"
                );
            }
        }
    }
}
