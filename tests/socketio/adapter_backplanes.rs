//! What nodes say to each other over real brokers, which are the same as one process to them.

use crate::brokers::{Broker, Nats as NatsServer, Redis as RedisServer};
use crate::fake::{Fake, event, to};
use crate::{WAIT, bounded, share, two};
use std::sync::Arc;
use tokio::time::Instant;
use wireline::relay::backplane::Backplane;
use wireline::relay::backplane::nats::Nats;
use wireline::relay::backplane::redis::Redis;
use wireline::socketio::adapter::{Adapter, BackplaneAdapter, Flags, Target};
use wireline::socketio::packet::Binary;

#[derive(Clone, Copy, Debug)]
enum Over {
    Redis,
    Nats,
}

const BOTH: [Over; 2] = [Over::Redis, Over::Nats];

impl Over {
    fn start(self) -> Broker {
        let started = match self {
            Self::Redis => RedisServer::new().start(),
            Self::Nats => NatsServer::new().start(),
        };
        started.unwrap()
    }

    /// A node that is there.
    async fn node(self, broker: &Broker, fake: &Arc<Fake>) -> BackplaneAdapter {
        let address = broker.address();
        match self {
            Self::Redis => up(Redis::new(&format!("redis://{address}")).unwrap(), fake).await,
            Self::Nats => up(Nats::new(&format!("nats://{address}")).unwrap(), fake).await,
        }
    }
}

async fn up(backplane: impl Backplane, fake: &Arc<Fake>) -> BackplaneAdapter {
    let adapter = BackplaneAdapter::new(backplane).timeout(WAIT);
    adapter.start(fake.local());
    adapter.take("/");
    adapter.up().await;
    adapter
}

#[tokio::test]
async fn two_servers_share_their_rooms_over_each_broker() {
    for over in BOTH {
        bounded(async {
            let broker = over.start();
            let (first, second) = (two(), Fake::new(&[("gil", "r1"), ("hal", "r2")]));
            let one = over.node(&broker, &first).await;
            let other = over.node(&broker, &second).await;
            share(&one, &other, [&first, &second]).await;
            for node in [&one, &other] {
                let stats = node.stats();
                assert_eq!((stats.garbled, stats.dropped, stats.connects), (0, 0, 1));
            }
        })
        .await;
    }
}

