//! HTTP/1.1 over a real socket, in the order of RFC 9112: what a client sends, and what it must see.
//!
//! The server is the whole of it: listener, permits, driver, router. Each test has one of its own.

#[path = "protocol/s02_message.rs"]
mod s02_message;
#[path = "protocol/s03_request_line.rs"]
mod s03_request_line;
#[path = "protocol/s04_s05_response_and_fields.rs"]
mod s04_s05_response_and_fields;
#[path = "protocol/s06_s08_content.rs"]
mod s06_s08_content;
#[path = "protocol/s09_connection.rs"]
mod s09_connection;
#[path = "protocol/s10_semantics.rs"]
mod s10_semantics;
#[path = "protocol/s11_limits_and_failures.rs"]
mod s11_limits_and_failures;
#[path = "protocol/s12_listeners.rs"]
mod s12_listeners;
#[path = "protocol/s13_process.rs"]
mod s13_process;
#[path = "support/socket.rs"]
mod socket;
#[path = "support/tapped.rs"]
mod tapped;

use crate::socket::{Reply, Socket};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::service::body::Body;
use wireline::service::error::Error;
use wireline::service::headers::Headers;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::service::upgrade::Upgraded;
use wireline::test::TestServer;

/// A server with the routes below.
struct Served {
    server: TestServer,
    seen: Arc<Seen>,
}

/// What a client cannot see.
#[derive(Default)]
struct Seen {
    /// Handlers of `/canary`, which no refused message may reach.
    canaries: AtomicUsize,
    /// Handlers of `/park` that began, and that ended, whether they were done or not.
    parked: AtomicUsize,
    unparked: AtomicUsize,
    /// Handlers of `/late` and `/until-told` that wait for [`tell`](Self::tell), altogether.
    waiting: AtomicUsize,
    tell: tokio::sync::Notify,
}

impl Seen {
    /// Waits for [`tell`](Self::tell).
    async fn told(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.tell.notified().await;
    }

    /// Lets one handler that waits, or the next one that does, go on.
    fn tell(&self) {
        self.tell.notify_one();
    }
}

fn serve() -> Served {
    serve_with(|server| server)
}

fn serve_with(change: impl FnOnce(Server) -> Server) -> Served {
    let seen = Arc::new(Seen::default());
    let server = TestServer::start(change(Server::new(routes(seen.clone()))));
    Served { server, seen }
}

impl Served {
    fn connect(&self) -> Socket {
        Socket::connect(self.server.addr())
    }

    fn count(&self, counter: Counter) -> u64 {
        self.server.handle().metrics().get(counter)
    }

    /// Sends octets that must be refused: one error response, nothing after it is interpreted, the connection closes.
    #[track_caller]
    fn refuses(&self, octets: impl AsRef<[u8]>, status: u16) -> Reply {
        let canary = b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut socket = self.connect();
        let reply = socket.send([octets.as_ref(), canary].concat()).reply();
        let shown = String::from_utf8_lossy(octets.as_ref()).into_owned();
        assert_eq!(reply.status, status, "{shown:?}: {}", reply.head);
        assert_eq!(reply.field("connection"), Some("close"), "{shown:?}");
        socket.assert_end();
        assert_eq!(
            self.seen.canaries.load(Ordering::SeqCst),
            0,
            "{shown:?} let a canary through"
        );
        reply
    }
}

fn routes(seen: Arc<Seen>) -> Routes {
    let limited = Router::new()
        .max_body(8 * 1024)
        .post("/api", async |mut request: Request| request.collect().await);
    let large = Router::new()
        .max_body(50 * 1024 * 1024)
        .post("/upload", length);
    Router::new()
        .state(seen)
        .get("/", async || "hello")
        .get("/numbers/{number}", async |request: Request| {
            request.param("number").unwrap_or_default().into_owned()
        })
        .get("/canary", canary)
        .get("/target", async |request: Request| {
            format!("{} {}", request.uri(), request.host().unwrap_or("-"))
        })
        .get("/fields", fields)
        .get("/version", async |request: Request| {
            format!("{:?}", request.version())
        })
        .get("/stream", async || Response::new(stream()))
        .get("/cookies", async || {
            Response::ok().set_cookie("a=1").set_cookie("b=2")
        })
        .get("/own-date", async || {
            Response::text("")
                .with_header("date", "never")
                .with_header("server", "mine")
        })
        .get("/close", async || {
            Response::text("last").with_header("connection", "close")
        })
        .get("/framing", async || {
            Response::text("five!")
                .with_header("content-length", "7")
                .with_header("transfer-encoding", "chunked")
        })
        .get("/hop", async || {
            Response::text("hop")
                .with_header("connection", "x-hop, cache-control")
                .with_header("keep-alive", "timeout=5")
                .with_header("proxy-connection", "close")
                .with_header("upgrade", "h3")
                .with_header("x-end", "2")
        })
        .get("/short", async || {
            Response::new(Body::from_chunks(std::iter::once("abc".into())))
                .with_header("content-length", "5")
        })
        .get("/long", async || {
            let pieces = ["abc", "def"].map(Into::into);
            Response::new(Body::from_chunks(pieces.into_iter())).with_header("content-length", "5")
        })
        .get("/trailers", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send("content".into()).await;
                let mut trailers = Headers::new();
                for name in NO_TRAILERS {
                    trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
                }
                trailers.append(
                    HeaderName::from_static("x-sum"),
                    HeaderValue::from_static("7"),
                );
                sender.finish_with(trailers);
            });
            Response::new(body)
        })
        .get("/split", async || {
            Response::text("never").with_header("x", "a\r\nset-cookie: stolen")
        })
        .get("/status/{code}", status)
        .get("/slow/{polls}", slow)
        .get("/until-closed", until_closed)
        .get("/until-told", until_told)
        .get("/park", park)
        .get("/panic", async || -> &'static str {
            panic!("for the test")
        })
        .get("/late-panic", async || -> &'static str {
            tokio::task::yield_now().await;
            panic!("for the test")
        })
        .get("/upgrade-required", async || {
            Response::text("echo is spoken here")
                .with_status(http::StatusCode::UPGRADE_REQUIRED)
                .with_header("upgrade", "echo")
        })
        .get("/upgrade", async || {
            Response::upgrade("echo", echo_protocol)
        })
        .post("/upgrade", async |mut request: Request| {
            request.collect().await?;
            Ok::<_, Error>(Response::upgrade("echo", echo_protocol))
        })
        .get("/upgrade/version", async || {
            Response::upgrade("echo/2", echo_protocol)
        })
        .get("/upgrade/layers", async || {
            Response::upgrade("tls, echo", echo_protocol)
        })
        .get("/upgrade/unnamed", async || {
            let mut response = Response::upgrade("echo", echo_protocol);
            response.headers_mut().remove("upgrade");
            response
        })
        .post("/echo", async |mut request: Request| {
            request.collect().await
        })
        .post("/pipe", async |mut request: Request| {
            Response::new(request.take_body())
        })
        .post("/trailers", trailers)
        .post("/length", length)
        .post("/ignore", async || "ignored")
        .post("/late", late)
        .fallback(async |request: Request| {
            if *request.method() == http::Method::CONNECT {
                return Response::upgrade("tunnel", echo_protocol);
            }
            Response::text("nothing here").with_status(http::StatusCode::NOT_FOUND)
        })
        .merge(limited)
        .merge(large)
        .build()
        .unwrap()
}

