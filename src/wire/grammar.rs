//! The character classes of RFC 9110 and RFC 3986 as tables, and the two scans that the parsers spend
//! their time in.

use crate::wire::block::{Block, SIZE};

/// Whether `octet` may stand in a token (RFC 9110 §5.6.2): methods, field names, codings, options.
///
/// ```
/// use wireline::wire::grammar::is_token;
///
/// assert!(is_token(b'-') && is_token(b'~') && !is_token(b':') && !is_token(b' '));
/// ```
#[inline]
pub const fn is_token(octet: u8) -> bool {
    LOWER[octet as usize] != 0
}

/// Whether `octet` may stand in a request target: any visible US-ASCII character but `#`, which
/// begins a fragment and is never sent (RFC 9112 §3.2).
///
/// ```
/// use wireline::wire::grammar::is_target;
///
/// assert!(b"/search?q=a%20b".iter().all(|octet| is_target(*octet)));
/// assert!(!is_target(b'#') && !is_target(b' ') && !is_target(0xe9));
/// ```
#[inline]
pub const fn is_target(octet: u8) -> bool {
    TARGET[octet as usize]
}

/// Whether `octet` may stand in a field value: anything but control octets, HTAB excepted
/// (RFC 9110 §5.5). Octets of 0x80 and above are opaque data.
///
/// ```
/// use wireline::wire::grammar::is_field_value;
///
/// assert!(is_field_value(b'\t') && is_field_value(0xff) && !is_field_value(b'\r') && !is_field_value(0));
/// ```
#[inline]
pub const fn is_field_value(octet: u8) -> bool {
    octet == b'\t' || (octet >= 0x20 && octet != 0x7f)
}

/// Lower-cases the token octets of `bytes` from `at` on, in place, and returns the index of the first
/// octet that is no token character (RFC 9110 §5.6.2), or the length.
///
/// Field names reach the handler in lower case; doing it while the name is scanned costs a store for
/// each octet and saves every later comparison from folding case.
///
/// ```
/// use wireline::wire::grammar::lower_token;
///
/// let mut line = *b"Content-Type: text/plain";
/// assert_eq!(lower_token(&mut line, 0), 12);
/// assert_eq!(&line[..12], b"content-type");
/// ```
#[inline]
pub fn lower_token(bytes: &mut [u8], mut at: usize) -> usize {
    // Sixteen at a time for the names there are: letters, digits and hyphens.
    while let Some(octets) = bytes
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<SIZE>())
    {
        let block = Block::new(octets);
        let upper = block.is_within(b'A', 26);
        let lowered = block.xor(upper.and(Block::all(CASE)));
        let usual = (lowered.is_within(b'a', 26))
            .or(block.is_within(b'0', 10))
            .or(block.is(b'-'));
        let end = (!usual.bits()).trailing_zeros() as usize;
        if upper.bits() != 0 {
            let inside = Block::new(&INSIDE[end]);
            *octets = block.xor(upper.and(inside)).octets();
        }
        at += end;
        if end < SIZE {
            if LOWER[usize::from(octets[end])] == 0 {
                return at;
            }
            // A token octet all the same, and no letter.
            at += 1;
        }
    }
    while let Some(octet) = bytes.get_mut(at) {
        let lower = LOWER[usize::from(*octet)];
        if lower == 0 {
            break;
        }
        *octet = lower;
        at += 1;
    }
    at
}

/// The index of the first octet from `at` on that is no target character (RFC 9112 §3.2), or the length. The first
/// `?` on the way is left in `question`, unless it was found before (0 is not found).
///
/// ```
/// use wireline::wire::grammar::skip_target;
///
/// let (line, mut question) = (b"GET /search?q=a HTTP/1.1", 0);
/// assert_eq!(skip_target(line, 4, &mut question), 15);
/// assert_eq!(question, 11);
/// ```
#[inline]
pub fn skip_target(bytes: &[u8], mut at: usize, question: &mut usize) -> usize {
    loop {
        at = find(bytes, at, |block| {
            let visible = block.is_within(0x21, 0x7f - 0x21);
            let stops = block.is(b'#').or(block.is(b'?'));
            stops.or(visible.xor(Block::all(0xff)))
        });
        if bytes.get(at) != Some(&b'?') {
            return at;
        }
        if *question == 0 {
            *question = at;
        }
        at += 1;
    }
}

