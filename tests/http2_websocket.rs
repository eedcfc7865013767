//! WebSocket over HTTP/2 (RFC 8441), with the `h2` crate's client: the same routes, flow control, half-close, reset, drain.

#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use h2_peer::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, Peer as Raw, RST_STREAM, connect,
    field, request,
};
use http::{Request, Response};
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use talk::{Watch, pass};
use tokio::time::Instant;
use wireline::Router;
use wireline::extract::Path;
use wireline::resource::counters::Counter;
use wireline::test::TestClient;
use wireline::ws::deflate;
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;
use wireline::ws::socket::config::Config;
use ws_peer::masked;

fn serve() -> TestClient {
    let routes = Router::new()
        .websocket("/echo", echo)
        .websocket_with(
            "/deflate",
            |upgrade| upgrade.deflate(deflate::Config::default()),
            echo,
        )
        .websocket(
            "/rooms/{room}",
            async |socket: WebSocket, Path(room): Path<String>| {
                let _ = socket.send(format!("in {room}")).await;
            },
        )
        .websocket("/flood", async |socket: WebSocket| {
            while socket
                .send(Message::Binary(vec![7; 10_000].into()))
                .await
                .is_ok()
            {}
        })
        .websocket_with(
            "/narrow-flood",
            |upgrade| {
                upgrade.config(Config {
                    queue: 1000,
                    ..Config::default()
                })
            },
            async |socket: WebSocket| {
                while socket
                    .send(Message::Binary(vec![7; 1000].into()))
                    .await
                    .is_ok()
                {
                    FLOODED.fetch_add(1000, Ordering::SeqCst);
                }
            },
        )
        .websocket("/deaf", async |socket: WebSocket| {
            std::future::pending::<()>().await;
            drop(socket);
        })
        .get("/", async || "Hello, World!")
        .build()
        .unwrap();
    TestClient::new(routes)
}

/// Octets that `/narrow-flood` has sent or queued.
static FLOODED: AtomicUsize = AtomicUsize::new(0);

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() || message.is_binary() {
            let _ = socket.send(message).await;
        }
    }
}

/// A WebSocket on a stream, from the client's side.
struct Tunnel {
    send: SendStream<Bytes>,
    recv: RecvStream,
    came: BytesMut,
}

