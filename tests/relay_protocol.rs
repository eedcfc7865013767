//! What clients and the relay's endpoint say to each other, message by message.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use wireline::extract::{Json, State};
use wireline::relay::hub::{Resume, Retention};
use wireline::relay::{Overflow, Rate, Relay, RelayCall, RelayConfig, RelayEvent, Unmatched};
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::ws::prelude::*;
use wireline::{Error, Router};

struct Server {
    relay: Relay,
    client: TestClient,
}

fn serve(config: RelayConfig) -> Server {
    serve_with(config, Router::new())
}

fn serve_with(config: RelayConfig, router: Router) -> Server {
    let relay = Relay::new(config);
    let routes = router.relay(&relay).middleware(sign_in).build().unwrap();
    let client = TestClient::new(routes);
    Server { relay, client }
}

/// `?user=` says who it is.
async fn sign_in(mut request: Request, next: Next) -> Response {
    if let Some(user) = request
        .query()
        .and_then(|query| query.strip_prefix("user="))
    {
        CurrentUser::new(user.to_owned()).put_into(&mut request);
    }
    next.run(request).await
}

impl Server {
    async fn connect(&self) -> Client {
        Client(self.client.websocket("/ws").await)
    }

    async fn connect_as(&self, user: &str) -> Client {
        Client(self.client.websocket(&format!("/ws?user={user}")).await)
    }
}

struct Client(WebSocket);

impl Client {
    async fn say(&self, message: Value) {
        self.0.send(message.to_string()).await.unwrap();
    }

