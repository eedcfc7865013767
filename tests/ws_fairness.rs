//! A socket's turn ends after so much work, whatever its peer sends or its handler does, so that others get theirs.

#![expect(
    clippy::disallowed_methods,
    reason = "over TCP it is the real clock that counts"
)]

#[path = "support/socket.rs"]
mod socket;
#[path = "support/tireless.rs"]
mod tireless;

use crate::socket::Socket;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wireline::router::Routes;
use wireline::test::{TestClient, TestServer};
use wireline::ws::message::Message;
use wireline::ws::socket::config::{Config, Overflow};
use wireline::ws::socket::{SocketError, WebSocket};
use wireline::{Router, Server};

fn routes() -> Routes {
    let policy = |overflow| {
        move |upgrade: wireline::ws::route::WebSocketUpgrade| {
            upgrade.config(Config {
                overflow,
                ..Config::default()
            })
        }
    };
    Router::new()
        .websocket(
            "/recv",
            async |mut socket: WebSocket| {
                while socket.recv_msg().await.is_some() {}
            },
        )
        .websocket("/echo", async |mut socket: WebSocket| {
            while let Some(message) = socket.recv_msg().await {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .websocket("/each", async |mut socket: WebSocket| {
            let _ = socket.each(|_, _| ControlFlow::Continue(())).await;
        })
        .websocket("/lent", async |mut socket: WebSocket| {
            while let Some(Ok(())) = socket.recv_each(|_, _| ControlFlow::Continue(())).await {}
        })
        .websocket("/deaf", async |socket: WebSocket| {
            let (sender, receiver) = socket.split();
            drop(receiver);
            sender.draining().await;
        })
        .websocket("/elsewhere", async |mut socket: WebSocket| {
            tokio::spawn(async move { while socket.recv_msg().await.is_some() {} });
        })
        .websocket_with("/floods", policy(Overflow::Wait), floods)
        .websocket_with("/floods/newest", policy(Overflow::DropNewest), floods)
        .websocket_with("/floods/oldest", policy(Overflow::DropOldest), floods)
        .websocket("/pings", async |socket: WebSocket| {
            repeat(&socket, &Message::Ping("x".into())).await
        })
        .websocket(
            "/parts",
            async |socket: WebSocket| -> Result<(), SocketError> {
                let mut parts = socket.send_parts(false).await?;
                for _ in 0..MANY {
                    parts.send([b'x'; 100]).await?;
                }
                parts.finish().await
            },
        )
        .get("/", async || "hello")
        .build()
        .unwrap()
}

async fn floods(socket: WebSocket) -> Result<(), SocketError> {
    repeat(&socket, &Message::from(vec![b'x'; 100])).await
}

async fn repeat(socket: &WebSocket, message: &Message) -> Result<(), SocketError> {
    for _ in 0..MANY {
        socket.send(message.clone()).await?;
    }
    Ok(())
}

/// So often that it does not end within a test, and that a test which fails ends.
const MANY: u32 = 300_000;

/// The request that opens a socket.
fn request(path: &str) -> &'static [u8] {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    request.leak().as_bytes()
}

#[tokio::test]
async fn a_turn_of_a_socket_is_bounded() {
    const TINY: &[u8] = b"\x82\x81\0\0\0\0x";
    const PARTS: &[u8] = b"\x02\x81\0\0\0\0x\x80\x81\0\0\0\0x";
    for (path, again) in [
        ("/recv", TINY),
        ("/recv", PARTS),
        ("/echo", TINY),
        ("/each", TINY),
        ("/lent", TINY),
        ("/deaf", TINY),
        ("/elsewhere", TINY),
        ("/floods", b""),
        ("/floods/newest", b""),
        ("/floods/oldest", b""),
        ("/pings", b""),
        ("/parts", b""),
    ] {
        let client = TestClient::new(routes());
        // Whoever waits for room is woken by the write that makes some, and has a turn of his own.
        let turns = tireless::turns(&client, request(path), again, path != "/parts").await;
        assert!(
            turns.iter().all(|moved| *moved <= 600_000),
            "{path}: {turns:?}"
        );
        assert!(
            turns.iter().filter(|moved| **moved > 0).count() > 1,
            "{path}: {turns:?}"
        );
    }
}

/// What a handler sends that does not wait for room is bounded as well: a peer that does not read holds it up.
#[tokio::test(start_paused = true)]
async fn pings_without_end_wait_for_a_peer_that_reads() {
    let client = TestClient::new(routes());
    let mut io = client.connect();
    tokio::io::AsyncWriteExt::write_all(&mut io, request("/pings"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let buffered = client.buffered();
    assert!((1..1024 * 1024).contains(&buffered), "{buffered}");
    drop(io);
}

/// Over TCP: while one connection floods, or is flooded, requests on others are answered at once.
#[test]
fn others_are_answered_while_one_floods() {
    let server = TestServer::start(Server::new(routes()).workers(1));
    for path in [
        "/recv",
        "/each",
        "/deaf",
        "/floods",
        "/floods/newest",
        "/floods/oldest",
    ] {
        let mut flood = Socket::connect(server.addr());
        flood.send(request(path));
        assert_eq!(flood.reply().status, 101);
        let reads = path.starts_with("/floods");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let moves = Arc::new(AtomicUsize::new(0));
        let moved = moves.clone();
        let flooding = std::thread::spawn(move || {
            let tiny = b"\x82\x81\0\0\0\0x".repeat(1000);
            while !stopped.load(Ordering::Relaxed) {
                let len = if reads {
                    flood.read_some()
                } else {
                    flood.send(&tiny);
                    tiny.len()
                };
                moved.fetch_add(len, Ordering::Relaxed);
            }
        });
        let begun = Instant::now();
        while moves.load(Ordering::Relaxed) <= 5000 {
            assert!(begun.elapsed() < Duration::from_secs(10), "{path}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            let begun = Instant::now();
            assert_eq!(Socket::connect(server.addr()).get("/").text(), "hello");
            longest = longest.max(begun.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        flooding.join().unwrap();
        assert!(longest < Duration::from_secs(1), "{path}: {longest:?}");
    }
}
