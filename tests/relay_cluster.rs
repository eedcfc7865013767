//! Several relays of one process as the nodes of a cluster, with clients on each: what one publishes the others get, in order; who is
//! present on one is present on all; what is missing is told with its range.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wireline::Router;
use wireline::relay::backplane::memory::MemoryBackplane;
use wireline::relay::cluster::ClusterConfig;
use wireline::relay::hub::{Elsewhere, Resume, Retention};
use wireline::relay::{Relay, RelayApi, RelayConfig, Whom};
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::ws::prelude::*;

/// A node and whoever connects to it.
struct Node {
    relay: Relay,
    client: TestClient,
}

/// Nodes that beat fast, so that what a missing beat tells comes soon.
fn config() -> RelayConfig {
    RelayConfig::default().cluster(ClusterConfig {
        beat: 100,
        ttl: 500,
        question_wait: 300,
        ..ClusterConfig::default()
    })
}

fn kept(topic: &wireline::relay::hub::Topic) -> Retention {
    if topic.as_str().starts_with("kept") {
        Retention {
            messages: 100,
            octets: 1 << 20,
            age: 60_000,
        }
    } else {
        Retention::NOTHING
    }
}

fn node(config: RelayConfig) -> Node {
    let relay = Relay::new(config);
    let api = RelayApi::new(&relay).key("tests", KEY).router();
    let routes = Router::new().relay(&relay).middleware(sign_in);
    let routes = routes.nest("/api", api).build();
    let client = TestClient::new(routes.unwrap());
    Node { relay, client }
}

/// Nodes that know each other.
async fn nodes<const N: usize>(
    bus: &MemoryBackplane,
    config: impl Fn() -> RelayConfig,
) -> [Node; N] {
    let nodes = [(); N].map(|()| node(config().backplane(bus.clone())));
    meet(&nodes).await;
    nodes
}

async fn meet(nodes: &[Node]) {
    for node in nodes {
        // It connects when it is used first.
        assert_eq!(node.relay.cluster().unwrap().backplane(), "memory");
    }
    for node in nodes {
        until(async || {
            let standing = node.relay.cluster_standing().unwrap();
            standing.is_up && standing.nodes == nodes.len() as u64 - 1
        })
        .await;
    }
}

/// `?user=` says who it is.
async fn sign_in(mut request: Request, next: Next) -> Response {
    let query = request.query().unwrap_or_default();
    if let Some(user) = query.strip_prefix("user=") {
        CurrentUser::new(user.to_owned()).put_into(&mut request);
    }
    next.run(request).await
}

/// Waits for something that nobody tells.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, so).await.expect("it never became so");
}

impl Node {
    async fn connect(&self) -> Client {
        Client(self.client.websocket("/ws").await)
    }

    async fn connect_as(&self, user: &str) -> Client {
        Client(self.client.websocket(&format!("/ws?user={user}")).await)
    }

    /// A client that subscribes, as old ones do.
    async fn reader(&self, topic: &str) -> Client {
        let mut client = self.connect().await;
        let answer = client.ask(json!({"type":"subscribe","topic":topic})).await;
        assert_eq!(answer, json!({"type":"subscribed","topic":topic}));
        client
    }

    /// What its HTTP API answers.
    async fn asked(&self, what: &str) -> Value {
        let target = format!("/api{what}");
        let request = self.client.get(&target).header("x-api-key", KEY);
        let answer = timeout(LONG, request.send()).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{what}");
        answer.json()
    }

    async fn push(&self, topic: &str, payload: Value) {
        self.relay.push(topic, "e", &payload).await.unwrap();
    }
}

struct Client(WebSocket);

