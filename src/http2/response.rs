//! From a handler's response to a field section.

use crate::service::headers::Headers;
use crate::service::link::Link;
use crate::service::link::stamp::Cached;
use crate::wire::fields::may_trail;
use crate::wire::grammar;
use crate::wire::paved::PavedLines;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::cell::RefCell;

/// The head of a response of the usual kind: 200, a content type, and perhaps the lines of the paved path.
#[inline]
pub(super) fn usual(
    content_type: &HeaderValue,
    lines: Option<&PavedLines>,
    length: u64,
    link: &Link,
) -> Response<()> {
    if lines.is_none() {
        return stamped(content_type, length, link);
    }
    let mut fields = HeaderMap::with_capacity(12);
    fields.insert(CONTENT_TYPE, content_type.clone());
    fields.insert(CONTENT_LENGTH, decimal(length));
    for line in lines.into_iter().flat_map(PavedLines::lines) {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(line.name()),
            HeaderValue::from_bytes(line.value()),
        ) {
            fields.insert(name, value);
        }
    }
    stamp(&mut fields, link);
    finish(StatusCode::OK, fields)
}

/// The head of any response. `length` is what it announces of its content.
pub(super) fn any(
    status: StatusCode,
    headers: Headers,
    length: Option<u64>,
    link: &Link,
) -> Response<()> {
    let mut fields = HeaderMap::from(headers);
    drop_connection_fields(&mut fields);
    if let Some(length) = length {
        fields.insert(CONTENT_LENGTH, decimal(length));
    }
    stamp(&mut fields, link);
    finish(status, fields)
}

/// Whether the handler wants the connection to end after this response.
pub(super) fn says_close(headers: &Headers) -> bool {
    headers
        .get_all(CONNECTION)
        .flat_map(|value| grammar::list(value.as_bytes()))
        .any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// Trailers, without what has no place in them (RFC 9110 §6.5.1).
pub(super) fn trailers(headers: Headers) -> HeaderMap {
    let mut fields = HeaderMap::from(headers);
    drop_connection_fields(&mut fields);
    let others: Vec<HeaderName> = fields
        .keys()
        .filter(|name| !may_trail(name.as_str().as_bytes()))
        .cloned()
        .collect();
    for name in others {
        fields.remove(name);
    }
    fields
}

fn finish(status: StatusCode, fields: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// 200 with a content type, a length, `Server` and `Date`. The last head is kept: to copy one costs less than to fill one,
/// and a copy has no room for one field more.
#[inline]
fn stamped(content_type: &HeaderValue, length: u64, link: &Link) -> Response<()> {
    STAMP.with_borrow_mut(|cached| {
        let stamp = cached.now(link, Stamp::new);
        if !stamp.has(content_type) {
            stamp.put_usual(content_type, length);
        } else if stamp.length != length {
            (stamp.usual.headers_mut()).insert(CONTENT_LENGTH, decimal(length));
            stamp.length = length;
        }
        stamp.usual.clone()
    })
}

/// A number as a field value; those of small contents are there already.
#[inline]
fn decimal(number: u64) -> HeaderValue {
    let (from, to) = match usize::try_from(number) {
        Ok(number @ 0..10) => (3 * number + 2, 3 * number + 3),
        Ok(number @ 10..100) => (3 * number + 1, 3 * number + 3),
        Ok(number @ 100..1000) => (3 * number, 3 * number + 3),
        _ => return number.into(),
    };
    match NUMBERS.get(from..to) {
        Some(digits) => HeaderValue::from_static(digits),
        None => number.into(),
    }
}

/// Adds `Server` and `Date` where the handler has not said its own.
#[inline]
fn stamp(fields: &mut HeaderMap, link: &Link) {
    STAMP.with_borrow_mut(|cached| {
        let stamp = cached.now(link, Stamp::new);
        if let Some(server) = &stamp.server {
            fields.entry(SERVER).or_insert_with(|| server.clone());
        }
        fields.entry(DATE).or_insert_with(|| stamp.date.clone());
    });
}

/// Removes what belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2), and the framing, which is ours.
fn drop_connection_fields(fields: &mut HeaderMap) {
    if !fields.keys().any(|name| is_ours(name.as_str())) {
        return;
    }
    let named: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| grammar::list(value.as_bytes()))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    let ours: Vec<HeaderName> = fields
        .keys()
        .filter(|name| is_ours(name.as_str()))
        .cloned()
        .chain(named)
        .collect();
    for name in ours {
        fields.remove(name);
    }
}

fn is_ours(name: &str) -> bool {
    match name.len() {
        2 => name == "te",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        14 => name == "content-length" || name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

struct Stamp {
    server: Option<HeaderValue>,
    date: HeaderValue,
    /// See [`stamped`].
    usual: Response<()>,
    /// What is in it; nothing before the first response.
    content_type: Option<HeaderValue>,
    length: u64,
}

impl Stamp {
    fn new(server: &HeaderValue, date: &HeaderValue) -> Self {
        Self {
            server: (!server.is_empty()).then(|| server.clone()),
            date: date.clone(),
            usual: Response::new(()),
            content_type: None,
            length: 0,
        }
    }

    /// Whether the kept map is one with this content type: mostly it is the very same octets.
    #[inline]
    fn has(&self, content_type: &HeaderValue) -> bool {
        let Some(kept) = &self.content_type else {
            return false;
        };
        std::ptr::eq(kept.as_bytes(), content_type.as_bytes()) || kept == content_type
    }

    #[cold]
    fn put_usual(&mut self, content_type: &HeaderValue, length: u64) {
        let mut usual = HeaderMap::with_capacity(4);
        usual.insert(CONTENT_TYPE, content_type.clone());
        if let Some(server) = &self.server {
            usual.insert(SERVER, server.clone());
        }
        usual.insert(DATE, self.date.clone());
        usual.insert(CONTENT_LENGTH, decimal(length));
        *self.usual.headers_mut() = usual;
        self.content_type = Some(content_type.clone());
        self.length = length;
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new(&HeaderValue::from_static(""), &HeaderValue::from_static(""))
    }
}

/// The numbers of three digits, one after the other.
const NUMBERS: &str = match std::str::from_utf8(&DIGITS) {
    Ok(digits) => digits,
    Err(_) => "",
};

const DIGITS: [u8; 3000] = {
    let mut digits = [0; 3000];
    let mut place = 0;
    while place < digits.len() {
        let number = place / 3;
        let digit = match place % 3 {
            0 => number / 100,
            1 => number / 10 % 10,
            _ => number % 10,
        };
        digits[place] = b"0123456789"[digit];
        place += 1;
    }
    digits
};

thread_local! {
    static STAMP: RefCell<Cached<Stamp>> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_decimal() {
        for number in (0..2000).chain([99_999, u64::MAX]) {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}
