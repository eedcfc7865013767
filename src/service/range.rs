//! Byte ranges: which octets of a representation a request asks for (RFC 9110 §14).

use crate::wire::grammar;
use crate::wire::number;

/// Octets of a representation, from the first to the last, both of them part of it.
///
/// ```
/// use wireline::service::range::ByteRange;
///
/// let first_kilobyte = ByteRange { first: 0, last: 999 };
/// assert_eq!(first_kilobyte.count(), 1000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The place of the first octet, counted from 0.
    pub first: u64,
    /// The place of the last one, never less than `first`.
    pub last: u64,
}

impl ByteRange {
    /// How many octets these are: one at the least.
    pub const fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Whether the two share octets, or stand side by side.
    const fn touches(self, other: Self) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }

    const fn and(self, other: Self) -> Self {
        Self {
            first: if self.first < other.first {
                self.first
            } else {
                other.first
            },
            last: if self.last > other.last {
                self.last
            } else {
                other.last
            },
        }
    }
}

/// What a `Range` field selects.
///
/// ```
/// use wireline::service::range::{Selection, select};
///
/// fn status(range: &[u8], size: u64) -> u16 {
///     match select(range, size) {
///         Selection::Whole => 200,
///         Selection::One(_) | Selection::Several(_) => 206,
///         Selection::Unsatisfiable => 416,
///     }
/// }
/// assert_eq!(status(b"bytes=0-4", 10), 206);
/// assert_eq!(status(b"bytes=10-", 10), 416);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything, with 200: there is no range, or none that counts.
    Whole,
    /// One range, with 206 and `Content-Range`.
    One(ByteRange),
    /// Two to [`MAX_RANGES`] ranges that do not touch each other, with 206 and `multipart/byteranges`.
    Several(Vec<ByteRange>),
    /// Nothing of it is there: 416.
    Unsatisfiable,
}

/// The most ranges that a field may ask for. One that asks for more is ignored (RFC 9110 §14.2 allows it), so that
/// nobody makes a server send a file as a thousand pieces.
pub const MAX_RANGES: usize = 16;

/// Reads a `Range` field for a representation of `size` octets.
///
/// Ranges that overlap or stand side by side become one, in the place of the first, so that the parts together never
/// have more octets than the representation. What breaks the grammar, another unit than `bytes`, and a list of more
/// than [`MAX_RANGES`] make the whole field count for nothing, and so does any range of a representation without octets
/// that would have to be an empty part.
///
/// Source: RFC 9110 §14.1.2, §14.2, §15.3.7, §15.5.17.
///
/// ```
/// use wireline::service::range::{ByteRange, Selection, select};
///
/// assert_eq!(select(b"bytes=0-4", 10), Selection::One(ByteRange { first: 0, last: 4 }));
/// assert_eq!(select(b"bytes=-3", 10), Selection::One(ByteRange { first: 7, last: 9 }));
/// assert_eq!(select(b"bytes=0-,0-,5-", 10), Selection::One(ByteRange { first: 0, last: 9 }));
/// assert_eq!(select(b"bytes=10-", 10), Selection::Unsatisfiable);
/// assert_eq!(select(b"lines=1-2", 10), Selection::Whole);
/// ```
pub fn select(field: &[u8], size: u64) -> Selection {
    let Some(set) = set_of(field) else {
        return Selection::Whole;
    };
    let mut asked = 0;
    let mut ranges: Vec<ByteRange> = Vec::new();
    for spec in grammar::list(set) {
        asked += 1;
        if asked > MAX_RANGES {
            return Selection::Whole;
        }
        match read(spec, size) {
            None => return Selection::Whole,
            Some(Asked::Nothing) => {}
            Some(Asked::Empty) => return Selection::Whole,
            Some(Asked::Range(range)) => merge(&mut ranges, range),
        }
    }
    match (ranges.as_slice(), asked) {
        ([], 0) => Selection::Whole,
        ([], _) => Selection::Unsatisfiable,
        ([range], _) => Selection::One(*range),
        _ => Selection::Several(ranges),
    }
}

/// What one member of the list asks for.
enum Asked {
    Range(ByteRange),
    /// Octets that are not there.
    Nothing,
    /// The end of a representation without octets.
    Empty,
}

