//! Messages on a WebSocket, over the in-memory transport and on a paused clock: one at a time and in batches, what `recv`
//! gives, and the ways to send.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use http::StatusCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talk::{Watch, pass};
use wireline::Router;
use wireline::resource::counters::Counter;
use wireline::router::Routes;
use wireline::service::error::Error;
use wireline::test::TestClient;
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::message::Message;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::each::{Batch, Each};
use wireline::ws::socket::{SocketError, WebSocket, WsSender};
use ws_peer::Peer;

fn routes() -> Routes {
    Router::new()
        .websocket_messages("/answers", Each::default(), answers)
        .websocket_batches(
            "/batches",
            Each::default(),
            Batch::default(),
            async |sender: WsSender, messages: Vec<Message>| {
                sender.send(format!("{} messages", messages.len())).await
            },
        )
        .build()
        .expect("good routes")
}

async fn answers(sender: WsSender, message: Message) -> Result<(), Error> {
    match message.as_text() {
        Some("fail") => Err(Error::internal("secret")),
        Some("leak") => Err(Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the database at 10.0.0.7 is down",
        )),
        Some("refuse") => Err(Error::new(StatusCode::BAD_REQUEST, "not that")),
        _ => {
            sender.send(message).await?;
            Ok(())
        }
    }
}

