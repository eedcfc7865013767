//! Sockets over the in-memory transport, on a paused clock: what a handler sees, what the peer sees, and when.

#[path = "support/talk.rs"]
mod talk;

use std::future::pending;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talk::{Watch, pass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wireline::extract::{Path, RawQuery};
use wireline::resource::counters::Counter;
use wireline::router::Routes;
use wireline::service::error::Error;
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::ws::connection::Lent;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::config::{Config, Overflow};
use wireline::ws::socket::{Sent, SocketError, WebSocket, WsSender};
use wireline::{Response, Router};

fn routes() -> Routes {
    Router::new()
        .get("/echo", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |mut socket| {
                while let Some(Ok(message)) = socket.recv().await {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).await.expect("it is open");
                    }
                }
            })
        })
        .get("/lent", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |mut socket| {
                let echo =
                    |message: Lent<'_>, replies: &mut wireline::ws::connection::Replies<'_>| {
                        if let Lent::Text(text) = message {
                            replies.text(text).expect("it is open");
                        }
                        ControlFlow::Continue(())
                    };
                while let Some(Ok(())) = socket.recv_each(echo).await {}
            })
        })
        .websocket("/each", async |mut socket: WebSocket| {
            let ended = socket
                .each(|message, replies| {
                    if let Lent::Text(text) = message {
                        replies.text(text).expect("it is open");
                    }
                    ControlFlow::Continue(())
                })
                .await;
            assert!(ended.is_ok());
        })
        .websocket("/each-panics", async |mut socket: WebSocket| {
            let _ = socket.each(|_, _| panic!("a fault of the handler")).await;
        })
        .get("/swells", async |upgrade: WebSocketUpgrade| -> Response {
            let config = Config {
                queue: 50_000,
                ..Config::default()
            };
            upgrade.config(config).on_upgrade(async |mut socket| {
                socket
                    .each(|message, replies| {
                        if let Lent::Binary(_) = message {
                            replies.binary(&[b'x'; 1000]).expect("it is open");
                        }
                        ControlFlow::Continue(())
                    })
                    .await
                    .expect("the peer closes");
            })
        })
        .get("/reads", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |mut socket| while socket.recv_msg().await.is_some() {})
        })
        .get("/returns", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |_socket| ())
        })
        .get("/fails", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |_socket| {
                Err::<(), _>(Error::new(http::StatusCode::BAD_GATEWAY, "secret"))
            })
        })
        .get("/refuses", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |_socket| {
                Err::<(), _>(Error::new(http::StatusCode::FORBIDDEN, "members only"))
            })
        })
        .get("/panics", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |mut socket| {
                let message = socket.recv().await;
                assert!(message.is_none(), "a fault of the handler");
            })
        })
        .get("/moves", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |mut socket| {
                tokio::spawn(async move {
                    while let Some(Ok(message)) = socket.recv().await {
                        let _ = socket.send(message).await;
                    }
                });
            })
        })
        .websocket("/lends-its-ear", async |socket: WebSocket| {
            let (_sender, mut receiver) = socket.split();
            tokio::spawn(async move {
                let last = receiver.recv().await;
                assert!(matches!(last, Some(Ok(_))));
                // It is not asked again, and not given up.
                pending::<()>().await;
                drop(receiver);
            });
            pending::<()>().await;
        })
        .get("/pushes", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |socket| {
                let (sender, mut receiver) = socket.split();
                for name in ["a", "b"] {
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        for _ in 0..2 {
                            pass(1.0).await;
                            sender.send(name).await.expect("it is open");
                        }
                    });
                }
                while let Some(Ok(_)) = receiver.recv().await {}
            })
        })
        .websocket("/keeps", async |mut socket: WebSocket| {
            *KEPT.lock().unwrap() = Some(socket.sender());
            while socket.recv().await.is_some() {}
        })
        .get("/floods/{policy}", floods)
        .websocket(
            "/greet/{name}",
            async |socket: WebSocket, Path(name): Path<String>, query: RawQuery| {
                let query = query.0.unwrap_or_default();
                socket
                    .send(format!("{name} {query}"))
                    .await
                    .expect("it is open");
                CloseCode::AWAY
            },
        )
        .build()
        .expect("good routes")
}

