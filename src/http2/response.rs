//! From a handler's response to a field section.

use crate::service::headers::Headers;
use crate::service::link::Link;
use crate::service::link::stamp::Cached;
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
    let mut fields = HeaderMap::with_capacity(if lines.is_some() { 12 } else { 6 });
    fields.insert(CONTENT_TYPE, content_type.clone());
    fields.insert(CONTENT_LENGTH, length.into());
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
        fields.insert(CONTENT_LENGTH, length.into());
    }
    stamp(&mut fields, link);
    finish(status, fields)
}

/// Trailers, without what has no place in them (RFC 9110 §6.5.1).
pub(super) fn trailers(headers: Headers) -> HeaderMap {
    let mut fields = HeaderMap::from(headers);
    drop_connection_fields(&mut fields);
    fields
}

fn finish(status: StatusCode, fields: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
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

/// Removes what belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2), and the framing, which is ours (D43).
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
}

impl Stamp {
    fn new(server: &HeaderValue, date: &HeaderValue) -> Self {
        Self {
            server: (!server.is_empty()).then(|| server.clone()),
            date: date.clone(),
        }
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new(&HeaderValue::from_static(""), &HeaderValue::from_static(""))
    }
}

thread_local! {
    static STAMP: RefCell<Cached<Stamp>> = RefCell::default();
}
