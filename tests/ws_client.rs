//! The client over in-memory connections, on a paused clock: against our own routes, and against peers that
//! say what they like.

#[path = "support/talk.rs"]
mod talk;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use talk::{Watch, pass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::extract::Path;
use wireline::resource::io::Io;
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::router::Routes;
use wireline::service::headers::Headers;
use wireline::test::TestClient;
use wireline::ws::client::{Client, ConnectError};
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::connection::Lent;
use wireline::ws::deflate;
use wireline::ws::handshake::accept_key;
use wireline::ws::handshake::client::Mismatch;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::message::Message;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::{Sent, SocketError, WebSocket};
use wireline::{Response, Router};

fn routes() -> Routes {
    Router::new()
        .get("/echo", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade.on_upgrade(echo)
        })
        .get("/deflate", async |upgrade: WebSocketUpgrade| -> Response {
            upgrade
                .deflate(deflate::Config::default())
                .subprotocols(Subprotocols::list(["b", "a"]))
                .on_upgrade(echo)
        })
        .websocket(
            "/close/{code}",
            async |_: WebSocket, Path(code): Path<u16>| {
                CloseFrame::new(CloseCode::new(code).expect("a code"), "as asked")
            },
        )
        .websocket(
            "/reads",
            async |mut socket: WebSocket| {
                while socket.recv_msg().await.is_some() {}
            },
        )
        .websocket("/names", async |socket: WebSocket, headers: Headers| {
            let origin = headers.get("origin").expect("an origin");
            socket
                .send(format!("{origin:?}"))
                .await
                .expect("it is open");
        })
        .get("/", async || "no socket here")
        .build()
        .expect("good routes")
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.expect("it is open");
        }
    }
}

fn io(stream: MemoryStream) -> Io {
    Io::Dyn(Box::new(stream))
}

async fn open(server: &TestClient, path: &str) -> WebSocket {
    open_as(&Client::new(), server, path).await
}

async fn open_as(client: &Client, server: &TestClient, path: &str) -> WebSocket {
    let url = format!("ws://test{path}");
    let opened = client.connect_over(io(server.connect()), &url);
    opened.await.expect("it opens")
}

