//! Which media types a client takes (RFC 9110 §12.5.1).

use crate::service::headers::Headers;
use crate::wire::grammar;
use http::header::ACCEPT;

/// The media types that a request accepts, with their weights.
///
/// ```
/// use wireline::service::{accept::Accept, request::Request};
///
/// let mut request = Request::get("/");
/// request.headers_mut().try_insert("accept", "text/html, application/*;q=0.5, */*;q=0").unwrap();
/// let accept = Accept::of(request.headers());
/// assert_eq!(accept.quality("text/html"), 1000);
/// assert_eq!(accept.quality("application/json"), 500);
/// assert_eq!(accept.quality("image/png"), 0);
/// assert_eq!(accept.best(&["application/json", "text/html"]), Some("text/html"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Accept<'a>(&'a Headers);

impl<'a> Accept<'a> {
    /// Of these fields. Nothing is copied; they are read when something is asked.
    pub const fn of(headers: &'a Headers) -> Self {
        Self(headers)
    }

    /// How much the client wants a type, in thousandths: 1000 is gladly, 0 not at all. Without `Accept`
    /// everything is welcome. The most specific range counts; ranges that are malformed do not.
    pub fn quality(&self, media_type: &str) -> u16 {
        let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
        let mut found: Option<(u8, u16)> = None;
        let mut is_there = false;
        for line in self.0.get_all(ACCEPT) {
            is_there = true;
            for member in grammar::list(line.as_bytes()) {
                let Some((specific, quality)) = range(member, kind, subtype) else {
                    continue;
                };
                if found.is_none_or(|(best, _)| specific > best) {
                    found = Some((specific, quality));
                }
            }
        }
        match found {
            Some((_, quality)) => quality,
            None if is_there => 0,
            None => FULL,
        }
    }

    /// The type that the client likes best; of equal ones the first. `None` when it takes none of them.
    pub fn best<'t>(&self, media_types: &[&'t str]) -> Option<&'t str> {
        let mut best: Option<(u16, &str)> = None;
        for media_type in media_types {
            let quality = self.quality(media_type);
            if quality > best.map_or(0, |(best, _)| best) {
                best = Some((quality, media_type));
            }
        }
        best.map(|(_, media_type)| media_type)
    }
}

/// How specifically a range matches a type, and its weight. Parameters of types make no difference.
fn range(member: &[u8], kind: &str, subtype: &str) -> Option<(u8, u16)> {
    let mut parts = member.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?;
    let slash = range.iter().position(|octet| *octet == b'/')?;
    let (of_kind, of_subtype) = (&range[..slash], &range[slash + 1..]);
    let specific = match (of_kind, of_subtype) {
        (b"*", b"*") => 0,
        (_, b"*") if of_kind.eq_ignore_ascii_case(kind.as_bytes()) => 1,
        _ if of_kind.eq_ignore_ascii_case(kind.as_bytes())
            && of_subtype.eq_ignore_ascii_case(subtype.as_bytes()) =>
        {
            2
        }
        _ => return None,
    };
    for parameter in parts {
        if let [b'q' | b'Q', b'=', weight @ ..] = parameter {
            return Some((specific, thousandths(weight)?));
        }
    }
    Some((specific, FULL))
}

/// A weight (RFC 9110 §12.4.2): `0`, `1`, and up to three digits behind a point.
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (whole, rest) = weight.split_first()?;
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut value = match whole {
        b'0' => 0,
        b'1' => 1,
        _ => return None,
    };
    for at in 0..3 {
        let digit = *digits.get(at).unwrap_or(&b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u16::from(digit - b'0');
    }
    Some(value).filter(|value| *value <= FULL)
}

const FULL: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities() {
        for (accept, media_type, expected) in [
            ("", "a/b", 0),
            ("*/*", "a/b", 1000),
            ("*/*;q=0.1, a/*;q=0.2, a/b;q=0.3", "a/b", 300),
            ("A/B;q=0.3,*/*", "a/b", 300),
            ("*/*;q=0.1, a/*;q=0.2, a/b;q=0.3", "a/c", 200),
            ("*/*;q=0.1, a/*;q=0.2, a/b;q=0.3", "c/c", 100),
            ("a/b;level=1;Q=0.25", "a/b", 250),
            ("a/b;q=0", "a/b", 0),
            ("a/b;q=1.000", "a/b", 1000),
            ("a/b;q=1.001, */*;q=0.5", "a/b", 500),
            ("a/b;q=0.1234", "a/b", 0),
            ("a/b;q=2", "a/b", 0),
            ("a/b;q=", "a/b", 0),
            ("a/b;q=+1", "a/b", 0),
            ("a", "a/b", 0),
        ] {
            let mut headers = Headers::new();
            headers.try_insert(ACCEPT, accept).unwrap();
            assert_eq!(
                Accept::of(&headers).quality(media_type),
                expected,
                "{accept}"
            );
        }
        assert_eq!(Accept::of(&Headers::new()).quality("a/b"), 1000);
    }
}
