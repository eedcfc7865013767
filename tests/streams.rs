//! Content that comes from readers, streams and iterators: whole, in order, no more of it held than the client takes, over HTTP/1.1
//! and HTTP/2.
#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use futures_core::Stream;
use serde_json::json;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use wireline::service::body::BodyStream;
use wireline::service::json_lines::JsonLines;
use wireline::test::TestClient;
use wireline::{Body, Response, Router};

/// Counts what was taken of it, and knows when it is dropped.
#[derive(Clone, Default)]
struct Watch {
    taken: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// So many octets, then the end or an error.
struct Tap {
    left: usize,
    fails: bool,
    watch: Watch,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 && self.fails {
            return Poll::Ready(Err(io::Error::other("the tap is broken")));
        }
        let len = self.left.min(room.remaining());
        room.put_slice(&b"x".repeat(len));
        self.left -= len;
        self.watch.taken.fetch_add(len, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl Stream for Tap {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(
                self.fails
                    .then(|| Err(io::Error::other("the tap is broken"))),
            );
        }
        let len = self.left.min(10_000);
        self.left -= len;
        self.watch.taken.fetch_add(len, Ordering::Relaxed);
        Poll::Ready(Some(Ok(b"x".repeat(len).into())))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.watch.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn router(watch: &Watch, left: usize, fails: bool) -> Router {
    let tap = |watch: &Watch| {
        let watch = watch.clone();
        move || Tap {
            left,
            fails,
            watch: watch.clone(),
        }
    };
    let (reader, sized, stream) = (tap(watch), tap(watch), tap(watch));
    Router::new()
        .get("/reader", move || ready(Body::from_reader(reader())))
        .get("/sized", move || {
            ready(Body::from_reader_of(sized(), 300_000))
        })
        .get("/stream", move || ready(Body::from_stream(stream())))
        .post("/echo", async |chunks: BodyStream| {
            Response::new(Body::from_stream(chunks))
        })
}

#[tokio::test(start_paused = true)]
async fn readers_and_streams_are_sent_whole() {
    for len in [0, 1, 16_383, 16_385, 300_000] {
        let watch = Watch::default();
        let client = TestClient::new(router(&watch, len, false).build().unwrap());
        let sender = h2_peer::connect(&client).await;
        for path in ["/reader", "/stream"] {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.bytes().len()),
                (200, len),
                "{path}"
            );
            assert_eq!(answer.header("content-length"), None);
            let asked = h2_peer::to("GET", path).body(Bytes::new()).unwrap();
            let reply = h2_peer::ask(&sender, asked).await.unwrap();
            assert_eq!(reply.content.len(), len);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(watch.dropped.load(Ordering::Relaxed), 4);
    }
    // A length that is known is said, and kept.
    for (len, whole) in [
        (300_000, true),
        (300_001, true),
        (299_999, false),
        (1, false),
    ] {
        let client = TestClient::new(router(&Watch::default(), len, false).build().unwrap());
        let answer = client.get("/sized").send().await;
        let sent = answer.ok().map(|answer| {
            assert_eq!(answer.header("content-length"), Some("300000"));
            answer.bytes().len()
        });
        assert_eq!(sent, whole.then_some(300_000), "{len}");
    }
    let client = TestClient::new(router(&Watch::default(), 0, false).build().unwrap());
    let echoed = client.post("/echo").body("x".repeat(200_000)).await;
    assert_eq!(echoed.bytes().len(), 200_000);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_cut_short() {
    for len in [1, 100_000] {
        let client = TestClient::new(router(&Watch::default(), len, true).build().unwrap());
        let sender = h2_peer::connect(&client).await;
        for path in ["/reader", "/sized", "/stream"] {
            assert!(client.get(path).send().await.is_err(), "{path}");
            let asked = h2_peer::to("GET", path).body(Bytes::new()).unwrap();
            assert!(h2_peer::ask(&sender, asked).await.is_err(), "{path}");
        }
    }
}

/// A client that reads nothing holds up what it asked for, and ends it when it goes.
#[tokio::test(start_paused = true)]
async fn no_more_is_read_than_the_client_takes() {
    for path in ["/reader", "/stream"] {
        let watch = Watch::default();
        let client = TestClient::new(router(&watch, usize::MAX, false).build().unwrap());
        let mut connection = client.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let taken = watch.taken.load(Ordering::Relaxed);
        assert!((1..1_000_000).contains(&taken), "{path}: {taken}");
        let mut some = vec![0; 100_000];
        connection.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let more = watch.taken.load(Ordering::Relaxed) - taken;
        assert!((1..300_000).contains(&more), "{path}: {more}");
        assert_eq!(watch.dropped.load(Ordering::Relaxed), 0);
        drop(connection);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(watch.dropped.load(Ordering::Relaxed), 1, "{path}");
    }
}

/// The numbers up to three, with a pause before each.
struct Slow(u32, Pin<Box<tokio::time::Sleep>>);

impl Stream for Slow {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        std::task::ready!(self.1.as_mut().poll(cx));
        let next = tokio::time::Instant::now() + Duration::from_secs(1);
        self.1.as_mut().reset(next);
        self.0 += 1;
        Poll::Ready((self.0 <= 3).then_some(self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn json_lines_are_one_value_each() {
    let router = Router::new()
        .get("/lines", async || {
            JsonLines::new((0..3).map(|at| json!({ "at": at, "text": "a\nb" })))
        })
        .get("/many", async || JsonLines::new(0..100_000))
        .get("/none", async || JsonLines::new(Vec::<u8>::new()))
        .get("/slow", async || {
            let first = tokio::time::sleep(Duration::from_secs(1));
            JsonLines::from_stream(Slow(0, Box::pin(first)))
        })
        .get("/failing", async || {
            JsonLines::new(vec![std::collections::HashMap::from([((1, 2), 3)])])
        });
    let client = TestClient::new(router.build().unwrap());
    let lines = client.get("/lines").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let expected = "{\"at\":0,\"text\":\"a\\nb\"}\n{\"at\":1,\"text\":\"a\\nb\"}\n{\"at\":2,\"text\":\"a\\nb\"}\n";
    assert_eq!(lines.text(), expected);
    let many = client.get("/many").await;
    let numbers = (0..100_000).map(|number: u32| number.to_string());
    assert!(many.text().lines().eq(numbers));
    assert_eq!(client.get("/none").await.text(), "");
    if let Ok(failed) = client.get("/failing").send().await {
        assert_eq!(failed.status, 500);
    }
    // Each goes out when it is there.
    let mut connection = client.connect();
    connection
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let begun = tokio::time::Instant::now();
    let mut seen = Vec::new();
    for number in 1..=3 {
        while !seen.ends_with(format!("\r\n2\r\n{number}\n\r\n").as_bytes()) {
            assert!(connection.read_buf(&mut seen).await.unwrap() > 0);
        }
        assert_eq!(begun.elapsed().as_secs(), number);
    }
}
