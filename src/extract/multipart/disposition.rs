//! `Content-Disposition` of a part (RFC 7578 §4.2).

use crate::wire::grammar;

/// What a part is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
}

impl Disposition {
    /// Reads `form-data; name=".."; filename=".."`; `None` when it is something else, has no name, or names something twice.
    ///
    /// A backslash escapes a quote and nothing else: browsers write `%22` for a quote and leave backslashes as they are.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut rest = value.trim_ascii();
        let (kind, after) = token(rest)?;
        if !kind.eq_ignore_ascii_case(b"form-data") {
            return None;
        }
        rest = after;
        let (mut name, mut file_name) = (None, None);
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(b";")?.trim_ascii_start();
            if rest.is_empty() {
                break;
            }
            let (key, after) = token(rest)?;
            let (text, after) = text(after.strip_prefix(b"=")?)?;
            rest = after;
            let place = match key {
                _ if key.eq_ignore_ascii_case(b"name") => &mut name,
                _ if key.eq_ignore_ascii_case(b"filename") => &mut file_name,
                // `filename*` among them, which the RFC forbids here.
                _ => continue,
            };
            if place.replace(text).is_some() {
                return None;
            }
        }
        Some(Self {
            name: name?,
            file_name,
        })
    }
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_end = |octet: &u8| !grammar::is_token(*octet);
    let end = text.iter().position(is_end).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A token, or text in quotes, which has to be UTF-8.
fn text(value: &[u8]) -> Option<(String, &[u8])> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        let (token, rest) = token(value)?;
        return Some((String::from_utf8(token.to_vec()).ok()?, rest));
    };
    let (mut octets, mut at) = (Vec::new(), 0);
    loop {
        match (*inner.get(at)?, inner.get(at + 1)) {
            (b'\\', Some(b'"')) => {
                octets.push(b'"');
                at += 2;
            }
            (b'"', _) => return Some((String::from_utf8(octets).ok()?, &inner[at + 1..])),
            (octet, _) => {
                octets.push(octet);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions() {
        for (value, expected) in [
            ("form-data; name=\"a\"", Some(("a", None))),
            (
                "Form-Data;NAME=a;FileName=b.txt;",
                Some(("a", Some("b.txt"))),
            ),
            (
                "form-data; filename=\"x; name=y\"; name=\"z\"",
                Some(("z", Some("x; name=y"))),
            ),
            (
                "form-data; name=\"a\"; filename=\"C:\\dir\\f\"",
                Some(("a", Some("C:\\dir\\f"))),
            ),
            ("form-data; name=\"q\\\"q\"", Some(("q\"q", None))),
            (
                "form-data; name=\"ü\"; x=y; filename*=UTF-8''z",
                Some(("ü", None)),
            ),
            ("form-data; name=\"\"", Some(("", None))),
            ("form-data; name=\"a\"; name=\"b\"", None),
            ("form-data; filename=\"a\"", None),
            ("form-data; name=\"a", None),
            ("form-data; name=\"a\" b", None),
            ("form-data; name", None),
            ("form-data", None),
            ("attachment; name=\"a\"", None),
            ("", None),
        ] {
            let parsed = Disposition::parse(value.as_bytes());
            let parsed = parsed.map(|found| (found.name, found.file_name));
            let expected = expected.map(|(name, file): (&str, Option<&str>)| {
                (name.to_owned(), file.map(str::to_owned))
            });
            assert_eq!(parsed, expected, "{value}");
        }
        assert_eq!(Disposition::parse(b"form-data; name=\"\xff\""), None);
    }
}
