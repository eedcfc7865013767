//! NATS between nodes: a real nats-server that is killed, frozen, split off and garbled.

#![expect(
    clippy::disallowed_methods,
    reason = "nats-server keeps real time, and the node's end of a link is an unbounded channel"
)]

#[path = "support/brokers.rs"]
mod brokers;
#[path = "relay_nats/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "support/fault_proxy.rs"]
mod fault_proxy;
#[path = "relay_nats/proxy.rs"]
mod proxy;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brokers::Broker;
use bytes::Bytes;
use fault_proxy::{FaultProxy, Way};
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wireline::relay::backplane::nats::Nats;
use wireline::relay::backplane::{Backplane, BackplaneError, Channel, Command, Event, Link};
use wireline::relay::hub::{Retention, Topic};

/// Topics whose names would mean something in a subject, or come near it.
const ODD: &[&str] = &[
    "a", "A", "a.b", "a.b.c", "a=2Eb", "a-b", "a_b", "a:b", "a/b", "a@b", "a,b", "a~b", "=", ".",
    "all", "t.a", "n.1", "e", "_INBOX.a", "SYS",
];

/// A node's end of a connection.
struct Node {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::Receiver<Event>,
    runs: JoinHandle<BackplaneError>,
    last: u64,
}

impl Node {
    fn start(nats: &Nats) -> Self {
        let (commands, wanted) = mpsc::unbounded_channel();
        // Room for all that a test does not look at meanwhile.
        let (sender, events) = mpsc::channel(8_192);
        let link = Link {
            commands: wanted,
            events: sender,
        };
        Self {
            commands,
            events,
            runs: tokio::spawn(nats.run(link)),
            last: 0,
        }
    }

    async fn connect(nats: &Nats) -> Self {
        let mut node = Self::start(nats);
        assert_eq!(node.next().await, Event::Connected);
        node
    }

