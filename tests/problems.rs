//! Problem details, error pages, redirects, attachments: what clients are told when something is elsewhere, or went wrong.

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use wireline::extract::{Json, Objections, Path, Query, Valid, Validate};
use wireline::layer::auth::{Auth, Bearer, Refusal};
use wireline::layer::error_pages::ErrorPages;
use wireline::layer::rate_limit::RateLimit;
use wireline::layer::time_limit::TimeLimit;
use wireline::service::attachment::Attachment;
use wireline::service::body::BodyError;
use wireline::service::error::Error;
use wireline::service::headers::Headers;
use wireline::service::problem::Problem;
use wireline::service::redirect::{Created, Redirect};
use wireline::service::user::CurrentUser;
use wireline::test::{TestClient, TestResponse};
use wireline::{Body, Response, Router};

const PROBLEM: Option<&str> = Some("application/problem+json");
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

fn client(router: Router) -> TestClient {
    TestClient::new(router.build().unwrap())
}

fn value(answer: &TestResponse) -> Value {
    serde_json::from_str(answer.text()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn s86_problems_are_answers_and_errors_become_problems() {
    async fn find(id: u32) -> Result<String, Problem> {
        match id {
            1 => Err(Problem::new(StatusCode::FORBIDDEN)
                .kind("https://example.com/probs/out-of-credit")
                .title("You do not have enough credit.")
                .detail("30 is less than 50")
                .instance("/account/1")
                .with("balance", 30)),
            2 => Err(StatusCode::NOT_FOUND)?,
            3 => Err(Error::internal("a secret"))?,
            4 => Err(BodyError::TooLarge)?,
            5 => Err((StatusCode::CONFLICT, "taken"))?,
            _ => Ok("found".to_owned()),
        }
    }
    let client = client(Router::new().get("/{id}", async |Path(id): Path<u32>| find(id).await));
    for (path, expected) in [
        (
            "/1",
            json!({
                "type": "https://example.com/probs/out-of-credit", "title": "You do not have enough credit.",
                "status": 403, "detail": "30 is less than 50", "instance": "/account/1", "balance": 30,
            }),
        ),
        ("/2", json!({ "title": "Not Found", "status": 404 })),
        (
            "/3",
            json!({ "title": "Internal Server Error", "status": 500 }),
        ),
        (
            "/4",
            json!({ "title": "Payload Too Large", "status": 413, "detail": "content too large" }),
        ),
        (
            "/5",
            json!({ "title": "Conflict", "status": 409, "detail": "taken" }),
        ),
    ] {
        let answer = client.get(path).await;
        assert_eq!(value(&answer), expected, "{path}");
        assert_eq!(u64::from(answer.status.as_u16()), expected["status"]);
        assert_eq!(answer.header("content-type"), PROBLEM);
    }
    assert_eq!(client.get("/6").await.text(), "found");
}

fn routes() -> Router {
    Router::new()
        .get("/ok", async || "fine")
        .get("/number/{number}", async |Path(number): Path<u8>| {
            number.to_string()
        })
        .get("/limited", async || {
            (
                StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", "7")],
                "slowly",
            )
        })
        .get("/own", async || {
            Response::html("<p>my own").with_status(StatusCode::NOT_FOUND)
        })
        .get("/bare", async || StatusCode::GONE)
        .get("/streamed", async || {
            let body = Body::from_chunks(std::iter::once("late".into()));
            Response::new(body).with_status(StatusCode::BAD_GATEWAY)
        })
        .get("/long", async || {
            (StatusCode::BAD_REQUEST, "x".repeat(8193))
        })
        .post("/json", async |Json(value): Json<Value>| Json(value))
}

#[tokio::test(start_paused = true)]
async fn plain_errors_become_problems_for_clients_that_take_json() {
    let client = client(routes().layer(ErrorPages::new()));
    let ask = async |path: &str, accept: Option<&'static str>| match accept {
        Some(accept) => client.get(path).header("accept", accept).await,
        None => client.get(path).await,
    };
    for (path, status, title, detail) in [
        ("/nothing", 404, "Not Found", None),
        (
            "/number/x",
            400,
            "Bad Request",
            Some("path parameter `number`: `x` is not a number"),
        ),
        ("/limited", 429, "Too Many Requests", Some("slowly")),
        ("/bare", 410, "Gone", None),
        ("/json", 405, "Method Not Allowed", None),
    ] {
        for accept in [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("application/problem+json"),
        ] {
            let answer = ask(path, accept).await;
            assert_eq!(answer.status, status, "{path} {accept:?}");
            assert_eq!(answer.header("content-type"), PROBLEM, "{path} {accept:?}");
            let told = value(&answer);
            assert_eq!(
                (&told["title"], &told["status"]),
                (&json!(title), &json!(status))
            );
            if path != "/number/x" {
                assert_eq!(
                    told.get("detail"),
                    detail.map(|text| json!(text)).as_ref(),
                    "{path}"
                );
            } else {
                assert!(told["detail"].as_str().unwrap().contains("number"));
            }
        }
        // A browser sees what it saw before.
        for accept in [
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain",
            "image/png",
            "*/*;q=0",
        ] {
            let answer = ask(path, Some(accept)).await;
            assert_ne!(answer.header("content-type"), PROBLEM, "{path} {accept}");
            assert_eq!(answer.status, status);
        }
    }
    // What goes with the status stays.
    assert_eq!(ask("/limited", None).await.header("retry-after"), Some("7"));
    assert_eq!(
        ask("/json", None).await.header("allow"),
        Some("POST, OPTIONS")
    );
    // What has a form already, or is no error, is left alone.
    for (path, content_type, text) in [
        ("/ok", TEXT, "fine"),
        ("/own", Some("text/html; charset=utf-8"), "<p>my own"),
        ("/streamed", None, "late"),
        ("/long", TEXT, &*"x".repeat(8193)),
    ] {
        let answer = ask(path, Some("application/json")).await;
        assert_eq!(
            (answer.header("content-type"), answer.text()),
            (content_type, text)
        );
    }
    let rejected = client
        .post("/json")
        .header("accept", "application/json")
        .body("{}")
        .await;
    let told = value(&rejected);
    assert_eq!(told["detail"], "expected `Content-Type: application/json`");
    let head = client.head("/nothing").await;
    assert_eq!((head.status.as_u16(), head.text()), (404, ""));
}

#[tokio::test(start_paused = true)]
async fn pages_for_people_and_problems_for_programs() {
    let pages = ErrorPages::new()
        .page(StatusCode::NOT_FOUND, |error| {
            (
                [("x-page", "404")],
                Response::html(format!("<h1>no {} {}</h1>", error.method, error.path)),
            )
        })
        .other(|error| Response::html(format!("<h1>{}: {}</h1>", error.status, error.message)));
    let client = client(routes().layer(pages));
    for (path, status, text) in [
        ("/nothing?a=b", 404, "<h1>no GET /nothing</h1>"),
        ("/limited", 429, "<h1>429 Too Many Requests: slowly</h1>"),
        (
            "/json",
            405,
            "<h1>405 Method Not Allowed: method not allowed</h1>",
        ),
    ] {
        for accept in ["text/html,*/*;q=0.8", "*/*"] {
            let answer = client.get(path).header("accept", accept).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, text));
            assert_eq!(
                answer.header("content-type"),
                Some("text/html; charset=utf-8")
            );
        }
        let answer = client.get(path).header("accept", "application/json").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, PROBLEM)
        );
    }
    let answer = client.get("/nothing").await;
    assert_eq!(answer.header("x-page"), Some("404"));
    assert_eq!(
        client.get("/json").await.header("allow"),
        Some("POST, OPTIONS")
    );
}

