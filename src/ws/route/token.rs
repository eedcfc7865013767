//! Where a WebSocket's token is: a browser cannot set Authorization.

use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use crate::wire::grammar;
use std::fmt;

/// The token of a request that opens a WebSocket, wherever it is: `Authorization: Bearer <token>`, else a
/// subprotocol `bearer.<token>`, else a parameter `token` of the query, with nothing in it that would have to
/// be escaped. Without one the answer is 401. It says nothing of whether the token is good.
///
/// A browser that offers subprotocols fails the connection when none is chosen: let it offer a second one,
/// and choose that. A subprotocol with a token is never chosen by a list. The query is in no span of this
/// library, but proxies log it: prefer the first two, or take the token from the
/// [first message](crate::ws::socket::WebSocket::first_message).
///
/// ```
/// use wireline::Router;
/// use wireline::ws::route::token::Token;
/// use wireline::ws::socket::WebSocket;
///
/// async fn whoami(socket: WebSocket, Token(token): Token) {
///     let _ = socket.send(format!("your token has {} octets", token.len())).await;
/// }
/// assert!(Router::new().websocket("/whoami", whoami).build().is_ok());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

/// A request without a token: 401 (RFC 6750 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl FromRequestParts for Token {
    type Rejection = NoToken;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoToken> {
        let fields = |wanted: &'static str| {
            parts
                .headers()
                .iter()
                .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.as_bytes())
        };
        let found = fields("authorization")
            .find_map(of_authorization)
            .or_else(|| {
                fields("sec-websocket-protocol")
                    .flat_map(grammar::list)
                    .find_map(|name| name.strip_prefix(PROTOCOL))
            })
            .or_else(|| {
                parts
                    .query()?
                    .split('&')
                    .find_map(|pair| pair.strip_prefix("token="))
                    .map(str::as_bytes)
            })
            .filter(|token| is_token68(token));
        match found.map(std::str::from_utf8) {
            Some(Ok(token)) => Ok(Self(token.to_owned())),
            _ => Err(NoToken),
        }
    }
}

impl fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl IntoResponse for NoToken {
    fn into_response(self) -> Response {
        Response::unauthorized("a token is required").with_header("www-authenticate", "Bearer")
    }
}

fn of_authorization(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme
        .eq_ignore_ascii_case(BEARER)
        .then(|| token.trim_ascii())
}

/// RFC 6750 §2.1: `b64token`.
fn is_token68(token: &[u8]) -> bool {
    let end = token
        .iter()
        .rposition(|octet| *octet != b'=')
        .map_or(0, |last| last + 1);
    end > 0
        && token[..end]
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-._~+/".contains(octet))
}

const BEARER: &[u8] = b"bearer ";

const PROTOCOL: &[u8] = b"bearer.";
