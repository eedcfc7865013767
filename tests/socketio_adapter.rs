//! What nodes of Socket.IO say to each other: with a real Redis, a server and an emitter of npm, and among themselves, over each thing that
//! carries it.

#[path = "socketio/adapter_backplanes.rs"]
mod backplanes;
#[path = "support/brokers.rs"]
mod brokers;
#[path = "socketio/adapter_fake.rs"]
mod fake;
#[path = "socketio/adapter_node.rs"]
mod node;

use brokers::Redis as Server;
use fake::{Fake, event, to};
use node::Node;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wireline::relay::backplane::memory::MemoryBackplane;
use wireline::resource::redis::RedisServer;
use wireline::socketio::adapter::{Adapter, BackplaneAdapter, Flags, RedisAdapter, Target};
use wireline::socketio::packet::Binary;

async fn bounded(test: impl Future<Output = ()>) {
    let test = timeout(Duration::from_secs(60), test);
    test.await.expect("it takes a minute at most");
}

const WAIT: Duration = Duration::from_secs(2);

async fn redis(server: &brokers::Broker, fake: &Arc<Fake>) -> RedisAdapter {
    let adapter = RedisAdapter::new(&format!("redis://{}", server.address()));
    let adapter = adapter.unwrap().timeout(WAIT);
    adapter.start(fake.local());
    adapter.take("/");
    adapter.up().await;
    adapter
}

/// Two sockets here, in the rooms of those that are there.
fn two() -> Arc<Fake> {
    Fake::new(&[("eve", "r1"), ("fay", "r2")])
}

#[tokio::test]
async fn what_a_server_of_npm_asks_is_done_here() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let fake = two();
        let redis = redis(&server, &fake).await;
        let mut node = Node::start(server.address()).await;

        let all = json!({"event": "a", "args": [1, "ü", {"n": [null, 1.5]}, {"$": [0, 255]}]});
        node.does("emit", all).await;
        let octets = r#"{"_placeholder":true,"num":0}"#;
        let seen = format!(r#"a [1,"ü",{{"n":[null,1.5]}},{octets}] [[0, 255]] for eve fay"#);
        assert_eq!(fake.next().await, seen);
        for (whom, chosen) in [
            (json!({"rooms": ["r1"]}), "eve"),
            (json!({"rooms": ["r1", "r2"], "except": ["eve"]}), "fay"),
            (json!({"except": ["r2"]}), "eve"),
            (json!({"rooms": ["nobody"]}), ""),
        ] {
            for operation in ["emit", "emitter"] {
                let mut line = whom.clone();
                line["event"] = "b".into();
                line["args"] = json!([]);
                node.does(operation, line).await;
                assert_eq!(fake.next().await, format!("b [] for {chosen}"));
            }
        }

        let ask = json!({"rooms": ["r1"], "event": "q", "args": [7], "wait": 5000});
        let begun = Instant::now();
        let mut answers = node.does("ask", ask).await;
        assert!(begun.elapsed() < Duration::from_secs(4));
        let answers = answers.as_array_mut().unwrap();
        answers.sort_by_key(Value::to_string);
        assert_eq!(*answers, [json!({"who": "ada"}), json!({"who": "eve"})]);
        assert_eq!(fake.next().await, "q [7] for eve, to be answered in 5s");

        node.does("join", json!({"rooms": ["r1"], "to": ["x", "y"]})).await;
        assert_eq!(fake.next().await, "eve join x y");
        node.does("emitter join", json!({"rooms": ["r2"], "to": "z"})).await;
        assert_eq!(fake.next().await, "fay join z");
        node.does("leave", json!({"except": ["r2"], "to": ["y"]})).await;
        assert_eq!(fake.next().await, "eve leave y");
        assert_eq!(fake.rooms_of("eve"), ["eve", "r1", "x"]);

        let sockets = node.does("sockets", json!({"rooms": ["x", "z"]})).await;
        let names: Vec<_> = sockets.as_array().unwrap().iter().map(|socket| &socket["data"]["name"]).collect();
        assert_eq!(names, ["ada", "bob", "eve", "fay"]);
        let eve = json!({"id": "eve", "rooms": ["eve", "r1", "x"], "data": {"name": "eve"}, "auth": {"name": "eve"}});
        assert_eq!(sockets[2], eve);
        let rooms = node.does("rooms", json!({})).await;
        let rooms: Vec<_> = rooms.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for room in ["r1", "r2", "x", "z", "eve", "fay"] {
            assert!(rooms.contains(&room), "{room}");
        }

        node.does("tell", json!({"event": "news", "args": [{"a": 1}]})).await;
        assert_eq!(fake.next().await, r#"server: news [{"a":1}]"#);
        let greeted = node.does("greet", json!({"args": ["node"]})).await;
        assert_eq!(greeted, json!(["hello node"]));
        assert_eq!(fake.next().await, r#"server: greet ["node"], which waits"#);

        node.does("disconnect", json!({"rooms": ["r1"], "close": true})).await;
        assert_eq!(fake.next().await, "eve disconnected, closed: true");
        assert_eq!(redis.stats().garbled, 0);
    })
    .await;
}

