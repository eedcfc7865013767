//! Relays as the nodes of a cluster over NATS: what is published on one is heard on all, or told to be missing, exactly.

use crate::brokers::Broker;
use crate::fault_proxy::{FaultProxy, Way};
use crate::{at, server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use wireline::Router;
use wireline::relay::backplane::nats::Nats;
use wireline::relay::cluster::ClusterConfig;
use wireline::relay::{Relay, RelayConfig};
use wireline::test::TestClient;
use wireline::ws::prelude::*;

struct Node {
    relay: Relay,
    client: TestClient,
}

impl Node {
    fn new(nats: Nats) -> Self {
        let config = RelayConfig::default()
            .presence("*")
            .with_topic_capacity(20_000)
            .backplane(nats)
            .cluster(ClusterConfig {
                beat: 200,
                ttl: 1_000,
                ..ClusterConfig::default()
            });
        let relay = Relay::new(config);
        let routes = Router::new().relay(&relay).build().unwrap();
        let client = TestClient::new(routes);
        Self { relay, client }
    }

    async fn reader(&self) -> Reader {
        let mut reader = Reader {
            socket: self.client.websocket("/ws").await,
            next: 0,
            missed: 0,
        };
        reader
            .socket
            .send(json!({"type":"subscribe","topic":TOPIC}).to_string())
            .await
            .unwrap();
        assert_eq!(reader.hear().await["type"], "subscribed");
        reader
    }

    fn is_up(&self, others: u64) -> bool {
        let standing = self.relay.cluster_standing().unwrap();
        standing.is_up && standing.nodes == others
    }
}

/// A subscriber that holds what comes to the numbers that are published on the first node.
struct Reader {
    socket: WebSocket,
    /// The number that is to come.
    next: u64,
    missed: u64,
}

impl Reader {
    async fn hear(&mut self) -> Value {
        match timeout(LONG, self.socket.recv())
            .await
            .expect("nothing comes")
        {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Hears until everything below `end` has come, or was told to be missing.
    async fn until(&mut self, end: u64) {
        while self.next < end {
            let heard = self.hear().await;
            match heard["type"].as_str().unwrap() {
                "push" => {
                    // Neither twice, nor late, nor with something before it that nobody told.
                    assert_eq!(heard["payload"], self.next, "{heard}");
                    self.next += 1;
                }
                "lagged" => {
                    // The first publication has the number 0, and is the first one of its node.
                    assert_eq!(heard["first"], self.next + 1, "{heard}");
                    let last = heard["last"].as_u64().unwrap();
                    assert_eq!(heard["missed"], last - self.next, "{heard}");
                    self.missed += last - self.next;
                    self.next = last;
                }
                other => panic!("{other}: {heard}"),
            }
        }
        assert_eq!(self.next, end);
    }
}

async fn until(within: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < within, "it does not become so");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn all_agree(nodes: &[Node; 3], readers: usize) {
    until(LONG, || {
        let agrees = |node: &Node| node.is_up(2) && node.relay.presence_count(TOPIC) == readers;
        nodes.iter().all(agrees)
    })
    .await;
}

/// Publishes numbers from here on the first node, for a while; gives the next one.
async fn publish(node: &Node, from: u64, time: Duration) -> u64 {
    let (begun, mut number) = (Instant::now(), from);
    while begun.elapsed() < time {
        node.relay.push(TOPIC, "e", &number).await.unwrap();
        number += 1;
        sleep(Duration::from_millis(2)).await;
    }
    number
}

async fn three(nats: [Nats; 3]) -> ([Node; 3], [Reader; 3]) {
    let nodes = nats.map(Node::new);
    let mut readers = Vec::new();
    for node in &nodes {
        readers.push(node.reader().await);
    }
    all_agree(&nodes, 3).await;
    (nodes, readers.try_into().ok().unwrap())
}

#[tokio::test]
async fn a_server_that_is_killed_while_messages_flow() {
    let mut server: Broker = server();
    let address = server.address();
    let (nodes, mut readers) = three([at(address), at(address), at(address)]).await;
    let mut number = 0;
    for _ in 0..4 {
        number = publish(&nodes[0], number, Duration::from_millis(300)).await;
        server.kill();
        number = publish(&nodes[0], number, Duration::from_millis(300)).await;
        // Here it has come meanwhile, all of it.
        readers[0].until(number).await;
        server.restart().unwrap();
        let back = Instant::now();
        until(LONG, || nodes.iter().all(|node| node.is_up(2))).await;
        assert!(
            back.elapsed() < Duration::from_secs(2),
            "{:?}",
            back.elapsed()
        );
        number = publish(&nodes[0], number, Duration::from_millis(100)).await;
        for reader in &mut readers {
            reader.until(number).await;
        }
    }
    assert_eq!(readers[0].missed, 0);
    // What waited for the server has come behind it: at most what was under way is lost.
    assert!(
        readers[1].missed < number / 2,
        "{} of {number}",
        readers[1].missed
    );
    all_agree(&nodes, 3).await;
}

#[tokio::test]
async fn a_node_whose_way_fails() {
    let server = server();
    let mut proxies = Vec::new();
    for _ in 0..3 {
        proxies.push(FaultProxy::start(server.address()).await.unwrap());
    }
    let ways = [0, 1, 2].map(|node: usize| at(proxies[node].address()));
    let (nodes, mut readers) = three(ways).await;
    let garbled = |seed| Way::Garbled {
        seed,
        one_in: 2_000,
    };
    let faults = [
        None,
        Some((Way::Slow(20_000), Duration::from_secs(1))),
        Some((garbled(1), Duration::from_secs(1))),
        Some((garbled(2), Duration::from_secs(1))),
        Some((Way::Frozen, Duration::from_secs(6))),
    ];
    let mut number = 0;
    for (round, fault) in faults.into_iter().enumerate() {
        // The one who publishes, and one who does not.
        let node = [0, 2][round % 2];
        let time = match fault {
            None => {
                proxies[node].split();
                Duration::from_secs(1)
            }
            Some((way, time)) => {
                proxies[node].both(way);
                time
            }
        };
        number = publish(&nodes[0], number, time).await;
        readers[0].until(number).await;
        assert_eq!(readers[0].missed, 0);
        proxies[node].heal();
        until(LONG, || nodes.iter().all(|node| node.is_up(2))).await;
        number = publish(&nodes[0], number, Duration::from_millis(50)).await;
        for reader in &mut readers {
            reader.until(number).await;
        }
        all_agree(&nodes, 3).await;
    }
}

const TOPIC: &str = "room:1";

/// Nothing takes longer.
const LONG: Duration = Duration::from_secs(30);
