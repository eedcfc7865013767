//! The fields `traceparent` and `tracestate` (W3C Trace Context, level 1), with which a request says what trace it is
//! part of.
//!
//! Whatever does not follow the grammar to the letter is ignored, as the recommendation asks (§4.3): a new trace begins.

use crate::wire::grammar;
use crate::wire::number::hex_digit;

/// What `traceparent` says.
///
/// ```
/// use wireline::wire::trace_context::TraceParent;
///
/// let parent = TraceParent::read(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
/// assert_eq!(parent.span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
/// assert!(parent.sampled);
/// assert_eq!(TraceParent::read(b"00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; never all zero.
    pub trace_id: [u8; 16],
    /// The caller's span, `parent-id` in the recommendation; never all zero.
    pub span_id: [u8; 8],
    /// Whether the caller may have recorded it.
    pub sampled: bool,
}

impl TraceParent {
    /// The length of the field's value as it is written.
    pub const LEN: usize = 55;

    /// Reads the value of the field (§3.2.2). A version that is not known yet is read as far as version 00 goes (§4.3).
    pub fn read(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<{ Self::LEN }>()?;
        let [version] = octets(&head[..2])?;
        match version {
            // Nothing may follow in the version that is known.
            0 if !rest.is_empty() => return None,
            0xff => return None,
            _ if !rest.is_empty() && (rest[0] != b'-' || value.len() > LONGEST) => return None,
            _ => {}
        }
        if [head[2], head[35], head[52]] != [b'-'; 3] {
            return None;
        }
        let (trace_id, span_id) = (octets(&head[3..35])?, octets(&head[36..52])?);
        let [flags] = octets(&head[53..])?;
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            sampled: flags & SAMPLED != 0,
        })
    }

    /// The value of the field, in version 00. Flags that are not known are zero (§3.2.2.5).
    pub fn write(&self) -> [u8; Self::LEN] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        digits(&self.trace_id, &mut value[3..35]);
        digits(&self.span_id, &mut value[36..52]);
        digits(&[u8::from(self.sampled)], &mut value[53..]);
        value
    }
}

/// Reads the lines of `tracestate` as one list (§3.3.1), with its members in order and no space between them.
///
/// `None` when there is no member, more than 32, one that is malformed, or one key twice: then the whole is to be
/// forgotten. Of a list that is longer than 512 octets the members that fit are kept (§3.3.1.5).
///
/// ```
/// use wireline::wire::trace_context::trace_state;
///
/// let lines = [b"rojo=00f067aa0ba902b7 ,".as_slice(), b"congo=t61rcWkgMzE"];
/// assert_eq!(trace_state(lines).as_deref(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
/// assert_eq!(trace_state([b"Rojo=1".as_slice()]), None);
/// ```
pub fn trace_state<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut state = String::new();
    let (mut full, mut seen) = (false, 0);
    for line in lines {
        // Empty members count for nothing and must not cost much.
        seen += line.len();
        if seen > LONGEST_LIST {
            return None;
        }
        for member in line.split(|octet| *octet == b',') {
            let (start, end) = grammar::trim(member, 0, member.len());
            let member = &member[start..end];
            if member.is_empty() {
                continue;
            }
            let equals = member.iter().position(|octet| *octet == b'=')?;
            let (key, value) = (&member[..equals], &member[equals + 1..]);
            if keys.len() == MAX_MEMBERS || !is_key(key) || !is_value(value) || keys.contains(&key)
            {
                return None;
            }
            keys.push(key);
            let needed = member.len() + usize::from(!state.is_empty());
            full |= state.len() + needed > LONGEST;
            if !full {
                if !state.is_empty() {
                    state.push(',');
                }
                // Keys and values are visible ASCII.
                state.push_str(std::str::from_utf8(member).ok()?);
            }
        }
    }
    (!state.is_empty()).then_some(state)
}

/// `simple-key`, or `tenant-id "@" system-id` (§3.3.1.3.1).
fn is_key(key: &[u8]) -> bool {
    let part = |part: &[u8], longest: usize| {
        part.len() <= longest
            && part
                .iter()
                .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let letter = |part: &[u8]| part.first().is_some_and(u8::is_ascii_lowercase);
    match key.iter().position(|octet| *octet == b'@') {
        None => letter(key) && part(key, 256),
        Some(at) => {
            let (tenant, system) = (&key[..at], &key[at + 1..]);
            !tenant.is_empty() && part(tenant, 241) && letter(system) && part(system, 14)
        }
    }
}

/// Up to 256 visible characters and spaces, the last no space (§3.3.1.3.2).
fn is_value(value: &[u8]) -> bool {
    value.len() <= 256
        && value.last().is_some_and(|last| *last != b' ')
        && value
            .iter()
            .all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b',' | b'='))
}