/// What stands behind `bytes=`.
fn set_of(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.split_at_checked(UNIT.len())?;
    unit.eq_ignore_ascii_case(UNIT).then_some(set)
}

/// `None` when it is no range at all.
fn read(spec: &[u8], size: u64) -> Option<Asked> {
    let dash = spec.iter().position(|octet| *octet == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let count = position(last)?;
        return Some(match (count, size) {
            (0, _) => Asked::Nothing,
            (_, 0) => Asked::Empty,
            _ => Asked::Range(ByteRange {
                first: size.saturating_sub(count),
                last: size - 1,
            }),
        });
    }
    let first = position(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        position(last)?
    };
    if last < first {
        return None;
    }
    Some(if first < size {
        Asked::Range(ByteRange {
            first,
            last: last.min(size - 1),
        })
    } else {
        Asked::Nothing
    })
}

/// A number of any length; those that no file can have are all the same.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    match &digits[zeros..] {
        [] => Some(0),
        digits => Some(number::decimal(digits).unwrap_or(u64::MAX)),
    }
}

/// Adds a range, in place of those that it touches.
fn merge(ranges: &mut Vec<ByteRange>, mut range: ByteRange) {
    let mut place = ranges.len();
    // What has grown may touch more than it did.
    while let Some(met) = ranges.iter().position(|known| known.touches(range)) {
        range = range.and(ranges.remove(met));
        place = place.min(met);
    }
    ranges.insert(place.min(ranges.len()), range);
}

const UNIT: &[u8] = b"bytes=";

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(field: &str, size: u64) -> Vec<(u64, u64)> {
        match select(field.as_bytes(), size) {
            Selection::One(range) => vec![(range.first, range.last)],
            Selection::Several(ranges) => ranges
                .iter()
                .map(|range| (range.first, range.last))
                .collect(),
            other => panic!("{field}: {other:?}"),
        }
    }

    #[test]
    fn ranges_are_cut_to_the_size_and_merged() {
        assert_eq!(ranges("bytes=0-0", 10), [(0, 0)]);
        assert_eq!(ranges("BYTES=3-", 10), [(3, 9)]);
        assert_eq!(ranges("bytes=3-99999999999999999999999", 10), [(3, 9)]);
        assert_eq!(ranges("bytes=0003-0004", 10), [(3, 4)]);
        assert_eq!(ranges("bytes=-11", 10), [(0, 9)]);
        assert_eq!(ranges("bytes=0-1, 8-9 ,,", 10), [(0, 1), (8, 9)]);
        // The order of the request is kept where nothing touches.
        assert_eq!(ranges("bytes=8-9,0-1,4-5", 10), [(8, 9), (0, 1), (4, 5)]);
        assert_eq!(ranges("bytes=8-9,0-1,2-3", 10), [(8, 9), (0, 3)]);
        assert_eq!(ranges("bytes=0-1,4-5,8-9,2-8", 10), [(0, 9)]);
        assert_eq!(ranges("bytes=-0,5-6,20-", 10), [(5, 6)]);
    }

    #[test]
    fn what_is_no_range_counts_for_nothing() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5",
            "bytes=5-4",
            "bytes=0-1,9-8",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes =0-1",
            "bytes=0 - 1",
            "items=0-1",
            "bytes=0-1;q=1",
        ] {
            assert_eq!(select(field.as_bytes(), 10), Selection::Whole, "{field}");
        }
        let many = |count| format!("bytes={}", vec!["0-"; count].join(","));
        assert_eq!(ranges(&many(16), 10), [(0, 9)]);
        assert_eq!(select(many(17).as_bytes(), 10), Selection::Whole);
        assert_eq!(select(b"bytes=-1", 0), Selection::Whole);
    }

    #[test]
    fn what_is_not_there_is_said() {
        for field in [
            "bytes=10-",
            "bytes=-0",
            "bytes=10-11,-0",
            "bytes=18446744073709551616-",
        ] {
            let selected = select(field.as_bytes(), 10);
            assert_eq!(selected, Selection::Unsatisfiable, "{field}");
        }
        assert_eq!(select(b"bytes=0-0", 0), Selection::Unsatisfiable);
    }
}
