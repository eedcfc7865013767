//! How handlers get a request's content (SPEC S10, S29 to S35): what is read before, what is streamed, and how much waits meanwhile.
#![cfg(feature = "json")]

#[path = "support/talk.rs"]
mod talk;
#[path = "support/tapped.rs"]
mod tapped;

use crate::talk::{pass, response, send};
use crate::tapped::{Call, Tapped};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use tokio::sync::Notify;
use wireline::http1::driver::config::Config;
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::router::{Router, Routes};
use wireline::service::body::{Body, BodySender};
use wireline::service::error::{Error, Result};
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestClient;

const KIB: usize = 1024;

fn routes() -> Routes {
    Router::new()
        .post("/kind", kind)
        .post("/collect", async |mut request: Request| {
            request.collect().await.map(|content| content.to_vec())
        })
        .post("/str", async |mut request: Request| -> Result<String> {
            let text = request.body_str().await?.to_uppercase();
            // It is still there afterwards.
            Ok(format!("{text} {}", request.collect().await?.len()))
        })
        .post("/json", json)
        .post("/strict", strict)
        .build()
        .unwrap()
}

/// Says whether the content was here when the handler began, and how much came how.
async fn kind(mut request: Request) -> Result<String> {
    let here = request.body().as_bytes().map(<[u8]>::len);
    match (request.body_stream(), here) {
        (None, Some(len)) => {
            // What is here stays in the request.
            assert_eq!(request.collect().await?.len(), len);
            Ok(format!("here {len}"))
        }
        (Some(mut stream), None) => {
            let mut len = 0;
            while let Some(chunk) = stream.recv().await {
                let chunk = chunk?;
                assert!(!chunk.is_empty());
                len += chunk.len();
            }
            assert!(stream.recv().await.is_none(), "the end stays the end");
            Ok(format!("streamed {len}"))
        }
        other => panic!("both or neither: {other:?}"),
    }
}

#[derive(Deserialize)]
struct Point {
    x: i32,
}

async fn json(mut request: Request) -> Result<String> {
    let point: Point = request.body_json().await?;
    Ok(point.x.to_string())
}

/// `?` on an error of serde_json itself.
async fn strict(mut request: Request) -> Result<String> {
    let content = request.collect().await?;
    let point: Point = serde_json::from_slice(&content)?;
    Ok(point.x.to_string())
}

fn chunked(content: Vec<u8>) -> Body {
    Body::from_chunks(
        content
            .chunks(10_000)
            .map(|chunk| chunk.to_vec().into())
            .collect::<Vec<_>>()
            .into_iter(),
    )
}

#[tokio::test]
async fn s30_s32_content_beyond_the_threshold_is_streamed() {
    let client = TestClient::new(routes());
    for (len, expected) in [
        (0, "here 0".to_owned()),
        (1, "here 1".to_owned()),
        (64 * KIB, format!("here {}", 64 * KIB)),
        (64 * KIB + 1, format!("streamed {}", 64 * KIB + 1)),
        (1024 * KIB, format!("streamed {}", 1024 * KIB)),
    ] {
        let reply = client.post("/kind").body(vec![b'x'; len]).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, &*expected));
    }
    for (threshold, len, expected) in [
        (10, 10, "here 10"),
        (10, 11, "streamed 11"),
        (0, 1, "streamed 1"),
    ] {
        let mut config = Config::default();
        config.stream_threshold = threshold;
        let client = TestClient::with_config(routes(), config);
        let reply = client.post("/kind").body(vec![b'x'; len]).await;
        assert_eq!(reply.text(), expected);
    }
}

#[tokio::test]
async fn s31_collect_gives_everything_however_it_comes() {
    let client = TestClient::new(routes());
    for len in [0, 1, 64 * KIB, 64 * KIB + 1, 3 * 1024 * KIB] {
        let content: Vec<u8> = (0..len).map(|place| (place % 251) as u8).collect();
        for body in [Body::from(content.clone()), chunked(content.clone())] {
            let reply = client.post("/collect").body(body).await;
            assert!(reply.status == 200 && *reply.bytes() == content, "{len}");
        }
    }
}

