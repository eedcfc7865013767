//! What requests, messages and connections cost, by the count of a global allocator: allocations of a warm request and a warm WebSocket
//! message, and octets that an idle connection, an idle WebSocket, a subscriber, a socket of Socket.IO and a parked handler hold.
//!
//! The counts are of the whole process, so the tests run one after the other, and the client beside the server allocates nothing.

use bytes::BytesMut;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::relay::{Relay, RelayConfig};
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::resource::io::{Io, Transport};
use wireline::router::{Router, Routes};
use wireline::service::handler::{ResponseFuture, Service};
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::socketio::server::SocketIo;
use wireline::test::TestClient;
use wireline::ws::connection::Lent;
use wireline::ws::socket::{SocketError, WebSocket};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn routes() -> Routes {
    Router::new()
        .get("/plaintext", async || "Hello, World!")
        .get("/users/{id}", async || "a user")
        .get("/park", async || -> &'static str {
            std::future::pending().await
        })
        .post("/echo", async |mut request: Request| {
            request.collect().await
        })
        .websocket(
            "/ws",
            async |mut socket: WebSocket| -> Result<(), SocketError> {
                socket
                    .each(|lent, replies| {
                        let sent = match lent {
                            Lent::Text(text) => replies.text(text),
                            Lent::Binary(octets) => replies.binary(octets),
                            _ => Ok(()),
                        };
                        match sent {
                            Ok(()) => ControlFlow::Continue(()),
                            Err(_) => ControlFlow::Break(()),
                        }
                    })
                    .await
            },
        )
        .build()
        .unwrap()
}

/// The allocations, reallocations included, that one of `requests` costs when all is warm. The least of several rounds: the harness
/// has threads of its own.
fn allocations(service: impl Service, request: &[u8], requests: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = TestClient::new(service);
        let mut io = client.connect();
        let length = first_response(&mut io, request, requests).await;
        least_of_each(&mut io, request, length).await / requests as f64
    })
}

/// The allocations of one exchange when all is warm.
async fn least_of_each(io: &mut MemoryStream, request: &[u8], length: usize) -> f64 {
    let mut least = f64::MAX;
    for round in 0..4 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..ROUND {
            exchange(io, request, length).await;
        }
        let change = region.change();
        let made = change.allocations + change.reallocations;
        if round > 0 {
            least = least.min(made as f64 / ROUND as f64);
        }
    }
    least
}

const ROUND: usize = 1000;

/// Sends the first time; gives the length of what comes back, which is the same ever after.
async fn first_response(io: &mut MemoryStream, request: &[u8], requests: usize) -> usize {
    io.write_all(request).await.unwrap();
    let mut got = Vec::new();
    while got
        .windows(15)
        .filter(|window| *window == b"HTTP/1.1 200 OK")
        .count()
        < requests
    {
        io.read_buf(&mut got).await.unwrap();
    }
    while tokio::time::timeout(Duration::from_millis(20), io.read_buf(&mut got))
        .await
        .is_ok()
    {}
    got.len()
}

/// One request and its response, without an allocation on this side.
async fn exchange(io: &mut MemoryStream, request: &[u8], length: usize) {
    io.write_all(request).await.unwrap();
    let mut buf = [0; 8192];
    let mut got = 0;
    while got < length {
        got += io.read(&mut buf).await.unwrap();
    }
    assert_eq!(got, length);
}

/// A handler's boxed future is the one allocation that a routed request may cost.
#[test]
fn a_warm_request_makes_at_most_one_allocation() {
    let _alone = alone();
    let browser = "GET /plaintext HTTP/1.1\r\nHost: localhost:8000\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n\
        sec-ch-ua: \"Chromium\";v=\"130\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml;q=0.9\r\nSec-Fetch-Site: none\r\n\
        Sec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.5\r\nCookie: a=b\r\n\r\n";
    let small = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
    let echo = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{}",
        "x".repeat(1024)
    );
    for (name, request, requests, most) in [
        ("plaintext", small.to_owned(), 1, 1.0),
        (
            "a path with a parameter",
            "GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            1,
            1.0,
        ),
        ("a browser's head", browser.to_owned(), 1, 1.0),
        ("16 pipelined", small.repeat(16), 16, 1.0),
        (
            "HEAD",
            "HEAD /users/7 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            1,
            1.0,
        ),
        ("an echo of 1 KiB", echo, 1, 2.0),
    ] {
        let made = allocations(routes(), request.as_bytes(), requests);
        println!("{name}: {made} allocations");
        assert!(made <= most + SLACK, "{name}: {made} allocations a request");
    }
}

