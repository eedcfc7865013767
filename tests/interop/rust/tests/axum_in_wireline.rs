//! An axum router behind wireline's server, over a real socket.

use axum::body::Body as AxumBody;
use axum::extract::{MatchedPath, OriginalUri, Path, Query, State};
use axum::routing::{any, get as on_get, post as on_post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use std::collections::HashMap;
use std::convert::Infallible;
use wireline::resource::addr::ConnInfo;
use wireline::router::Router;
use wireline::service::middleware::Next;
use wireline::service::response::Response;
use wireline::test::TestServer;
use wireline::tower::TowerService;
use wireline_interop::{ask, get, post};

/// The application on the other side.
fn application() -> axum::Router {
    async fn greet(
        State(greeting): State<&'static str>,
        Path(name): Path<String>,
        Query(query): Query<HashMap<String, String>>,
    ) -> String {
        format!(
            "{greeting} {name} {}",
            query.get("q").map_or("", String::as_str)
        )
    }
    async fn tell(
        method: Method,
        OriginalUri(uri): OriginalUri,
        headers: HeaderMap,
        path: MatchedPath,
    ) -> String {
        let agent = headers
            .get("x-agent")
            .map_or("", |value| value.to_str().expect("text"));
        format!("{method} {uri} {} {agent}", path.as_str())
    }
    async fn double(axum::Json(number): axum::Json<u64>) -> axum::Json<u64> {
        axum::Json(number * 2)
    }
    async fn trailers() -> http::Response<AxumBody> {
        let mut section = HeaderMap::new();
        section.insert("x-sum", HeaderValue::from_static("9"));
        let body = chunks(vec!["one ".into(), "two".into()], Some(section));
        http::Response::builder()
            .header("trailer", "x-sum")
            .body(AxumBody::new(body))
            .expect("a response")
    }
    async fn peer(request: axum::extract::Request) -> String {
        request.extensions().get::<ConnInfo>().map_or_else(
            || "unknown".to_owned(),
            |info| info.peer.ip().is_some().to_string(),
        )
    }
    axum::Router::new()
        .route("/greet/{name}", on_get(greet))
        .route("/tell", any(tell))
        .route("/double", on_post(double))
        .route("/echo", on_post(async |body: AxumBody| body))
        .route("/trailers", on_get(trailers))
        .route("/peer", on_get(peer))
        .with_state("hello")
}

/// A body without a length.
fn chunks(chunks: Vec<Bytes>, trailers: Option<HeaderMap>) -> Channel<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for chunk in chunks {
            sender.send_data(chunk).await.expect("a reader");
        }
        if let Some(trailers) = trailers {
            sender.send_trailers(trailers).await.expect("a reader");
        }
    });
    body
}

fn mounted() -> TestServer {
    async fn mark(request: wireline::service::request::Request, next: Next) -> Response {
        next.run(request)
            .await
            .with_header("x-middleware", "wireline")
    }
    let routes = Router::new()
        .get("/own", async || "wireline's own")
        .mount_tower("/app", application())
        .nest(
            "/limited",
            Router::new().mount_tower("/", application()).max_body(8),
        )
        .middleware(mark)
        .build()
        .expect("no conflict");
    TestServer::new(routes)
}

#[tokio::test]
async fn requests_reach_the_mounted_router_and_answers_come_back() {
    let server = mounted();
    let mut told = get("/app/tell?a=b");
    told.headers_mut()
        .insert("x-agent", HeaderValue::from_static("hyper"));
    let mut deleted = get("/app/tell");
    *deleted.method_mut() = Method::DELETE;
    let requests = vec![
        get("/own"),
        get("/app/greet/caf%C3%A9?q=a%20b"),
        told,
        deleted,
        post("/app/double", "application/json", "21"),
        post("/app/double", "application/json", "x"),
        post("/app/double", "text/plain", "21"),
        get("/app/double"),
        get("/app/nothing"),
        get("/app"),
        get("/nothing"),
        get("/app/peer"),
    ];
    let answers = ask(server.addr(), requests).await;
    let seen: Vec<(u16, &str)> = answers
        .iter()
        .map(|answer| (answer.status.as_u16(), answer.text()))
        .collect();
    assert_eq!(seen[0], (200, "wireline's own"));
    assert_eq!(seen[1], (200, "hello café a b"));
    assert_eq!(seen[2], (200, "GET /tell?a=b /tell hyper"));
    assert_eq!(seen[3], (200, "DELETE /tell /tell "));
    assert_eq!(seen[4], (200, "42"));
    assert_eq!(answers[4].header("content-type"), "application/json");
    assert_eq!(seen[5].0, 400);
    assert_eq!(seen[6].0, 415);
    assert_eq!((seen[7].0, answers[7].header("allow")), (405, "POST"));
    assert_eq!((seen[8].0, seen[9].0), (404, 404));
    assert_eq!(seen[10], (404, "not found"));
    assert_eq!(seen[11], (200, "true"));
    for answer in &answers {
        assert_eq!(answer.header("x-middleware"), "wireline");
        assert_eq!(
            answer.headers.get_all("content-length").iter().count(),
            1,
            "{answer:?}"
        );
        assert_eq!(
            answer.header("content-length"),
            answer.content.len().to_string()
        );
        assert!(!answer.header("date").is_empty());
    }
}