fn opening(path: &str, protocol: &'static str) -> http::request::Builder {
    Request::builder()
        .method("CONNECT")
        .uri(format!("http://a{path}"))
        .extension(h2::ext::Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
}

async fn ask(
    client: &SendRequest<Bytes>,
    request: http::request::Builder,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let mut client = client.clone().ready().await.unwrap();
    // The server's settings allow extended CONNECT, once they have come.
    while !client.is_extended_connect_protocol_enabled() {
        pass(0.01).await;
    }
    let (response, send) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    (response.await.unwrap(), send)
}

impl Raw {
    /// A WebSocket, by frames.
    async fn open_tunnel(&mut self, stream: u32, path: &str) {
        let section = [
            request("CONNECT", path),
            field(":protocol", "websocket"),
            field("sec-websocket-version", "13"),
        ]
        .concat();
        self.frame(HEADERS, END_HEADERS, stream, &section).await;
    }
}

impl Tunnel {
    async fn open(client: &SendRequest<Bytes>, path: &str) -> Self {
        Self::open_as(client, opening(path, "websocket")).await.0
    }

    async fn open_as(
        client: &SendRequest<Bytes>,
        request: http::request::Builder,
    ) -> (Self, http::HeaderMap) {
        let (response, send) = ask(client, request).await;
        assert_eq!(response.status(), 200);
        let (head, recv) = response.into_parts();
        let tunnel = Self {
            send,
            recv,
            came: BytesMut::new(),
        };
        (tunnel, head.headers)
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.send
            .send_data(masked(first, payload).into(), false)
            .unwrap();
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [first, len, ref rest @ ..] = self.came[..] {
                let (head, len) = match (len, rest) {
                    (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                    (127, [_, _, _, _, a, b, c, d, ..]) => {
                        (10, u32::from_be_bytes([*a, *b, *c, *d]) as usize)
                    }
                    (126 | 127, _) => (usize::MAX / 2, 0),
                    (len, _) => (2, usize::from(len)),
                };
                if self.came.len() >= head + len {
                    let frame = self.came.split_to(head + len);
                    return Some((first, frame[head..].to_vec()));
                }
            }
            let data = self.recv.data().await?.ok()?;
            let _ = self.recv.flow_control().release_capacity(data.len());
            self.came.extend_from_slice(&data);
        }
    }

    async fn text(&mut self) -> String {
        let mut frame = self.next().await.unwrap();
        while frame.0 == 0x89 {
            frame = self.next().await.unwrap();
        }
        let (first, payload) = frame;
        assert_eq!(first, 0x81);
        String::from_utf8(payload).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn one_declaration_opens_over_both_versions() {
    let test = serve();
    let client = connect(&test).await;
    let (mut tunnel, fields) = Tunnel::open_as(&client, opening("/rooms/7", "websocket")).await;
    // RFC 8441 §5: neither 101 nor what belongs to it, and no framing of content (RFC 9110 §9.3.6).
    for name in [
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "content-length",
        "transfer-encoding",
    ] {
        assert!(!fields.contains_key(name), "{name}");
    }
    assert!(fields.contains_key("date"));
    assert_eq!(tunnel.text().await, "in 7");
    let mut upgraded = ws_peer::Peer::open(&test, "/rooms/8").await;
    assert_eq!(upgraded.text().await, "in 8");
    assert_eq!(test.count(Counter::Upgrades), 2);
    assert_eq!(test.count(Counter::WebSocketsOpened), 2);
}

#[tokio::test(start_paused = true)]
async fn messages_the_closing_handshake_and_what_is_left() {
    let test = serve();
    let client = connect(&test).await;
    let mut tunnel = Tunnel::open(&client, "/echo").await;
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let text = "x".repeat(len);
        let frame = Bytes::from(masked(0x81, text.as_bytes()));
        tunnel.send.send_data(frame, false).unwrap();
        assert!(tunnel.text().await == text, "{len}");
    }
    tunnel.frame(0x89, b"ping");
    assert_eq!(tunnel.next().await, Some((0x8a, b"ping".to_vec())));
    tunnel.frame(0x88, &1000_u16.to_be_bytes());
    assert_eq!(tunnel.next().await, Some((0x88, vec![3, 232])));
    let _ = tunnel.send.send_data(Bytes::new(), true);
    assert_eq!(tunnel.next().await, None);
    pass(1.0).await;
    assert_eq!(test.count(Counter::WebSocketsClosedClean), 1);
    assert_eq!(test.connections(), 1, "the connection alone");
    // Other streams go on.
    let request = h2_peer::to("GET", "/").body(Bytes::new()).unwrap();
    let reply = h2_peer::ask(&client, request).await.unwrap();
    assert_eq!(reply.text(), "Hello, World!");
}

/// RFC 8441 §5: an orderly end is END_STREAM, of both sides; who takes longer than a moment is reset.
#[tokio::test(start_paused = true)]
async fn an_orderly_end_is_not_chased_by_a_reset() {
    let test = serve();
    let client = connect(&test).await;
    for ends in [true, false] {
        let mut tunnel = Tunnel::open(&client, "/echo").await;
        tunnel.frame(0x88, &1000_u16.to_be_bytes());
        assert_eq!(tunnel.next().await, Some((0x88, vec![3, 232])));
        assert_eq!(tunnel.next().await, None);
        let closed = Instant::now();
        if ends {
            tunnel.send.send_data(Bytes::new(), true).unwrap();
            pass(3.0).await;
            assert_eq!(test.connections(), 1, "the connection alone");
            assert!(tunnel.recv.is_end_stream());
        } else {
            let reset = poll_fn(|cx| tunnel.send.poll_reset(cx)).await.unwrap();
            assert_eq!(reset, h2::Reason::NO_ERROR);
            let waited = closed.elapsed().as_secs_f32();
            assert!((0.25..2.0).contains(&waited), "{waited} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deflate_is_agreed_on_as_ever() {
    let test = serve();
    let client = connect(&test).await;
    let request = opening("/deflate", "websocket").header(
        "sec-websocket-extensions",
        "permessage-deflate; client_max_window_bits",
    );
    let (mut tunnel, fields) = Tunnel::open_as(&client, request).await;
    let agreed = fields["sec-websocket-extensions"].to_str().unwrap();
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
    // `Hello` compressed (RFC 7692 §7.2.3.1).
    tunnel.frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    let (first, payload) = tunnel.next().await.unwrap();
    assert!(
        first == 0xc1 || payload == b"Hello",
        "{first:x} {payload:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn h2_13_what_is_no_opening() {
    let test = serve();
    let client = connect(&test).await;
    let cases = [
        ("another protocol", opening("/echo", "connect-udp"), 501),
        ("no such route", opening("/nowhere", "websocket"), 404),
        ("a route that opens nothing", opening("/", "websocket"), 405),
        (
            "another version",
            {
                let mut request = opening("/echo", "websocket");
                request
                    .headers_mut()
                    .unwrap()
                    .insert("sec-websocket-version", http::HeaderValue::from_static("8"));
                request
            },
            426,
        ),
        (
            "a foreign page with cookies",
            opening("/echo", "websocket")
                .header("origin", "http://b")
                .header("cookie", "a=b"),
            403,
        ),
        (
            "a plain CONNECT",
            Request::builder().method("CONNECT").uri("a:80"),
            404,
        ),
    ];
    for (what, request, status) in cases {
        let (response, _) = ask(&client, request).await;
        assert_eq!(response.status().as_u16(), status, "{what}");
        assert!(!response.headers().contains_key("upgrade"), "{what}");
    }
    let own = opening("/echo", "websocket")
        .header("origin", "http://a")
        .header("cookie", "a=b");
    let _open = Tunnel::open_as(&client, own).await;
}

/// RFC 8441 §4: with `:protocol` there are `:scheme` and `:path`, and nothing of HTTP/1.1's upgrade (§5).
#[tokio::test(start_paused = true)]
async fn an_opening_that_is_not_whole_is_malformed() {
    let test = serve();
    let whole = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/echo"),
        ("sec-websocket-version", "13"),
    ];
    let without = |name: &str| -> Vec<u8> {
        let rest = whole.iter().filter(|pair| pair.0 != name);
        rest.flat_map(|(name, value)| field(name, value)).collect()
    };
    let with = |name: &str, value: &str| [without(""), field(name, value)].concat();
    let mut raw = Raw::open(&test).await;
    for (stream, section) in (1..).step_by(2).zip([
        without(":scheme"),
        without(":path"),
        without(":authority"),
        with("upgrade", "websocket"),
        with("connection", "upgrade"),
    ]) {
        raw.frame(HEADERS, END_HEADERS, stream, &section).await;
        let reset = raw.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR));
    }
    raw.frame(HEADERS, END_HEADERS, 11, &without("")).await;
    assert_eq!(raw.next_of(HEADERS).await.status(), 200);
    assert_eq!(test.count(Counter::WebSocketsOpened), 1);
}

/// RFC 9113 §8.5: in a tunnel nothing but DATA comes; trailers are an error of the stream, and no orderly end.
#[tokio::test(start_paused = true)]
async fn trailers_have_no_place_in_a_tunnel() {
    let test = serve();
    let mut raw = Raw::open(&test).await;
    for stream in [1, 3] {
        raw.open_tunnel(stream, "/echo").await;
        assert_eq!(raw.next_of(HEADERS).await.status(), 200);
    }
    let section = field("x-sum", "1");
    raw.frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
        .await;
    let reset = raw.next_of(RST_STREAM).await;
    assert_eq!((reset.stream, reset.code()), (1, PROTOCOL_ERROR));
    raw.frame(DATA, 0, 3, &masked(0x81, b"hi")).await;
    assert_eq!(raw.next_of(DATA).await.payload, b"\x81\x02hi");
    pass(1.0).await;
    assert_eq!(test.count(Counter::WebSocketsClosedUnclean), 1);
}

#[tokio::test(start_paused = true)]
async fn h2_13_a_hundred_sockets_on_one_connection_and_resets() {
    let test = serve();
    let client = connect(&test).await;
    let mut tunnels = Vec::new();
    for _ in 0..100 {
        tunnels.push(Tunnel::open(&client, "/echo").await);
    }
    for (number, tunnel) in tunnels.iter_mut().enumerate() {
        tunnel.frame(0x81, number.to_string().as_bytes());
    }
    for (number, tunnel) in tunnels.iter_mut().enumerate() {
        assert_eq!(tunnel.text().await, number.to_string());
    }
    assert_eq!(test.connections(), 101);
    // Half of them are reset inside a frame: 1006 for their handlers, nothing for the others.
    for tunnel in tunnels.drain(..50) {
        let mut tunnel = tunnel;
        tunnel
            .send
            .send_data(Bytes::from_static(&[0x81, 0xff]), false)
            .unwrap();
        pass(0.1).await;
        tunnel.send.send_reset(h2::Reason::CANCEL);
    }
    pass(1.0).await;
    assert_eq!(test.count(Counter::WebSocketsClosedUnclean), 50);
    assert_eq!(test.connections(), 51);
    for tunnel in &mut tunnels {
        tunnel.frame(0x81, b"still here");
        assert_eq!(tunnel.text().await, "still here");
    }
    drop((tunnels, client));
    pass(3.0).await;
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn h2_13_whoever_stops_reading_stops_the_sender() {
    let test = serve();
    let client = connect(&test).await;
    let tunnel = Tunnel::open(&client, "/flood").await;
    let mut other = Tunnel::open(&client, "/echo").await;
    pass(2.0).await;
    assert!(test.buffered() < 1024 * 1024, "{}", test.buffered());
    let watch = Watch::start();
    while test.connections() > 2 {
        pass(0.25).await;
    }
    // The socket's own deadline for a peer that takes nothing.
    watch.assert(25.0..=40.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 1);
    drop(tunnel);
    other.frame(0x81, b"still here");
    assert_eq!(other.text().await, "still here");
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_1001_on_every_stream() {
    let test = serve();
    let client = connect(&test).await;
    let mut tunnels = Vec::new();
    for _ in 0..10 {
        tunnels.push(Tunnel::open(&client, "/echo").await);
    }
    drop(client);
    test.drain();
    for tunnel in &mut tunnels {
        let (first, payload) = tokio::time::timeout(Duration::from_secs(20), tunnel.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((first, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
        tunnel.frame(0x88, &1001_u16.to_be_bytes());
    }
    pass(5.0).await;
    assert_eq!(test.connections(), 0);
    assert_eq!(test.count(Counter::WebSocketsClosedClean), 10);
}

/// Windows as large as they get, and a client that takes nothing off its socket.
#[tokio::test(start_paused = true)]
async fn h2_13_all_tunnels_together_have_one_buffer() {
    let test = serve();
    let mut peer = Raw::open_with(&test, &[(4, 0x7fff_ffff)]).await;
    peer.window(0, 0x7fff_0000).await;
    for stream in 0..60 {
        peer.open_tunnel(2 * stream + 1, "/narrow-flood").await;
    }
    pass(2.0).await;
    let (held, sent) = (test.buffered(), FLOODED.load(Ordering::SeqCst));
    // What may wait for the socket, and what each socket queues of its own.
    let bounds = 1024 * 1024..1024 * 1024 + 500_000;
    assert!(bounds.contains(&held), "{held} octets are charged");
    assert!(bounds.contains(&sent), "{sent} octets were taken");
    let (mut heads, mut octets) = (0, 0);
    // It goes on when the client does.
    while octets < 4_000_000 {
        let frame = peer.next().await.unwrap();
        heads += usize::from(frame.kind == HEADERS);
        if frame.kind == DATA {
            octets += frame.payload.len();
        }
    }
    assert_eq!(heads, 60);
    drop(peer);
    pass(3.0).await;
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}

/// What nobody reads is charged to the connection.
#[tokio::test(start_paused = true)]
async fn what_waits_in_a_tunnel_is_charged() {
    let test = serve();
    let mut peer = Raw::open(&test).await;
    for stream in 0..10 {
        peer.open_tunnel(2 * stream + 1, "/deaf").await;
    }
    pass(3.0).await;
    let before = test.buffered();
    let message = masked(0x82, &[0; 60_000]);
    for stream in 0..10 {
        for piece in message.chunks(16_384) {
            peer.frame(DATA, 0, 2 * stream + 1, piece).await;
        }
    }
    pass(3.0).await;
    let held = test.buffered() - before;
    assert!((600_000..1_200_000).contains(&held), "{held}");
    drop(peer);
    pass(3.0).await;
    assert_eq!((test.connections(), test.buffered()), (0, 0));
}
