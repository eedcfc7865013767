//! What stands in `deploy/`, in use.

#![expect(clippy::disallowed_methods, reason = "these tests measure real time")]

#[path = "../../tests/support/brokers.rs"]
mod brokers;
#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/nginx.rs"]
mod nginx;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "serve/server.rs"]
mod server;

use nginx::Nginx;
use serde_json::Value;
use server::Server;
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use wireline::relay::client::{Event, RelayClient, Subscription};

const ME: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn node(more: &[&str]) -> Server {
    let words = [
        "serve",
        "--addr",
        "127.0.0.1:0",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let history = ["--history", "topics=room:*"];
    Server::start(&[&words[..], &history, more].concat())
}

/// Runs with nginx in front of two nodes.
fn with_two_nodes<T>(more: &[&str], test: impl AsyncFnOnce(&Nginx, &[Server; 2]) -> T) -> T {
    let nodes = [node(more), node(more)];
    let nginx = Nginx::start([&nodes[0].places[0], &nodes[1].places[0]]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let test = test(&nginx, &nodes);
        timeout(Duration::from_secs(60), test)
            .await
            .expect("it does not end")
    })
}

/// Sends a request, its first line and whatever follows, from an address of this machine.
async fn open(place: &str, from: Ipv4Addr, head: &str, content: &str) -> TcpStream {
    let (line, fields) = head.split_once('\n').unwrap_or((head, ""));
    let to: SocketAddr = place.parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n{content}",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The status and the content of the answer.
async fn ask(place: &str, from: Ipv4Addr, head: &str, content: &str) -> (u16, String) {
    let mut stream = open(place, from, head, content).await;
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer));
    read.await.unwrap().unwrap();
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), content.to_owned())
}

