//! MessagePack to JSON with attachments: octets in one are placeholders in the other. What clients send and what nodes say to each other is read
//! here alike.
//!
//! Of extension types those are read that npm's `notepack.io` writes: version 2, which `socket.io-msgpack-parser` has, and version 3, which nodes
//! have. Points in time become the strings that `JSON.stringify` makes of them, `undefined` becomes null, an `ArrayBuffer` octets. Of types that it
//! does not know it makes an array of the type's number and the octets, and so do we: what a node of npm passes on is not lost on one of ours.

#[cfg(test)]
mod tests;

use super::pack::quote;
use bytes::Bytes;
use std::fmt::Write;

/// What a document may have.
#[derive(Clone, Copy)]
pub(in crate::socketio) struct Room {
    pub(in crate::socketio) attachments: usize,
    /// The octets of all attachments.
    pub(in crate::socketio) octets: usize,
    /// Keys among them: one octet of a document can be hundreds in memory.
    pub(in crate::socketio) values: usize,
    /// How deep it may be nested.
    pub(in crate::socketio) depth: usize,
}

/// One document as JSON; octets become a placeholder and an attachment.
pub(in crate::socketio) fn to_json(octets: &[u8], room: Room) -> Option<(String, Vec<Bytes>)> {
    let mut reader = Reader {
        rest: octets,
        json: String::with_capacity(octets.len() + octets.len() / 4),
        attachments: Vec::new(),
        room,
    };
    reader.value(0)?;
    reader
        .rest
        .is_empty()
        .then_some((reader.json, reader.attachments))
}

