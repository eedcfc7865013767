//! The flat field table: where each field line of a block of bytes has its name and its value.
//!
//! A header section stays the block of bytes that it came in. Beside it stands one table of 8-byte
//! entries, so that reading fourteen fields of a browser costs no allocation and no hashing, and
//! looking one up is a walk over a few cache lines.

use http::{HeaderName, HeaderValue};

/// One field line of a block: four offsets.
///
/// ```
/// use wireline::wire::fields::{Field, Span};
///
/// let block = b"host: example.com";
/// let field = Field::new(Span::new(0, 4).unwrap(), Span::new(6, block.len()).unwrap());
/// assert_eq!((field.name(block), field.value(block)), (&b"host"[..], &b"example.com"[..]));
/// assert!(field.is(b"host", block));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    name: Span,
    value: Span,
}

impl Field {
    /// A field whose name and value lie at these places of the block.
    pub const fn new(name: Span, value: Span) -> Self {
        Self { name, value }
    }

    /// The name, in lower case.
    #[inline]
    pub fn name(self, block: &[u8]) -> &[u8] {
        self.name.of(block)
    }

    /// The value, without white space around it.
    #[inline]
    pub fn value(self, block: &[u8]) -> &[u8] {
        self.value.of(block)
    }

    /// Where the value lies.
    #[inline]
    pub const fn value_span(self) -> Span {
        self.value
    }

    /// Whether the name is this one; a comparison of words, not of slices.
    #[inline]
    pub fn is<const LEN: usize>(self, name: &[u8; LEN], block: &[u8]) -> bool {
        usize::from(self.name.len) == LEN
            && block
                .get(self.name.start()..)
                .and_then(|rest| rest.first_chunk())
                == Some(name)
    }

    /// The length of the name: most lookups are decided by it.
    #[inline]
    pub const fn name_len(self) -> usize {
        self.name.len as usize
    }
}

/// A range of a block of at most 65,535 octets.
///
/// ```
/// use wireline::wire::fields::Span;
///
/// let span = Span::new(4, 8).unwrap();
/// assert_eq!(span.of(b"GET /one HTTP/1.1"), b"/one");
/// assert_eq!(span.of(b"short"), b"");
/// // A head is never so long.
/// assert_eq!(Span::new(0, 65_536), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// The first octet.
    pub(crate) const FIRST: Self = Self { start: 0, len: 1 };

    /// The range `start..end`; `None` when it does not fit (a block is never larger than 65,535 octets).
    #[inline]
    pub fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self {
            start: u16::try_from(start).ok()?,
            len: u16::try_from(end.checked_sub(start)?).ok()?,
        })
    }

    /// The range `start..end` of a block whose length was found to be at most 65,535.
    #[inline]
    pub(crate) fn within(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= usize::from(u16::MAX));
        Self {
            start: (start & 0xffff) as u16,
            len: (end.wrapping_sub(start) & 0xffff) as u16,
        }
    }

    /// The range `start..end` of a block that is known when this is compiled.
    pub(crate) const fn of_const(start: u16, end: u16) -> Self {
        Self {
            start,
            len: end - start,
        }
    }

    /// The octets of `block` in this range; empty when the range lies outside.
    #[inline]
    pub fn of(self, block: &[u8]) -> &[u8] {
        block.get(self.range()).unwrap_or_default()
    }

    /// As a range of indices.
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.start) + usize::from(self.len)
    }

    /// The first index.
    #[inline]
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// The number of octets.
    #[inline]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether the range is empty.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A field line that may be written: its name is a token and its value has no control octets, so
/// that no response can be split by one (RFC 9112 §11.1).
///
/// There is no way to make one from raw bytes: it comes from the types of the `http` crate, which
/// have checked theirs, or from a block that a parser of this crate accepted.
#[derive(Clone, Copy, Debug)]
pub struct FieldLine<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> FieldLine<'a> {
    /// A line from checked types.
    ///
    /// ```
    /// use wireline::wire::fields::FieldLine;
    /// use http::{HeaderValue, header};
    ///
    /// let value = HeaderValue::from_static("no-store");
    /// assert_eq!(FieldLine::new(&header::CACHE_CONTROL, &value).name(), b"cache-control");
    /// ```
    #[inline]
    pub fn new(name: &'a HeaderName, value: &'a HeaderValue) -> Self {
        Self {
            name: name.as_str().as_bytes(),
            value: value.as_bytes(),
        }
    }

    /// A line of a block that a parser of this crate accepted.
    #[inline]
    pub(crate) fn of_block(field: Field, block: &'a [u8]) -> Self {
        Self {
            name: field.name(block),
            value: field.value(block),
        }
    }

    /// The name, in lower case.
    #[inline]
    pub const fn name(self) -> &'a [u8] {
        self.name
    }

    /// The value.
    #[inline]
    pub const fn value(self) -> &'a [u8] {
        self.value
    }

    /// Writes the line, with its CRLF.
    #[inline]
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(self.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// The type and subtype of a Content-Type, in the case that they came in and without parameters (RFC 9110 §8.3.1).
pub(crate) fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|octet| *octet == b';');
    let (essence, _) = content_type.split_at(end.unwrap_or(content_type.len()));
    essence.trim_ascii()
}

/// Whether whoever writes a head decides on a field of this name, in lower case: framing, the connection, what a server
/// adds by itself, and the type of the content.
pub(crate) fn is_of_head(name: &[u8]) -> bool {
    is_of_connection(name) || matches!(name, b"content-type" | b"date" | b"server" | b"upgrade")
}

/// Whether a field of this name, in lower case, is about framing or the connection: nobody but the encoder writes it.
pub(crate) fn is_of_connection(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection"
            | b"content-length"
            | b"transfer-encoding"
            | b"keep-alive"
            | b"proxy-connection"
    )
}

/// Whether a field of this name, in lower case, may stand in a trailer section. Those that would change framing,
/// routing or the connection are dropped from it (RFC 9110 §6.5.1): merging them into the header section is how
/// trailers are used for smuggling.
///
/// ```
/// use wireline::wire::fields::may_trail;
///
/// assert!(may_trail(b"digest"));
/// assert!(!may_trail(b"transfer-encoding"));
/// ```
pub fn may_trail(name: &[u8]) -> bool {
    !matches!(
        name,
        b"content-length"
            | b"transfer-encoding"
            | b"host"
            | b"trailer"
            | b"connection"
            | b"keep-alive"
            | b"te"
            | b"upgrade"
            | b"expect"
            | b"proxy-connection"
            | b"content-encoding"
            | b"content-type"
            | b"content-range"
            | b"authorization"
            | b"cookie"
            | b"set-cookie"
            | b"cache-control"
            | b"max-forwards"
            | b"range"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_essence_has_no_parameters() {
        for (content_type, expected) in [
            ("text/html", "text/html"),
            (" Text/HTML ; charset=utf-8; a=b", "Text/HTML"),
            (";text/html", ""),
            ("", ""),
        ] {
            assert_eq!(essence(content_type.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn a_span_is_sixteen_bits_wide() {
        assert!(Span::new(0, 65_535).is_some());
        assert!(Span::new(0, 65_536).is_none());
        assert!(Span::new(5, 4).is_none());
        assert_eq!(
            Span::new(60_000, 60_010).map(Span::range),
            Some(60_000..60_010)
        );
        assert_eq!(size_of::<Field>(), 8);
    }

    #[test]
    fn a_span_outside_its_block_is_empty() {
        assert_eq!(
            Span::new(2, 9).map(|span| span.of(b"abc")),
            Some(b"".as_slice())
        );
    }
}