async fn publish(node: &Server, payload: &str) {
    let content = format!(r#"{{"topic":"room:1","event":"say","payload":"{payload}"}}"#);
    let place = &node.places[0];
    let head = "POST /api/publish\nContent-Type: application/json\r\n";
    let (status, said) = ask(place, ME, head, &content).await;
    assert_eq!(status, 200, "{said}");
}

/// What a long poll says.
async fn poll(nginx: &Nginx, from: Ipv4Addr, rest: &str) -> (String, Vec<Value>) {
    let head = format!("GET /poll?topic=room:1{rest}");
    let (status, content) = ask(&nginx.place, from, &head, "").await;
    assert_eq!(status, 200, "{content}");
    // It may come in chunks.
    let json = &content[content.find('{').unwrap()..=content.rfind('}').unwrap()];
    let mut said: Value = serde_json::from_str(json).unwrap();
    let cursor = said["cursor"].as_str().unwrap().to_owned();
    let messages = said["messages"].take();
    (cursor, serde_json::from_value(messages).unwrap())
}

fn payloads(messages: &[Value]) -> Vec<&str> {
    assert!(
        messages.iter().all(|message| message["recovered"] != false),
        "{messages:?}"
    );
    let payloads = messages.iter().map(|message| message["payload"].as_str());
    payloads.flatten().collect()
}

#[test]
fn s242_long_polls_come_back_to_their_node() {
    with_two_nodes(&[], async |nginx, nodes| {
        for (node, name) in nodes.iter().zip(["0", "1"]) {
            publish(node, name).await;
        }
        let mut at = HashMap::new();
        for network in 1..=12 {
            let from = Ipv4Addr::new(127, 0, network, 1);
            for _ in 0..3 {
                let (cursor, messages) = poll(nginx, from, "&rewind=1").await;
                let node = payloads(&messages)[0].to_owned();
                let before = at.insert(from, (node.clone(), cursor));
                assert!(before.is_none_or(|(before, _)| before == node), "{from}");
            }
        }
        let used: BTreeSet<_> = at.values().map(|(node, _)| node.as_str()).collect();
        assert_eq!(used.len(), 2, "all are at one node");

        // Each goes on where it was, while the poll waits and between two polls.
        for (from, (node, cursor)) in at {
            let node = &nodes[usize::from(node == "1")];
            let rest = format!("&cursor={}", cursor.replace(' ', "%20"));
            let waits = poll(nginx, from, &rest);
            let (begun, publishes) = (Instant::now(), publish(node, "next"));
            let ((cursor, messages), ()) = tokio::join!(waits, publishes);
            assert_eq!(payloads(&messages)[0], "next");
            assert!(begun.elapsed() < Duration::from_secs(5));
            publish(node, "between").await;
            let rest = format!("&cursor={}", cursor.replace(' ', "%20"));
            let (_, messages) = poll(nginx, from, &rest).await;
            assert!(payloads(&messages).contains(&"between"), "{messages:?}");
        }
    });
}

/// Reads until this has come.
async fn until(stream: &mut TcpStream, came: &mut String, wanted: &str) {
    let read = async {
        let mut octets = [0; 4096];
        while !came.contains(wanted) {
            let len = stream.read(&mut octets).await.unwrap();
            assert!(len > 0, "it has ended: {came}");
            came.push_str(std::str::from_utf8(&octets[..len]).unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect(wanted);
}

#[test]
fn s242_event_streams_are_not_held_back() {
    with_two_nodes(&[], async |nginx, nodes| {
        let both = async |text: &str| {
            for node in nodes.iter() {
                publish(node, text).await;
            }
        };
        both("first").await;
        let head = "GET /sse?topic=room:1&rewind=1";
        let mut stream = open(&nginx.place, ME, head, "").await;
        let mut came = String::new();
        until(&mut stream, &mut came, "first").await;
        assert!(came.contains("text/event-stream"));
        both("second").await;
        until(&mut stream, &mut came, "second").await;
        let mut ids = came.lines().filter_map(|line| line.strip_prefix("id:"));
        let last = ids.next_back().unwrap().trim().to_owned();
        drop(stream);
        both("third").await;
        let head = format!("GET /sse?topic=room:1\nLast-Event-ID: {last}\r\n");
        let (mut stream, mut came) = (open(&nginx.place, ME, &head, "").await, String::new());
        until(&mut stream, &mut came, "third").await;
        assert!(came.contains(r#""recovered":true"#), "{came}");
        assert!(!came.contains("second"), "{came}");
    });
}

async fn next_push(room: &mut Subscription) -> String {
    let push = async {
        loop {
            match room.next().await {
                Some(Event::Push(push)) => return push.json::<String>().unwrap(),
                Some(_) => {}
                None => panic!("the subscription has ended"),
            }
        }
    };
    timeout(PATIENCE, push).await.expect("nothing comes")
}

async fn connections(node: &Server) -> u64 {
    let (status, content) = ask(&node.places[0], ME, "GET /api/connections", "").await;
    assert_eq!(status, 200, "{content}");
    let json = &content[content.find('{').unwrap()..=content.rfind('}').unwrap()];
    let said: Value = serde_json::from_str(json).unwrap();
    said["count"].as_u64().unwrap()
}

#[test]
fn s241_web_sockets_need_no_memory() {
    with_two_nodes(&[], async |nginx, nodes| {
        let url = format!("ws://{}/ws", nginx.place);
        let mut clients = Vec::new();
        for _ in 0..4 {
            let client = RelayClient::builder(&url).connect().await.unwrap();
            let room = client.subscribe("room:1").unwrap();
            clients.push((client, room));
        }
        for (number, (client, room)) in clients.iter_mut().enumerate() {
            let text = format!("from {number}");
            client.send("room:1", "say", &text).await.unwrap();
            while next_push(room).await != text {}
        }
        // They are dealt out, whatever their address.
        assert_eq!(
            [connections(&nodes[0]).await, connections(&nodes[1]).await],
            [2, 2]
        );

        // Those of a node that dies go to the other one.
        nodes[0].signal("-KILL");
        let begun = Instant::now();
        while connections(&nodes[1]).await != 4 {
            assert!(begun.elapsed() < PATIENCE, "they do not come back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (number, (client, room)) in clients.iter_mut().enumerate() {
            let text = format!("again from {number}");
            client.send("room:1", "say", &text).await.unwrap();
            while next_push(room).await != text {}
        }
    });
}

#[test]
fn two_nodes_with_nats_between_them_are_one() {
    let nats = brokers::Nats::new().user("me", "secret").start().unwrap();
    let broker = format!("nats://me:secret@{}", nats.address());
    let more = ["--backplane", &broker, "--backplane-prefix", "my-app"];
    with_two_nodes(&more, async |nginx, nodes| {
        for node in nodes {
            let begun = Instant::now();
            while !ask(&node.places[0], ME, "GET /ready", "")
                .await
                .1
                .contains("up")
            {
                assert!(begun.elapsed() < PATIENCE, "there is no connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let url = format!("ws://{}/ws", nginx.place);
        let mut clients = Vec::new();
        for _ in 0..4 {
            let client = RelayClient::builder(&url).connect().await.unwrap();
            let mut room = client.subscribe("room:1").unwrap();
            let begun = timeout(PATIENCE, room.next()).await.unwrap();
            assert!(matches!(begun, Some(Event::Subscribed(_))), "{begun:?}");
            clients.push((client, room));
        }
        assert_eq!(
            [connections(&nodes[0]).await, connections(&nodes[1]).await],
            [2, 2]
        );
        for number in 0..4 {
            let text = format!("from {number}");
            clients[number]
                .0
                .send("room:1", "say", &text)
                .await
                .unwrap();
            for (_, room) in &mut clients {
                assert_eq!(next_push(room).await, text);
            }
        }
        // What the document says is to be watched is there.
        let (_, metrics) = ask(&nodes[0].places[0], ME, "GET /metrics", "").await;
        let document = include_str!("../../docs/cluster.md").split('`');
        let names: Vec<_> = document
            .filter(|name| name.starts_with("wireline_cluster_"))
            .collect();
        assert!(names.len() > 5);
        for name in names {
            assert!(metrics.contains(&format!("\n{name} ")), "{name}: {metrics}");
        }
    });
}

#[test]
fn what_is_for_this_machine_is_not_for_its_clients() {
    with_two_nodes(&[], async |nginx, _| {
        for (path, wanted) in [
            ("/ready", 200),
            ("/health", 200),
            ("/", 200),
            ("/api/stats", 403),
            ("/metrics", 403),
        ] {
            let (status, content) = ask(&nginx.place, ME, &format!("GET {path}"), "").await;
            assert_eq!(status, wanted, "{path}: {content}");
        }
    });
}

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(15);
