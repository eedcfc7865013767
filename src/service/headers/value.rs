//! One value of a header section.

use crate::service::headers::InvalidField;
use crate::wire::fields::Field;
use http::HeaderValue;
use std::fmt;

/// The value of a field, wherever it is kept.
///
/// ```
/// use wireline::service::headers::Headers;
///
/// let mut headers = Headers::new();
/// headers.try_insert("x-plan", "gold")?;
/// let value = headers.get("x-plan").unwrap();
/// assert_eq!((value.as_bytes(), value.to_str()?), (&b"gold"[..], "gold"));
/// # Ok::<(), wireline::service::headers::InvalidField>(())
/// ```
#[derive(Clone, Copy)]
pub struct FieldValue<'a> {
    octets: &'a [u8],
    source: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Value(&'a HeaderValue),
    Block,
}

impl<'a> FieldValue<'a> {
    #[inline]
    pub(super) fn of(value: &'a HeaderValue) -> Self {
        Self {
            octets: value.as_bytes(),
            source: Source::Value(value),
        }
    }

    #[inline]
    pub(super) fn of_block(field: Field, block: &'a [u8]) -> Self {
        Self {
            octets: field.value(block),
            source: Source::Block,
        }
    }

    /// The octets.
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.octets
    }

    /// The value as text.
    ///
    /// # Errors
    ///
    /// When it is not visible US-ASCII, space and HTAB, as with [`HeaderValue::to_str`].
    pub fn to_str(&self) -> Result<&'a str, InvalidField> {
        let plain = self
            .octets
            .iter()
            .all(|octet| *octet == b'\t' || (0x20..0x7f).contains(octet));
        std::str::from_utf8(self.octets)
            .ok()
            .filter(|_| plain)
            .ok_or(InvalidField {
                what: "value is not US-ASCII",
            })
    }

    /// The value as the `http` crate's type; of a wire block it is a copy.
    pub fn to_value(&self) -> HeaderValue {
        match self.source {
            Source::Value(value) => value.clone(),
            // The parser refused what `HeaderValue` refuses, so the fallback is never taken.
            Source::Block => HeaderValue::from_bytes(self.octets)
                .unwrap_or_else(|_| HeaderValue::from_static("")),
        }
    }
}

impl PartialEq<str> for FieldValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.octets == other.as_bytes()
    }
}

impl PartialEq<&str> for FieldValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.octets == other.as_bytes()
    }
}

impl PartialEq for FieldValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            // `HeaderValue` hides what is marked sensitive.
            Source::Value(value) => value.fmt(f),
            Source::Block => write!(f, "\"{}\"", self.octets.escape_ascii()),
        }
    }
}