/// What the handler of `/keeps` keeps beyond its end.
static KEPT: Mutex<Option<WsSender>> = Mutex::new(None);

/// Sends a hundred messages of 10,000 octets to a queue of 200,000, and says what became of the last.
async fn floods(Path(policy): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    let overflow = match policy.as_str() {
        "newest" => Overflow::DropNewest,
        "oldest" => Overflow::DropOldest,
        "close" => Overflow::Close,
        _ => Overflow::Wait,
    };
    let config = Config {
        queue: 200_000,
        overflow,
        ..Config::default()
    };
    upgrade.config(config).on_upgrade(async move |mut socket| {
        let sender = socket.sender();
        let mut last = Ok(Sent::Queued);
        for number in 0..100u8 {
            last = sender.try_send(vec![number; 10_000]);
        }
        match overflow {
            Overflow::Wait => assert!(matches!(last, Err(SocketError::Full))),
            Overflow::DropNewest => assert!(matches!(last, Ok(Sent::Dropped))),
            Overflow::DropOldest => {
                assert!(matches!(last, Ok(Sent::Queued)) && sender.dropped() > 0)
            }
            Overflow::Close => assert!(matches!(last, Err(SocketError::Closed))),
        }
        assert!(sender.buffered_amount() <= 210_000);
        while socket.recv().await.is_some() {}
    })
}

/// A connection to `path` on which 101 has come.
async fn open(
    client: &TestClient,
    path: &str,
) -> impl AsyncReadExt + AsyncWriteExt + Unpin + use<> {
    let mut io = client.connect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    io
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0][..], payload].concat()
}

async fn expect(io: &mut (impl AsyncReadExt + Unpin), octets: &[u8]) {
    let mut found = vec![0; octets.len()];
    io.read_exact(&mut found).await.unwrap();
    assert_eq!(
        found.escape_ascii().to_string(),
        octets.escape_ascii().to_string()
    );
}

async fn expect_end(io: &mut (impl AsyncReadExt + Unpin)) {
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.escape_ascii().to_string(), "");
}

