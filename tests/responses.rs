//! What handlers return, and what stands around them (SPEC S63, S68, S83 to S92, D5).
#![cfg(all(feature = "form", feature = "json"))]

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use wireline::extract::{Json, Query, State};
use wireline::router::{Router, Routes};
use wireline::service::error::{Error, HttpError, Result};
use wireline::service::middleware::Next;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestClient;

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const JSON: Option<&str> = Some("application/json");

/// Asks every route for what it must answer: status, content type, content.
async fn assert_answers(router: Router, expected: &[(&str, u16, Option<&str>, &str)]) {
    let client = TestClient::new(router.build().unwrap());
    for (path, status, content_type, content) in expected {
        let reply = client.get(path).await;
        assert_eq!(
            (
                reply.status.as_u16(),
                reply.header("content-type"),
                reply.text()
            ),
            (*status, *content_type, *content),
            "{path}"
        );
    }
}

#[derive(Serialize)]
struct User {
    id: u32,
    name: &'static str,
}

const ADA: User = User { id: 1, name: "Ada" };

#[tokio::test]
async fn s84_constructors() {
    let router = Router::new()
        .get("/text", async || Response::text("hello"))
        .get("/owned", async || Response::text(String::from("hello")))
        .get("/html", async || Response::html("<p>hello"))
        .get("/json", async || Response::json(&ADA))
        .get("/bytes", async || {
            Response::bytes(b"%PDF".to_vec(), "application/pdf")
        })
        .get("/empty", async || Response::empty())
        .get("/unsayable", async || {
            Response::json(&std::collections::HashMap::from([((1, 2), 3)]))
        });
    let html = Some("text/html; charset=utf-8");
    assert_answers(
        router,
        &[
            ("/text", 200, TEXT, "hello"),
            ("/owned", 200, TEXT, "hello"),
            ("/html", 200, html, "<p>hello"),
            ("/json", 200, JSON, r#"{"id":1,"name":"Ada"}"#),
            ("/bytes", 200, Some("application/pdf"), "%PDF"),
            ("/empty", 204, None, ""),
            ("/unsayable", 500, TEXT, "internal server error"),
        ],
    )
    .await;
    let router = Router::new()
        .get("/found", async || {
            Response::redirect("/login", StatusCode::FOUND)
        })
        .get("/moved", async || {
            Response::redirect("https://b/", StatusCode::MOVED_PERMANENTLY)
        });
    let client = TestClient::new(router.build().unwrap());
    for (path, status, location) in [("/found", 302, "/login"), ("/moved", 301, "https://b/")] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (status, Some(location))
        );
        assert_eq!(reply.text(), "");
    }
}

