//! What names a field, and the check of a name and a value.

use http::{HeaderName, HeaderValue};
use std::fmt;

/// What names a field: `&str` in any case, or a `HeaderName`.
///
/// ```
/// use http::header::HOST;
/// use wireline::service::headers::Headers;
///
/// let mut headers = Headers::new();
/// headers.try_insert("host", "example.com").unwrap();
/// assert_eq!(headers.get("Host").unwrap(), "example.com");
/// assert_eq!(headers.get(HOST).unwrap(), "example.com");
/// ```
pub trait AsName: sealed::Sealed {
    #[doc(hidden)]
    fn is(&self, lower: &[u8]) -> bool;

    #[doc(hidden)]
    fn name_len(&self) -> usize;
}

impl AsName for &str {
    #[inline]
    fn is(&self, lower: &[u8]) -> bool {
        lower.eq_ignore_ascii_case(self.as_bytes())
    }

    #[inline]
    fn name_len(&self) -> usize {
        str::len(self)
    }
}

impl AsName for HeaderName {
    #[inline]
    fn is(&self, lower: &[u8]) -> bool {
        self.as_str().as_bytes() == lower
    }

    #[inline]
    fn name_len(&self) -> usize {
        self.as_str().len()
    }
}

impl<T: AsName> AsName for &T {
    #[inline]
    fn is(&self, lower: &[u8]) -> bool {
        (**self).is(lower)
    }

    #[inline]
    fn name_len(&self) -> usize {
        (**self).name_len()
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for http::HeaderName {}
    impl<T: Sealed> Sealed for &T {}
}

/// A name or a value that cannot stand in a field line.
///
/// ```
/// use wireline::service::headers::{Headers, InvalidField};
///
/// let mut headers = Headers::new();
/// let error: InvalidField = headers.try_insert("x-name", "two\r\nlines").unwrap_err();
/// assert!(error.to_string().starts_with("invalid field: "));
/// assert!(headers.try_insert("no token", "").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField {
    pub(super) what: &'static str,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid field: {} (RFC 9110 5)", self.what)
    }
}

impl std::error::Error for InvalidField {}

/// Checks a name and a value.
pub(crate) fn field<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue), InvalidField>
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
{
    let name = name.try_into().map_err(|_| InvalidField {
        what: "name is no token",
    })?;
    let value = value.try_into().map_err(|_| InvalidField {
        what: "value has control octets",
    })?;
    Ok((name, value))
}
