//! Sockets under attack, over TCP, in small numbers: fragments, floods, stalled closes, slow consumers.
//!
//! What the process holds is counted by its allocator, so the tests run one after the other, and the clients make what they
//! send before the count begins.

#![expect(
    clippy::disallowed_methods,
    reason = "over TCP it is the real clock that counts"
)]

#[cfg(target_os = "linux")]
#[path = "ws_resilience/few_turns.rs"]
mod few_turns;
#[path = "support/socket.rs"]
mod socket;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use crate::socket::Socket;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wireline::extract::Path;
use wireline::relay::endpoint::Relay;
use wireline::relay::hub::{Resume, Topic};
use wireline::resource::counters::Counter;
use wireline::test::{TestClient, TestServer};
use wireline::ws::connection::Lent;
use wireline::ws::deflate;
use wireline::ws::message::Message;
use wireline::ws::prepared::Prepared;
use wireline::ws::socket::{WebSocket, WsSender};
use wireline::{Router, Server};
use ws_peer::Peer;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The octets that are allocated now.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Looks every fifth of a millisecond at what is allocated.
struct Peak {
    base: usize,
    most: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Peak {
    fn watch() -> Self {
        let (most, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped) = (most.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(held(), Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        Self {
            base: held(),
            most,
            stop,
            thread: Some(thread),
        }
    }

    /// The most that there was beyond what there had been before.
    fn end(mut self) -> usize {
        self.most.fetch_max(held(), Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.most.load(Ordering::Relaxed).saturating_sub(self.base)
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn lends(mut socket: WebSocket) {
    let _ = socket
        .each(|lent, replies| {
            let sent = match lent {
                Lent::Text(text) => replies.text(text),
                Lent::Binary(octets) => replies.binary(octets),
                _ => Ok(()),
            };
            sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
        })
        .await;
}

fn server(routes: Router) -> TestServer {
    TestServer::start(Server::new(routes.build().unwrap()))
}

fn echoes() -> TestServer {
    server(
        Router::new()
            .websocket("/recv", echo)
            .websocket("/each", lends)
            .websocket("/deaf", async |socket: WebSocket| {
                let (sender, receiver) = socket.split();
                drop(receiver);
                sender.draining().await;
            })
            .websocket_with(
                "/deflate",
                |upgrade| upgrade.deflate(deflate::Config::default()),
                echo,
            ),
    )
}

/// A socket on which 101 has come.
fn open(server: &TestServer, path: &str) -> Socket {
    let mut socket = Socket::connect(server.addr());
    socket.send(format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(socket.reply().status, 101);
    socket
}

/// A frame of a client, masked with zeros, of at most 65,535 octets.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    let head = match u8::try_from(len) {
        Ok(len @ ..126) => vec![first, 0x80 | len],
        _ => [&[first, 0x80 | 126][..], &len.to_be_bytes()].concat(),
    };
    [&head[..], &[0; 4], payload].concat()
}

/// The next frame that the server sends: its first octet and its payload.
fn next(socket: &mut Socket) -> (u8, Vec<u8>) {
    let head = socket.take(2);
    let len = match head[1] {
        126 => socket.take(2),
        127 => socket.take(8),
        len => vec![len],
    };
    let len = len
        .iter()
        .fold(0, |len, octet| len << 8 | usize::from(*octet));
    (head[0], socket.take(len))
}

/// Everything that comes until the end of the stream, which is a Close; gives its code and the frames before it.
fn closing(socket: &mut Socket) -> (u16, usize) {
    let mut before = 0;
    loop {
        let (first, payload) = next(socket);
        if first == 0x88 {
            socket.assert_end();
            return (u16::from_be_bytes([payload[0], payload[1]]), before);
        }
        before += 1;
    }
}

/// Waits until the server has no connection any more.
fn wait_until_empty(server: &TestServer, patience: Duration) {
    let begun = Instant::now();
    while server.handle().metrics().connections() > 0 {
        assert!(
            begun.elapsed() < patience,
            "{} are left",
            server.handle().metrics().connections()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// R19, WS-4: fragments of an octet each and no end of the message.
#[test]
fn fragments_without_an_end_cost_what_they_carry() {
    const CONNECTIONS: usize = 4;
    const FRAGMENTS: usize = 131_072;
    let _alone = alone();
    for path in ["/recv", "/each", "/deaf"] {
        let server = echoes();
        let mut sockets: Vec<_> = (0..CONNECTIONS).map(|_| open(&server, path)).collect();
        let mut wire = frame(0x02, b"x");
        for _ in 1..FRAGMENTS {
            wire.extend_from_slice(&[0x00, 0x81, 0, 0, 0, 0, b'x']);
        }
        let ping = frame(0x89, b"");
        let beyond = frame(0x00, b"x").repeat(9000);
        for socket in &mut sockets {
            // The buffers of the client and the server are there from now on.
            socket.send(&ping);
            assert_eq!(next(socket), (0x8a, Vec::new()));
        }
        let before = held();
        for socket in &mut sockets {
            socket.send(&wire).send(&ping);
        }
        for socket in &mut sockets {
            assert_eq!(
                next(socket),
                (0x8a, Vec::new()),
                "{path}: all of them are taken"
            );
        }
        let (pinned, sent) = (held() - before, CONNECTIONS * wire.len());
        assert!(pinned <= 2 * sent, "{path}: {pinned} octets for {sent}");
        let carried = CONNECTIONS * FRAGMENTS;
        assert!(
            pinned <= 2 * carried + CONNECTIONS * 64 * 1024,
            "{path}: {pinned} octets for {carried}"
        );
        let charged = server.handle().metrics().buffered();
        assert!(
            (carried..=2 * carried + CONNECTIONS * 64 * 1024).contains(&charged),
            "{path}: {charged} are charged"
        );
        let begun = Instant::now();
        for socket in &mut sockets {
            socket.send(&beyond);
            assert_eq!(closing(socket), (1008, 0), "{path}");
        }
        wait_until_empty(&server, Duration::from_secs(1));
        assert!(begun.elapsed() < Duration::from_secs(1), "{path}");
        assert_eq!(server.handle().metrics().buffered(), 0);
        let left = held().saturating_sub(before);
        // Blocks of 68 KiB that go round, one for each connection at most.
        assert!(
            left < CONNECTIONS * 80 * 1024,
            "{path}: {left} octets are left"
        );
    }
    // Larger fragments end at the limit of a message.
    let server = echoes();
    let mut socket = open(&server, "/recv");
    let more = frame(0x00, &[b'x'; 4096]);
    let peak = Peak::watch();
    socket.send(frame(0x02, b""));
    for _ in 0..257 {
        socket.send(&more);
    }
    assert_eq!(closing(&mut socket).0, 1009);
    let most = peak.end();
    assert!(most < 3 * 1024 * 1024, "{most}");
}

/// R21, WS-3, WS-5, WS-6: whatever a peer floods with, it is gone within a second, and nothing grows.
#[test]
fn floods_and_lies_end_within_a_second() {
    const CONNECTIONS: usize = 50;
    let _alone = alone();
    let empty = frame(0x00, b"");
    let storm = [&empty[..], &frame(0x89, b"x")].concat();
    let huge = |len: u64, first| [&[first, 0xff][..], &len.to_be_bytes(), &[0; 4], b"x"].concat();
    let begun = |octets: &[u8]| [&frame(0x01, b"")[..], octets].concat();
    for (name, octets, code) in [
        ("pings", frame(0x89, &[b'p'; 125]).repeat(300), 1008),
        ("pongs", frame(0x8a, b"").repeat(2000), 1008),
        ("empty fragments", begun(&empty.repeat(1100)), 1008),
        ("empty fragments and pings", begun(&storm.repeat(60)), 1008),
        ("a terabyte", huge(1 << 40, 0x82), 1009),
        ("a terabyte of text", huge(1 << 40, 0x81), 1009),
        (
            "a terabyte in parts",
            [frame(0x01, b"x"), huge(1 << 40, 0x80)].concat(),
            1009,
        ),
        ("a length of 64 bits", huge(1 << 63, 0x82), 1002),
        ("a long ping", huge(126, 0x89), 1002),
        ("invalid UTF-8", frame(0x81, b"\xc0\xaf"), 1007),
        (
            "a surrogate in parts",
            [frame(0x01, b"\xed"), frame(0x00, b"\xa0")].concat(),
            1007,
        ),
        (
            "half a frame of it",
            b"\x81\xfe\x10\x00\0\0\0\0ok\xff".to_vec(),
            1007,
        ),
        ("an invalid reason", frame(0x88, b"\x03\xe8\xff"), 1007),
    ] {
        for path in ["/recv", "/each", "/deaf", "/deflate"] {
            let server = echoes();
            let mut sockets: Vec<_> = (0..CONNECTIONS).map(|_| open(&server, path)).collect();
            // The server holds what it once needed for all of them: opening comes before the count.
            let peak = Peak::watch();
            let begun = Instant::now();
            for socket in &mut sockets {
                socket.send(&octets);
            }
            let ends: Vec<_> = sockets.iter_mut().map(closing).collect();
            wait_until_empty(&server, Duration::from_secs(1));
            let (took, most) = (begun.elapsed(), peak.end());
            for (found, before) in ends {
                assert_eq!(found, code, "{name} at {path}");
                // Of pings only as many are answered as may come.
                assert!(before <= 50, "{name} at {path}: {before} frames came");
            }
            assert!(took < Duration::from_secs(1), "{name} at {path}: {took:?}");
            assert!(most < 4 * 1024 * 1024, "{name} at {path}: {most} octets");
            let metrics = server.handle().metrics();
            assert_eq!(metrics.buffered(), 0, "{name} at {path}");
            let faults = metrics.get(Counter::WebSocketProtocolErrors);
            assert_eq!(faults, CONNECTIONS as u64, "{name} at {path}");
        }
    }
}

/// WS-6: whoever pings without reading is failed like whoever does read; what is owed to it has a ceiling.
#[test]
fn a_ping_flood_that_nobody_reads_the_answers_of() {
    let _alone = alone();
    let server = server(Router::new().websocket_with(
        "/",
        |upgrade| {
            let mut config = wireline::ws::socket::config::Config::default();
            // So many may come that the answers do not fit into the buffers of the kernel.
            config.limits.control_burst = 4_000_000;
            upgrade.config(config)
        },
        echo,
    ));
    let mut socket = open(&server, "/");
    let pings = frame(0x89, &[b'p'; 125]).repeat(1000);
    let peak = Peak::watch();
    let begun = Instant::now();
    // 40 megabytes of them, or until the server does not read on either.
    for _ in 0..300 {
        socket.send(&pings);
        if begun.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    let most = peak.end();
    assert!(most < 1024 * 1024, "{most} octets");
    assert!(server.handle().metrics().buffered() < 512 * 1024);
}

/// R23, WS-10: whoever neither reads nor answers a Close is gone after five seconds.
#[test]
fn stalled_closes_end_within_six_seconds() {
    const CONNECTIONS: usize = 40;
    let _alone = alone();
    let full = Arc::new(Mutex::new(Vec::new()));
    let filling = full.clone();
    let server = server(
        Router::new()
            .websocket(
                "/fills/{how}",
                move |mut socket: WebSocket, Path(how): Path<String>| {
                    let filled = filling.clone();
                    async move {
                        let block = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
                        // Until a second brings no room any more: neither here nor in the kernel.
                        let fill = async {
                            loop {
                                let sent = socket.send(block.clone());
                                if tokio::time::timeout(Duration::from_secs(1), sent)
                                    .await
                                    .is_err()
                                {
                                    break;
                                }
                            }
                        };
                        fill.await;
                        assert!(socket.buffered_amount() > 100_000);
                        filled.lock().unwrap().push(Instant::now());
                        match how.as_str() {
                            "returns" => (),
                            "closes" => {
                                socket.close(None).unwrap();
                                while socket.recv().await.is_some() {}
                            }
                            "holds" => {
                                socket.close(None).unwrap();
                                std::future::pending::<()>().await;
                            }
                            // A panic whose backtrace nobody writes while the others wait.
                            _ => std::panic::resume_unwind(Box::new("a fault of the handler")),
                        }
                    }
                },
            )
            .get("/", async || "hello"),
    );
    let mut sockets: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let how = ["returns", "closes", "panics", "holds"][number % 4];
            open(&server, &format!("/fills/{how}"))
        })
        .collect();
    let metrics = server.handle().metrics();
    // They say something now and then, but not what they should.
    let (begun, pong) = (Instant::now(), frame(0x8a, b""));
    while metrics.get(Counter::WebSocketsClosedUnclean) < CONNECTIONS as u64 {
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{} are left",
            metrics.connections()
        );
        for socket in &mut sockets {
            socket.send(&pong);
        }
        thread::sleep(Duration::from_millis(200));
    }
    let (gone, full) = (Instant::now(), full.lock().unwrap());
    assert_eq!(full.len(), CONNECTIONS);
    let longest = gone.duration_since(full[0]);
    assert!(longest < Duration::from_secs(6), "{longest:?}");
    let shortest = gone.duration_since(full[CONNECTIONS - 1]);
    assert!(
        shortest > Duration::from_secs(4),
        "they were given {shortest:?}"
    );
    // A handler that ignores the end of its socket lives on, and counts; the socket does not.
    assert_eq!(metrics.connections(), CONNECTIONS / 4);
    for socket in &mut sockets {
        socket.rest();
    }
    assert_eq!(metrics.buffered(), 0);
    assert_eq!(metrics.get(Counter::HandlerPanics), CONNECTIONS as u64 / 4);
    assert_eq!(Socket::connect(server.addr()).get("/").text(), "hello");
}

/// WS-11: in a broadcast whoever does not read is sent away with 1013; everybody else gets everything, and all share a payload.
#[test]
fn slow_consumers_of_a_broadcast_hold_nobody_up() {
    const MESSAGES: u32 = 300;
    const SLOW: usize = 4;
    const LEN: usize = 64 * 1024;
    let _alone = alone();
    let members = Arc::new(Mutex::new(Vec::<(bool, WsSender)>::new()));
    let (joining, told) = (members.clone(), members.clone());
    let server = server(
        Router::new()
            .websocket(
                "/room/{slow}",
                move |mut socket: WebSocket, Path(slow): Path<bool>| {
                    joining.lock().unwrap().push((slow, socket.sender()));
                    async move { while socket.recv().await.is_some() {} }
                },
            )
            .post("/say/{prepared}", move |Path(prepared): Path<bool>| {
                let members = told.lock().unwrap().clone();
                async move {
                    for number in 0..MESSAGES {
                        let mut payload = vec![0; LEN];
                        payload[..4].copy_from_slice(&number.to_be_bytes());
                        let framed = Prepared::binary(&payload);
                        let message = Message::from(payload);
                        for (_, member) in &members {
                            // Closed for whoever was sent away: nothing to do about it.
                            let _ = if prepared {
                                member.try_send_prepared(&framed)
                            } else {
                                member.try_send(message.clone())
                            };
                        }
                        // As fast as the others read.
                        for (_, member) in members.iter().filter(|(slow, _)| !slow) {
                            member.drained().await;
                        }
                    }
                    let closed = members.iter().filter(|(_, member)| member.is_closed());
                    closed
                        .map(|(slow, _)| format!("{slow} "))
                        .collect::<String>()
                }
            }),
    );
    for prepared in [true, false] {
        let mut slow: Vec<_> = (0..SLOW).map(|_| open(&server, "/room/true")).collect();
        let quick: Vec<_> = (0..4).map(|_| open(&server, "/room/false")).collect();
        let readers: Vec<_> = quick
            .into_iter()
            .map(|mut socket| {
                thread::spawn(move || {
                    for number in 0..MESSAGES {
                        // Read as it comes: the client holds no message.
                        assert_eq!(
                            socket.take(10),
                            [&[0x82, 127][..], &(LEN as u64).to_be_bytes()].concat()
                        );
                        assert_eq!(socket.take(4), number.to_be_bytes());
                        socket.take(LEN - 4);
                    }
                    socket
                })
            })
            .collect();
        let begun = Instant::now();
        let mut teller = Socket::connect(server.addr());
        let left = teller.request(
            &format!("POST /say/{prepared}"),
            "Content-Length: 0\r\n",
            "",
        );
        assert_eq!(
            left.text(),
            "true ".repeat(SLOW),
            "exactly the slow are sent away"
        );
        let quick: Vec<_> = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect();
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(4),
            "the others had to wait: {took:?}"
        );
        let metrics = server.handle().metrics();
        for socket in &mut slow {
            let (mut count, mut close) = (0, 0);
            while close == 0 {
                let (first, payload) = next(socket);
                if first == 0x88 {
                    close = u16::from_be_bytes([payload[0], payload[1]]);
                } else {
                    assert_eq!(payload[..4], u32::to_be_bytes(count));
                    count += 1;
                }
            }
            assert!(close == 1013 && count < MESSAGES, "{close} after {count}");
        }
        assert_eq!(
            metrics.get(Counter::WebSocketQueueOverflows) % SLOW as u64,
            0
        );
        drop((slow, quick));
        wait_until_empty_but(&server, 1);
        members.lock().unwrap().clear();
        drop(teller);
        wait_until_empty(&server, Duration::from_secs(2));
    }
    assert_eq!(
        server
            .handle()
            .metrics()
            .get(Counter::WebSocketQueueOverflows),
        2 * SLOW as u64
    );
}

/// WS-11: what is told to many is there once, however many it waits for.
#[test]
fn a_payload_that_waits_for_many_is_there_once() {
    const LEN: usize = 100_000;
    let _alone = alone();
    let members = Arc::new(Mutex::new(Vec::new()));
    let joining = members.clone();
    let routes = Router::new().websocket("/", move |mut socket: WebSocket| {
        joining.lock().unwrap().push(socket.sender());
        async move { while socket.recv().await.is_some() {} }
    });
    with_peers(routes, 20, async |mut peers| {
        let members = members.lock().unwrap().clone();
        let wait = || tokio::time::sleep(Duration::from_millis(10));
        // The transport is full before the count begins.
        for member in &members {
            member.try_send(vec![b'-'; LEN]).unwrap();
        }
        wait().await;
        for prepared in [false, true] {
            let before = held();
            let payload = vec![b'x'; LEN];
            let framed = prepared.then(|| Prepared::binary(&payload));
            let message = Message::from(payload);
            for member in &members {
                let sent = match &framed {
                    Some(framed) => member.try_send_prepared(framed),
                    None => member.try_send(message.clone()),
                };
                sent.unwrap();
            }
            drop((framed, message));
            wait().await;
            let waiting = held() - before;
            assert!((LEN..3 * LEN).contains(&waiting), "{waiting}, {prepared}");
        }
        for peer in &mut peers {
            for octet in *b"-xx" {
                assert_eq!(peer.next().await, (0x82, vec![octet; LEN]));
            }
        }
    });
}

/// WS-11: nor does a short message of a topic wait in a copy for each of those who do not read.
#[test]
fn a_short_message_of_a_topic_waits_once_for_all() {
    const LEN: usize = 1024;
    const PEERS: usize = 20;
    let _alone = alone();
    let (relay, topic) = (Relay::default(), Topic::new("news").unwrap());
    let (own, news) = (relay.clone(), topic.clone());
    let routes = Router::new().websocket("/", move |socket: WebSocket| {
        let outlet = own.outlet(&socket, Arc::default());
        let subscription = outlet.subscribe(&news, 0, Resume::Live);
        async move {
            outlet.serve(socket, async |_| {}).await;
            drop(subscription);
        }
    });
    with_peers(routes, PEERS, async |mut peers| {
        while relay.hub().subscribers(&topic) != PEERS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // One by one: those that come together are joined.
        let publish = async |count: usize| {
            for _ in 0..count {
                relay.publish(&topic, Prepared::binary(&[b'x'; LEN]));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // The transports are full before the count begins.
        publish(80).await;
        let before = held();
        publish(40).await;
        let waiting = held() - before;
        assert!((40 * LEN..4 * 40 * LEN).contains(&waiting), "{waiting}");
        for peer in &mut peers {
            for _ in 0..120 {
                assert_eq!(peer.next().await, (0x82, vec![b'x'; LEN]));
            }
        }
    });
}

/// With so many peers on `/`, in memory and on a paused clock.
fn with_peers(routes: Router, count: usize, code: impl AsyncFnOnce(Vec<Peer>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = TestClient::new(routes.build().unwrap());
        let mut peers = Vec::new();
        for _ in 0..count {
            peers.push(Peer::open(&client, "/").await);
        }
        code(peers).await;
    });
}

fn wait_until_empty_but(server: &TestServer, left: usize) {
    let begun = Instant::now();
    while server.handle().metrics().connections() > left {
        assert!(begun.elapsed() < Duration::from_secs(7));
        thread::sleep(Duration::from_millis(5));
    }
}
