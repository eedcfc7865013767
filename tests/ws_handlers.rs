//! Handlers of WebSockets, over the in-memory transport and on a paused clock: guards and tokens, middleware
//! and arguments, parts.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use futures_sink::Sink;
use http::{Method, StatusCode};
use serde::Deserialize;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talk::{Watch, pass};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use wireline::extract::{Extension, MatchedPath, Path, Query, RawQuery, State};
use wireline::resource::counters::Counter;
use wireline::router::Routes;
use wireline::service::error::Error;
use wireline::service::headers::Headers;
use wireline::service::middleware::Next;
use wireline::service::request::Request;
use wireline::test::TestClient;
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::connection::Lent;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::message::Message;
use wireline::ws::origin::Policy;
use wireline::ws::route::guard::guarded;
use wireline::ws::route::token::Token;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::{SocketError, WebSocket};
use wireline::{Response, Router};
use ws_peer::Peer;

fn routes() -> Routes {
    let fragments = |upgrade: wireline::ws::route::WebSocketUpgrade| {
        upgrade.config(Config {
            fragments: true,
            ..Config::default()
        })
    };
    Router::new()
        .websocket("/guarded/{name}", guarded(guard, echo))
        .websocket("/token", async |socket: WebSocket, Token(token): Token| {
            let protocol = socket.protocol().unwrap_or_default();
            socket.send(format!("{token} {protocol}")).await
        })
        .websocket_with(
            "/chosen",
            |upgrade| upgrade.subprotocols(Subprotocols::list(["chat"])),
            async |socket: WebSocket, Token(token): Token| {
                let protocol = socket.protocol().unwrap_or_default();
                socket.send(format!("{token} {protocol}")).await
            },
        )
        .websocket_with("/own", |upgrade| upgrade.origin(Policy::SameOrigin), echo)
        .websocket(
            "/first",
            async |mut socket: WebSocket| -> Result<(), Error> {
                let token = socket.first_message(Duration::from_secs(5)).await?;
                if token.as_text() != Some("open-sesame") {
                    return Err(Error::new(StatusCode::FORBIDDEN, "members only"));
                }
                socket.send("welcome").await?;
                echo(socket).await;
                Ok(())
            },
        )
        .websocket("/parts", async |socket: WebSocket| {
            let other = socket.sender();
            let mut parts = socket.send_parts(true).await?;
            parts.send("in ").await?;
            other.send(Message::Ping("p".into())).await?;
            other.send("behind").await?;
            parts.send("parts").await?;
            parts.finish().await?;
            Ok::<_, SocketError>(())
        })
        .websocket("/half", async |socket: WebSocket| {
            let mut parts = socket.send_parts(false).await?;
            parts.send("half").await?;
            drop(parts);
            Ok::<_, SocketError>(())
        })
        .websocket_with("/whole", fragments, echo)
        .websocket_with(
            "/pieces",
            fragments,
            async |mut socket: WebSocket| -> Result<(), SocketError> {
                let first = socket.recv_fragment().await;
                assert!(matches!(first, Some(Ok(part)) if !part.last));
                let rest = socket.recv().await;
                assert!(matches!(rest, Some(Err(SocketError::Partial))));
                assert!(matches!(socket.recv().await, Some(Ok(Message::Text(_)))));
                Ok(())
            },
        )
        .websocket("/status", async |mut socket: WebSocket| {
            assert_eq!(socket.close_status(), None);
            while socket.recv_msg().await.is_some() {}
            let status = socket.close_status().expect("it is closed");
            assert_eq!((status.code(), status.clean), (4000, true));
        })
        .websocket("/sink", async |mut socket: WebSocket| {
            let mut sink = Pin::new(&mut socket);
            for word in ["a", "b"] {
                poll_fn(|cx| sink.as_mut().poll_ready(cx)).await?;
                sink.as_mut().start_send(word.into())?;
            }
            poll_fn(|cx| sink.as_mut().poll_flush(cx)).await?;
            poll_fn(|cx| sink.as_mut().poll_close(cx)).await
        })
        .websocket("/lent", async |mut socket: WebSocket| {
            let blob = vec![b'x'; 10_000];
            while let Some(Ok(())) = socket
                .recv_each(|message, replies| {
                    if let Lent::Text(_) = message {
                        let _ = replies.binary(&blob);
                    }
                    ControlFlow::Continue(())
                })
                .await
            {}
        })
        .build()
        .expect("good routes")
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn guard(Path(name): Path<String>, Token(token): Token) -> Result<(), StatusCode> {
    (token == name).then_some(()).ok_or(StatusCode::FORBIDDEN)
}

fn assert_nothing_left(client: &TestClient) {
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_guard_and_extractors_answer_in_http_before_the_upgrade() {
    let client = TestClient::new(routes());
    for (fields, status) in [
        ("", "401 Unauthorized"),
        ("Authorization: Basic YQ==\r\n", "401 Unauthorized"),
        ("Authorization: Bearer bo\r\n", "403 Forbidden"),
        ("authorization: bearer ada\r\n", "101 Switching Protocols"),
    ] {
        let (_, head) = Peer::ask(&client, "/guarded/ada", fields).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert_eq!(
            head.contains("\r\nwww-authenticate: Bearer\r\n"),
            status.starts_with("401")
        );
    }
    pass(1.0).await;
    assert_eq!(client.count(Counter::WebSocketsOpened), 1);
    assert_eq!(client.count(Counter::WebSocketsClosedUnclean), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_a_field_or_a_subprotocol_or_in_the_query() {
    let client = TestClient::new(routes());
    for (path, fields, text) in [
        ("/token?token=q", "Authorization: Bearer h\r\n", "h "),
        ("/token?a&token=q.1", "", "q.1 "),
        (
            "/token?token=q",
            "Sec-WebSocket-Protocol: chat, bearer.p\r\n",
            "p ",
        ),
        (
            "/chosen",
            "Sec-WebSocket-Protocol: bearer.p, chat\r\n",
            "p chat",
        ),
    ] {
        let (mut peer, head) = Peer::ask(&client, path, fields).await;
        assert_eq!(peer.text().await, text, "{path} {fields}");
        assert!(!head.contains("bearer"), "{head}");
        assert_eq!(
            head.contains("\r\nsec-websocket-protocol: chat\r\n"),
            path == "/chosen"
        );
    }
    for path in ["/token?token=", "/token?token=%61", "/token?tokens=a"] {
        let (_, head) = Peer::ask(&client, path, "").await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_message_comes_in_time_and_is_right() {
    let client = TestClient::new(routes());
    let mut good = Peer::open(&client, "/first").await;
    good.say("open-sesame").await;
    assert_eq!(good.text().await, "welcome");
    let mut bad = Peer::open(&client, "/first").await;
    bad.say("please").await;
    assert_eq!(bad.close().await, (1008, "members only".to_owned()));
    let mut silent = Peer::open(&client, "/first").await;
    let watch = Watch::start();
    // A ping is no message.
    silent.frame(0x89, b"").await;
    assert_eq!(silent.next().await, (0x8a, Vec::new()));
    assert_eq!(silent.close().await.0, 1008);
    watch.assert(5.0..=5.1);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_handshake_are_exact() {
    let client = TestClient::new(routes());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (fields, status, has) in [
        (String::new(), "400 Bad Request", ""),
        (
            format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"),
            "426 Upgrade Required",
            "sec-websocket-version: 13\r\n",
        ),
        (
            format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"),
            "426 Upgrade Required",
            "upgrade: websocket\r\n",
        ),
        (
            format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"),
            "426 Upgrade Required",
            "connection: keep-alive, upgrade\r\n",
        ),
        (
            format!("{upgrade}Sec-WebSocket-Version: 13\r\n"),
            "400 Bad Request",
            "",
        ),
        (
            format!("{upgrade}{key}{key}Sec-WebSocket-Version: 13\r\n"),
            "400 Bad Request",
            "",
        ),
        (
            format!("{upgrade}{key}Sec-WebSocket-Version: 13\r\nOrigin: https://b\r\n"),
            "403 Forbidden",
            "",
        ),
        (
            format!("{upgrade}{key}Sec-WebSocket-Version: 13\r\nOrigin: https://a\r\n"),
            "101 Switching Protocols",
            "",
        ),
    ] {
        let mut io = client.connect();
        let request = format!("GET /own HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let head = talk::until(&mut io, "\r\n\r\n").await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")) && head.contains(has),
            "{fields}: {head}"
        );
    }
}

/// Whatever methods the route says it has are not refused as methods.
#[tokio::test(start_paused = true)]
async fn methods_of_a_route_of_websockets() {
    let client = TestClient::new(routes());
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for (method, fields, status) in [
        ("HEAD", fields, 400),
        ("HEAD", "", 400),
        ("GET", "", 400),
        ("GET", fields, 101),
        ("POST", fields, 405),
        ("DELETE", "", 405),
    ] {
        let mut io = client.connect();
        let request = format!("{method} /own HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let head = talk::until(&mut io, "\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(
            head.contains("\r\nallow: GET, HEAD, OPTIONS\r\n"),
            status == 405,
            "{head}"
        );
    }
}

/// Of a reason that is too long as much is sent as fits, whichever way it came to be.
#[tokio::test(start_paused = true)]
async fn a_long_reason_is_cut_between_characters() {
    let routes = Router::new()
        .websocket("/new", async |_: WebSocket| {
            CloseFrame::new(CloseCode::POLICY, "é".repeat(100))
        })
        .websocket("/field", async |_: WebSocket| CloseFrame {
            code: CloseCode::POLICY,
            reason: "é".repeat(100).into(),
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    for path in ["/new", "/field"] {
        let mut peer = Peer::open(&client, path).await;
        assert_eq!(peer.close().await, (1008, "é".repeat(61)));
        peer.frame(0x88, b"\x03\xf0").await;
    }
    pass(1.0).await;
    assert_eq!(client.count(Counter::WebSocketsClosedClean), 2);
    assert_nothing_left(&client);
}

/// A handler that serves until its socket ends need not return.
#[tokio::test(start_paused = true)]
async fn a_handler_may_be_one_that_never_returns() {
    let routes = Router::new().get(
        "/",
        async |upgrade: wireline::ws::route::WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(async |socket| {
                loop {
                    let _ = socket.send("tick").await;
                    sleep(Duration::from_secs(1)).await;
                }
            })
        },
    );
    let client = TestClient::new(routes.build().expect("good routes"));
    let mut peer = Peer::open(&client, "/").await;
    for _ in 0..3 {
        assert_eq!(peer.text().await, "tick");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_in_parts_lets_control_frames_pass_and_others_wait() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/parts").await;
    for (first, payload) in [
        (0x01, "in "),
        (0x89, "p"),
        (0x00, "parts"),
        (0x80, ""),
        (0x81, "behind"),
    ] {
        let (found, octets) = peer.next().await;
        assert_eq!(
            (found, &*String::from_utf8_lossy(&octets)),
            (first, payload)
        );
    }
    assert_eq!(peer.close().await.0, 1000);
    let mut peer = Peer::open(&client, "/half").await;
    assert_eq!(peer.next().await, (0x02, b"half".to_vec()));
    assert_eq!(peer.close().await.0, 1011);
}

#[tokio::test(start_paused = true)]
async fn with_fragments_recv_still_gives_whole_messages() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/whole").await;
    peer.frame(0x01, "gr\u{fc}".as_bytes().split_last().unwrap().1)
        .await;
    peer.frame(0x00, b"").await;
    peer.frame(0x80, b"\xbc\xc3\x9fe").await;
    assert_eq!(peer.text().await, "gr\u{fc}\u{df}e");
    let mut peer = Peer::open(&client, "/pieces").await;
    peer.frame(0x01, b"a").await;
    pass(0.1).await;
    peer.frame(0x00, b"b").await;
    peer.frame(0x80, b"c").await;
    peer.frame(0x01, b"d").await;
    peer.frame(0x80, b"e").await;
    assert_eq!(peer.close().await.0, 1000);
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn how_it_was_closed_is_known_and_counted() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/status").await;
    peer.frame(0x88, &4000u16.to_be_bytes()).await;
    assert_eq!(peer.close().await.0, 4000);
    let mut gone = Peer::open(&client, "/guarded/ada?token=ada").await;
    gone.io.shutdown().await.unwrap();
    drop(gone);
    let mut bad = Peer::open(&client, "/whole").await;
    bad.frame(0x83, b"").await;
    assert_eq!(bad.close().await.0, 1002);
    drop((bad, peer));
    pass(6.0).await;
    for (counter, count) in [
        (Counter::HandlerPanics, 0),
        (Counter::WebSocketsOpened, 3),
        (Counter::WebSocketsClosedClean, 1),
        (Counter::WebSocketsClosedUnclean, 2),
        (Counter::WebSocketProtocolErrors, 1),
    ] {
        assert_eq!(client.count(counter), count, "{}", counter.name());
    }
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_a_sink() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/sink").await;
    assert_eq!(
        (peer.text().await, peer.text().await),
        ("a".into(), "b".into())
    );
    assert_eq!(peer.next().await, (0x88, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn answers_to_what_is_lent_have_a_ceiling() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/lent").await;
    // A hundred times what fits, asked for by a peer that does not read.
    let asked = tokio::time::timeout(Duration::from_secs(5), async {
        for _ in 0..100_000 {
            peer.say("more").await;
        }
    });
    assert!(asked.await.is_err(), "the peer has to wait");
    // The bound of the queue, and a buffer that has grown for the answer that passed it.
    assert!(client.buffered() < 1024 * 1024, "{}", client.buffered());
    drop(peer);
    pass(1.0).await;
    assert_nothing_left(&client);
}

#[tokio::test(start_paused = true)]
async fn middleware_stands_before_a_socket() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let noted = |word: &'static str| {
        let log = log.clone();
        move || log.lock().unwrap().push(word)
    };
    let (by_all, by_group, by_socket) = (noted("global"), noted("group"), noted("socket"));
    let gate = move |request: Request, next: Next| {
        by_all();
        async move {
            if request.header("authorization").is_none() {
                return Response::text("who are you?").with_status(StatusCode::UNAUTHORIZED);
            }
            next.run(request).await.with_header("x-global", "seen")
        }
    };
    let members = move |request: Request, next: Next| {
        by_group();
        async move {
            if request.path() == "/club/closed" {
                return Response::text("not now").with_status(StatusCode::SERVICE_UNAVAILABLE);
            }
            next.run(request).await.with_header("x-group", "seen")
        }
    };
    let greet = move |socket: WebSocket| {
        by_socket();
        async move { socket.send("welcome").await }
    };
    let club = Router::new()
        .middleware(members)
        .websocket("/open", greet.clone())
        .websocket("/closed", greet.clone());
    let routes = Router::new()
        .middleware(gate)
        .websocket("/hall", greet)
        .nest("/club", club)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let member = "Authorization: me\r\n";
    for (path, fields, status, seen, order) in [
        ("/club/open", "", 401, [false, false], &["global"][..]),
        (
            "/club/closed",
            member,
            503,
            [true, false],
            &["global", "group"],
        ),
        ("/hall", member, 101, [true, false], &["global", "socket"]),
        (
            "/club/open",
            member,
            101,
            [true, true],
            &["global", "group", "socket"],
        ),
    ] {
        let (mut peer, head) = Peer::ask(&client, path, fields).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {head}"
        );
        for (name, seen) in ["x-global", "x-group"].into_iter().zip(seen) {
            assert_eq!(talk::field(&head, name).is_some(), seen, "{path}: {head}");
        }
        if status == 101 {
            assert_eq!(peer.text().await, "welcome");
        }
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), order, "{path}");
    }
    pass(1.0).await;
    assert_eq!(client.count(Counter::WebSocketsOpened), 2);
}

#[tokio::test(start_paused = true)]
async fn s56_s82_eight_arguments_stand_beside_a_socket() {
    #[derive(Deserialize)]
    struct Page {
        page: u8,
    }
    #[expect(
        clippy::too_many_arguments,
        reason = "eight are the most that a handler may have beside its socket"
    )]
    async fn all(
        socket: WebSocket,
        State(scale): State<u32>,
        Path(id): Path<u32>,
        Query(page): Query<Page>,
        Extension(name): Extension<&'static str>,
        method: Method,
        headers: Headers,
        MatchedPath(pattern): MatchedPath,
        RawQuery(query): RawQuery,
    ) -> Result<(), SocketError> {
        let (id, page, query) = (scale * id, page.page, query.unwrap_or_default());
        let color = headers.get("x-color").and_then(|color| color.to_str().ok());
        let color = color.unwrap_or_default();
        let all = format!("{id} {page} {name} {method} {color} {pattern} {query}");
        socket.send(all).await.map(drop)
    }
    let routes = Router::new()
        .websocket("/{id}", all)
        .state(10u32)
        .extension("name")
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let (mut peer, _) = Peer::ask(&client, "/4?page=2", "X-Color: blue\r\n").await;
    assert_eq!(peer.text().await, "40 2 name GET blue /{id} page=2");
    assert_eq!(peer.close().await.0, 1000);
    // The first that fails answers, and there is no socket.
    for (target, complaint) in [
        ("/x?page=y", "path parameter `id`"),
        ("/4?page=y", "query parameter `page`"),
    ] {
        let (mut peer, head) = Peer::ask(&client, target, "").await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{target}: {head}");
        peer.io.shutdown().await.unwrap();
        let said = talk::rest(&mut peer.io).await;
        assert!(said.starts_with(complaint), "{target}: {said}");
    }
    assert_eq!(client.count(Counter::WebSocketsOpened), 1);
}
