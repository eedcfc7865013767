//! A media type is read as splitting its text at semicolons that are not quoted reads it, and what is written reads back.

use wireline::service::media_type::MediaType;

/// Input: the value of a `Content-Type`.
///
/// # Panics
///
/// When the two readings differ, or when what was read is not written as something that says the same.
pub fn media_type(data: &[u8]) {
    let found = MediaType::parse(data);
    let wanted = by_splitting(data);
    assert_eq!(found.is_some(), wanted.is_some(), "{}", data.escape_ascii());
    let (Some(found), Some((essence, parameters))) = (found, wanted) else {
        return;
    };
    assert_eq!(found.essence(), essence);
    assert_eq!(format!("{}/{}", found.kind(), found.subtype()), essence);
    for (name, value) in &parameters {
        assert_eq!(found.parameter(name), Some(value.as_str()), "{name}");
    }
    assert!(parameters.len() <= 16);
    assert_eq!(MediaType::parse(found.to_string().as_bytes()), Some(found));
}

type Read = (String, Vec<(String, String)>);

fn by_splitting(text: &[u8]) -> Option<Read> {
    let mut pieces = pieces(text.trim_ascii())?.into_iter();
    let first = pieces.next()?;
    let mut halves = first.trim_ascii_end().splitn(2, |octet| *octet == b'/');
    let (kind, subtype) = (token(halves.next()?)?, token(halves.next()?)?);
    let mut parameters: Vec<(String, String)> = Vec::new();
    for piece in pieces {
        let piece = piece.trim_ascii();
        if piece.is_empty() {
            continue;
        }
        let mut halves = piece.splitn(2, |octet| *octet == b'=');
        let (name, value) = (token(halves.next()?)?, halves.next()?);
        let value = match value {
            [b'"', inner @ .., b'"'] => unquoted(inner)?,
            plain => token(plain)?,
        };
        parameters.push((name.to_ascii_lowercase(), value));
    }
    let mut names: Vec<&String> = parameters.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let fits = names.len() == parameters.len() && parameters.len() <= 16;
    fits.then(|| (format!("{kind}/{subtype}").to_ascii_lowercase(), parameters))
}

/// What stands between semicolons that are not quoted; `None` when a quotation does not end.
fn pieces(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut pieces, mut quoted) = (vec![Vec::new()], false);
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        if *octet == b';' && !quoted {
            pieces.push(Vec::new());
            continue;
        }
        let last = pieces.last_mut()?;
        last.push(*octet);
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => last.push(*octets.next()?),
            _ => {}
        }
    }
    (!quoted).then_some(pieces)
}

/// What was between the quotes; `None` where another quotation begins.
fn unquoted(inner: &[u8]) -> Option<String> {
    let mut plain = Vec::new();
    let mut octets = inner.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => return None,
            b'\\' => plain.push(*octets.next()?),
            octet => plain.push(*octet),
        }
    }
    String::from_utf8(plain).ok()
}

fn token(text: &[u8]) -> Option<String> {
    let is_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let is_one = !text.is_empty() && text.iter().all(is_token);
    is_one.then(|| String::from_utf8_lossy(text).into_owned())
}
