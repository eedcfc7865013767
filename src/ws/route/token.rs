//! Where a WebSocket's token is: a browser cannot set Authorization.

use crate::service::bearer::{authorization, of_upgrade, token};
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
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
///
/// ```
/// use wireline::Router;
/// use wireline::test::TestClient;
/// use wireline::ws::route::token::Token;
/// use wireline::ws::socket::WebSocket;
///
/// async fn whoami(socket: WebSocket, Token(token): Token) {
///     let _ = socket.send(token).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = TestClient::new(Router::new().websocket("/whoami", whoami).build().unwrap());
/// let refused = client.websocket("/whoami").refusal().await;
/// assert_eq!(refused.status, 401);
/// assert_eq!(refused.headers.get("www-authenticate").unwrap().to_str().unwrap(), "Bearer");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl FromRequestParts for Token {
    type Rejection = NoToken;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoToken> {
        authorization(parts, "Bearer")
            .or_else(|| of_upgrade(parts))
            .and_then(token)
            .map(|token| Self(token.to_owned()))
            .ok_or(NoToken)
    }
}

/// `None` for a request that has a token in none of these places. What stands there and cannot be a token is 401.
impl OptionalFromRequestParts for Token {
    type Rejection = NoToken;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, NoToken> {
        let found = authorization(parts, "Bearer").or_else(|| of_upgrade(parts));
        found
            .map(|found| token(found).map(|token| Self(token.to_owned())))
            .map_or(Ok(None), |token| token.map(Some).ok_or(NoToken))
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