/// A peer that answers the opening handshake as `answer` says, given the key's answer; and its other end.
async fn refused(answer: impl Fn(&str) -> String) -> ConnectError {
    let (ours, mut theirs) = memory::pair(64 * 1024);
    let client = Client::new().protocols(["a"]);
    let (opened, ()) = tokio::join!(client.connect_over(io(ours), "ws://test/"), async {
        let accept = request(&mut theirs).await;
        theirs.write_all(answer(&accept).as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
    });
    opened.expect_err("it does not open")
}

/// Reads a request and gives what answers its key.
async fn request(io: &mut MemoryStream) -> String {
    let head = talk::until(io, "\r\n\r\n").await;
    let key = talk::field(&head, "sec-websocket-key").expect("a key");
    accept_key(key.as_bytes())
}

/// A client's socket and the raw peer at its other end.
async fn raw(client: &Client) -> (WebSocket, MemoryStream) {
    let (ours, mut theirs) = memory::pair(64 * 1024);
    let (socket, ()) = tokio::join!(client.connect_over(io(ours), "ws://test/"), async {
        let accept = request(&mut theirs).await;
        let answer = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        theirs.write_all(answer.as_bytes()).await.unwrap();
    });
    (socket.expect("it opens"), theirs)
}

/// The next frame of the client, unmasked: its first octet and its payload, of less than 126 octets.
async fn frame(io: &mut MemoryStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    io.read_exact(&mut head).await.unwrap();
    assert!((0x80..0x80 + 126).contains(&head[1]), "masked and short");
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    io.read_exact(&mut payload).await.unwrap();
    for (place, octet) in payload.iter_mut().enumerate() {
        *octet ^= head[2 + place % 4];
    }
    (head[0], payload)
}

async fn expect_end(io: &mut MemoryStream) {
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.escape_ascii().to_string(), "");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_message_comes_back() {
    let server = TestClient::new(routes());
    for (client, path) in [
        (Client::new(), "/echo"),
        (
            Client::new().deflate(deflate::Config::default()),
            "/deflate",
        ),
    ] {
        let mut socket = open_as(&client, &server, path).await;
        for len in [0, 1, 125, 126, 511, 512, 4096, 65_535, 65_536, 400_000] {
            let text = "abcdé".repeat(len / 6) + &"x".repeat(len % 6);
            socket.send(text.clone()).await.unwrap();
            assert_eq!(socket.recv_msg().await, Some(Message::from(text)), "{len}");
            let octets: Vec<u8> = (0..=250).cycle().take(len).collect();
            socket.send(octets.clone()).await.unwrap();
            assert_eq!(
                socket.recv_msg().await,
                Some(Message::from(octets)),
                "{len}"
            );
        }
        socket.send_ping("there?").await.unwrap();
        assert_eq!(
            socket.recv_msg().await,
            Some(Message::Pong("there?".into()))
        );
        socket.close(None).unwrap();
        assert_eq!(socket.recv_msg().await, Some(Message::Close(None)));
        assert!(socket.recv().await.is_none());
        assert!(matches!(
            socket.send("late").await,
            Err(SocketError::Closed)
        ));
        drop(socket);
        pass(1.0).await;
        assert_eq!((server.connections(), server.buffered()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_what_the_server_sees() {
    let server = TestClient::new(routes());
    let client = Client::new().protocols(["a", "b"]);
    let socket = open_as(&client, &server, "/deflate").await;
    assert!(matches!(socket.protocol(), Some("a" | "b")));
    let client = Client::new().header("origin", "http://test");
    let mut socket = open_as(&client, &server, "/names").await;
    assert_eq!(
        socket.recv_msg().await,
        Some(Message::from("\"http://test\""))
    );
}

#[tokio::test(start_paused = true)]
async fn the_request_on_the_wire() {
    let (ours, mut theirs) = memory::pair(4096);
    let client = Client::new()
        .header("cookie", "a=b")
        .protocols(["a", "b"])
        .deflate(deflate::Config::default());
    let opening = client.connect_over(io(ours), "ws://test:80/p%20q?r=s");
    let (_, head) = tokio::join!(opening, async {
        let head = talk::until(&mut theirs, "\r\n\r\n").await;
        drop(theirs);
        head
    });
    let key = talk::field(&head, "sec-websocket-key").expect("a key");
    assert_eq!(key.len(), 24);
    assert_eq!(
        head.replace(key, "KEY"),
        "GET /p%20q?r=s HTTP/1.1\r\nhost: test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-key: KEY\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: a, b\r\n\
         sec-websocket-extensions: permessage-deflate; client_no_context_takeover; \
         server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12\r\n\
         cookie: a=b\r\n\r\n"
    );
}

#[tokio::test(start_paused = true)]
async fn closes_go_both_ways() {
    let server = TestClient::new(routes());
    for code in [1000, 1001, 1003, 1008, 1011, 1012, 1013, 3000, 4999] {
        let mut socket = open(&server, &format!("/close/{code}")).await;
        let expected = CloseFrame::new(CloseCode::new(code).expect("a code"), "as asked");
        assert_eq!(
            socket.recv_msg().await,
            Some(Message::Close(Some(expected)))
        );
        assert!(socket.recv().await.is_none());

        // The other way: the server echoes the code.
        let mut socket = open(&server, "/echo").await;
        let close = CloseFrame::new(CloseCode::new(code).expect("a code"), "bye");
        socket.send("before").await.unwrap();
        socket.close(Some(close)).unwrap();
        assert_eq!(socket.recv_msg().await, Some(Message::from("before")));
        let Some(Message::Close(Some(echoed))) = socket.recv_msg().await else {
            panic!("no Close for {code}");
        };
        assert_eq!(echoed.code.get(), code);
    }
    pass(1.0).await;
    assert_eq!((server.connections(), server.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_server_ends_the_transport_first() {
    let (mut socket, mut peer) = raw(&Client::new()).await;
    peer.write_all(b"\x88\x02\x03\xe9").await.unwrap();
    assert!(
        matches!(socket.recv_msg().await, Some(Message::Close(Some(close))) if close.code == CloseCode::AWAY)
    );
    assert_eq!(frame(&mut peer).await, (0x88, vec![0x03, 0xe9]));
    drop(socket);
    // Our side stays open until theirs has ended, or the deadline has come.
    let mut octet = [0];
    let early = tokio::time::timeout(Duration::from_secs(3), peer.read(&mut octet)).await;
    assert!(early.is_err(), "the client was first");
    peer.shutdown().await.unwrap();
    let watch = Watch::start();
    expect_end(&mut peer).await;
    watch.assert(0.0..=0.1);

    let (mut socket, mut peer) = raw(&Client::new()).await;
    peer.write_all(b"\x88\x00").await.unwrap();
    while socket.recv_msg().await.is_some() {}
    let watch = Watch::start();
    assert_eq!(frame(&mut peer).await, (0x88, vec![]));
    expect_end(&mut peer).await;
    watch.assert(5.0..=6.0);
}

#[tokio::test(start_paused = true)]
async fn a_fragmented_message_with_pings_inside_is_one_message() {
    let (mut socket, mut peer) = raw(&Client::new()).await;
    peer.write_all(b"\x01\x03in \x89\x01p\x80\x05parts")
        .await
        .unwrap();
    assert_eq!(socket.recv_msg().await, Some(Message::Ping("p".into())));
    assert_eq!(socket.recv_msg().await, Some(Message::from("in parts")));
    assert_eq!(frame(&mut peer).await, (0x8a, b"p".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn masking_keys_are_drawn_anew() {
    let (socket, mut peer) = raw(&Client::new()).await;
    let mut keys = Vec::new();
    for _ in 0..100 {
        socket.send("x").await.unwrap();
        let mut octets = [0; 7];
        peer.read_exact(&mut octets).await.unwrap();
        keys.push([octets[2], octets[3], octets[4], octets[5]]);
    }
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 97, "{} different keys", keys.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_on_the_wire_when_send_returns() {
    let (socket, mut peer) = raw(&Client::new()).await;
    socket.send("now").await.unwrap();
    let mut octets = [0; 64];
    let len = poll_fn(|cx| {
        let Poll::Ready(read) = pin!(peer.read(&mut octets)).poll(cx) else {
            panic!("nothing was written")
        };
        Poll::Ready(read.unwrap())
    })
    .await;
    assert_eq!(len, 9);
    // What is queued without waiting leaves in one write.
    let sender = socket.sender();
    for _ in 0..16 {
        assert_eq!(sender.try_send("x").unwrap(), Sent::Queued);
    }
    assert_eq!(peer.read(&mut octets).await.unwrap(), 64);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_receive_answers_all_the_same() {
    // The receiving half is gone: pings are answered, and the Close is.
    let (socket, mut peer) = raw(&Client::new()).await;
    let (sender, receiver) = socket.split();
    drop(receiver);
    peer.write_all(b"\x81\x01x\x89\x01p").await.unwrap();
    assert_eq!(frame(&mut peer).await, (0x8a, b"p".to_vec()));
    sender.send("y").await.unwrap();
    assert_eq!(frame(&mut peer).await, (0x81, b"y".to_vec()));
    peer.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(frame(&mut peer).await, (0x88, vec![]));
    pass(0.1).await;
    assert!(matches!(sender.send("z").await, Err(SocketError::Closed)));

    // The last message that is asked for is a ping, or a Close: both are answered.
    let (mut socket, mut peer) = raw(&Client::new()).await;
    peer.write_all(b"\x89\x01q").await.unwrap();
    assert_eq!(socket.recv_msg().await, Some(Message::Ping("q".into())));
    assert_eq!(frame(&mut peer).await, (0x8a, b"q".to_vec()));
    peer.write_all(b"\x88\x00").await.unwrap();
    assert_eq!(socket.recv_msg().await, Some(Message::Close(None)));
    assert_eq!(frame(&mut peer).await, (0x88, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_nobody_holds_is_closed() {
    let (socket, mut peer) = raw(&Client::new()).await;
    socket.send("last").await.unwrap();
    let (sender, receiver) = socket.split();
    let other = sender.clone();
    drop((sender, receiver));
    assert_eq!(frame(&mut peer).await, (0x81, b"last".to_vec()));
    let mut octet = [0];
    let early = tokio::time::timeout(Duration::from_secs(3), peer.read(&mut octet)).await;
    assert!(early.is_err(), "somebody may still send");
    drop(other);
    assert_eq!(frame(&mut peer).await.0, 0x88);
    peer.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    peer.shutdown().await.unwrap();
    expect_end(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_gets_a_ping_and_is_gone_without_a_pong() {
    let (mut socket, mut peer) = raw(&Client::new()).await;
    let watch = Watch::start();
    let (message, ()) = tokio::join!(socket.recv(), async {
        assert_eq!(frame(&mut peer).await, (0x89, vec![]));
        watch.assert(25.0..=26.0);
        peer.write_all(b"\x8a\x00").await.unwrap();
    });
    assert!(matches!(message, Some(Ok(Message::Pong(_)))));
    let watch = Watch::start();
    let (message, ()) = tokio::join!(socket.recv(), async {
        assert_eq!(frame(&mut peer).await, (0x89, vec![]));
        watch.assert(24.5..=26.0);
        expect_end(&mut peer).await;
    });
    watch.assert(34.5..=37.0);
    // The task that receives is woken, although another one has ended the connection.
    assert!(message.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_ends_after_five_seconds() {
    let (mut socket, mut peer) = raw(&Client::new()).await;
    socket.close(Some(CloseCode::NORMAL.into())).unwrap();
    let watch = Watch::start();
    assert!(socket.recv().await.is_none());
    watch.assert(5.0..=6.0);
    assert_eq!(frame(&mut peer).await.0, 0x88);
    expect_end(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_gone_after_thirty_seconds() {
    let config = Config {
        ping_interval: Duration::ZERO,
        ..Config::default()
    };
    let (socket, peer) = raw(&Client::new().config(config)).await;
    socket.send(vec![0; 100_000]).await.unwrap();
    assert!(socket.buffered_amount() > 0);
    let watch = Watch::start();
    socket.drained().await;
    watch.assert(30.0..=31.0);
    assert!(matches!(socket.send("x").await, Err(SocketError::Closed)));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_written_when_it_does() {
    let (socket, mut peer) = raw(&Client::new()).await;
    // The keeper writes what is left of the first; the second waits for room.
    let sending = async {
        socket.send(vec![1; 200_000]).await.unwrap();
        socket.send(vec![2; 200_000]).await.unwrap();
        socket.drained().await;
    };
    let reading = async {
        pass(1.0).await;
        let mut octets = vec![0; 2 * 200_014];
        peer.read_exact(&mut octets).await.unwrap();
        assert_eq!((octets[0], octets[200_014]), (0x82, 0x82));
    };
    tokio::join!(sending, reading);
    assert_eq!(socket.buffered_amount(), 0);
}

#[tokio::test(start_paused = true)]
async fn giving_up_loses_nothing() {
    let server = TestClient::new(routes());
    let mut socket = open(&server, "/echo").await;
    let sender = socket.sender();
    tokio::spawn(async move {
        for number in 0..200u16 {
            sender.send(number.to_string()).await.expect("it is open");
            if number % 3 == 0 {
                pass(0.001).await;
            }
        }
    });
    let (mut next, mut tries) = (0u16, 0u32);
    while next < 200 {
        tries += 1;
        // Most of these are dropped while they wait, some at once. A paused clock only moves when nobody is busy.
        let patience = async {
            if tries.is_multiple_of(2) {
                tokio::task::yield_now().await;
            } else {
                pass(0.001).await;
            }
        };
        let received = tokio::select! {
            biased;
            message = socket.recv() => message,
            () = patience => continue,
        };
        let Some(Ok(Message::Text(text))) = received else {
            panic!("{received:?} in place of {next}");
        };
        assert_eq!(&*text, next.to_string());
        next += 1;
    }

    // A message whose sending was given up was not sent at all.
    let (mut socket, mut peer) = raw(&Client::new()).await;
    socket.send(vec![1; 400_000]).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(1), socket.send("lost"));
    assert!(waiting.await.is_err(), "there was room");
    let mut octets = vec![0; 400_014];
    peer.read_exact(&mut octets).await.unwrap();
    socket.send("kept").await.unwrap();
    assert_eq!(frame(&mut peer).await, (0x81, b"kept".to_vec()));
    peer.write_all(b"\x81\x02hi").await.unwrap();
    assert_eq!(socket.recv_msg().await, Some(Message::from("hi")));
}

#[tokio::test(start_paused = true)]
async fn messages_are_lent_to_a_client_as_well() {
    let server = TestClient::new(routes());
    let mut socket = open(&server, "/echo").await;
    socket.send("one").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let lent = socket.recv_each(|message, replies| {
            if let Lent::Text(text) = message {
                seen.push(text.to_owned());
                replies.text("again").expect("it is open");
            }
            std::ops::ControlFlow::Continue(())
        });
        lent.await.expect("it is open").unwrap();
    }
    assert_eq!(seen, ["one", "again", "again"]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_server_fails_the_connection() {
    for (octets, code) in [
        (&b"\x81\x80\0\0\0\0"[..], CloseCode::PROTOCOL),
        (b"\x81\x01\xff", CloseCode::INVALID_PAYLOAD),
        (b"\x82\x7f\0\0\0\0\x10\0\0\0", CloseCode::TOO_BIG),
    ] {
        let (mut socket, mut peer) = raw(&Client::new()).await;
        peer.write_all(octets).await.unwrap();
        assert!(
            matches!(socket.recv().await, Some(Err(SocketError::Protocol(error))) if error.close_code() == code)
        );
        assert!(socket.recv().await.is_none());
        let (first, payload) = frame(&mut peer).await;
        assert_eq!(
            (first, &payload[..2]),
            (0x88, &code.get().to_be_bytes()[..])
        );
        let watch = Watch::start();
        expect_end(&mut peer).await;
        watch.assert(0.0..=0.1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_or_a_reset_without_a_close_is_told() {
    let (mut socket, peer) = raw(&Client::new()).await;
    drop(peer);
    assert!(socket.recv().await.is_none());
    let (mut socket, peer) = raw(&Client::new()).await;
    peer.reset();
    assert!(matches!(socket.recv().await, Some(Err(SocketError::Io(_)))));
    assert!(socket.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_the_server_reaches_the_client() {
    let server = TestClient::new(routes());
    let mut socket = open(&server, "/reads").await;
    server.drain();
    let watch = Watch::start();
    assert!(
        matches!(socket.recv_msg().await, Some(Message::Close(Some(close))) if close.code == CloseCode::AWAY)
    );
    watch.assert(0.0..=3.0);
    assert!(socket.recv().await.is_none());
    pass(1.0).await;
    assert_eq!(server.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_gives_its_status_its_fields_and_its_content() {
    let server = TestClient::new(routes());
    let client = Client::new();
    for (path, status, content) in [("/", 200, "no socket here"), ("/nowhere", 404, "")] {
        let url = format!("ws://test{path}");
        let opening = client.connect_over(io(server.connect()), &url);
        let Err(ConnectError::Refused(refused)) = opening.await else {
            panic!("{path} opened");
        };
        assert_eq!(refused.status, status);
        assert!(refused.content.starts_with(content.as_bytes()));
    }

    let long = "x".repeat(10_000);
    for (head, content, kept) in [
        ("Content-Length: 5", "hello, and more", "hello"),
        ("Content-Length: 10000", &*long, &long[..4096]),
        (
            "Transfer-Encoding: chunked",
            "5\r\nhello\r\n2\r\n!!\r\n0\r\n\r\n",
            "hello!!",
        ),
        ("Retry-After: 1", "until the end", "until the end"),
        ("Content-Length: 9", "cut", "cut"),
    ] {
        let error = refused(|_| format!("HTTP/1.1 503 Busy\r\n{head}\r\n\r\n{content}")).await;
        let ConnectError::Refused(refused) = error else {
            panic!("{head}: {error:?}");
        };
        assert_eq!(
            (refused.status.as_u16(), &*refused.content),
            (503, kept.as_bytes())
        );
        assert_eq!(refused.headers.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_opens_nothing() {
    let good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    for (fields, expected) in [
        ("Sec-WebSocket-Protocol: b\r\n", Mismatch::Protocol),
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Mismatch::Extensions,
        ),
        ("Upgrade: websocket\r\n", Mismatch::Upgrade),
    ] {
        let error =
            refused(|accept| format!("HTTP/1.1 101 X\r\n{good}{accept}\r\n{fields}\r\n")).await;
        assert!(
            matches!(error, ConnectError::Mismatch(mismatch) if mismatch == expected),
            "{error}"
        );
    }
    let error =
        refused(|_| format!("HTTP/1.1 101 X\r\n{good}AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")).await;
    assert!(matches!(error, ConnectError::Mismatch(Mismatch::Accept)));
    for answer in [
        "HTTP/1.0 101 X\r\n",
        "HTTP/1.1 101 X\n",
        "HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 101 X\r\nContent-Length: 3\r\n",
        "ICY 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
    ] {
        let error = refused(|accept| format!("{answer}{good}{accept}\r\n\r\n")).await;
        assert!(
            matches!(error, ConnectError::Malformed(_)),
            "{answer}: {error:?}"
        );
    }
    let error = refused(|_| "HTTP/1.1 101 X\r\nUp".to_owned()).await;
    assert!(matches!(error, ConnectError::Io(_)), "{error:?}");
    let error = refused(|_| "HTTP/1.1 103 Hints\r\n\r\n".repeat(20)).await;
    assert!(matches!(error, ConnectError::Malformed(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn interim_answers_are_skipped_and_frames_behind_the_answer_are_kept() {
    let (ours, mut theirs) = memory::pair(4096);
    let client = Client::new();
    let (socket, ()) = tokio::join!(client.connect_over(io(ours), "ws://test/"), async {
        let accept = request(&mut theirs).await;
        let answer = format!(
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\nSec-WebSocket-Accept: {accept}\r\n\r\n\x01\x02hi\0\x01!"
        );
        theirs.write_all(answer.as_bytes()).await.unwrap();
        theirs.write_all(b"\x80\x01!").await.unwrap();
    });
    let mut socket = socket.expect("it opens");
    assert_eq!(socket.recv_msg().await, Some(Message::from("hi!!")));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    for said in ["", "HTTP/1.1 101 X\r\n"] {
        let (ours, mut theirs) = memory::pair(4096);
        theirs.write_all(said.as_bytes()).await.unwrap();
        let client = Client::new().handshake_timeout(Duration::from_secs(3));
        let watch = Watch::start();
        let opened = client.connect_over(io(ours), "ws://test/").await;
        assert!(matches!(opened, Err(ConnectError::HandshakeTimeout)));
        watch.assert(3.0..=3.1);
    }
    // A refusal whose content does not end is a refusal.
    let (ours, mut theirs) = memory::pair(4096);
    theirs
        .write_all(b"HTTP/1.1 403 No\r\n\r\nwords")
        .await
        .unwrap();
    let watch = Watch::start();
    let opened = Client::new().connect_over(io(ours), "ws://test/").await;
    let Err(ConnectError::Refused(refused)) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(
        (refused.status.as_u16(), &*refused.content),
        (403, &b"words"[..])
    );
    watch.assert(10.0..=10.1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_not_tried() {
    for client in [
        Client::new().header("a b", "c"),
        Client::new().header("a", "b\r\nc: d"),
        Client::new().header("upgrade", "h2c"),
        Client::new().header("Sec-WebSocket-Key", "x"),
        Client::new().header("content-length", "5"),
        Client::new().protocols(["a, b"]),
        Client::new().protocols(["a", "a"]),
    ] {
        let (ours, _theirs) = memory::pair(4096);
        let opened = client.connect_over(io(ours), "ws://test/").await;
        assert!(matches!(opened, Err(ConnectError::Field(_))), "{client:?}");
    }
}

/// RFC 6455 §3, §4.1: a URL that is none is told before anything is sent.
#[tokio::test(start_paused = true)]
async fn what_is_no_url_is_not_connected_to() {
    for url in [
        "ws://test/#part",
        "ws://test#",
        "ws:///path",
        "ws://me@test/",
        "ws://test:99999/",
        "http://test/",
        "/path",
    ] {
        let (ours, mut theirs) = memory::pair(4096);
        let opened = Client::new().connect_over(io(ours), url).await;
        assert!(matches!(opened, Err(ConnectError::Url(_))), "{url}");
        expect_end(&mut theirs).await;
    }
}

#[tokio::test]
async fn over_tcp_and_over_a_unix_socket() {
    let server = std::sync::Arc::new(TestClient::new(routes()));
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let folder = std::env::temp_dir().join(format!("wireline-ws-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    let accepting = {
        let server = server.clone();
        tokio::spawn(async move {
            drop(server.serve(tcp.accept().await.unwrap().0));
            drop(server.serve(unix.accept().await.unwrap().0));
        })
    };
    let client = Client::new();
    let url = format!("ws://localhost:{port}/echo");
    for mut socket in [
        client.connect(&url).await.expect("it opens"),
        client
            .connect_unix(&path, "ws://any/echo")
            .await
            .expect("it opens"),
    ] {
        let large = vec![7; 1_000_000];
        socket.send(large.clone()).await.unwrap();
        assert_eq!(socket.recv_msg().await, Some(Message::from(large)));
        socket.close(Some(CloseCode::NORMAL.into())).unwrap();
        while socket.recv_msg().await.is_some() {}
    }
    accepting.await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();

    // Nobody listens there any more.
    let refused = client.connect(&url).await;
    assert!(matches!(refused, Err(ConnectError::Io(_))), "{refused:?}");
    while server.connections() > 0 {
        pass(0.01).await;
    }
}

/// Over TCP, with a runtime that ends at once.
#[test]
fn whoever_closes_and_goes_has_closed() {
    let (told, tells) = std::sync::mpsc::channel();
    let routes = Router::new().websocket("/", move |mut socket: WebSocket| {
        let told = told.clone();
        async move {
            while let Some(Ok(_)) = socket.recv().await {}
            let _ = told.send(socket.close_status());
        }
    });
    let server = wireline::test::TestServer::new(routes.build().unwrap());
    let url = server.url("/").replace("http", "ws");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let socket = wireline::ws::client::connect(&url).await.unwrap();
        socket.send("last words").await.unwrap();
        socket.close(CloseFrame::from(CloseCode::AWAY)).unwrap();
    });
    drop(runtime);
    let status = tells.recv_timeout(Duration::from_secs(5)).unwrap().unwrap();
    assert!(status.clean, "{status:?}");
    assert_eq!(status.frame.unwrap().code, CloseCode::AWAY);
}

#[tokio::test(start_paused = true)]
async fn what_may_succeed_later_is_told() {
    let answer = async |Path(status): Path<u16>| http::StatusCode::from_u16(status).unwrap();
    let server = TestClient::new(Router::new().get("/{status}", answer).build().unwrap());
    for (status, temporary) in [
        (200, false),
        (301, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (426, false),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (505, false),
    ] {
        let url = format!("ws://test/{status}");
        let error = Client::new().connect_over(server.connect(), &url).await;
        let error = error.unwrap_err();
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert_eq!(error.is_temporary(), temporary, "{status}");
    }
    for (url, client) in [
        ("http://test/", Client::new()),
        ("wss://test/", Client::new()),
        ("ws://test/", Client::new().header("upgrade", "h2c")),
    ] {
        let error = client.connect_over(server.connect(), url).await;
        assert!(!error.unwrap_err().is_temporary(), "{url}");
    }
    // Nobody answers; then the transport ends.
    let (kept, ours) = memory::pair(1024);
    let error = Client::new().connect_over(io(ours), "ws://test/").await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::HandshakeTimeout) && error.is_temporary());
    drop(kept);
    let (gone, ours) = memory::pair(1024);
    drop(gone);
    let error = Client::new().connect_over(io(ours), "ws://test/").await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)) && error.is_temporary());
}