    /// As whoever calls `run` does, until there is a connection.
    async fn connect_again(nats: &Nats) -> Self {
        for _ in 0..20 {
            let mut node = Self::start(nats);
            if let Ok(Some(event)) = timeout(PATIENCE, node.events.recv()).await {
                assert_eq!(event, Event::Connected);
                return node;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("there is no connection");
    }

    async fn next(&mut self) -> Event {
        let next = timeout(PATIENCE, self.events.recv());
        match next.await.expect("nothing happens") {
            Some(event) => event,
            None => panic!("it has ended: {}", (&mut self.runs).await.unwrap()),
        }
    }

    async fn subscribe(&mut self, channel: &Channel) {
        self.commands
            .send(Command::Subscribe(channel.clone()))
            .unwrap();
        assert_eq!(self.next().await, Event::Subscribed(channel.clone()));
    }

    /// Gives the number of it.
    fn publish(&mut self, channel: &Channel, message: impl Into<Bytes>) -> u64 {
        self.last += 1;
        let command = Command::Publish {
            id: self.last,
            channel: channel.clone(),
            message: message.into(),
        };
        let _ = self.commands.send(command);
        self.last
    }

    /// Waits until everything that was published is confirmed, which is all that happens.
    async fn confirmed(&mut self, first: u64) {
        for id in first..=self.last {
            assert_eq!(self.next().await, Event::Done { id });
        }
    }

    async fn message(&mut self) -> (Channel, Bytes) {
        match self.next().await {
            Event::Message {
                channel,
                position: None,
                message,
            } => (channel, message),
            other => panic!("{other:?}"),
        }
    }

    /// Why it has ended, and how long that took.
    async fn ends(self) -> (String, Duration) {
        let (since, mut events) = (Instant::now(), self.events);
        let ends = async {
            while events.recv().await.is_some() {}
            self.runs.await.unwrap().to_string()
        };
        let why = timeout(PATIENCE, ends).await.expect("it does not end");
        (why, since.elapsed())
    }
}

fn topic(name: &str) -> Channel {
    Channel::Topic(Topic::new(name).unwrap())
}

fn text(number: usize) -> Bytes {
    Bytes::from(format!("*{number}"))
}

fn server() -> Broker {
    brokers::Nats::new().start().unwrap()
}

fn at(address: SocketAddr) -> Nats {
    Nats::new(&format!("nats://{address}")).unwrap()
}

/// It works in both directions.
async fn assert_works(nats: &Nats, one: &mut Node) {
    let mut two = Node::connect(nats).await;
    let channel = topic("works");
    one.subscribe(&channel).await;
    let first = two.publish(&channel, "*");
    assert_eq!(one.message().await, (channel, Bytes::from_static(b"*")));
    two.confirmed(first).await;
}

#[tokio::test]
async fn names_mean_nothing() {
    let server = server();
    let nats = at(server.address());
    let (mut one, mut two) = (Node::connect(&nats).await, Node::connect(&nats).await);
    let mut other = Node::connect(&nats.clone().prefix("other")).await;
    let mut channels: Vec<_> = ODD.iter().map(|name| topic(name)).collect();
    channels.extend([Channel::All, Channel::Node(1), Channel::Node(0x1f_ffff)]);
    for channel in &channels {
        one.subscribe(channel).await;
        other.subscribe(channel).await;
    }
    let first = two.last + 1;
    for (number, channel) in channels.iter().enumerate() {
        two.publish(channel, text(number));
    }
    two.publish(&topic("b"), "*nobody takes it");
    two.confirmed(first).await;
    let mut came = HashMap::new();
    for _ in &channels {
        let (channel, message) = one.message().await;
        assert!(came.insert(channel, message).is_none());
    }
    for (number, channel) in channels.iter().enumerate() {
        assert_eq!(came[channel], text(number), "{channel:?}");
    }
    // Nothing else has come, here or there.
    one.publish(&topic("b"), "*");
    one.confirmed(1).await;
    other.publish(&topic("b"), "*");
    other.confirmed(1).await;

    // Whoever takes a channel no longer gets nothing of it, and may take it again.
    for channel in &channels {
        one.commands
            .send(Command::Unsubscribe(channel.clone()))
            .unwrap();
    }
    one.subscribe(&channels[0]).await;
    let first = two.last + 1;
    for channel in channels.iter().rev() {
        two.publish(channel, "*again");
    }
    two.confirmed(first).await;
    assert_eq!(one.message().await.0, channels[0]);
    one.publish(&topic("b"), "*");
    one.confirmed(2).await;
}

#[tokio::test]
async fn each_publisher_has_its_order() {
    const EACH: usize = 3_000;
    let server = server();
    let nats = at(server.address());
    let channel = topic("room:1");
    let mut reader = Node::connect(&nats).await;
    reader.subscribe(&channel).await;
    let mut writers = [Node::connect(&nats).await, Node::connect(&nats).await];
    for number in 0..EACH {
        for (who, writer) in writers.iter_mut().enumerate() {
            writer.publish(&channel, vec![who as u8, (number >> 8) as u8, number as u8]);
        }
    }
    let mut came = [0; 2];
    for _ in 0..2 * EACH {
        let (_, message) = reader.message().await;
        let who = usize::from(message[0]);
        let number = usize::from(message[1]) << 8 | usize::from(message[2]);
        assert_eq!(number, came[who]);
        came[who] += 1;
    }
    for writer in &mut writers {
        writer.confirmed(1).await;
    }
}

#[tokio::test]
async fn who_publishes_and_has_taken_it_gets_it() {
    let server = server();
    let mut node = Node::connect(&at(server.address())).await;
    node.subscribe(&Channel::All).await;
    // Twice is once.
    node.subscribe(&Channel::All).await;
    node.publish(&Channel::All, "*1");
    node.publish(&Channel::All, "*2");
    let mut happened = Vec::new();
    for _ in 0..4 {
        happened.push(node.next().await);
    }
    let came = |message| Event::Message {
        channel: Channel::All,
        position: None,
        message: Bytes::from_static(message),
    };
    let place = |event: Event| {
        happened
            .iter()
            .position(|had| *had == event)
            .expect("it came")
    };
    assert!(place(came(b"*1")) < place(came(b"*2")));
    assert!(place(Event::Done { id: 1 }) < place(Event::Done { id: 2 }));
}

#[tokio::test]
async fn what_it_cannot_do_is_refused() {
    let server = server();
    let nats = at(server.address());
    let mut node = Node::connect(&nats).await;
    let id = node.publish(&Channel::All, vec![b'*'; (1 << 20) + 1]);
    let refused = node.next().await;
    assert!(
        matches!(&refused, Event::Refused { id: of, why } if *of == id && why.contains("max_payload")),
        "{refused:?}"
    );
    let id = node.publish(&Channel::All, vec![b'*'; 1 << 20]);
    assert_eq!(node.next().await, Event::Done { id });
    let topic = Topic::new("a").unwrap();
    node.commands
        .send(Command::Append {
            id: 7,
            topic: topic.clone(),
            origin: (1, 1),
            seq: 1,
            keep: Retention {
                messages: 1,
                octets: 1_000,
                age: 1_000,
            },
            message: Bytes::from_static(b"*"),
        })
        .unwrap();
    assert!(matches!(node.next().await, Event::Refused { id: 7, .. }));
    node.commands
        .send(Command::Read {
            id: 8,
            topic,
            after: None,
            most: 9,
        })
        .unwrap();
    assert!(matches!(
        node.next().await,
        Event::History {
            id: 8,
            epoch: 0,
            last: 0,
            ..
        }
    ));
    assert_works(&nats, &mut node).await;
}

#[tokio::test]
async fn a_killed_server_ends_the_connection_and_nothing_stays() {
    let mut server = server();
    let nats = at(server.address());
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    for round in 0..3 {
        let mut node = Node::connect_again(&nats).await;
        node.subscribe(&Channel::All).await;
        for number in 0..500 * round {
            node.publish(&topic("busy"), text(number));
        }
        server.kill();
        let (why, took) = node.ends().await;
        assert!(took < SOON, "{took:?}: {why}");
        // Nobody is there, and that is said at once.
        let (why, took) = Node::start(&nats).ends().await;
        assert!(took < SOON && why.contains("refused"), "{took:?}: {why}");
        server.restart().unwrap();
    }
    // The crate does not go on by itself.
    let since = Instant::now();
    while tasks() > before {
        assert!(since.elapsed() < PATIENCE, "{} tasks", tasks() - before);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut node = Node::connect(&nats).await;
    assert_works(&nats, &mut node).await;
}

#[tokio::test]
async fn a_frozen_server_is_noticed() {
    let server = server();
    let nats = at(server.address());
    let idle = Node::connect(&nats).await;
    let mut busy = Node::connect(&nats).await;
    server.freeze().unwrap();
    for number in 0..20_000 {
        busy.publish(&topic("busy"), vec![number as u8; 200]);
    }
    let new = Node::start(&nats);
    let (idle, busy, new) = tokio::join!(idle.ends(), busy.ends(), new.ends());
    for (why, took) in [idle, busy, new] {
        assert!(took < Duration::from_millis(5_500), "{took:?}: {why}");
        assert!(
            why.contains("does not answer") || why.contains("timed out"),
            "{why}"
        );
    }
    server.thaw().unwrap();
    let mut node = Node::connect_again(&nats).await;
    assert_works(&nats, &mut node).await;
}

#[tokio::test]
async fn split_off() {
    let server = server();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let nats = at(proxy.address());
    let node = Node::connect(&nats).await;
    let connections = proxy.connections();
    proxy.split();
    let (why, took) = node.ends().await;
    assert!(took < SOON, "{took:?}: {why}");
    // It has not come back by itself.
    assert_eq!(proxy.connections(), connections);
    let (_, took) = Node::start(&nats).ends().await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(proxy.connections(), connections + 1);
    proxy.heal();
    let mut node = Node::connect(&nats).await;
    assert_works(&nats, &mut node).await;
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let server = server();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let nats = at(proxy.address());
    let mut reader = Node::connect(&at(server.address())).await;
    reader.subscribe(&Channel::All).await;
    let mut node = Node::connect(&nats).await;
    proxy.both(Way::Slow(20_000));
    for number in 0..100 {
        node.publish(&Channel::All, vec![number; 200]);
    }
    for number in 0..100 {
        assert_eq!(reader.message().await.1, vec![number; 200]);
    }
    node.confirmed(1).await;
}

#[tokio::test]
async fn garbled_octets_end_nothing_but_their_connection() {
    let server = server();
    let direct = at(server.address());
    let channels = ["a", "b", "c"].map(topic);
    for seed in 0..12 {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let nats = at(proxy.address());
        let mut node = Node::connect(&nats).await;
        for channel in &channels {
            node.subscribe(channel).await;
        }
        let garbled = Way::Garbled { seed, one_in: 400 };
        if seed % 2 == 0 {
            proxy.set(Way::Pass, garbled);
        } else {
            proxy.set(garbled, Way::Pass);
        }
        // What comes is of a channel that was taken, as far as the subject tells, and the connection ends or does not.
        for number in 0..300 {
            node.publish(&channels[number % 3], text(number));
        }
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(1) {
            let Ok(event) = timeout(Duration::from_millis(200), node.events.recv()).await else {
                continue;
            };
            match event {
                Some(Event::Message { channel, .. }) => assert!(channels.contains(&channel)),
                Some(Event::Done { .. }) => {}
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
        assert!(proxy.garbled() > 0);
        proxy.heal();
        drop(node.commands);
        drop(node.events);
        timeout(PATIENCE, node.runs).await.unwrap().unwrap();
        let mut node = Node::connect_again(&nats).await;
        assert_works(&nats, &mut node).await;
    }
    let mut node = Node::connect(&direct).await;
    assert_works(&direct, &mut node).await;
}

#[tokio::test]
async fn a_node_that_does_not_read_is_not_a_server_that_does_not_answer() {
    let server = server();
    let nats = at(server.address());
    let (commands, wanted) = mpsc::unbounded_channel();
    let (sender, mut events) = mpsc::channel(1);
    let link = Link {
        commands: wanted,
        events: sender,
    };
    let runs = tokio::spawn(nats.run(link));
    assert_eq!(events.recv().await, Some(Event::Connected));
    let (few, many) = (topic("few"), topic("many"));
    for channel in [&few, &many] {
        let subscribe = Command::Subscribe(channel.clone());
        commands.send(subscribe).unwrap();
        assert_eq!(
            events.recv().await,
            Some(Event::Subscribed(channel.clone()))
        );
    }
    let mut other = Node::connect(&nats).await;
    for number in 0..20_000 {
        if number % 100 == 0 {
            other.publish(&few, text(number));
        }
        other.publish(&many, text(number));
        if other.last > 5_000 {
            assert!(matches!(other.next().await, Event::Done { .. }));
        }
    }
    // Longer than a server may be silent.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (mut few_came, mut many_came) = (Vec::new(), Vec::new());
    while few_came.len() < 200 || many_came.len() < 8_192 {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        let Event::Message {
            channel, message, ..
        } = event
        else {
            panic!("{event:?}");
        };
        let came = if channel == few {
            &mut few_came
        } else {
            &mut many_came
        };
        came.push(message);
    }
    // What is too much is lost behind what was taken, and on its own channel alone.
    let wanted: Vec<_> = (0..200).map(|number| text(number * 100)).collect();
    assert_eq!(few_came, wanted);
    assert!(
        many_came
            .iter()
            .enumerate()
            .all(|(at, message)| *message == text(at))
    );
    assert!(!runs.is_finished());
    commands.send(Command::Subscribe(Channel::All)).unwrap();
    let mut is_there = false;
    while !is_there {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        is_there = event == Event::Subscribed(Channel::All);
    }
}

#[tokio::test]
async fn ten_thousand_topics_on_one_connection() {
    let server = server();
    let nats = at(server.address());
    let mut node = Node::connect(&nats).await;
    let mut other = Node::connect(&nats).await;
    let topics: Vec<_> = (0..10_000)
        .map(|number| topic(&format!("user:{number}")))
        .collect();
    for taken in topics.chunks(1_000) {
        for channel in taken {
            let subscribe = Command::Subscribe(channel.clone());
            node.commands.send(subscribe).unwrap();
        }
        for channel in taken {
            assert_eq!(node.next().await, Event::Subscribed(channel.clone()));
        }
    }
    for taken in topics.chunks(1_000) {
        let first = other.last + 1;
        for channel in taken {
            other.publish(channel, "*");
        }
        let mut came = HashSet::new();
        for _ in taken {
            assert!(came.insert(node.message().await.0));
        }
        assert!(taken.iter().all(|channel| came.contains(channel)));
        other.confirmed(first).await;
    }
    for channel in &topics {
        let unsubscribe = Command::Unsubscribe(channel.clone());
        node.commands.send(unsubscribe).unwrap();
    }
    node.subscribe(&Channel::All).await;
    other.publish(&topics[0], "*");
    let id = other.publish(&Channel::All, "*");
    assert_eq!(node.message().await.0, Channel::All);
    other.confirmed(id - 1).await;
}

#[tokio::test]
async fn who_may_connect() {
    let server = brokers::Nats::new().user("me", "s:e@cret").start().unwrap();
    let of = |who: &str| Nats::new(&format!("nats://{who}{}", server.address())).unwrap();
    let right = of("me:s%3Ae%40cret@");
    let mut node = Node::connect(&right).await;
    assert_works(&right, &mut node).await;
    for wrong in [of(""), of("me:wrong@"), of("s%3Ae%40cret@")] {
        let (why, took) = Node::start(&wrong).ends().await;
        assert!(took < SOON, "{took:?}");
        assert!(
            why.to_lowercase().contains("authorization violation"),
            "{why}"
        );
        assert!(
            !why.contains("cret") && !format!("{wrong:?}").contains("cret"),
            "{why}"
        );
    }

    let server = brokers::Nats::new().token("s3cret").start().unwrap();
    let right = Nats::new(&format!("nats://s3cret@{}", server.address())).unwrap();
    let mut node = Node::connect(&right).await;
    assert_works(&right, &mut node).await;
    let (why, _) = Node::start(&at(server.address())).ends().await;
    assert!(
        why.to_lowercase().contains("authorization violation"),
        "{why}"
    );
}

#[tokio::test]
async fn what_somebody_may_do() {
    let rules = r#"authorization { users = [{
        user: me, password: secret, permissions: { publish: "wireline.>", subscribe: "wireline.>" }
    }] }"#;
    let server = brokers::Nats::new().config(rules).start().unwrap();
    let url = format!("nats://me:secret@{}", server.address());
    let nats = Nats::new(&url).unwrap();
    let mut node = Node::connect(&nats).await;
    assert_works(&nats, &mut node).await;
    let (why, took) = Node::start(&nats.prefix("other")).ends().await;
    assert!(
        took < SOON && why.contains("Permissions Violation"),
        "{took:?}: {why}"
    );
}

/// Whoever signs what the server says with another key, or with none, is refused.
async fn assert_only(server: &Broker, secret: &str, others: &[String]) {
    let nats = at(server.address()).credentials(secret).unwrap();
    let mut node = Node::connect(&nats).await;
    assert_works(&nats, &mut node).await;
    let others = others
        .iter()
        .map(|other| at(server.address()).credentials(other).unwrap());
    for other in others.chain([at(server.address())]) {
        let (why, took) = Node::start(&other).ends().await;
        let is_refusal = why.to_lowercase().contains("authorization violation");
        assert!(took < SOON && is_refusal, "{took:?}: {why}");
    }
    // Rights are the user's.
    let (why, _) = Node::start(&nats.prefix("other")).ends().await;
    assert!(why.contains("Permissions Violation"), "{why}");
}

#[tokio::test]
async fn with_a_key() {
    let (own, other) = (KeyPair::new_user(), KeyPair::new_user());
    let rules = format!(
        r#"authorization {{ users = [{{
            nkey: {}, permissions: {{ publish: "wireline.>", subscribe: "wireline.>" }}
        }}] }}"#,
        own.public_key()
    );
    let server = brokers::Nats::new().config(&rules).start().unwrap();
    assert_only(&server, &own.seed().unwrap(), &[other.seed().unwrap()]).await;
}

