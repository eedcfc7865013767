//! The adapter from both sides.

use super::*;
use crate::resource::addr::{ConnInfo, PeerAddr};
use crate::resource::budget::Budget;
use crate::resource::worker::Worker;
use crate::service::error::Result;
use crate::service::request::Parts;
use bytes::Bytes;
use std::sync::atomic::{AtomicU32, Ordering};
use tower_service::Service as _;

/// A tower service from a function; it is ready when it was asked twice.
struct Slow<F> {
    function: F,
    asked: u32,
    clones: Arc<AtomicU32>,
}

impl<F> Slow<F> {
    fn new(function: F) -> Self {
        Self {
            function,
            asked: 0,
            clones: Arc::default(),
        }
    }
}

impl<F: Clone> Clone for Slow<F> {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            function: self.function.clone(),
            asked: 0,
            clones: self.clones.clone(),
        }
    }
}

impl<F: Fn(http::Request<Body>) -> Result<http::Response<Body>, &'static str>>
    tower_service::Service<http::Request<Body>> for Slow<F>
{
    type Response = http::Response<Body>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<http::Response<Body>, &'static str>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.asked += 1;
        if self.asked < 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert!(self.asked >= 2, "called before it was ready");
        std::future::ready((self.function)(request))
    }
}

fn tell(request: http::Request<Body>) -> Result<http::Response<Body>, &'static str> {
    Ok(http::Response::new(
        format!("{} {}", request.method(), request.uri()).into(),
    ))
}

async fn text(mut response: Response) -> (u16, String) {
    let content = std::mem::take(response.body_mut())
        .collect()
        .await
        .expect("the content of the answer");
    (
        response.status().as_u16(),
        String::from_utf8_lossy(&content).into_owned(),
    )
}

async fn get(service: &impl Service, target: &str) -> (u16, String) {
    text(service.call(Request::get(target)).await).await
}

#[tokio::test]
async fn a_mounted_service_does_not_see_its_prefix() {
    let service = Slow::new(tell);
    let clones = service.clones.clone();
    let routes = Router::new()
        .get("/api/own", async || "own")
        .mount_tower("/api", service.clone())
        .nest(
            "/t/{tenant}/",
            Router::new()
                .mount_tower("/in", service.clone())
                .mount_tower("/", service.clone()),
        )
        .fallback_tower(service)
        .build()
        .expect("no conflict");
    let before = clones.load(Ordering::Relaxed);
    for (target, seen) in [
        ("/api", "GET /"),
        ("/api/", "GET /"),
        ("/api?a=/b/c", "GET /?a=/b/c"),
        ("/api/x/y?q=1", "GET /x/y?q=1"),
        ("/api/x/y/", "GET /x/y/"),
        ("/api/a%2Fb", "GET /a%2Fb"),
        ("/api/own", "own"),
        ("/t/acme/x", "GET /x"),
        ("/t/acme", "GET /"),
        ("/t/acme/in/x/y", "GET /x/y"),
        ("/t/acme/in", "GET /"),
        ("/elsewhere/x?y", "GET /elsewhere/x?y"),
    ] {
        assert_eq!(
            get(&routes, target).await,
            (200, seen.to_owned()),
            "{target}"
        );
    }
    assert_eq!(
        clones.load(Ordering::Relaxed) - before,
        11,
        "one clone for each request that reached the service"
    );
    let whole = Router::new()
        .mount_tower("/", Slow::new(tell))
        .build()
        .expect("no conflict");
    assert_eq!(get(&whole, "/").await, (200, "GET /".to_owned()));
    assert_eq!(get(&whole, "/a/b").await, (200, "GET /a/b".to_owned()));
}

#[test]
fn what_stands_before_the_path_stays() {
    let uri = Uri::from_static("http://example.com:8000/a/b/c?d");
    assert_eq!(
        from_octet(uri.clone(), Some(4)),
        "http://example.com:8000/c?d"
    );
    assert_eq!(from_octet(uri.clone(), None), "http://example.com:8000/?d");
    assert_eq!(from_octet(uri, Some(99)), "http://example.com:8000/?d");
}

#[tokio::test]
async fn errors_and_switches_become_500() {
    let failing = TowerService::new(Slow::new(|_| Err("the disk is full")));
    assert_eq!(
        get(&failing, "/").await,
        (500, "internal server error".to_owned())
    );
    let switching = TowerService::new(Slow::new(|_| {
        let mut response = http::Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok(response)
    }));
    assert_eq!(get(&switching, "/").await.0, 500);
}

#[tokio::test]
async fn contents_stream_both_ways_with_trailers() {
    let echo = TowerService::new(Slow::new(|request: http::Request<Body>| {
        Ok(http::Response::new(request.into_body()))
    }));
    let (mut sender, body) = Body::channel();
    let mut request = Request::get("/");
    *request.body_mut() = body;
    tokio::spawn(async move {
        sender.send("one ".into()).await.expect("a reader");
        sender.send("two".into()).await.expect("a reader");
        let mut trailers = crate::service::headers::Headers::new();
        trailers.try_insert("x-sum", "7").expect("a field");
        sender.finish_with(trailers);
    });
    let mut response = echo.call(request).await;
    let (content, trailers) = std::mem::take(response.body_mut())
        .collect_with_trailers()
        .await
        .expect("the content");
    assert_eq!(content, "one two");
    assert!(
        trailers.is_some_and(|trailers| trailers.get("x-sum").is_some_and(|value| value == "7"))
    );
}