/// What frames, routes or authorizes has no place in a trailer section (RFC 9110 §6.5.1).
const NO_TRAILERS: [&str; 6] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "trailer",
    "transfer-encoding",
];

async fn canary(
    wireline::extract::State(seen): wireline::extract::State<Arc<Seen>>,
) -> &'static str {
    seen.canaries.fetch_add(1, Ordering::SeqCst);
    "a canary sang"
}

async fn park(wireline::extract::State(seen): wireline::extract::State<Arc<Seen>>) -> &'static str {
    struct Parked(Arc<Seen>);
    impl Drop for Parked {
        fn drop(&mut self) {
            self.0.unparked.fetch_add(1, Ordering::SeqCst);
        }
    }
    seen.parked.fetch_add(1, Ordering::SeqCst);
    let _parked = Parked(seen);
    std::future::pending().await
}

async fn fields(request: Request) -> String {
    let line = |(name, value): (&str, wireline::service::headers::FieldValue<'_>)| {
        format!("{name}={}|", String::from_utf8_lossy(value.as_bytes()))
    };
    request.headers().iter().map(line).collect()
}

async fn status(request: Request) -> Response {
    let code = request.param("code").unwrap_or_default();
    let status = http::StatusCode::from_bytes(code.as_bytes()).unwrap_or_default();
    Response::text("content").with_status(status)
}

/// Is polled so many times before it answers.
async fn slow(request: Request) -> &'static str {
    let polls = request.param("polls").unwrap_or_default();
    let polls = polls
        .bytes()
        .fold(0, |polls, digit| polls * 10 + u64::from(digit - b'0'));
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
    "slow"
}

/// Answers when the client has closed its side.
async fn until_closed(request: Request) -> &'static str {
    request.closed().await;
    "slow"
}

/// Answers when the test says so.
async fn until_told(
    wireline::extract::State(seen): wireline::extract::State<Arc<Seen>>,
) -> &'static str {
    seen.told().await;
    "slow"
}

async fn trailers(mut request: Request) -> Result<String, Error> {
    let (content, trailers) = request.take_body().collect_with_trailers().await?;
    let sum = trailers
        .as_ref()
        .and_then(|all| all.get("x-sum"))
        .map(|sum| sum.as_bytes().to_vec());
    Ok(format!(
        "{} {}",
        content.len(),
        String::from_utf8(sum.unwrap_or_default()).unwrap_or_default()
    ))
}

/// Takes the content as it comes and answers how much it was.
async fn length(mut request: Request) -> Result<String, Error> {
    let mut length = request.body().as_bytes().map_or(0, <[u8]>::len);
    if let Some(mut stream) = request.body_stream() {
        while let Some(chunk) = stream.recv().await {
            length += chunk?.len();
        }
    }
    Ok(length.to_string())
}

/// Reads its content when the test says so.
async fn late(
    wireline::extract::State(seen): wireline::extract::State<Arc<Seen>>,
    mut request: Request,
) -> Result<String, Error> {
    seen.told().await;
    Ok(request.collect().await?.len().to_string())
}

fn stream() -> Body {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        for piece in ["one ", "two ", "three"] {
            if sender.send(piece.into()).await.is_err() {
                return;
            }
        }
    });
    body
}

/// Greets, then gives everything back until the client ends its side.
async fn echo_protocol(mut upgraded: Upgraded) {
    let echo = async {
        upgraded.write_all(b"welcome ").await?;
        let mut buf = [0; 256];
        loop {
            match upgraded.read(&mut buf).await? {
                0 => return upgraded.shutdown().await,
                len => upgraded.write_all(&buf[..len]).await?,
            }
        }
    };
    let _: std::io::Result<()> = echo.await;
}

/// Waits until something is so that no client can wait for.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test on real sockets has the real clock"
    )]
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < socket::PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
