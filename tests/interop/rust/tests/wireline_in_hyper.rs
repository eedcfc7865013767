//! A wireline router behind hyper's server, over HTTP/1.1 and HTTP/2.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use wireline::extract::{Json, Path, Query, State};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::router::Router;
use wireline::service::body::Body;
use wireline::service::headers::Headers;
use wireline::service::response::Response;
use wireline::tower::{HyperService, into_tower};
use wireline_interop::{ask, ask_http2, get, post};

fn service() -> HyperService {
    #[derive(Clone)]
    struct Greeting(&'static str);

    async fn greet(
        State(greeting): State<Greeting>,
        Path(name): Path<String>,
        Query(query): Query<Vec<(String, String)>>,
    ) -> String {
        format!("{} {name} {query:?}", greeting.0)
    }
    async fn stream() -> Response {
        let (mut sender, body) = Body::channel();
        tokio::spawn(async move {
            for chunk in ["one ", "two ", "three"] {
                if sender.send(chunk.into()).await.is_err() {
                    return;
                }
            }
            let mut trailers = Headers::new();
            trailers.try_insert("x-sum", "3").expect("a field");
            sender.finish_with(trailers);
        });
        Response::new(body).with_header("trailer", "x-sum")
    }
    let routes = Router::new()
        .get("/greet/{name}", greet)
        .post("/double", async |Json(number): Json<u64>| Json(number * 2))
        .post("/echo", async |content: Bytes| content)
        .nest(
            "/small",
            Router::new()
                .post("/", async |content: Bytes| content)
                .max_body(1000),
        )
        .get("/stream", stream)
        .get("/peer", async |info: ConnInfo| info.peer.to_string())
        .get(
            "/host",
            async |request: wireline::service::request::Request| {
                request.host().unwrap_or("none").to_owned()
            },
        )
        .state(Greeting("hello"))
        .build()
        .expect("valid");
    into_tower(Arc::new(routes)).max_body(1_000_000)
}

/// A server of hyper's for as many connections as come.
async fn serve(over_http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let local = stream.local_addr().expect("an address");
            let info = ConnInfo {
                peer: PeerAddr::Inet(peer),
                local: PeerAddr::Inet(local),
            };
            let service = tower::ServiceExt::map_request(
                service(),
                move |mut request: Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(info);
                    request
                },
            );
            let service = TowerToHyperService::new(service);
            tokio::spawn(async move {
                let io = TokioIo::new(stream);
                if over_http2 {
                    drop(
                        http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await,
                    );
                } else {
                    drop(http1::Builder::new().serve_connection(io, service).await);
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn over_http1() {
    let addr = serve(false).await;
    let mut head = get("/greet/ada");
    *head.method_mut() = Method::HEAD;
    let requests = vec![
        get("/greet/caf%C3%A9?a=1&b=2"),
        post("/double", "application/json", "21"),
        post("/double", "application/json", "x"),
        get("/nothing"),
        get("/double"),
        head,
        get("/host"),
        get("/peer"),
        get("/stream"),
    ];
    let answers = ask(addr, requests).await;
    let seen: Vec<(u16, &str)> = answers
        .iter()
        .map(|answer| (answer.status.as_u16(), answer.text()))
        .collect();
    assert_eq!(seen[0], (200, r#"hello café [("a", "1"), ("b", "2")]"#));
    assert_eq!(
        answers[0].header("content-length"),
        answers[0].content.len().to_string()
    );
    assert_eq!(seen[1], (200, "42"));
    assert_eq!((seen[2].0, seen[3].0), (400, 404));
    assert_eq!(
        (seen[4].0, answers[4].header("allow")),
        (405, "POST, OPTIONS")
    );
    assert_eq!(
        (seen[5], answers[5].header("content-length")),
        ((200, ""), "12")
    );
    assert_eq!(seen[6], (200, "localhost"));
    assert!(seen[7].1.starts_with("127.0.0.1:"), "{}", seen[7].1);
    assert_eq!(seen[8], (200, "one two three"));
}

#[tokio::test]
async fn trailers_go_out_to_those_who_take_them() {
    let addr = serve(false).await;
    let mut request = get("/stream");
    request
        .headers_mut()
        .insert("te", HeaderValue::from_static("trailers"));
    let answers = ask(addr, [request]).await;
    assert_eq!(answers[0].text(), "one two three");
    assert_eq!(
        answers[0].trailers.as_ref().expect("a trailer section")["x-sum"],
        "3"
    );
}

#[tokio::test]
async fn over_http2() {
    let addr = serve(true).await;
    let target = |path: &str| format!("http://example.com{path}");
    let request = |path: &str| {
        Request::get(target(path))
            .body(Full::<Bytes>::default())
            .expect("a request")
    };
    assert_eq!(
        ask_http2(addr, request("/greet/ada")).await.text(),
        "hello ada []"
    );
    // The authority of the target takes the place of Host.
    assert_eq!(
        ask_http2(addr, request("/host")).await.text(),
        "example.com"
    );
    let streamed = ask_http2(addr, request("/stream")).await;
    assert_eq!(streamed.text(), "one two three");
    assert_eq!(streamed.trailers.expect("a trailer section")["x-sum"], "3");
    let echoed = Request::post(target("/echo"))
        .body(Full::new(Bytes::from(vec![7; 1_000_000])))
        .expect("a request");
    assert!(ask_http2(addr, echoed).await.content == vec![7; 1_000_000]);
}

#[tokio::test]
async fn the_body_limit_holds() {
    let addr = serve(false).await;
    // Small enough for a client that writes all before it reads: hyper does not linger.
    let taken = ask(addr, [post("/small", "x/y", vec![0; 1000])]).await;
    assert_eq!(
        (taken[0].status, taken[0].content.len()),
        (StatusCode::OK, 1000)
    );
    let refused = ask(addr, [post("/small", "x/y", vec![0; 1001])]).await;
    assert_eq!(
        (refused[0].status, refused[0].text()),
        (StatusCode::PAYLOAD_TOO_LARGE, "content too large")
    );
    // Without a length, the limit is met while reading.
    for (chunks, status) in [(4, 200), (5, 413)] {
        let (mut sender, body) = http_body_util::channel::Channel::<Bytes>::new(chunks);
        for _ in 0..chunks {
            sender.send_data(vec![0; 250].into()).await.expect("room");
        }
        drop(sender);
        let request = Request::post("/small")
            .header("host", "localhost")
            .body(body)
            .expect("a request");
        let answers = ask(addr, [request]).await;
        assert_eq!(answers[0].status.as_u16(), status, "{chunks} chunks");
    }
}

#[tokio::test]
async fn trailers_come_in() {
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes>::new(2);
    tokio::spawn(async move {
        sender.send_data("data".into()).await.expect("a reader");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("4"));
        sender.send_trailers(trailers).await.expect("a reader");
    });
    async fn both(body: Body) -> String {
        let (content, trailers) = body.collect_with_trailers().await.expect("the content");
        format!(
            "{content:?} {:?}",
            trailers.and_then(|trailers| trailers
                .get("x-sum")
                .map(|value| value.to_str().map(str::to_owned)))
        )
    }
    let service = into_tower(Arc::new(
        Router::new().post("/", both).build().expect("valid"),
    ));
    let response =
        tower::ServiceExt::oneshot(service, Request::post("/").body(body).expect("a request"))
            .await
            .expect("no error");
    let content = response.into_body().collect().await.expect("the content");
    assert_eq!(content, r#"b"data" Some(Ok("4"))"#);
}
