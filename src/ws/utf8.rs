//! UTF-8 as it arrives (RFC 3629, RFC 6455 §8.1).

#[cfg(feature = "simd")]
use simdutf8::compat::from_utf8 as check;
#[cfg(not(feature = "simd"))]
use std::str::from_utf8 as check;

use std::fmt;

/// The octets cannot be, or become, UTF-8.
///
/// ```
/// use wireline::ws::utf8::{Invalid, Utf8};
///
/// assert_eq!(Utf8::default().push(b"\xc0"), Err(Invalid), "no character begins so");
/// assert_eq!(Invalid.to_string(), "not UTF-8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}

impl std::error::Error for Invalid {}

/// A check of text that comes in pieces. It fails as soon as what has come cannot be continued to valid
/// UTF-8, wherever the pieces are cut.
///
/// ```
/// use wireline::ws::utf8::Utf8;
///
/// let mut utf8 = Utf8::default();
/// assert!(utf8.push(b"\xf0\x9f").is_ok() && !utf8.is_complete());
/// assert!(utf8.push(b"\x98\x80").is_ok() && utf8.is_complete());
/// assert!(utf8.push(b"\xed\xa0").is_err(), "a surrogate, though its third octet has not come");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The begun character.
    begun: [u8; 3],
    len: u8,
}

impl Utf8 {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when no further octets could make the whole valid.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.len > 0 {
            let Some((first, rest)) = piece.split_first() else {
                return Ok(());
            };
            let len = usize::from(self.len);
            let mut character = [0; 4];
            character[..len].copy_from_slice(&self.begun[..len]);
            character[len] = *first;
            piece = rest;
            match std::str::from_utf8(&character[..=len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() || len == 3 => return Err(Invalid),
                Err(_) => {
                    self.begun[len] = *first;
                    self.len += 1;
                }
            }
        }
        let Err(error) = check(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(Invalid);
        }
        let begun = &piece[error.valid_up_to()..];
        for (place, octet) in self.begun.iter_mut().zip(begun) {
            *place = *octet;
            self.len += 1;
        }
        Ok(())
    }

    /// Whether no character is begun: text may end here.
    pub const fn is_complete(&self) -> bool {
        self.len == 0
    }
}

/// Text whose octets are all there.
///
/// The standard library's check is the faster one for short text, the vectorised one for long.
#[inline]
pub(crate) fn text(octets: &[u8]) -> Result<&str, Invalid> {
    if octets.len() <= SHORT {
        std::str::from_utf8(octets).map_err(|_| Invalid)
    } else {
        check(octets).map_err(|_| Invalid)
    }
}

/// Room for a small text whose check is then short: it begins where a word does and is followed by zeros, so
/// that the standard library goes through it by words. Where it stands in a read buffer, it would go octet
/// by octet.
#[repr(align(16))]
pub(crate) struct Aligned([u8; ALIGNED]);

impl Aligned {
    pub(crate) const fn new() -> Self {
        Self([0; ALIGNED])
    }

    /// A copy of `octets`, all zeros behind it; `None` when they are too many.
    #[inline]
    pub(crate) fn place(&mut self, octets: &[u8]) -> Option<&mut [u8]> {
        let place = self.0.get_mut(..octets.len())?;
        place.copy_from_slice(octets);
        Some(place)
    }

    /// The first `len` octets, checked.
    #[inline]
    pub(crate) fn text(&self, len: usize) -> Result<&str, Invalid> {
        // A character that is cut at `len` goes on with a zero, which is refused as well.
        let blocks = self.0.get(..len.next_multiple_of(16)).ok_or(Invalid)?;
        let text = std::str::from_utf8(blocks).map_err(|_| Invalid)?;
        text.get(..len).ok_or(Invalid)
    }
}

/// At least the longest payload with a length of seven bits, and whole blocks.
const ALIGNED: usize = 128;

/// Up to this length the start of the vectorised check costs more than it saves.
const SHORT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a check in two pieces says: refused in the first, in the second, begun at the end, or valid.
    fn verdict(pieces: &[&[u8]]) -> Result<bool, usize> {
        let mut utf8 = Utf8::default();
        for (place, piece) in pieces.iter().enumerate() {
            utf8.push(piece).map_err(|_| place)?;
        }
        Ok(utf8.is_complete())
    }

    fn oracle(octets: &[u8]) -> Result<bool, Invalid> {
        match std::str::from_utf8(octets) {
            Ok(_) => Ok(true),
            Err(error) if error.error_len().is_none() => Ok(false),
            Err(_) => Err(Invalid),
        }
    }

    /// Every character of four octets whose second and third octets are at the borders, and every pair of
    /// first octets, at every cut; the whole space runs in `tests/ws_exhaustive.rs`.
    #[test]
    fn every_cut_fails_as_soon_as_it_can() {
        let borders = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff,
        ];
        let mut seen = 0;
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                for third in borders {
                    for fourth in borders {
                        let octets = [first, second, third, fourth];
                        let whole = verdict(&[&octets]);
                        assert_eq!(whole.is_err(), oracle(&octets).is_err(), "{octets:x?}");
                        for cut in 1..4 {
                            let (before, after) = octets.split_at(cut);
                            let expected = match (oracle(before), oracle(&octets)) {
                                (Err(_), _) => Err(0),
                                (_, Err(_)) => Err(1),
                                (_, Ok(complete)) => Ok(complete),
                            };
                            assert_eq!(verdict(&[before, after]), expected, "{octets:x?} at {cut}");
                            seen += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 65_536 * 121 * 3);
    }

    #[test]
    fn aligned_text_is_checked_as_any_is() {
        for len in 0..=125 {
            let mut octets = vec![b'a'; len];
            for (place, mark) in (0..len)
                .flat_map(|place| [(place, &b"\xc3\xa9"[..]), (place, b"\xc3"), (place, b"\0")])
            {
                octets.fill(b'a');
                let end = (place + mark.len()).min(len);
                octets[place..end].copy_from_slice(&mark[..end - place]);
                let mut aligned = Aligned::new();
                assert!(aligned.place(&octets).is_some());
                assert_eq!(aligned.text(len).ok(), std::str::from_utf8(&octets).ok());
            }
        }
        assert!(Aligned::new().place(&[0; 129]).is_none());
    }

    #[test]
    fn long_text_is_checked_as_short_text_is() {
        for len in 0..200 {
            let mut octets = vec![b'a'; len];
            assert!(text(&octets).is_ok());
            for place in 0..len {
                octets[place] = 0xc3;
                assert!(text(&octets).is_err(), "{place} of {len}");
                octets[place] = b'a';
            }
        }
    }
}
