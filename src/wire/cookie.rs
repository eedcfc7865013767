//! The field Cookie (RFC 6265 §4.2.1, §5.4).

/// The pairs of one Cookie field, in order: what stands before the first `=` of each, and what stands behind it, without
/// the spaces around them. What has no `=` or no name is left out.
///
/// Nothing is decoded, and quotes belong to the value: a server gets back what it has set. The time is linear in the
/// field's length, whatever is in it.
///
/// ```
/// use wireline::wire::cookie::pairs;
///
/// let field = b"id=7; theme = dark;flag; =nameless; a=b=c";
/// let pairs: Vec<_> = pairs(field).collect();
/// assert_eq!(pairs, [(&b"id"[..], &b"7"[..]), (b"theme", b"dark"), (b"a", b"b=c")]);
/// ```
pub fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    field.split(|octet| *octet == b';').filter_map(|pair| {
        let equals = pair.iter().position(|octet| *octet == b'=')?;
        let name = trim(&pair[..equals]);
        (!name.is_empty()).then(|| (name, trim(&pair[equals + 1..])))
    })
}

/// Whether `octet` may stand in a cookie's value (RFC 6265 §4.1.1: `cookie-octet`): visible US-ASCII but quotes, comma,
/// semicolon and backslash.
///
/// ```
/// use wireline::wire::cookie::is_cookie_octet;
///
/// assert!(is_cookie_octet(b'=') && !is_cookie_octet(b';') && !is_cookie_octet(b' ') && !is_cookie_octet(b'"'));
/// ```
pub const fn is_cookie_octet(octet: u8) -> bool {
    matches!(octet, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn trim(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = octets {
        octets = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}