/// What answers without a future of its own: nothing is left but the engine.
struct Bare;

impl Service for Bare {
    fn call(&self, request: Request) -> ResponseFuture {
        drop(request);
        Box::pin(Self)
    }
}

impl Future for Bare {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response> {
        Poll::Ready(Response::text("Hello, World!"))
    }
}

/// Buffers, heads and responses go round.
#[test]
fn the_engine_itself_allocates_nothing_for_a_warm_request() {
    let _alone = alone();
    let small = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, request, requests) in [
        ("plaintext", small.to_owned(), 1),
        ("16 pipelined", small.repeat(16), 16),
        (
            "HEAD",
            "HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            1,
        ),
    ] {
        let made = allocations(Bare, request.as_bytes(), requests);
        println!("{name}: {made} allocations");
        assert!(made <= SLACK, "{name}: {made} allocations a request");
    }
}

/// A second that passes makes a new date.
const SLACK: f64 = 0.02;

/// A message that is lent and answered at once, whatever its size: what is large is sent from where it was read.
#[test]
fn a_warm_message_that_is_lent_and_sent_back_allocates_nothing() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = TestClient::new(routes());
        for (opcode, len) in [
            (1, 16),
            (2, 16),
            (1, 1000),
            (2, 1000),
            (2, 20_000),
            (2, 50_000),
        ] {
            let mut io = client.connect();
            open_socket(&mut io).await;
            let frame = frame(opcode, len);
            // The reply has no mask.
            let length = frame.len() - 4;
            let made = least_of_each(&mut io, &frame, length).await;
            println!("{len} octets of opcode {opcode}: {made} allocations");
            assert!(made <= SLACK, "{len} octets: {made} allocations a message");
        }
    });
}

/// Opens a WebSocket on `/ws`.
async fn open_socket(io: &mut MemoryStream) {
    upgrade(io, "/ws").await;
    let mut buf = [0; 1024];
    let len = io.read(&mut buf).await.unwrap();
    assert!(buf[..len].starts_with(b"HTTP/1.1 101 ") && buf[..len].ends_with(b"\r\n\r\n"));
}

/// A client's message of so many octets, masked with zeros.
fn frame(opcode: u8, len: u16) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(len) {
        Ok(short @ ..126) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.resize(frame.len() + usize::from(len), b'x');
    frame
}

/// The octets that are allocated now.
fn live() -> isize {
    let stats = ALLOCATOR.stats();
    isize::try_from(stats.bytes_allocated).unwrap()
        - isize::try_from(stats.bytes_deallocated).unwrap()
}

/// The octets that each of a thousand connections holds after this request, without those of the in-memory pair.
fn held_after(request: &'static [u8], answered: bool) -> isize {
    let open = async |client: &TestClient| talk(client, request, answered).await;
    let answer = if answered { 150 } else { 0 };
    held_by_each(
        || TestClient::new(routes()),
        open,
        &[(request.len(), answer)],
    )
}

async fn talk(client: &TestClient, request: &[u8], answered: bool) -> MemoryStream {
    let mut io = client.connect();
    io.write_all(request).await.unwrap();
    if answered {
        let mut buf = [0; 1024];
        let len = io.read(&mut buf).await.unwrap();
        assert!(buf[..len].ends_with(b"Hello, World!"));
    } else {
        tokio::task::yield_now().await;
    }
    io
}

const COUNT: usize = 1000;
const CAPACITY: usize = 64 * 1024;

