//! Numbers as they stand on the wire: digits and nothing else.
//!
//! `str::parse` and `from_str_radix` accept a leading `+`, which has been the root of request
//! smuggling bugs elsewhere. These functions take plain digits, check their own arithmetic, and are
//! the only way in which a number that a peer sent becomes an integer.

/// Reads a run of 1 to 19 decimal digits without sign, space or leading zero.
///
/// Nineteen digits always fit a `u64`, so there is no overflow to check. `0` itself is fine.
///
/// Source: RFC 9110 §8.6 (`Content-Length = 1*DIGIT`), narrowed.
///
/// ```
/// use wireline::wire::number::decimal;
///
/// assert_eq!(decimal(b"1048576"), Some(1_048_576));
/// assert_eq!(decimal(b"+5"), None);
/// assert_eq!(decimal(b"05"), None);
/// assert_eq!(decimal(b""), None);
/// ```
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_DECIMAL_DIGITS || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    let mut value = 0u64;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    Some(value)
}

/// The value of one hexadecimal digit, or `None`.
///
/// ```
/// use wireline::wire::number::hex_digit;
///
/// assert_eq!(hex_digit(b'f'), Some(15));
/// assert_eq!(hex_digit(b'g'), None);
/// ```
pub const fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// Appends `value` in decimal.
///
/// ```
/// let mut out = Vec::new();
/// wireline::wire::number::push_decimal(&mut out, 1280);
/// assert_eq!(out, b"1280");
/// ```
pub fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `value` in lower-case hexadecimal, as a chunk-size is written (RFC 9112 §7.1).
///
/// ```
/// let mut out = Vec::new();
/// wireline::wire::number::push_hex(&mut out, 0x1f40);
/// assert_eq!(out, b"1f40");
/// ```
pub fn push_hex(out: &mut Vec<u8>, value: u64) {
    let digits = (16 - value.leading_zeros() as usize / 4).max(1);
    for place in (0..digits).rev() {
        out.push(HEX[(value >> (place * 4)) as usize & 0xf]);
    }
}

const MAX_DECIMAL_DIGITS: usize = 19;
const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_takes_digits_only() {
        for (text, value) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("10000000000000000000", None),
            ("00", None),
            ("-1", None),
            ("1 ", None),
            (" 1", None),
            ("1_0", None),
            ("0x1", None),
            ("٣", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn every_octet_as_a_hex_digit_agrees_with_the_standard_library() {
        for octet in 0..=255u8 {
            let expected = char::from(octet).to_digit(16).filter(|_| octet.is_ascii());
            assert_eq!(hex_digit(octet).map(u32::from), expected);
        }
    }

    #[test]
    fn written_numbers_read_back() {
        for value in [
            0,
            1,
            9,
            10,
            15,
            16,
            255,
            256,
            4096,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let (mut dec, mut hex) = (Vec::new(), Vec::new());
            push_decimal(&mut dec, value);
            push_hex(&mut hex, value);
            assert_eq!(dec, value.to_string().into_bytes());
            assert_eq!(hex, format!("{value:x}").into_bytes());
        }
    }
}