#[tokio::test]
async fn three_servers_do_what_is_asked_in_order_over_each_broker() {
    for over in BOTH {
        bounded(async {
            let broker = over.start();
            let fakes = [("ada", "r1"), ("bob", "r2"), ("cyd", "r1")].map(|one| Fake::new(&[one]));
            let [first, second, third] = &fakes;
            let one = over.node(&broker, first).await;
            let _two = over.node(&broker, second).await;
            let _three = over.node(&broker, third).await;

            let args = (1, "ü", Binary::from(vec![0, 255]));
            one.broadcast(&to(&["r1", "r2"], &["r2"]), &event("a", args));
            let octets = r#"{"_placeholder":true,"num":0}"#;
            for (fake, whom) in [(second, ""), (third, "cyd")] {
                let seen = format!(r#"a [1,"ü",{octets}] [[0, 255]] for {whom}"#);
                assert_eq!(fake.next().await, seen);
            }
            let volatile = Target {
                flags: Flags {
                    is_volatile: true,
                    compress: Some(true),
                },
                ..to(&["r2"], &[])
            };
            one.broadcast(&volatile, &event("b", ()));
            assert_eq!(second.next().await, "b [] for bob volatile");
            assert_eq!(third.next().await, "b [] for  volatile");
            for number in 0..200 {
                one.join(&to(&["r1"], &[]), &["x".into()]);
                one.broadcast(&to(&["x"], &[]), &event("c", number));
                one.leave(&to(&["r1"], &[]), &["x".into()]);
            }
            for number in 0..200 {
                assert_eq!(third.next().await, "cyd join x");
                assert_eq!(third.next().await, format!("c [{number}] for cyd"));
                assert_eq!(third.next().await, "cyd leave x");
            }
            second.forget();

            let acks = one.broadcast_with_acks(&to(&[], &[]), &event("q", 7), WAIT);
            let acks = acks.await;
            assert!(acks.is_complete() && acks.nodes == 2);
            let mut answers: Vec<_> = acks.answers.iter().map(|args| args.json()).collect();
            answers.sort_unstable();
            assert_eq!(answers, [r#"{"who":"bob"}"#, r#"{"who":"cyd"}"#]);
            let sockets = one.sockets(&to(&["r1"], &[])).await;
            assert!(sockets.is_complete() && sockets.nodes == 2);
            let [cyd] = &*sockets.answers else {
                panic!("one")
            };
            assert_eq!((&*cyd.id, &cyd.data["name"]), ("cyd", &"cyd".into()));
            let greeted = one.emit_with_ack("/", &event("greet", "you")).await;
            assert!(greeted.is_complete() && greeted.answers.len() == 2);
        })
        .await;
    }
}

#[tokio::test]
async fn a_broker_that_was_killed_is_taken_again_and_what_waited_goes() {
    for over in BOTH {
        bounded(async {
            let mut broker = over.start();
            let (first, second) = (two(), Fake::new(&[("gil", "r1")]));
            let one = over.node(&broker, &first).await;
            let other = over.node(&broker, &second).await;
            broker.kill();
            // Nobody can be asked, which is said, and what is sent waits.
            while one.rooms("/").await.is_complete() {}
            one.broadcast(&to(&[], &[]), &event("late", ()));
            broker.restart().unwrap();
            one.up().await;
            other.up().await;
            // Whoever comes back later than what waited is sent has missed it; what is new comes.
            one.broadcast(&to(&[], &[]), &event("new", ()));
            loop {
                match &*second.next().await {
                    "late [] for gil" => {}
                    "new [] for gil" => break,
                    other => panic!("{other}"),
                }
            }
            let begun = Instant::now();
            loop {
                let sockets = one.sockets(&to(&[], &[])).await;
                if sockets.is_complete() && sockets.nodes == 1 {
                    break;
                }
                assert!(begun.elapsed() < WAIT * 4, "{sockets:?}");
            }
            // That something may have been missed is known, and nothing was given up.
            let stats = one.stats();
            assert_eq!((stats.connects, stats.garbled), (2, 0));
        })
        .await;
    }
}

#[tokio::test]
async fn a_node_over_a_broker_that_is_gone_is_named_and_then_forgotten() {
    for over in BOTH {
        bounded(async {
            let broker = over.start();
            let (first, second) = (two(), two());
            let one = over.node(&broker, &first).await;
            let other = over.node(&broker, &second).await;
            assert_eq!(one.rooms("/").await.nodes, 1);
            drop(other);
            let begun = Instant::now();
            let rooms = one.rooms("/").await;
            assert_eq!((rooms.missing, rooms.missing_nodes.len()), (1, 1));
            assert!((WAIT..WAIT * 3).contains(&begun.elapsed()));
            loop {
                let rooms = one.rooms("/").await;
                if rooms.is_complete() {
                    assert_eq!(rooms.nodes, 0);
                    break;
                }
                assert!(begun.elapsed() < WAIT * 8);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_user_of_redis_needs_the_rights_of_the_page_for_a_prefix_below() {
    bounded(async {
        let page = include_str!("../../docs/cluster.md");
        let (_, rules) = page.split_once("ACL SETUSER wireline ").unwrap();
        let (rules, _) = rules.split_once('`').unwrap();
        // A bar is escaped in a table.
        let rules = rules.replace("\\|", "|");
        let rules: Vec<&str> = rules.split(' ').collect();
        let broker = RedisServer::new().user("wireline", &rules).start().unwrap();
        let url = format!("redis://wireline:PASSWORD@{}", broker.address());
        let backplane = || {
            let redis = Redis::new(&url).unwrap();
            redis.prefix("wireline:socketio").unwrap()
        };
        let (first, second) = (two(), Fake::new(&[("gil", "r1"), ("hal", "r2")]));
        let (one, other) = (
            up(backplane(), &first).await,
            up(backplane(), &second).await,
        );
        share(&one, &other, [&first, &second]).await;
    })
    .await;
}

#[tokio::test]
async fn a_nats_with_tls_and_a_password_carries_rooms() {
    bounded(async {
        let broker = NatsServer::new().user("node", "secret").tls();
        let broker = broker.start().unwrap();
        let pem = std::fs::read(broker.authority()).unwrap();
        let url = format!("tls://node:secret@{}", broker.address());
        let backplane = || {
            let nats = Nats::new(&url).unwrap().prefix("wireline-socketio");
            nats.roots(&pem).unwrap()
        };
        let (first, second) = (two(), Fake::new(&[("gil", "r1"), ("hal", "r2")]));
        let (one, other) = (
            up(backplane(), &first).await,
            up(backplane(), &second).await,
        );
        share(&one, &other, [&first, &second]).await;
    })
    .await;
}