/// Lower-case hexadecimal digits, two for each octet.
fn octets<const COUNT: usize>(text: &[u8]) -> Option<[u8; COUNT]> {
    let (pairs, _) = text.as_chunks::<2>();
    let mut read = [0; COUNT];
    for (octet, [high, low]) in read.iter_mut().zip(pairs) {
        if high.is_ascii_uppercase() || low.is_ascii_uppercase() {
            return None;
        }
        *octet = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Some(read)
}

fn digits(octets: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (octet, pair) in octets.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(octet >> 4)];
        pair[1] = DIGITS[usize::from(octet & 0xf)];
    }
}

const SAMPLED: u8 = 1;
/// Of a `traceparent` of a later version, and of the state that is passed on, which everybody has to take at this length.
const LONGEST: usize = 512;
/// What is looked at of `tracestate`: 32 members of the longest kind, and the commas.
const LONGEST_LIST: usize = 32 * (256 + 1 + 256 + 1);
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// The cases of the recommendation's own test suite, and one for each octet of the grammar.
    #[test]
    fn trace_parents() {
        let parent = TraceParent::read(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.write(), *GOOD.as_bytes());
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let value = format!("{}{flags}", &GOOD[..53]);
            assert_eq!(
                TraceParent::read(value.as_bytes()).unwrap().sampled,
                sampled
            );
        }
        for later in [
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes",
        ] {
            assert_eq!(TraceParent::read(later.as_bytes()), Some(parent), "{later}");
        }
        let mut wrong = vec![
            format!("{GOOD}-"),
            format!("{GOOD}-what-comes"),
            format!("{GOOD} "),
            format!(" {GOOD}"),
            format!("{GOOD}.0").replacen("00", "cc", 1),
            format!("cc{}-{}", &GOOD[2..], "x".repeat(512)),
            GOOD.replacen("00", "ff", 1),
            GOOD.to_uppercase(),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(),
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01".to_owned(),
            String::new(),
        ];
        for place in 0..GOOD.len() {
            wrong.push(GOOD[..place].to_owned());
            wrong.push(format!("{}.{}", &GOOD[..place], &GOOD[place + 1..]));
        }
        for value in wrong {
            assert_eq!(TraceParent::read(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn trace_states() {
        let read = |lines: &[&str]| trace_state(lines.iter().map(|line| line.as_bytes()));
        for (lines, state) in [
            (&["foo=1"][..], Some("foo=1")),
            (&["foo=1 \t,\t bar=2, "], Some("foo=1,bar=2")),
            (&["foo=1", "bar=2"], Some("foo=1,bar=2")),
            (&["", ",", "foo=1,"], Some("foo=1")),
            (&["tenant@system=a b"], Some("tenant@system=a b")),
            (&["0tenant@system=1"], Some("0tenant@system=1")),
            (&["a*_-/0=~"], Some("a*_-/0=~")),
            (&[""], None),
            (&[], None),
            (&["foo"], None),
            (&["foo="], None),
            (&["foo =1"], None),
            (&["foo=1=2"], None),
            (&["foo=\u{e9}"], None),
            (&["foo@=1"], None),
            (&["@foo=1"], None),
            (&["foo@0bar=1"], None),
            (&["foo@@bar=1"], None),
            (&["0foo=1"], None),
            (&["FOO=1"], None),
            (&["foo=1,foo=2"], None),
            (&["foo=1", "bar=2", "foo=3"], None),
        ] {
            assert_eq!(read(lines).as_deref(), state, "{lines:?}");
        }
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|place| format!("k{place}=v")).collect();
            members.join(",")
        };
        assert_eq!(read(&[&members(32)]), Some(members(32)));
        assert_eq!(read(&[&members(33)]), None);
        let longest = format!("{}={}", "k".repeat(256), "v".repeat(255));
        assert_eq!(read(&[&longest]), Some(longest.clone()));
        // Of what is too long, what stands first is kept.
        assert_eq!(read(&["a=1", &longest, "b=2"]).as_deref(), Some("a=1"));
        assert_eq!(read(&[&format!("{}=v", "k".repeat(257))]), None);
        assert_eq!(read(&[&format!("k={}", "v".repeat(257))]), None);
        assert_eq!(read(&[&format!("k@{}=v", "s".repeat(15))]), None);
        assert_eq!(read(&[&",".repeat(LONGEST_LIST + 1), "foo=1"]), None);
    }
}
