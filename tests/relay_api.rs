//! The relay over HTTP: every request of its table, who may make it, and what comes of doing it twice.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio::time::{advance, timeout};
use wireline::Router;
use wireline::layer::auth::{ApiKeys, Auth};
use wireline::relay::backplane::memory::MemoryBackplane;
use wireline::relay::hub::{Resume, Retention};
use wireline::relay::{Relay, RelayApi, RelayConfig};
use wireline::server::Server;
use wireline::service::trusted::TrustedProxies;
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::{TestClient, TestRequest, TestResponse, TestServer};
use wireline::ws::prelude::*;

const KEY: &str = "uhBq5FgQH2Y4sT0nWcJ7";

fn config() -> RelayConfig {
    RelayConfig::default().retention(|topic| match topic.as_str().starts_with("room:") {
        true => Retention {
            messages: 5000,
            octets: 32 << 20,
            age: 600_000,
        },
        false => Retention::NOTHING,
    })
}

fn serve() -> (Relay, TestClient) {
    let relay = Relay::new(config());
    let api = RelayApi::new(&relay).router();
    let routes = Router::new()
        .relay(&relay)
        .middleware(sign_in)
        .nest("/api", api)
        .build()
        .unwrap();
    (relay, TestClient::new(routes))
}

/// `?user=` says who it is.
async fn sign_in(mut request: Request, next: Next) -> Response {
    if let Some(user) = request.query_value("user") {
        CurrentUser::new(user).put_into(&mut request);
    }
    next.run(request).await
}

async fn send(request: TestRequest<'_>) -> TestResponse {
    timeout(Duration::from_secs(20), request.send())
        .await
        .unwrap()
        .unwrap()
}

fn read(response: &TestResponse) -> Value {
    serde_json::from_str(response.text()).unwrap()
}