impl Client {
    async fn say(&self, message: Value) {
        self.0.send(message.to_string()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        match timeout(LONG, self.0.recv()).await.unwrap() {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.hear().await
    }

    /// The payload of the next push.
    async fn payload(&mut self) -> Value {
        let push = self.hear().await;
        assert_eq!(push["type"], "push", "{push}");
        push["payload"].clone()
    }

    async fn payloads(&mut self, count: usize) -> Vec<Value> {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            payloads.push(self.payload().await);
        }
        payloads
    }

    /// Whether nothing comes but the answer to a ping.
    async fn hears_nothing_more(&mut self) {
        assert_eq!(
            self.ask(json!({"type":"ping"})).await,
            json!({"type":"pong"})
        );
    }

    /// The code that it is closed with.
    async fn closed(&mut self) -> u16 {
        while let Some(Ok(_)) = timeout(LONG, self.0.recv()).await.unwrap() {}
        self.0.close_status().map_or(0, |status| status.code())
    }

    async fn conn_id(&mut self) -> u64 {
        let hello = self.ask(json!({"type":"hello"})).await;
        hello["conn_id"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn what_one_node_publishes_all_deliver_in_order() {
    let bus = MemoryBackplane::new();
    let nodes: [Node; 3] = nodes(&bus, config).await;
    let mut readers = Vec::new();
    for node in &nodes {
        readers.push(node.reader("news").await);
    }
    for number in 0..300 {
        nodes[number % 3]
            .push("news", json!([number % 3, number]))
            .await;
    }
    for (at, reader) in readers.iter_mut().enumerate() {
        let heard = reader.payloads(300).await;
        for from in 0..3 {
            let of_one = heard.iter().filter(|payload| payload[0] == from);
            let numbers: Vec<_> = of_one.map(|payload| payload[1].as_u64().unwrap()).collect();
            let expected: Vec<_> = (0..100).map(|number| number * 3 + from).collect();
            assert_eq!(numbers, expected, "node {from} at node {at}");
        }
        reader.hears_nothing_more().await;
    }
    let standing = nodes[0].relay.cluster_standing().unwrap();
    assert_eq!(
        (standing.lost, standing.dropped, standing.garbled),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn who_published_is_left_out_on_every_node() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, config).await;
    let (mut here, mut there) = (one.reader("news").await, two.reader("news").await);
    let (of_here, of_there) = (here.conn_id().await, there.conn_id().await);
    assert_ne!(of_here >> 32, of_there >> 32);
    assert!(of_here < 1 << 53 && of_there < 1 << 53);
    // It is on the second node, and its application publishes on the first.
    one.relay
        .push_from(of_there, "news", "e", &1)
        .await
        .unwrap();
    one.push("news", json!(2)).await;
    assert_eq!(there.payload().await, 2);
    assert_eq!(here.payloads(2).await, [1, 2]);
}

#[tokio::test]
async fn who_is_present_on_one_node_is_present_on_all_until_the_node_is_gone() {
    let bus = MemoryBackplane::new();
    let with_presence = || config().presence("*");
    let [one, two, three]: [Node; 3] = nodes(&bus, with_presence).await;
    let mut watching = one.connect_as("ann").await;
    let subscribe = json!({"type":"subscribe","topic":"room","presence":true});
    watching.ask(subscribe.clone()).await;
    let state = watching.hear().await;
    assert_eq!(state["members"][0]["user"], "ann");

    let mut bob = two.connect_as("bob").await;
    bob.ask(subscribe.clone()).await;
    let joined = watching.hear().await;
    assert_eq!(joined["joined"][0]["user"], "bob", "{joined}");
    let mut state = bob.hear().await;
    while state["members"]
        .as_array()
        .is_none_or(|members| members.len() < 2)
    {
        // Its own node may hear of the others only now.
        until(async || two.relay.presence_count("room") == 2).await;
        bob.say(json!({"type":"subscribe","topic":"room"})).await;
        bob.say(subscribe.clone()).await;
        state = bob.hear().await;
    }
    let mut eve = three.connect_as("eve").await;
    eve.ask(subscribe).await;
    assert_eq!(watching.hear().await["joined"][0]["user"], "eve");
    for node in [&one, &two, &three] {
        until(async || node.relay.presence_count("room") == 3).await;
    }

    // A client that leaves.
    bob.say(json!({"type":"unsubscribe","topic":"room"})).await;
    let left = watching.hear().await;
    assert_eq!(left["left"][0]["user"], "bob", "{left}");

    // A node that is gone without a word.
    drop(eve);
    drop(three);
    let left = watching.hear().await;
    assert_eq!(left["left"][0]["user"], "eve", "{left}");
    until(async || one.relay.presence_count("room") == 1 && two.relay.presence_count("room") == 1)
        .await;
}

#[tokio::test]
async fn users_are_reached_wherever_they_are() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, config).await;
    let (mut here, mut there) = (one.connect_as("ann").await, two.connect_as("ann").await);
    let (of_here, of_there) = (here.conn_id().await, there.conn_id().await);
    let cluster = one.relay.cluster().unwrap();

    // Without waiting to hear how many that are elsewhere.
    assert_eq!(
        one.relay.push_to_user("ann", "a", "e", &1).await.unwrap(),
        1
    );
    assert_eq!(
        (here.payload().await, there.payload().await),
        (json!(1), json!(1))
    );
    let pushed = cluster.push_to_user("ann", "a", "e", &2).await.unwrap();
    assert_eq!((pushed.value, pushed.is_partial()), (2, false));
    assert_eq!(
        (here.payload().await, there.payload().await),
        (json!(2), json!(2))
    );

    let subscribed = cluster.subscribe(of_there, "room").await.unwrap();
    assert_eq!(subscribed.value, 1);
    assert_eq!(there.hear().await["type"], "subscribed");
    assert_eq!(cluster.subscribers("room").await.unwrap().value, 1);
    one.push("room", json!(3)).await;
    assert_eq!(there.payload().await, 3);
    cluster.unsubscribe("ann", "room").await.unwrap();
    assert_eq!(there.hear().await["code"], "server");

    let listed = cluster.connections(Some(Whom::User("ann")), 10).await;
    let mut ids: Vec<_> = listed
        .value
        .iter()
        .map(|connection| connection.conn_id)
        .collect();
    ids.sort_unstable();
    let mut expected = [of_here, of_there];
    expected.sort_unstable();
    assert_eq!(ids, expected);

    let banned = CloseCode::new(4500).unwrap();
    let closed = cluster.disconnect("ann", banned, "banned").await;
    assert_eq!((closed.value, closed.missing), (2, Vec::new()));
    for mut client in [here, there] {
        assert_eq!(client.closed().await, 4500);
    }
}

#[tokio::test]
async fn the_http_api_says_whose_its_answers_are() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, quick_to_ask).await;
    let (mut here, mut there) = (one.connect_as("ann").await, two.connect_as("ann").await);
    let of_there = there.conn_id().await;
    here.conn_id().await;
    let _readers = [one.reader("room").await, two.reader("room").await];
    let [number, other] = [&one, &two].map(|node| node.relay.cluster().unwrap().node());
    let found = two.asked("/connections?user=ann").await;
    assert_eq!(
        (
            &found["count"],
            found["connections"].as_array().unwrap().len()
        ),
        (&json!(2), 2)
    );
    assert_eq!(found["missing_nodes"], Value::Null);
    assert_eq!(found["node"], Value::Null);
    let found = one.asked("/topics?topic=room").await;
    assert_eq!(
        found,
        json!({"count":1,"topics":[{"topic":"room","subscribers":2}]})
    );
    let found = one.asked("/topics?topic=nobody").await;
    assert_eq!(found, json!({"count":0,"topics":[]}));
    // The lists of all are the node's own.
    let found = one.asked("/topics").await;
    let own = json!({"count":1,"topics":[{"topic":"room","subscribers":1}],"node":number});
    assert_eq!(found, own);
    let found = two.asked("/connections").await;
    assert_eq!(
        (&found["count"], &found["node"]),
        (&json!(2), &json!(other))
    );
    let is_there = |found: &Value| {
        found["connections"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["conn_id"] == of_there)
    };
    assert!(is_there(&found));
    assert!(!is_there(&one.asked("/connections").await));
    // Who does not answer is named.
    bus.cut();
    until(async || !one.relay.cluster_standing().unwrap().is_up).await;
    let found = one.asked("/connections?user=ann").await;
    assert_eq!(
        (&found["count"], &found["missing_nodes"]),
        (&json!(1), &json!([other]))
    );
    let found = one.asked("/topics?topic=room").await;
    assert_eq!(found["missing_nodes"], json!([other]));
}