/// The index of the first octet from `at` on that may not stand in a field value (RFC 9110 §5.5), or the length.
///
/// By blocks of 16, which the compiler turns into nine vector instructions; the block in which the
/// value ends is then looked at a word at a time, which tells where.
///
/// ```
/// use wireline::wire::grammar::skip_field_value;
///
/// let line = b"host: example.com\r\n";
/// assert_eq!(skip_field_value(line, 6), line.len() - 2);
/// ```
#[inline]
pub fn skip_field_value(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = find(bytes, at, |block| {
            block.is_within(0, 0x20).or(block.is(0x7f))
        });
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The first place at or after `at` of an octet that `stops` marks; the length when there is none.
#[inline(always)]
fn find(bytes: &[u8], mut at: usize, stops: impl Fn(Block) -> Block) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<SIZE>()) {
        let bits = stops(Block::new(block)).bits();
        if bits != 0 {
            return at + bits.trailing_zeros() as usize;
        }
        at += SIZE;
    }
    if at >= bytes.len() {
        return at;
    }
    // What is left is the end of the last sixteen, or there never were so many.
    let left = bytes.len() - at;
    let bits = match bytes.last_chunk::<SIZE>() {
        Some(block) => stops(Block::new(block)).bits() >> (SIZE - left),
        None => {
            let mut block = [0; SIZE];
            block[..left].copy_from_slice(&bytes[at..]);
            stops(Block::new(&block)).bits()
        }
    };
    at + left.min(bits.trailing_zeros() as usize)
}

/// Removes SP and HTAB at both ends (RFC 9110 §5.5: they are not part of a field value), giving the
/// trimmed range of `bytes[start..end]`.
///
/// # Panics
///
/// When the range does not lie in `bytes`.
///
/// ```
/// use wireline::wire::grammar::trim;
///
/// let line = b"host: \texample.com ";
/// let (start, end) = trim(line, 5, line.len());
/// assert_eq!(&line[start..end], b"example.com");
/// ```
#[inline]
pub fn trim(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && matches!(bytes[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    (start, end)
}

/// The members of a comma-separated list, trimmed, empty ones left out (RFC 9110 §5.6.1.2).
///
/// ```
/// let members: Vec<&[u8]> = wireline::wire::grammar::list(b"close, ,Upgrade").collect();
/// assert_eq!(members, [b"close".as_slice(), b"Upgrade"]);
/// ```
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|octet| *octet == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Whether `host` is `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): a registered name, an
/// IPv4 address or a bracketed IPv6 address, and a port of at most 65,535 that may be empty.
///
/// Stricter than RFC 3986 in one thing: a comma, which the grammar allows in a registered name, is
/// refused, because a list of hosts is what an attacker sends.
///
/// ```
/// use wireline::wire::grammar::is_host;
///
/// assert!(is_host(b"example.com") && is_host(b"[::1]:8000") && is_host(b"my_service:80"));
/// assert!(!is_host(b"") && !is_host(b"a,b") && !is_host(b"user@a") && !is_host(b"a:99999") && !is_host(b"[::1"));
/// ```
#[inline]
pub fn is_host(host: &[u8]) -> bool {
    // The usual name or address is one run of plain characters and a port.
    let plain = host
        .iter()
        .position(|octet| !REG_NAME[usize::from(*octet)])
        .unwrap_or(host.len());
    match host.get(plain) {
        None => plain > 0,
        Some(b':') if plain > 0 => is_port(&host[plain + 1..]),
        Some(_) => is_unusual_host(host),
    }
}

#[cold]
fn is_unusual_host(host: &[u8]) -> bool {
    let port = if let Some(rest) = host.strip_prefix(b"[") {
        let Some(close) = rest.iter().position(|octet| *octet == b']') else {
            return false;
        };
        let (address, after) = (&rest[..close], &rest[close + 1..]);
        if !address.contains(&b':')
            || !address
                .iter()
                .all(|octet| octet.is_ascii_hexdigit() || matches!(octet, b':' | b'.'))
        {
            return false;
        }
        after
    } else {
        let end = host
            .iter()
            .position(|octet| *octet == b':')
            .unwrap_or(host.len());
        if end == 0 || !is_reg_name(&host[..end]) {
            return false;
        }
        &host[end..]
    };
    match port.strip_prefix(b":") {
        Some(digits) => is_port(digits),
        None => port.is_empty(),
    }
}

fn is_reg_name(name: &[u8]) -> bool {
    let mut at = 0;
    while let Some(octet) = name.get(at) {
        match octet {
            b'%' => {
                if !matches!(name.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
                {
                    return false;
                }
                at += 3;
            }
            octet if REG_NAME[*octet as usize] => at += 1,
            _ => return false,
        }
    }
    true
}

#[inline]
fn is_port(digits: &[u8]) -> bool {
    let mut value = 0u32;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return false;
        }
        value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
    }
    digits.len() <= 5 && value <= 65_535
}

/// Token characters mapped to their lower case; everything else is 0.
static LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let c = octet as u8;
        if c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            )
        {
            table[octet] = c.to_ascii_lowercase();
        }
        octet += 1;
    }
    table
};

static TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0x21;
    while octet < 0x7f {
        table[octet] = octet != b'#' as usize;
        octet += 1;
    }
    table
};

/// unreserved and sub-delims of RFC 3986, without the comma.
static REG_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        let c = octet as u8;
        table[octet] = c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b';'
                    | b'='
            );
        octet += 1;
    }
    table
};

/// What tells an upper-case letter from its lower-case one.
const CASE: u8 = 0x20;

/// That bit for the octets before a place.
static INSIDE: [[u8; SIZE]; SIZE + 1] = {
    let mut masks = [[0; SIZE]; SIZE + 1];
    let mut end = 0;
    while end <= SIZE {
        let mut place = 0;
        while place < end {
            masks[end][place] = CASE;
            place += 1;
        }
        end += 1;
    }
    masks
};

/// Name and port of an authority; a bracketed address keeps its brackets, an empty port is none (RFC 3986 §3.2.3).
///
/// ```
/// use wireline::wire::grammar::split_port;
///
/// assert_eq!(split_port(b"example.com:8000"), (&b"example.com"[..], Some(&b"8000"[..])));
/// assert_eq!(split_port(b"[2001:db8::1]"), (&b"[2001:db8::1]"[..], None));
/// assert_eq!(split_port(b"example.com:"), (&b"example.com"[..], None));
/// ```
pub fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let colon = authority
        .iter()
        .rposition(|octet| *octet == b':')
        .filter(|colon| !authority[*colon..].contains(&b']'));
    match colon {
        Some(colon) => (
            &authority[..colon],
            Some(&authority[colon + 1..]).filter(|port| !port.is_empty()),
        ),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every octet at every place of lines of many lengths: the fast scan and the plain predicate agree.
    #[test]
    fn the_value_scan_stops_where_the_predicate_says() {
        for len in [0, 1, 7, 8, 9, 23, 24, 25, 31, 32, 33, 56, 57, 64, 100, 130] {
            for place in 0..len {
                for octet in 0..=255u8 {
                    let mut line = vec![b'v'; len];
                    line[place] = octet;
                    let expected = line
                        .iter()
                        .position(|octet| !is_field_value(*octet))
                        .unwrap_or(len);
                    assert_eq!(
                        skip_field_value(&line, 0),
                        expected,
                        "octet {octet:#x} at {place} of {len}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_name_scan_stops_where_the_table_says_and_lowers_what_is_before() {
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 50] {
            for place in 0..len {
                for octet in 0..=255u8 {
                    let mut line = vec![b'N'; len];
                    line[place] = octet;
                    let end = line
                        .iter()
                        .position(|octet| !is_token(*octet))
                        .unwrap_or(len);
                    let mut expected = line.clone();
                    expected[..end].make_ascii_lowercase();
                    assert_eq!(
                        lower_token(&mut line, 0),
                        end,
                        "octet {octet:#x} at {place} of {len}"
                    );
                    assert_eq!(line, expected, "octet {octet:#x} at {place} of {len}");
                }
            }
        }
    }

    #[test]
    fn the_target_scan_stops_where_the_table_says_and_finds_the_first_question_mark() {
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 50] {
            for place in 0..len {
                for octet in 0..=255u8 {
                    let mut line = vec![b'p'; len];
                    if let Some(last) = line.last_mut() {
                        *last = b'?';
                    }
                    line[place] = octet;
                    let end = line
                        .iter()
                        .position(|octet| !is_target(*octet))
                        .unwrap_or(len);
                    let first = line[..end].iter().position(|octet| *octet == b'?');
                    line.insert(0, b'/');
                    let mut question = 0;
                    assert_eq!(skip_target(&line, 1, &mut question), end + 1);
                    assert_eq!(question, first.map_or(0, |first| first + 1));
                }
            }
        }
    }

    #[test]
    fn a_line_of_tabs_is_a_value() {
        let line = [b'\t'; 97];
        assert_eq!(skip_field_value(&line, 0), 97);
    }

    #[test]
    fn names_are_lowered_in_place_up_to_the_colon() {
        let mut line = *b"X-Request-ID: Y";
        assert_eq!(lower_token(&mut line, 0), 12);
        assert_eq!(&line, b"x-request-id: Y");
    }

    #[test]
    fn hosts() {
        for good in [
            "a",
            "a.b-c_d~",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::ffff:1.2.3.4]:1",
            "a:",
            "%41b",
            "a:65535",
            "a!$&'()*+;=",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a/b", "a,b", "u@a", "a:65536", "a:999999", "a:8x", "[::1", "[]",
            "[1]", "[::1]x", "a%4", "a%zz", "a\\b", "a?b", "a#b", "a<b", "é",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