#[tokio::test]
async fn with_a_token_of_an_account() {
    let keys = [
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    ];
    let [operator, account, stranger, user] = &keys;
    let said = claims(operator, operator, json!({"type":"operator"}));
    let all = json!({"type":"account","limits":{
        "subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1,
    }});
    let rules = format!(
        "operator: {said}\nresolver: MEMORY\nresolver_preload: {{ {}: {} }}\n",
        account.public_key(),
        claims(operator, account, all),
    );
    let server = brokers::Nats::new().config(&rules).start().unwrap();
    let may = json!({"type":"user","subs":-1,"data":-1,"payload":-1,
        "pub":{"allow":["wireline.>"]},"sub":{"allow":["wireline.>"]}});
    let credentials = |issuer: &KeyPair, seed: &KeyPair| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            claims(issuer, user, may.clone()),
            seed.seed().unwrap(),
        )
    };
    // One of an account that the server does not know, and one with a key that is not its own.
    let others = [
        credentials(stranger, user),
        credentials(account, &KeyPair::new_user()),
    ];
    assert_only(&server, &credentials(account, user), &others).await;
}

/// What `issuer` says of `subject`, as a JWT of NATS.
fn claims(issuer: &KeyPair, subject: &KeyPair, mut nats: Value) -> String {
    nats["version"] = json!(2);
    let claims = json!({
        "jti": "1", "iat": 1_700_000_000, "name": "test", "nats": nats,
        "iss": issuer.public_key(), "sub": subject.public_key(),
    });
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let text = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = text.join(".");
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}

