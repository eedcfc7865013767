//! What the server says over HTTP.

use crate::peer::{Peer, channel};
use http::StatusCode;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wireline::Router;
use wireline::socketio::engine::Transport;
use wireline::socketio::server::{DisconnectReason, Socket, SocketIo, SocketIoConfig};
use wireline::test::TestClient;

fn client(config: SocketIoConfig) -> TestClient {
    let io = SocketIo::with_config(config);
    TestClient::new(Router::new().socket_io(&io).build().unwrap())
}

#[tokio::test]
async fn s218_s229_websockets_only() {
    let client = client(SocketIoConfig {
        websocket_only: true,
        ..SocketIoConfig::default()
    });
    let reply = client
        .get("/socket.io/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.text().contains("WebSocket"), "{}", reply.text());
    let mut socket = client
        .websocket("/socket.io/?EIO=4&transport=websocket")
        .await;
    let open = socket.recv().await.unwrap().unwrap();
    assert!(open.as_text().unwrap().contains(r#""upgrades":[]"#));
}

/// `python-socketio` says both in one POST.
#[tokio::test]
async fn s223_who_leaves_and_ends_the_session_at_once_has_left() {
    let io = SocketIo::new();
    let (ended, mut ends) = channel();
    io.on_connection(move |socket: Socket| {
        let ended = ended.clone();
        socket.on_disconnect(move |reason: DisconnectReason| {
            let ended = ended.clone();
            async move { ended.send(reason.as_str()) }
        });
        async {}
    });
    let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
    for (content, reason) in [
        ("41\u{1e}1", "client namespace disconnect"),
        ("1", "transport close"),
    ] {
        let open = client
            .get("/socket.io/?EIO=4&transport=polling")
            .send()
            .await
            .unwrap();
        let open: serde_json::Value = serde_json::from_str(&open.text()[1..]).unwrap();
        let sid = open["sid"].as_str().unwrap();
        let poll = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        for content in ["40", content] {
            let said = client.post(&poll).body(content).send().await.unwrap();
            assert_eq!(said.text(), "ok");
        }
        assert_eq!(ends.next().await, reason);
    }
    assert_eq!(io.len(), 0);
}

#[tokio::test]
async fn s230_a_session_of_another_node_is_unknown() {
    let nodes = [(); 2].map(|()| client(SocketIoConfig::default()));
    let open = nodes[0]
        .get("/socket.io/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    let open: serde_json::Value = serde_json::from_str(&open.text()[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let poll = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    for request in [nodes[1].get(&poll), nodes[1].post(&poll).body("40")] {
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(reply.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
    }
    let said = nodes[0].post(&poll).body("40").send().await.unwrap();
    assert_eq!(said.text(), "ok");
    let heard = nodes[0].get(&poll).send().await.unwrap();
    assert!(
        heard.text().starts_with(r#"40{"sid":""#),
        "{}",
        heard.text()
    );
}

#[tokio::test]
async fn another_path() {
    let client = client(SocketIoConfig {
        path: "/realtime".to_owned(),
        ..SocketIoConfig::default()
    });
    let open = client
        .get("/realtime/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    assert!(open.text().starts_with("0{"));
    let nothing = client
        .get("/socket.io/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_said_before_the_end_of_a_session_that_goes_over_is_sent() {
    let io = SocketIo::with_config(SocketIoConfig {
        max_handlers: 1,
        ..SocketIoConfig::default()
    });
    let (told, mut heard) = channel();
    io.on("wait", move || {
        told.send(());
        std::future::pending::<()>()
    });
    let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
    let open = client
        .get("/socket.io/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    let open: serde_json::Value = serde_json::from_str(&open.text()[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let poll = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    client.post(&poll).body("40").send().await.unwrap();
    client.get(&poll).send().await.unwrap();
    // One waits for the other, and the WebSocket for both.
    let post = client
        .post(&poll)
        .body("42[\"wait\"]\x1e42[\"wait\"]")
        .send();
    let goes_over = async {
        heard.next().await;
        let target = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let mut peer = Peer {
            socket: client.websocket(&target).await,
            sid: String::new(),
        };
        peer.say("2probe").await;
        assert_eq!(peer.hear().await, "3probe");
        let socket = io.some_sockets(1).remove(0);
        socket.emit("early", ()).unwrap();
        peer.say("5").await;
        let is_over = async {
            while socket.transport() == Transport::Polling {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), is_over).await.unwrap();
        socket.disconnect(true);
        for said in ["42[\"early\"]", "41", "closed"] {
            assert_eq!(peer.hear().await, said);
        }
    };
    let (posted, ()) = tokio::join!(post, goes_over);
    assert_eq!(posted.unwrap().text(), "ok");
}

/// Opens a session that polls and is in the main namespace: the target of its requests.
async fn polls(client: &TestClient) -> String {
    let open = client
        .get("/socket.io/?EIO=4&transport=polling")
        .send()
        .await
        .unwrap();
    let open: serde_json::Value = serde_json::from_str(&open.text()[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let poll = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    client.post(&poll).body("40").send().await.unwrap();
    let hello = client.get(&poll).send().await.unwrap();
    assert!(hello.text().starts_with("40{"), "{}", hello.text());
    poll
}

/// As `socket.io-client` hears it: with a packet of its own first, so that it does not come back.
#[tokio::test]
async fn a_client_that_is_put_out_while_it_goes_over_is_told_so() {
    let io = SocketIo::new();
    let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
    for close in [true, false] {
        let poll = polls(&client).await;
        let mut peer = Peer {
            socket: client
                .websocket(&poll.replace("polling", "websocket"))
                .await,
            sid: String::new(),
        };
        peer.say("2probe").await;
        assert_eq!(peer.hear().await, "3probe");
        let noop = client.get(&poll).send().await.unwrap();
        assert_eq!(noop.text(), "6", "the client waits for its last poll");
        io.some_sockets(1).remove(0).disconnect(close);
        peer.say("5").await;
        assert_eq!(peer.hear().await, "41");
        if close {
            assert_eq!(peer.hear().await, "closed");
        } else {
            peer.say("40").await;
            assert!(peer.hear().await.starts_with("40{"));
            peer.say("41").await;
        }
        let is_gone = async {
            while !io.is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), is_gone).await.unwrap();
    }
}
