//! The examples of WebSockets, over the in-memory transport and on a paused clock.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

#[path = "../examples/ws_chat.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod ws_chat;
#[path = "../examples/ws_client.rs"]
#[expect(dead_code, reason = "the test has no terminal")]
mod ws_client;
#[path = "../examples/ws_echo.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod ws_echo;
#[path = "../examples/ws_heartbeat.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod ws_heartbeat;
#[path = "../examples/ws_rate_limited.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod ws_rate_limited;
#[path = "../examples/ws_shutdown.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod ws_shutdown;

use talk::{Watch, pass};
use wireline::resource::counters::Counter;
use wireline::test::TestClient;
use ws_peer::Peer;

#[tokio::test(start_paused = true)]
async fn the_chat_example_tells_who_is_there() {
    let client = TestClient::new(ws_chat::routes().unwrap());
    let mut ada = Peer::open(&client, "/rooms/garden?name=ada").await;
    assert_eq!(
        (ada.text().await, ada.text().await),
        ("ada".into(), "ada came".into())
    );
    let mut bo = Peer::open(&client, "/rooms/garden?name=bo").await;
    assert_eq!(
        (bo.text().await, bo.text().await),
        ("ada, bo".into(), "bo came".into())
    );
    assert_eq!(ada.text().await, "bo came");
    let mut other = Peer::open(&client, "/rooms/garden?name=bo").await;
    assert_eq!(other.close().await, (1008, "the name is taken".to_owned()));
    let (_, head) = Peer::ask(&client, "/rooms/garden", "").await;
    assert!(
        head.starts_with("HTTP/1.1 400 "),
        "nobody without a name: {head}"
    );
    let mut elsewhere = Peer::open(&client, "/rooms/cellar?name=bo").await;
    assert_eq!(elsewhere.text().await, "bo");
    bo.say("good day").await;
    assert_eq!(ada.text().await, "bo says good day");
    drop(bo);
    assert_eq!(ada.text().await, "bo left");
    let (_, head) = Peer::ask(&client, "/rooms/garden?name=bo", "").await;
    assert!(
        head.starts_with("HTTP/1.1 101 "),
        "the name is free again: {head}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_example_measures_and_gives_up() {
    let client = TestClient::new(ws_heartbeat::routes().unwrap());
    let mut peer = Peer::open(&client, "/").await;
    let ping = (0x89, b"beat".to_vec());
    assert_eq!(peer.next().await, ping);
    pass(0.02).await;
    peer.frame(0x8a, b"beat").await;
    assert_eq!(peer.text().await, "20 ms");
    // Between its own pings stands the server's, to which any answer will do; the beat goes unanswered.
    let mut pings = 0;
    let close = loop {
        match peer.next().await {
            (0x89, payload) if payload.is_empty() => peer.frame(0x8a, b"").await,
            (0x89, payload) => {
                assert_eq!(payload, b"beat");
                pings += 1;
            }
            (0x88, payload) => break payload,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((pings, &close[..2]), (1, &1008u16.to_be_bytes()[..]));
}

#[tokio::test(start_paused = true)]
async fn s116_the_rate_limited_example_takes_ten_a_minute() {
    let client = TestClient::new(ws_rate_limited::routes().unwrap());
    let mut peer = Peer::open(&client, "/greet").await;
    for at in 0..12 {
        peer.say("Ada").await;
        let answer = if at < 10 {
            "Hello, Ada!"
        } else {
            "Rate limit exceeded"
        };
        assert_eq!(peer.text().await, answer);
    }
    assert_eq!(client.count(Counter::WebSocketRateLimited), 2);
    for _ in 0..4 {
        pass(15.0).await;
        peer.frame(0x8a, b"").await;
    }
    peer.say("").await;
    assert_eq!(peer.text().await, "Error: who are you?");
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_example_has_a_last_word() {
    let client = TestClient::new(ws_shutdown::routes().unwrap());
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::open(&client, "/").await;
        peer.say("one").await;
        peer.say("two").await;
        peers.push(peer);
    }
    pass(1.0).await;
    client.drain();
    let watch = Watch::start();
    for peer in &mut peers {
        assert_eq!(peer.text().await, "2 messages came");
        assert_eq!(peer.close().await, (1001, "Server shutdown".to_owned()));
        peer.frame(0x88, b"\x03\xe9").await;
    }
    watch.assert(0.0..=0.5);
    pass(1.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
    assert_eq!(client.count(Counter::WebSocketsClosedClean), 3);
}

#[tokio::test(start_paused = true)]
async fn the_echo_example_sends_back_text_and_octets() {
    let client = TestClient::new(ws_echo::routes().unwrap());
    for path in ["/", "/ws", "/lent", "/deflate"] {
        let mut peer = Peer::open(&client, path).await;
        peer.say("hello").await;
        assert_eq!(peer.text().await, "hello", "{path}");
        let octets = vec![7; 100_000];
        peer.frame(0x82, &octets).await;
        assert_eq!(peer.next().await, (0x82, octets), "{path}");
        peer.frame(0x88, b"\x03\xe8").await;
        assert_eq!(peer.close().await.0, 1000, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_example_talks_to_the_echo_example() {
    let server = TestClient::new(ws_echo::routes().unwrap());
    for path in ["/ws", "/deflate"] {
        let url = format!("ws://test{path}");
        let client = ws_client::client();
        let socket = client.connect_over(server.connect(), &url).await.unwrap();
        let (lines, input) = tokio::sync::mpsc::channel(16);
        for line in ["one", "two"] {
            lines.send(line.to_owned()).await.unwrap();
        }
        drop(lines);
        let mut shown = Vec::new();
        let talk = ws_client::talk(socket, input, |line| {
            shown.push(line.to_owned());
        });
        let close = talk.await.unwrap().unwrap();
        assert_eq!(close.code.get(), 1000);
        assert_eq!(shown, ["one", "two"], "{path}");
    }
    pass(1.0).await;
    assert_eq!(server.connections(), 0);
    assert_eq!(server.count(Counter::WebSocketsClosedClean), 2);
}
