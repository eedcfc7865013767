//! Redis as a backplane, with a real server.

#[path = "support/brokers.rs"]
mod brokers;
#[path = "relay_redis/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "it is other tests' as well")]
#[path = "support/fault_proxy.rs"]
mod fault_proxy;
#[path = "relay_redis/links.rs"]
mod links;

use brokers::{Redis as Server, Sentinel};
use bytes::Bytes;
use fault_proxy::{FaultProxy, Way};
use links::{Linked, append, bounded, ends_with, redis_at, topic};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wireline::relay::backplane::redis::Redis;
use wireline::relay::backplane::{Backplane, Channel, Command, Event};
use wireline::relay::hub::Retention;
use wireline::resource::redis::RedisServer;

const KEEP: Retention = Retention {
    messages: 100,
    octets: 1 << 20,
    age: 60_000,
};

#[tokio::test]
async fn what_is_published_reaches_those_who_took_the_channel_in_order() {
    bounded(async {
        let server = Server::new().start().unwrap();
        for is_sharded in [false, true] {
            let redis = redis_at(&server).sharded(is_sharded);
            assert_eq!((redis.name(), redis.keeps_history()), ("redis", true));
            let mut one = Linked::connect(&redis).await;
            let mut two = Linked::connect(&redis).await;
            let channels = [
                Channel::All,
                Channel::Node(0x1_f00d),
                Channel::Topic(topic("a:1")),
            ];
            for channel in &channels {
                two.subscribe(channel.clone()).await;
            }
            // Whatever the octets are.
            let odd = Bytes::from((0..=255).chain(*b"\r\n$-1\r\n").collect::<Vec<u8>>());
            let odd = Bytes::from([b"W", &*odd].concat());
            for id in 0..3000 {
                let channel = channels[id % 3].clone();
                let message = [&odd[..], id.to_string().as_bytes()].concat();
                one.publish(id as u64, channel, message);
            }
            let received = async {
                for id in 0..3000 {
                    let (channel, position, message) = two.message().await;
                    assert_eq!((channel, position), (channels[id % 3].clone(), None));
                    assert_eq!(message, [&odd[..], id.to_string().as_bytes()].concat());
                }
            };
            let confirmed = async {
                for id in 0..3000 {
                    assert_eq!(one.event().await, Event::Done { id });
                }
            };
            tokio::join!(received, confirmed);
            // Taken no longer; the others are.
            two.send(Command::Unsubscribe(Channel::All));
            two.subscribe(Channel::Node(1)).await;
            one.publish(1, Channel::All, "W no");
            one.publish(2, Channel::Node(1), "W yes");
            assert_eq!(two.message().await.2, "W yes");
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_gets_what_it_publishes_itself_and_other_prefixes_do_not() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let mut one = Linked::connect(&redis_at(&server)).await;
        let mut other = Linked::connect(&redis_at(&server).prefix("other").unwrap()).await;
        other.subscribe(Channel::All).await;
        // Taken before it is published, though nobody waits for the answer.
        one.send(Command::Subscribe(Channel::All));
        one.publish(7, Channel::All, "W mine");
        assert_eq!(one.event().await, Event::Subscribed(Channel::All));
        let mut both = [one.event().await, one.event().await];
        both.sort_by_key(|event| matches!(event, Event::Done { .. }));
        let message = Event::Message {
            channel: Channel::All,
            position: None,
            message: "W mine".into(),
        };
        assert_eq!(both, [message, Event::Done { id: 7 }]);
        other.publish(1, Channel::All, "W other");
        assert_eq!(other.message().await.2, "W other");
    })
    .await;
}

#[tokio::test]
async fn what_is_appended_has_one_order_and_is_appended_once() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let redis = redis_at(&server);
        let mut nodes = [Linked::connect(&redis).await, Linked::connect(&redis).await];
        let room = topic("room");
        for node in &mut nodes {
            node.subscribe(Channel::Topic(room.clone())).await;
        }
        for seq in 1..=50 {
            for (node, origin) in nodes.iter().zip([(1, 7), (2, 8)]) {
                let text = format!("W{}:{seq}", origin.0);
                node.send(append(seq, &room, origin, seq, KEEP, text.clone()));
                // Once more, as after a connection that ended too early to tell.
                node.send(append(1000 + seq, &room, origin, seq, KEEP, text));
            }
        }
        let mut orders = Vec::new();
        for node in &mut nodes {
            let (mut order, mut done) = (Vec::new(), 0);
            while order.len() < 100 || done < 100 {
                match node.event().await {
                    Event::Message {
                        position, message, ..
                    } => order.push((position.unwrap(), message)),
                    Event::Done { .. } => done += 1,
                    other => panic!("{other:?}"),
                }
            }
            orders.push(order);
        }
        assert_eq!(orders[0], orders[1]);
        let order = &orders[0];
        let epoch = order[0].0.0;
        assert!(epoch > 0 && epoch < 1 << 53);
        for (at, (position, _)) in order.iter().enumerate() {
            assert_eq!(*position, (epoch, at as u64 + 1));
        }
        for origin in ["W1:", "W2:"] {
            let of_one = order
                .iter()
                .filter_map(|(_, text)| str::from_utf8(text).unwrap().strip_prefix(origin));
            assert!(of_one.eq((1..=50).map(|seq| seq.to_string())));
        }

        // The history is that.
        let node = &mut nodes[0];
        let (read_epoch, last, entries) = node.read(&room, None, 1000).await;
        assert_eq!((read_epoch, last, entries.len()), (epoch, 100, 100));
        for ((offset, age, text), (position, message)) in entries.iter().zip(order) {
            assert!(*age < 60_000);
            assert_eq!(((epoch, *offset), text), (*position, message));
        }
        let (_, _, behind) = node.read(&room, Some((epoch, 90)), 1000).await;
        assert_eq!(behind, entries_from(&entries, 90, &behind));
        assert_eq!(behind.len(), 10);
        let (_, _, newest) = node.read(&room, Some((epoch, 90)), 3).await;
        assert_eq!(
            newest.iter().map(|entry| entry.0).collect::<Vec<_>>(),
            [98, 99, 100]
        );
        // Of another epoch all is told.
        assert_eq!(
            node.read(&room, Some((epoch ^ 1, 90)), 1000).await.2.len(),
            100
        );
        assert_eq!(
            node.read(&room, Some((epoch, 100)), 1000).await,
            (epoch, 100, vec![])
        );
        // One that nothing was appended to begins now, and stays the same.
        let nobody = node.read(&topic("nobody"), Some((epoch, 3)), 10).await;
        assert!(nobody.0 != 0 && nobody.0 != epoch);
        assert_eq!((nobody.1, nobody.2.len()), (0, 0));
        assert_eq!(node.read(&topic("nobody"), None, 10).await, nobody);
    })
    .await;
}