#[tokio::test]
async fn s33_text_is_utf_8_or_400() {
    let client = TestClient::new(routes());
    for body in [Body::from("grüße"), chunked("grüße".into())] {
        assert_eq!(client.post("/str").body(body).await.text(), "GRÜSSE 7");
    }
    for octets in [&b"\xff"[..], b"abc\xc3", b"\xed\xa0\x80"] {
        let reply = client.post("/str").body(octets.to_vec()).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (400, "the content is not UTF-8")
        );
    }
}

#[tokio::test]
async fn s34_s35_json_or_400() {
    let client = TestClient::new(routes());
    for path in ["/json", "/strict"] {
        let large = format!(r#"{{"x":7,"filler":"{}"}}"#, "x".repeat(100_000));
        for body in [Body::from(r#"{"x":7}"#), chunked(large.into())] {
            let reply = client.post(path).body(body).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (200, "7"), "{path}");
        }
        for wrong in [
            "",
            "{",
            r#"{"x":"seven"}"#,
            r#"{"x":7}}"#,
            r#"{"x":99999999999}"#,
        ] {
            let reply = client.post(path).body(wrong).await;
            assert_eq!(reply.status, 400, "{path} {wrong}");
            assert!(
                reply.text().starts_with("invalid JSON: "),
                "{}",
                reply.text()
            );
        }
    }
    assert_eq!(
        Error::from(serde_json::from_str::<Point>("").err().unwrap()).status(),
        400
    );
}

/// Between a client and a handler that does not take stands a bounded channel, not a buffer for everything.
#[tokio::test(start_paused = true)]
async fn s29_a_handler_that_does_not_take_stops_its_client() {
    async fn take(mut request: Request, go: Arc<Notify>) -> Result<String> {
        let Some(mut stream) = request.body_stream() else {
            let message = "it was not streamed";
            return Err(Error::new(http::StatusCode::CONFLICT, message));
        };
        let mut len = 0;
        while let Some(chunk) = stream.recv().await {
            if len == 0 {
                go.notified().await;
            }
            len += chunk?.len();
        }
        Ok(len.to_string())
    }
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let routes = Router::new()
        .post("/", move |request: Request| take(request, waits.clone()))
        .build();
    let client = TestClient::new(routes.unwrap());
    const LEN: usize = 8 * 1024 * KIB;
    let (mut io, server) = memory::pair(2 * LEN);
    drop(client.serve(Io::Dyn(Box::new(server))));
    send(
        &mut io,
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n"),
    )
    .await;
    send(&mut io, vec![b'x'; LEN]).await;
    pass(10.0).await;
    assert!(
        client.buffered() <= 256 * KIB,
        "{} octets wait",
        client.buffered()
    );
    let unread = io.unread_by_peer();
    assert!(
        unread >= LEN - 256 * KIB,
        "{} octets were read",
        LEN - unread
    );
    go.notify_one();
    assert!(response(&mut io).await.ends_with(&format!("\r\n\r\n{LEN}")));
}

/// The other way: a handler that sends to a client that does not take is held up after a few pieces.
#[tokio::test(start_paused = true)]
async fn s29_a_client_that_does_not_take_stops_its_handler() {
    async fn fill(mut sender: BodySender, sent: Arc<AtomicUsize>) {
        for _ in 0..PIECES {
            if sender.send(vec![b'x'; PIECE].into()).await.is_err() {
                return;
            }
            sent.fetch_add(PIECE, Ordering::SeqCst);
        }
    }
    const PIECE: usize = 16 * KIB;
    const PIECES: usize = 200;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let handler = move || {
        let (sender, body) = Body::channel();
        tokio::spawn(fill(sender, counted.clone()));
        std::future::ready(Response::new(body))
    };
    let routes = Router::new().get("/", handler).build();
    let client = TestClient::new(routes.unwrap());
    let mut io = client.connect();
    send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pass(10.0).await;
    let waiting = sent.load(Ordering::SeqCst);
    assert!((PIECE..=512 * KIB).contains(&waiting), "{waiting}");
    let all = talk::until(&mut io, "\r\n0\r\n\r\n").await;
    assert!(all.len() > PIECES * PIECE, "{}", all.len());
    assert_eq!(sent.load(Ordering::SeqCst), PIECES * PIECE);
}

/// S10: what one connection borrows to read content that comes fast.
#[tokio::test]
async fn s10_the_read_buffer_grows_to_its_limit_and_no_further() {
    for (limit, expected) in [
        (None, 40 * KIB),
        (Some(100 * KIB), 100 * KIB),
        (Some(20 * KIB), 20 * KIB),
    ] {
        let mut config = Config::default();
        if let Some(limit) = limit {
            config.read_buffer = limit;
        }
        let client = TestClient::with_config(routes(), config);
        const LEN: usize = 4 * 1024 * KIB;
        let (mut io, inner) = memory::pair(2 * LEN);
        let widest = Arc::new(AtomicUsize::new(0));
        let largest = widest.clone();
        let measured = Tapped {
            inner,
            tap: move |_: &mut Context<'_>, call| {
                if let Call::Read(capacity) = call {
                    largest.fetch_max(capacity, Ordering::SeqCst);
                }
            },
        };
        send(
            &mut io,
            format!("POST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n"),
        )
        .await;
        send(&mut io, vec![b'x'; LEN]).await;
        drop(client.serve(Io::Dyn(Box::new(measured))));
        assert!(
            response(&mut io)
                .await
                .ends_with(&format!("streamed {LEN}"))
        );
        let widest = widest.load(Ordering::SeqCst);
        assert!(
            (expected * 9 / 10..=expected).contains(&widest),
            "{widest} of {expected}"
        );
    }
}