/// What layers refuse, what the server refuses, and a panic: a program gets a problem of each.
#[tokio::test(start_paused = true)]
async fn what_layers_refuse_has_its_problem_too() {
    let user = Bearer::by(async |_: String| Err::<CurrentUser, _>(Refusal::invalid("unknown")));
    let router = || {
        Router::new()
            .get("/panics", async || -> () { panic!("a fault") })
            .get("/called", || -> std::future::Ready<()> {
                panic!("a fault")
            })
            .get("/sleeps", async || std::future::pending::<()>().await)
            .post("/", async |content: String| content)
            .max_body(3)
            .layer(ErrorPages::new())
            .layer(TimeLimit::new(Duration::from_secs(1)))
    };
    let open = client(router());
    let closed = client(router().layer(Auth::new(user)));
    let counted = client(router().layer(RateLimit::new(1, Duration::from_secs(60))));
    assert_eq!(counted.post("/").body("one").await.status, 200);
    for (answer, status, detail) in [
        (open.get("/panics").await, 500, None),
        (open.get("/called").await, 500, None),
        (open.get("/sleeps").await, 503, Some("")),
        (
            open.post("/").body("four").await,
            413,
            Some("content too large"),
        ),
        (closed.post("/").await, 401, Some("")),
        (counted.post("/").await, 429, Some("")),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), PROBLEM, "{status}");
        let told = value(&answer);
        assert_eq!(told["status"], status);
        let told = told["detail"].as_str();
        match detail {
            None => assert_eq!(told, None),
            Some(detail) => assert!(told.unwrap_or_default().starts_with(detail), "{told:?}"),
        }
    }
    assert!(closed.get("/").await.header("www-authenticate").is_some());
    assert!(counted.get("/").await.header("retry-after").is_some());
}

#[derive(serde::Deserialize)]
struct Order {
    customer: String,
    lines: Vec<Line>,
}

#[derive(serde::Deserialize)]
struct Line {
    count: u32,
}

impl Validate for Line {
    fn validate(&self, objections: &mut Objections) {
        objections.unless(self.count > 0, "count", "at least one");
    }
}

impl Validate for Order {
    fn validate(&self, objections: &mut Objections) {
        objections.unless(
            !self.customer.is_empty(),
            "customer/name",
            "somebody orders",
        );
        for (at, line) in self.lines.iter().enumerate() {
            objections.inside(format!("lines~{at}"), line);
        }
        objections.unless(self.lines.len() < 200, "", "too many lines");
    }
}

