//! What proxies say of the client in `Forwarded` (RFC 7239) and `X-Forwarded-For`, read from the right.
//!
//! Each proxy adds one element at the end, so the last one is what the nearest proxy saw, and the first ones may be
//! whatever the client made up. Both readers therefore begin at the end, and what stands left of an element cannot change how it
//! is read: a quote that a client opened and never closed is the client's own loss.
//!
//! ```text
//!   Forwarded: for="evil, for=192.0.2.43, for="[2001:db8::17]:4711";proto=https
//!                                      <- 2  <- 1 ---------------------------
//! ```

use crate::wire::{grammar, ip};
use std::borrow::Cow;
use std::net::IpAddr;

/// Who sent something to a proxy (RFC 7239 §6).
///
/// ```
/// use wireline::wire::forwarded::{Node, members};
///
/// let mut nodes = members(b"_hidden, unknown, [2001:db8::17]:4711").flatten();
/// assert!(matches!(nodes.next(), Some(Node::Address(address, Some(4711))) if address.is_ipv6()));
/// assert_eq!(nodes.next(), Some(Node::Unknown));
/// assert_eq!(nodes.next(), Some(Node::Obfuscated(b"_hidden".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// An address, and a port if one was told.
    Address(IpAddr, Option<u16>),
    /// The proxy has a name of its own for it: `_hidden`, underscore included (§6.3).
    Obfuscated(Cow<'a, [u8]>),
    /// The proxy does not know, or does not tell (§6.2).
    Unknown,
}

/// One element of `Forwarded`: what one proxy says.
///
/// ```
/// use wireline::wire::forwarded::elements;
///
/// let nearest = elements(b"for=192.0.2.43, for=10.0.0.7;proto=https;host=example.com").next().unwrap().unwrap();
/// assert_eq!(nearest.proto.as_deref(), Some(&b"https"[..]));
/// assert_eq!(nearest.host.as_deref(), Some(&b"example.com"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// `for`: who sent the request to the proxy; [`Node::Unknown`] when that is not said.
    pub node: Node<'a>,
    /// `proto`: the scheme that was used.
    pub proto: Option<Cow<'a, [u8]>>,
    /// `host`: the Host that was asked for.
    pub host: Option<Cow<'a, [u8]>>,
}

/// The elements of one field line of `Forwarded` (RFC 7239 §4), the last one first. What is malformed is `None`, and nothing comes
/// after it.
///
/// ```
/// use wireline::wire::forwarded::{Node, elements};
///
/// let mut elements = elements(br#"for=192.0.2.43, for="[2001:db8::17]:4711";proto=https"#);
/// let last = elements.next().unwrap().unwrap();
/// assert_eq!(last.proto.as_deref(), Some(&b"https"[..]));
/// assert_eq!(elements.next().unwrap().unwrap().node, Node::Address([192, 0, 2, 43].into(), None));
/// assert!(elements.next().is_none());
/// ```
pub fn elements(line: &[u8]) -> impl Iterator<Item = Option<Element<'_>>> {
    from_the_right(line, last_comma).map(|text| element(text?))
}

/// The members of one field line of `X-Forwarded-For`, the last one first; `None` is what is no address and no
/// identifier either.
///
/// ```
/// use wireline::wire::forwarded::{Node, members};
///
/// let mut members = members(b"192.0.2.43, [2001:db8::17]:4711, unknown");
/// assert_eq!(members.next(), Some(Some(Node::Unknown)));
/// let Some(Some(Node::Address(_, Some(4711)))) = members.next() else { panic!() };
/// ```
pub fn members(line: &[u8]) -> impl Iterator<Item = Option<Node<'_>>> {
    let comma = |text: &[u8]| Some(text.iter().rposition(|octet| *octet == b','));
    from_the_right(line, comma).map(|text| {
        let text = text?;
        let bare = text
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""));
        let text = bare.unwrap_or(text);
        // No grammar defines this field; addresses of IPv6 come with brackets and without.
        match ip::ip(text) {
            Some(address) => Some(Node::Address(address, None)),
            None => node(Cow::Borrowed(text)),
        }
    })
}

/// The parts between commas, trimmed and without empty ones (RFC 9110 §5.6.1.2), the last one first. `comma` finds the last
/// comma, or says that there is no telling.
fn from_the_right(
    line: &[u8],
    comma: impl Fn(&[u8]) -> Option<Option<usize>>,
) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        loop {
            let text = rest.take()?;
            let Some(comma) = comma(text) else {
                return Some(None);
            };
            let part = match comma {
                Some(comma) => {
                    rest = Some(&text[..comma]);
                    &text[comma + 1..]
                }
                None => text,
            };
            let (start, end) = grammar::trim(part, 0, part.len());
            if start < end {
                return Some(Some(&part[start..end]));
            }
        }
    })
}

