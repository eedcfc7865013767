//! Servers as processes that share the rooms of Socket.IO, with clients of npm on each.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests wait in real time for processes"
)]

#[path = "../../tests/support/brokers.rs"]
mod brokers;
#[allow(dead_code, reason = "it is another test's as well")]
#[path = "../../tests/socketio/adapter_node.rs"]
mod node;
#[allow(dead_code, reason = "it is another test's as well")]
#[path = "serve/server.rs"]
mod server;

use brokers::{Nats, Redis};
use node::Node;
use serde_json::{Value, json};
use server::{Answer, Server, assert_refused};
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, timeout};

async fn bounded(test: impl Future<Output = ()>) {
    let test = timeout(Duration::from_secs(90), test);
    test.await.expect("it takes a minute and a half at most");
}

/// A server that is connected to its broker.
async fn serve(broker: &str, more: &[&str]) -> Server {
    let arguments = [
        "--addr",
        "127.0.0.1:0",
        "--socketio-on",
        "--backplane",
        broker,
    ];
    let server = Server::start(&[&arguments, more].concat());
    let begun = Instant::now();
    while !get(&server, "/ready").contains("backplane: up") {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never up");
        tokio::task::yield_now().await;
    }
    server
}

/// Asks as a program on the same machine.
fn call(server: &Server, line: &str, content: &str) -> String {
    let length = content.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{content}"
    );
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status(), "200", "{line}");
    String::from_utf8(answer.content).unwrap()
}

fn get(server: &Server, path: &str) -> String {
    call(server, &format!("GET {path}"), "")
}

/// A client of a server, in a room.
async fn client(node: &mut Node, server: &Server, name: &str, room: &str) {
    let url = format!("http://{}", server.places[0]);
    let client = json!({"name": name, "room": room, "url": url});
    node.does("client", client).await;
    let joined = ask(node, name, "join", json!([room])).await;
    assert_eq!(joined, true);
}

async fn ask(node: &mut Node, name: &str, event: &str, args: Value) -> Value {
    let line = json!({"name": name, "event": event, "args": args});
    node.does("client ask", line).await
}

async fn hears(node: &mut Node, name: &str, event: &str, args: Value) {
    let heard = node.next().await;
    assert_eq!(heard, json!({"client": name, "event": event, "args": args}));
}

/// Has all sockets of a room get an event, by the HTTP API.
fn publish(server: &Server, room: &str, event: &str) -> Value {
    let content = json!({"room": room, "event": event, "args": [7]}).to_string();
    let sent = call(server, "POST /api/socketio/emit", &content);
    serde_json::from_str(&sent).unwrap()
}

#[tokio::test]
async fn two_servers_share_their_rooms_over_a_backplane() {
    bounded(async {
        let (redis, nats) = (Redis::new().start().unwrap(), Nats::new().start().unwrap());
        for broker in [
            format!("redis://{}", redis.address()),
            format!("nats://{}", nats.address()),
        ] {
            let mut node = Node::start(redis.address()).await;
            let (one, two) = (serve(&broker, &[]).await, serve(&broker, &[]).await);
            client(&mut node, &one, "cyd", "lobby").await;
            client(&mut node, &two, "dan", "lobby").await;
            client(&mut node, &two, "eve", "elsewhere").await;
            let said = ask(
                &mut node,
                "cyd",
                "emit",
                json!(["lobby", "say", {"text": "hello"}]),
            )
            .await;
            assert_eq!(said, true);
            hears(&mut node, "dan", "say", json!([{"text": "hello"}])).await;
            // Of the room of another node one knows the one socket that is here.
            assert_eq!(publish(&one, "elsewhere", "news"), json!({"sockets": 0}));
            hears(&mut node, "eve", "news", json!([7])).await;
            let said = ask(&mut node, "dan", "emit", json!(["lobby", "say", 1])).await;
            assert_eq!(said, true);
            hears(&mut node, "cyd", "say", json!([1])).await;

            let metrics = get(&two, "/metrics");
            for line in [
                "wireline_socketio_adapter_up 1",
                "wireline_socketio_adapter_connects_total 1",
                "wireline_socketio_adapter_garbled_total 0",
                "wireline_socketio_acks 0",
                "wireline_socketio_events_dropped_total 0",
                "wireline_socketio_rooms_unjoined_total 0",
                "wireline_socketio_refused_total{reason=\"namespace\"} 0",
                "wireline_socketio_sockets{namespace=\"/\"} 2",
                // The relay is another member of the same cluster, and hears nothing of it.
                "wireline_cluster_garbled_total 0",
            ] {
                assert!(
                    metrics.lines().any(|known| known == line),
                    "{line}\n{metrics}"
                );
            }
            assert!(!metrics.contains("wireline_socketio_adapter_sent_total 0\n"));
            assert!(!metrics.contains("wireline_socketio_adapter_received_total 0\n"));
        }
    })
    .await;
}