    async fn text(&mut self) -> String {
        match timeout(Duration::from_secs(20), self.0.recv())
            .await
            .unwrap()
        {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.hear().await
    }

    async fn subscribe(&mut self, topic: &str) {
        let answer = self.ask(json!({"type":"subscribe","topic":topic})).await;
        assert_eq!(answer, json!({"type":"subscribed","topic":topic}));
    }

    /// Everything that has come up to the answer of a ping.
    async fn up_to_now(&mut self) -> Vec<Value> {
        self.say(json!({"type":"ping"})).await;
        let mut all = Vec::new();
        loop {
            let heard = self.hear().await;
            if heard == json!({"type":"pong"}) {
                return all;
            }
            all.push(heard);
        }
    }

    async fn closed(&mut self) -> u16 {
        loop {
            match timeout(Duration::from_secs(20), self.0.recv())
                .await
                .unwrap()
            {
                Some(Ok(_)) => {}
                _ => return self.0.close_status().map_or(0, |status| status.code()),
            }
        }
    }
}

fn push(topic: &str, event: &str, payload: Value) -> Value {
    json!({"type":"push","topic":topic,"event":event,"payload":payload})
}

/// Waits until this is true.
async fn until(mut is_true: impl FnMut() -> bool) {
    timeout(Duration::from_secs(20), async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

fn kept(messages: usize) -> RelayConfig {
    RelayConfig::default().retention(move |_| Retention {
        messages,
        octets: 1 << 20,
        age: 60_000,
    })
}

// The plain messages: their texts to the letter.

#[tokio::test]
async fn plain_messages_have_their_plain_answers() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    for (said, heard) in [
        (
            r#"{"type":"subscribe","topic":"orders:new"}"#,
            r#"{"type":"subscribed","topic":"orders:new"}"#,
        ),
        (
            r#"{"type":"subscribe","topic":"orders:new"}"#,
            r#"{"type":"subscribed","topic":"orders:new"}"#,
        ),
        (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#),
        (
            r#"{"type":"message","topic":"orders:new","event":"placed","payload":{"total": 9.50}}"#,
            r#"{"type":"push","topic":"orders:new","event":"placed","payload":{"total": 9.50}}"#,
        ),
        (
            r#"{"type":"unsubscribe","topic":"orders:new"}"#,
            r#"{"type":"unsubscribed","topic":"orders:new"}"#,
        ),
        (
            r#"{"type":"unsubscribe","topic":"orders:new"}"#,
            r#"{"type":"unsubscribed","topic":"orders:new"}"#,
        ),
        (
            r#"{"type":"message","topic":"chat:lobby","event":"e","payload":1}"#,
            r#"{"type":"error","message":"not subscribed to chat:lobby"}"#,
        ),
        (
            "{",
            r#"{"type":"error","message":"invalid message: EOF while parsing an object at line 1 column 1"}"#,
        ),
    ] {
        client.0.send(said).await.unwrap();
        assert_eq!(client.text().await, heard);
    }
    assert_eq!(server.relay.hub().len(), 0);
}

#[tokio::test]
async fn s166_s182_the_endpoint_is_where_it_is_told_and_public_if_it_is_told() {
    use wireline::layer::auth::{Auth, Bearer, Refusal};
    let nobody = || {
        Auth::new(Bearer::by(async |_| {
            Err::<CurrentUser, _>(Refusal::invalid("nobody is let in"))
        }))
    };
    for (config, path, status) in [
        (RelayConfig::default(), "/ws", 401),
        (RelayConfig::default().public(), "/ws", 101),
        (
            RelayConfig::default().public().with_path("/realtime"),
            "/realtime",
            101,
        ),
        (
            RelayConfig::default().with_path("/realtime"),
            "/realtime",
            401,
        ),
    ] {
        let routes = Router::new()
            .with_relay(config)
            .layer(nobody())
            .build()
            .unwrap();
        let client = TestClient::new(routes);
        if status == 101 {
            client.websocket(path).await;
        }
        let answer = client
            .get(path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn binary_frames_are_ignored() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    client
        .0
        .send(Message::Binary(bytes::Bytes::from_static(b"{}")))
        .await
        .unwrap();
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
}

#[tokio::test]
async fn what_is_pushed_reaches_everybody_who_subscribes() {
    let server = serve(RelayConfig::default());
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    ann.subscribe("room:1").await;
    bob.subscribe("room:1").await;
    bob.subscribe("room:2").await;
    let published = server.relay.push("room:1", "say", "hi").await.unwrap();
    assert_eq!(published.subscribers, 2);
    let nobody = server.relay.push("room:3", "say", "hi").await.unwrap();
    assert_eq!((nobody.subscribers, nobody.epoch), (0, 0));
    assert_eq!(ann.hear().await, push("room:1", "say", json!("hi")));
    assert_eq!(bob.up_to_now().await, [push("room:1", "say", json!("hi"))]);
    assert!(server.relay.push("room *", "say", "hi").await.is_err());
}

#[tokio::test]
async fn the_sender_gets_his_own_message_unless_left_out() {
    let server = serve(RelayConfig::default());
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    ann.subscribe("a").await;
    let subscribed = bob
        .ask(json!({"type":"subscribe","topic":"a","ref":1}))
        .await;
    let offset = subscribed["offset"].as_u64().unwrap();
    let message = json!({"type":"message","topic":"a","event":"e","payload":null,"ref":2});
    let heard = [ann.ask(message).await, ann.hear().await];
    assert!(heard.contains(&push("a", "e", Value::Null)), "{heard:?}");
    assert!(heard.contains(&json!({"type":"ok","ref":2})), "{heard:?}");
    let hello = bob.ask(json!({"type":"hello"})).await;
    assert_eq!(hello, push("a", "e", Value::Null));
    let hello = bob.hear().await;
    let conn_id = hello["conn_id"].as_u64().unwrap();
    server
        .relay
        .push_from(conn_id, "a", "but bob", &1)
        .await
        .unwrap();
    server.relay.push("a", "all", &2).await.unwrap();
    assert_eq!(
        ann.up_to_now().await,
        [push("a", "but bob", json!(1)), push("a", "all", json!(2))]
    );
    assert_eq!(
        bob.up_to_now().await,
        [
            json!({"type":"skipped","topic":"a","count":1}),
            push("a", "all", json!(2))
        ]
    );
    // What a client counts is where the topic stands.
    let other = server.connect().await;
    let mut other = other;
    let subscribed = other
        .ask(json!({"type":"subscribe","topic":"a","ref":1}))
        .await;
    assert_eq!(subscribed["offset"].as_u64().unwrap(), offset + 3);
}

#[tokio::test]
async fn who_was_left_out_once_hears_what_comes_then_without_saying_anything() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    let hello = client.ask(json!({"type":"hello"})).await;
    let conn_id = hello["conn_id"].as_u64().unwrap();
    client.subscribe("a").await;
    for number in 0..3 {
        server
            .relay
            .push_from(conn_id, "a", "e", &number)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.relay.push("a", "e", &3).await.unwrap();
    let heard = timeout(Duration::from_secs(5), client.hear()).await;
    assert_eq!(heard.unwrap(), push("a", "e", json!(3)));
}

#[tokio::test]
async fn what_a_client_was_left_out_of_stays_so_when_it_subscribes_again() {
    let server = serve(kept(10));
    let mut client = server.connect().await;
    let hello = client.ask(json!({"type":"hello"})).await;
    let conn_id = hello["conn_id"].as_u64().unwrap();
    server.relay.push_from(conn_id, "a", "e", &1).await.unwrap();
    server.relay.push("a", "e", &2).await.unwrap();
    let subscribed = client
        .ask(json!({"type":"subscribe","topic":"a","rewind":9}))
        .await;
    assert_eq!(subscribed["offset"], 0);
    assert_eq!(
        client.up_to_now().await,
        [
            json!({"type":"skipped","topic":"a","count":1}),
            push("a", "e", json!(2))
        ]
    );
}

#[tokio::test]
async fn a_message_that_is_none_is_answered_with_its_ref() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    for (said, message) in [
        (
            json!({"type":"subscribe","topic":"a b","ref":5}),
            "invalid message: a topic is made of letters, digits and _ - : . / @ = , ~",
        ),
        (
            json!({"type":"subscribe","topic":"a","rewind":-1,"ref":5}),
            "invalid message: field `rewind`: invalid value: integer `-1`, expected u32 at line 1 column 2",
        ),
    ] {
        let refused = client.ask(said).await;
        assert_eq!(
            refused,
            json!({"type":"error","code":"invalid_message","message":message,"ref":5})
        );
    }
}

#[tokio::test]
async fn every_connection_has_its_own_number() {
    let server = serve(RelayConfig::default());
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        let hello = client.ask(json!({"type":"hello","ref":"x"})).await;
        assert_eq!(
            (&hello["type"], &hello["ref"]),
            (&json!("hello"), &json!("x"))
        );
        assert!(hello.get("user").is_none());
        let id = hello["conn_id"].as_u64().unwrap();
        assert!(!seen.contains(&id));
        seen.push(id);
    }
    let mut ann = server.connect_as("ann").await;
    let hello = ann.ask(json!({"type":"hello"})).await;
    assert_eq!(hello["user"], "ann");
}

// Limits.

#[tokio::test]
async fn there_are_so_many_subscriptions_and_no_more() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    for number in 0..50 {
        client.subscribe(&format!("t:{number}")).await;
    }
    client.subscribe("t:7").await;
    let refused = client.ask(json!({"type":"subscribe","topic":"t:50"})).await;
    let message = "subscription limit reached (max 50)";
    assert_eq!(refused, json!({"type":"error","message":message}));
    let refused = client
        .ask(json!({"type":"subscribe","topic":"t:50","ref":1,"join":4}))
        .await;
    assert_eq!(
        refused,
        json!({"type":"error","topic":"t:50","code":"subscription_limit","message":message,"join":4,"ref":1})
    );
    assert_eq!(server.relay.hub().len(), 50);
    let answer = client
        .ask(json!({"type":"unsubscribe","topic":"t:0"}))
        .await;
    assert_eq!(answer["type"], "unsubscribed");
    client.subscribe("t:50").await;
    assert_eq!(server.relay.stats().subscriptions, 50);
}

#[tokio::test]
async fn no_task_stands_behind_a_subscription() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    client.subscribe("t:0").await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    for number in 1..50 {
        client.subscribe(&format!("t:{number}")).await;
    }
    server.relay.push("t:49", "e", &1).await.unwrap();
    assert_eq!(client.hear().await, push("t:49", "e", json!(1)));
    assert_eq!(tasks(), before);
}

#[tokio::test]
async fn a_client_that_says_too_much_is_told_and_one_that_says_too_long_things_is_closed() {
    let server = serve(
        RelayConfig::default()
            .message_rate(Some(Rate::new(1, 3)))
            .max_message(100),
    );
    let mut client = server.connect().await;
    for _ in 0..3 {
        assert_eq!(
            client.ask(json!({"type":"ping"})).await,
            json!({"type":"pong"})
        );
    }
    let refused = client.ask(json!({"type":"ping","ref":1})).await;
    assert_eq!(
        refused,
        json!({"type":"error","code":"rate_limited","message":"too many messages","ref":1})
    );
    assert_eq!(server.relay.stats().rate_limited, 1);
    client
        .say(json!({"type":"ping","ref":"x".repeat(100)}))
        .await;
    assert_eq!(client.closed().await, 1009);
}

#[tokio::test]
async fn a_client_that_says_too_many_octets_is_told_whatever_they_are() {
    let server = serve(
        RelayConfig::default()
            .message_rate(None)
            .octet_rate(Some(Rate::new(1, 300))),
    );
    let mut client = server.connect().await;
    let long = json!({"type":"ping","ref":"x".repeat(200)});
    assert_eq!(client.ask(long.clone()).await["type"], "pong");
    let refused = client.ask(long.clone()).await;
    assert_eq!(refused["code"], "rate_limited");
    // What was refused does not count, so that there is room for a short one.
    assert_eq!(
        client.ask(json!({"type":"ping"})).await,
        json!({"type":"pong"})
    );
    // What is no message does.
    let nothing = client.ask(json!("x".repeat(200))).await;
    assert_eq!(nothing["message"], "too many messages");
    assert_eq!(server.relay.stats().rate_limited, 2);
}

#[tokio::test]
async fn a_message_that_is_as_long_as_it_may_be_is_not_too_many_octets() {
    let server = serve(RelayConfig::default().max_message(8 << 20));
    let mut client = server.connect().await;
    let long = json!({"type":"ping","filling":"x".repeat(5 << 20)});
    assert_eq!(client.ask(long).await, json!({"type":"pong"}));
}

#[tokio::test]
async fn a_client_that_says_too_much_may_leave_all_the_same() {
    let server = serve(RelayConfig::default().message_rate(Some(Rate::new(1, 3))));
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    let ping = json!({"type":"ping"});
    assert_eq!(client.ask(ping.clone()).await["type"], "pong");
    assert_eq!(client.ask(ping).await["message"], "too many messages");
    // An end of another subscription ends nothing.
    let other = json!({"type":"unsubscribe","topic":"a","join":9});
    assert_eq!(client.ask(other).await["message"], "too many messages");
    for topic in ["a", "b"] {
        let unsubscribe = json!({"type":"unsubscribe","topic":topic});
        let answer = client.ask(unsubscribe).await;
        assert_eq!(answer, json!({"type":"unsubscribed","topic":topic}));
    }
    assert!(server.relay.hub().is_empty());
    // There is nothing left to end.
    let again = json!({"type":"unsubscribe","topic":"b"});
    assert_eq!(client.ask(again).await["message"], "too many messages");
    assert_eq!(server.relay.stats().rate_limited, 3);
}

#[tokio::test]
async fn a_client_that_subscribes_too_often_is_told() {
    let server = serve(
        RelayConfig::default()
            .subscription_rate(Some(Rate::new(1, 3)))
            .message_rate(None),
    );
    let mut client = server.connect().await;
    // To one topic again and again, too.
    for topic in ["a", "b", "a"] {
        client.subscribe(topic).await;
    }
    let refused = client
        .ask(json!({"type":"subscribe","topic":"c","ref":1,"join":4}))
        .await;
    assert_eq!(
        refused,
        json!({"type":"error","topic":"c","code":"rate_limited","message":"too many subscriptions","join":4,"ref":1})
    );
    let stats = server.relay.stats();
    assert_eq!((stats.subscriptions_limited, stats.rate_limited), (1, 0));
    assert_eq!((stats.subscriptions, stats.topics), (2, 2));
    // Everything else goes on, and what the server wants does not count.
    let pong = client.ask(json!({"type":"ping"})).await;
    assert_eq!(pong, json!({"type":"pong"}));
    let hello = client.ask(json!({"type":"hello","ref":0})).await;
    let conn_id = hello["conn_id"].as_u64().unwrap();
    assert_eq!(server.relay.subscribe(conn_id, "d").unwrap(), 1);
    assert_eq!(client.hear().await["topic"], "d");
    // Each connection has its own, and a second later there is room for one.
    server.connect().await.subscribe("c").await;
    loop {
        let answer = client.ask(json!({"type":"subscribe","topic":"c"})).await;
        if answer["type"] == "subscribed" {
            break;
        }
        assert_eq!(answer["message"], "too many subscriptions");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn topics_without_a_handler_can_be_refused() {
    let server = serve(RelayConfig::default().unmatched(Unmatched::Reject));
    let mut client = server.connect().await;
    let refused = client
        .ask(json!({"type":"subscribe","topic":"a","ref":1}))
        .await;
    assert_eq!(
        refused,
        json!({"type":"error","topic":"a","code":"unknown_topic","message":"unknown topic a","ref":1})
    );
    assert_eq!(server.relay.hub().len(), 0);
}

// History.

#[tokio::test]
async fn who_comes_back_gets_what_it_missed() {
    let server = serve(kept(3));
    let mut client = server.connect().await;
    let subscribed = client
        .ask(json!({"type":"subscribe","topic":"a","ref":1}))
        .await;
    assert_eq!(subscribed["offset"], 0);
    assert_eq!(subscribed["recovered"], true);
    let epoch = subscribed["epoch"].as_u64().unwrap();
    assert!(epoch > 0 && epoch < 1 << 53);
    server.relay.push("a", "e", &1).await.unwrap();
    assert_eq!(client.hear().await, push("a", "e", json!(1)));
    drop(client);
    for number in 2..=4 {
        server.relay.push("a", "e", &number).await.unwrap();
    }
    let mut back = server.connect().await;
    let since = json!({"type":"subscribe","topic":"a","epoch":epoch,"offset":1});
    let subscribed = back.ask(since).await;
    assert_eq!(
        subscribed,
        json!({"type":"subscribed","topic":"a","epoch":epoch,"offset":1,"recovered":true})
    );
    server.relay.push("a", "e", &5).await.unwrap();
    let expected: Vec<Value> = (2..=5)
        .map(|number| push("a", "e", json!(number)))
        .collect();
    assert_eq!(back.up_to_now().await, expected);
    // Now 3, 4 and 5 are kept: 2 is not.
    let mut late = server.connect().await;
    let since = json!({"type":"subscribe","topic":"a","epoch":epoch,"offset":1,"ref":1});
    let subscribed = late.ask(since).await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["offset"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(late.up_to_now().await, expected[1..]);
    let mut stranger = server.connect().await;
    let since = json!({"type":"subscribe","topic":"a","epoch":epoch + 1,"offset":5});
    let subscribed = stranger.ask(since).await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["offset"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(stranger.up_to_now().await, expected[1..]);
}

#[tokio::test]
async fn the_last_value_and_the_newest_few() {
    let server = serve(kept(10));
    for number in 1..=5 {
        server.relay.push("a", "e", &number).await.unwrap();
    }
    for (rewind, first) in [(0, 6), (1, 5), (3, 3), (99, 1)] {
        let mut client = server.connect().await;
        let subscribed = client
            .ask(json!({"type":"subscribe","topic":"a","rewind":rewind}))
            .await;
        assert_eq!(
            (&subscribed["offset"], &subscribed["recovered"]),
            (&json!(first - 1), &json!(true))
        );
        let expected: Vec<Value> = (first..=5)
            .map(|number| push("a", "e", json!(number)))
            .collect();
        assert_eq!(client.up_to_now().await, expected, "{rewind}");
    }
}

#[tokio::test]
async fn a_slow_client_is_told_how_much_it_missed() {
    let live = || RelayConfig::default().with_topic_capacity(4);
    let plain = json!({"type":"subscribe","topic":"a"});
    let counting = json!({"type":"subscribe","topic":"a","ref":1});
    for (config, subscribe, delay) in [
        (live(), &plain, 0),
        (live(), &counting, 0),
        (kept(3).with_topic_capacity(4), &counting, 0),
        (live(), &plain, 1_000),
    ] {
        let server = serve(config);
        let mut slow = server.connect().await;
        slow.say(json!({"type":"batch","delay":delay})).await;
        slow.ask(subscribe.clone()).await;
        let long = "x".repeat(16 << 10);
        let mut epoch = 0;
        for number in 1..=100 {
            let published = server.relay.push("a", "e", &(number, &long)).await;
            epoch = published.unwrap().epoch;
            tokio::task::yield_now().await;
        }
        // What came, and what was told to be missing: each of them once, in order.
        let (mut had, mut missed) = (0, 0);
        while had < 100 {
            let all = match slow.hear().await {
                Value::Array(batch) => batch,
                one => vec![one],
            };
            for heard in all {
                if heard["type"] == "lagged" {
                    let count = heard["missed"].as_u64().unwrap();
                    let (first, last) = (had + 1, had + count);
                    assert_eq!(
                        heard,
                        json!({"type":"lagged","topic":"a","missed":count,"epoch":epoch,"first":first,"last":last})
                    );
                    had = last;
                    missed += count;
                } else {
                    had += 1;
                    assert_eq!(heard["payload"][0], had);
                }
            }
        }
        assert_eq!(had, 100);
        assert!(missed > 0, "{subscribe} {delay}");
        let stats = server.relay.stats();
        assert_eq!(stats.dropped, missed);
        assert!(stats.lagged > 0);
    }
}

/// It is told where the gap is, and of how many of those there it was not left out.
#[tokio::test]
async fn what_a_slow_client_was_left_out_of_it_has_not_missed() {
    let server = serve(RelayConfig::default().with_topic_capacity(4));
    let mut slow = server.connect().await;
    let hello = slow.ask(json!({"type":"hello","ref":0})).await;
    let own = hello["conn_id"].as_u64().unwrap();
    slow.subscribe("a").await;
    let long = "x".repeat(16 << 10);
    for number in 1..=300 {
        let payload = (number, &long);
        // Two of three are its own.
        match number % 3 {
            0 => server.relay.push("a", "e", &payload).await.unwrap(),
            _ => (server.relay.push_from(own, "a", "e", &payload).await).unwrap(),
        };
        tokio::task::yield_now().await;
    }
    let own_of = |first: u64, last: u64| (first..=last).filter(|number| number % 3 != 0).count();
    let (mut had, mut missed) = (0, 0);
    while had < 300 {
        let heard = slow.hear().await;
        let next = if heard["type"] == "lagged" {
            let place = |name: &str| heard[name].as_u64().unwrap();
            let (count, first, last) = (place("missed"), place("first"), place("last"));
            assert_eq!(last - first + 1 - own_of(first, last) as u64, count);
            missed += count;
            (first, last)
        } else {
            let number = heard["payload"][0].as_u64().unwrap();
            (number, number)
        };
        // Between both there is none of others.
        assert_eq!(own_of(had + 1, next.0 - 1) as u64, next.0 - 1 - had);
        had = next.1;
    }
    assert!(missed > 0);
    assert_eq!(server.relay.stats().dropped, missed);
}

#[tokio::test]
async fn what_happens_to_a_slow_client_can_be_chosen() {
    let long = "x".repeat(16 << 10);
    for (config, code) in [
        (
            RelayConfig::default()
                .overflow(Overflow::Close)
                .with_topic_capacity(4),
            1013,
        ),
        (RelayConfig::default().max_waiting(100_000), 1013),
        (
            RelayConfig::default()
                .max_waiting(100_000)
                .waiting_overflow(Overflow::DropOldest),
            0,
        ),
    ] {
        let server = serve(config);
        let mut slow = server.connect().await;
        slow.subscribe("a").await;
        for number in 0..100 {
            server.relay.push("a", "e", &(number, &long)).await.unwrap();
            tokio::task::yield_now().await;
        }
        if code == 0 {
            let mut counted = 0;
            while counted < 100 {
                let heard = slow.hear().await;
                counted += heard["missed"].as_u64().unwrap_or(1);
            }
            assert_eq!(counted, 100);
            assert!(server.relay.stats().dropped > 0);
        } else {
            assert_eq!(slow.closed().await, code);
            assert_eq!(server.relay.stats().closed_slow, 1);
        }
    }
}

// Presence.

#[tokio::test]
async fn who_is_present_is_told_and_every_change() {
    let server = serve(RelayConfig::default().presence("room:*"));
    let mut ann = server.connect_as("ann").await;
    ann.say(json!({"type":"subscribe","topic":"room:1","presence":true,"payload":{"age":3}}))
        .await;
    assert_eq!(
        ann.hear().await,
        json!({"type":"subscribed","topic":"room:1"})
    );
    let state = ann.hear().await;
    let id = state["members"][0]["conn_id"].as_u64().unwrap();
    assert_eq!(
        state,
        json!({"type":"presence_state","topic":"room:1","members":[{"conn_id":id,"user":"ann","meta":{"age":3}}]})
    );
    let mut other = server.connect_as("ann").await;
    other.subscribe("room:1").await;
    let joined = ann.hear().await;
    let other_id = joined["joined"][0]["conn_id"].as_u64().unwrap();
    let second = json!({"conn_id":other_id,"user":"ann","meta":{}});
    assert_eq!(
        joined,
        json!({"type":"presence_diff","topic":"room:1","joined":[second],"left":[]})
    );
    let relay = &server.relay;
    assert_eq!(
        (
            relay.presence_count("room:1"),
            relay.presence_users("room:1")
        ),
        (2, 1)
    );
    assert!(
        relay
            .track("room:1", other_id, &json!({"away":true}))
            .unwrap()
    );
    let changed = ann.hear().await;
    assert_eq!(changed["joined"][0]["meta"], json!({"away":true}));
    drop(other);
    let left = ann.hear().await;
    assert_eq!(
        left,
        json!({"type":"presence_diff","topic":"room:1","joined":[],"left":[{"conn_id":other_id,"user":"ann","meta":{"away":true}}]})
    );
    assert!(
        !relay.track("room:1", other_id, &1).unwrap(),
        "a connection that is not there"
    );
    let entries = relay.presence("room:1");
    assert_eq!((entries.len(), entries[0].conn_id), (1, id));
    assert_eq!(
        serde_json::to_value(&entries[0]).unwrap(),
        json!({"conn_id":id,"user":"ann","meta":{"age":3}})
    );
    assert!(relay.untrack("room:1", id).unwrap());
    assert!(!relay.untrack("room:1", id).unwrap());
    assert_eq!(ann.hear().await["left"][0]["conn_id"], id);
    drop(ann);
    until(|| server.relay.hub().is_empty()).await;
    assert_eq!(server.relay.stats().connections, 0);
}

#[tokio::test]
async fn of_very_many_who_are_present_a_thousand_are_told_and_that_there_are_more() {
    let server = serve(RelayConfig::default().presence("room:*"));
    let mut guests = Vec::new();
    for _ in 0..999 {
        let mut guest = server.connect().await;
        guest.subscribe("room:1").await;
        guests.push(guest);
    }
    let watch = json!({"type":"subscribe","topic":"room:1","presence":true});
    // The thousandth sees all of them, itself among them; the next one does not.
    for more in [None, Some(&json!(true))] {
        let mut client = server.connect().await;
        assert_eq!(client.ask(watch.clone()).await["type"], "subscribed");
        let state = client.hear().await;
        assert_eq!(state["type"], "presence_state");
        assert_eq!(
            (state["members"].as_array().map(Vec::len), state.get("more")),
            (Some(1000), more)
        );
        guests.push(client);
    }
    assert_eq!(server.relay.presence_count("room:1"), 1001);
}

// Channel handlers.

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn room(
    event: RelayEvent,
    relay: Relay,
    user: Option<CurrentUser>,
    State(seen): State<Seen>,
) -> Result<Option<Json<Value>>, Error> {
    let user = user.map_or_else(|| "-".to_owned(), |user| user.id().to_owned());
    match event {
        RelayEvent::Join {
            topic,
            conn_id,
            payload,
        } => {
            seen.note(format!("join {topic} {user} {payload:?}"));
            if payload.get() == r#""no""# {
                return Err(Error::new(http::StatusCode::FORBIDDEN, "not you"));
            }
            relay
                .track(&topic, conn_id, &json!({}))
                .map_err(Error::internal)?;
            let online = relay.presence_count(&topic);
            relay
                .push(&topic, "user_joined", &json!({"online":online}))
                .await
                .map_err(Error::internal)?;
            Ok(Some(Json(json!({"welcome":user}))))
        }
        RelayEvent::Message {
            topic,
            event,
            payload,
            ..
        } => {
            if event == "fail" {
                return Err(Error::new(http::StatusCode::BAD_REQUEST, "no good"));
            }
            if event == "panic" {
                panic!("as asked");
            }
            seen.note(format!("message {topic} {event}"));
            relay
                .push(&topic, &event, &json!([user, payload]))
                .await
                .map_err(Error::internal)?;
            Ok(None)
        }
        RelayEvent::Leave { topic, .. } => {
            let online = relay.presence_count(&topic);
            relay
                .push(&topic, "user_left", &json!({"online":online}))
                .await
                .map_err(Error::internal)?;
            seen.note(format!("leave {topic} {user} {online}"));
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn rooms() -> (Seen, Server) {
    let seen = Seen::default();
    let config = RelayConfig::default().channel("room:*", room);
    let server = serve_with(config, Router::new().state(seen.clone()));
    (seen, server)
}

#[tokio::test]
async fn s80_a_handler_decides_about_joins_takes_messages_and_is_told_of_leaves() {
    let (seen, server) = rooms();
    let mut ann = server.connect_as("ann").await;
    let refused = ann
        .ask(json!({"type":"subscribe","topic":"room:1","payload":"no"}))
        .await;
    assert_eq!(
        refused,
        json!({"type":"error","message":"join rejected: not you"})
    );
    assert!(server.relay.hub().is_empty());
    let joined = ann
        .ask(json!({"type":"subscribe","topic":"room:1","payload":{"a": 1},"ref":1,"join":5}))
        .await;
    assert_eq!(
        (&joined["reply"], &joined["join"], &joined["type"]),
        (&json!({"welcome":"ann"}), &json!(5), &json!("subscribed"))
    );
    assert_eq!(
        ann.hear().await,
        push("room:1", "user_joined", json!({"online":1}))
    );
    let mut bob = server.connect_as("bob").await;
    let joined = bob.ask(json!({"type":"subscribe","topic":"room:1"})).await;
    assert_eq!(
        joined,
        json!({"type":"subscribed","topic":"room:1","reply":{"welcome":"bob"}})
    );
    assert_eq!(
        bob.hear().await,
        push("room:1", "user_joined", json!({"online":2}))
    );
    let say = json!({"type":"message","topic":"room:1","event":"say","payload":"hi","ref":7});
    let heard = [bob.ask(say).await, bob.hear().await];
    assert!(
        heard.contains(&push("room:1", "say", json!(["bob", "hi"]))),
        "{heard:?}"
    );
    assert!(heard.contains(&json!({"type":"ok","ref":7})), "{heard:?}");
    let failed = bob
        .ask(json!({"type":"message","topic":"room:1","event":"fail","payload":1}))
        .await;
    assert_eq!(
        failed,
        json!({"type":"error","message":"message handler error: no good"})
    );
    let failed = bob
        .ask(json!({"type":"message","topic":"room:1","event":"panic","payload":1,"ref":8}))
        .await;
    assert_eq!(
        failed,
        json!({"type":"error","topic":"room:1","code":"handler_error","message":"message handler error: internal server error","ref":8})
    );
    drop(bob);
    until(|| seen.0.lock().unwrap().len() >= 5).await;
    for (event, payload) in [
        ("user_joined", json!({"online":2})),
        ("say", json!(["bob", "hi"])),
        ("user_left", json!({"online":1})),
    ] {
        assert_eq!(ann.hear().await, push("room:1", event, payload));
    }
    let answer = ann
        .ask(json!({"type":"unsubscribe","topic":"room:1"}))
        .await;
    assert_eq!(answer["type"], "unsubscribed");
    until(|| seen.0.lock().unwrap().len() >= 6).await;
    assert_eq!(
        seen.take(),
        [
            "join room:1 ann \"no\"",
            "join room:1 ann {\"a\":1}",
            "join room:1 bob null",
            "message room:1 say",
            "leave room:1 bob 1",
            "leave room:1 ann 0",
        ]
    );
    // Other topics have no handler, and are for everybody.
    ann.subscribe("lobby").await;
}

/// A handler that waits until it may go on.
/// A Leave belongs to a Join that was let in.
#[tokio::test]
async fn nobody_leaves_who_was_not_there() {
    let (seen, server) = rooms();
    let mut client = server.connect().await;
    let unsubscribe = json!({"type":"unsubscribe","topic":"room:1","ref":1});
    client.say(unsubscribe.clone()).await;
    client
        .say(json!({"type":"subscribe","topic":"room:1"}))
        .await;
    for _ in 0..2 {
        client.say(unsubscribe.clone()).await;
    }
    let mut answers = 0;
    while answers < 3 {
        let heard = client.hear().await;
        answers += usize::from(heard == json!({"type":"unsubscribed","topic":"room:1","ref":1}));
    }
    // What it says next has its turn after all of that.
    client
        .say(json!({"type":"subscribe","topic":"room:2","payload":"no"}))
        .await;
    while client.hear().await["type"] != "error" {}
    let told: Vec<String> = seen.take();
    let about = |word: &str| told.iter().filter(|event| event.starts_with(word)).count();
    assert_eq!((about("join room:1"), about("leave")), (1, 1), "{told:?}");
}

#[derive(Clone, Default)]
struct Gate(Arc<Notify>, Seen);

async fn gated(event: RelayEvent, _: Relay, State(gate): State<Gate>) -> Result<(), Error> {
    gate.1.note(match &event {
        RelayEvent::Join { .. } => "join",
        RelayEvent::Message { .. } => "message",
        _ => "leave",
    });
    if let RelayEvent::Join { payload, .. } = &event {
        gate.0.notified().await;
        if payload.get() == "false" {
            return Err(Error::new(http::StatusCode::FORBIDDEN, "no"));
        }
    }
    if matches!(event, RelayEvent::Message { .. }) {
        gate.0.notified().await;
    }
    Ok(())
}

fn gated_server() -> (Gate, Server) {
    let gate = Gate::default();
    let config = RelayConfig::default().channel("g:*", gated);
    let server = serve_with(config, Router::new().state(gate.clone()));
    (gate, server)
}

#[tokio::test]
async fn nothing_reaches_a_client_before_it_is_let_in_and_nothing_is_lost() {
    let (gate, server) = gated_server();
    for is_let_in in [true, false] {
        let mut client = server.connect().await;
        client.subscribe("other").await;
        let subscribe = json!({"type":"subscribe","topic":"g:1","payload":is_let_in,"ref":1});
        client.say(subscribe).await;
        until(|| gate.1.take() == ["join"]).await;
        server.relay.push("g:1", "e", &1).await.unwrap();
        server.relay.push("other", "e", &2).await.unwrap();
        // Pushes of others and pings go on.
        assert_eq!(client.up_to_now().await, [push("other", "e", json!(2))]);
        gate.0.notify_one();
        let decided = client.hear().await;
        if is_let_in {
            assert_eq!(
                (&decided["type"], &decided["offset"]),
                (&json!("subscribed"), &json!(0))
            );
            assert_eq!(client.hear().await, push("g:1", "e", json!(1)));
            server.relay.push("g:1", "e", &3).await.unwrap();
            assert_eq!(client.hear().await, push("g:1", "e", json!(3)));
        } else {
            assert_eq!(decided["code"], "join_rejected");
            server.relay.push("g:1", "e", &3).await.unwrap();
            assert_eq!(client.up_to_now().await, [] as [Value; 0]);
        }
        drop(client);
        until(|| server.relay.hub().is_empty()).await;
        gate.1.take();
    }
}

/// A handler that notes what it has done, and does nothing before its door is open.
#[derive(Clone)]
struct Door(Arc<Semaphore>, Seen);

async fn shut(event: RelayEvent, _: Relay, State(door): State<Door>) -> Result<(), Error> {
    if let RelayEvent::Message { payload, .. } = &event {
        door.0.acquire().await.unwrap().forget();
        door.1.note(payload.get());
    }
    Ok(())
}

fn shut_server() -> (Door, Server) {
    let door = Door(Arc::new(Semaphore::new(0)), Seen::default());
    let config = RelayConfig::default()
        .channel("g:*", shut)
        .message_rate(None)
        .octet_rate(None);
    let server = serve_with(config, Router::new().state(door.clone()));
    (door, server)
}

impl Client {
    /// Waits for the answer of a WebSocket's ping.
    async fn ping(&mut self) {
        self.0.send_ping("are you there").await.unwrap();
        let pong = timeout(Duration::from_secs(20), self.0.recv()).await;
        let pong = pong.unwrap().unwrap().unwrap();
        assert!(matches!(pong, Message::Pong(_)), "{pong:?}");
    }
}

#[tokio::test]
async fn a_handler_that_takes_its_time_with_a_message_stops_no_pushes_and_no_pings() {
    let (door, server) = shut_server();
    let mut client = server.connect().await;
    client.subscribe("g:1").await;
    client.subscribe("other").await;
    let say = json!({"type":"message","topic":"g:1","event":"e","payload":0,"ref":0});
    client.say(say).await;
    for topic in ["g:1", "other"] {
        server.relay.push(topic, "e", &1).await.unwrap();
        assert_eq!(client.hear().await, push(topic, "e", json!(1)));
    }
    client.ping().await;
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
    door.0.add_permits(1);
    assert_eq!(client.hear().await, json!({"type":"ok","ref":0}));
}

#[tokio::test]
async fn a_client_that_says_more_than_may_wait_for_a_handler_is_told_and_is_not_left_alone() {
    let (door, server) = shut_server();
    let mut client = server.connect().await;
    client.subscribe("g:1").await;
    client.subscribe("other").await;
    // One is being handled, and so many wait.
    let taken = 1 + 1024;
    let say = |number: usize| json!({"type":"message","topic":"g:1","event":"e","payload":number,"ref":number});
    for number in 0..taken {
        client.say(say(number)).await;
    }
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
    // Whatever needs a turn is refused, each with its `ref`; a subscription can be asked for again.
    let refused = |more: Value| {
        let mut told =
            json!({"type":"error","code":"rate_limited","message":"too many messages are waiting"});
        told.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        told
    };
    assert_eq!(
        client.ask(say(taken)).await,
        refused(json!({"topic":"g:1","ref":taken}))
    );
    // Behind them there is room for as many subscriptions as may be, and behind those for their ends: nobody who has left is kept.
    let subscribe = json!({"type":"subscribe","topic":"new","ref":"s","join":7});
    for _ in 0..50 {
        client.say(subscribe.clone()).await;
    }
    assert_eq!(
        client.ask(subscribe).await,
        refused(json!({"topic":"new","ref":"s","join":7}))
    );
    let unsubscribe = json!({"type":"unsubscribe","topic":"new","ref":"u"});
    for _ in 0..50 {
        client.say(unsubscribe.clone()).await;
    }
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
    assert_eq!(
        client.ask(unsubscribe).await,
        refused(json!({"topic":"new","ref":"u"}))
    );
    assert_eq!(server.relay.stats().rate_limited, 3);
    assert_eq!(server.relay.stats().subscriptions_limited, 0);
    // Everything else goes on.
    client.ping().await;
    let ping = json!({"type":"ping","ref":1});
    assert_eq!(client.ask(ping).await, json!({"type":"pong","ref":1}));
    let hello = client.ask(json!({"type":"hello"})).await;
    assert_eq!(hello["type"], "hello");
    let unknown = client
        .ask(json!({"type":"call","method":"m","ref":2}))
        .await;
    assert_eq!(unknown["code"], "unknown_method");
    for topic in ["g:1", "other"] {
        server.relay.push(topic, "e", &1).await.unwrap();
        assert_eq!(client.hear().await, push(topic, "e", json!(1)));
    }
    // Then all that was taken is done, in order, and there is room again.
    door.0.add_permits(taken + 1);
    for number in 0..taken {
        assert_eq!(client.hear().await, json!({"type":"ok","ref":number}));
    }
    for told in ["subscribed", "unsubscribed"] {
        for _ in 0..50 {
            assert_eq!(client.hear().await["type"], told);
        }
    }
    assert_eq!(server.relay.hub().len(), 2, "g:1 and other");
    let order: Vec<String> = (0..taken).map(|number| number.to_string()).collect();
    assert_eq!(door.1.take(), order);
    assert_eq!(
        client.ask(say(taken)).await,
        json!({"type":"ok","ref":taken})
    );
}

#[tokio::test]
async fn long_messages_that_wait_for_a_handler_are_bounded_by_their_octets() {
    let (door, server) = shut_server();
    let mut client = server.connect().await;
    client.subscribe("g:1").await;
    // 4 MiB may wait, and the one that goes beyond; one more is being handled.
    let fill = "x".repeat(63 << 10);
    let say = json!({"type":"message","topic":"g:1","event":"e","payload":fill,"ref":1});
    let taken = 1 + (4_usize << 20).div_ceil(say.to_string().len());
    for _ in 0..taken {
        client.say(say.clone()).await;
    }
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
    assert_eq!(client.ask(say.clone()).await["code"], "rate_limited");
    door.0.add_permits(taken);
    for _ in 0..taken {
        assert_eq!(client.hear().await, json!({"type":"ok","ref":1}));
    }
}

#[tokio::test]
async fn who_is_let_in_after_it_has_gone_leaves_again() {
    let (gate, server) = gated_server();
    let client = server.connect().await;
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    until(|| gate.1.take() == ["join"]).await;
    drop(client);
    until(|| server.relay.stats().connections == 0).await;
    gate.0.notify_one();
    until(|| gate.1.take() == ["leave"]).await;
    assert!(server.relay.hub().is_empty());
    assert_eq!(server.relay.stats().subscriptions, 0);
}

#[tokio::test]
async fn a_connection_whose_task_is_dropped_gives_everything_back_and_its_handlers_are_told() {
    let gate = Gate::default();
    let relay = Relay::new(RelayConfig::default().channel("g:*", gated).presence("*"));
    let routes = Router::new()
        .relay(&relay)
        .state(gate.clone())
        .build()
        .unwrap();
    let server = wireline::Server::new(routes)
        .signals(false)
        .bind("127.0.0.1:0")
        .start()
        .unwrap();
    let url = format!("{}/ws", server.handle().bound()[0]).replace("http", "ws");
    let mut client = Client(wireline::ws::client::connect(&url).await.unwrap());
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    gate.0.notify_one();
    assert_eq!(client.hear().await["type"], "subscribed");
    client.subscribe("other").await;
    // A second join is never decided.
    client.say(json!({"type":"subscribe","topic":"g:2"})).await;
    until(|| gate.1.0.lock().unwrap().len() == 2).await;
    assert_eq!(relay.hub().len(), 3);
    server.handle().stop();
    server.handle().force();
    server.wait().await;
    until(|| relay.hub().is_empty()).await;
    until(|| gate.1.0.lock().unwrap().len() == 3).await;
    assert_eq!(gate.1.take(), ["join", "join", "leave"]);
    assert_eq!(
        (relay.stats().connections, relay.stats().subscriptions),
        (0, 0)
    );
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_dropped() {
    let gate = Gate::default();
    let config = RelayConfig::default()
        .channel("g:*", gated)
        .handler_timeout(Duration::from_millis(30));
    let server = serve_with(config, Router::new().state(gate.clone()));
    let mut client = server.connect().await;
    let refused = client.ask(json!({"type":"subscribe","topic":"g:1"})).await;
    assert_eq!(refused["message"], "join rejected: it took too long");
    until(|| server.relay.hub().is_empty()).await;
}

#[tokio::test]
async fn the_server_unsubscribes_while_a_handler_is_busy_and_the_handler_is_told_before_the_next_join()
 {
    let (gate, server) = gated_server();
    let mut client = server.connect().await;
    let hello = client.ask(json!({"type":"hello"})).await;
    let conn_id = hello["conn_id"].as_u64().unwrap();
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    gate.0.notify_one();
    assert_eq!(client.hear().await["type"], "subscribed");
    client
        .say(json!({"type":"message","topic":"g:1","event":"e"}))
        .await;
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    until(|| gate.1.0.lock().unwrap().len() == 2).await;
    server.relay.unsubscribe(conn_id, "g:1").unwrap();
    assert_eq!(client.hear().await["type"], "unsubscribed");
    until(|| server.relay.hub().is_empty()).await;
    gate.0.notify_one();
    until(|| gate.1.0.lock().unwrap().len() == 4).await;
    assert_eq!(gate.1.take(), ["join", "message", "leave", "join"]);
    gate.0.notify_one();
    assert_eq!(client.hear().await["type"], "subscribed");
}

#[tokio::test]
async fn messages_of_a_client_are_handled_in_order_and_those_it_sent_before_it_left_as_well() {
    let (gate, server) = gated_server();
    let mut client = server.connect().await;
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    gate.0.notify_one();
    assert_eq!(client.hear().await["type"], "subscribed");
    for _ in 0..3 {
        client
            .say(json!({"type":"message","topic":"g:1","event":"e","payload":1}))
            .await;
    }
    client
        .say(json!({"type":"unsubscribe","topic":"g:1"}))
        .await;
    client.say(json!({"type":"subscribe","topic":"g:1"})).await;
    until(|| gate.1.0.lock().unwrap().len() == 2).await;
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
    drop(client);
    until(|| server.relay.hub().is_empty()).await;
    for _ in 0..3 {
        gate.0.notify_one();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(|| gate.1.0.lock().unwrap().len() == 5).await;
    assert_eq!(
        gate.1.take(),
        ["join", "message", "message", "message", "leave"]
    );
    assert_eq!(server.relay.stats().connections, 0);
}

#[tokio::test]
async fn s78_what_a_handler_wants_and_nobody_gives_is_told_when_the_router_is_built() {
    let config = || RelayConfig::default().channel("room:*", room);
    let forgotten = Router::new().with_relay(config()).build().unwrap_err();
    assert!(forgotten.to_string().contains("Seen"), "{forgotten}");
    let twice = config().channel("room:*", gated);
    let twice = Router::new().with_relay(twice).build().unwrap_err();
    assert!(twice.to_string().contains("room:*"), "{twice}");
    async fn wants(relay: Relay) -> String {
        relay.path().to_owned()
    }
    let forgotten = Router::new().get("/", wants).build().unwrap_err();
    assert!(forgotten.to_string().contains("with_relay"), "{forgotten}");
}

// What the server does.

#[tokio::test]
async fn the_server_subscribes_unsubscribes_and_disconnects() {
    let server = serve(kept(10));
    let (mut ann, mut phone) = (
        server.connect_as("ann").await,
        server.connect_as("ann").await,
    );
    until(|| server.relay.stats().connections == 2).await;
    server.relay.push("news", "e", &0).await.unwrap();
    assert_eq!(server.relay.subscribe("ann", "news").unwrap(), 2);
    for client in [&mut ann, &mut phone] {
        let subscribed = client.hear().await;
        assert_eq!(
            (
                &subscribed["type"],
                &subscribed["topic"],
                &subscribed["offset"]
            ),
            (&json!("subscribed"), &json!("news"), &json!(1))
        );
    }
    let id = ann.ask(json!({"type":"hello"})).await["conn_id"]
        .as_u64()
        .unwrap();
    assert_eq!(server.relay.unsubscribe(id, "news").unwrap(), 1);
    assert_eq!(
        ann.hear().await,
        json!({"type":"unsubscribed","topic":"news","code":"server","message":"unsubscribed by the server"})
    );
    assert_eq!(
        server
            .relay
            .push_to_user("ann", "you", "e", &1)
            .await
            .unwrap(),
        2
    );
    let to_user = json!({"type":"push","topic":"you","event":"e","payload":1,"to":"user"});
    assert_eq!(ann.hear().await, to_user);
    assert_eq!(phone.hear().await, to_user);
    let shown = server.relay.connections(10);
    assert_eq!(shown.len(), 2);
    assert!(
        shown
            .iter()
            .all(|connection| connection.user.as_deref() == Some("ann"))
    );
    let code = CloseCode::new(4500).unwrap();
    assert_eq!(server.relay.disconnect(id, code, "banned"), 1);
    assert_eq!(ann.closed().await, 4500);
    until(|| server.relay.stats().connections == 1).await;
    assert_eq!(server.relay.disconnect("ann", code, "banned"), 1);
    assert_eq!(phone.closed().await, 4500);
    until(|| server.relay.stats().connections == 0).await;
    assert_eq!(server.relay.disconnect("ann", code, "banned"), 0);
}

// Join generations.

#[tokio::test]
async fn an_old_join_changes_nothing() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    client
        .ask(json!({"type":"subscribe","topic":"a","join":2}))
        .await;
    let late = client
        .ask(json!({"type":"unsubscribe","topic":"a","join":1,"ref":1}))
        .await;
    assert_eq!(
        late,
        json!({"type":"unsubscribed","topic":"a","join":1,"ref":1})
    );
    server.relay.push("a", "e", &1).await.unwrap();
    assert_eq!(client.hear().await, push("a", "e", json!(1)));
    let own = client
        .ask(json!({"type":"unsubscribe","topic":"a","join":2}))
        .await;
    assert_eq!(own, json!({"type":"unsubscribed","topic":"a","join":2}));
    assert!(server.relay.hub().is_empty());
}

// Calls.

async fn sum(call: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
    let numbers: Vec<i64> = call
        .payload
        .json()
        .map_err(|_| Error::new(http::StatusCode::BAD_REQUEST, "numbers, please"))?;
    Ok(Json(numbers.iter().sum()))
}

async fn never(_: RelayCall, _: Relay) {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn calls_are_answered_fail_end_in_time_and_are_cancelled() {
    let server = serve(RelayConfig::default().call("sum", sum).call("never", never));
    let mut client = server.connect().await;
    let called = client
        .ask(json!({"type":"call","ref":1,"method":"sum","payload":[1,2]}))
        .await;
    assert_eq!(called, json!({"type":"result","payload":3,"ref":1}));
    let failed = client
        .ask(json!({"type":"call","ref":2,"method":"sum","payload":7}))
        .await;
    assert_eq!(
        failed,
        json!({"type":"error","code":"handler_error","message":"numbers, please","ref":2})
    );
    let unknown = client
        .ask(json!({"type":"call","ref":3,"method":"product"}))
        .await;
    assert_eq!(
        (&unknown["code"], &unknown["ref"]),
        (&json!("unknown_method"), &json!(3))
    );
    let late = client
        .ask(json!({"type":"call","ref":4,"method":"never","deadline":20}))
        .await;
    assert_eq!(
        late,
        json!({"type":"error","code":"deadline_exceeded","message":"deadline exceeded","ref":4})
    );
    for reference in 10..26 {
        client
            .say(json!({"type":"call","ref":reference,"method":"never"}))
            .await;
    }
    let busy = client
        .ask(json!({"type":"call","ref":26,"method":"never"}))
        .await;
    assert_eq!(
        (&busy["code"], &busy["ref"]),
        (&json!("too_many_calls"), &json!(26))
    );
    let cancelled = client.ask(json!({"type":"cancel","ref":12})).await;
    assert_eq!(
        cancelled,
        json!({"type":"error","code":"cancelled","message":"cancelled","ref":12})
    );
    let called = client
        .ask(json!({"type":"call","ref":27,"method":"sum","payload":[]}))
        .await;
    assert_eq!(called, json!({"type":"result","payload":0,"ref":27}));
}

// Batches.

#[tokio::test]
async fn pushes_come_in_batches_to_who_asks() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    client.subscribe("a").await;
    let answer = client.ask(json!({"type":"batch","delay":50,"ref":1})).await;
    assert_eq!(answer, json!({"type":"ok","ref":1}));
    for number in 0..3 {
        server.relay.push("a", "e", &number).await.unwrap();
    }
    assert_eq!(
        client.ask(json!({"type":"ping"})).await,
        json!({"type":"pong"})
    );
    let expected: Vec<Value> = (0..3).map(|number| push("a", "e", json!(number))).collect();
    assert_eq!(client.hear().await, json!(expected));
    client.ask(json!({"type":"batch","delay":0,"ref":2})).await;
    server.relay.push("a", "e", &9).await.unwrap();
    assert_eq!(client.hear().await, push("a", "e", json!(9)));
}

#[tokio::test]
async fn a_batch_that_becomes_long_is_sent_early_and_nothing_is_dropped() {
    let server = serve(RelayConfig::default());
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client
        .ask(json!({"type":"batch","delay":1000,"ref":1}))
        .await;
    let mut next = 0;
    for round in 0..10 {
        for number in 0..60 {
            server
                .relay
                .push("a", "e", &(round * 60 + number))
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while next < 600 {
        for heard in client.hear().await.as_array().unwrap() {
            assert_eq!(*heard, push("a", "e", json!(next)));
            next += 1;
        }
    }
    assert_eq!(server.relay.stats().dropped, 0);
    // What is left alone waits for the clock, also after something was forgotten.
    client.subscribe("b").await;
    server.relay.push("b", "e", &1).await.unwrap();
    client.ask(json!({"type":"unsubscribe","topic":"b"})).await;
    server.relay.push("a", "e", &2).await.unwrap();
    assert_eq!(client.hear().await, json!([push("a", "e", json!(2))]));
}

// Tokens.

async fn judge(token: String) -> Result<CurrentUser, String> {
    let (topic, millis) = token.split_once(' ').ok_or("no token of ours")?;
    let millis = wireline::wire::number::decimal(millis.as_bytes()).ok_or("no time")?;
    Ok(CurrentUser::new("ann")
        .with_details(json!({"topic":topic,"meta":{"nick":"annie"}}))
        .valid_for(Duration::from_millis(millis)))
}

#[tokio::test]
async fn a_topic_may_want_a_token_which_ends_and_is_refreshed() {
    let config = RelayConfig::default()
        .tokens_by("vip:*", judge)
        .presence("vip:*");
    let server = serve(config.unmatched(Unmatched::Reject));
    let mut client = server.connect().await;
    let asked = |token: Option<&str>| match token {
        None => json!({"type":"subscribe","topic":"vip:1","ref":1}),
        Some(token) => json!({"type":"subscribe","topic":"vip:1","ref":1,"token":token}),
    };
    for (token, code) in [
        (None, "token_required"),
        (Some("nonsense"), "invalid_token"),
        (Some("vip:2 9000"), "invalid_token"),
        (Some("vip:1 0"), "token_expired"),
    ] {
        let refused = client.ask(asked(token)).await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code))
        );
    }
    let id = client.ask(json!({"type":"hello"})).await["conn_id"]
        .as_u64()
        .unwrap();
    assert_eq!(server.relay.subscribe(id, "vip:9").unwrap(), 1);
    assert_eq!(
        client.hear().await["type"],
        "subscribed",
        "the server needs no token"
    );
    client
        .ask(json!({"type":"unsubscribe","topic":"vip:9"}))
        .await;
    let subscribed = client.ask(asked(Some("vip:* 400"))).await;
    assert_eq!(
        (&subscribed["type"], &subscribed["ttl"]),
        (&json!("subscribed"), &json!(1))
    );
    assert_eq!(
        server.relay.presence("vip:1")[0].meta.get(),
        r#"{"nick":"annie"}"#
    );
    let refreshed = client
        .ask(json!({"type":"refresh","topic":"vip:1","token":"vip:1 1000","ref":2}))
        .await;
    assert_eq!(refreshed, json!({"type":"ok","ttl":1,"ref":2}));
    let begun = tokio::time::Instant::now();
    assert_eq!(
        client.hear().await,
        json!({"type":"unsubscribed","topic":"vip:1","code":"token_expired","message":"token expired"})
    );
    assert!(
        begun.elapsed() > Duration::from_millis(600),
        "it was refreshed"
    );
    until(|| server.relay.hub().is_empty()).await;
}

#[tokio::test]
async fn a_token_ends_for_a_client_that_only_listens() {
    let config = RelayConfig::default().tokens_by("vip:*", judge);
    let server = serve(config.unmatched(Unmatched::Reject));
    let mut client = server.connect().await;
    let ask = |topic: &str, millis: u64| {
        let token = format!("vip:* {millis}");
        json!({"type":"subscribe","topic":topic,"token":token})
    };
    assert_eq!(client.ask(ask("vip:1", 60_000)).await["type"], "subscribed");
    assert_eq!(client.ask(ask("vip:2", 200)).await["type"], "subscribed");
    let ended = timeout(Duration::from_secs(5), client.hear())
        .await
        .unwrap();
    assert_eq!(
        (&ended["topic"], &ended["code"]),
        (&json!("vip:2"), &json!("token_expired"))
    );
    // A token to read is none to write.
    let refused = client
        .ask(json!({"type":"message","topic":"vip:1","event":"e","ref":1}))
        .await;
    assert_eq!(refused["code"], "unknown_topic");
}

#[tokio::test]
async fn a_token_is_for_its_user() {
    let server = serve(RelayConfig::default().tokens_by("vip:*", judge));
    let asked = json!({"type":"subscribe","topic":"vip:1","token":"vip:1 60000","ref":1});
    let refused = server.connect_as("bob").await.ask(asked.clone()).await;
    assert_eq!(refused["message"], "invalid token: it is for another user");
    let subscribed = server.connect_as("ann").await.ask(asked).await;
    assert_eq!(subscribed["type"], "subscribed");
}

#[tokio::test]
async fn a_verifier_without_claims_opens_no_topic() {
    use wireline::layer::auth::{Verdict, VerifyToken};
    struct Opaque;
    impl VerifyToken for Opaque {
        fn verify(&self, _: &str) -> Verdict {
            Verdict::User(CurrentUser::new("ann"))
        }
    }
    let server = serve(RelayConfig::default().tokens("vip:*", Opaque));
    let mut client = server.connect().await;
    let asked = json!({"type":"subscribe","topic":"vip:1","token":"x","ref":1});
    let refused = client.ask(asked).await;
    assert_eq!(refused["message"], "invalid token: it is for another topic");
}

// A long history comes in pages.

#[tokio::test]
async fn a_long_history_comes_whole_and_in_order() {
    let server = serve(kept(usize::MAX));
    for number in 0..5_000 {
        server.relay.push("a", "e", &number).await.unwrap();
    }
    let mut client = server.connect().await;
    let epoch = server
        .relay
        .history("a", Resume::Newest(1))
        .await
        .unwrap()
        .epoch;
    let since = json!({"type":"subscribe","topic":"a","epoch":epoch,"offset":0});
    let subscribed = client.ask(since).await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["offset"]),
        (&json!(true), &json!(0))
    );
    for number in 0..5_000 {
        assert_eq!(client.hear().await["payload"], number);
    }
    server.relay.push("a", "e", &5_000).await.unwrap();
    assert_eq!(client.hear().await["payload"], 5_000);
    // The newest of them, and where they begin.
    let mut other = server.connect().await;
    let newest = json!({"type":"subscribe","topic":"a","rewind":1_000});
    let subscribed = other.ask(newest).await;
    assert_eq!(subscribed["offset"], 4_001);
    for number in 4_001..=5_000 {
        assert_eq!(other.hear().await["payload"], number);
    }
    assert_eq!(other.up_to_now().await, [] as [Value; 0]);
}

#[tokio::test]
async fn what_is_given_up_of_a_long_history_while_it_is_read_is_told() {
    let server = serve(kept(2_000).with_topic_capacity(10));
    let long = "x".repeat(100);
    let push = async |count: u64| {
        for _ in 0..count {
            server.relay.push("a", "e", &long).await.unwrap();
        }
    };
    push(2_000).await;
    let mut client = server.connect().await;
    let epoch = server
        .relay
        .history("a", Resume::Newest(1))
        .await
        .unwrap()
        .epoch;
    let since = json!({"type":"subscribe","topic":"a","epoch":epoch,"offset":0});
    let subscribed = client.ask(since).await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["offset"]),
        (&json!(true), &json!(0))
    );
    // It does not read meanwhile: everything that it has not been sent is given up.
    push(3_000).await;
    let (mut count, mut missed) = (0, 0);
    while count + missed < 5_000 {
        let heard = client.hear().await;
        match heard["type"].as_str() {
            Some("lagged") => {
                let here = heard["missed"].as_u64().unwrap();
                // What the history has lost is told with its offsets, and so is what had no room behind it.
                assert_eq!(heard["first"], count + missed + 1, "{heard}");
                assert_eq!(heard["last"], count + missed + here, "{heard}");
                assert_eq!(heard["epoch"], epoch, "{heard}");
                missed += here;
            }
            _ => count += 1,
        }
    }
    assert_eq!(count + missed, 5_000);
    assert!(missed > 1_000, "{missed}");
    assert_eq!(client.up_to_now().await, [] as [Value; 0]);
}
