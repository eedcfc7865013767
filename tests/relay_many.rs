//! Eight thousand sockets on one relay, held by a process of its own: this program, run a second time.
//!
//! Each subscribes to one topic that all have and to one of eighty; every push reaches each subscriber once, in order. When the
//! clients have gone nothing is left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use wireline::relay::{Relay, RelayConfig};
use wireline::server::Bound;
use wireline::ws::client::Client;
use wireline::ws::prelude::*;
use wireline::{Router, Server};

const SOCKETS: usize = 8_000;
const ROOMS: usize = 80;
const TO_ALL: usize = 20;
const TO_ROOMS: usize = 5;
const IN_ALL: Duration = Duration::from_secs(240);

fn main() {
    raise_limit();
    let url = std::env::var("RELAY_MANY_URL");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match url {
        Ok(url) => runtime.block_on(clients(&url)),
        Err(_) => {
            runtime.block_on(async { timeout(IN_ALL, serve()).await.expect("it takes too long") });
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        }
    }
}

/// As many files as may be: each socket is one here and one there.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, wanted).unwrap();
}

async fn serve() {
    let relay = Relay::new(RelayConfig::default());
    let routes = Router::new().relay(&relay).build().unwrap();
    let server = Server::new(routes).max_connections(SOCKETS + 100);
    let running = server.bind("127.0.0.1:0").start().unwrap();
    let Some(Bound::Tcp(addr)) = running.handle().bound().first().cloned() else {
        panic!("it listens nowhere");
    };
    let url = format!("ws://{addr}/ws");

    let mut child = Command::new(std::env::current_exe().unwrap())
        .env("RELAY_MANY_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(
        told.next_line().await.unwrap().as_deref(),
        Some("subscribed")
    );
    let stats = relay.stats();
    assert_eq!(stats.connections, SOCKETS as u64);
    assert_eq!(stats.subscriptions, 2 * SOCKETS as u64);
    assert_eq!(stats.topics, 1 + ROOMS as u64);

    let mut on_their_way = 0;
    for number in 0..TO_ALL {
        on_their_way += relay.push("all", "n", &number).await.unwrap().subscribers;
        if number % (TO_ALL / TO_ROOMS) == 0 {
            for room in 0..ROOMS {
                let topic = format!("room:{room}");
                on_their_way += relay.push(topic, "n", &number).await.unwrap().subscribers;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(on_their_way, SOCKETS * (TO_ALL + TO_ROOMS));
    let counted = told.next_line().await.unwrap().unwrap();
    assert_eq!(counted, format!("in order: {on_their_way}"));
    assert_eq!(relay.stats().dropped, 0);

    // The clients leave all at once.
    child.stdin.take().unwrap().shutdown().await.unwrap();
    assert!(child.wait().await.unwrap().success());
    while relay.stats().connections > 0 || !relay.hub().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(relay.stats().subscriptions, 0);
    running.handle().stop();
    running.wait().await;
}

async fn clients(url: &str) {
    let mut connecting = Vec::new();
    for number in 0..SOCKETS {
        let url = url.to_owned();
        connecting.push(tokio::spawn(async move { connect(&url, number).await }));
        if number % 64 == 63 {
            // The backlog of a listener is not what is tested here.
            for task in connecting.iter_mut().skip(number - 63) {
                while !task.is_finished() {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
    let mut sockets = Vec::new();
    for task in connecting {
        sockets.push(task.await.unwrap());
    }
    println!("subscribed");
    let counting: Vec<_> = sockets
        .into_iter()
        .map(|socket| tokio::spawn(count(socket)))
        .collect();
    let mut total = 0;
    let mut open = Vec::new();
    for task in counting {
        let (count, socket) = task.await.unwrap();
        total += count;
        open.push(socket);
    }
    println!("in order: {total}");
    let mut end = BufReader::new(tokio::io::stdin()).lines();
    assert_eq!(end.next_line().await.unwrap(), None);
}

async fn connect(url: &str, number: usize) -> WebSocket {
    let mut socket = Client::new().connect(url).await.unwrap();
    for topic in ["all".to_owned(), format!("room:{}", number % ROOMS)] {
        let ask = format!(r#"{{"type":"subscribe","topic":"{topic}"}}"#);
        socket.send(ask).await.unwrap();
        let answer = format!(r#"{{"type":"subscribed","topic":"{topic}"}}"#);
        assert_eq!(text(&mut socket).await, answer);
    }
    socket
}

/// Hears everything, each topic in its order.
async fn count(mut socket: WebSocket) -> (usize, WebSocket) {
    let (mut of_all, mut of_room) = (0, 0);
    while (of_all, of_room) != (TO_ALL, TO_ROOMS) {
        let heard: Value = serde_json::from_str(&text(&mut socket).await).unwrap();
        let (next, step) = match heard["topic"].as_str() {
            Some("all") => (&mut of_all, 1),
            Some(_) => (&mut of_room, TO_ALL / TO_ROOMS),
            None => panic!("{heard}"),
        };
        assert_eq!(heard["payload"], *next * step, "{heard}");
        *next += 1;
    }
    (of_all + of_room, socket)
}

async fn text(socket: &mut WebSocket) -> String {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}
