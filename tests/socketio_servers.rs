//! Servers of Socket.IO that are one: two of ours and one of npm at a real Redis, with clients of npm on all of them.

#[path = "support/brokers.rs"]
mod brokers;
#[path = "socketio/adapter_node.rs"]
mod node;

use brokers::{Nats, Redis};
use node::Node;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wireline::Router;
use wireline::relay::backplane::memory::MemoryBackplane;
use wireline::relay::backplane::{nats, redis};
use wireline::socketio::adapter::{Adapter, BackplaneAdapter, RedisAdapter};
use wireline::socketio::packet::{Args, Binary};
use wireline::socketio::server::{Auth, Socket, SocketIo};
use wireline::test::TestServer;

async fn bounded(test: impl Future<Output = ()>) {
    let test = timeout(Duration::from_secs(90), test);
    test.await.expect("it takes a minute and a half at most");
}

const WAIT: Duration = Duration::from_secs(2);

/// A server whose sockets go where their clients want.
async fn serve(adapter: impl Adapter) -> (SocketIo, TestServer) {
    let io = SocketIo::new();
    io.on_connection(async |socket: Socket, Auth(auth): Auth<Value>| {
        socket.set_data(json!({"name": auth["name"]}));
        socket.join(auth["room"].as_str().unwrap_or("none").to_owned());
    });
    io.on("shout", async |socket: Socket, args: Args| {
        socket.to("r1").to("r2").emit("shouted", args)
    });
    io.on_server_event("greet", async |args: Args| {
        let who: String = args.to().unwrap_or_default();
        Value::from(format!("hello {who} from here"))
    });
    assert!(io.set_adapter(adapter));
    io.adapter().unwrap().up().await;
    let server = TestServer::new(Router::new().socket_io(&io).build().unwrap());
    (io, server)
}

fn npm(broker: &brokers::Broker) -> RedisAdapter {
    let adapter = RedisAdapter::new(&format!("redis://{}", broker.address()));
    adapter.unwrap().timeout(WAIT)
}

/// What so many clients got, by their names.
async fn heard(node: &mut Node, clients: &[&str], event: &str, args: Value) {
    let mut missing: BTreeSet<&str> = clients.iter().copied().collect();
    while !missing.is_empty() {
        let line = node.next().await;
        let client = line["client"].as_str().unwrap_or_default();
        assert!(missing.remove(client), "{line} is for {missing:?}");
        assert_eq!((&line["event"], &line["args"]), (&event.into(), &args));
    }
}

