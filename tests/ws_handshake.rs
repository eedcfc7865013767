//! Opening handshakes as attackers send them, over TCP: the answer is exact, comes at once, and what
//! follows on the connection is read as what it is.

#![expect(
    clippy::disallowed_methods,
    reason = "over TCP it is the real clock that counts"
)]

#[path = "support/socket.rs"]
mod socket;

use crate::socket::{Reply, Socket};
use std::time::{Duration, Instant};
use wireline::resource::counters::Counter;
use wireline::router::Routes;
use wireline::test::TestServer;
use wireline::ws::deflate;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::origin::Policy;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::WebSocket;
use wireline::{Router, Server};

fn routes() -> Routes {
    let by = |policy: Policy| move |upgrade: WebSocketUpgrade| upgrade.origin(policy.clone());
    Router::new()
        .websocket("/", echo)
        .websocket_with("/own", by(Policy::SameOrigin), echo)
        .websocket_with("/list", by(Policy::list(["https://good.com"])), echo)
        .websocket_with("/any", by(Policy::Any), echo)
        .websocket_with(
            "/all",
            |upgrade| {
                upgrade
                    .deflate(deflate::Config::default())
                    .subprotocols(Subprotocols::list(["chat"]))
            },
            echo,
        )
        .get("/smuggled", async || "smuggled")
        .get("/hello", async || "hello")
        .get("/debug", async |upgrade: WebSocketUpgrade| {
            format!("{upgrade:?}")
        })
        .build()
        .unwrap()
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Asks on a connection of its own, with what a handshake needs and these fields.
fn ask(server: &TestServer, path: &str, fields: &str) -> (Socket, Reply) {
    let mut socket = Socket::connect(server.addr());
    socket.send(format!(
        "GET {path} HTTP/1.1\r\nHost: good.com\r\n{UPGRADE}{VERSION}{KEY}{fields}\r\n"
    ));
    let reply = socket.reply();
    (socket, reply)
}

/// Fails unless the socket speaks.
fn assert_speaks(socket: &mut Socket) {
    socket.send(b"\x81\x82\0\0\0\0hi");
    assert_eq!(socket.take(4), b"\x81\x02hi");
}

#[test]
fn d33_origins_that_may_and_may_not() {
    let server = TestServer::new(routes());
    // The default looks at cookies, the lists do not.
    let all = ["/", "/own", "/list", "/any"];
    for (origin, allowed) in [
        (None, [true, true, true, true]),
        (Some("https://good.com"), [true, true, true, true]),
        (Some("HTTPS://GOOD.COM"), [true, true, true, true]),
        (Some("http://good.com"), [true, true, false, true]),
        (Some("https://good.com:443"), [true, true, false, true]),
        (Some("https://good.com:8443"), [false, false, false, true]),
        (Some("https://evil.com"), [false, false, false, true]),
        (
            Some("http://good.com.evil.com"),
            [false, false, false, true],
        ),
        (
            Some("https://evil.com/good.com"),
            [false, false, false, true],
        ),
        (
            Some("https://good.com@evil.com"),
            [false, false, false, true],
        ),
        (Some("https://evilgood.com"), [false, false, false, true]),
        (Some("https://good.com."), [false, false, false, true]),
        (Some("null"), [false, false, false, true]),
        (Some("file://"), [false, false, false, true]),
        (Some(""), [false, false, false, true]),
    ] {
        for (path, allowed) in all.into_iter().zip(allowed) {
            for cookie in ["Cookie: user=ada\r\n", ""] {
                let allowed = allowed || (path == "/" && cookie.is_empty());
                let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
                let (mut socket, reply) = ask(&server, path, &format!("{origin}{cookie}"));
                let status = if allowed { 101 } else { 403 };
                assert_eq!(reply.status, status, "{path} {origin:?} {cookie:?}");
                if allowed {
                    assert_speaks(&mut socket);
                } else {
                    assert_eq!(socket.get("/hello").text(), "hello", "it is still HTTP");
                }
            }
        }
    }
    // Two origins are none.
    let two = "Origin: https://good.com\r\nOrigin: https://good.com\r\n";
    for path in all {
        assert_eq!(ask(&server, path, two).1.status, 403, "{path}");
    }
}

#[test]
fn handshakes_that_are_none() {
    let server = TestServer::new(routes());
    let key = |key: &str| format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: {key}\r\n");
    let version = |version: &str| format!("{UPGRADE}{KEY}Sec-WebSocket-Version: {version}\r\n");
    let all = format!("{UPGRADE}{VERSION}{KEY}");
    for (fields, status) in [
        (version("12"), 426),
        (version("14"), 426),
        (version("0"), 426),
        (version("013"), 426),
        (version("13, 13"), 426),
        (version("18446744073709551629"), 426),
        (version(""), 426),
        (format!("{}{VERSION}", version("8")), 400),
        (format!("{UPGRADE}{KEY}"), 400),
        (format!("{UPGRADE}{VERSION}"), 400),
        (format!("{all}{KEY}"), 400),
        (key(""), 400),
        (key("dGhlIHNhbXBsZSBub25jZQ"), 400),
        (key("dGhlIHNhbXBsZSBub25jZQ=!"), 400),
        (key("dGhlIHNhbXBsZSBub25jZTEyMzQ="), 400),
        (key(&"A".repeat(4000)), 400),
        (
            format!("Connection: close\r\nUpgrade: websocket\r\n{VERSION}{KEY}"),
            400,
        ),
        (
            format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{VERSION}{KEY}"),
            400,
        ),
        (format!("{all}Sec-WebSocket-Protocol: a b\r\n"), 400),
        (format!("{all}Sec-WebSocket-Protocol: a,a\r\n"), 400),
        (format!("{all}Sec-WebSocket-Extensions: ;\r\n"), 400),
        (all.clone(), 101),
        (
            format!(
                "Connection: keep-alive , UPGRADE\r\nUpgrade: h2c, WebSocket\r\n{VERSION}{KEY}"
            ),
            101,
        ),
    ] {
        let mut socket = Socket::connect(server.addr());
        socket.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let reply = socket.reply();
        assert_eq!(reply.status, status, "{fields}");
        let versions = reply.field("sec-websocket-version");
        assert_eq!(versions, (status == 426).then_some("13"), "{fields}");
        if status == 101 {
            assert_speaks(&mut socket);
        } else if reply.persists() || status == 426 {
            assert_eq!(socket.get("/hello").text(), "hello", "{fields}");
        } else {
            socket.assert_end();
        }
    }
    // Other methods are other resources.
    for method in ["POST", "PUT", "OPTIONS", "HEAD"] {
        let mut socket = Socket::connect(server.addr());
        socket.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{all}\r\n"));
        let reply = socket.reply_to(method == "HEAD");
        assert!(reply.status != 101, "{method}: {}", reply.head);
    }
    // HTTP/1.0 knows no upgrade.
    let mut socket = Socket::connect(server.addr());
    socket.send(format!("GET / HTTP/1.0\r\nHost: a\r\n{all}\r\n"));
    assert_eq!(socket.reply().status, 400);
    socket.assert_end();
}

/// A request that opens a socket has no content; what it calls content is never read as a request, nor as frames.
#[test]
fn content_behind_a_handshake_is_content() {
    let server = TestServer::new(routes());
    let request = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let all = format!("{UPGRADE}{VERSION}{KEY}");
    for (framing, content) in [
        (
            format!("Content-Length: {}\r\n", request.len()),
            request.to_owned(),
        ),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{:x}\r\n{request}\r\n0\r\n\r\n", request.len()),
        ),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n".to_owned(),
        ),
    ] {
        let mut socket = Socket::connect(server.addr());
        socket.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{framing}{all}\r\n{content}"
        ));
        let reply = socket.reply();
        assert_eq!(reply.status, 400, "{framing}");
        if reply.persists() {
            assert_eq!(socket.get("/hello").text(), "hello", "{framing}");
        } else {
            socket.assert_end();
        }
    }
    // Both framings, or a length that is none, are refused as everywhere.
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: +0\r\n",
    ] {
        let mut socket = Socket::connect(server.addr());
        socket.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{framing}{all}\r\n"));
        assert_eq!(socket.reply().status, 400, "{framing}");
        socket.assert_end();
    }
    // No content is none, however it is said; frames may follow at once.
    for framing in ["", "Content-Length: 0\r\n"] {
        let mut socket = Socket::connect(server.addr());
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{framing}{all}\r\n");
        socket.send([head.as_bytes(), b"\x81\x85\0\0\0\0early"].concat());
        assert_eq!(socket.reply().status, 101, "{framing}");
        assert_eq!(socket.take(7), b"\x81\x05early");
        assert_speaks(&mut socket);
    }
    assert_eq!(server.handle().metrics().get(Counter::WebSocketsOpened), 2);
}

