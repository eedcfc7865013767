//! Files that lie beside others in compressed form, and which of them a client wants (RFC 9110 §12.5.3).

use crate::service::headers::Headers;
use crate::wire::grammar;
use http::header::ACCEPT_ENCODING;

/// A coding: its name, and what a file's name has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) name: &'static str,
    pub(super) suffix: &'static str,
}

/// The codings that a client takes rather than none, the one it likes best first, of equals the smaller one.
pub(super) fn accepted(headers: &Headers) -> impl Iterator<Item = Coding> {
    let mut weights = [None; CODINGS.len()];
    let (mut identity, mut others) = (None, None);
    let mut seen = 0;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for member in grammar::list(value.as_bytes()) {
            seen += 1;
            // A member that breaks the grammar is no wish.
            let Some((name, weight)) = read(member).filter(|_| seen <= MAX_MEMBERS) else {
                continue;
            };
            let known = CODINGS.iter().position(|coding| {
                name.eq_ignore_ascii_case(coding.name.as_bytes())
                    || (coding.name == "gzip" && name.eq_ignore_ascii_case(b"x-gzip"))
            });
            match known {
                Some(place) => weights[place] = Some(weight),
                None if name.eq_ignore_ascii_case(b"identity") => identity = Some(weight),
                None if name == b"*" => others = Some(weight),
                None => {}
            }
        }
    }
    let mut wanted: Vec<(u16, Coding)> = weights
        .into_iter()
        .map(|weight| weight.or(others).unwrap_or(0))
        .zip(CODINGS)
        .filter(|(weight, _)| *weight > 0 && *weight >= identity.unwrap_or(0))
        .collect();
    wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wanted.into_iter().map(|(_, coding)| coding)
}

/// A coding and its weight in thousandths (RFC 9110 §12.4.2).
fn read(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let weight = match parts.next() {
        None => 1000,
        Some(part) => {
            let (q, value) = part.split_at_checked(2)?;
            weight(value).filter(|_| q.eq_ignore_ascii_case(b"q="))?
        }
    };
    parts.next().is_none().then_some((name, weight))
}

fn weight(value: &[u8]) -> Option<u16> {
    let (whole, rest) = value.split_first()?;
    let digits = match rest {
        [] => &[],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += u16::from(digit - b'0') * place;
    }
    (weight <= 1000).then_some(weight)
}

/// Of codings with the same weight the first one that there is.
const CODINGS: [Coding; 3] = [
    Coding {
        name: "br",
        suffix: ".br",
    },
    Coding {
        name: "zstd",
        suffix: ".zst",
    },
    Coding {
        name: "gzip",
        suffix: ".gz",
    },
];

/// The most members of the list that count.
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn weights_decide_and_then_our_order() {
        for (value, wanted) in [
            ("gzip, deflate, br, zstd", "br zstd gzip"),
            ("gzip;q=1.0, br;q=0.5", "gzip br"),
            ("*", "br zstd gzip"),
            ("*;q=0.1, br;q=0", "zstd gzip"),
            ("identity, gzip;q=0.5", ""),
            ("identity;q=0.5, gzip;q=0.5", "gzip"),
            ("gzip;q=0", ""),
            ("X-GZIP", "gzip"),
            ("br;q=1.001, zstd;q=2, gzip;q=0.001", "gzip"),
            ("br;q=, zstd;level=3, gzip;q=0.5;q=1", ""),
            ("", ""),
        ] {
            let mut headers = Headers::new();
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            let names: Vec<&str> = accepted(&headers).map(|coding| coding.name).collect();
            assert_eq!(names.join(" "), wanted, "{value}");
        }
        assert_eq!(accepted(&Headers::new()).count(), 0);
    }
}