#[tokio::test]
async fn a_server_of_npm_does_what_is_asked_here() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let fake = two();
        let redis = redis(&server, &fake).await;
        let mut node = Node::start(server.address()).await;

        let octets = Binary::from(vec![0, 255]);
        redis.broadcast(&to(&[], &["r2"]), &event("a", (1, "ü", json!({"n": [null, 1.5]}), octets)));
        let came = json!({"client": "ada", "event": "a", "args": [1, "ü", {"n": [null, 1.5]}, {"$": [0, 255]}]});
        assert_eq!(node.next().await, came);
        let volatile = Target {
            flags: Flags { is_volatile: true, compress: Some(true) },
            ..to(&["r2"], &[])
        };
        redis.broadcast(&volatile, &event("b", ()));
        assert_eq!(node.next().await, json!({"client": "bob", "event": "b", "args": []}));
        // In the order of the calls, whatever they are.
        redis.join(&to(&["r1"], &[]), &["x".into()]);
        redis.broadcast(&to(&["x"], &[]), &event("c", 1));
        redis.leave(&to(&["r1"], &[]), &["x".into()]);
        redis.broadcast(&to(&["x"], &[]), &event("c", 2));
        redis.broadcast(&to(&["r1", "r2"], &["r2"]), &event("c", 3));
        for number in [1, 3] {
            assert_eq!(node.next().await, json!({"client": "ada", "event": "c", "args": [number]}));
        }

        let acks = redis.broadcast_with_acks(&to(&[], &[]), &event("q", (7, Binary::from(vec![1]))), WAIT).await;
        let mut answers: Vec<_> = acks.answers.iter().map(|args| args.json()).collect();
        answers.sort_unstable();
        assert_eq!(answers, [r#"{"who":"ada"}"#, r#"{"who":"bob"}"#]);
        assert!(acks.is_complete() && acks.nodes == 1);
        for _ in 0..2 {
            assert_eq!(node.next().await["args"], json!([7, {"$": [1]}]));
        }

        let sockets = redis.sockets(&to(&["r1"], &[])).await;
        assert!(sockets.is_complete() && sockets.nodes == 1);
        let [ada] = &*sockets.answers else { panic!("one") };
        assert_eq!((&*ada.id, &ada.data), (&*node.id("ada"), &json!({"name": "ada"})));
        assert_eq!(ada.handshake["auth"], json!({"name": "ada", "room": "r1"}));
        let rooms = redis.rooms("/").await;
        assert!(rooms.is_complete() && rooms.answers.iter().any(|room| room == "r2"));

        redis.emit("/", &event("greet", "all"));
        assert_eq!(node.next().await, json!({"server": "greet", "args": ["all"]}));
        let greeted = redis.emit_with_ack("/", &event("greet", Binary::from(vec![7]))).await;
        assert!(greeted.is_complete());
        assert_eq!(greeted.answers[0].to::<String>().unwrap(), "hello \u{7} from node");
        assert_eq!(node.next().await, json!({"server": "greet", "args": [{"$": [7]}]}));

        redis.disconnect(&to(&["r1"], &[]), true);
        assert_eq!(node.next().await["client"], "ada");
        assert_eq!(redis.stats().garbled, 0);
        // Nothing of it was taken for what another one says.
        drop(redis);
        fake.forget();
    })
    .await;
}

