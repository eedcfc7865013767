//! Where a request has its token (RFC 6750 §2, and what browsers can do for a WebSocket).

use crate::service::request::Parts;
use crate::wire::grammar;
use http::Method;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// The credentials of `Authorization` under a scheme, in any case: `None` without that field or with another scheme.
///
/// A request with several such fields has none at all: who reads the first and who reads the last would not agree.
///
/// ```
/// use wireline::Request;
/// use wireline::service::bearer::authorization;
///
/// let mut request = Request::get("/");
/// request.headers_mut().try_insert("authorization", "bearer  abc").unwrap();
/// assert_eq!(authorization(&request, "Bearer"), Some(&b"abc"[..]));
/// assert_eq!(authorization(&request, "Basic"), None);
/// ```
pub fn authorization<'parts>(parts: &'parts Parts, scheme: &str) -> Option<&'parts [u8]> {
    let mut fields = parts.headers().get_all(AUTHORIZATION);
    let value = fields.next()?.as_bytes();
    if fields.next().is_some() {
        return None;
    }
    let (start, rest) = value.split_at_checked(scheme.len())?;
    let is_it = start.eq_ignore_ascii_case(scheme.as_bytes()) && rest.starts_with(b" ");
    is_it.then(|| rest.trim_ascii())
}

/// The token of a request that opens a WebSocket, where a browser can put it: a subprotocol `bearer.<token>`, else a
/// parameter `token` of the query, with nothing in it that would have to be escaped.
///
/// ```
/// use wireline::Request;
/// use wireline::service::bearer::of_upgrade;
///
/// let mut request = Request::get("/socket?token=abc");
/// assert_eq!(of_upgrade(&request), Some(&b"abc"[..]));
/// request.headers_mut().try_insert("sec-websocket-protocol", "chat, bearer.xyz").unwrap();
/// assert_eq!(of_upgrade(&request), Some(&b"xyz"[..]));
/// ```
pub fn of_upgrade(parts: &Parts) -> Option<&[u8]> {
    let offered = parts
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .find_map(|field| {
            grammar::list(field.as_bytes()).find_map(|name| name.strip_prefix(PROTOCOL))
        });
    offered.or_else(|| {
        parts
            .query()?
            .split('&')
            .find_map(|pair| pair.strip_prefix("token="))
            .map(str::as_bytes)
    })
}

/// Whether a request asks for a WebSocket: by Upgrade (RFC 6455 §4.1), or by extended CONNECT (RFC 8441 §4).
///
/// ```
/// use wireline::Request;
/// use wireline::service::bearer::opens_websocket;
///
/// let mut request = Request::get("/socket");
/// assert!(!opens_websocket(&request));
/// request.headers_mut().try_insert("upgrade", "WebSocket").unwrap();
/// assert!(opens_websocket(&request));
/// ```
pub fn opens_websocket(parts: &Parts) -> bool {
    if *parts.method() == Method::CONNECT {
        return parts.connect_protocol() == Some("websocket");
    }
    let mut fields = parts.headers().get_all(http::header::UPGRADE);
    fields.any(|field| {
        grammar::list(field.as_bytes()).any(|name| name.eq_ignore_ascii_case(b"websocket"))
    })
}

/// What a token may be (RFC 6750 §2.1: `b64token`), as text.
///
/// ```
/// use wireline::service::bearer::token;
///
/// assert_eq!(token(b"eyJ0.e30.c2ln=="), Some("eyJ0.e30.c2ln=="));
/// assert_eq!(token(b"two words"), None);
/// assert_eq!(token(b"=="), None);
/// ```
pub fn token(octets: &[u8]) -> Option<&str> {
    let end = octets.iter().rposition(|octet| *octet != b'=')? + 1;
    let plain = octets[..end]
        .iter()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-._~+/".contains(octet));
    std::str::from_utf8(octets).ok().filter(|_| plain)
}

const PROTOCOL: &[u8] = b"bearer.";
