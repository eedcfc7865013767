//! Media types, as `Content-Type` has them (RFC 9110 §8.3.1).

use crate::wire::grammar;
use std::fmt;

/// A media type with its parameters: `text/html; charset=utf-8`.
///
/// ```
/// use wireline::service::media_type::MediaType;
///
/// let media_type = MediaType::parse(b"Text/HTML; charset=\"utf-8\"").unwrap();
/// assert!(media_type.is("text", "html"));
/// assert_eq!(media_type.parameter("Charset"), Some("utf-8"));
/// assert!(MediaType::parse(b"text").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// In lower case, with its slash.
    essence: String,
    slash: usize,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one; `None` when it is malformed, says a parameter twice, or has more than 16 of them.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (kind, rest) = token(text.trim_ascii())?;
        let (subtype, mut rest) = token(rest.strip_prefix(b"/")?)?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(b";")?.trim_ascii_start();
            // RFC 9110 §5.6.6: a parameter may be missing.
            if rest.is_empty() || rest.starts_with(b";") {
                continue;
            }
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix(b"=")?)?;
            let name = name.to_ascii_lowercase();
            let is_known = parameters.iter().any(|(known, _)| *known == name);
            if is_known || parameters.len() == MOST_PARAMETERS {
                return None;
            }
            parameters.push((name, value));
            rest = after;
        }
        Some(Self {
            essence: format!("{kind}/{subtype}").to_ascii_lowercase(),
            slash: kind.len(),
            parameters,
        })
    }

    /// Type and subtype in lower case: `text/html`.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The type in lower case: `text`.
    pub fn kind(&self) -> &str {
        &self.essence[..self.slash]
    }

    /// The subtype in lower case: `html`.
    pub fn subtype(&self) -> &str {
        &self.essence[self.slash + 1..]
    }

    /// Whether it is this type and subtype, whatever its parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind().eq_ignore_ascii_case(kind) && self.subtype().eq_ignore_ascii_case(subtype)
    }

    /// A parameter by its name, in any case, without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        for (name, value) in &self.parameters {
            if !value.is_empty() && value.bytes().all(grammar::is_token) {
                write!(f, "; {name}={value}")?;
            } else {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "; {name}=\"{value}\"")?;
            }
        }
        Ok(())
    }
}

/// A token, and what follows it.
fn token(text: &[u8]) -> Option<(&str, &[u8])> {
    let is_end = |octet: &u8| !grammar::is_token(*octet);
    let end = text.iter().position(is_end).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    Some((std::str::from_utf8(token).ok()?, rest)).filter(|_| end > 0)
}

/// A token or a quoted-string without its quotes, and what follows it (RFC 9110 §5.6.4).
fn value(text: &[u8]) -> Option<(String, &[u8])> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let (mut octets, mut at) = (Vec::new(), 0);
    loop {
        match *inner.get(at)? {
            b'"' => return Some((String::from_utf8(octets).ok()?, &inner[at + 1..])),
            b'\\' => {
                octets.push(*inner.get(at + 1)?);
                at += 2;
            }
            octet => {
                octets.push(octet);
                at += 1;
            }
        }
    }
}

const MOST_PARAMETERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for (text, expected) in [
            ("text/plain", Some("text/plain")),
            (
                " Text/HTML ;Charset=UTF-8 ",
                Some("text/html; charset=UTF-8"),
            ),
            ("a/b;;c=d;", Some("a/b; c=d")),
            ("a/b; c=\"d e\\\"\"", Some("a/b; c=\"d e\\\"\"")),
            ("a/b; c=\"\"", Some("a/b; c=\"\"")),
            ("a/b; c=\"d", None),
            ("a/b; c=d; C=e", None),
            ("a/b; c", None),
            ("a/b; c =d", None),
            ("a/b c=d", None),
            ("a/b, c/d", None),
            ("a/", None),
            ("/b", None),
            ("a", None),
            ("", None),
        ] {
            let parsed = MediaType::parse(text.as_bytes()).map(|parsed| parsed.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
        let many: String = (0..17).map(|at| format!(";a{at}=1")).collect();
        assert!(MediaType::parse(format!("a/b{many}").as_bytes()).is_none());
    }
}