/// The entries behind an offset, with the ages of others: those go on.
fn entries_from(
    entries: &[(u64, u64, Bytes)],
    after: u64,
    ages: &[(u64, u64, Bytes)],
) -> Vec<(u64, u64, Bytes)> {
    let behind = entries.iter().filter(|entry| entry.0 > after);
    behind
        .zip(ages)
        .map(|((offset, _, text), (_, age, _))| (*offset, *age, text.clone()))
        .collect()
}

#[tokio::test]
async fn what_is_kept_holds_all_three_bounds() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let mut node = Linked::connect(&redis_at(&server)).await;
        let few = Retention {
            messages: 10,
            ..KEEP
        };
        let small = Retention {
            octets: 10 * (100 + 64),
            ..KEEP
        };
        let brief = Retention { age: 300, ..KEEP };
        for (name, keep, kept) in [("few", few, 10), ("small", small, 10), ("brief", brief, 30)] {
            let topic = topic(name);
            for seq in 1..=30 {
                node.send(append(seq, &topic, (1, 1), seq, keep, [b'W'; 100].to_vec()));
                assert_eq!(node.event().await, Event::Done { id: seq });
            }
            let (_, last, entries) = node.read(&topic, None, 100).await;
            assert_eq!((last, entries.len()), (30, kept), "{name}");
            assert_eq!(entries[0].0, 31 - kept as u64);
        }
        sleep(Duration::from_millis(400)).await;
        let (epoch, last, entries) = node.read(&topic("brief"), None, 100).await;
        assert_eq!((last, entries), (30, vec![]));
        // The order goes on.
        node.send(append(31, &topic("brief"), (1, 1), 31, brief, "W"));
        assert_eq!(node.event().await, Event::Done { id: 31 });
        let (same, last, entries) = node.read(&topic("brief"), Some((epoch, 30)), 100).await;
        assert_eq!((same, last, entries.len()), (epoch, 31, 1));
        // The largest bounds are none.
        let vast = Retention {
            messages: usize::MAX,
            octets: usize::MAX,
            age: u64::MAX,
        };
        node.send(append(1, &topic("vast"), (1, 1), 1, vast, "W"));
        assert_eq!(node.event().await, Event::Done { id: 1 });
        assert_eq!(node.read(&topic("vast"), None, usize::MAX).await.2.len(), 1);
        // None of its keys stays for ever.
        let keys = server.ask("KEYS *\r\n").unwrap();
        assert!(keys.starts_with("*12\r\n"), "{keys}");
        for name in ["few", "small", "brief", "vast"] {
            for part in ["meta", "log", "from:1:1"] {
                let left = server
                    .ask(&format!("PTTL {{wireline:t:{name}}}:{part}\r\n"))
                    .unwrap();
                assert!(
                    left.starts_with(':') && !left.starts_with(":-"),
                    "{name} {part} {left}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_dies_ends_the_link_at_once_and_its_next_run_is_another_epoch() {
    bounded(async {
        for (is_durable, is_kept) in [(false, false), (false, true), (true, true)] {
            let mut server = Server::new().append_only().start().unwrap();
            let redis = redis_at(&server).durable(is_durable);
            let mut node = Linked::connect(&redis).await;
            let room = topic("room");
            for seq in 1..=5 {
                node.send(append(seq, &room, (1, 1), seq, KEEP, "W"));
                assert_eq!(node.event().await, Event::Done { id: seq });
            }
            let (epoch, ..) = node.read(&room, None, 10).await;
            let killed = Instant::now();
            server.kill();
            let why = node.ended().await;
            assert!(killed.elapsed() < Duration::from_secs(1), "{why}");
            let why = Linked::refused(&redis).await;
            assert!(why.contains("refused"), "{why}");

            if is_kept {
                server.restart().unwrap();
            } else {
                server.restart_empty().unwrap();
            }
            let mut node = Linked::connect(&redis).await;
            let (again, last, entries) = node.read(&room, Some((epoch, 3)), 10).await;
            match (is_durable, is_kept) {
                (true, _) => assert_eq!((again, last, entries.len()), (epoch, 5, 2)),
                (_, true) => {
                    assert!(again != epoch && again != 0);
                    assert_eq!((last, entries.len()), (5, 5));
                }
                _ => {
                    assert!(again != epoch && again != 0);
                    assert_eq!((last, entries.len()), (0, 0));
                }
            }
            // And it stays the same.
            node.send(append(6, &room, (1, 1), 6, KEEP, "W"));
            assert_eq!(node.event().await, Event::Done { id: 6 });
            let (then, last, _) = node.read(&room, None, 10).await;
            assert_eq!((then == again, last), (true, if is_kept { 6 } else { 1 }));
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_frozen_is_taken_for_gone_in_five_seconds() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let redis = redis_at(&server);
        let idle = Linked::connect(&redis).await;
        let mut busy = Linked::connect(&redis).await;
        busy.subscribe(Channel::All).await;
        server.freeze().unwrap();
        let frozen = Instant::now();
        busy.publish(1, Channel::All, "W");
        for mut node in [busy, idle] {
            let why = node.ended().await;
            assert!(why.contains("no answer in 5 s"), "{why}");
        }
        let took = frozen.elapsed();
        assert!(
            took > Duration::from_secs(4) && took < Duration::from_secs(8),
            "{took:?}"
        );
        // So is one that does not answer from the beginning.
        let why = Linked::refused(&redis).await;
        assert!(why.contains("5 s"), "{why}");
        server.thaw().unwrap();
        Linked::connect(&redis).await;
    })
    .await;
}

#[tokio::test]
async fn who_may_not_come_in_is_told_so_and_passwords_are_not() {
    bounded(async {
        // What docs/cluster.md says that a user needs, and nothing else.
        let rights = "resetkeys resetchannels -@all ~{wireline:* &{wireline:* +@connection +@pubsub +evalsha +script|load \
                      +info +time +get +set +del +hset +hmget +hget +hincrby +pexpire +xadd +xlen +xrange +xrevrange +xdel";
        let enough: Vec<&str> = ["on", ">b@d/pass"].into_iter().chain(rights.split_whitespace()).collect();
        let deaf = ["on", ">deaf", "~*", "resetchannels", "+@all"];
        let server = Server::new()
            .password("s3cret")
            .user("ada", &enough)
            .user("deaf", &deaf)
            .start()
            .unwrap();
        let at = |who: &str| {
            let url = format!("redis://{who}{}/3", server.address());
            let redis = Redis::new(&url).unwrap();
            let shown = format!("{redis:?}");
            assert!(
                !shown.contains("s3cret") && !shown.contains("pass"),
                "{shown}"
            );
            redis
        };
        for (good, room) in [(":s3cret@", "a"), ("ada:b%40d%2Fpass@", "b")] {
            let room = &topic(room);
            let mut node = Linked::connect(&at(good)).await;
            node.subscribe(Channel::All).await;
            let few = Retention { messages: 1, ..KEEP };
            for seq in 1..=2 {
                node.send(append(seq, room, (1, 1), seq, few, "W"));
                assert_eq!(node.event().await, Event::Done { id: seq });
            }
            assert_eq!(node.read(room, None, 10).await.1, 2);
        }
        for (bad, told) in [
            ("", "NOAUTH"),
            (":n0t-s3cret@", "WRONGPASS"),
            ("ada:s3cret@", "WRONGPASS"),
        ] {
            let why = Linked::refused(&at(bad)).await;
            assert!(!why.contains("s3cret"), "{why}");
            assert!(
                why.to_lowercase().contains("auth") || why.contains(told),
                "{why}"
            );
        }
        // Who may not subscribe does not wait for ever.
        let mut node = Linked::connect(&at("deaf:deaf@")).await;
        node.send(Command::Subscribe(Channel::All));
        ends_with(&mut node, "no permissions").await;
        for url in [
            "",
            "redis://",
            "http://127.0.0.1",
            "redis://:s3cret@host:99999",
            "redis://:s3cret@host/x",
        ] {
            let why = Redis::new(url).unwrap_err().to_string();
            assert!(!why.contains("s3cret"), "{why}");
        }
        for prefix in ["", "a*", "a b", "{a}", &"x".repeat(129)] {
            assert!(at("").prefix(prefix).is_err(), "{prefix}");
        }
    })
    .await;
}

#[tokio::test]
async fn tls_is_spoken_with_whom_it_trusts() {
    bounded(async {
        let server = Server::new().tls().start().unwrap();
        let pem = std::fs::read(server.authority()).unwrap();
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("rediss://{host}:{}", server.port());
            let trusting = RedisServer::new(&url).unwrap().roots(&pem).unwrap();
            let mut node = Linked::connect(&Redis::at(trusting)).await;
            node.subscribe(Channel::All).await;
            let long = Bytes::from(vec![b'W'; 300_000]);
            node.publish(1, Channel::All, long.clone());
            let mut messages = 0;
            for _ in 0..2 {
                if let Event::Message { message, .. } = node.event().await {
                    assert_eq!(message, long);
                    messages += 1;
                }
            }
            assert_eq!(messages, 1);
            let stranger = Redis::new(&url).unwrap();
            let why = Linked::refused(&stranger).await;
            assert!(why.contains("certificate"), "{why}");
        }
        let plain = Redis::new(&format!("redis://127.0.0.1:{}", server.port())).unwrap();
        Linked::refused(&plain).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_full_server_refuses_is_refused_and_the_link_stays() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let mut node = Linked::connect(&redis_at(&server)).await;
        node.subscribe(Channel::All).await;
        server.ask("CONFIG SET maxmemory 1\r\n").unwrap();
        for seq in 1..=3 {
            node.send(append(seq, &topic("a"), (1, 1), seq, KEEP, "W"));
        }
        for seq in 1..=3 {
            match node.event().await {
                Event::Refused { id, why } => assert!(
                    id == seq && why.contains("memory") | why.contains("refused"),
                    "{why}"
                ),
                other => panic!("{other:?}"),
            }
        }
        node.publish(9, Channel::All, "W");
        let mut both = [node.event().await, node.event().await];
        both.sort_by_key(|event| matches!(event, Event::Done { .. }));
        assert_eq!(both[1], Event::Done { id: 9 });
        server.ask("CONFIG SET maxmemory 0\r\n").unwrap();
        node.send(append(4, &topic("a"), (1, 1), 1, KEEP, "W"));
        assert_eq!(node.event().await, Event::Done { id: 4 });
        assert_eq!(node.read(&topic("a"), None, 10).await.1, 1);
    })
    .await;
}

#[tokio::test]
async fn garbled_answers_end_the_link_or_pass_and_nothing_else() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let mut ended = 0;
        for seed in 0..60 {
            let proxy = FaultProxy::start(server.address()).await.unwrap();
            proxy.set(Way::Pass, Way::Garbled { seed, one_in: 2048 });
            let redis = Redis::new(&format!("redis://{}", proxy.address())).unwrap();
            let Some(mut node) = Linked::try_connect(&redis).await else {
                ended += 1;
                continue;
            };
            node.send(Command::Subscribe(Channel::All));
            for id in 0..20 {
                node.publish(id, Channel::All, vec![b'W'; 50]);
                node.send(append(100 + id, &topic("a"), (1, seed), id + 1, KEEP, "W"));
                node.send(Command::Read {
                    id: 200 + id,
                    topic: topic("a"),
                    after: None,
                    most: 5,
                });
            }
            let mut answered = 0;
            // It either all comes, or the link says why it ends; an octet inside a message is the envelope's business.
            while answered < 60 {
                match node.event_or_end().await {
                    Ok(Event::Done { .. } | Event::Refused { .. } | Event::History { .. }) => {
                        answered += 1
                    }
                    Ok(_) => {}
                    Err(why) => {
                        assert!(!why.is_empty());
                        ended += 1;
                        break;
                    }
                }
            }
        }
        assert!(ended > 10, "{ended} of 60");
    })
    .await;
}