async fn get(client: &TestClient, target: &str) -> Value {
    let response = send(client.get(target)).await;
    assert_eq!(response.status, 200, "{target}: {}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    read(&response)
}

async fn post(client: &TestClient, target: &str, content: Value) -> Value {
    let response = send(client.post(target).body(content.to_string())).await;
    assert_eq!(response.status, 200, "{target}: {}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    read(&response)
}

/// The detail of a problem.
fn problem(response: &TestResponse, status: u16) -> String {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json"),
        "{}",
        response.text()
    );
    let problem = read(response);
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().unwrap_or_default().to_owned()
}

/// A connection that says and hears JSON.
struct Client(WebSocket);

impl Client {
    async fn open(client: &TestClient, target: &str) -> Self {
        Self(client.websocket(target).await)
    }

    async fn hear(&mut self) -> Value {
        match timeout(Duration::from_secs(20), self.0.recv())
            .await
            .unwrap()
        {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.0.send(message.to_string()).await.unwrap();
        self.hear().await
    }

    async fn subscribe(&mut self, topic: &str) {
        let answer = self.ask(json!({"type":"subscribe","topic":topic})).await;
        assert_eq!(answer["type"], "subscribed");
    }

    async fn id(&mut self) -> u64 {
        self.ask(json!({"type":"hello"})).await["conn_id"]
            .as_u64()
            .unwrap()
    }
}

// Each request of the table.

#[tokio::test]
async fn publish_and_broadcast() {
    let (relay, client) = serve();
    let (mut ann, mut bob) = (
        Client::open(&client, "/ws").await,
        Client::open(&client, "/ws").await,
    );
    for listener in [&mut ann, &mut bob] {
        listener.subscribe("room:1").await;
    }
    let done = post(
        &client,
        "/api/publish",
        json!({"topic":"room:1","event":"say","payload":{"a": 1}}),
    )
    .await;
    let epoch = done["epoch"].as_u64().unwrap();
    assert_eq!(done, json!({"epoch":epoch,"offset":1,"subscribers":2}));
    let pushed = json!({"type":"push","topic":"room:1","event":"say","payload":{"a": 1}});
    assert_eq!(
        (ann.hear().await, bob.hear().await),
        (pushed.clone(), pushed)
    );
    // Without a payload it is null; the one that is left out hears nothing.
    let id = ann.id().await;
    let done = post(
        &client,
        "/api/publish",
        json!({"topic":"room:1","event":"e","except":id}),
    )
    .await;
    assert_eq!(done["offset"], 2);
    assert_eq!(bob.hear().await["payload"], Value::Null);
    let done = post(
        &client,
        "/api/broadcast",
        json!({"topics":["room:1","news","room:2"],"event":"all","payload":7}),
    )
    .await;
    let second = relay
        .hub()
        .history(&"room:2".try_into().unwrap(), Resume::Live, 0)
        .epoch;
    assert_eq!(
        done,
        json!({"results":[
            {"topic":"room:1","epoch":epoch,"offset":3,"subscribers":2},
            {"topic":"news","epoch":0,"offset":0,"subscribers":0},
            {"topic":"room:2","epoch":second,"offset":1,"subscribers":0},
        ]})
    );
    let pushed = json!({"type":"push","topic":"room:1","event":"all","payload":7});
    assert_eq!(
        (ann.hear().await, bob.hear().await),
        (pushed.clone(), pushed)
    );
    assert_eq!(
        post(
            &client,
            "/api/broadcast",
            json!({"topics":[],"event":"all"})
        )
        .await,
        json!({"results":[]})
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_and_nothing_is_done() {
    let (relay, client) = serve();
    let many = |count| vec!["room:1"; count];
    for (path, content, detail) in [
        (
            "publish",
            json!({"topic":"room *","event":"e"}),
            "a topic is made of",
        ),
        (
            "publish",
            json!({"topic":"room:1"}),
            "missing field `event`",
        ),
        ("publish", json!({"event":"e"}), "missing field `topic`"),
        ("publish", json!({"topic":1,"event":"e"}), "invalid type"),
        (
            "publish",
            json!({"topic":"a","event":"e","except":-1}),
            "invalid value",
        ),
        (
            "broadcast",
            json!({"topics":["room:1","room *"],"event":"e"}),
            "a topic is made of",
        ),
        (
            "broadcast",
            json!({"topics":many(1001),"event":"e"}),
            "more than 1000 topics",
        ),
        (
            "push_to_user",
            json!({"topic":"a","event":"e"}),
            "missing field `user`",
        ),
        ("subscribe", json!({"topic":"a"}), "one of conn_id and user"),
        (
            "unsubscribe",
            json!({"topic":"a","conn_id":1,"user":"ann"}),
            "one of conn_id and user",
        ),
        (
            "subscribe",
            json!({"topic":"","conn_id":1}),
            "a topic has a name",
        ),
        ("disconnect", json!({}), "one of conn_id and user"),
        (
            "disconnect",
            json!({"conn_id":1,"code":1000}),
            "code is not one of 4000 to 4999",
        ),
        (
            "disconnect",
            json!({"conn_id":1,"code":5000}),
            "code is not one of 4000 to 4999",
        ),
        (
            "disconnect",
            json!({"conn_id":1,"reason":"x".repeat(124)}),
            "more than 123 octets",
        ),
        ("publish", json!([]), "invalid"),
    ] {
        let response = send(
            client
                .post(&format!("/api/{path}"))
                .body(content.to_string()),
        )
        .await;
        let told = problem(&response, 400);
        assert!(told.contains(detail), "{path} {detail}: {told}");
    }
    for content in ["", "{", "\u{fffd}"] {
        problem(&send(client.post("/api/publish").body(content)).await, 400);
    }
    for target in [
        "presence",
        "presence?topic=a+b",
        "history",
        "history?topic=a&limit=x",
        "history?topic=a&epoch=-1",
        "topics?limit=-1",
    ] {
        problem(&send(client.get(&format!("/api/{target}"))).await, 400);
    }
    assert_eq!(relay.stats().pushes, 0);
    // The longest that there may be, and one octet more.
    let longest = "x".repeat((64 << 10) - 3);
    post(
        &client,
        "/api/publish",
        json!({"topic":"room:1","event":"e","payload":longest}),
    )
    .await;
    for path in ["publish", "broadcast", "push_to_user"] {
        let content =
            json!({"topic":"a","topics":["a"],"user":"ann","event":"ee","payload":longest});
        let response = send(
            client
                .post(&format!("/api/{path}"))
                .body(content.to_string()),
        )
        .await;
        assert!(problem(&response, 413).contains("65536"));
    }
    // More than any request has is refused before it is read, and what is not there is not.
    problem(
        &send(client.post("/api/publish").body("x".repeat(600 << 10))).await,
        413,
    );
    let response = send(client.get("/api/publish")).await;
    problem(&response, 405);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    problem(&send(client.get("/api/nothing")).await, 404);
    assert_eq!(relay.stats().pushes, 1);
}

#[tokio::test]
async fn connections_are_subscribed_pushed_to_and_disconnected() {
    let (relay, client) = serve();
    let mut phone = Client::open(&client, "/ws?user=ann").await;
    let mut laptop = Client::open(&client, "/ws?user=ann").await;
    let mut bob = Client::open(&client, "/ws?user=bob").await;
    let (id, of_bob) = (phone.id().await, bob.id().await);
    assert_eq!(
        laptop.ask(json!({"type":"ping"})).await,
        json!({"type":"pong"})
    );
    let told = post(
        &client,
        "/api/push_to_user",
        json!({"user":"ann","topic":"inbox","event":"e","payload":[1]}),
    )
    .await;
    assert_eq!(told, json!({"connections":2}));
    let pushed = json!({"type":"push","topic":"inbox","event":"e","payload":[1],"to":"user"});
    assert_eq!(
        (phone.hear().await, laptop.hear().await),
        (pushed.clone(), pushed)
    );
    let told = post(
        &client,
        "/api/push_to_user",
        json!({"user":"nobody","topic":"inbox","event":"e"}),
    )
    .await;
    assert_eq!(told, json!({"connections":0}));
    assert_eq!(
        post(
            &client,
            "/api/subscribe",
            json!({"topic":"news","user":"ann"})
        )
        .await,
        json!({"connections":2})
    );
    for listener in [&mut phone, &mut laptop] {
        let heard = listener.hear().await;
        assert_eq!(
            (&heard["type"], &heard["topic"]),
            (&json!("subscribed"), &json!("news"))
        );
    }
    assert_eq!(
        post(
            &client,
            "/api/subscribe",
            json!({"topic":"news","conn_id":of_bob})
        )
        .await,
        json!({"connections":1})
    );
    bob.hear().await;
    assert_eq!(relay.hub().subscribers(&"news".try_into().unwrap()), 3);
    // Who is there.
    let all = get(&client, "/api/connections").await;
    assert_eq!(
        (&all["count"], all["connections"].as_array().unwrap().len()),
        (&json!(3), 3)
    );
    let entry = json!({"conn_id":of_bob,"user":"bob","subscriptions":1,"waiting":0});
    assert!(
        all["connections"].as_array().unwrap().contains(&entry),
        "{all}"
    );
    let few = get(&client, "/api/connections?limit=2").await;
    assert_eq!(
        (&few["count"], few["connections"].as_array().unwrap().len()),
        (&json!(3), 2)
    );
    let of_one = get(&client, "/api/connections?user=bob").await;
    assert_eq!(of_one, json!({"count":1,"connections":[entry]}));
    for target in ["/api/topics", "/api/topics?topic=news"] {
        assert_eq!(
            get(&client, target).await,
            json!({"count":1,"topics":[{"topic":"news","subscribers":3}]})
        );
    }
    let nobody = get(&client, "/api/topics?topic=old").await;
    assert_eq!(nobody, json!({"count":0,"topics":[]}));
    assert_eq!(
        post(
            &client,
            "/api/unsubscribe",
            json!({"topic":"news","conn_id":id})
        )
        .await,
        json!({"connections":1})
    );
    let heard = phone.hear().await;
    assert_eq!(
        (&heard["type"], &heard["code"]),
        (&json!("unsubscribed"), &json!("server"))
    );
    assert_eq!(
        post(
            &client,
            "/api/unsubscribe",
            json!({"topic":"news","conn_id":999_999})
        )
        .await,
        json!({"connections":0})
    );
    let content = json!({"user":"ann","code":4500,"reason":"banned"});
    assert_eq!(
        post(&client, "/api/disconnect", content).await,
        json!({"connections":2})
    );
    assert_eq!(
        post(&client, "/api/disconnect", json!({"conn_id":of_bob})).await,
        json!({"connections":1})
    );
    for (mut listener, code) in [(phone, 4500), (laptop, 4500), (bob, 4000)] {
        while let Some(Ok(_)) = timeout(Duration::from_secs(20), listener.0.recv())
            .await
            .unwrap()
        {}
        assert_eq!(
            listener.0.close_status().map(|status| status.code()),
            Some(code)
        );
    }
}

#[tokio::test]
async fn who_is_present_up_to_a_thousand() {
    let (relay, client) = serve();
    let nobody = json!({"topic":"room:1","count":0,"users":0,"members":[],"more":false});
    assert_eq!(get(&client, "/api/presence?topic=room:1").await, nobody);
    let mut phone = Client::open(&client, "/ws?user=ann").await;
    let mut laptop = Client::open(&client, "/ws?user=ann").await;
    let ids = [phone.id().await, laptop.id().await];
    relay
        .track("room:1", ids[0], &json!({"on":"phone"}))
        .unwrap();
    relay
        .track("room:1", ids[1], &json!({"on":"laptop"}))
        .unwrap();
    assert_eq!(
        get(&client, "/api/presence?topic=room%3A1").await,
        json!({"topic":"room:1","count":2,"users":1,"members":[
            {"conn_id":ids[0],"user":"ann","meta":{"on":"phone"}},
            {"conn_id":ids[1],"user":"ann","meta":{"on":"laptop"}},
        ],"more":false})
    );
    let mut crowd = Vec::new();
    for _ in 0..999 {
        let mut one = Client::open(&client, "/ws").await;
        let id = one.id().await;
        relay.track("room:1", id, &json!({})).unwrap();
        crowd.push(one);
    }
    let all = get(&client, "/api/presence?topic=room:1").await;
    assert_eq!(
        (&all["count"], &all["users"], &all["more"]),
        (&json!(1001), &json!(1000), &json!(true))
    );
    assert_eq!(all["members"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn what_is_kept_page_by_page() {
    let (relay, client) = serve();
    let nothing = json!({"epoch":0,"offset":0,"recovered":true,"messages":[]});
    assert_eq!(get(&client, "/api/history?topic=room:1").await, nothing);
    let nothing = json!({"epoch":0,"offset":0,"recovered":false,"messages":[]});
    assert_eq!(
        get(&client, "/api/history?topic=room:1&epoch=7&offset=3").await,
        nothing
    );
    for payload in 1..=1200 {
        relay.push("room:1", "e", &payload).await.unwrap();
    }
    let epoch = relay
        .push("room:1", "last", &json!({"a":"ü"}))
        .await
        .unwrap()
        .epoch;
    assert_eq!(
        get(&client, "/api/history?topic=room:1&limit=2").await,
        json!({"epoch":epoch,"offset":1201,"recovered":true,"messages":[
            {"offset":1200,"event":"e","payload":1200},
            {"offset":1201,"event":"last","payload":{"a":"ü"}},
        ]})
    );
    let count = |answer: &Value| answer["messages"].as_array().unwrap().len();
    assert_eq!(count(&get(&client, "/api/history?topic=room:1").await), 100);
    assert_eq!(
        count(&get(&client, "/api/history?topic=room:1&limit=9999").await),
        1000
    );
    let none = get(&client, "/api/history?topic=room:1&limit=0").await;
    assert_eq!((count(&none), &none["offset"]), (0, &json!(1201)));
    // From page to page, where the last one ended.
    let (mut offset, mut seen) = (0, 0);
    while offset < 1201 {
        let page = get(
            &client,
            &format!("/api/history?topic=room:1&limit=500&epoch={epoch}&offset={offset}"),
        )
        .await;
        assert_eq!(page["recovered"], true);
        for message in page["messages"].as_array().unwrap() {
            seen += 1;
            assert_eq!(message["offset"], seen);
        }
        offset = page["offset"].as_u64().unwrap();
        assert_eq!(offset, seen);
    }
    let end = get(
        &client,
        &format!("/api/history?topic=room:1&epoch={epoch}&offset=1201"),
    )
    .await;
    assert_eq!(
        end,
        json!({"epoch":epoch,"offset":1201,"recovered":true,"messages":[]})
    );
    let other = get(
        &client,
        &format!(
            "/api/history?topic=room:1&epoch={}&offset=1200&limit=1",
            epoch + 1
        ),
    )
    .await;
    assert_eq!(
        (&other["recovered"], &other["offset"]),
        (&json!(false), &json!(1))
    );
    // An answer is 4 MiB or little more.
    let long = "x".repeat(60_000);
    for _ in 0..100 {
        relay.push("room:2", "e", &long).await.unwrap();
    }
    let newest = get(&client, "/api/history?topic=room:2").await;
    let epoch = newest["epoch"].as_u64().unwrap();
    assert!((60..72).contains(&count(&newest)), "{}", count(&newest));
    assert_eq!(newest["offset"], 100);
    let first = get(&client, &format!("/api/history?topic=room:2&epoch={epoch}")).await;
    assert!((60..72).contains(&count(&first)));
    assert_eq!(first["offset"], count(&first));
    // What is no push is left out.
    relay.publish(&"room:3".try_into().unwrap(), Prepared::text("not JSON"));
    let other = get(&client, "/api/history?topic=room:3").await;
    assert_eq!((&other["offset"], count(&other)), (&json!(1), 0));
}

/// However much is kept, a page is a page, and so is each one behind it.
#[tokio::test]
async fn a_history_of_a_million_messages_is_read_in_pages() {
    const ALL: u64 = 1_000_000;
    let config = RelayConfig::default().max_history(1 << 30);
    let relay = Relay::new(config.retention(|_| Retention {
        messages: 1_000_000,
        octets: 1 << 30,
        age: u64::MAX,
    }));
    let api = RelayApi::new(&relay).router();
    let routes = Router::new().relay(&relay).nest("/api", api).build();
    let client = TestClient::new(routes.unwrap());
    let topic = "news".try_into().unwrap();
    let text = r#"{"type":"push","topic":"news","event":"e","payload":7}"#;
    let message = Prepared::text(text);
    let epoch = relay.publish(&topic, message.clone()).epoch;
    for _ in 1..ALL {
        relay.publish(&topic, message.clone());
    }
    // From the beginning, by hand and then as each page says.
    let mut target = format!("/api/history?topic=news&limit=5000&epoch={epoch}&offset=0");
    for page in 1..=20 {
        let response = send(client.get(&target)).await;
        assert!(response.text().len() < 100_000, "{}", response.text().len());
        let answer = read(&response);
        let messages = answer["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &answer["recovered"]), (1000, &json!(true)));
        assert_eq!(messages[999]["offset"], page * 1000);
        assert_eq!(answer["offset"], page * 1000);
        let next = answer["next"].as_str().unwrap();
        assert_eq!(next, format!("{epoch}:{}", page * 1000));
        target = format!("/api/history?topic=news&limit=5000&since={next}");
    }
    // The last two.
    let since = format!("/api/history?topic=news&since={epoch}:{}", ALL - 150);
    let answer = get(&client, &since).await;
    assert_eq!(answer["messages"].as_array().unwrap().len(), 100);
    let next = answer["next"].as_str().unwrap();
    let answer = get(&client, &format!("/api/history?topic=news&since={next}")).await;
    assert_eq!(answer["messages"].as_array().unwrap().len(), 50);
    assert_eq!(
        (&answer["offset"], &answer["next"]),
        (&json!(ALL), &json!(null))
    );
    // In the program, without ever more than a page.
    let mut from = Some(Resume::Since {
        epoch: 0,
        offset: 0,
    });
    let (mut pages, mut seen) = (0, 0);
    while let Some(resume) = from {
        let page = relay
            .history_page(&topic, resume, usize::MAX)
            .await
            .unwrap();
        assert!(page.entries.len() <= 1000);
        pages += 1;
        seen += page.entries.len() as u64;
        from = page.next();
    }
    assert_eq!((pages, seen), (1000, ALL));
    let newest = relay
        .history(&topic, Resume::Newest(usize::MAX))
        .await
        .unwrap();
    assert_eq!(
        (newest.entries.len(), newest.entries[0].offset),
        (1000, ALL - 999)
    );
    assert_eq!(newest.next(), None);
    for since in ["", "7", "7:", ":7", "7:x", "7:-1", "7:1:1"] {
        let target = format!("/api/history?topic=news&since={since}");
        assert_eq!(send(client.get(&target)).await.status, 400, "{since}");
    }
}

#[tokio::test]
async fn the_counters() {
    let (relay, client) = serve();
    let mut ann = Client::open(&client, "/ws").await;
    ann.subscribe("room:1").await;
    relay.push("room:1", "e", &1).await.unwrap();
    let stats = get(&client, "/api/stats").await;
    for (name, count) in [
        ("connections", 1),
        ("topics", 1),
        ("subscriptions", 1),
        ("pushes", 1),
        ("deliveries", 1),
        ("messages", 1),
        ("errors", 0),
    ] {
        assert_eq!(stats[name], count, "{name}");
    }
    assert!(stats["history_octets"].as_u64() > Some(0) && stats["uptime_ms"].is_u64());
    for count in 0..30 {
        relay.push(format!("room:{count}"), "e", &1).await.unwrap();
    }
    let topics = get(&client, "/api/topics?limit=5").await;
    assert_eq!(
        (&topics["count"], topics["topics"].as_array().unwrap().len()),
        (&json!(30), 5)
    );
    assert_eq!(
        topics["topics"][0],
        json!({"topic":"room:1","subscribers":1})
    );
}

// Doing it twice.

#[tokio::test(start_paused = true)]
async fn a_repetition_is_answered_as_the_first_one_and_not_done_again() {
    let (relay, client) = serve();
    let content = json!({"topic":"room:1","event":"e","payload":1}).to_string();
    let say = async |path: &str, key: &str, content: &str| {
        let request = client
            .post(&format!("/api/{path}"))
            .header("idempotency-key", key);
        send(request.body(content.to_owned())).await
    };
    let first = say("publish", "k1", &content).await;
    assert_eq!(
        (first.status.as_u16(), read(&first)["offset"].as_u64()),
        (200, Some(1))
    );
    let again = say("publish", "k1", &content).await;
    assert_eq!(
        (again.status, again.text(), again.header("content-type")),
        (first.status, first.text(), Some("application/json"))
    );
    assert_eq!(relay.stats().pushes, 1);
    // Another key, another path, no key: another request.
    assert_eq!(read(&say("publish", "k2", &content).await)["offset"], 2);
    assert_eq!(
        read(&say("broadcast", "k1", r#"{"topics":["room:1"],"event":"e"}"#).await)["results"][0]["offset"],
        3
    );
    assert_eq!(
        post(
            &client,
            "/api/publish",
            serde_json::from_str(&content).unwrap()
        )
        .await["offset"],
        4
    );
    let other = say("publish", "k1", &content.replace('1', "2")).await;
    assert!(problem(&other, 422).contains("Idempotency-Key"));
    // Errors are remembered, too.
    let wrong = say("publish", "k3", "{}").await;
    let again = say("publish", "k3", "{}").await;
    assert_eq!((wrong.status.as_u16(), wrong.text()), (400, again.text()));
    assert_eq!(
        again.header("content-type"),
        Some("application/problem+json")
    );
    let long = "k".repeat(256);
    for key in ["", &long] {
        problem(&say("publish", key, &content).await, 400);
    }
    let twice = client
        .post("/api/publish")
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    problem(&send(twice.body(content.clone())).await, 400);
    assert_eq!(relay.stats().pushes, 4);
    advance(Duration::from_secs(290)).await;
    assert_eq!(read(&say("publish", "k1", &content).await)["offset"], 1);
    advance(Duration::from_secs(11)).await;
    assert_eq!(read(&say("publish", "k1", &content).await)["offset"], 5);
    // Many at once: one is done.
    let (a, b, c) = tokio::join!(
        say("publish", "k9", &content),
        say("publish", "k9", &content),
        say("publish", "k9", &content)
    );
    assert_eq!((a.text(), b.text()), (b.text(), c.text()));
    assert_eq!(relay.stats().pushes, 6);
}

// Who may.

fn keyed() -> TestClient {
    let relay = Relay::new(config());
    let api = RelayApi::new(&relay)
        .key("billing", KEY)
        .key("backup", "Zr8LxK1vPp3mE6dAoVt9")
        .router();
    TestClient::new(
        Router::new()
            .relay(&relay)
            .nest("/api", api)
            .build()
            .unwrap(),
    )
}

#[tokio::test]
async fn with_keys_nobody_may_without_one() {
    for client in [keyed(), keyed().http2()] {
        let content = r#"{"topic":"room:1","event":"e"}"#;
        let publish = || client.post("/api/publish").body(content);
        for (name, value, status) in [
            ("authorization", format!("Bearer {KEY}"), 200),
            ("authorization", format!("bearer {KEY}"), 200),
            ("x-api-key", KEY.to_owned(), 200),
            ("x-api-key", "Zr8LxK1vPp3mE6dAoVt9".to_owned(), 200),
            ("authorization", format!("Basic {KEY}"), 401),
            ("authorization", KEY.to_owned(), 401),
            ("authorization", format!("Bearer {KEY}x"), 401),
            ("x-api-key", KEY[..19].to_owned(), 401),
            ("x-api-key", format!("{}x", &KEY[..19]), 401),
            ("x-api-key", String::new(), 401),
            ("x-other", KEY.to_owned(), 401),
        ] {
            for request in [publish(), client.get("/api/stats")] {
                let response = send(request.header(name, value.as_str())).await;
                assert_eq!(response.status, status, "{name}: {value}");
                if status == 401 {
                    problem(&response, 401);
                    assert_eq!(
                        response.header("www-authenticate"),
                        Some("Bearer realm=\"relay\"")
                    );
                }
            }
        }
        let twice = publish().header("x-api-key", KEY).header("x-api-key", KEY);
        problem(&send(twice).await, 401);
        problem(
            &send(client.get(&format!("/api/stats?key={KEY}"))).await,
            401,
        );
        // A key is enough: no page has it unless it was given it.
        let abroad = publish()
            .header("x-api-key", KEY)
            .header("origin", "https://evil.example");
        assert_eq!(send(abroad).await.status, 200);
        // Each program has idempotency keys of its own.
        for (key, offset) in [(KEY, 1), ("Zr8LxK1vPp3mE6dAoVt9", 2), (KEY, 1)] {
            let request = client
                .post("/api/publish")
                .body(r#"{"topic":"room:own","event":"e"}"#);
            let response = send(
                request
                    .header("x-api-key", key)
                    .header("idempotency-key", "1"),
            )
            .await;
            assert_eq!(read(&response)["offset"], offset);
        }
    }
    let short = RelayApi::new(&Relay::default())
        .key("billing", "too short")
        .router();
    let error = Router::new()
        .nest("/api", short)
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("billing") && error.contains("16"), "{error}");
    assert!(!error.contains("too short"), "{error}");
}

#[tokio::test]
async fn a_layer_of_ones_own_decides_in_place_of_keys() {
    let keys = ApiKeys::new()
        .key("billing", KEY)
        .unwrap()
        .header("x-relay-key");
    let relay = Relay::default();
    let api = RelayApi::new(&relay).auth(Auth::new(keys)).router();
    let client = TestClient::new(Router::new().nest("/api", api).build().unwrap());
    assert_eq!(
        send(client.get("/api/stats").header("x-relay-key", KEY))
            .await
            .status,
        200
    );
    problem(
        &send(client.get("/api/stats").header("x-api-key", KEY)).await,
        401,
    );
}

#[tokio::test]
async fn without_keys_pages_of_other_sites_may_not() {
    let (relay, client) = serve();
    for (fields, status) in [
        (&[][..], 200),
        (&[("origin", "http://localhost")], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://localhost:8080")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (
            &[
                ("origin", "http://localhost"),
                ("sec-fetch-site", "cross-site"),
            ],
            403,
        ),
        // What a proxy passes on comes from elsewhere.
        (&[("x-forwarded-for", "127.0.0.1")], 403),
        (&[("forwarded", "for=127.0.0.1")], 403),
        (&[("via", "1.1 proxy")], 403),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("x-real-ip", "192.0.2.1"),
            ],
            403,
        ),
    ] {
        let before = relay.stats().pushes;
        let publish = client
            .post("/api/publish")
            .body(r#"{"topic":"room:1","event":"e"}"#);
        for request in [publish, client.get("/api/stats")] {
            let request = fields.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            let response = send(request).await;
            assert_eq!(response.status, status, "{fields:?}");
            if status == 403 {
                problem(&response, 403);
            }
        }
        assert_eq!(relay.stats().pushes - before, u64::from(status == 200));
    }
}

/// The status of a request over a socket.
fn status(server: &TestServer, fields: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "GET /api/stats HTTP/1.1\r\n{fields}connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn without_keys_the_host_is_a_name_of_this_machine() {
    let routes = || {
        Router::new()
            .nest("/api", RelayApi::new(&Relay::default()).router())
            .build()
            .unwrap()
    };
    let server = TestServer::new(routes());
    let port = server.addr().port();
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), "200"),
        (format!("localhost:{port}"), "200"),
        ("LOCALHOST".to_owned(), "200"),
        ("localhost.".to_owned(), "200"),
        ("app.localhost".to_owned(), "200"),
        ("[::1]:80".to_owned(), "200"),
        ("127.9.9.9".to_owned(), "200"),
        ("evil.example".to_owned(), "403"),
        (format!("evil.example:{port}"), "403"),
        ("localhost.evil.example".to_owned(), "403"),
        ("notlocalhost".to_owned(), "403"),
        ("192.0.2.7".to_owned(), "403"),
    ] {
        // A page whose name leads here is of the same origin, as far as its browser knows.
        for page in ["", "sec-fetch-site: same-origin\r\n"] {
            assert_eq!(
                status(&server, &format!("host: {host}\r\n{page}")),
                expected,
                "{host}"
            );
        }
    }
    // Who the client is says a proxy that is trusted: it is not here, then.
    let trusted =
        Server::new(routes()).trusted_proxies(TrustedProxies::new(["127.0.0.1"]).unwrap());
    let server = TestServer::start(trusted);
    assert_eq!(status(&server, "host: localhost\r\n"), "200");
    assert_eq!(
        status(&server, "host: localhost\r\nx-forwarded-for: 192.0.2.1\r\n"),
        "403"
    );
}

#[tokio::test]
async fn who_publishes_hears_that_the_broker_is_away() {
    let bus = MemoryBackplane::new();
    bus.cut();
    let relay = Relay::new(config().backplane(bus));
    let api = RelayApi::new(&relay).router();
    let client = TestClient::new(Router::new().nest("/api", api).build().unwrap());
    let publish = json!({"topic":"news","event":"e"});
    let done = post(&client, "/api/publish", publish).await;
    assert_eq!(
        done,
        json!({"epoch":0,"offset":0,"subscribers":0,"elsewhere":"waits"})
    );
    let broadcast = json!({"topics":["news"],"event":"e"});
    let done = post(&client, "/api/broadcast", broadcast).await;
    assert_eq!(done["results"][0]["elsewhere"], "waits");
}