/// The last comma outside of quotes: `Some(None)` is no comma, `None` is a quote that is not opened.
fn last_comma(text: &[u8]) -> Option<Option<usize>> {
    let mut at = text.len();
    while let Some(octet) = at.checked_sub(1).map(|before| text[before]) {
        at -= 1;
        match octet {
            b',' => return Some(Some(at)),
            b'"' => at = opening_quote(&text[..at])?,
            _ => {}
        }
    }
    Some(None)
}

/// Where the quoted-string opens that closes behind `text`: at the last quote that is not escaped.
fn opening_quote(text: &[u8]) -> Option<usize> {
    let mut text = text;
    loop {
        let quote = text.iter().rposition(|octet| *octet == b'"')?;
        let before = &text[..quote];
        let unescaped = before
            .iter()
            .rposition(|octet| *octet != b'\\')
            .map_or(0, |at| at + 1);
        if (quote - unescaped).is_multiple_of(2) {
            return Some(quote);
        }
        text = before;
    }
}

/// `forwarded-pair *( ";" forwarded-pair )`, where a pair may be missing (RFC 7239 §4).
fn element(mut text: &[u8]) -> Option<Element<'_>> {
    let (mut node_text, mut proto, mut host, mut by) = (None, None, None, None);
    loop {
        text = text.trim_ascii_start();
        let name_end = text
            .iter()
            .position(|octet| !grammar::is_token(*octet))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        text = rest;
        if !name.is_empty() {
            let (value, rest) = value(text.strip_prefix(b"=")?)?;
            text = rest;
            let mut other = None;
            let place = match name {
                _ if name.eq_ignore_ascii_case(b"for") => &mut node_text,
                _ if name.eq_ignore_ascii_case(b"proto") => &mut proto,
                _ if name.eq_ignore_ascii_case(b"host") => &mut host,
                _ if name.eq_ignore_ascii_case(b"by") => &mut by,
                _ => &mut other,
            };
            // "Each parameter MUST NOT occur more than once per field-value."
            if place.replace(value).is_some() {
                return None;
            }
        }
        match text.trim_ascii_start() {
            [] => break,
            [b';', rest @ ..] => text = rest,
            _ => return None,
        }
    }
    let node = match node_text {
        Some(text) => node(text)?,
        None => Node::Unknown,
    };
    Some(Element { node, proto, host })
}