#[tokio::test]
async fn a_slow_node_slows_the_connection_and_loses_nothing() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let redis = redis_at(&server);
        let mut slow = Linked::connect(&redis).await;
        slow.subscribe(Channel::All).await;
        let mut quick = Linked::connect(&redis).await;
        // More than the node, its queue and the sockets hold.
        let long = Bytes::from(vec![b'W'; 100_000]);
        for id in 0..200 {
            quick.publish(id, Channel::All, long.clone());
            assert_eq!(quick.event().await, Event::Done { id });
        }
        // For longer than a silent server would be given.
        sleep(Duration::from_secs(7)).await;
        for _ in 0..200 {
            assert_eq!(slow.message().await.2, long);
        }
    })
    .await;
}

#[tokio::test]
async fn patterns_are_never_subscribed_to() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let mut node = Linked::connect(&redis_at(&server)).await;
        for name in ["a", "a:b/c.d", "x=1,y=2~z", "user@example.org"] {
            node.subscribe(Channel::Topic(topic(name))).await;
        }
        assert_eq!(server.ask("PUBSUB NUMPAT\r\n").unwrap(), ":0\r\n");
        let commands = server.ask("INFO commandstats\r\n").unwrap();
        assert!(
            commands.contains("cmdstat_subscribe:") && !commands.contains("psubscribe"),
            "{commands}"
        );
    })
    .await;
}

