//! What becomes of a node's connections to its broker.

use crate::brokers::{Broker, Nats, Redis};
use crate::fault_proxy::FaultProxy;
use crate::nodes::{Node, open};
use crate::{PROGRAM, WHOLE, says, tries_once_a_second, until};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use wireline::ws::prelude::*;

fn node(broker: &str) -> Node {
    Node::start(Path::new(PROGRAM), broker).unwrap()
}

/// The channels that somebody has taken from Redis, with how many have, sorted.
fn taken(redis: &Broker) -> Vec<String> {
    let channels = redis.ask("PUBSUB CHANNELS\r\n").unwrap();
    let channels: Vec<&str> = channels
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let counts = redis
        .ask(&format!("PUBSUB NUMSUB {}\r\n", channels.join(" ")))
        .unwrap();
    let mut counts = counts.lines().filter(|line| !line.starts_with(['*', '$']));
    let mut taken = Vec::new();
    while let (Some(channel), Some(count)) = (counts.next(), counts.next()) {
        taken.push(format!("{channel} {}", count.trim_start_matches(':')));
    }
    taken.sort();
    taken
}

async fn heard(socket: &mut WebSocket, what: &str) {
    let heard = timeout(Duration::from_secs(10), async {
        while let Some(message) = socket.recv_msg().await {
            if message.as_text().is_some_and(|text| text.contains(what)) {
                return true;
            }
        }
        false
    });
    assert!(heard.await.is_ok_and(|heard| heard), "never came: {what}");
}

/// Sends as somebody who subscribes to the topic.
async fn say(socket: &WebSocket, topic: &str, what: &str) {
    let message =
        format!(r#"{{"type":"message","topic":"{topic}","event":"e","payload":"{what}"}}"#);
    socket.send(Message::Text(message.into())).await.unwrap();
}

#[tokio::test]
async fn what_a_node_takes_from_redis_is_what_it_wants_whichever_connection_ends() {
    let run = async {
        let mut redis = Redis::new().start().unwrap();
        let broker = format!("redis://{}", redis.address());
        let nodes = [node(&broker), node(&broker)];
        let mut numbers = Vec::new();
        for node in &nodes {
            says(node, "backplane: up").await;
            numbers.push(node.number().await.unwrap());
        }
        let mut of_one = open(nodes[0].port, "only:one").await.unwrap();
        let mut one = open(nodes[0].port, "both").await.unwrap();
        let mut two = open(nodes[1].port, "both").await.unwrap();
        let wanted = |only_one: bool| {
            let mut wanted = vec![
                "{wireline:all} 2".to_owned(),
                "{wireline:t:both} 2".to_owned(),
            ];
            wanted.extend(only_one.then(|| "{wireline:t:only:one} 1".to_owned()));
            wanted.extend(
                numbers
                    .iter()
                    .map(|node| format!("{{wireline:n:{node}}} 1")),
            );
            wanted.sort();
            wanted
        };
        until("they have taken all of it", async || {
            taken(&redis) == wanted(true)
        })
        .await;
        let mut connects = 1.0;
        // The connections that subscribe, then those that do not.
        for kind in ["pubsub", "normal"] {
            let killed = redis.ask(&format!("CLIENT KILL TYPE {kind}\r\n")).unwrap();
            assert_eq!(killed, ":2\r\n", "{kind}");
            connects += 1.0;
            for node in &nodes {
                until("it is back", async || {
                    let metric = async |name| node.metric(name).await.unwrap();
                    metric("wireline_cluster_connects_total").await == connects
                        && metric("wireline_cluster_up").await == 1.0
                })
                .await;
            }
            assert_eq!(taken(&redis), wanted(true), "{kind}");
            say(&one, "both", kind).await;
            heard(&mut two, kind).await;
            assert_eq!(nodes[0].ask("/ready").await.unwrap().0, "200");
        }
        // What nobody wants any more when Redis is back is not taken again.
        redis.kill();
        for node in &nodes {
            says(node, "backplane: down").await;
        }
        let unsubscribe = r#"{"type":"unsubscribe","topic":"only:one"}"#;
        of_one
            .send(Message::Text(unsubscribe.into()))
            .await
            .unwrap();
        heard(&mut of_one, "unsubscribed").await;
        redis.restart().unwrap();
        until("it is taken no more", async || {
            taken(&redis) == wanted(false)
        })
        .await;
        say(&two, "both", "new").await;
        heard(&mut one, "new").await;
    };
    timeout(WHOLE, run).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_a_second_until_it_is_right() {
    let run = async {
        let mut redis = Redis::new().password("other").start().unwrap();
        let proxy = FaultProxy::start(redis.address()).await.unwrap();
        let node = node(&format!("redis://:open-sesame@{}", proxy.address()));
        let refused = async || {
            says(&node, "backplane: down").await;
            tries_once_a_second(&proxy, Duration::from_secs(3)).await;
            let stats = node.get("/api/stats").await.unwrap();
            assert!(stats.contains("WRONGPASS"), "{stats}");
            assert!(!stats.contains("open-sesame"), "{stats}");
            // It serves who is there.
            let mut socket = open(node.port, "room").await.unwrap();
            say(&socket, "room", "alone").await;
            heard(&mut socket, "alone").await;
        };
        let right = "AUTH other\r\nCONFIG SET requirepass open-sesame\r\n";
        refused().await;
        redis.ask(right).unwrap();
        says(&node, "backplane: up").await;
        // It was never written down.
        redis.restart().unwrap();
        refused().await;
        redis.ask(right).unwrap();
        says(&node, "backplane: up").await;
    };
    timeout(WHOLE, run).await.unwrap();
}

#[tokio::test]
async fn nats_is_tried_once_a_second_with_a_wrong_password_too() {
    let run = async {
        let nats = Nats::new().user("ada", "lovelace").start().unwrap();
        let proxy = FaultProxy::start(nats.address()).await.unwrap();
        let node = node(&format!("nats://ada:open-sesame@{}", proxy.address()));
        says(&node, "backplane: down").await;
        tries_once_a_second(&proxy, Duration::from_secs(3)).await;
        let stats = node.get("/api/stats").await.unwrap();
        assert!(!stats.contains("open-sesame"), "{stats}");
        assert!(stats.to_lowercase().contains("authorization"), "{stats}");
    };
    timeout(WHOLE, run).await.unwrap();
}