/// Nodes that wait little for answers.
fn quick_to_ask() -> RelayConfig {
    config().cluster(ClusterConfig {
        question_wait: 200,
        ..ClusterConfig::default()
    })
}

#[tokio::test]
async fn a_result_that_is_not_whole_says_who_is_missing() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, quick_to_ask).await;
    let _here = one.reader("room").await;
    let number = two.relay.cluster().unwrap().node();
    drop(two);
    let counted = one
        .relay
        .cluster()
        .unwrap()
        .subscribers("room")
        .await
        .unwrap();
    assert_eq!((counted.value, counted.missing), (1, vec![number]));
    // Nor is anybody reached while there is no broker.
    bus.cut();
    until(async || !one.relay.cluster_standing().unwrap().is_up).await;
    let counted = one
        .relay
        .cluster()
        .unwrap()
        .subscribers("room")
        .await
        .unwrap();
    assert_eq!((counted.value, counted.is_partial()), (1, true));
}

#[tokio::test]
async fn history_goes_on_with_another_node() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, || config().retention(kept)).await;
    // Before anything was ever published, and at different times on both.
    let mut first = one.connect().await;
    let subscribed = first
        .ask(json!({"type":"subscribe","topic":"kept:a","ref":1}))
        .await;
    assert_eq!(subscribed["offset"], 0);
    let epoch = subscribed["epoch"].as_u64().unwrap();
    for number in 1..=5 {
        two.push("kept:a", json!(number)).await;
    }
    assert_eq!(first.payloads(5).await, [1, 2, 3, 4, 5]);
    drop(first);
    for number in 6..=9 {
        one.push("kept:a", json!(number)).await;
    }
    // The second node had no subscriber until now.
    until(async || {
        let found = two
            .relay
            .history("kept:a", Resume::Newest(100))
            .await
            .unwrap();
        found.offset == 9
    })
    .await;
    let mut client = two.connect().await;
    let subscribe = json!({"type":"subscribe","topic":"kept:a","epoch":epoch,"offset":5});
    let subscribed = client.ask(subscribe).await;
    assert_eq!(
        (
            &subscribed["epoch"],
            &subscribed["offset"],
            &subscribed["recovered"]
        ),
        (&json!(epoch), &json!(5), &json!(true))
    );
    assert_eq!(client.payloads(4).await, [6, 7, 8, 9]);
    one.push("kept:a", json!(10)).await;
    assert_eq!(client.payload().await, 10);
    client.hears_nothing_more().await;
}