struct Reader<'a> {
    rest: &'a [u8],
    json: String,
    attachments: Vec<Bytes>,
    /// What is left of it.
    room: Room,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<()> {
        self.room.values = self.room.values.checked_sub(1)?;
        let first = self.octet()?;
        match first {
            0x00..=0x7f | 0xe0..=0xff => {
                let value = i8::from_be_bytes([first]);
                write!(self.json, "{value}").ok()?;
            }
            0x80..=0x8f => self.map(usize::from(first & 0x0f), depth)?,
            0x90..=0x9f => self.array(usize::from(first & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(first & 0x1f))?,
            0xc0 => self.json.push_str("null"),
            0xc1 => return None,
            0xc2 => self.json.push_str("false"),
            0xc3 => self.json.push_str("true"),
            0xc4..=0xc6 => {
                let octets = self.long(first - 0xc4)?;
                self.binary(octets)?;
            }
            0xc7..=0xc9 => {
                let length = self.length(first - 0xc7)?;
                match (self.octet()?, self.take(length)?) {
                    (0, octets) => self.binary(octets)?,
                    (TIME, octets) if length == 12 => self.time(octets)?,
                    // Of another length it has none: npm reads on behind it.
                    (TIME, _) => return None,
                    (kind, octets) => self.extension(kind, octets, depth)?,
                }
            }
            0xca => {
                let value = f32::from_be_bytes(self.array_of()?);
                self.float(f64::from(value))?;
            }
            0xcb => {
                let value = f64::from_be_bytes(self.array_of()?);
                self.float(value)?;
            }
            0xcc..=0xcf => {
                let value = self.unsigned(first - 0xcc)?;
                write!(self.json, "{value}").ok()?;
            }
            0xd0..=0xd3 => {
                let value = self.signed(first - 0xd0)?;
                write!(self.json, "{value}").ok()?;
            }
            0xd4..=0xd8 => {
                let kind = self.octet()?;
                let octets = self.take(1 << (first - 0xd4))?;
                match (kind, octets.len()) {
                    (0, 1) => self.json.push_str("null"),
                    (0, 8) => self.date(octets)?,
                    (TIME, 4 | 8) => self.time(octets)?,
                    _ => self.extension(kind, octets, depth)?,
                }
            }
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                self.text(length)?;
            }
            0xdc | 0xdd => {
                let length = self.length(first - 0xdc + 1)?;
                self.array(length, depth)?;
            }
            0xde | 0xdf => {
                let length = self.length(first - 0xde + 1)?;
                self.map(length, depth)?;
            }
        }
        Some(())
    }

    fn array(&mut self, length: usize, depth: usize) -> Option<()> {
        (depth < self.room.depth).then_some(())?;
        self.json.push('[');
        for at in 0..length {
            if at > 0 {
                self.json.push(',');
            }
            self.value(depth + 1)?;
        }
        self.json.push(']');
        Some(())
    }

    fn map(&mut self, length: usize, depth: usize) -> Option<()> {
        (depth < self.room.depth).then_some(())?;
        self.json.push('{');
        for at in 0..length {
            if at > 0 {
                self.json.push(',');
            }
            self.key(depth)?;
            self.json.push(':');
            self.value(depth + 1)?;
        }
        self.json.push('}');
        Some(())
    }

    /// A string, or a number that becomes one.
    fn key(&mut self, depth: usize) -> Option<()> {
        match *self.rest.first()? {
            0xa0..=0xbf | 0xd9..=0xdb => {
                let begun = self.json.len();
                self.value(depth + 1)?;
                // It would be taken for octets from now on.
                (self.json.get(begun..)? != r#""_placeholder""#).then_some(())
            }
            0x00..=0x7f | 0xe0..=0xff | 0xcc..=0xd3 => {
                self.json.push('"');
                self.value(depth + 1)?;
                self.json.push('"');
                Some(())
            }
            _ => None,
        }
    }

    fn text(&mut self, length: usize) -> Option<()> {
        let octets = self.take(length)?;
        // JavaScript has strings that are no Unicode.
        quote(&mut self.json, &String::from_utf8_lossy(octets))
    }

    fn float(&mut self, value: f64) -> Option<()> {
        // What is no number in JSON is null there, as `JSON.stringify` has it.
        self.json.push_str(&serde_json::to_string(&value).ok()?);
        Some(())
    }

    fn binary(&mut self, octets: &[u8]) -> Option<()> {
        let place = self.attachments.len();
        self.room.attachments = self.room.attachments.checked_sub(1)?;
        self.room.octets = self.room.octets.checked_sub(octets.len())?;
        write!(self.json, r#"{{"_placeholder":true,"num":{place}}}"#).ok()?;
        self.attachments.push(Bytes::copy_from_slice(octets));
        Some(())
    }

    /// A type that nobody knows: its number, from -128 to 127, and the octets.
    fn extension(&mut self, kind: u8, octets: &[u8], depth: usize) -> Option<()> {
        (depth < self.room.depth).then_some(())?;
        self.room.values = self.room.values.checked_sub(2)?;
        write!(self.json, "[{},", i8::from_be_bytes([kind])).ok()?;
        self.binary(octets)?;
        self.json.push(']');
        Some(())
    }

    /// Milliseconds since 1970, as version 2 has them.
    fn date(&mut self, octets: &[u8]) -> Option<()> {
        let milliseconds = i64::from_be_bytes(octets.try_into().ok()?);
        let millisecond = u32::try_from(milliseconds.rem_euclid(1_000)).ok()?;
        timestamp(&mut self.json, milliseconds.div_euclid(1_000), millisecond)
    }

    /// The extension type of points in time, as MessagePack itself has it since.
    fn time(&mut self, octets: &[u8]) -> Option<()> {
        let (seconds, nanoseconds) = match octets.len() {
            4 => (i64::from(u32::from_be_bytes(octets.try_into().ok()?)), 0),
            8 => {
                let both = u64::from_be_bytes(octets.try_into().ok()?);
                let seconds = i64::try_from(both & 0x3_ffff_ffff).ok()?;
                (seconds, u32::try_from(both >> 34).ok()?)
            }
            12 => {
                let (nanoseconds, seconds) = octets.split_first_chunk::<4>()?;
                let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
                (seconds, u32::from_be_bytes(*nanoseconds))
            }
            _ => return None,
        };
        // More than a second of them counts on, as it does in JavaScript, whose Date leaves off what is less than a millisecond: towards 1970.
        let whole = seconds.saturating_add(i64::from(nanoseconds / 1_000_000_000));
        let part = nanoseconds % 1_000_000_000;
        let is_cut_up = whole < 0 && part % 1_000_000 != 0;
        let milliseconds = part / 1_000_000 + u32::from(is_cut_up);
        let whole = whole.saturating_add(i64::from(milliseconds / 1_000));
        timestamp(&mut self.json, whole, milliseconds % 1_000)
    }

    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array_of<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// A whole number of 1, 2, 4 or 8 octets.
    fn unsigned(&mut self, power: u8) -> Option<u64> {
        Some(match power {
            0 => u64::from(self.octet()?),
            1 => u64::from(u16::from_be_bytes(self.array_of()?)),
            2 => u64::from(u32::from_be_bytes(self.array_of()?)),
            _ => u64::from_be_bytes(self.array_of()?),
        })
    }

    fn signed(&mut self, power: u8) -> Option<i64> {
        Some(match power {
            0 => i64::from(i8::from_be_bytes(self.array_of()?)),
            1 => i64::from(i16::from_be_bytes(self.array_of()?)),
            2 => i64::from(i32::from_be_bytes(self.array_of()?)),
            _ => i64::from_be_bytes(self.array_of()?),
        })
    }

    fn length(&mut self, power: u8) -> Option<usize> {
        usize::try_from(self.unsigned(power)?).ok()
    }

    fn long(&mut self, power: u8) -> Option<&'a [u8]> {
        let length = self.length(power)?;
        self.take(length)
    }
}

/// The extension type of points in time: -1.
const TIME: u8 = 0xff;

/// `2023-11-14T22:13:20.123Z`.
fn timestamp(json: &mut String, seconds: i64, milliseconds: u32) -> Option<()> {
    // The years that a Date of JavaScript has are fewer.
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if days.abs() > 100_000_000 {
        json.push_str("null");
        return Some(());
    }
    // Days since the first of March of the year 0, in the calendar that all years have had since then.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = of_era_year + era * 400 + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    json.push('"');
    match year {
        0..=9_999 => write!(json, "{year:04}"),
        _ => write!(json, "{year:+07}"),
    }
    .ok()?;
    write!(
        json,
        "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z\""
    )
    .ok()
}