fn names(sockets: &[Value]) -> Vec<&str> {
    let names = sockets
        .iter()
        .filter_map(|socket| socket["data"]["name"].as_str());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_npm_and_ours_are_one() {
    bounded(async {
        let mut broker = Redis::new().start().unwrap();
        let (first, one) = serve(npm(&broker)).await;
        let (second, two) = serve(npm(&broker)).await;
        let mut node = Node::start(broker.address()).await;
        for (server, name, room, transports) in [
            (&one, "cyd", "r1", ["websocket"]),
            (&one, "dan", "r2", ["polling"]),
            (&two, "eve", "r1", ["polling"]),
            (&two, "fay", "r2", ["websocket"]),
        ] {
            let url = format!("http://{}", server.addr());
            let client = json!({"name": name, "room": room, "url": url, "transports": transports});
            node.does("client", client).await;
        }
        // All of them are where they want to be.
        let begun = Instant::now();
        while first.to("r1").to("r2").fetch_sockets().await.answers.len() < 6 {
            assert!(begun.elapsed() < WAIT * 5);
        }
        let all = ["ada", "bob", "cyd", "dan", "eve", "fay"];
        let r1 = ["ada", "cyd", "eve"];

        // Text, octets, rooms, all but some: from each.
        let octets = || {
            (
                1,
                "ü",
                Binary::from(vec![0, 255]),
                json!({"n": [null, 1.5]}),
            )
        };
        let came = json!([1, "ü", {"$": [0, 255]}, {"n": [null, 1.5]}]);
        first.emit("a", octets()).unwrap();
        heard(&mut node, &all, "a", came.clone()).await;
        second.to("r1").emit("a", octets()).unwrap();
        heard(&mut node, &r1, "a", came.clone()).await;
        first.to("r1").to("r2").except("r1").emit("b", ()).unwrap();
        heard(&mut node, &["bob", "dan", "fay"], "b", json!([])).await;
        let line = json!({"rooms": ["r1"], "event": "a", "args": came});
        node.does("emit", line.clone()).await;
        heard(&mut node, &r1, "a", came.clone()).await;
        node.does("emitter", line).await;
        heard(&mut node, &r1, "a", came.clone()).await;
        let line = json!({"except": ["r2"], "event": "c", "args": []});
        node.does("emit", line).await;
        heard(&mut node, &r1, "c", json!([])).await;
        // One who shouts does not hear it.
        node.does(
            "client emit",
            json!({"name": "dan", "event": "shout", "args": [came[2]]}),
        )
        .await;
        heard(
            &mut node,
            &["ada", "bob", "cyd", "eve", "fay"],
            "shouted",
            json!([came[2]]),
        )
        .await;
        first.local().emit("d", ()).unwrap();
        heard(&mut node, &["cyd", "dan"], "d", json!([])).await;

        // Answers of all.
        let answers = second
            .to("r1")
            .timeout(WAIT)
            .emit_with_ack("q", 7)
            .await
            .unwrap();
        assert!(answers.is_complete());
        let mut who: Vec<_> = answers
            .answers
            .iter()
            .map(|(_, args)| args.to::<Value>().unwrap()["who"].clone())
            .collect();
        who.sort_by_key(Value::to_string);
        assert_eq!(who, r1);
        heard(&mut node, &r1, "q", json!([7])).await;
        let mut who = node
            .does("ask", json!({"event": "q", "args": [8], "wait": 2000}))
            .await;
        who.as_array_mut().unwrap().sort_by_key(Value::to_string);
        assert_eq!(who, json!(all.map(|name| json!({"who": name}))));
        heard(&mut node, &all, "q", json!([8])).await;

        // Into rooms and out of them, in the order of the calls.
        first.to("r1").join("x");
        first.to("x").emit("e", 1).unwrap();
        first.to("x").leave("x");
        first.to("x").emit("e", 2).unwrap();
        heard(&mut node, &r1, "e", json!([1])).await;
        node.does("join", json!({"rooms": ["r2"], "to": ["y"]}))
            .await;
        // A server of npm takes its own sockets there when Redis tells it to.
        node.does("sockets", json!({"rooms": ["y"]})).await;
        node.does("emit", json!({"rooms": ["y"], "event": "e", "args": [3]}))
            .await;
        heard(&mut node, &["bob", "dan", "fay"], "e", json!([3])).await;
        node.does("leave", json!({"rooms": ["y"], "to": "y"})).await;

        // Who is there.
        let sockets = node.does("sockets", json!({"rooms": ["r1", "r2"]})).await;
        assert_eq!(names(sockets.as_array().unwrap()), all);
        let sockets = second.to("r2").fetch_sockets().await;
        assert!(sockets.is_complete() && sockets.nodes == 2);
        let data: Vec<_> = sockets
            .answers
            .iter()
            .map(|socket| json!({"data": socket.data}))
            .collect();
        assert_eq!(names(&data), ["bob", "dan", "fay"]);
        let bob = sockets
            .answers
            .iter()
            .find(|socket| socket.data["name"] == "bob")
            .unwrap();
        assert_eq!(bob.handshake["auth"]["room"], "r2");
        first.to(&*bob.id).emit("f", ()).unwrap();
        heard(&mut node, &["bob"], "f", json!([])).await;
        let rooms = first.all_rooms().await;
        assert!(rooms.is_complete() && rooms.answers.iter().any(|room| *room == *node.id("ada")));
        let rooms = node.does("rooms", json!({})).await;
        assert!(rooms.as_array().unwrap().contains(&"r1".into()));

        // What is for servers.
        let greeted = first
            .server_side_emit_with_ack("greet", "you")
            .await
            .unwrap();
        assert!(greeted.is_complete() && greeted.nodes == 2);
        let mut greeted: Vec<String> = greeted
            .answers
            .iter()
            .map(|args| args.to().unwrap())
            .collect();
        greeted.sort_unstable();
        assert_eq!(greeted, ["hello you from here", "hello you from node"]);
        assert_eq!(
            node.next().await,
            json!({"server": "greet", "args": ["you"]})
        );
        let greeted = node.does("greet", json!({"args": ["us"]})).await;
        assert_eq!(greeted, json!(["hello us from here", "hello us from here"]));

        // Redis dies, and comes back with nobody knowing anything.
        broker.restart_empty().unwrap();
        let begun = Instant::now();
        loop {
            let sockets = second.to("r1").fetch_sockets().await;
            if sockets.is_complete() && sockets.answers.len() == 3 {
                break;
            }
            assert!(begun.elapsed() < WAIT * 8, "{sockets:?}");
        }
        second.to("r1").emit("g", ()).unwrap();
        heard(&mut node, &r1, "g", json!([])).await;
        node.does("emit", json!({"rooms": ["r1"], "event": "h", "args": []}))
            .await;
        heard(&mut node, &r1, "h", json!([])).await;

        // Out with them.
        second.to("r1").disconnect(true);
        let mut gone = BTreeSet::new();
        while gone.len() < 3 {
            let line = node.next().await;
            assert!(line["disconnected"].is_string(), "{line}");
            gone.insert(line["client"].as_str().unwrap().to_owned());
        }
        assert_eq!(Vec::from_iter(&gone), r1);
        node.does("disconnect", json!({"rooms": ["r2"], "close": false}))
            .await;
        let begun = Instant::now();
        while first.len() + second.len() > 0 {
            assert!(begun.elapsed() < WAIT);
            tokio::task::yield_now().await;
        }
        for io in [&first, &second] {
            assert_eq!(io.adapter().unwrap().stats().garbled, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_leaves_a_part_in_time() {
    bounded(async {
        let broker = Redis::new().start().unwrap();
        let (io, server) = serve(npm(&broker)).await;
        let node = Node::start(broker.address()).await;
        let mut clients = Node::start(broker.address()).await;
        let url = format!("http://{}", server.addr());
        let client = json!({"name": "cyd", "room": "r1", "url": url});
        clients.does("client", client).await;
        // It is there for Redis, and says nothing; then it is killed while it is waited for.
        node.freeze().await;
        let begun = Instant::now();
        let room = io.to("r1");
        let (sockets, ()) = tokio::join!(room.fetch_sockets(), node.kill());
        assert!(begun.elapsed() < WAIT * 2);
        let ids: Vec<_> = sockets.answers.iter().map(|socket| &*socket.id).collect();
        assert!(
            ids.contains(&&*clients.id("ada")) && ids.len() == 2,
            "{sockets:?}"
        );
        let begun = Instant::now();
        while !io.to("r1").fetch_sockets().await.is_complete() {
            assert!(begun.elapsed() < WAIT * 3);
        }
        io.emit("a", ()).unwrap();
        heard(&mut clients, &["ada", "bob", "cyd"], "a", json!([])).await;
    })
    .await;
}

/// Two servers that a backplane connects, with clients of npm on both.
async fn one_over(adapters: [BackplaneAdapter; 2], clients: &mut Node) {
    let [first, second] = adapters;
    let ((first, one), (second, two)) = (serve(first).await, serve(second).await);
    for (server, name) in [(&one, "cyd"), (&two, "dan")] {
        let url = format!("http://{}", server.addr());
        let client = json!({"name": name, "room": "r1", "url": url});
        clients.does("client", client).await;
    }
    // Each has its own.
    assert_eq!((first.len(), second.len()), (1, 1));
    let (here, there) = (first.to("r1").sockets(), second.to("r1").sockets());
    assert!(first.socket(here[0].id()).is_some() && first.socket(there[0].id()).is_none());
    assert!(!first.rooms().iter().any(|room| room == there[0].id()));
    first.to("r1").emit("a", Binary::from(vec![1])).unwrap();
    heard(clients, &["cyd", "dan"], "a", json!([{"$": [1]}])).await;
    let shout = json!({"name": "dan", "event": "shout", "args": [1]});
    clients.does("client emit", shout).await;
    heard(clients, &["cyd"], "shouted", json!([1])).await;
    let sockets = second.to("r1").fetch_sockets().await;
    assert!(sockets.is_complete() && sockets.answers.len() == 2);
    let answers = second.emit_with_ack("q", ()).await.unwrap();
    assert!(answers.is_complete() && answers.answers.len() == 2);
    heard(clients, &["cyd", "dan"], "q", json!([])).await;
    let greeted = first
        .server_side_emit_with_ack("greet", "you")
        .await
        .unwrap();
    assert_eq!(
        greeted.answers[0].to::<String>().unwrap(),
        "hello you from here"
    );
    // Into rooms, and out, from the other node.
    first.to(there[0].id()).join("x");
    first.to("x").emit("b", ()).unwrap();
    heard(clients, &["dan"], "b", json!([])).await;
    second.to("r1").disconnect(true);
    let mut gone = BTreeSet::new();
    while gone.len() < 2 {
        let line = clients.next().await;
        assert!(line["disconnected"].is_string(), "{line}");
        gone.insert(line["client"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_over_a_backplane_are_one() {
    bounded(async {
        // The clients' process has a Redis, of which the servers of npm know their own channels alone.
        let broker = Redis::new().start().unwrap();
        let other = Nats::new().start().unwrap();
        let mut clients = Node::start(broker.address()).await;
        let memory = MemoryBackplane::new();
        let over = [0, 1].map(|_| BackplaneAdapter::new(memory.clone()));
        one_over(over, &mut clients).await;
        let url = format!("redis://{}", broker.address());
        let over = [0, 1].map(|_| BackplaneAdapter::new(redis::Redis::new(&url).unwrap()));
        one_over(over, &mut clients).await;
        let url = format!("nats://{}", other.address());
        let over = [0, 1].map(|_| BackplaneAdapter::new(nats::Nats::new(&url).unwrap()));
        one_over(over, &mut clients).await;
    })
    .await;
}