async fn ask(
    service: &mut HyperService,
    request: http::Request<impl Into<Body>>,
) -> (u16, HeaderMap, String) {
    let Ok(response) = service.call(request.map(Into::into)).await;
    let (head, body) = response.into_parts();
    let content = body.collect().await.expect("the content of the answer");
    (
        head.status.as_u16(),
        head.headers,
        String::from_utf8_lossy(&content).into_owned(),
    )
}

fn post(target: &str, content: impl Into<Body>) -> http::Request<Body> {
    http::Request::post(target)
        .body(content.into())
        .expect("a request")
}

#[tokio::test]
async fn limits_hold_behind_another_server() {
    let routes = Router::new()
        .post("/", async |content: Bytes| content.len().to_string())
        .nest(
            "/small",
            Router::new()
                .post("/", async |content: Bytes| content.len().to_string())
                .max_body(2),
        )
        .build()
        .expect("valid");
    let mut service = into_tower(Arc::new(routes)).max_body(4);
    assert_eq!(ask(&mut service, post("/", "1234")).await.2, "4");
    assert_eq!(ask(&mut service, post("/", "12345")).await.0, 413);
    assert_eq!(ask(&mut service, post("/small", "12")).await.2, "2");
    assert_eq!(ask(&mut service, post("/small", "123")).await.0, 413);
    // Without a length, the limit is met while reading.
    for (chunks, status) in [(4, 200), (5, 413)] {
        let (mut sender, body) = Body::channel();
        tokio::spawn(async move {
            for _ in 0..chunks {
                if sender.send("x".into()).await.is_err() {
                    break;
                }
            }
        });
        assert_eq!(
            ask(&mut service, post("/", body)).await.0,
            status,
            "{chunks} chunks"
        );
    }
}

#[tokio::test]
async fn responses_are_such_as_another_server_may_send() {
    let routes = Router::new()
        .get("/length", async || {
            Response::text("12345")
                .with_header("content-length", "3")
                .with_header("connection", "close")
        })
        .get("/chunked", async || {
            Response::text("12345").with_header("transfer-encoding", "chunked")
        })
        .get("/invalid", async || {
            Response::text("").with_header("x", "a\nb")
        })
        .get("/upgrade", async || Response::upgrade("chat", async |_| ()))
        .head("/head", async || {
            Response::ok().with_header("content-length", "9")
        })
        .get("/peer", async |info: ConnInfo| info.peer.to_string())
        .build()
        .expect("valid");
    let mut service = into_tower(Arc::new(routes));
    let request = |method: &str, target: &str| {
        http::Request::builder()
            .method(method)
            .uri(target)
            .body(())
            .expect("a request")
    };
    for target in ["/length", "/chunked"] {
        let (status, headers, content) = ask(&mut service, request("GET", target)).await;
        assert_eq!((status, content.as_str()), (200, "12345"));
        assert_eq!(
            headers.keys().collect::<Vec<_>>(),
            ["content-type"],
            "{target}"
        );
    }
    assert_eq!(ask(&mut service, request("GET", "/invalid")).await.0, 500);
    assert_eq!(ask(&mut service, request("GET", "/upgrade")).await.0, 501);
    assert_eq!(
        ask(&mut service, request("CONNECT", "/length")).await.0,
        405
    );
    assert_eq!(
        ask(&mut service, request("HEAD", "/head")).await.1["content-length"],
        "9"
    );
    let mut addressed = request("GET", "/peer");
    let peer = PeerAddr::Inet(([192, 0, 2, 1], 5).into());
    addressed.extensions_mut().insert(ConnInfo {
        peer,
        local: PeerAddr::Unix,
    });
    assert_eq!(ask(&mut service, addressed).await.2, "192.0.2.1:5");
}

/// A request that went through tower and came back knows its connection, and whether its client is gone.
#[tokio::test]
async fn a_connection_goes_through_tower_and_back() {
    let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
    let info = |last| ConnInfo {
        peer: PeerAddr::Inet(([192, 0, 2, last], 5).into()),
        local: PeerAddr::Unix,
    };
    let slot = worker.register(info(1));
    let (head, ()) = http::Request::new(()).into_parts();
    let mut parts = Parts::default();
    parts.begin_http(head, Some(&slot));
    assert_eq!(parts.connection(), info(1));
    let over = http::Request::try_from(Request::from_parts(parts, Body::empty())).expect("a URI");
    assert_eq!(over.extensions().get(), Some(&info(1)));
    let mut back = Request::from(over);
    assert_eq!(back.connection(), info(1));
    slot.set_gone();
    back.closed().await;
    // The client's address that middleware behind a trusted proxy has left is not lost on the way.
    back.extensions_mut().insert(info(2));
    let over = http::Request::try_from(back).expect("a URI");
    assert_eq!(over.extensions().get(), Some(&info(2)));
    assert_eq!(Request::from(over).connection(), info(1));
}
