//! What handlers of WebSockets give back and what becomes of it; what the halves can do; what may stand where. Over the in-memory
//! transport and on a paused clock.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use bytes::Bytes;
use http::StatusCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talk::{Watch, pass};
use tokio::io::AsyncWriteExt;
use tokio::sync::broadcast::{self, error::RecvError};
use wireline::extract::{Json, Path};
use wireline::resource::counters::Counter;
use wireline::service::error::HttpError;
use wireline::test::TestClient;
use wireline::wire::number::decimal;
use wireline::ws::close::IntoCloseFrame;
use wireline::ws::error::Error as Fault;
use wireline::ws::handshake::server::Refusal;
use wireline::ws::prelude::*;
use wireline::{Body, Error, Request, Response, Router};
use ws_peer::{Peer, masked};

struct OutOfStock;

impl HttpError for OutOfStock {
    fn into_http(self) -> (StatusCode, String) {
        (StatusCode::CONFLICT, "out of stock".into())
    }
}

fn order() -> Result<(), OutOfStock> {
    Err(OutOfStock)
}

#[tokio::test(start_paused = true)]
async fn every_error_says_how_it_closes_and_is_counted() {
    let long = "é".repeat(100);
    let told = long.clone();
    let routes = Router::new()
        .websocket("/fine", async |_: WebSocket| StatusCode::OK)
        .websocket("/status", async |_: WebSocket| StatusCode::FORBIDDEN)
        .websocket("/fault", async |_: WebSocket| StatusCode::BAD_GATEWAY)
        .websocket("/error", async |_: WebSocket| {
            Err::<(), _>(StatusCode::UNAUTHORIZED)
        })
        .websocket("/said", async |_: WebSocket| {
            Err::<CloseCode, _>((StatusCode::NOT_FOUND, "no such room"))
        })
        .websocket("/own", async |_: WebSocket| {
            order().map_err(Error::from_http)
        })
        .websocket("/long", move |_: WebSocket| {
            let told = told.clone();
            async move { Err::<(), _>(Error::new(StatusCode::BAD_REQUEST, told)) }
        })
        .websocket("/inside", async |_: WebSocket| {
            Err::<(), _>(Error::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "10.0.0.7 is down",
            ))
        })
        .websocket("/source", async |_: WebSocket| {
            Err::<(), _>(std::io::Error::other("the disk is full"))
        })
        .websocket("/number", async |_: WebSocket| {
            Err::<(), _>(StatusCode::from_u16(499).unwrap())
        })
        .websocket(
            "/json",
            async |mut socket: WebSocket| -> Result<(), Error> {
                let first = socket.first_message(Duration::from_secs(1)).await?;
                let numbers: Vec<u8> = first.json()?;
                socket.send_json(&numbers).await?;
                Ok(())
            },
        )
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    for (path, close, errors) in [
        ("/fine", (1000, "Normal closure"), 0),
        ("/status", (1008, "Forbidden"), 1),
        ("/fault", (1011, "Internal error"), 2),
        ("/error", (1008, "Unauthorized"), 3),
        ("/said", (1008, "no such room"), 4),
        ("/own", (1008, "out of stock"), 5),
        ("/long", (1008, &long[..122]), 6),
        ("/inside", (1011, "Internal error"), 7),
        ("/source", (1011, "Internal error"), 8),
        ("/number", (1008, "499"), 9),
    ] {
        let mut peer = Peer::open(&client, path).await;
        assert_eq!(peer.close().await, (close.0, close.1.to_owned()), "{path}");
        assert_eq!(
            client.count(Counter::WebSocketHandlerErrors),
            errors,
            "{path}"
        );
    }
    let mut peer = Peer::open(&client, "/json").await;
    peer.say("[1,2]").await;
    assert_eq!(peer.text().await, "[1,2]");
    let mut peer = Peer::open(&client, "/json").await;
    peer.say("[1,").await;
    let (code, reason) = peer.close().await;
    assert!(
        code == 1008 && reason.starts_with("invalid JSON"),
        "{code} {reason}"
    );
    assert_eq!(client.count(Counter::WebSocketHandlerErrors), 10);
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_does_is_no_error_of_the_handler() {
    let routes = Router::new()
        .websocket("/", async |mut socket: WebSocket| -> Result<(), Error> {
            while let Some(message) = socket.recv().await {
                socket.send(message?).await?;
            }
            socket.send("is anybody there?").await?;
            Ok(())
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut unmasked = Peer::open(&client, "/").await;
    unmasked.frame(0x83, b"").await;
    assert_eq!(unmasked.close().await.0, 1002);
    let mut leaves = Peer::open(&client, "/").await;
    leaves.frame(0x88, b"\x03\xe8").await;
    assert_eq!(leaves.close().await.0, 1000);
    drop(Peer::open(&client, "/").await);
    pass(1.0).await;
    assert_eq!(client.connections(), 0);
    assert_eq!(client.count(Counter::WebSocketProtocolErrors), 1);
    assert_eq!(client.count(Counter::WebSocketHandlerErrors), 0);

    for (error, status) in [
        (SocketError::Protocol(Fault::Utf8), 400),
        (SocketError::Closed, 500),
        (SocketError::Full, 500),
        (SocketError::TooLong, 500),
    ] {
        let text = error.to_string();
        let error = Error::from(error);
        assert_eq!((error.status().as_u16(), error.message()), (status, &*text));
        assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<SocketError>()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_did_not_come_says_why() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = seen.clone();
    let routes = Router::new()
        .websocket("/", move |mut socket: WebSocket| {
            let seen = shared.clone();
            async move {
                let first = socket.first_message(Duration::from_secs(5)).await;
                let error = first.expect_err("nobody says anything");
                let text = (error.status().as_u16(), error.message().to_owned());
                seen.lock().unwrap().push(text);
                Err::<(), _>(error)
            }
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut silent = Peer::open(&client, "/").await;
    assert_eq!(
        silent.close().await,
        (1008, "no first message in time".to_owned())
    );
    let mut leaves = Peer::open(&client, "/").await;
    leaves.frame(0x88, b"\x03\xe8").await;
    assert_eq!(leaves.close().await.0, 1000);
    let mut wrong = Peer::open(&client, "/").await;
    wrong.frame(0x83, b"").await;
    assert_eq!(wrong.close().await.0, 1002);
    drop(Peer::open(&client, "/").await);
    pass(1.0).await;
    let seen = seen.lock().unwrap();
    let expected = [
        (401, "no first message in time"),
        (500, "the connection is closed"),
        (400, Fault::ReservedOpcode.reason()),
        (500, "the connection is closed"),
    ];
    assert_eq!(
        *seen,
        expected.map(|(status, text)| (status, text.to_owned()))
    );
    assert_eq!(client.count(Counter::WebSocketHandlerErrors), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_was_given_up_is_not_lost() {
    let routes = Router::new()
        .websocket("/", async |mut socket: WebSocket| -> Result<(), Error> {
            let mut tries = 0;
            let first = loop {
                let first = socket.first_message(Duration::from_secs(5));
                match tokio::time::timeout(Duration::from_millis(10), first).await {
                    Ok(first) => break first?,
                    Err(_) => tries += 1,
                }
            };
            assert!(tries > 10, "{tries}");
            socket.send(first).await?;
            Ok(())
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut peer = Peer::open(&client, "/").await;
    let frames = [masked(0x89, b"ping"), masked(0x81, b"hello")].concat();
    for octet in frames {
        pass(0.035).await;
        peer.io.write_all(&[octet]).await.unwrap();
    }
    assert_eq!(peer.next().await, (0x8a, b"ping".to_vec()));
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.close().await.0, 1000);
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_handler_of_messages_are_counted() {
    let answer = async |_: WsSender, message: Message| match message.as_text() {
        Some("fail") => Err(Error::internal("the disk is full")),
        Some("refuse") => Err(StatusCode::CONFLICT.into()),
        _ => Ok(()),
    };
    let routes = Router::new().websocket_messages("/", Each::default(), answer);
    let client = TestClient::new(routes.build().expect("good routes"));
    let mut peer = Peer::open(&client, "/").await;
    for (say, answer) in [
        ("fail", "Error: internal server error"),
        ("refuse", "Error: Conflict"),
    ] {
        peer.say(say).await;
        assert_eq!(peer.text().await, answer);
    }
    assert_eq!(client.count(Counter::WebSocketHandlerErrors), 2);
}

#[tokio::test(start_paused = true)]
async fn a_close_is_given_in_many_ways() {
    async fn closes(mut socket: WebSocket, close: impl IntoCloseFrame) {
        let sender = socket.sender();
        sender.close(close).expect("it is open");
        assert!(matches!(socket.close(()), Err(SocketError::Closed)));
        while socket.recv_msg().await.is_some() {}
    }
    let frame = || CloseFrame::new(CloseCode::RESTART, "soon");
    let routes = Router::new()
        .websocket("/unit", async |socket| closes(socket, ()).await)
        .websocket("/none", async |socket: WebSocket| {
            let _ = socket.close(None);
        })
        .websocket("/code", async |socket| {
            closes(socket, CloseCode::AWAY).await
        })
        .websocket("/pair", async |socket| {
            closes(socket, (CloseCode::POLICY, "no")).await
        })
        .websocket("/long", async |socket| {
            closes(socket, (CloseCode::POLICY, "x".repeat(200))).await
        })
        .websocket("/frame", move |socket| closes(socket, frame()))
        .websocket("/some", async |socket: WebSocket| {
            let _ = socket.close(Some(CloseCode::NORMAL.into()));
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let long = "x".repeat(123);
    for (path, close) in [
        ("/unit", None),
        ("/none", None),
        ("/code", Some((1001, "Going away"))),
        ("/pair", Some((1008, "no"))),
        ("/long", Some((1008, &*long))),
        ("/frame", Some((1012, "soon"))),
        ("/some", Some((1000, "Normal closure"))),
    ] {
        let mut peer = Peer::open(&client, path).await;
        match close {
            None => assert_eq!(peer.next().await, (0x88, Vec::new()), "{path}"),
            Some((code, reason)) => {
                assert_eq!(peer.close().await, (code, reason.to_owned()), "{path}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_halves_do_what_the_whole_does() {
    let routes = Router::new()
        .websocket("/", async |socket: WebSocket| -> Result<(), SocketError> {
            let (sender, mut receiver) = socket.split();
            sender.send_text("text").await?;
            sender.send_binary("octets").await?;
            sender.send_ping("ping").await?;
            sender.send_pong("pong").await?;
            let long = Bytes::from(vec![0; 126]);
            assert!(matches!(
                sender.send_ping(long.clone()).await,
                Err(SocketError::TooLong)
            ));
            assert!(matches!(
                sender.send_pong(long).await,
                Err(SocketError::TooLong)
            ));
            assert_eq!(receiver.close_status(), None);
            let said = receiver.recv_msg().await;
            assert_eq!(said, Some(Message::from("done")));
            while receiver.recv_msg().await.is_some() {}
            let status = receiver.close_status().expect("it is closed");
            assert_eq!((status.code(), status.clean), (4000, true));
            Ok(())
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut peer = Peer::open(&client, "/").await;
    for frame in [
        (0x81, &b"text"[..]),
        (0x82, b"octets"),
        (0x89, b"ping"),
        (0x8a, b"pong"),
    ] {
        assert_eq!(peer.next().await, (frame.0, frame.1.to_vec()));
    }
    peer.say("done").await;
    peer.frame(0x88, &4000u16.to_be_bytes()).await;
    assert_eq!(peer.close().await.0, 4000);
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn senders_of_one_socket_know_each_other() {
    let known = Arc::new(Mutex::new(Vec::<WsSender>::new()));
    let shared = known.clone();
    let routes = Router::new()
        .websocket("/", move |mut socket: WebSocket| {
            let known = shared.clone();
            async move {
                known.lock().unwrap().push(socket.sender());
                known.lock().unwrap().push(socket.sender().clone());
                while socket.recv_msg().await.is_some() {}
            }
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let _peers = [
        Peer::open(&client, "/").await,
        Peer::open(&client, "/").await,
    ];
    pass(0.1).await;
    let known = known.lock().unwrap();
    assert_eq!(known.len(), 4);
    for (a, one) in known.iter().enumerate() {
        for (b, other) in known.iter().enumerate() {
            assert_eq!(one.same_socket(other), a / 2 == b / 2, "{a} {b}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_waits_for_room_as_any_other() {
    let text = "x".repeat(100_000);
    let prepared = Prepared::text(&text);
    let waits = prepared.clone();
    let routes = Router::new()
        .websocket("/waits", move |socket: WebSocket| {
            let prepared = waits.clone();
            async move {
                for _ in 0..20 {
                    assert_eq!(socket.send_prepared(&prepared).await?, Sent::Queued);
                    assert!(socket.buffered_amount() <= 256 * 1024);
                }
                Ok::<_, SocketError>(CloseCode::NORMAL)
            }
        })
        .websocket("/tries", move |socket: WebSocket| {
            let prepared = prepared.clone();
            async move {
                while socket.try_send_prepared(&prepared).is_ok() {}
                let late = socket.send_prepared(&prepared).await;
                assert!(matches!(late, Err(SocketError::Closed)));
            }
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut peer = Peer::open_narrow(&client, "/waits", 4096).await;
    pass(1.0).await;
    for _ in 0..20 {
        assert_eq!(peer.text().await, text);
    }
    assert_eq!(peer.close().await.0, 1000);
    let mut peer = Peer::open_narrow(&client, "/tries", 4096).await;
    assert_eq!(peer.text().await, text);
    assert_eq!(peer.text().await, text);
    assert_eq!(peer.close().await.0, 1013);
    assert_eq!(client.count(Counter::WebSocketQueueOverflows), 1);
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn handlers_of_messages_stand_behind_guards_and_terms() {
    async fn members_only(Token(token): Token) -> Result<(), StatusCode> {
        (token == "good").then_some(()).ok_or(StatusCode::FORBIDDEN)
    }
    async fn shout(sender: WsSender, message: Message) -> Result<Sent, SocketError> {
        sender
            .send(message.as_text().unwrap_or("?").to_uppercase())
            .await
    }
    async fn count(sender: WsSender, messages: Vec<Message>) -> Result<Sent, SocketError> {
        sender.send(format!("{} messages", messages.len())).await
    }
    async fn room(socket: WebSocket, Path(room): Path<String>) -> CloseFrame {
        let say = async |sender: WsSender, _: Message| sender.send(room.clone()).await;
        socket.for_each(Each::default(), say).await
    }
    let terms =
        |upgrade: WebSocketUpgrade| upgrade.subprotocols(Subprotocols::list(["chat"]).require());
    let two = Batch {
        messages: 2,
        ..Batch::default()
    };
    let routes = Router::new()
        .websocket_with(
            "/shout",
            terms,
            guarded(members_only, messages(Each::default(), shout)),
        )
        .websocket_with(
            "/count",
            terms,
            guarded(members_only, batches(Each::default(), two, count)),
        )
        .websocket_with("/rooms/{room}", terms, guarded(members_only, room))
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let chat = "Sec-WebSocket-Protocol: chat\r\n";
    let good = "Authorization: Bearer good\r\n";
    for (path, answer) in [
        ("/shout", "HELLO"),
        ("/count", "2 messages"),
        ("/rooms/garden", "garden"),
    ] {
        for (fields, status) in [
            (chat.to_owned(), "401"),
            (format!("{chat}Authorization: Bearer bad\r\n"), "403"),
            (good.to_owned(), "400"),
        ] {
            let (_, head) = Peer::ask(&client, path, &fields).await;
            assert_eq!(&head[9..12], status, "{path}: {head}");
        }
        let (mut peer, head) = Peer::ask(&client, path, &format!("{chat}{good}")).await;
        assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
        peer.say("hello").await;
        peer.say("hello").await;
        assert_eq!(peer.text().await, answer, "{path}");
    }
}

/// A request that opens a WebSocket has no content: who asks for it beside the upgrade is told when the server starts.
#[test]
fn a_body_beside_the_upgrade_is_refused_at_start_up() {
    async fn text(_: WebSocketUpgrade, _: String) {}
    async fn octets(_: Path<u8>, _: WebSocketUpgrade, _: Bytes) {}
    async fn json(_: WebSocketUpgrade, _: Path<u8>, _: Json<u8>) {}
    async fn maybe(_: WebSocketUpgrade, _: Option<Json<u8>>) {}
    async fn refused(
        _: WebSocketUpgrade,
        _: Result<Bytes, <Bytes as wireline::service::handler::FromRequest>::Rejection>,
    ) {
    }
    async fn stream(_: WebSocketUpgrade, _: Body) {}
    let problems = Router::new()
        .get("/text", text)
        .get("/octets/{n}", octets)
        .get("/json/{n}", json)
        .get("/maybe", maybe)
        .get("/refused", refused)
        .any("/stream", stream)
        .build()
        .expect_err("none of them is good")
        .to_string();
    for path in ["/text", "/octets", "/json", "/maybe", "/refused", "/stream"] {
        let said = problems.lines().any(|line| {
            line.contains(path) && line.contains("a request that opens a WebSocket has none")
        });
        assert!(said, "{path}: {problems}");
    }

    async fn whole(upgrade: WebSocketUpgrade, _: Request) -> Response {
        upgrade.on_upgrade(async |_| ())
    }
    async fn both(upgrade: Result<WebSocketUpgrade, Refusal>, _: String) -> Response {
        upgrade.map_or_else(
            |_| Response::ok(),
            |upgrade| upgrade.on_upgrade(async |_| ()),
        )
    }
    let routes = Router::new()
        .get("/whole", whole)
        .any("/both", both)
        .post("/text", async |text: String| text);
    assert!(routes.build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_ends_closes_on_time() {
    const EXPIRED: CloseCode = CloseCode::new(4001).unwrap();
    async fn member(mut socket: WebSocket) -> Result<CloseFrame, SocketError> {
        let mut end = std::pin::pin!(tokio::time::sleep(Duration::from_secs(60)));
        loop {
            tokio::select! {
                () = &mut end => return Ok(CloseFrame::new(EXPIRED, "the permission has ended")),
                message = socket.recv_msg() => match message {
                    Some(message) => _ = socket.send(message).await?,
                    None => return Ok(CloseCode::NORMAL.into()),
                },
            }
        }
    }
    let client = TestClient::new(Router::new().websocket("/", member).build().unwrap());
    let mut peer = Peer::open(&client, "/").await;
    let watch = Watch::start();
    // Whatever the peer does meanwhile.
    for _ in 0..59 {
        peer.say("still here").await;
        assert_eq!(peer.text().await, "still here");
        pass(1.0).await;
    }
    let close = (4001, "the permission has ended".to_owned());
    assert_eq!(peer.close().await, close);
    watch.assert(60.0..=60.1);
    // And whether or not it answers the Close.
    pass(10.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// The guide's handler of news, with a peer that reads and one that does not for a while.
#[tokio::test(start_paused = true)]
async fn a_broadcast_channel_beside_a_socket_tells_what_was_missed() {
    let (news, _) = broadcast::channel::<Prepared>(100);
    let shared = news.clone();
    let routes = Router::new()
        .websocket("/news", move |mut socket: WebSocket| {
            let mut news = shared.subscribe();
            async move {
                loop {
                    tokio::select! {
                        item = news.recv() => match item {
                            Ok(item) => _ = socket.send_prepared(&item).await?,
                            Err(RecvError::Lagged(missed)) => _ = socket.send(format!("{missed} missed")).await?,
                            Err(RecvError::Closed) => return Ok(CloseCode::AWAY),
                        },
                        message = socket.recv_msg() => {
                            if message.is_none() {
                                return Ok::<_, SocketError>(CloseCode::NORMAL);
                            }
                        }
                    }
                }
            }
        })
        .build()
        .expect("good routes");
    let client = TestClient::new(routes);
    let mut reads = Peer::open(&client, "/news").await;
    let mut slow = Peer::open_narrow(&client, "/news", 4096).await;
    pass(0.1).await;
    let item = |number: usize| format!("{number} {}", "x".repeat(10_000));
    for number in 0..500 {
        news.send(Prepared::text(&item(number)))
            .expect("two listen");
        assert_eq!(reads.text().await, item(number));
    }
    let (mut next, mut missed) = (0, 0);
    while next < 500 {
        let said = slow.text().await;
        if let Some(number) = said.strip_suffix(" missed") {
            let number = decimal(number.as_bytes()).unwrap();
            let number = usize::try_from(number).unwrap();
            missed += number;
            next += number;
        } else {
            assert_eq!(said, item(next));
            next += 1;
        }
    }
    // The channel, of which tokio makes one of 128, the queue of 256 KiB, and little else was kept for it.
    assert!((500 - 128 - 30..500 - 128).contains(&missed), "{missed}");
    reads.frame(0x88, b"\x03\xe8").await;
    assert_eq!(reads.close().await.0, 1000);
    slow.say("still here").await;
    news.send(Prepared::text("the last")).expect("one listens");
    assert_eq!(slow.text().await, "the last");
}