fn assert_nothing_left(client: &TestClient) {
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_comes_back_and_a_close_is_echoed() {
    for path in ["/echo", "/lent", "/each"] {
        let client = TestClient::new(routes());
        let mut io = open(&client, path).await;
        io.write_all(&frame(0x81, b"hello")).await.unwrap();
        expect(&mut io, b"\x81\x05hello").await;
        io.write_all(
            &[
                frame(0x01, b"in "),
                frame(0x89, b"p"),
                frame(0x80, b"parts"),
            ]
            .concat(),
        )
        .await
        .unwrap();
        expect(&mut io, b"\x8a\x01p\x81\x08in parts").await;
        pass(1.0).await;
        assert_eq!(client.buffered(), 0, "an idle socket holds nothing");
        io.write_all(&frame(0x88, b"\x03\xe8bye")).await.unwrap();
        expect(&mut io, b"\x88\x02\x03\xe8").await;
        expect_end(&mut io).await;
        drop(io);
        pass(1.0).await;
        assert_nothing_left(&client);
    }
}

#[tokio::test(start_paused = true)]
async fn the_replies_to_one_read_leave_in_one_write() {
    for path in ["/echo", "/lent", "/each"] {
        let client = TestClient::new(routes());
        let mut io = open(&client, path).await;
        io.write_all(&frame(0x81, b"x").repeat(16)).await.unwrap();
        let mut replies = [0; 1000];
        let len = io.read(&mut replies).await.unwrap();
        assert_eq!(len, 16 * 3, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_only_reads_answers_pings_and_closes() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/reads").await;
    io.write_all(&frame(0x89, b"there?")).await.unwrap();
    expect(&mut io, b"\x8a\x06there?").await;
    io.write_all(&frame(0x88, b"")).await.unwrap();
    expect(&mut io, b"\x88\x00").await;
    expect_end(&mut io).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_gets_a_ping_and_is_gone_without_a_pong() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/echo").await;
    let watch = Watch::start();
    expect(&mut io, b"\x89\x00").await;
    watch.assert(25.0..=26.0);
    io.write_all(&frame(0x8a, b"")).await.unwrap();
    let watch = Watch::start();
    expect(&mut io, b"\x89\x00").await;
    watch.assert(24.5..=26.0);
    let watch = Watch::start();
    expect_end(&mut io).await;
    watch.assert(10.0..=11.0);
    pass(1.0).await;
    assert_eq!(client.count(Counter::WebSocketPingTimeouts), 1);
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_how_its_socket_closes() {
    for (path, code) in [
        ("/returns", CloseCode::NORMAL),
        ("/fails", CloseCode::INTERNAL),
        // The message of an error that is the client's is for the client.
        ("/refuses", CloseCode::POLICY),
        ("/panics", CloseCode::INTERNAL),
        ("/each-panics", CloseCode::INTERNAL),
    ] {
        let client = TestClient::new(routes());
        let mut io = open(&client, path).await;
        if path.ends_with("panics") {
            io.write_all(&frame(0x81, b"x")).await.unwrap();
        }
        let reason = match path {
            "/refuses" => "members only",
            _ => code.default_reason(),
        };
        let reason = reason.as_bytes();
        let head = [0x88, u8::try_from(reason.len() + 2).unwrap()];
        expect(
            &mut io,
            &[&head[..], &code.get().to_be_bytes(), reason].concat(),
        )
        .await;
        io.write_all(&frame(0x88, &code.get().to_be_bytes()))
            .await
            .unwrap();
        expect_end(&mut io).await;
        drop(io);
        pass(1.0).await;
        assert_eq!(
            client.count(Counter::HandlerPanics),
            u64::from(path.ends_with("panics"))
        );
        assert_nothing_left(&client);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_after_five_seconds() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/returns").await;
    expect(&mut io, b"\x88\x10\x03\xe8Normal closure").await;
    let watch = Watch::start();
    expect_end(&mut io).await;
    watch.assert(5.0..=6.0);
    pass(1.0).await;
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_peer_is_told_and_ends_the_connection() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/echo").await;
    io.write_all(b"\x81\x01x").await.unwrap();
    let mut head = [0; 4];
    io.read_exact(&mut head).await.unwrap();
    assert_eq!(
        (head[0], head[2..4].to_vec()),
        (0x88, 1002u16.to_be_bytes().to_vec())
    );
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    pass(1.0).await;
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn a_drain_sends_everybody_away_with_1001() {
    let client = Arc::new(TestClient::new(routes()));
    let mut ios = Vec::new();
    for path in ["/echo", "/lent", "/moves", "/reads"] {
        ios.push(open(&client, path).await);
    }
    pass(1.0).await;
    client.drain();
    let watch = Watch::start();
    for io in &mut ios {
        expect(io, b"\x88\x11\x03\xe9Server shutdown").await;
        io.write_all(&frame(0x88, b"\x03\xe9")).await.unwrap();
        expect_end(io).await;
    }
    watch.assert(0.0..=3.0);
    drop(ios);
    pass(1.0).await;
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn a_drain_takes_the_time_that_is_set_to_close_sockets() {
    let usual = Config::default().drain_spread;
    for (spread, range) in [
        (Duration::ZERO, 0.0..=1.0),
        (usual, 1.5..=2.75),
        (Duration::from_secs(5), 4.5..=5.75),
    ] {
        let config = Config {
            drain_spread: spread,
            ..Config::default()
        };
        let routes = Router::new()
            .get("/", move |upgrade: WebSocketUpgrade| {
                let upgrade = upgrade.config(config.clone());
                std::future::ready(upgrade.on_upgrade(
                    async |mut socket| {
                        while socket.recv().await.is_some() {}
                    },
                ))
            })
            .build()
            .unwrap();
        let client = TestClient::new(routes);
        let mut ios = Vec::new();
        for _ in 0..20 {
            ios.push(open(&client, "/").await);
        }
        client.drain();
        let watch = Watch::start();
        for io in &mut ios {
            expect(io, b"\x88\x11\x03\xe9Server shutdown").await;
            io.write_all(&frame(0x88, b"\x03\xe9")).await.unwrap();
        }
        watch.assert(range);
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_moved_to_another_task_still_counts() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/moves").await;
    pass(2.0).await;
    assert_eq!(client.connections(), 1);
    io.write_all(&frame(0x81, b"hi")).await.unwrap();
    expect(&mut io, b"\x81\x02hi").await;
    expect(&mut io, b"\x89\x00").await;
    drop(io);
    pass(1.0).await;
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn what_another_task_receives_is_answered_though_it_asks_no_more() {
    let client = TestClient::new(routes());
    for (said, answer) in [
        (frame(0x88, b"\x03\xe8"), &b"\x88\x02\x03\xe8"[..]),
        (
            [frame(0x89, b"?"), frame(0x81, b"hi")].concat(),
            b"\x8a\x01?",
        ),
    ] {
        let mut io = open(&client, "/lends-its-ear").await;
        pass(0.1).await;
        io.write_all(&said).await.unwrap();
        let answered = expect(&mut io, answer);
        let in_time = timeout(Duration::from_secs(1), answered).await;
        assert!(in_time.is_ok(), "{}", answer.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_outlives_its_socket_holds_nothing_of_the_server() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/keeps").await;
    io.write_all(&frame(0x88, b"")).await.unwrap();
    expect(&mut io, b"\x88\x00").await;
    expect_end(&mut io).await;
    pass(1.0).await;
    assert_nothing_left(&client);
    let kept = KEPT
        .lock()
        .unwrap()
        .take()
        .expect("the handler has kept it");
    assert!(matches!(
        kept.send("hello?").await,
        Err(SocketError::Closed)
    ));
}

#[tokio::test(start_paused = true)]
async fn several_tasks_send_on_one_socket() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/pushes").await;
    let mut found = [0; 12];
    io.read_exact(&mut found).await.unwrap();
    let mut names: Vec<u8> = found.chunks(3).map(|frame| frame[2]).collect();
    names.sort_unstable();
    assert_eq!(names, b"aabb");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_does_what_its_policy_says() {
    for policy in ["wait", "newest", "oldest", "close"] {
        let client = TestClient::new(routes());
        let mut io = open(&client, &format!("/floods/{policy}")).await;
        let (mut numbers, mut closed) = (Vec::new(), None);
        while closed.is_none() && numbers.last() != Some(&99) {
            let mut head = [0; 4];
            let read = timeout(Duration::from_secs(3), io.read_exact(&mut head)).await;
            if read.is_err() {
                break;
            }
            if head[0] == 0x88 {
                closed = Some(u16::from_be_bytes([head[2], head[3]]));
                break;
            }
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
            io.read_exact(&mut payload).await.unwrap();
            assert!(payload.len() == 10_000 && payload.iter().all(|octet| *octet == payload[0]));
            numbers.push(payload[0]);
        }
        assert!(numbers.is_sorted(), "{policy}: {numbers:?}");
        let last = numbers.last().copied();
        match policy {
            "oldest" => {
                assert_eq!((last, closed), (Some(99), None));
                assert!(client.count(Counter::WebSocketMessagesDropped) > 0);
            }
            "close" => assert_eq!(closed, Some(1013)),
            _ => assert!(last < Some(30) && closed.is_none(), "{policy}: {last:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_the_answers_is_not_read_from() {
    let client = TestClient::new(routes());
    let (mut reads, mut writes) = tokio::io::split(open(&client, "/swells").await);
    let writing =
        tokio::spawn(async move { writes.write_all(&frame(0x82, b"x").repeat(40_000)).await });
    pass(5.0).await;
    assert!(!writing.is_finished());
    let buffered = client.buffered();
    assert!((50_000..250_000).contains(&buffered), "{buffered}");
    let mut reply = [0; 1004];
    for _ in 0..40_000 {
        reads.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..5], *b"\x82\x7e\x03\xe8x");
    }
    assert!(writing.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_open_a_socket_is_answered_in_http() {
    let client = TestClient::new(routes());
    let answer = client.get("/echo").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_route_of_websockets_has_arguments() {
    let client = TestClient::new(routes());
    let mut io = open(&client, "/greet/you?there").await;
    expect(&mut io, b"\x81\x09you there\x88\x0c\x03\xe9Going away").await;
    let answer = client.get("/greet/%ff").await;
    assert_eq!(answer.status, 400);
}
