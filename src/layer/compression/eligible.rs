//! Which responses may be compressed, and what changes in those that are.

use super::response::NoCompression;
use crate::layer::vary::vary;
use crate::service::headers::Headers;
use crate::service::response::Response;
use crate::wire::coding::Coding;
use crate::wire::fields::essence;
use crate::wire::grammar::list;
use crate::wire::number;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, ETAG, HeaderName, SET_COOKIE,
};
use http::{HeaderValue, StatusCode};

/// Whether a response is one that a coding is for, whatever the client accepts.
///
/// `length` is what is known of the content's, `least` what it takes.
pub(super) fn is_eligible(response: &Response, length: Option<u64>, rules: &Rules) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let has = |name: HeaderName| headers.contains(name);
    let is_marked = || {
        let extensions = response.extensions();
        extensions.is_some_and(|extensions| extensions.get::<NoCompression>().is_some())
    };
    let has_content = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let is_left_alone = has(CONTENT_ENCODING)
        || has(CONTENT_RANGE)
        || DIGESTS.iter().any(|name| headers.contains(*name))
        // Who sets a cookie begins or goes on with a session: what is beside it may be its secret (BREACH).
        || has(SET_COOKIE)
        || forbids(headers)
        || is_marked();
    has_content
        && length.is_none_or(|length| length >= rules.least)
        && compresses(headers, rules.event_streams)
        && !is_left_alone
}

/// What a layer asks of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) least: u64,
    pub(super) event_streams: bool,
    /// Whether answers to requests with `Authorization` are compressed.
    pub(super) authorized: bool,
    /// Whether answers to requests with any secret are left alone. Responses that set a cookie are in any case.
    pub(super) spares_secrets: bool,
}

/// The length that the content has, or that the handler says it would have.
pub(super) fn length(response: &Response, is_head: bool) -> Option<u64> {
    let declared = || {
        let length = response.headers().get(CONTENT_LENGTH)?;
        number::decimal(length.as_bytes())
    };
    match response.body().len() {
        Some(0) if is_head => Some(declared().unwrap_or(0)),
        Some(length) => Some(length),
        None => declared(),
    }
}

/// Says that another `Accept-Encoding` may lead to other octets.
pub(super) fn say_varies(headers: &mut Headers) {
    vary(headers, "Accept-Encoding");
}

/// Changes the fields for content in `coding`. Its length is for whoever knows it.
pub(super) fn encode(headers: &mut Headers, coding: Coding) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    for name in [CONTENT_LENGTH, ACCEPT_RANGES] {
        if headers.contains(&name) {
            headers.remove(&name);
        }
    }
    weaken(headers);
}

/// RFC 9110 section 8.8.3.3: other octets need another strong validator, and for a weak one they are the same.
pub(super) fn weaken(headers: &mut Headers) {
    let Some(tag) = headers.get(ETAG) else { return };
    if !tag.as_bytes().starts_with(b"\"") {
        return;
    }
    let weak = [b"W/", tag.as_bytes()].concat();
    if let Ok(weak) = HeaderValue::from_bytes(&weak) {
        headers.insert(ETAG, weak);
    }
}

/// RFC 9111 section 5.2.2.6.
fn forbids(headers: &Headers) -> bool {
    let lines = headers.get_all(CACHE_CONTROL);
    lines
        .flat_map(|line| list(line.as_bytes()))
        .any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// Whether content of that type becomes smaller. What says nothing of its type may.
fn compresses(headers: &Headers, event_streams: bool) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = essence(content_type.as_bytes());
    let is = |other: &[u8]| essence.eq_ignore_ascii_case(other);
    if is(b"text/event-stream") {
        return event_streams;
    }
    let Some(slash) = essence.iter().position(|octet| *octet == b'/') else {
        return true;
    };
    let kind = &essence[..slash];
    let is_kind = |other: &[u8]| kind.eq_ignore_ascii_case(other);
    if is_kind(b"image") {
        return is(b"image/svg+xml");
    }
    let is_packed = is_kind(b"video")
        || is_kind(b"audio")
        || PACKED.iter().any(|packed| is(packed.as_bytes()))
        || (essence.get(..GRPC.len())).is_some_and(|begin| begin.eq_ignore_ascii_case(GRPC));
    !is_packed
}

/// Whether a request shows who its client is, so that its answer is left alone.
pub(super) fn is_spared(headers: &Headers, rules: &Rules) -> bool {
    let spares_authorized = rules.spares_secrets || !rules.authorized;
    spares_authorized && headers.contains(AUTHORIZATION)
        || rules.spares_secrets && headers.contains(COOKIE)
}

/// What is compressed already.
const PACKED: [&str; 17] = [
    "application/brotli",
    "application/font-woff",
    "application/gzip",
    "application/java-archive",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-brotli",
    "application/x-bzip2",
    "application/x-font-woff",
    "application/x-gzip",
    "application/x-rar-compressed",
    "application/x-xz",
    "application/x-zip-compressed",
    "application/zip",
    "application/zstd",
    "font/woff",
    "font/woff2",
];

/// It compresses its messages itself.
const GRPC: &[u8] = b"application/grpc";

/// They are of the octets that a coding would change (RFC 9530), and were computed by whoever made those.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];
