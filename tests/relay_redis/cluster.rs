//! Several servers that share the keys between them.

use crate::KEEP;
use crate::brokers::{Broker, Redis as Server, Sentinel};
use crate::links::{Linked, append, bounded, topic};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::sleep;
use wireline::relay::backplane::redis::Redis;
use wireline::relay::backplane::{Channel, Command, Event};
use wireline::relay::hub::{Resume, Topic};
use wireline::relay::{Relay, RelayConfig};
use wireline::resource::redis::RedisServer;

/// Three servers, once each of them knows that every slot has one.
async fn cluster() -> Vec<Broker> {
    let servers = Server::new().cluster(3).unwrap();
    whole(&servers).await;
    servers
}

async fn whole(servers: &[Broker]) {
    for server in servers {
        until(|| ask(server, "CLUSTER INFO\r\n").contains("cluster_state:ok")).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(Duration::from_millis(50)).await;
    }
}

fn ask(server: &Broker, lines: &str) -> String {
    server.ask(lines).unwrap_or_default()
}

/// One of them is enough, and the first one that is named need not be there.
fn redis_at(servers: &[Broker]) -> Redis {
    let dead = crate::brokers::free_port().unwrap();
    let last = servers.last().unwrap().address();
    Redis::new(&format!("redis+cluster://127.0.0.1:{dead},{last}")).unwrap()
}

fn topics() -> Vec<Topic> {
    (0..60)
        .map(|number| topic(&format!("room:{number}")))
        .collect()
}

