//! The two field lines of the paved path, written in one go: every response of an application has them.

use crate::wire::fields::{Field, FieldLine, Span};

/// `X-Request-ID` with a UUID, and `X-Content-Type-Options: nosniff`.
///
/// Field lines by construction: a caller gives 16 octets, and only their hexadecimal digits get in.
#[derive(Clone)]
pub(crate) struct PavedLines([u8; LEN]);

impl PavedLines {
    /// The lines for the request with this id.
    #[inline]
    pub(crate) fn new(id: [u8; 16]) -> Self {
        let mut lines = *TEMPLATE;
        for (octet, place) in id.into_iter().zip(DIGITS) {
            [lines[place], lines[place + 1]] = HEX[usize::from(octet)];
        }
        Self(lines)
    }

    /// The lines as they are written, each with its CRLF.
    #[inline]
    pub(crate) const fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Where the fields lie in [`octets`](Self::octets).
    pub(crate) const fn fields() -> &'static [Field] {
        &FIELDS
    }

    /// The lines one by one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = FieldLine<'_>> {
        FIELDS
            .iter()
            .map(|field| FieldLine::of_block(*field, &self.0))
    }
}

const TEMPLATE: &[u8; LEN] =
    b"x-request-id: 00000000-0000-0000-0000-000000000000\r\nx-content-type-options: nosniff\r\n";

const LEN: usize = 85;

/// Where the two digits of each octet go.
const DIGITS: [usize; 16] = [
    14, 16, 18, 20, 23, 25, 28, 30, 33, 35, 38, 40, 42, 44, 46, 48,
];

static FIELDS: [Field; 2] = [
    Field::new(Span::of_const(0, 12), Span::of_const(14, 50)),
    Field::new(Span::of_const(52, 74), Span::of_const(76, 83)),
];

/// Two lower-case digits for each octet.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = [digits[octet >> 4], digits[octet & 0xf]];
        octet += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_what_they_say() {
        let id = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x80, 0x11, 0x22, 0x33, 0x44, 0x55,
            0x66, 0xff,
        ];
        let lines = PavedLines::new(id);
        let found: Vec<_> = (lines.lines())
            .map(|line| (line.name().to_vec(), line.value().to_vec()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    b"x-request-id".to_vec(),
                    b"01234567-89ab-4def-8011-2233445566ff".to_vec()
                ),
                (b"x-content-type-options".to_vec(), b"nosniff".to_vec()),
            ]
        );
        let whole: Vec<u8> = (found.iter())
            .flat_map(|(name, value)| [name.as_slice(), b": ", value, b"\r\n"].concat())
            .collect();
        assert_eq!(lines.octets(), whole);
    }
}