/// What a handshake costs grows with its octets and no faster, and they have a ceiling.
#[test]
fn large_and_crooked_handshakes_are_cheap() {
    let large = Server::new(routes()).configure(|config| {
        config.limits.header_section = 36 * 1024;
        config.limits.header_fields = 1000;
    });
    let (server, large) = (TestServer::new(routes()), TestServer::start(large));
    let protocols = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
        format!("Sec-WebSocket-Protocol: {}\r\n", names.join(", "))
    };
    let line_by_line = |count: usize, line: &str| line.repeat(count);
    let offers = |value: &str| format!("Sec-WebSocket-Extensions: {value}\r\n");
    let deflate = "permessage-deflate; client_max_window_bits";
    let parameter = "; a=\"\\b\"";
    for (name, fields, small_says, large_says) in [
        ("10,000 subprotocols", protocols(10_000), 431, 431),
        ("4,000 subprotocols", protocols(4_000), 431, 400),
        ("64 subprotocols", protocols(64), 101, 101),
        ("65 subprotocols", protocols(65), 400, 400),
        (
            "lines of them",
            line_by_line(900, "Sec-WebSocket-Protocol: a\r\n"),
            431,
            400,
        ),
        (
            "commas",
            format!("Sec-WebSocket-Protocol: {}chat\r\n", ",".repeat(7000)),
            101,
            101,
        ),
        ("commas of offers", offers(&",".repeat(7000)), 101, 101),
        (
            "spaces",
            offers(&format!("{deflate}{} ;a", " ".repeat(7000))),
            101,
            101,
        ),
        ("tabs and commas", offers(&"\t, ".repeat(2000)), 101, 101),
        (
            "semicolons",
            offers(&format!("a{}", ";".repeat(7000))),
            400,
            400,
        ),
        (
            "quotes",
            offers(&format!("a; b={}", "\"".repeat(7000))),
            400,
            400,
        ),
        (
            "an open quote",
            offers(&format!("a; b=\"{}", "\\a".repeat(3500))),
            400,
            400,
        ),
        (
            "equals signs",
            offers(&format!("a; {}", "b=".repeat(3500))),
            400,
            400,
        ),
        ("one long token", offers(&"a".repeat(7000)), 101, 101),
        (
            "32 parameters",
            offers(&format!("a{}", parameter.repeat(32))),
            101,
            101,
        ),
        (
            "parameters",
            offers(&format!("a{}", parameter.repeat(800))),
            400,
            400,
        ),
        ("offers", offers(&"a,".repeat(3500)), 400, 400),
        (
            "offers of what we have",
            offers(&[deflate; 32].join(",")),
            101,
            101,
        ),
        (
            "lines of offers",
            line_by_line(900, &offers("a,a,a")),
            431,
            400,
        ),
        (
            "a long key",
            format!("Sec-WebSocket-Key: {}\r\n", "A".repeat(7000)),
            400,
            400,
        ),
        (
            "connections",
            format!("Connection: {}\r\n", "a,".repeat(3500)),
            101,
            101,
        ),
    ] {
        for (server, status) in [(&server, small_says), (&large, large_says)] {
            let begun = Instant::now();
            let (mut socket, reply) = ask(server, "/all", &fields);
            let took = begun.elapsed();
            assert_eq!(reply.status, status, "{name}");
            // A hundred times what it takes, and a hundredth of what a quadratic one would.
            assert!(took < Duration::from_millis(250), "{name}: {took:?}");
            if status == 101 {
                assert_speaks(&mut socket);
            }
        }
    }
    // Ten megabytes of a field are not read to their end.
    for server in [&server, &large] {
        let mut socket = Socket::connect(server.addr());
        socket.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}{VERSION}{KEY}X: "
        ));
        let block = "a".repeat(1024 * 1024);
        let begun = Instant::now();
        for _ in 0..10 {
            socket.send(&block);
        }
        assert_eq!(socket.reply().status, 431);
        socket.rest();
        assert!(begun.elapsed() < Duration::from_secs(3));
        let metrics = server.handle().metrics();
        assert!(metrics.buffered() < 128 * 1024, "{}", metrics.buffered());
    }
}

#[test]
fn what_is_printed_of_an_upgrade_has_no_token() {
    let server = TestServer::new(routes());
    let fields = "Sec-WebSocket-Protocol: bearer, bearer.swordfish\r\nCookie: a=swordfish\r\nAuthorization: Bearer swordfish\r\n";
    let (_, reply) = ask(&server, "/debug", fields);
    assert_eq!(reply.status, 200);
    let text = reply.text();
    assert!(text.contains("sec-websocket-protocol"), "{text}");
    for secret in ["swordfish", "115, 119, 111", "dGhlIHNhbXBsZSBub25jZQ"] {
        assert!(!text.contains(secret), "{text}");
    }
}