#[tokio::test]
async fn s85_changes() {
    let response = async || {
        Response::text("a,b")
            .with_status(StatusCode::CREATED)
            .with_content_type("text/csv")
            .with_header("x-one", "first")
            .with_header("x-one", "second")
            .set_cookie("a=1; Path=/")
            .set_cookie("b=2")
    };
    let client = TestClient::new(Router::new().get("/", response).build().unwrap());
    let reply = client.get("/").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (201, Some("text/csv"))
    );
    let all = |name: &str| -> Vec<String> {
        let values = reply.headers.get_all(name);
        values
            .map(|value| value.to_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(all("x-one"), ["second"]);
    assert_eq!(all("set-cookie"), ["a=1; Path=/", "b=2"]);
}

struct OutOfStock(u32);

impl HttpError for OutOfStock {
    fn into_http(self) -> (StatusCode, String) {
        (StatusCode::CONFLICT, format!("{} are left", self.0))
    }
}

#[tokio::test]
async fn s86_s87_d5_what_a_handler_returns() {
    async fn converted() -> Result<&'static str> {
        let stock: Result<&str, _> = Err(OutOfStock(2));
        let text = stock.map_err(Error::from_http)?;
        Ok(text)
    }
    async fn asked(fails: bool) -> Result<Response, OutOfStock> {
        if fails {
            return Err(OutOfStock(1));
        }
        Ok(Response::text("there is some"))
    }
    let router = Router::new()
        .get("/response", async || Response::text("hello"))
        .get("/ok", async || -> Result<Response> {
            Ok(Response::text("hello"))
        })
        .get("/error", async || -> Result<Response> {
            Err(Error::new(StatusCode::PAYMENT_REQUIRED, "pay first"))
        })
        .get("/own", async || asked(false).await)
        .get("/own-error", async || asked(true).await)
        .get("/bare", async || OutOfStock(0))
        .get("/converted", converted)
        .get("/unit", async || ());
    assert_answers(
        router,
        &[
            ("/response", 200, TEXT, "hello"),
            ("/ok", 200, TEXT, "hello"),
            ("/error", 402, TEXT, "pay first"),
            ("/own", 200, TEXT, "there is some"),
            ("/own-error", 409, TEXT, "1 are left"),
            ("/bare", 409, TEXT, "0 are left"),
            ("/converted", 409, TEXT, "2 are left"),
            ("/unit", 202, None, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn s88_s91_what_turns_into_a_response() {
    let router = Router::new()
        .get("/str", async || "text")
        .get("/string", async || String::from("text"))
        .get("/json", async || Json(ADA))
        .get("/pair", async || (StatusCode::CREATED, "made"))
        .get("/pair-json", async || (StatusCode::CREATED, Json(ADA)))
        .get("/result-string", async || -> Result<String> {
            Ok("text".to_owned())
        })
        .get("/result-status", async || -> Result<StatusCode> {
            Ok(StatusCode::NO_CONTENT)
        })
        .get("/result-json", async || -> Result<Json<User>> {
            Ok(Json(ADA))
        })
        .get("/vec", async || Json(vec![ADA]))
        .get("/value", async || Json(json!({"a": [1, null]})))
        .get("/bare-value", async || -> Value { json!(["a"]) });
    let ada = r#"{"id":1,"name":"Ada"}"#;
    assert_answers(
        router,
        &[
            ("/str", 200, TEXT, "text"),
            ("/string", 200, TEXT, "text"),
            ("/json", 200, JSON, ada),
            ("/pair", 201, TEXT, "made"),
            ("/pair-json", 201, JSON, ada),
            ("/result-string", 200, TEXT, "text"),
            ("/result-status", 204, None, ""),
            ("/result-json", 200, JSON, ada),
            ("/vec", 200, JSON, r#"[{"id":1,"name":"Ada"}]"#),
            ("/value", 200, JSON, r#"{"a":[1,null]}"#),
            ("/bare-value", 200, JSON, r#"["a"]"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn s90_helpers() {
    let router = Router::new()
        .get("/ok", async || Response::ok())
        .get("/unauthorized", async || {
            Response::unauthorized("who are you?")
        })
        .get("/internal", async || Response::internal_error());
    assert_answers(
        router,
        &[
            ("/ok", 200, None, ""),
            ("/unauthorized", 401, TEXT, "who are you?"),
            ("/internal", 500, TEXT, "internal server error"),
        ],
    )
    .await;
}

/// RFC 9110 §15.5.2: no 401 of this library is without a challenge; a handler's own takes its place.
#[tokio::test]
async fn a_401_has_a_challenge() {
    let router = Router::new()
        .get("/plain", async || Response::unauthorized("who are you?"))
        .get("/own", async || {
            Response::unauthorized("who are you?")
                .with_header("www-authenticate", "Basic realm=\"lab\"")
        });
    let client = TestClient::new(router.build().unwrap());
    for (path, challenge) in [("/plain", "Bearer"), ("/own", "Basic realm=\"lab\"")] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 401, "{path}");
        let all: Vec<_> = reply.headers.get_all("www-authenticate").collect();
        assert_eq!(all, [challenge], "{path}");
    }
}

/// Each status that the sources name reaches the client as it was said; 101 is a switch, and tested as one.
#[tokio::test]
async fn s92_statuses() {
    #[derive(Deserialize)]
    struct Code {
        code: u16,
    }
    let status = async |Query(Code { code }): Query<Code>| -> Result<StatusCode> {
        StatusCode::from_u16(code).map_err(Error::internal)
    };
    let client = TestClient::new(Router::new().get("/", status).build().unwrap());
    for code in [200, 201, 202, 204, 302, 400, 401, 404, 413, 429, 500] {
        assert_eq!(client.get(&format!("/?code={code}")).await.status, code);
    }
}

/// A log of what ran, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

fn logged(log: &Log) -> Vec<&'static str> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn s63_code_runs_before_and_after_the_handler() {
    let log = Log::default();
    let seen = log.clone();
    let timed = move |request: Request, next: Next| {
        let seen = seen.clone();
        async move {
            seen.lock().unwrap().push("before");
            let response = next.run(request).await;
            seen.lock().unwrap().push("after");
            response
        }
    };
    let handler = async |State(log): State<Log>| {
        log.lock().unwrap().push("handler");
        tokio::task::yield_now().await;
        log.lock().unwrap().push("still the handler");
    };
    let router = Router::new()
        .middleware(timed)
        .get("/", handler)
        .state(log.clone());
    let client = TestClient::new(router.build().unwrap());
    assert_eq!(client.get("/").await.status, 202);
    assert_eq!(
        logged(&log),
        ["before", "handler", "still the handler", "after"]
    );
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(logged(&log), ["before", "after"]);
}

/// A switch is a route as others are: middleware and extractors say no while that is still possible.
#[tokio::test]
async fn s68_s83_what_is_refused_before_an_upgrade() {
    #[derive(Deserialize)]
    struct Room {
        room: String,
    }
    async fn gate(request: Request, next: Next) -> Result<Response> {
        if request.header("authorization").is_none() {
            return Err(Error::new(StatusCode::UNAUTHORIZED, "who are you?"));
        }
        Ok(next.run(request).await)
    }
    async fn enter(State(log): State<Log>, Query(room): Query<Room>) -> Response {
        log.lock().unwrap().push("entered");
        assert_eq!(room.room, "blue");
        Response::upgrade("chat", async |_| ())
    }
    fn routes(log: &Log) -> Routes {
        let noted = log.clone();
        let note = move |request: Request, next: Next| {
            noted.lock().unwrap().push("group");
            next.run(request)
        };
        let group = Router::new().middleware(note).get("/chat", enter);
        let router = Router::new().middleware(gate).merge(group);
        router.state(log.clone()).build().unwrap()
    }
    let log = Log::default();
    let client = TestClient::new(routes(&log));
    let ask = async |path: &str, signed_in: bool| {
        let mut request = client
            .get(path)
            .header("connection", "upgrade")
            .header("upgrade", "chat");
        if signed_in {
            request = request.header("authorization", "me");
        }
        request.await
    };
    assert_eq!(ask("/chat?room=blue", false).await.status, 401);
    let reply = ask("/chat", true).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("room"), "{}", reply.text());
    assert_eq!(logged(&log), ["group"], "the handler ran");
    let reply = ask("/chat?room=blue", true).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("upgrade")),
        (101, Some("chat"))
    );
    assert_eq!(logged(&log), ["group", "entered"]);
}