/// A token or a quoted-string, and what follows it (RFC 9110 §5.6.4).
fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        let end = text
            .iter()
            .position(|octet| !grammar::is_token(*octet))
            .unwrap_or(text.len());
        return (end > 0).then(|| (Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let mut unescaped: Option<Vec<u8>> = None;
    let mut at = 0;
    loop {
        match *inner.get(at)? {
            b'"' => {
                let value = unescaped.map_or(Cow::Borrowed(&inner[..at]), Cow::Owned);
                return Some((value, &inner[at + 1..]));
            }
            b'\\' => {
                let text = unescaped.get_or_insert_with(|| inner[..at].to_vec());
                text.push(*inner.get(at + 1)?);
                at += 2;
            }
            octet => {
                if let Some(text) = &mut unescaped {
                    text.push(octet);
                }
                at += 1;
            }
        }
    }
}

/// `nodename [ ":" node-port ]` (RFC 7239 §6). A port may be obfuscated, too, and is none then.
fn node(text: Cow<'_, [u8]>) -> Option<Node<'_>> {
    if text.eq_ignore_ascii_case(b"unknown") {
        return Some(Node::Unknown);
    }
    if is_obfuscated(&text) {
        return Some(Node::Obfuscated(text));
    }
    let (name, rest) = match text.strip_prefix(b"[") {
        Some(inner) => {
            let close = inner.iter().position(|octet| *octet == b']')?;
            (
                ip::ipv6(&inner[..close]).map(IpAddr::V6),
                &inner[close + 1..],
            )
        }
        None => {
            let colon = text
                .iter()
                .position(|octet| *octet == b':')
                .unwrap_or(text.len());
            let (name, rest) = text.split_at(colon);
            if name.eq_ignore_ascii_case(b"unknown") || is_obfuscated(name) {
                port(rest)?;
                return Some(if is_obfuscated(name) {
                    Node::Obfuscated(Cow::Owned(name.to_vec()))
                } else {
                    Node::Unknown
                });
            }
            (ip::ipv4(name).map(IpAddr::V4), rest)
        }
    };
    Some(Node::Address(name?, port(rest)?))
}

/// What stands behind a node's name: nothing, a colon and a port, or a colon and an obfuscated one. `None` is none of
/// these.
fn port(text: &[u8]) -> Option<Option<u16>> {
    let Some(port) = text.strip_prefix(b":") else {
        return text.is_empty().then_some(None);
    };
    if is_obfuscated(port) {
        return Some(None);
    }
    ip::port(port).map(Some)
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-")` (RFC 7239 §6.3).
fn is_obfuscated(text: &[u8]) -> bool {
    let is_inside = |octet: &u8| octet.is_ascii_alphanumeric() || b"._-".contains(octet);
    matches!(text, [b'_', rest @ ..] if !rest.is_empty() && rest.iter().all(is_inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: Option<Node<'_>>) -> String {
        match node {
            None => "!".to_owned(),
            Some(Node::Unknown) => "?".to_owned(),
            Some(Node::Obfuscated(name)) => String::from_utf8(name.into_owned()).unwrap(),
            Some(Node::Address(address, None)) => address.to_string(),
            Some(Node::Address(address, Some(port))) => format!("{address} {port}"),
        }
    }

    #[test]
    fn members_of_x_forwarded_for() {
        for (line, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 192.0.2.2", "192.0.2.2|192.0.2.1"),
            (" ,192.0.2.1 ,,\t192.0.2.2, ", "192.0.2.2|192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1 80"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:80", "::1 80"),
            ("\"[::1]:80\"", "::1 80"),
            ("2001:db8::1:80", "2001:db8::1:80"),
            ("unknown, Unknown, _a.b-C_1", "_a.b-C_1|?|?"),
            ("unknown:1, _a:2", "_a|?"),
            ("evil\", 192.0.2.1", "192.0.2.1|!"),
            ("192.0.2.1:_p", "192.0.2.1"),
            ("", ""),
            (",,", ""),
            ("_", "!"),
            (
                "localhost, 1.2.3, 01.2.3.4, 1.2.3.4.5, 1.2.3.4:, 1.2.3.4:65536, 1.2.3.4 5.6.7.8",
                "!|!|!|!|!|!|!",
            ),
            (
                "[::1, ::1], [::1]80, [1.2.3.4], fe80::1%eth0, _\u{e9}",
                "!|!|!|!|!|!",
            ),
        ] {
            let read: Vec<String> = members(line.as_bytes()).map(shown).collect();
            assert_eq!(read.join("|"), expected, "{line}");
        }
    }

    #[test]
    fn elements_of_forwarded() {
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            (
                "For=\"192.0.2.1:80\"; Proto=https ;by=_x;host=\"a:1\"",
                "192.0.2.1 80 https a:1",
            ),
            (
                "for=192.0.2.1, for=\"[2001:db8::1]:80\"",
                "2001:db8::1 80|192.0.2.1",
            ),
            ("for=_hidden, for=unknown, proto=http", "? http|?|_hidden"),
            ("for=\"\\1\\9\\2.0.2.1\"", "192.0.2.1"),
            (
                "ext=\"a,b;c\\\",\\\\\";for=192.0.2.1, for=192.0.2.2;ext=\",\"",
                "192.0.2.2|192.0.2.1",
            ),
            ("ext=x;ext=y;for=192.0.2.1;", "192.0.2.1"),
            // What a client leaves open is its own loss: what the proxy adds is read all the same.
            ("for=\"evil, for=192.0.2.1", "192.0.2.1|!"),
            ("for=\"evil, for=\"[2001:db8::1]\"", "2001:db8::1|!"),
            ("for=1.1.1.1;x=\", for=\"192.0.2.1\"", "192.0.2.1|!"),
            ("for=1.1.1.1;x=\"\\, for=192.0.2.1;y=\"\"", "192.0.2.1|!"),
            ("for=1.1.1.1\\, for=192.0.2.1", "192.0.2.1|!"),
            ("for=192.0.2.1;for=192.0.2.2", "!"),
            ("for=192.0.2.1:80", "!"),
            ("for=[::1]", "!"),
            ("for=\"::1\"", "!"),
            ("for = 192.0.2.1", "!"),
            ("for=", "!"),
            ("192.0.2.1", "!"),
            ("for=\"192.0.2.1\"x", "!"),
            ("for=\"192.0.2.1\\\"", "!"),
            ("", ""),
        ] {
            let show = |element: Option<Element<'_>>| match element {
                None => "!".to_owned(),
                Some(Element { node, proto, host }) => {
                    let mut text = shown(Some(node));
                    for part in [proto, host].into_iter().flatten() {
                        text = format!("{text} {}", String::from_utf8_lossy(&part));
                    }
                    text
                }
            };
            let read: Vec<String> = elements(line.as_bytes()).map(show).collect();
            assert_eq!(read.join("|"), expected, "{line}");
        }
    }

    /// Whatever a client has sent, the element that a proxy adds is the first that is read.
    #[test]
    fn nothing_before_it_changes_an_element() {
        let pieces: &[&str] = &["for=1.1.1.1", "\"", "\\", ",", ";", "=", "x=\"", " ", "_"];
        for added in [
            "for=192.0.2.1",
            "for=\"[2001:db8::1]:80\";proto=https",
            "for=192.0.2.1;x=\"a,\\\"b\"",
        ] {
            let alone = elements(added.as_bytes()).next();
            assert!(matches!(alone, Some(Some(_))));
            for number in 0..pieces.len().pow(4) {
                let text: String = (0..4)
                    .map(|place| pieces[number / pieces.len().pow(place) % pieces.len()])
                    .collect();
                let line = format!("{text}, {added}");
                assert_eq!(elements(line.as_bytes()).next(), alone, "{line}");
            }
        }
    }
}
