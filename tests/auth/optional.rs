//! Arguments in an `Option`: `None` for what is not there, and a refusal for what is there and malformed.

use super::{bearer, tokens};
use bytes::Bytes;
use http::Uri;
use serde::Deserialize;
use serde_json::json;
use wireline::Router;
use wireline::extract::{Claims, OriginalUri};
use wireline::layer::auth::{ApiKeys, Auth, Bearer};
use wireline::layer::session::{Session, Sessions};
use wireline::service::cookie::{Key, PrivateCookies, SignedCookies};
use wireline::service::handler::public;
use wireline::test::TestClient;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::route::token::Token;

#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

/// Whether there is one.
fn said<T>(value: &Option<T>) -> &'static str {
    if value.is_some() { "some" } else { "none" }
}

/// A handler of one argument.
macro_rules! asks {
    ($kind:ty) => {
        public(async |value: Option<$kind>| said(&value))
    };
}

fn routes() -> Router {
    let key = Key::new("an example: thirty-two octets or more").unwrap();
    let with_key = Router::new()
        .get("/signed", asks!(SignedCookies))
        .get("/private", asks!(PrivateCookies))
        .state(key.clone());
    let with_session = Router::new()
        .middleware(Sessions::in_cookie(key))
        .get("/session", asks!(Session));
    let keys = ApiKeys::new()
        .key("billing", "uhBq5FgQH2Y4sT0nWcJ7")
        .unwrap();
    Router::new()
        .layer(Auth::new(Bearer::new(tokens())).or(keys))
        .get(
            "/claims",
            public(async |claims: Option<Claims<Tenant>>| {
                claims.map_or_else(|| "none".to_owned(), |Claims(claims)| claims.tenant)
            }),
        )
        .get("/token", asks!(Token))
        .get("/socket", asks!(WebSocketUpgrade))
        .get("/signed", asks!(SignedCookies))
        .get("/private", asks!(PrivateCookies))
        .get("/session", asks!(Session))
        .get("/{*uri}", asks!(Uri))
        .get("/original/{*uri}", asks!(OriginalUri))
        .post("/text", asks!(String))
        .post("/octets", asks!(Bytes))
        .nest("/with", with_key.merge(with_session))
}

#[tokio::test(start_paused = true)]
async fn none_is_what_is_not_there_and_malformed_is_refused() {
    let client = TestClient::new(routes().build().unwrap());
    let issue = |claims| tokens().issue_with("7", &claims).unwrap();
    let acme = bearer(&issue(json!({"tenant": "acme"})));
    let shapeless = bearer(&issue(json!({"tenant": 7})));
    let cases = [
        ("/claims", None, 200, "none"),
        ("/claims", Some(("authorization", &*acme)), 200, "acme"),
        (
            "/claims",
            Some(("authorization", "Bearer nonsense")),
            200,
            "none",
        ),
        (
            "/claims",
            Some(("x-api-key", "uhBq5FgQH2Y4sT0nWcJ7")),
            200,
            "none",
        ),
        (
            "/claims",
            Some(("authorization", &shapeless)),
            403,
            "the token does not say what this takes",
        ),
        ("/token", None, 200, "none"),
        ("/token", Some(("authorization", "Bearer abc")), 200, "some"),
        (
            "/token",
            Some(("authorization", "Bearer a b")),
            401,
            "a token is required",
        ),
        ("/socket", None, 200, "none"),
        ("/signed", None, 200, "none"),
        ("/private", None, 200, "none"),
        ("/session", None, 200, "none"),
        ("/with/signed", None, 200, "some"),
        ("/with/private", None, 200, "some"),
        ("/with/session", None, 200, "some"),
        ("/a", None, 200, "some"),
        ("/a<b", None, 200, "none"),
        ("/original/a", None, 200, "some"),
        ("/original/a<b", None, 200, "none"),
    ];
    for (path, field, status, text) in cases {
        let mut request = client.get(path);
        if let Some((name, value)) = field {
            request = request.header(name, value);
        }
        let reply = request.await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (status, text),
            "{path} {field:?}"
        );
    }
    // One that opens a WebSocket: whole, and without its key.
    for (version, status) in [("13", 200), ("12", 426)] {
        let reply = client
            .get("/socket")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", version)
            .await;
        assert_eq!(reply.status, status, "{version}");
        assert!(status != 200 || reply.text() == "some");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_is_not_there_is_none() {
    let client = TestClient::new(routes().build().unwrap());
    for (path, content, status, text) in [
        ("/text", &b"hello"[..], 200, "some"),
        ("/text", b"", 200, "none"),
        ("/text", b"\xff", 400, "the content is not UTF-8"),
        ("/octets", b"\xff", 200, "some"),
        ("/octets", b"", 200, "none"),
    ] {
        let reply = client
            .post(path)
            .header("content-type", "text/plain")
            .body(content)
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (status, text),
            "{path} {content:?}"
        );
    }
}
