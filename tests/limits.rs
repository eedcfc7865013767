//! Limits of groups: time, load and content, over HTTP/1.1, HTTP/2 and before a WebSocket is opened.

#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use wireline::layer::shed::LoadShed;
use wireline::layer::time_limit::TimeLimit;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::service::body::{Body, BodyError};
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response};

const SECOND: Duration = Duration::from_secs(1);
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Streams five pieces, one a second.
async fn slow_stream() -> Response {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        for _ in 0..5 {
            sleep(SECOND).await;
            if sender.send("piece;".into()).await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}

async fn length(request: Request) -> Result<String, BodyError> {
    let (_, body) = request.into_parts();
    Ok(body.collect().await?.len().to_string())
}

/// Counts those that were made and not dropped.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Arc<AtomicUsize>);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self.0.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped() {
    let alive = Alive::default();
    let inner = alive.clone();
    let routes = Router::new()
        .time_limit(2 * SECOND)
        .get("/slow", move || {
            let one = inner.one();
            async move {
                sleep(60 * SECOND).await;
                drop(one);
            }
        })
        .get("/quick", async || {
            sleep(SECOND).await;
            "in time"
        })
        .post("/length", length)
        .nest(
            "/patient",
            Router::new().time_limit(20 * SECOND).get("/", async || {
                sleep(10 * SECOND).await;
                "late, and in time"
            }),
        )
        .nest(
            "/gateway",
            Router::new()
                .layer(TimeLimit::new(SECOND).status(StatusCode::GATEWAY_TIMEOUT))
                .get("/", async || std::future::pending::<()>().await),
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let sender = h2_peer::connect(&client).await;
    for (path, status, after) in [
        ("/slow", 503, 2),
        ("/quick", 200, 1),
        ("/patient", 200, 10),
        ("/gateway", 504, 1),
        ("/nowhere", 404, 0),
    ] {
        let begun = Instant::now();
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(begun.elapsed(), after * SECOND, "{path}");
        assert_eq!(alive.count(), 0, "{path}");
        let request = h2_peer::to("GET", path).body(Bytes::new()).unwrap();
        let reply = h2_peer::ask(&sender, request).await.unwrap();
        assert_eq!(
            (reply.status, reply.text()),
            (answer.status, answer.text()),
            "{path}"
        );
        assert_eq!(alive.count(), 0, "{path}");
    }
    // A connection goes on behind a 503, and what a handler waits for is part of its time.
    let (mut content, body) = Body::channel();
    let upload = client.post("/length").body(body);
    let begun = Instant::now();
    let feed = async {
        let _ = content.send(Bytes::from(vec![b'x'; 100_000])).await;
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = upload => answer,
        () = feed => unreachable!(),
    };
    assert_eq!((answer.status.as_u16(), begun.elapsed()), (503, 2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn streams_and_sockets_are_not_cut_unless_it_is_asked_for() {
    let cut = TimeLimit::new(3 * SECOND).content(true);
    let routes = Router::new()
        .time_limit(2 * SECOND)
        .get("/stream", slow_stream)
        .websocket("/ws", async |socket: WebSocket| {
            sleep(10 * SECOND).await;
            let _ = socket.send_text("still here").await;
        })
        .nest(
            "/cut",
            Router::new()
                .layer(cut)
                .get("/", slow_stream)
                .get("/whole", async || "whole"),
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    assert_eq!(client.get("/stream").await.text(), "piece;".repeat(5));
    assert_eq!(client.get("/cut/whole").await.text(), "whole");

    let begun = Instant::now();
    assert!(
        client.get("/cut").send().await.is_err(),
        "the end is missing"
    );
    assert_eq!(begun.elapsed(), 3 * SECOND);
    let sender = h2_peer::connect(&client).await;
    let ask = |path| {
        h2_peer::ask(
            &sender,
            h2_peer::to("GET", path).body(Bytes::new()).unwrap(),
        )
    };
    assert_eq!(ask("/stream").await.unwrap().text(), "piece;".repeat(5));
    assert!(ask("/cut").await.unwrap_err().is_reset());

    let mut socket = client.connect();
    let mut head = "GET /ws HTTP/1.1\r\nhost: a\r\n".to_owned();
    for (name, value) in UPGRADE {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket
        .write_all(format!("{head}\r\n").as_bytes())
        .await
        .unwrap();
    let mut received = Vec::new();
    let is_told = |received: &[u8]| received.windows(10).any(|text| text == b"still here");
    while !is_told(&received) {
        assert!(
            socket.read_buf(&mut received).await.unwrap() > 0,
            "{}",
            received.escape_ascii()
        );
    }
    assert_eq!(begun.elapsed().as_secs(), 3 + 5 + 3 + 10);
}

#[test]
fn limits_without_sense_are_refused_at_start_up() {
    let build = |router: Router| router.get("/", async || ()).build().map(drop);
    for (router, what) in [
        (Router::new().time_limit(Duration::ZERO), "no time at all"),
        (
            Router::new().layer(TimeLimit::new(SECOND).status(StatusCode::OK)),
            "200 OK is no error",
        ),
        (
            Router::new().layer(LoadShed::new(0)),
            "no request has a place",
        ),
        (
            Router::new().layer(LoadShed::new(1).queue(1, Duration::ZERO)),
            "needs time",
        ),
    ] {
        let wrong = build(router).unwrap_err().to_string();
        assert!(wrong.contains(what), "{wrong}");
    }
    assert!(build(Router::new().time_limit(Duration::MAX)).is_ok());
}

/// Routes behind `shed`: one whose handler waits until it is told to go on.
fn crowded(shed: LoadShed, go: &Arc<Notify>) -> Routes {
    let go = go.clone();
    Router::new()
        .layer(shed.exempt(|request| request.path() == "/health"))
        .get("/", move || {
            let go = go.clone();
            async move {
                go.notified().await;
                "done"
            }
        })
        .get("/quick", async || "quick")
        .get("/health", async || "well")
        .get("/stream", slow_stream)
        .get("/broken", async || -> &'static str {
            panic!("for the test")
        })
        .websocket(
            "/ws",
            async |mut socket: WebSocket| while socket.recv_msg().await.is_some() {},
        )
        .build()
        .unwrap()
}

/// Lets everything that can happen now happen.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn r38_who_has_no_place_is_told_so_at_once() {
    let go = Arc::new(Notify::new());
    let shed = LoadShed::new(2).retry_after(Duration::from_secs(7));
    let client = Arc::new(TestClient::new(crowded(shed.clone(), &go)));
    let inside: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/").await.status.as_u16() })
        })
        .collect();
    settle().await;
    assert_eq!(shed.in_flight(), 2);
    let begun = Instant::now();
    let refused = client.get("/quick").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("7"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let sender = h2_peer::connect(&client).await;
    let request = h2_peer::to("GET", "/quick").body(Bytes::new()).unwrap();
    assert_eq!(h2_peer::ask(&sender, request).await.unwrap().status, 503);
    let mut upgrade = client.get("/ws");
    for (name, value) in UPGRADE {
        upgrade = upgrade.header(name, value);
    }
    assert_eq!(upgrade.await.status, 503);
    assert_eq!(client.get("/health").await.status, 200, "exempt");
    go.notify_waiters();
    for task in inside {
        assert_eq!(task.await.unwrap(), 200);
    }
    // Whatever a handler comes to, its place is free again; and a socket has none.
    assert_eq!(client.get("/broken").await.status, 500);
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = client.connect();
        let head: String = UPGRADE
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!("GET /ws HTTP/1.1\r\nhost: a\r\n{head}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut received = [0; 12];
        socket.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"HTTP/1.1 101");
        sockets.push(socket);
    }
    assert_eq!(shed.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn r38_who_waits_is_let_in_newest_first_or_told_in_time() {
    let go = Arc::new(Notify::new());
    let shed = LoadShed::new(1).queue(2, SECOND / 2);
    let client = Arc::new(TestClient::new(crowded(shed.clone(), &go)));
    let ask = |path: &'static str| {
        let client = client.clone();
        tokio::spawn(async move {
            let begun = Instant::now();
            let answer = client.get(path).await;
            (answer.status.as_u16(), begun.elapsed())
        })
    };
    let inside = ask("/");
    settle().await;
    let mut queue = Vec::new();
    for _ in 0..3 {
        queue.push(ask("/quick"));
        settle().await;
    }
    assert_eq!((shed.in_flight(), shed.waiting()), (1, 2));
    // The oldest of three has no place among two.
    let mut queue = queue.into_iter();
    assert_eq!(queue.next().unwrap().await.unwrap(), (503, Duration::ZERO));
    go.notify_waiters();
    assert_eq!(inside.await.unwrap().0, 200);
    for waiter in queue {
        assert_eq!(waiter.await.unwrap(), (200, Duration::ZERO));
    }

    let inside = ask("/");
    settle().await;
    assert_eq!(
        ask("/quick").await.unwrap(),
        (503, SECOND / 2),
        "nobody went"
    );
    go.notify_waiters();
    assert_eq!(inside.await.unwrap().0, 200);
    assert_eq!((shed.in_flight(), shed.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn r38_who_goes_away_gives_up_place_and_queue() {
    let go = Arc::new(Notify::new());
    let shed = LoadShed::new(1).queue(4, 60 * SECOND);
    let client = Arc::new(TestClient::new(crowded(shed.clone(), &go)));
    let mut inside = client.connect();
    let mut queued = client.connect();
    for (connection, path) in [(&mut inside, "/"), (&mut queued, "/quick")] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        settle().await;
    }
    assert_eq!((shed.in_flight(), shed.waiting()), (1, 1));
    drop(queued);
    sleep(5 * SECOND).await;
    assert_eq!((shed.in_flight(), shed.waiting()), (1, 0));
    drop(inside);
    sleep(5 * SECOND).await;
    assert_eq!((shed.in_flight(), shed.waiting()), (0, 0));
    assert_eq!(client.count(Counter::HandlersCancelled), 2);
    // The same for streams of HTTP/2 that are reset.
    let mut peer = h2_peer::Peer::open(&client).await;
    peer.get(1, "/").await;
    settle().await;
    peer.get(3, "/quick").await;
    settle().await;
    assert_eq!((shed.in_flight(), shed.waiting()), (1, 1));
    peer.reset(3).await;
    settle().await;
    assert_eq!((shed.in_flight(), shed.waiting()), (1, 0));
    peer.reset(1).await;
    settle().await;
    assert_eq!((shed.in_flight(), shed.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn r38_a_place_is_taken_until_the_content_has_ended() {
    let go = Arc::new(Notify::new());
    let shed = LoadShed::new(1);
    let client = Arc::new(TestClient::new(crowded(shed.clone(), &go)));
    let asked = client.clone();
    let stream = tokio::spawn(async move { asked.get("/stream").await.text().to_owned() });
    sleep(2 * SECOND + SECOND / 2).await;
    assert_eq!(shed.in_flight(), 1);
    assert_eq!(client.get("/quick").await.status, 503);
    assert_eq!(stream.await.unwrap(), "piece;".repeat(5));
    assert_eq!(shed.in_flight(), 0);
    // A client that goes away inside it ends it, too.
    let mut connection = client.connect();
    connection
        .write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    sleep(SECOND + SECOND / 2).await;
    assert_eq!(shed.in_flight(), 1);
    drop(connection);
    sleep(4 * SECOND).await;
    assert_eq!(shed.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn s40_each_group_takes_as_much_content_as_it_says() {
    let routes = Router::new()
        .max_body(10)
        .post("/ten", length)
        .merge(Router::new().max_body(200_000).post("/large", length))
        .nest("/small", Router::new().max_body(3).post("/", length))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let sender = h2_peer::connect(&client).await;
    for (path, most) in [("/ten", 10), ("/large", 200_000), ("/small", 3)] {
        for (octets, status) in [(most, 200), (most + 1, 413)] {
            let content = Bytes::from(vec![b'x'; octets]);
            // With a length, in chunks, in streams with a length and without one.
            let whole = client.post(path).body(content.clone()).await;
            let chunks: Vec<Bytes> = content.chunks(40_000).map(Bytes::copy_from_slice).collect();
            let chunked = client
                .post(path)
                .body(Body::from_chunks(chunks.into_iter()))
                .await;
            let mut streams = Vec::new();
            for with_length in [true, false] {
                let mut request = h2_peer::to("POST", path);
                if with_length {
                    request = request.header("content-length", octets);
                }
                let request = request.body(content.clone()).unwrap();
                streams.push(h2_peer::ask(&sender, request).await.unwrap().status);
            }
            for found in [whole.status, chunked.status, streams[0], streams[1]] {
                assert_eq!(found, status, "{octets} to {path}");
            }
        }
    }
}