#[tokio::test]
async fn servers_share_their_rooms_with_those_of_npm() {
    bounded(async {
        let mut redis = Redis::new().start().unwrap();
        let broker = format!("redis://{}", redis.address());
        let mut node = Node::start(redis.address()).await;
        let npm = ["--socketio-adapter", "redis-npm"];
        let (one, two) = (serve(&broker, &npm).await, serve(&broker, &npm).await);
        // Another key is another cluster.
        let apart = [&npm[..], &["--socketio-adapter-key", "other"]].concat();
        let apart = serve(&broker, &apart).await;
        for (server, name) in [(&one, "cyd"), (&two, "dan"), (&apart, "fay")] {
            client(&mut node, server, name, "r1").await;
        }
        let said = ask(&mut node, "cyd", "emit", json!(["r1", "say", "hello"])).await;
        assert_eq!(said, true);
        let mut names = Vec::new();
        for _ in 0..2 {
            let heard = node.next().await;
            assert_eq!(
                (&heard["event"], &heard["args"]),
                (&json!("say"), &json!(["hello"]))
            );
            names.push(heard["client"].clone());
        }
        // A client of npm's server, and one of the other of ours.
        names.sort_by_key(Value::to_string);
        assert_eq!(names, ["ada", "dan"]);
        node.does(
            "emit",
            json!({"rooms": ["r1"], "event": "news", "args": [1]}),
        )
        .await;
        let mut names = Vec::new();
        for _ in 0..3 {
            let heard = node.next().await;
            assert_eq!(
                (&heard["event"], &heard["args"]),
                (&json!("news"), &json!([1]))
            );
            names.push(heard["client"].clone());
        }
        names.sort_by_key(Value::to_string);
        assert_eq!(names, ["ada", "cyd", "dan"]);

        // A node that lost Redis says so, and serves who is here.
        redis.kill();
        let begun = Instant::now();
        while !get(&one, "/ready").contains("backplane: down") {
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
        assert!(get(&one, "/metrics").contains("wireline_socketio_adapter_up 0\n"));
        assert_eq!(publish(&one, "r1", "here"), json!({"sockets": 1}));
        hears(&mut node, "cyd", "here", json!([7])).await;
    })
    .await;
}

#[test]
fn an_adapter_without_its_broker_is_refused() {
    let words = ["--socketio-on", "--socketio-adapter", "redis-npm"];
    let wanted = "--socketio-adapter: redis-npm needs --backplane at one Redis";
    assert_refused(&words, wanted);
    for broker in ["nats://127.0.0.1:4222", "redis+cluster://127.0.0.1:6379"] {
        assert_refused(&[&words[..], &["--backplane", broker]].concat(), wanted);
    }
    let redis = ["--backplane", "redis://127.0.0.1:6379", "--check"];
    let fine = server::run(&[&words[..], &redis].concat());
    assert!(fine.status.success(), "{fine:?}");
}