#[tokio::test]
async fn head_announces_what_get_would_send() {
    let server = mounted();
    let mut head = get("/app/greet/ada");
    *head.method_mut() = Method::HEAD;
    let answers = ask(server.addr(), [head, get("/app/greet/ada")]).await;
    assert_eq!(
        answers[0].header("content-length"),
        answers[1].content.len().to_string()
    );
    assert_eq!(
        (answers[0].content.len(), answers[1].text()),
        (0, "hello ada ")
    );
}

#[tokio::test]
async fn content_streams_through_and_keeps_its_limit() {
    let server = mounted();
    let large: Bytes = (0..3_000_000u32)
        .map(|place| (place % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    let answers = ask(server.addr(), [post("/app/echo", "x/y", large.clone())]).await;
    assert_eq!(
        (answers[0].status, answers[0].content.len()),
        (StatusCode::OK, large.len())
    );
    assert!(answers[0].content == large, "the content came back changed");
    let small = ask(server.addr(), [post("/limited/echo", "x/y", "12345678")]).await;
    assert_eq!(
        (small[0].status, small[0].text()),
        (StatusCode::OK, "12345678")
    );
    let refused = ask(server.addr(), [post("/limited/echo", "x/y", "123456789")]).await;
    assert_eq!(refused[0].status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn chunked_content_and_trailers_cross_over() {
    let server = mounted();
    let mut request = get("/app/trailers");
    request
        .headers_mut()
        .insert("te", HeaderValue::from_static("trailers"));
    let answers = ask(server.addr(), [request]).await;
    assert_eq!(
        (answers[0].text(), answers[0].header("transfer-encoding")),
        ("one two", "chunked")
    );
    let trailers = answers[0].trailers.as_ref().expect("a trailer section");
    assert_eq!(trailers["x-sum"], "9");

    // Content without a length: what is too large to be here before the handler runs comes back without one.
    for size in [3, 300_000] {
        let body = chunks(vec![vec![7; size].into(); 3], None);
        let request = Request::post("/app/echo")
            .header("host", "localhost")
            .body(body)
            .expect("a request");
        let answers = ask(server.addr(), [request]).await;
        assert!(
            answers[0].content == vec![7; 3 * size],
            "{} octets of {}",
            answers[0].content.len(),
            3 * size
        );
        if size > 3 {
            assert_eq!(answers[0].header("transfer-encoding"), "chunked");
        }
    }
}

#[tokio::test]
async fn axum_as_the_whole_service_and_as_the_fallback() {
    let server = TestServer::new(TowerService::new(application()));
    let answers = ask(server.addr(), [get("/greet/ada"), get("/nothing")]).await;
    assert_eq!(
        (answers[0].text(), answers[1].status),
        ("hello ada ", StatusCode::NOT_FOUND)
    );

    let routes = Router::new()
        .get("/own", async || "own")
        .fallback_tower(application())
        .build()
        .expect("valid");
    let server = TestServer::new(routes);
    let answers = ask(server.addr(), [get("/own"), get("/greet/bob")]).await;
    assert_eq!(
        (answers[0].text(), answers[1].text()),
        ("own", "hello bob ")
    );
}

#[tokio::test]
async fn wireline_inside_axum() {
    let routes = Router::new().get(
        "/inner/{id}",
        async |wireline::extract::Path(id): wireline::extract::Path<u8>| id.to_string(),
    );
    let inner = wireline::tower::into_tower(std::sync::Arc::new(routes.build().expect("valid")));
    let outer = axum::Router::new().fallback_service(inner);
    let response = tower::ServiceExt::oneshot(
        outer,
        Request::get("/inner/7")
            .body(Full::<Bytes>::default())
            .expect("a request"),
    );
    let response = response.await.expect("no error");
    assert_eq!(
        response
            .into_body()
            .collect()
            .await
            .expect("the content")
            .to_bytes(),
        "7"
    );
}

#[path = "../../../../examples/axum/mount.rs"]
mod example;

#[tokio::test]
async fn the_example_answers_from_both() {
    let server = TestServer::new(example::routes().expect("no conflict"));
    let requests = ["/v1/books/1", "/v2/books/1", "/v2/books/7", "/v1/nothing"].map(get);
    let answers = ask(server.addr(), requests.to_vec()).await;
    let seen: Vec<(u16, &str)> = answers
        .iter()
        .map(|answer| (answer.status.as_u16(), answer.text()))
        .collect();
    assert_eq!(
        seen,
        [
            (200, "Middlemarch (by axum)\n"),
            (200, "Middlemarch (by wireline)\n"),
            (200, "nothing (by wireline)\n"),
            (404, ""),
        ]
    );
}