#[tokio::test]
async fn who_does_not_answer_is_counted_and_nobody_waits_longer() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let (fake, other) = (two(), Fake::new(&[("gil", "r1")]));
        let (one, _two) = (redis(&server, &fake).await, redis(&server, &other).await);
        let node = Node::start(server.address()).await;
        node.freeze().await;
        let begun = Instant::now();
        let sockets = one.sockets(&to(&["r1"], &[])).await;
        assert!(begun.elapsed() < WAIT * 2);
        assert_eq!((sockets.nodes, sockets.missing), (2, 1));
        assert_eq!(sockets.answers[0].id, "gil");
        let acks = one
            .broadcast_with_acks(&to(&["r1"], &[]), &event("q", ()), WAIT / 4)
            .await;
        assert_eq!((acks.answers.len(), acks.missing), (1, 1));
        let greeted = one.emit_with_ack("/", &event("greet", "you")).await;
        assert_eq!((greeted.answers.len(), greeted.missing), (1, 1));
        // The server sees at once that it is gone.
        node.kill().await;
        let begun = Instant::now();
        while !one.rooms("/").await.is_complete() {
            assert!(begun.elapsed() < WAIT * 3);
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_was_killed_is_taken_again() {
    bounded(async {
        let mut server = Server::new().start().unwrap();
        let fake = two();
        let redis = redis(&server, &fake).await;
        let mut node = Node::start(server.address()).await;
        node.does("emit", json!({"event": "a", "args": []})).await;
        assert_eq!(fake.next().await, "a [] for eve fay");

        server.kill();
        // Nobody can be asked, which is said, and what is sent waits.
        while redis.sockets(&to(&[], &[])).await.is_complete() {}
        redis.broadcast(&to(&["r1"], &[]), &event("late", ()));
        server.restart().unwrap();
        redis.up().await;
        loop {
            let line = node.next().await;
            if line == json!({"client": "ada", "event": "late", "args": []}) {
                break;
            }
        }
        node.does("emit", json!({"event": "b", "args": []})).await;
        assert_eq!(fake.next().await, "b [] for eve fay");
        let sockets = redis.sockets(&to(&[], &[])).await;
        assert!(sockets.is_complete() && sockets.answers.len() == 2);
        // That something may have been missed is known.
        assert_eq!(redis.stats().connects, 2);
    })
    .await;
}

#[tokio::test]
async fn a_user_needs_the_rights_of_the_page_and_tls_is_spoken() {
    bounded(async {
        let page = include_str!("../docs/socketio.md");
        let (_, rules) = page.split_once("ACL SETUSER node ").unwrap();
        let (rules, _) = rules.split_once('`').unwrap();
        let rules: Vec<&str> = rules.split(' ').collect();
        let server = Server::new().tls().user("node", &rules).start().unwrap();
        let pem = std::fs::read(server.authority()).unwrap();
        let url = |password: &str| format!("rediss://node:{password}@{}", server.address());
        let fakes = [two(), Fake::new(&[("gil", "r1")])];
        let adapters = fakes.each_ref().map(|fake| {
            let redis = RedisServer::new(&url("PASSWORD")).unwrap();
            let adapter = RedisAdapter::at(redis.roots(&pem).unwrap()).answers_apart(true);
            adapter.start(fake.local());
            adapter.take("/");
            adapter
        });
        let [one, other] = &adapters;
        one.up().await;
        other.up().await;
        other.broadcast(&to(&["r2"], &[]), &event("a", ()));
        assert_eq!(fakes[0].next().await, "a [] for fay");
        let sockets = one.sockets(&to(&[], &[])).await;
        assert!(sockets.is_complete() && sockets.answers.len() == 1);

        let redis = RedisServer::new(&url("wrong"))
            .unwrap()
            .roots(&pem)
            .unwrap();
        let stranger = RedisAdapter::at(redis);
        stranger.start(fakes[0].local());
        let up = timeout(WAIT / 2, stranger.up());
        assert!(up.await.is_err());
        assert!(!stranger.rooms("/").await.is_complete());
    })
    .await;
}

/// Everything that one asks of another, both ways.
async fn share(one: &dyn Adapter, two: &dyn Adapter, fakes: [&Fake; 2]) {
    let [first, second] = fakes;
    for (asks, of) in [(one, second), (two, first)] {
        asks.broadcast(&to(&["r1"], &[]), &event("a", Binary::from(vec![9])));
        let octets = r#"{"_placeholder":true,"num":0}"#;
        let id = of.ids().remove(0);
        assert_eq!(of.next().await, format!("a [{octets}] [[9]] for {id}"));
        asks.join(&to(&["r1"], &[]), &["x".into()]);
        asks.broadcast(&to(&["x"], &[]), &event("b", ()));
        asks.leave(&to(&["x"], &[]), &["x".into()]);
        assert_eq!(of.next().await, format!("{id} join x"));
        assert_eq!(of.next().await, format!("b [] for {id}"));
        assert_eq!(of.next().await, format!("{id} leave x"));

        let acks = asks.broadcast_with_acks(&to(&[], &[]), &event("q", (1, 2)), WAIT);
        // It is said at the call.
        asks.emit("/", &event("news", ()));
        let acks = acks.await;
        assert!(acks.is_complete() && acks.nodes == 1);
        assert_eq!(acks.answers.len(), of.ids().len());
        assert!(of.next().await.starts_with("q [1,2] for "));
        assert_eq!(of.next().await, "server: news []");

        let sockets = asks.sockets(&to(&[], &[])).await;
        assert!(sockets.is_complete());
        let ids: Vec<_> = sockets
            .answers
            .iter()
            .map(|socket| socket.id.to_string())
            .collect();
        assert_eq!(ids, of.ids());
        let rooms = asks.rooms("/").await;
        assert!(rooms.is_complete() && rooms.answers.iter().any(|room| room == "r1"));
        let greeted = asks.emit_with_ack("/", &event("greet", "you")).await;
        assert_eq!(greeted.answers[0].to::<String>().unwrap(), "hello you");
        assert!(greeted.is_complete());
        assert_eq!(of.next().await, r#"server: greet ["you"], which waits"#);
        asks.disconnect(&to(&["r1"], &[]), false);
        assert_eq!(of.next().await, format!("{id} disconnected, closed: false"));
    }
}

#[tokio::test]
async fn two_servers_share_their_rooms_over_redis() {
    bounded(async {
        let server = Server::new().start().unwrap();
        let (first, second) = (two(), Fake::new(&[("gil", "r1"), ("hal", "r2")]));
        let (one, two) = (redis(&server, &first).await, redis(&server, &second).await);
        share(&one, &two, [&first, &second]).await;
    })
    .await;
}

#[tokio::test]
async fn two_servers_share_their_rooms_over_a_backplane() {
    bounded(async {
        let backplane = MemoryBackplane::new();
        let (first, second) = (two(), Fake::new(&[("gil", "r1"), ("hal", "r2")]));
        let adapters = [&first, &second].map(|fake| {
            let adapter = BackplaneAdapter::new(backplane.clone()).timeout(WAIT / 4);
            adapter.start(fake.local());
            adapter
        });
        let [one, two] = &adapters;
        one.up().await;
        two.up().await;
        share(one, two, [&first, &second]).await;

        // Without a connection nobody can be asked.
        backplane.cut();
        while one.rooms("/").await.is_complete() {}
        one.broadcast(&to(&[], &[]), &event("late", ()));
        backplane.heal();
        assert_eq!(second.next().await, "late [] for hal");
        one.up().await;
        two.up().await;
        assert!(one.rooms("/").await.is_complete());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_gone_is_named_and_then_forgotten() {
    let backplane = MemoryBackplane::new();
    let (first, second) = (two(), two());
    let one = BackplaneAdapter::new(backplane.clone());
    let other = BackplaneAdapter::new(backplane.clone());
    one.start(first.local());
    other.start(second.local());
    one.up().await;
    other.up().await;
    assert_eq!(one.rooms("/").await.nodes, 1);
    drop(other);
    let begun = Instant::now();
    let rooms = one.rooms("/").await;
    assert_eq!((rooms.missing, rooms.missing_nodes.len()), (1, 1));
    assert_eq!(begun.elapsed().as_secs(), 5);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rooms = one.rooms("/").await;
    assert!(rooms.is_complete() && rooms.nodes == 0);
}