fn assert_nothing_left(client: &TestClient) {
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn five_errors_one_after_the_other_end_a_socket() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/answers").await;
    for (said, answer) in [
        ("fail", "Error: internal server error"),
        ("refuse", "Error: not that"),
        ("fail", "Error: internal server error"),
        ("leak", "Error: internal server error"),
        ("good", "good"),
        ("refuse", "Error: not that"),
        ("refuse", "Error: not that"),
        ("refuse", "Error: not that"),
        ("refuse", "Error: not that"),
    ] {
        peer.say(said).await;
        assert_eq!(peer.text().await, answer);
    }
    peer.say("refuse").await;
    assert_eq!(peer.close().await, (1011, "Too many errors".to_owned()));
    peer.frame(0x88, b"\x03\xf3").await;
    pass(1.0).await;
    assert_nothing_left(&client);
    assert_eq!(client.count(Counter::WebSocketsClosedClean), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_full_by_count_or_by_time() {
    let client = TestClient::new(routes());
    let mut peer = Peer::open(&client, "/batches").await;
    for _ in 0..120 {
        peer.say("x").await;
    }
    let watch = Watch::start();
    assert_eq!(peer.text().await, "50 messages");
    assert_eq!(peer.text().await, "50 messages");
    watch.assert(0.0..=0.05);
    assert_eq!(peer.text().await, "20 messages");
    watch.assert(0.1..=0.15);
    // What came before the end is handed on, though nobody can be answered any more.
    peer.say("x").await;
    peer.frame(0x88, b"\x03\xe8").await;
    assert_eq!(peer.close().await.0, 1000);
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_wait_closes_by_default_and_whoever_can_waits() {
    let routes = Router::new()
        .websocket("/waits", async |socket: WebSocket| {
            for _ in 0..100 {
                socket.send(vec![0; 100_000]).await.expect("it waits");
            }
        })
        .websocket("/told", async |socket: WebSocket| -> CloseFrame {
            let sender = socket.sender();
            let mut last = Ok(wireline::ws::socket::Sent::Queued);
            for _ in 0..100 {
                last = sender.try_send(vec![0; 100_000]);
            }
            assert!(matches!(last, Err(SocketError::Closed)));
            CloseCode::NORMAL.into()
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut peer = Peer::open(&client, "/waits").await;
    for _ in 0..100 {
        assert_eq!(peer.next().await, (0x82, vec![0; 100_000]));
    }
    assert_eq!(peer.close().await.0, 1000);
    let mut peer = Peer::open(&client, "/told").await;
    while let (0x82, _) = peer.next().await {}
    pass(1.0).await;
    assert_eq!(client.count(Counter::WebSocketQueueOverflows), 1);
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_the_size_and_the_time_that_it_is_told() {
    let batch = Batch {
        messages: 100,
        time: Duration::from_millis(50),
        ..Batch::default()
    };
    let routes = Router::new()
        .websocket_batches(
            "/",
            Each::default(),
            batch,
            async |sender: WsSender, messages: Vec<Message>| {
                let last = messages.last().and_then(Message::as_text).unwrap_or("-");
                sender.send(format!("{} to {last}", messages.len())).await
            },
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut peer = Peer::open(&client, "/").await;
    for number in 1..=230 {
        peer.say(&number.to_string()).await;
    }
    let watch = Watch::start();
    assert_eq!(peer.text().await, "100 to 100");
    assert_eq!(peer.text().await, "100 to 200");
    watch.assert(0.0..=0.01);
    assert_eq!(peer.text().await, "30 to 230");
    watch.assert(0.05..=0.06);
    // The time begins with the first message of a batch, whenever the others come.
    pass(1.0).await;
    let watch = Watch::start();
    peer.say("first").await;
    pass(0.04).await;
    peer.say("second").await;
    assert_eq!(peer.text().await, "2 to second");
    watch.assert(0.05..=0.06);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_message_has_a_way_to_send_it() {
    let routes = Router::new()
        .websocket("/", async |socket: WebSocket| -> Result<(), SocketError> {
            socket.send_text("text").await?;
            socket.send_binary(&b"\0octets"[..]).await?;
            socket.send_json(&("json", [1, 2])).await?;
            socket.sender().send_json("by a handle").await?;
            let unsayable = std::collections::HashMap::from([((1, 2), 3)]);
            let refused = socket.send_json(&unsayable).await;
            assert!(matches!(refused, Err(SocketError::Json(_))));
            socket.send_ping("ping").await?;
            socket.send_pong("pong").await?;
            socket.close(CloseFrame::new(CloseCode::AWAY, "close"))
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut peer = Peer::open(&client, "/").await;
    for (first, payload) in [
        (0x81, &b"text"[..]),
        (0x82, b"\0octets"),
        (0x81, b"[\"json\",[1,2]]"),
        (0x81, b"\"by a handle\""),
        (0x89, b"ping"),
        (0x8a, b"pong"),
        (0x88, b"\x03\xe9close"),
    ] {
        assert_eq!(peer.next().await, (first, payload.to_vec()));
    }
    pass(6.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn recv_gives_messages_then_an_error_then_nothing() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let routes = |shown| {
        let log = log.clone();
        Router::new()
            .websocket_with(
                "/",
                move |upgrade| {
                    upgrade.config(Config {
                        control_frames: shown,
                        ..Config::default()
                    })
                },
                move |mut socket: WebSocket| {
                    let log = log.clone();
                    async move {
                        for _ in 0..5 {
                            let received = socket.recv().await;
                            log.lock().unwrap().push(match received {
                                Some(Ok(message)) => format!("{message:?}"),
                                Some(Err(error)) => error.to_string(),
                                None => "nothing".to_owned(),
                            });
                        }
                    }
                },
            )
            .build()
            .unwrap()
    };
    let mut seen = Vec::new();
    for (shown, last) in [(true, 0x88), (false, 0x88), (true, 0x83), (false, 0x83)] {
        let client = TestClient::new(routes(shown));
        let mut peer = Peer::open(&client, "/").await;
        for first in [0x89, 0x81, 0x8a, last] {
            peer.frame(first, b"").await;
        }
        // A ping that is not shown is answered all the same.
        assert_eq!(peer.next().await, (0x8a, Vec::new()));
        assert_eq!(peer.next().await.0, 0x88);
        drop(peer);
        pass(6.0).await;
        let logged = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(logged.len(), 5);
        seen.push(logged.join(", "));
    }
    let fault = "reserved opcode (RFC 6455 5.2)";
    let expected = [
        r#"Ping(b""), Text(""), Pong(b""), Close(None), nothing"#.to_owned(),
        r#"Text(""), Close(None), nothing, nothing, nothing"#.to_owned(),
        format!(r#"Ping(b""), Text(""), Pong(b""), {fault}, nothing"#),
        format!(r#"Text(""), {fault}, nothing, nothing, nothing"#),
    ];
    assert_eq!(seen, expected);
}