/// DESIGN.md, promise 4: no read buffer, no write buffer, no timer of its own.
#[test]
fn an_idle_connection_holds_next_to_nothing() {
    let held = held_after(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", true);
    assert!(held <= IDLE, "{held} octets");
    let silent = held_after(b"", false);
    assert!(silent <= IDLE, "{silent} octets");
}

/// What was measured (467 and 439), and a tenth more.
const IDLE: isize = 510;

/// After its first message, too: the buffers of a socket go back to its thread.
#[test]
fn an_idle_websocket_holds_little_more() {
    let client = || TestClient::new(routes());
    let held = held_by_each(client, said_hello, &[(160, 160), (22, 22)]);
    assert!(held <= WEBSOCKET, "{held} octets");
}

/// A WebSocket that has echoed one message.
async fn said_hello(client: &TestClient) -> MemoryStream {
    let mut io = client.connect();
    open_socket(&mut io).await;
    let hello = frame(1, 16);
    exchange(&mut io, &hello, hello.len() - 4).await;
    io
}

/// Its place among the subscribers and its mailbox are all that it has more; a thousand have one topic.
#[test]
fn a_subscriber_of_the_relay_holds_little_more_than_a_websocket() {
    let client = || {
        let relay = Relay::new(RelayConfig::default());
        TestClient::new(Router::new().relay(&relay).build().unwrap())
    };
    let held = held_by_each(client, subscribed, &[(160, 160), (48, 42)]);
    assert!(held <= SUBSCRIBER, "{held} octets");
}

async fn subscribed(client: &TestClient) -> MemoryStream {
    let mut io = client.connect();
    upgrade(&mut io, "/ws").await;
    heard(&mut io, b"HTTP/1.1 101 ", b"\r\n\r\n").await;
    let text = br#"{"type":"subscribe","topic":"news"}"#;
    io.write_all(&text_frame(text)).await.unwrap();
    heard(&mut io, br#""subscribed""#, b"}").await;
    io
}

/// Two hundred who read nothing, and more news than may wait: each message is held once, however many it waits for.
#[test]
fn a_subscriber_who_reads_nothing_holds_little() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let measured = async {
        let relay = Relay::new(RelayConfig::default());
        let client = TestClient::new(Router::new().relay(&relay).build().unwrap());
        let mut asks = upgrade_to("/ws").into_bytes();
        asks.extend(text_frame(br#"{"type":"subscribe","topic":"news"}"#));
        let asks: &'static [u8] = asks.leak();
        for _ in 0..DEAF {
            drop(client.serve(Io::Dyn(Box::new(Deaf { asks, taken: 0 }))));
        }
        while relay.stats().subscriptions < DEAF {
            tokio::task::yield_now().await;
        }
        let before = live();
        let news = "x".repeat(1000);
        // 62 of these in a socket, 128 before it: the others are dropped.
        for _ in 0..400 {
            relay.push("news", "e", &news).await.unwrap();
            tokio::task::yield_now().await;
        }
        while relay.stats().dropped < 200 * DEAF {
            tokio::task::yield_now().await;
        }
        (live() - before) / isize::try_from(DEAF).unwrap()
    };
    let held = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), measured)
            .await
            .expect("what cannot wait is not dropped")
    });
    println!("{held} octets each");
    assert!(held <= 10 * 1024, "{held} octets");
}

const DEAF: u64 = 200;

/// A client that says what it has to, takes the answers to that, and nothing more.
struct Deaf {
    asks: &'static [u8],
    taken: usize,
}