#[tokio::test(start_paused = true)]
async fn values_are_checked_and_all_that_is_wrong_is_told() {
    let router = Router::new()
        .post("/orders", async |Valid(Json(order)): Valid<Json<Order>>| {
            format!("{} {}", order.customer, order.lines.len())
        })
        .get(
            "/line",
            async |Valid(Query(line)): Valid<Query<Line>>, _: String| line.count.to_string(),
        )
        .post("/maybe", async |order: Option<Valid<Json<Order>>>| {
            order.is_some().to_string()
        });
    let client = client(router);
    let post = |path, content: String| {
        let request = client.post(path).header("content-type", "application/json");
        request.body(content)
    };
    let good = r#"{"customer":"Ada","lines":[{"count":1}]}"#.to_owned();
    assert_eq!(post("/orders", good.clone()).await.text(), "Ada 1");
    let bad = r#"{"customer":"","lines":[{"count":0},{"count":1},{"count":0}]}"#.to_owned();
    for path in ["/orders", "/maybe"] {
        let answer = post(path, bad.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (422, PROBLEM)
        );
        assert_eq!(
            value(&answer),
            json!({
                "title": "Unprocessable Entity", "status": 422, "detail": "what was sent is not valid",
                "errors": [
                    { "pointer": "#/customer~1name", "detail": "somebody orders" },
                    { "pointer": "#/lines~00/count", "detail": "at least one" },
                    { "pointer": "#/lines~02/count", "detail": "at least one" },
                ],
            })
        );
    }
    // A client cannot make the answer as long as it likes.
    let lines = vec![r#"{"count":0}"#; 1000].join(",");
    let answer = post(
        "/orders",
        format!(r#"{{"customer":"a","lines":[{lines}]}}"#),
    )
    .await;
    assert_eq!(value(&answer)["errors"].as_array().unwrap().len(), 100);
    // What cannot be read is refused as it is without.
    assert_eq!(post("/orders", "{}".to_owned()).await.status, 422);
    assert_eq!(post("/orders", "{".to_owned()).await.status, 400);
    assert_eq!(client.post("/orders").body(good).await.status, 415);
    assert_eq!(client.post("/maybe").await.text(), "false");
    assert_eq!(client.get("/line?count=3").await.text(), "3");
    assert_eq!(client.get("/line?count=0").await.status, 422);
    assert_eq!(client.get("/line?count=x").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn s84_redirects_say_where_and_how() {
    let router = Router::new()
        .post("/form", async || Redirect::to("/done"))
        .get("/now", async || Redirect::temporary(String::from("/then")))
        .get("/old", async || {
            Redirect::permanent("https://example.com/?a=b")
        })
        .get("/split", async || Redirect::to("/\r\nset-cookie: a=b"))
        .post("/books", async || Created::at("/books/7", "made"));
    let client = client(router);
    for (answer, status, location) in [
        (client.post("/form").await, 303, Some("/done")),
        (client.get("/now").await, 307, Some("/then")),
        (
            client.get("/old").await,
            308,
            Some("https://example.com/?a=b"),
        ),
        (client.get("/split").await, 500, None),
        (client.post("/books").await, 201, Some("/books/7")),
    ] {
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (status, location)
        );
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn s88_attachments_and_maps_of_fields() {
    let router = Router::new()
        .get("/report", async || {
            Attachment::new("Übersicht.csv", "a;b").map_err(Error::from)
        })
        .get("/shown", async || {
            Attachment::inline("a.txt", "shown").map_err(Error::from)
        })
        .get("/bad", async || {
            Attachment::new("a\r\nb", "").map_err(Error::from)
        })
        .get("/map", async || {
            let mut map = HeaderMap::new();
            map.append("x-a", HeaderValue::from_static("1"));
            map.append("x-a", HeaderValue::from_static("2"));
            map.insert("content-type", HeaderValue::from_static("text/css"));
            (StatusCode::ACCEPTED, map, "p {}")
        })
        .get("/headers", async || {
            let mut headers = Headers::new();
            headers.try_insert("x-b", "3").unwrap();
            (headers, "text")
        });
    let client = client(router);
    let report = client.get("/report").await;
    assert_eq!(
        report.header("content-disposition"),
        Some("attachment; filename=\"_bersicht.csv\"; filename*=UTF-8''%C3%9Cbersicht.csv")
    );
    assert_eq!(
        (report.header("x-content-type-options"), report.text()),
        (Some("nosniff"), "a;b")
    );
    let shown = client.get("/shown").await;
    assert_eq!(
        shown.header("content-disposition"),
        Some("inline; filename=\"a.txt\"")
    );
    assert_eq!(client.get("/bad").await.status, 500);
    let map = client.get("/map").await;
    let all: Vec<_> = map
        .headers
        .get_all("x-a")
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!((map.status.as_u16(), all), (202, vec!["1", "2"]));
    assert_eq!(map.header("content-type"), Some("text/css"));
    assert_eq!(map.headers.get_all("content-type").count(), 1);
    let headers = client.get("/headers").await;
    assert_eq!(
        (headers.header("x-b"), headers.header("content-type")),
        (Some("3"), TEXT)
    );
}
