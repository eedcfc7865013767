//! Sessions that begin with a WebSocket.

use crate::h2_peer::connect;
use crate::peer::{INTERVAL, PATIENCE, TIMEOUT, calm, contract, message, serve, text};
use bytes::Bytes;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wireline::Router;
use wireline::socketio::engine::{CloseReason, Data};
use wireline::socketio::transport::{EngineConfig, EngineIo, Outgoing, Session};
use wireline::test::TestClient;
use wireline::ws::message::Message;

#[tokio::test]
async fn a_session_is_opened_by_a_packet_without_upgrades() {
    let site = serve(contract());
    let mut socket = site.socket("EIO=4&transport=websocket").await.unwrap();
    let opening = text(&mut socket).await.unwrap();
    let open: Value = serde_json::from_str(opening.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(
        open,
        json!({"sid": open["sid"], "upgrades": [], "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000})
    );
}

#[tokio::test]
async fn a_bad_query_opens_no_websocket() {
    let site = serve(contract());
    for query in [
        "",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=polling",
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4&transport=websocket&sid=abc",
    ] {
        assert!(site.socket(query).await.is_none(), "{query}");
    }
    assert_eq!(site.engine.stats().opened, 0);
}

#[tokio::test]
async fn messages_come_and_go() {
    let site = serve(calm());
    let (mut socket, _) = site.open_socket().await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 999_999] {
        let sent = format!("4{}", "a".repeat(length));
        socket.send_text(sent.clone()).await.unwrap();
        assert_eq!(text(&mut socket).await.unwrap(), sent);
        socket.send_binary(vec![7; length]).await.unwrap();
        let back = message(&mut socket).await.unwrap();
        assert_eq!(back, Message::Binary(vec![7; length].into()));
    }
    // What is no message, and no mistake either.
    for ignored in ["3", "6", "5"] {
        socket.send_text(ignored).await.unwrap();
    }
    socket.send_text("4a").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4a");
}

#[tokio::test]
async fn many_at_once_are_answered_in_order() {
    let site = serve(calm());
    let (mut socket, _) = site.open_socket().await;
    for number in 0..5000 {
        socket.send_text(format!("4{number}")).await.unwrap();
    }
    for number in 0..5000 {
        assert_eq!(text(&mut socket).await.unwrap(), format!("4{number}"));
    }
}

#[tokio::test]
async fn the_first_ping_comes_after_the_interval() {
    let site = serve(contract());
    let (mut socket, _) = site.open_socket().await;
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(text(&mut socket).await.unwrap(), "2");
        let waited = before.elapsed();
        assert!(waited > INTERVAL - Duration::from_millis(40), "{waited:?}");
        socket.send_text("3").await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_gone() {
    let site = serve(contract());
    let begun = Instant::now();
    let (mut socket, sid) = site.open_socket().await;
    assert_eq!(text(&mut socket).await.unwrap(), "2");
    assert_eq!(text(&mut socket).await, None);
    let waited = begun.elapsed();
    let least = INTERVAL + TIMEOUT - Duration::from_millis(40);
    assert!(waited > least, "{waited:?}");
    assert_eq!(site.reason(&sid).await, CloseReason::PingTimeout);
    assert_eq!(site.engine.stats().sessions, 0);
}

#[tokio::test]
async fn what_ends_a_session() {
    let site = serve(calm());
    for (word, reason) in [
        ("abc", CloseReason::ParseError),
        ("", CloseReason::ParseError),
        ("7", CloseReason::ParseError),
        ("1", CloseReason::TransportClose),
        ("2", CloseReason::TransportError),
        ("2probe", CloseReason::TransportError),
    ] {
        let (mut socket, sid) = site.open_socket().await;
        socket.send_text(word).await.unwrap();
        assert_eq!(text(&mut socket).await, None, "{word:?}");
        assert_eq!(site.reason(&sid).await, reason, "{word:?}");
    }
    let (mut socket, sid) = site.open_socket().await;
    socket
        .send_text(format!("4{}", "a".repeat(1_000_001)))
        .await
        .unwrap();
    assert_eq!(text(&mut socket).await, None);
    assert_eq!(site.reason(&sid).await, CloseReason::PayloadTooLarge);
    for is_orderly in [false, true] {
        let (socket, sid) = site.open_socket().await;
        if is_orderly {
            socket.close(()).unwrap();
        }
        drop(socket);
        assert_eq!(site.reason(&sid).await, CloseReason::TransportClose);
    }
    let (mut socket, sid) = site.open_socket().await;
    socket.send_text("4close").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4goodbye");
    assert_eq!(text(&mut socket).await, None);
    assert_eq!(site.reason(&sid).await, CloseReason::ForcedClose);
}

#[tokio::test]
async fn volatile_messages_are_dropped_while_something_waits() {
    let site = serve(calm());
    let (mut socket, sid) = site.open_socket().await;
    let session = site.session(&sid);
    assert!(session.send_volatile(&Outgoing::text("now")));
    assert_eq!(text(&mut socket).await.unwrap(), "4now");
    let large = Outgoing::binary(vec![7; 900_000]);
    while session.send_volatile(&large) {}
    assert!(session.waiting() > 0);
    assert!(!session.is_closed(), "nobody is closed for what is dropped");
    let polling = site.open().await;
    let session = site.session(&polling);
    assert!(!session.send_volatile(&Outgoing::text("nobody polls")));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let site = serve(EngineConfig {
        queue: 4 << 20,
        ..calm()
    });
    let (socket, sid) = site.open_socket().await;
    socket.send_text("4fill").await.unwrap();
    assert_eq!(site.reason(&sid).await, CloseReason::TooSlow);
    let polling = site.open().await;
    assert_eq!(site.post(&polling, "4fill").await.status, 200);
    assert_eq!(site.reason(&polling).await, CloseReason::TooSlow);
    site.is_gone(&polling).await;
    assert_eq!(site.engine.stats().too_slow, 2);
    // What the socket has taken already is the socket's, until that gives its client up.
    let held = site.session(&sid).waiting();
    assert!(held < 256 << 10, "it holds nothing more: {held}");
}

#[tokio::test]
async fn a_server_that_ends_says_so() {
    let site = serve(calm());
    let (mut socket, sid) = site.open_socket().await;
    let polling = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={polling}");
    let mut poll = crate::peer::send(site.addr(), &query, b"").await;
    site.is_polled(&polling).await;
    site.server.handle().stop();
    let last = timeout(PATIENCE, socket.recv()).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = last else {
        panic!("{last:?}");
    };
    assert_eq!(close.code.get(), 1001);
    drop(socket);
    let reply = timeout(PATIENCE, crate::peer::receive(&mut poll))
        .await
        .unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "1"));
    let reason = CloseReason::ServerShuttingDown;
    assert_eq!(site.reason(&sid).await, reason);
    assert_eq!(site.reason(&polling).await, reason);
}

#[tokio::test]
async fn a_websocket_over_http2_is_a_session_as_well() {
    let engine = EngineIo::each(calm(), |session: &Session, data| {
        if let Data::Text(text) = data {
            session.send(&Outgoing::text(&text));
        }
    });
    let routes = Router::new()
        .engine_io("/engine.io/", &engine)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut h2 = connect(&client).await;
    let mut request = http::Request::builder()
        .method("CONNECT")
        .uri("http://localhost/engine.io/?EIO=4&transport=websocket")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(h2::ext::Protocol::from_static("websocket"));
    poll_fn(|cx| h2.poll_ready(cx)).await.unwrap();
    let (response, mut sender) = h2.send_request(request, false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut seen = Vec::new();
    let frame = [&[0x81, 0x82, 0, 0, 0, 0][..], b"4a"].concat();
    sender.send_data(Bytes::from(frame), false).unwrap();
    while !seen.ends_with(b"\x81\x024a") {
        let octets = timeout(PATIENCE, body.data())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        seen.extend_from_slice(&octets);
    }
    assert_eq!(seen[2..].iter().position(|octet| *octet == b'0'), Some(0));
    assert_eq!(engine.stats().sessions, 1);
}