impl Transport for Deaf {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.asks.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let asks = std::mem::take(&mut self.asks);
        if asks.is_empty() {
            return Poll::Pending;
        }
        buf.extend_from_slice(asks);
        Poll::Ready(Ok(asks.len()))
    }

    fn poll_writev(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let taken = len.min(500 - self.taken);
        if taken == 0 {
            // For ever: nobody is to be woken.
            return Poll::Pending;
        }
        self.taken += taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A session of Engine.IO, its socket in the main namespace, and its ping's deadline.
#[test]
fn an_idle_socket_of_socket_io_holds_little_more_than_two_websockets() {
    let client = || TestClient::new(Router::new().socket_io(&SocketIo::new()).build().unwrap());
    let held = held_by_each(client, in_a_namespace, &[(200, 300), (8, 40)]);
    assert!(held <= SOCKET_IO, "{held} octets");
}

async fn in_a_namespace(client: &TestClient) -> MemoryStream {
    let mut io = client.connect();
    upgrade(&mut io, "/socket.io/?EIO=4&transport=websocket").await;
    heard(&mut io, br#"0{"sid":"#, b"}").await;
    io.write_all(&text_frame(b"40")).await.unwrap();
    heard(&mut io, br#"40{"sid":"#, b"}").await;
    io
}

/// What was measured (899, 1,037, 1,889), and a tenth more: what a change adds, every socket of a server pays.
const WEBSOCKET: isize = 980;
const SUBSCRIBER: isize = 1130;
const SOCKET_IO: isize = 2070;

/// The octets that each of a thousand connections holds once `open` has done with it, without those of the in-memory pair. `said` is how many
/// octets each side says meanwhile, in turns.
fn held_by_each(
    client: impl Fn() -> TestClient,
    open: impl AsyncFn(&TestClient) -> MemoryStream,
    said: &[(usize, usize)],
) -> isize {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let measured = async {
        let client = client();
        // What threads keep for reuse is there before the count begins.
        let mut warm: Vec<MemoryStream> = Vec::new();
        for _ in 0..100 {
            warm.push(open(&client).await);
        }
        drop(warm);
        // A parked handler goes on for the grace that a client's FIN gives it.
        while client.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }

        let mut pairs = Vec::with_capacity(COUNT);
        let mut connections = Vec::with_capacity(COUNT);
        let before = live();
        for _ in 0..COUNT {
            let (mut one, mut other) = memory::pair(CAPACITY);
            let mut buf = [0; 1024];
            for &(asked, answered) in said {
                one.write_all(&buf[..asked]).await.unwrap();
                other.read_exact(&mut buf[..asked]).await.unwrap();
                other.write_all(&buf[..answered]).await.unwrap();
                one.read_exact(&mut buf[..answered]).await.unwrap();
            }
            pairs.push((one, other));
        }
        let pair = live() - before;
        pairs.clear();

        let before = live();
        for _ in 0..COUNT {
            connections.push(open(&client).await);
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(client.connections(), COUNT);
        let all = live() - before;
        println!(
            "{} octets each, {} of them the pair's",
            all / COUNT as isize,
            pair / COUNT as isize
        );
        (all - pair) / COUNT as isize
    };
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), measured)
            .await
            .expect("the connections do not open")
    })
}

/// Asks for a WebSocket there.
async fn upgrade(io: &mut MemoryStream, target: &str) {
    let request = upgrade_to(target);
    io.write_all(request.as_bytes()).await.unwrap();
}

fn upgrade_to(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Reads until what has come has `part` in it and ends with `end`.
async fn heard(io: &mut MemoryStream, part: &[u8], end: &[u8]) {
    let (mut buf, mut len) = ([0; 2048], 0);
    let has = |heard: &[u8]| heard.windows(part.len()).any(|window| window == part);
    while !(has(&buf[..len]) && buf[..len].ends_with(end)) {
        let more = io.read(&mut buf[len..]).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&buf[..len]));
        len += more;
    }
}

/// A client's short text, masked with zeros.
fn text_frame(text: &[u8]) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
    frame.extend_from_slice(text);
    frame
}

/// A long poll: the handler, the request that it holds, and the moving parts of its connection.
#[test]
fn a_parked_handler_holds_at_most_two_kibibytes() {
    let held = held_after(b"GET /park HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert!(held <= 2048, "{held} octets");
}

/// After an upgrade, too: reads through tokio's trait borrow the thread's buffers.
#[test]
fn a_read_of_an_upgraded_connection_allocates_nothing() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, server) = memory::pair(64 * 1024);
        let mut io = Io::Dyn(Box::new(server));
        let mut buf = [0; 1000];
        let mut least = usize::MAX;
        for _ in 0..4 {
            let region = Region::new(ALLOCATOR);
            for len in [1, 2, 1000, 7] {
                client.write_all(&[b'x'; 1000][..len]).await.unwrap();
                io.read_exact(&mut buf[..len]).await.unwrap();
            }
            least = least.min(region.change().allocations);
        }
        assert_eq!(least, 0);
    });
}