#[tokio::test]
async fn topics_are_where_their_slots_are() {
    bounded(async {
        let servers = cluster().await;
        let redis = redis_at(&servers);
        let mut one = Linked::connect(&redis).await;
        let mut two = Linked::connect(&redis).await;
        let mut channels: Vec<Channel> = topics().into_iter().map(Channel::Topic).collect();
        channels.extend([Channel::All, Channel::Node(7)]);
        for channel in &channels {
            two.subscribe(channel.clone()).await;
        }
        for server in &servers {
            let taken = ask(server, "PUBSUB SHARDCHANNELS\r\n");
            assert!(taken.matches("wireline:t:").count() > 5, "{taken}");
        }
        let count = channels.len() as u64 * 20;
        for id in 0..count {
            let channel = channels[id as usize % channels.len()].clone();
            one.publish(id, channel, format!("W{id}"));
        }
        // Each channel has one order; the servers have none together.
        let received = async {
            let mut last = HashMap::new();
            for _ in 0..count {
                let (channel, position, message) = two.message().await;
                let text = String::from_utf8(message.to_vec()).unwrap();
                let number: u64 = serde_json::from_str(&text[1..]).unwrap();
                assert_eq!(
                    (
                        channels[number as usize % channels.len()] == channel,
                        position
                    ),
                    (true, None)
                );
                assert!(
                    last.insert(channel, number)
                        .is_none_or(|before| before < number)
                );
            }
        };
        let confirmed = async {
            let mut left: HashSet<u64> = (0..count).collect();
            while !left.is_empty() {
                match one.event().await {
                    Event::Done { id } => assert!(left.remove(&id)),
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::join!(received, confirmed);
        // Taken no longer; the others are.
        two.send(Command::Unsubscribe(channels[0].clone()));
        two.send(Command::Unsubscribe(channels[1].clone()));
        two.subscribe(channels[1].clone()).await;
        one.publish(1, channels[0].clone(), "W no");
        one.publish(2, channels[1].clone(), "W yes");
        assert_eq!(two.message().await.2, "W yes");
    })
    .await;
}

#[tokio::test]
async fn histories_are_shared_on_every_server() {
    bounded(async {
        let servers = cluster().await;
        let redis = redis_at(&servers);
        let mut one = Linked::connect(&redis).await;
        let mut two = Linked::connect(&redis).await;
        let mut id = 0;
        for topic in &topics() {
            for seq in 1..=3 {
                id += 1;
                one.send(append(id, topic, (1, 1), seq, KEEP, format!("W{seq}")));
            }
            // It was appended before.
            id += 1;
            one.send(append(id, topic, (1, 1), 2, KEEP, "W2"));
        }
        let mut left: HashSet<u64> = (1..=id).collect();
        while !left.is_empty() {
            match one.event().await {
                Event::Done { id } => assert!(left.remove(&id)),
                other => panic!("{other:?}"),
            }
        }
        let mut epochs = HashSet::new();
        for topic in &topics() {
            let (epoch, last, entries) = two.read(topic, None, 10).await;
            let found: Vec<_> = entries
                .iter()
                .map(|(offset, _, text)| (*offset, text.clone()))
                .collect();
            let expected = [1, 2, 3].map(|at| (at, Bytes::from(format!("W{at}"))));
            assert_eq!((last, &found[..]), (3, &expected[..]));
            assert!(epochs.insert(epoch));
            let (.., rest) = two.read(topic, Some((epoch, 2)), 10).await;
            assert_eq!(rest.len(), 1);
        }
        for server in &servers {
            let keys = ask(server, "DBSIZE\r\n");
            let keys: u32 = serde_json::from_str(keys.trim_start_matches(':').trim()).unwrap();
            assert!(keys > 20, "{keys}");
        }
    })
    .await;
}

/// What the server with this id says of itself.
fn id(server: &Broker) -> String {
    let said = ask(server, "CLUSTER MYID\r\n");
    said.lines().nth(1).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    bounded(async {
        let servers = cluster().await;
        let redis = redis_at(&servers);
        let mut reader = Linked::connect(&redis).await;
        let moving = Channel::Topic(topic("moving"));
        reader.subscribe(moving.clone()).await;
        let taken = |server: &Broker| ask(server, "PUBSUB SHARDCHANNELS\r\n").contains("moving");
        let from = servers.iter().position(taken).unwrap();
        let to = (from + 1) % servers.len();
        let slot = ask(&servers[from], "CLUSTER KEYSLOT {wireline:t:moving}\r\n");
        let slot = slot.trim_start_matches(':').trim();
        let line = format!("CLUSTER SETSLOT {slot} NODE {}\r\n", id(&servers[to]));
        // Where it goes to first, so that nobody takes it back.
        for at in [to, from, (from + 2) % servers.len()] {
            assert!(ask(&servers[at], &line).starts_with("+OK"));
        }
        // Nothing is lost silently: the connection ends, and the next one is to where it is now.
        let why = reader.ended().await;
        assert!(why.contains("taken away"), "{why}");
        let mut writer = loop {
            let mut writer = Linked::connect(&redis).await;
            writer.publish(1, moving.clone(), "W0");
            // One that has not heard of it yet sends on, which is an end as well.
            match writer.event_or_end().await {
                Ok(event) => break (assert_eq!(event, Event::Done { id: 1 }), writer).1,
                Err(why) => assert!(why.contains("moved") || why.contains("MOVED"), "{why}"),
            }
        };
        let mut reader = Linked::connect(&redis).await;
        reader.subscribe(moving.clone()).await;
        assert!(taken(&servers[to]) && !taken(&servers[from]));
        writer.publish(2, moving.clone(), "W1");
        assert_eq!(reader.message().await, (moving, None, Bytes::from("W1")));
        assert_eq!(writer.event().await, Event::Done { id: 2 });
    })
    .await;
}

#[tokio::test]
async fn a_server_of_the_cluster_that_dies_ends_the_link_until_it_is_back() {
    bounded(async {
        let mut servers = cluster().await;
        let redis = redis_at(&servers);
        let mut node = Linked::connect(&redis).await;
        servers[0].kill();
        let why = node.ended().await;
        assert!(!why.is_empty());
        let why = Linked::refused(&redis).await;
        assert!(why.contains("by the server at"), "{why}");
        servers[0].restart().unwrap();
        whole(&servers).await;
        let mut node = Linked::connect(&redis).await;
        for topic in topics() {
            node.subscribe(Channel::Topic(topic)).await;
        }
    })
    .await;
}

/// Relays, whose clients go on with another node, whatever the server.
#[tokio::test]
async fn relays_over_a_cluster_go_on_where_they_were() {
    bounded(async {
        let servers = cluster().await;
        let relay = || {
            let config = RelayConfig::default().retention(|_| KEEP);
            Relay::new(config.backplane(redis_at(&servers)))
        };
        let (one, two) = (relay(), relay());
        for relay in [&one, &two] {
            assert_eq!(relay.cluster().unwrap().backplane(), "redis");
        }
        for relay in [&one, &two] {
            until(|| {
                relay
                    .cluster_standing()
                    .is_some_and(|standing| standing.nodes == 1)
            })
            .await;
        }
        for topic in topics() {
            for payload in 1..=3 {
                one.push(&topic, "e", &payload).await.unwrap();
            }
        }
        until(|| one.cluster_standing().unwrap().waiting == 0).await;
        for topic in topics() {
            let all = two.history(&topic, Resume::Newest(9)).await.unwrap();
            assert_eq!((all.offset, all.entries.len()), (3, 3));
            let since = Resume::Since {
                epoch: all.epoch,
                offset: 1,
            };
            for relay in [&one, &two] {
                let rest = relay.history(&topic, since).await.unwrap();
                assert_eq!((rest.complete, rest.entries.len()), (true, 2));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn one_server_is_no_cluster_and_a_cluster_is_not_one_server() {
    bounded(async {
        let alone = Server::new().start().unwrap();
        let url = format!("redis+cluster://{}", alone.address());
        let why = Linked::refused(&Redis::new(&url).unwrap()).await;
        assert!(why.contains("cluster support disabled"), "{why}");
        // With a password.
        let secret = Server::new().password("secret").start().unwrap();
        let url = format!("redis+cluster://:wrong@{}", secret.address());
        let why = Linked::refused(&Redis::new(&url).unwrap()).await;
        assert!(why.to_lowercase().contains("password"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn sentinels_that_want_a_password_get_it() {
    bounded(async {
        let master = Server::new().password("secret").start().unwrap();
        let sentinel = Sentinel::of(&master)
            .password("secret")
            .asked_by("watcher", "hid/den");
        let sentinel = sentinel.start().unwrap();
        let url = format!("redis+sentinel://:secret@{}/main", sentinel.address());
        let why = Linked::refused(&Redis::new(&url).unwrap()).await;
        assert!(why.contains("by the Sentinel at"), "{why}");
        let wrong = Redis::new(&format!("{url}?sentinel=watcher:other")).unwrap();
        let why = Linked::refused(&wrong).await;
        assert!(
            why.contains("by the Sentinel at") && !why.contains("other"),
            "{why}"
        );
        let right = RedisServer::new(&format!("{url}?sentinel=watcher:hid%2Fden")).unwrap();
        let mut node = Linked::connect(&Redis::at(right)).await;
        node.subscribe(Channel::All).await;
    })
    .await;
}