#[tokio::test]
async fn all_nodes_have_one_order_of_a_shared_topic() {
    let bus = MemoryBackplane::new();
    let nodes: [Node; 3] = nodes(&bus, || config().retention(kept)).await;
    let mut readers = Vec::new();
    for node in &nodes {
        readers.push(node.reader("kept:a").await);
    }
    let mut publishing = tokio::task::JoinSet::new();
    for node in &nodes {
        let relay = node.relay.clone();
        publishing.spawn(async move {
            for number in 0..50 {
                relay.push("kept:a", "e", &number).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    publishing.join_all().await;
    let first = readers[0].payloads(150).await;
    for reader in &mut readers[1..] {
        assert_eq!(reader.payloads(150).await, first);
    }
}

#[tokio::test]
async fn a_broker_that_fails_stops_nobody_here_and_every_gap_is_told() {
    let bus = MemoryBackplane::new();
    let small = || {
        config().cluster(ClusterConfig {
            // Room for few messages.
            outbox: 2_000,
            ..ClusterConfig::default()
        })
    };
    let [one, two]: [Node; 2] = nodes(&bus, small).await;
    let (mut here, mut there) = (one.reader("news").await, two.reader("news").await);
    one.push("news", json!(0)).await;
    assert_eq!(
        (here.payload().await, there.payload().await),
        (json!(0), json!(0))
    );
    bus.cut();
    until(async || !one.relay.cluster_standing().unwrap().is_up).await;
    for number in 1..=100 {
        one.push("news", json!(number)).await;
    }
    // Here everything comes at once.
    let numbers: Vec<_> = (1..=100).map(|number| json!(number)).collect();
    assert_eq!(here.payloads(100).await, numbers);
    there.hears_nothing_more().await;
    assert!(one.relay.cluster_standing().unwrap().waiting_octets <= 2_000);
    bus.heal();
    // There what the outbox had no room for is told, and the rest comes.
    let gap = there.hear().await;
    assert_eq!(gap["type"], "lagged", "{gap}");
    let (missed, first, last) = (&gap["missed"], &gap["first"], &gap["last"]);
    let missed = missed.as_u64().unwrap();
    assert_eq!(last.as_u64().unwrap() - first.as_u64().unwrap() + 1, missed);
    let number = one.relay.cluster().unwrap().node();
    assert_eq!(gap["node"], format!("{number:x}"));
    // If this node was back before the other one, nobody was there for any of it.
    let rest = usize::try_from(100 - missed).unwrap();
    assert_eq!(there.payloads(rest).await, numbers[100 - rest..]);
    one.push("news", json!(101)).await;
    assert_eq!(there.payload().await, 101);
    assert_eq!(here.payload().await, 101);
    there.hears_nothing_more().await;
    here.hears_nothing_more().await;
    assert_eq!(two.relay.cluster_standing().unwrap().lost, missed);
}

#[tokio::test]
async fn what_a_shared_topic_gives_up_is_told_elsewhere_and_who_publishes_is_told_as_well() {
    let bus = MemoryBackplane::new();
    let small = || {
        config().retention(kept).cluster(ClusterConfig {
            outbox: 2_000,
            ..ClusterConfig::default()
        })
    };
    let [one, two]: [Node; 2] = nodes(&bus, small).await;
    let subscribe = json!({"type":"subscribe","topic":"kept:a","ref":1});
    let (mut here, mut there) = (one.connect().await, two.connect().await);
    here.ask(subscribe.clone()).await;
    let subscribed = there.ask(subscribe).await;
    let published = one.relay.push("kept:a", "e", &0).await.unwrap();
    assert_eq!(published.elsewhere, Elsewhere::OnItsWay);
    assert!(!published.is_degraded());
    assert_eq!(
        (here.payload().await, there.payload().await),
        (json!(0), json!(0))
    );
    bus.cut();
    until(async || !one.relay.cluster_standing().unwrap().is_up).await;
    for number in 1..=50 {
        let published = one.relay.push("kept:a", "e", &number).await.unwrap();
        assert_eq!(published.elsewhere, Elsewhere::Waits);
    }
    let huge = "x".repeat(2_000);
    let published = one.relay.push("kept:a", "e", &huge).await.unwrap();
    assert_eq!(published.elsewhere, Elsewhere::GivenUp);
    assert!(published.is_degraded());
    bus.heal();
    // The gap may come before what was not given up, or after it: it has no place in the order.
    let (mut payloads, mut missed) = (Vec::new(), 0);
    while payloads.len() as u64 + missed < 51 {
        let heard = there.hear().await;
        if heard["type"] == "lagged" {
            assert_eq!(heard["to"], "all", "{heard}");
            let number = one.relay.cluster().unwrap().node();
            assert_eq!(heard["node"], format!("{number:x}"));
            missed += heard["missed"].as_u64().unwrap();
        } else {
            payloads.push(heard["payload"].clone());
        }
    }
    let came = payloads.len() as u64;
    assert!(came > 0 && missed > 30, "{missed}");
    let last: Vec<_> = (51 - came..=50).map(|number| json!(number)).collect();
    assert_eq!(payloads, last);
    assert_eq!(two.relay.cluster_standing().unwrap().lost, missed);
    // Whoever counts is where the broker is.
    let offset = 1 + came;
    let since =
        json!({"type":"subscribe","topic":"kept:a","epoch":subscribed["epoch"],"offset":offset});
    let mut later = two.connect().await;
    let answer = later.ask(since).await;
    assert_eq!(
        (&answer["recovered"], &answer["offset"]),
        (&json!(true), &json!(offset))
    );
}

#[tokio::test]
async fn what_no_broker_orders_is_delivered_without_an_offset() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, || config().retention(kept)).await;
    let subscribe = json!({"type":"subscribe","topic":"kept:a","ref":1});
    let (mut here, mut there) = (one.connect().await, two.connect().await);
    let subscribed = here.ask(subscribe.clone()).await;
    there.ask(subscribe).await;
    one.push("kept:a", json!(1)).await;
    assert_eq!(
        (here.payload().await, there.payload().await),
        (json!(1), json!(1))
    );
    bus.cut();
    until(async || !one.relay.cluster_standing().unwrap().is_up).await;
    one.push("kept:a", json!(2)).await;
    let push = here.hear().await;
    assert_eq!((&push["payload"], &push["to"]), (&json!(2), &json!("all")));
    // Who comes meanwhile and goes on from where it was gets it, too.
    let mut late = one.connect().await;
    let since = json!({"type":"subscribe","topic":"kept:a","epoch":subscribed["epoch"],"offset":1});
    assert_eq!(late.ask(since.clone()).await["recovered"], true);
    assert_eq!(late.hear().await, push);
    bus.heal();
    // Elsewhere it comes with its offset; here it counts only.
    assert_eq!(there.payload().await, 2);
    for client in [&mut here, &mut late] {
        let skipped = client.hear().await;
        assert_eq!(
            (&skipped["type"], &skipped["count"]),
            (&json!("skipped"), &json!(1))
        );
    }
    two.push("kept:a", json!(3)).await;
    for client in [&mut here, &mut there, &mut late] {
        assert_eq!(client.payload().await, 3);
    }
    // Who comes later gets all of it, on either node.
    for node in [&one, &two] {
        let mut later = node.connect().await;
        assert_eq!(later.ask(since.clone()).await["recovered"], true);
        assert_eq!(later.payloads(2).await, [2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_reads_any_more_is_not_taken_for_long() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, || config().retention(kept)).await;
    for topic in ["news", "kept:a"] {
        let reader = one.reader(topic).await;
        until(async || one.relay.cluster_standing().unwrap().topics == 1).await;
        drop(reader);
        until(async || one.relay.cluster_standing().unwrap().topics == 0).await;
        // What comes meanwhile is not missed by who comes back: it is asked for.
        two.push(topic, json!(1)).await;
    }
    let found = one
        .relay
        .history("kept:a", Resume::Newest(10))
        .await
        .unwrap();
    assert_eq!((found.offset, found.entries.len()), (1, 1));
}

/// What is kept of it never ends, and nobody reads it: it is not taken for ever.
#[tokio::test(start_paused = true)]
async fn a_topic_whose_history_is_a_nodes_own_is_given_up_in_the_end() {
    let bus = MemoryBackplane::new();
    let endless = |_: &wireline::relay::hub::Topic| Retention {
        messages: 10,
        octets: 1 << 20,
        age: u64::MAX,
    };
    let [one, _two]: [Node; 2] =
        nodes(&bus, || config().retention(endless).shared_history(false)).await;
    let reader = one.reader("news").await;
    one.push("news", json!(1)).await;
    let epoch = async || {
        one.relay
            .history("news", Resume::Newest(1))
            .await
            .unwrap()
            .epoch
    };
    let before = epoch().await;
    // Somebody may read for long before that.
    sleep(Duration::from_secs(7_200)).await;
    drop(reader);
    sleep(Duration::from_secs(3_500)).await;
    assert_eq!(one.relay.cluster_standing().unwrap().topics, 1);
    sleep(Duration::from_secs(200)).await;
    assert_eq!(one.relay.cluster_standing().unwrap().topics, 0);
    assert_ne!(epoch().await, before);
}

/// What is kept of a topic is for the application to say, and meanwhile it may speak to the relay: no lock is held.
#[test]
fn the_application_is_asked_what_is_kept_while_nothing_is_locked() {
    let (told, done) = std::sync::mpsc::channel();
    // Where a lock is held this never ends: then the test does.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        told.send(runtime.block_on(asked_without_a_lock())).unwrap();
    });
    let asked = done.recv_timeout(LONG).expect("it waits for itself");
    assert!(asked > 0);
}

async fn asked_without_a_lock() -> usize {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let bus = MemoryBackplane::new();
    let relays: [Arc<OnceLock<Relay>>; 2] = Default::default();
    let asking = |number: usize| {
        let own = relays[number].clone();
        config().shared_history(false).retention(move |topic| {
            if let Some(relay) = own.get().filter(|_| topic.as_str() != "elsewhere") {
                // The lock of the node, and those of the hub.
                assert!(relay.cluster_standing().is_some());
                assert!(relay.hub().len() < 100);
                relay.publish(&"elsewhere".try_into().unwrap(), Prepared::text("{}"));
                ASKED.fetch_add(1, Ordering::Relaxed);
            }
            kept(topic)
        })
    };
    let [one, two] = [0, 1].map(|number| node(asking(number).backplane(bus.clone())));
    for (own, node) in relays.iter().zip([&one, &two]) {
        own.set(node.relay.clone()).ok().unwrap();
    }
    let nodes = [one, two];
    meet(&nodes).await;
    let [one, two] = &nodes;
    // Nobody reads them yet.
    one.push("kept:quiet", json!(1)).await;
    one.push("quiet", json!(1)).await;
    let mut ann = one.connect_as("ann").await;
    let conn_id = ann.conn_id().await;
    ann.ask(json!({"type":"subscribe","topic":"room"})).await;
    assert!(one.relay.track("room", conn_id, &json!({})).unwrap());
    until(async || two.relay.presence_count("room") == 1).await;
    let mut reader = two.reader("kept:a").await;
    for payload in 1..=3 {
        one.push("kept:a", json!(payload)).await;
    }
    assert_eq!(reader.payloads(3).await, [1, 2, 3]);
    // It is taken still, though nobody subscribes: what comes then comes to where nothing is known of it.
    drop(reader);
    until(async || two.relay.hub().subscribers(&"kept:a".try_into().unwrap()) == 0).await;
    one.push("kept:a", json!(4)).await;
    until(async || {
        let found = two.relay.history("kept:a", Resume::Newest(9)).await;
        found.unwrap().entries.len() == 4
    })
    .await;
    ASKED.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_node_that_says_so_is_gone_at_once() {
    let bus = MemoryBackplane::new();
    let patient = || {
        config().presence("*").cluster(ClusterConfig {
            ttl: 600_000,
            ..ClusterConfig::default()
        })
    };
    let [one, two]: [Node; 2] = nodes(&bus, patient).await;
    let _there = two.reader("room").await;
    until(async || one.relay.presence_count("room") == 1).await;
    two.relay.cluster().unwrap().leave().await;
    until(async || one.relay.presence_count("room") == 0).await;
    assert_eq!(one.relay.cluster().unwrap().nodes(), []);
}

#[tokio::test]
async fn event_streams_and_long_polls_are_readers_as_others_are() {
    let bus = MemoryBackplane::new();
    let [one, two]: [Node; 2] = nodes(&bus, || config().retention(kept).poll("/poll")).await;
    let first = one.client.get("/poll?topic=kept:a&rewind=10&wait=0").await;
    let first: Value = serde_json::from_str(first.text()).unwrap();
    let cursor = first["cursor"].as_str().unwrap().replace(' ', "%20");
    for number in 1..=3 {
        two.push("kept:a", json!(number)).await;
    }
    until(async || {
        let found = two
            .relay
            .history("kept:a", Resume::Newest(100))
            .await
            .unwrap();
        found.offset == 3
    })
    .await;
    // Behind a balancer the next request goes to another node.
    let path = format!("/poll?topic=kept:a&cursor={cursor}&wait=5");
    let next = two.client.get(&path).await;
    let next: Value = serde_json::from_str(next.text()).unwrap();
    let messages = next["messages"].as_array().unwrap();
    let payloads: Vec<_> = messages.iter().map(|message| &message["payload"]).collect();
    assert_eq!(payloads, [1, 2, 3], "{next}");
}

const LONG: Duration = Duration::from_secs(20);

const KEY: &str = "0123456789abcdef";