/// Content that was read ahead, in more pieces than one, reaches its handler whole.
#[tokio::test(start_paused = true)]
async fn content_that_was_read_ahead_is_whole() {
    const LEN: usize = 3 * 1024 * KIB;
    let mut config = Config::default();
    config.stream_threshold = 4 * 1024 * KIB as u64;
    config.read_ahead = 4 * 1024 * KIB;
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let wait = move || {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            "waited"
        }
    };
    let router = Router::new().get("/wait", wait).post("/kind", kind);
    let client = TestClient::with_config(router.build().unwrap(), config);
    let (mut io, server) = memory::pair(2 * LEN);
    drop(client.serve(Io::Dyn(Box::new(server))));
    let heads = format!(
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\nPOST /kind HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n"
    );
    send(&mut io, heads).await;
    send(&mut io, vec![b'x'; LEN]).await;
    pass(1.0).await;
    go.notify_one();
    assert!(response(&mut io).await.ends_with("waited"));
    assert!(response(&mut io).await.ends_with(&format!("here {LEN}")));
}

/// A client that has made its window small and does not read: what the kernel takes in its place is little, too.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_takes_little_for_a_client_that_does_not() {
    const PIECE: usize = 16 * KIB;
    const PIECES: usize = 1000;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let handler = move || {
        let counted = counted.clone();
        let pieces = (0..PIECES).map(move |_| {
            counted.fetch_add(PIECE, Ordering::SeqCst);
            bytes::Bytes::from_static(&[b'x'; PIECE])
        });
        std::future::ready(Response::new(Body::from_chunks(pieces)))
    };
    let routes = Router::new().get("/", handler).build();
    let server = wireline::test::TestServer::new(routes.unwrap());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut io = socket.connect(server.addr()).await.unwrap();
    send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Until nothing more was taken for half a second.
    let (mut before, mut quiet) = (0, 0);
    while quiet < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = taken.load(Ordering::SeqCst);
        quiet = if now > 0 && now == before {
            quiet + 1
        } else {
            0
        };
        before = now;
    }
    assert!(before <= 1024 * KIB, "{before} octets were taken");
}
