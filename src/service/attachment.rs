//! Responses to save: `Content-Disposition` (RFC 6266).

use crate::service::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use std::fmt;

/// A response that a browser saves under a name, or shows under it.
///
/// The name goes out twice: in ASCII for old clients, and whole, as RFC 8187 writes it, for all others. With it goes `nosniff`,
/// because what is offered for saving often comes from other users.
///
/// ```
/// use wireline::service::attachment::{Attachment, InvalidFileName};
/// use wireline::service::response::IntoResponse;
///
/// let report = Attachment::new("naïve.txt", "the report")?.into_response();
/// let disposition = report.headers().get("content-disposition").unwrap();
/// assert_eq!(disposition, "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt");
/// assert!(Attachment::new("a\r\nset-cookie: b", "").is_err());
/// # Ok::<(), InvalidFileName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attachment<T> {
    disposition: HeaderValue,
    content: T,
}

impl<T> Attachment<T> {
    /// To be saved under this name.
    ///
    /// # Errors
    ///
    /// A name that is empty, longer than 255 octets, `.` or `..`, or that has control characters, `/` or `\` in it: nothing that is a
    /// path is a name.
    pub fn new(name: &str, content: T) -> Result<Self, InvalidFileName> {
        Self::with("attachment", name, content)
    }

    /// To be shown, and saved under this name if the user asks for it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn inline(name: &str, content: T) -> Result<Self, InvalidFileName> {
        Self::with("inline", name, content)
    }

    fn with(kind: &str, name: &str, content: T) -> Result<Self, InvalidFileName> {
        let is_path = name == "." || name == ".." || name.contains(['/', '\\']);
        if name.is_empty() || name.len() > LONGEST || is_path || name.contains(char::is_control) {
            return Err(InvalidFileName(()));
        }
        let disposition = format!("{kind}; {}", parameters(name));
        // What is written is visible ASCII.
        let disposition = HeaderValue::try_from(disposition).map_err(|_| InvalidFileName(()))?;
        Ok(Self {
            disposition,
            content,
        })
    }
}

impl<T: IntoResponse> IntoResponse for Attachment<T> {
    fn into_response(self) -> Response {
        self.content
            .into_response()
            .with_header(CONTENT_DISPOSITION, self.disposition)
            .with_header(X_CONTENT_TYPE_OPTIONS, "nosniff")
    }
}

/// What cannot be the name of a file that is offered.
///
/// ```
/// use wireline::service::attachment::Attachment;
///
/// for name in ["", "..", "a/b", "a\\b", "a\nb"] {
///     assert!(Attachment::new(name, "content").is_err());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidFileName(());

impl fmt::Display for InvalidFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name is no name of a file: it is empty, too long, a path, or has control characters")
    }
}

impl std::error::Error for InvalidFileName {}

impl From<InvalidFileName> for crate::service::error::Error {
    fn from(error: InvalidFileName) -> Self {
        Self::internal(error)
    }
}

/// `filename`, and, when that does not say all, `filename*` (RFC 6266 §4.3).
fn parameters(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            // Some clients decode `%41` in the plain name, so that it would be another name (RFC 6266 D).
            '"' | '%' => plain.push('_'),
            ' '..='~' => plain.push(character),
            _ => plain.push('_'),
        }
    }
    if plain == name {
        return format!("filename=\"{plain}\"");
    }
    let mut extended = String::new();
    for octet in name.bytes() {
        // RFC 8187 §3.2.1: attr-char.
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
            extended.push(char::from(octet));
        } else {
            extended.push_str(&format!("%{octet:02X}"));
        }
    }
    format!("filename=\"{plain}\"; filename*=UTF-8''{extended}")
}

const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_rfc_6266_writes_them() {
        for (name, expected) in [
            ("plan.pdf", "filename=\"plan.pdf\""),
            ("my plan;v=2.pdf", "filename=\"my plan;v=2.pdf\""),
            (
                "a\"b.pdf",
                "filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf",
            ),
            (
                "50%.txt",
                "filename=\"50_.txt\"; filename*=UTF-8''50%25.txt",
            ),
            ("€ 5", "filename=\"_ 5\"; filename*=UTF-8''%E2%82%AC%205"),
        ] {
            let attachment = Attachment::new(name, ()).unwrap();
            let expected = format!("attachment; {expected}");
            assert_eq!(attachment.disposition, expected.as_str());
        }
    }

    #[test]
    fn hd_1_what_would_split_the_response_is_no_name() {
        let long = "x".repeat(256);
        for name in [
            "", ".", "..", "a/b", "../a", "a\\b", "a\rb", "a\nb", "a\0b", "a\u{7f}", "a\u{85}",
            &long,
        ] {
            assert!(Attachment::new(name, ()).is_err(), "{name:?}");
            assert!(Attachment::inline(name, ()).is_err(), "{name:?}");
        }
    }
}