#[tokio::test]
async fn over_tls() {
    let server = brokers::Nats::new().tls().start().unwrap();
    let authority = fs::read(server.authority()).unwrap();
    for scheme in ["tls", "nats"] {
        let url = format!("{scheme}://localhost:{}", server.port());
        let nats = Nats::new(&url).unwrap();
        let trusting = nats.clone().roots(&authority).unwrap();
        let mut node = Node::connect(&trusting).await;
        assert_works(&trusting, &mut node).await;
        let (why, took) = Node::start(&nats).ends().await;
        assert!(
            took < SOON && why.contains("certificate"),
            "{took:?}: {why}"
        );
    }
    // Nothing but TLS will do.
    let plain = self::server();
    let nats = Nats::new(&format!("tls://{}", plain.address())).unwrap();
    let (why, _) = Node::start(&nats.roots(&authority).unwrap()).ends().await;
    assert!(!why.is_empty());
    assert!(at(plain.address()).roots("no certificate").is_err());
}

#[tokio::test]
async fn one_of_several() {
    let (mut gone, there) = (server(), server());
    let url = format!("nats://{},{}", gone.address(), there.address());
    let nats = Nats::new(&url).unwrap();
    gone.kill();
    for _ in 0..4 {
        let mut node = Node::connect(&nats).await;
        assert_works(&at(there.address()), &mut node).await;
    }
}

#[tokio::test]
async fn what_was_wanted_last_is_done() {
    let server = server();
    let nats = at(server.address());
    let mut reader = Node::connect(&nats).await;
    reader.subscribe(&Channel::All).await;
    let mut node = Node::connect(&nats).await;
    for number in 0..1_000 {
        node.publish(&Channel::All, text(number));
    }
    drop(node.commands);
    for number in 0..1_000 {
        assert_eq!(reader.message().await.1, text(number));
    }
    let why = node.runs.await.unwrap().to_string();
    assert_eq!(why, "the node wants no more of it");
}

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is noticed without waiting for anybody.
const SOON: Duration = Duration::from_secs(2);