#[tokio::test]
async fn sentinels_lead_to_the_master_and_to_the_one_after_it() {
    bounded(async {
        let mut first = Server::new().password("secret").start().unwrap();
        let second = Server::new()
            .password("secret")
            .setting("masterauth", &["secret"])
            .replica_of(&first)
            .start()
            .unwrap();
        let sentinel = Sentinel::of(&first).password("secret").start().unwrap();
        // Nobody is at the first one's place.
        let dead = brokers::free_port().unwrap();
        let url = |master: &str| {
            let places = format!("127.0.0.1:{dead},{}", sentinel.address());
            format!("redis+sentinel://:secret@{places}/{master}")
        };
        let redis = Redis::new(&url("main")).unwrap();
        let why = Linked::refused(&Redis::new(&url("other")).unwrap()).await;
        assert!(why.contains("no such master"), "{why}");
        let mut nodes = [Linked::connect(&redis).await, Linked::connect(&redis).await];
        for node in &mut nodes {
            node.subscribe(Channel::All).await;
        }
        nodes[0].publish(1, Channel::All, "W1");
        assert_eq!(nodes[1].message().await.2, "W1");
        let found = first.ask("AUTH secret\r\nPUBSUB CHANNELS\r\n").unwrap();
        assert!(found.contains("wireline:all"), "{found}");
        // The replica is known, so that it can take over.
        let replica = format!("+slave slave 127.0.0.1:{} ", second.port());
        while !sentinel.log().contains(&replica) {
            sleep(Duration::from_millis(50)).await;
        }
        first.kill();
        for node in &mut nodes {
            assert!(!node.ended().await.is_empty());
        }
        // Meanwhile they say why.
        let mut nodes = Vec::new();
        while nodes.len() < 2 {
            match Linked::try_connect(&redis).await {
                Some(node) => nodes.push(node),
                None => sleep(Duration::from_millis(100)).await,
            }
        }
        for node in &mut nodes {
            node.subscribe(Channel::All).await;
        }
        nodes[0].publish(2, Channel::All, "W2");
        assert_eq!(nodes[1].message().await.2, "W2");
        let found = second.ask("AUTH secret\r\nPUBSUB CHANNELS\r\n").unwrap();
        assert!(found.contains("wireline:all"), "{found}");
    })
    .await;
}

#[tokio::test]
async fn sentinels_and_their_master_are_believed_by_one_authority() {
    bounded(async {
        let server = Server::new().tls().start().unwrap();
        let sentinel = Sentinel::of(&server).start().unwrap();
        let url = format!("rediss+sentinel://{}/main", sentinel.address());
        let stranger = Linked::refused(&Redis::new(&url).unwrap()).await;
        assert!(stranger.contains("certificate"), "{stranger}");
        let pem = std::fs::read(server.authority()).unwrap();
        let trusting = RedisServer::new(&url).unwrap().roots(&pem).unwrap();
        let mut node = Linked::connect(&Redis::at(trusting)).await;
        node.subscribe(Channel::All).await;
    })
    .await;
}
