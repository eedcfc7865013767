//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
//!
//! ```text
//!   extension-list = 1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )
//! ```

use crate::wire::grammar;
use std::borrow::Cow;
use std::fmt;

/// One extension of a list, with its parameters in order.
///
/// ```
/// use wireline::ws::extension::{Extension, parse};
///
/// let offered = parse(b"permessage-deflate; client_max_window_bits").unwrap();
/// let deflate = Extension { name: "permessage-deflate", parameters: vec![("client_max_window_bits", None)] };
/// assert_eq!(offered, [deflate]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The registered name.
    pub name: &'a str,
    /// The parameters, with the values of those that have one.
    pub parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// The field does not have the form that it must have.
///
/// ```
/// use wireline::ws::extension::{Malformed, parse};
///
/// assert_eq!(parse(b"foo; =1"), Err(Malformed), "a parameter without a name");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of extensions")
    }
}

impl std::error::Error for Malformed {}

/// Reads the value of one field line; empty members are skipped.
///
/// ```
/// use wireline::ws::extension::parse;
///
/// let extensions = parse(b"permessage-deflate; server_max_window_bits=\"10\", foo").unwrap();
/// assert_eq!(extensions[0].parameters[0].1.as_deref(), Some("10"));
/// assert_eq!(extensions[1].name, "foo");
/// assert!(parse(b"foo; bar=").is_err());
/// ```
///
/// # Errors
///
/// [`Malformed`], which fails the handshake (RFC 6455 §9.1), also for more than 32 extensions or more than
/// 32 parameters of one.
pub fn parse(value: &[u8]) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut rest = value;
    let mut extensions = Vec::new();
    loop {
        skip_space(&mut rest);
        match rest {
            [] => return Ok(extensions),
            [b',', after @ ..] => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let mut extension = Extension {
            name: token(&mut rest)?,
            parameters: Vec::new(),
        };
        loop {
            skip_space(&mut rest);
            match rest {
                [] | [b',', ..] => break,
                [b';', after @ ..] => rest = after,
                _ => return Err(Malformed),
            }
            skip_space(&mut rest);
            let name = token(&mut rest)?;
            skip_space(&mut rest);
            let value = match rest {
                [b'=', after @ ..] => {
                    rest = after;
                    skip_space(&mut rest);
                    Some(parameter_value(&mut rest)?)
                }
                _ => None,
            };
            if extension.parameters.len() == MOST {
                return Err(Malformed);
            }
            extension.parameters.push((name, value));
        }
        if extensions.len() == MOST {
            return Err(Malformed);
        }
        extensions.push(extension);
    }
}

fn skip_space(rest: &mut &[u8]) {
    while let [b' ' | b'\t', after @ ..] = rest {
        *rest = after;
    }
}

fn token<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let len = rest
        .iter()
        .position(|octet| !grammar::is_token(*octet))
        .unwrap_or(rest.len());
    let (token, after) = rest.split_at(len);
    *rest = after;
    match std::str::from_utf8(token) {
        Ok(token) if !token.is_empty() => Ok(token),
        _ => Err(Malformed),
    }
}

/// RFC 6455 §9.1: what a quoted string says must itself be a token.
fn parameter_value<'a>(rest: &mut &'a [u8]) -> Result<Cow<'a, str>, Malformed> {
    let [b'"', after @ ..] = rest else {
        return token(rest).map(Cow::Borrowed);
    };
    let mut value = String::new();
    let mut octets = after.iter();
    loop {
        let octet = match octets.next() {
            Some(b'"') => break,
            Some(b'\\') => octets.next(),
            octet => octet,
        };
        match octet {
            Some(octet) if grammar::is_token(*octet) => value.push(char::from(*octet)),
            _ => return Err(Malformed),
        }
    }
    *rest = octets.as_slice();
    if value.is_empty() {
        return Err(Malformed);
    }
    Ok(Cow::Owned(value))
}

/// More extensions, or parameters, than anybody has.
pub(crate) const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        for (value, count) in [
            ("", 0),
            (",, ,", 0),
            ("a", 1),
            ("a,b", 2),
            (" a ; b ; c = d ; e=\"f\\g\" , h ", 2),
            ("a;b=\"c", usize::MAX),
            ("a;b=\"\"", usize::MAX),
            ("a;b=\"c d\"", usize::MAX),
            ("a;b=", usize::MAX),
            ("a;", usize::MAX),
            ("a;;b", usize::MAX),
            (";a", usize::MAX),
            ("a b", usize::MAX),
            ("a=b", usize::MAX),
            ("a;b=c=d", usize::MAX),
            ("a;b=\"c\"d", usize::MAX),
            ("a;b=\"c\\", usize::MAX),
            ("\u{e9}", usize::MAX),
        ] {
            let parsed = parse(value.as_bytes());
            assert_eq!(
                parsed.map_or(usize::MAX, |list| list.len()),
                count,
                "{value}"
            );
        }
        assert!(parse("a,".repeat(32).as_bytes()).is_ok());
        assert!(parse("a,".repeat(33).as_bytes()).is_err());
        assert!(parse(format!("a{}", ";b".repeat(33)).as_bytes()).is_err());
    }
}
