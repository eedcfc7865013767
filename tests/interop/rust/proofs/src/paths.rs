//! R2: every path of three escapes.

use crate::row::Row;
use wireline::files::path::resolve;

/// Every `%XX%YY%ZZ`, or one in so many, against a plain reading: which octets, and whether they are a name.
pub(crate) fn paths(step: usize) -> Row {
    let mut row = Row::new(
        "R2",
        "paths of three escapes, read as the name of a file",
        1 << 24,
    );
    let mut path = *b"%00%00%00";
    for octets in (0..1u32 << 24).step_by(step) {
        let [_, first, second, third] = octets.to_be_bytes();
        let octets = [first, second, third];
        for (at, octet) in octets.iter().enumerate() {
            path[3 * at + 1] = DIGITS[usize::from(octet >> 4)];
            path[3 * at + 2] = DIGITS[usize::from(octet & 15)];
        }
        let expected = name(&octets);
        let found = resolve(&path, false);
        let found = found.as_ref().map(|place| place.path.as_ref());
        if found != expected {
            row.fault(|| format!("{}: {found:?}, not {expected:?}", path.escape_ascii()));
        }
        row.figure += 1;
    }
    row
}

/// A needless escape, a slash, a control character and what is no UTF-8 are no name.
fn name(octets: &[u8]) -> Option<&str> {
    let is_needless =
        |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let is_bad = |octet: &u8| octet.is_ascii_control() || matches!(octet, b'/' | b'\\');
    if octets
        .iter()
        .any(|octet| is_needless(octet) || is_bad(octet))
    {
        return None;
    }
    std::str::from_utf8(octets).ok()
}

const DIGITS: &[u8; 16] = b"0123456789aBcDeF";

#[cfg(test)]
mod tests {
    #[test]
    fn one_path_in_many() {
        let row = super::paths(29);
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
    }
}
