//! Topics over plain HTTP: event streams and long polls.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use wireline::extract::State;
use wireline::relay::endpoint::Overflow;
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayConfig, RelayEvent, Unmatched};
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::{TestClient, TestResponse, TestServer, TestStream};
use wireline::ws::close::CloseCode;
use wireline::{Error, Router};

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

fn ways() -> RelayConfig {
    RelayConfig::default().sse("/sse").poll("/poll")
}

fn kept(messages: usize) -> RelayConfig {
    ways().retention(move |_| Retention {
        messages,
        octets: 4 << 20,
        age: 600_000,
    })
}

fn serve(config: RelayConfig) -> (Relay, TestClient) {
    serve_with(config, Router::new())
}

fn serve_with(config: RelayConfig, router: Router) -> (Relay, TestClient) {
    let relay = Relay::new(config);
    let routes = router.relay(&relay).middleware(sign_in).build().unwrap();
    (relay, TestClient::new(routes))
}

/// `&user=` says who it is, and `&for=` for how many seconds.
async fn sign_in(mut request: Request, next: Next) -> Response {
    if let Some(user) = request.query_value("user") {
        let mut user = CurrentUser::new(user);
        if let Some(seconds) = request.query_value("for") {
            user = user.valid_for(Duration::from_secs(
                seconds
                    .chars()
                    .filter_map(|digit| digit.to_digit(10))
                    .map(u64::from)
                    .sum(),
            ));
        }
        user.put_into(&mut request);
    }
    next.run(request).await
}

/// An event as its reader sees it.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    message: Value,
    id: Option<String>,
}

struct Events(TestStream);

impl Events {
    async fn open(client: &TestClient, target: &str) -> Self {
        Self::open_after(client, target, None).await
    }

    async fn open_after(client: &TestClient, target: &str, last: Option<&str>) -> Self {
        Self::try_open(client, target, last).await.unwrap()
    }

    async fn try_open(client: &TestClient, target: &str, last: Option<&str>) -> io::Result<Self> {
        let mut request = client.get(target);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let stream = timeout(PATIENCE, request.stream()).await.unwrap()?;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        Ok(Self(stream))
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Heard> {
        self.try_next().await.unwrap()
    }

    async fn try_next(&mut self) -> io::Result<Option<Heard>> {
        loop {
            let Some(event) = timeout(PATIENCE, self.0.event()).await.unwrap() else {
                return Ok(None);
            };
            let event = event?;
            let Some(data) = event.data else {
                continue;
            };
            assert_eq!(event.event, "message");
            return Ok(Some(Heard {
                message: serde_json::from_str(&data).unwrap(),
                id: event.id,
            }));
        }
    }

    async fn hear(&mut self) -> Heard {
        self.next().await.unwrap()
    }

    async fn message(&mut self) -> Value {
        self.hear().await.message
    }

    async fn silent(&mut self) {
        let heard = timeout(Duration::from_millis(50), self.0.event()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

fn subscribed(topic: &str, at: (u64, u64), recovered: bool) -> Value {
    json!({"type":"subscribed","topic":topic,"epoch":at.0,"offset":at.1,"recovered":recovered})
}

fn push(topic: &str, payload: Value) -> Value {
    json!({"type":"push","topic":topic,"event":"e","payload":payload})
}

fn body(response: &TestResponse) -> Value {
    serde_json::from_str(response.text()).unwrap()
}

/// The cursor and the messages of an answer.
async fn poll(client: &TestClient, target: &str) -> (String, Vec<Value>) {
    try_poll(client, target).await.unwrap()
}

async fn try_poll(client: &TestClient, target: &str) -> io::Result<(String, Vec<Value>)> {
    let response = timeout(Duration::from_secs(90), client.get(target).send())
        .await
        .unwrap()?;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let answer = body(&response);
    let messages = answer["messages"].as_array().unwrap().clone();
    assert_eq!(answer.as_object().unwrap().len(), 2);
    Ok((answer["cursor"].as_str().unwrap().to_owned(), messages))
}

async fn until(mut is_true: impl FnMut() -> bool) {
    timeout(PATIENCE, async {
        while !is_true() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

// Event streams.

#[tokio::test]
async fn every_event_has_the_cursor_behind_it() {
    let (relay, client) = serve(kept(9));
    let first = relay.push("room:1", "e", &1).await.unwrap();
    let mut events = Events::open(&client, "/sse?topic=room:1&topic=news").await;
    let heard = events.hear().await;
    assert_eq!(heard.message, subscribed("room:1", (first.epoch, 1), true));
    assert_eq!(heard.id, Some(format!("room:1 {} 1", first.epoch)));
    let heard = events.hear().await;
    let news = heard.message["epoch"].as_u64().unwrap();
    assert_eq!(heard.message, subscribed("news", (news, 0), true));
    for (topic, offset) in [("news", 1), ("room:1", 2), ("room:1", 3)] {
        let published = relay.push(topic, "e", &json!({"a": "ü\n"})).await.unwrap();
        assert_eq!((published.offset, published.subscribers), (offset, 1));
    }
    let ids = [(1, 1), (2, 1), (3, 1)]
        .map(|(room, at)| format!("room:1 {} {room};news {news} {at}", first.epoch));
    for (topic, id) in ["news", "room:1", "room:1"].into_iter().zip(ids) {
        let expected = Heard {
            message: push(topic, json!({"a": "ü\n"})),
            id: Some(id),
        };
        assert_eq!(events.hear().await, expected);
    }
    events.silent().await;
    assert_eq!(relay.stats().connections, 1);
    assert_eq!(relay.stats().subscriptions, 2);
    drop(events);
    until(|| relay.stats().connections == 0 && relay.stats().subscriptions == 0).await;
    assert_eq!(relay.connections(9), []);
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_what_it_missed_by_either_name() {
    let (relay, client) = serve(kept(3));
    for payload in 1..=5 {
        relay.push("a", "e", &payload).await.unwrap();
    }
    let epoch = relay.push("a", "e", &6).await.unwrap().epoch;
    let cases = [
        // What it has seen, where it is set down, whether that is all, what follows.
        (format!("a {epoch} 4"), 4, true, vec![5, 6]),
        (format!("a {epoch} 6"), 6, true, vec![]),
        (format!("a {epoch} 1"), 3, false, vec![4, 5, 6]),
        (format!("a {} 4", epoch + 9), 3, false, vec![4, 5, 6]),
        (format!("other 1 1;a {epoch} 5"), 5, true, vec![6]),
    ];
    for (cursor, offset, recovered, payloads) in cases {
        let query = format!("/sse?topic=a&cursor={}", cursor.replace(' ', "%20"));
        let by_query = Events::open(&client, &query).await;
        // The field is newer than the address.
        let by_field =
            Events::open_after(&client, "/sse?topic=a&cursor=a%201%201", Some(&cursor)).await;
        for mut events in [by_query, by_field] {
            assert_eq!(
                events.message().await,
                subscribed("a", (epoch, offset), recovered),
                "{cursor}"
            );
            for (count, payload) in payloads.iter().enumerate() {
                let expected = Heard {
                    message: push("a", json!(payload)),
                    id: Some(format!("a {epoch} {}", offset + 1 + count as u64)),
                };
                assert_eq!(events.hear().await, expected);
            }
            events.silent().await;
        }
    }
    let mut events = Events::open(&client, "/sse?topic=a&rewind=2").await;
    assert_eq!(events.message().await, subscribed("a", (epoch, 4), true));
    assert_eq!(
        [events.message().await, events.message().await],
        [5, 6].map(|payload| push("a", json!(payload)))
    );
}

/// Somebody publishes all the time, and readers come and go: each message comes once, in order. Over HTTP/2 the server ends a
/// connection whose streams are reset too often (RFC 9113 section 10.5): then the reader comes back over another one.
async fn drops_lose_and_double_nothing(client: TestClient, relay: Relay, most_broken: u64) {
    const ALL: u64 = 3000;
    let mut topics = [("a", Vec::new()), ("b", Vec::new())];
    let mut last: Option<String> = None;
    let (mut visits, mut broken) = (0, 0);
    let publishing = tokio::spawn({
        let relay = relay.clone();
        async move {
            for payload in 1..=ALL {
                relay.push("a", "e", &payload).await.unwrap();
                relay.push("b", "e", &payload).await.unwrap();
                if payload % 7 == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    });
    // The first cursor: from then on nothing may be missing.
    let begin = poll(&client, "/poll?topic=a&topic=b&rewind=100000").await;
    let take = |topics: &mut [(&str, Vec<u64>); 2], message: &Value| {
        assert_eq!(message["type"], "push", "{message}");
        let (_, got) = topics
            .iter_mut()
            .find(|(topic, _)| message["topic"] == *topic)
            .unwrap();
        got.push(message["payload"].as_u64().unwrap());
    };
    begin
        .1
        .iter()
        .for_each(|message| take(&mut topics, message));
    let mut cursor = begin.0;
    while topics.iter().any(|(_, got)| got.last() != Some(&ALL)) {
        visits += 1;
        let encoded = cursor.replace(' ', "+").replace(';', "%3B");
        if visits % 3 == 0 {
            let target = format!("/poll?topic=a&topic=b&wait=1&cursor={encoded}");
            match try_poll(&client, &target).await {
                Ok((next, messages)) => {
                    let all = messages.iter();
                    all.for_each(|message| take(&mut topics, message));
                    cursor = next;
                }
                Err(_) => broken += 1,
            }
            continue;
        }
        let target = match &last {
            Some(_) => "/sse?topic=a&topic=b".to_owned(),
            None => format!("/sse?topic=a&topic=b&cursor={encoded}"),
        };
        let seen = last.as_ref().map(|_| cursor.as_str());
        let Ok(mut events) = Events::try_open(&client, &target, seen).await else {
            broken += 1;
            continue;
        };
        for _ in 0..visits % 50 {
            let heard = match timeout(Duration::from_millis(200), events.try_next()).await {
                Ok(Ok(heard)) => heard.unwrap(),
                Ok(Err(_)) => {
                    broken += 1;
                    break;
                }
                Err(_) => break,
            };
            match heard.message["type"].as_str() {
                Some("subscribed") => assert_eq!(heard.message["recovered"], true),
                _ => take(&mut topics, &heard.message),
            }
            cursor = heard.id.unwrap();
            last = Some(cursor.clone());
        }
    }
    publishing.await.unwrap();
    for (topic, got) in topics {
        assert!(
            got.iter().copied().eq(1..=ALL),
            "{topic}: {} of {ALL}",
            got.len()
        );
    }
    assert!(visits > 10, "only {visits} visits");
    assert!(broken <= most_broken, "{broken} of {visits} broken");
    until(|| relay.stats().connections == 0).await;
}

#[tokio::test]
async fn readers_that_come_and_go_lose_and_double_nothing() {
    let (relay, client) = serve(
        kept(100_000)
            .with_topic_capacity(100_000)
            .max_waiting(64 << 20),
    );
    drops_lose_and_double_nothing(client, relay, 0).await;
}

#[tokio::test]
async fn over_http2_readers_that_come_and_go_lose_and_double_nothing() {
    let (relay, client) = serve(
        kept(100_000)
            .with_topic_capacity(100_000)
            .max_waiting(64 << 20),
    );
    drops_lose_and_double_nothing(client.http2(), relay, 20).await;
}

#[tokio::test]
async fn who_is_present_is_told_without_an_id() {
    let (relay, client) = serve(ways().presence("room:*"));
    let mut ann = Events::open(&client, "/sse?topic=room:1&presence=1&user=ann").await;
    let begun = ann.hear().await;
    assert_eq!(begun.message["type"], "subscribed");
    let heard = ann.hear().await;
    let id = relay.presence("room:1")[0].conn_id;
    let member = json!({"conn_id":id,"user":"ann","meta":{}});
    assert_eq!(
        heard,
        Heard {
            message: json!({"type":"presence_state","topic":"room:1","members":[member]}),
            id: None,
        }
    );
    let bob = Events::open(&client, "/sse?topic=room:1&user=bob").await;
    let heard = ann.hear().await;
    assert_eq!(
        (&heard.message["joined"][0]["user"], heard.id),
        (&json!("bob"), None)
    );
    drop(bob);
    let heard = ann.hear().await;
    assert_eq!(
        (&heard.message["left"][0]["user"], heard.id),
        (&json!("bob"), None)
    );
    // Without the parameter nobody is told.
    relay.push("room:1", "e", &1).await.unwrap();
    let heard = ann.hear().await;
    assert_eq!(heard.message, push("room:1", json!(1)));
    assert!(heard.id.unwrap().ends_with(" 1"));
    drop(ann);
    until(|| relay.presence_count("room:1") == 0).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_what_it_missed() {
    let (relay, client) = serve(ways().with_topic_capacity(8));
    let mut events = Events::open(&client, "/sse?topic=a").await;
    let begun = events.hear().await;
    let epoch = begun.message["epoch"].as_u64().unwrap();
    // More than any buffer on the way has room for.
    let all = 600;
    let payload = "x".repeat(2000);
    for count in 1..=all {
        relay
            .push("a", "e", &json!([count, payload]))
            .await
            .unwrap();
        if count % 50 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    until(|| relay.stats().dropped > 0).await;
    let (mut offset, mut missed) = (0, 0);
    while offset < all {
        let heard = events.hear().await;
        match heard.message["type"].as_str() {
            Some("lagged") => {
                let count = heard.message["missed"].as_u64().unwrap();
                assert_eq!(heard.message["epoch"], epoch);
                assert_eq!(heard.message["first"], offset + 1);
                assert_eq!(heard.message["last"], offset + count);
                missed += count;
                offset += count;
            }
            _ => {
                offset += 1;
                assert_eq!(heard.message["payload"][0], offset);
            }
        }
        assert_eq!(heard.id, Some(format!("a {epoch} {offset}")));
    }
    assert!(missed > 0 && missed == relay.stats().dropped, "{missed}");
    assert_eq!(relay.stats().connections, 1);
}

#[tokio::test]
async fn a_reader_with_too_much_waiting_is_let_go() {
    for config in [
        ways().with_topic_capacity(1000).max_waiting(20_000),
        ways().with_topic_capacity(4).overflow(Overflow::Close),
    ] {
        let (relay, client) = serve(config);
        let mut events = Events::open(&client, "/sse?topic=a").await;
        let payload = "x".repeat(4000);
        let mut pushed = 0;
        while relay.stats().closed_slow == 0 {
            relay.push("a", "e", &payload).await.unwrap();
            pushed += 1;
            assert!(pushed < 10_000);
            if pushed % 10 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        let mut last = None;
        while let Some(heard) = events.next().await {
            last = Some(heard.message);
        }
        assert_eq!(
            last,
            Some(json!({"type":"disconnect","code":1013,"reason":"too slow"}))
        );
        until(|| relay.stats().connections == 0).await;
    }
}

#[tokio::test]
async fn the_server_subscribes_pushes_to_users_and_disconnects() {
    let (relay, client) = serve(ways());
    let mut events = Events::open(&client, "/sse?topic=a&user=ann").await;
    let id = events.hear().await.id;
    assert_eq!(relay.connections(9)[0].user.as_deref(), Some("ann"));
    assert_eq!(relay.push_to_user("ann", "b", "e", &1).await.unwrap(), 1);
    let to_user = json!({"type":"push","topic":"b","event":"e","payload":1,"to":"user"});
    assert_eq!(
        events.hear().await,
        Heard {
            message: to_user,
            id: id.clone()
        }
    );
    assert_eq!(relay.subscribe("ann", "b").unwrap(), 1);
    let heard = events.hear().await;
    assert_eq!(
        (&heard.message["type"], &heard.message["topic"]),
        (&json!("subscribed"), &json!("b"))
    );
    relay.push("b", "e", &2).await.unwrap();
    // What it has not asked for is not in its cursor.
    assert_eq!(
        events.hear().await,
        Heard {
            message: push("b", json!(2)),
            id: id.clone()
        }
    );
    let conn_id = relay.connections(9)[0].conn_id;
    relay.push_from(conn_id, "a", "e", &3).await.unwrap();
    let heard = events.hear().await;
    assert_eq!(
        heard.message,
        json!({"type":"skipped","topic":"a","count":1})
    );
    assert!(heard.id.unwrap().ends_with(" 1"));
    relay.unsubscribe(conn_id, "b").unwrap();
    assert_eq!(events.message().await["type"], "unsubscribed");
    // What was pushed before comes before the end.
    relay.push("a", "e", &"last").await.unwrap();
    relay.push_to_user("ann", "a", "e", &"words").await.unwrap();
    until(|| relay.connections(9)[0].waiting == 0).await;
    assert_eq!(
        relay.disconnect("ann", CloseCode::new(4500).unwrap(), "banned"),
        1
    );
    let mut heard = Vec::new();
    while let Some(event) = events.next().await {
        heard.push(event.message);
    }
    assert_eq!(
        heard.pop(),
        Some(json!({"type":"disconnect","code":4500,"reason":"banned"}))
    );
    assert_eq!(heard.len(), 2, "{heard:?}");
    until(|| relay.stats().connections == 0).await;
}

#[tokio::test]
async fn a_drain_ends_streams_and_answers_polls() {
    for http2 in [false, true] {
        let (relay, client) = serve(kept(9));
        let client = if http2 { client.http2() } else { client };
        let client = Arc::new(client);
        let mut events = Events::open(&client, "/sse?topic=a").await;
        let cursor = events.hear().await.id.unwrap().replace(' ', "+");
        let polling = tokio::spawn({
            let client = client.clone();
            async move { poll(&client, &format!("/poll?topic=a&cursor={cursor}")).await }
        });
        until(|| relay.stats().connections == 2).await;
        let begun = Instant::now();
        client.drain();
        assert_eq!(
            events.message().await,
            json!({"type":"disconnect","code":1001,"reason":"the server is going away"})
        );
        assert_eq!(events.next().await, None);
        assert_eq!(polling.await.unwrap().1, [] as [Value; 0]);
        assert!(begun.elapsed() < Duration::from_secs(10));
        until(|| relay.stats().connections == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_ends_takes_the_stream_and_the_poll_with_it() {
    let (relay, client) = serve(kept(9));
    relay.push("a", "e", &1).await.unwrap();
    let begun = Instant::now();
    let mut events = Events::open(&client, "/sse?topic=a&user=ann&for=9").await;
    let cursor = events.hear().await.id.unwrap().replace(' ', "+");
    let heard = events.message().await;
    assert_eq!(
        heard,
        json!({"type":"disconnect","code":4401,"reason":"the credentials have expired"})
    );
    assert_eq!(events.next().await, None);
    let took = begun.elapsed().as_secs();
    assert!((9..11).contains(&took), "{took}");
    let (_, messages) = poll(
        &client,
        &format!("/poll?topic=a&user=ann&for=3&cursor={cursor}"),
    )
    .await;
    assert_eq!(messages, [] as [Value; 0]);
    assert!((12..14).contains(&begun.elapsed().as_secs()));
    assert_eq!(relay.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_comes_there_are_comments() {
    let (_relay, client) = serve(ways());
    let mut events = Events::open(&client, "/sse?topic=a").await;
    events.hear().await;
    let begun = Instant::now();
    let comment = events.0.event().await.unwrap().unwrap();
    assert_eq!((comment.comment.as_deref(), comment.data), (Some(""), None));
    assert_eq!(begun.elapsed().as_secs(), 15);
}

// Who decides.

#[derive(Clone, Default)]
struct Slow(Arc<AtomicU64>, Arc<AtomicU64>);

/// `room:no` is refused, `room:slow...` after as many seconds as the state says, and the others are let in. Who leaves is counted.
async fn room(event: RelayEvent, _: Relay, State(slow): State<Slow>) -> Result<(), Error> {
    match event {
        RelayEvent::Join { topic, .. } => {
            if topic.as_str().starts_with("room:slow") {
                sleep(Duration::from_secs(slow.0.load(Ordering::Relaxed))).await;
            }
            if topic.as_str().ends_with("no") {
                return Err(Error::new(http::StatusCode::FORBIDDEN, "not for you"));
            }
        }
        RelayEvent::Leave { .. } => {
            slow.1.fetch_add(1, Ordering::Relaxed);
        }
        _ => {}
    }
    Ok(())
}

async fn judge(token: String) -> Result<CurrentUser, String> {
    match token.as_str() {
        "open-sesame" => Ok(CurrentUser::new("ali").valid_for(Duration::from_secs(60))),
        _ => Err("nobody has it".to_owned()),
    }
}

fn guarded() -> (Slow, Relay, TestClient) {
    let slow = Slow::default();
    let config = ways()
        .channel("room:*", room)
        .tokens_by("vip:*", judge)
        .unmatched(Unmatched::Reject);
    let (relay, client) = serve_with(config, Router::new().state(slow.clone()));
    (slow, relay, client)
}

#[tokio::test]
async fn when_no_topic_is_let_in_the_answer_says_why() {
    let (_, relay, client) = guarded();
    for way in ["sse", "poll"] {
        for (query, code, detail) in [
            (
                "topic=room:no",
                "join_rejected",
                "join rejected: not for you",
            ),
            (
                "topic=else&topic=room:no",
                "unknown_topic",
                "unknown topic else",
            ),
            ("topic=vip:1", "token_required", "vip:1 wants a token"),
            (
                "topic=vip:1&token=x",
                "invalid_token",
                "invalid token: nobody has it",
            ),
        ] {
            let response = client.get(&format!("/{way}?{query}")).await;
            assert_eq!(response.status, 403);
            assert_eq!(
                response.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(
                body(&response),
                json!({"title":"Forbidden","status":403,"detail":detail,"code":code})
            );
        }
    }
    until(|| relay.stats().connections == 0).await;
    assert_eq!(relay.hub().len(), 0);
}

#[tokio::test]
async fn topics_that_are_refused_beside_others_are_errors_in_the_stream() {
    let (slow, relay, client) = guarded();
    let mut events = Events::open(
        &client,
        "/sse?topic=room:no&topic=vip:1&topic=room:1&token=open-sesame",
    )
    .await;
    let refused = json!({"type":"error","code":"join_rejected","topic":"room:no","message":"join rejected: not for you"});
    assert_eq!(
        events.hear().await,
        Heard {
            message: refused.clone(),
            id: None
        }
    );
    let vip = events.message().await;
    assert_eq!(
        (&vip["type"], &vip["topic"], &vip["ttl"]),
        (&json!("subscribed"), &json!("vip:1"), &json!(60))
    );
    assert_eq!(vip.get("ref"), None);
    let room = events.hear().await;
    assert_eq!(room.message["topic"], "room:1");
    let id = room.id.unwrap();
    assert!(
        id.starts_with("vip:1 ") && id.contains(";room:1 ") && !id.contains("no"),
        "{id}"
    );
    relay.push("room:1", "e", &1).await.unwrap();
    assert_eq!(events.message().await, push("room:1", json!(1)));
    let (cursor, messages) = poll(&client, "/poll?topic=room:no&topic=room:1").await;
    assert!(cursor.starts_with("room:1 "), "{cursor}");
    assert_eq!(messages, [refused]);
    // The handler is told of each that has left: the poll, and then the stream.
    let left = || slow.1.load(Ordering::Relaxed);
    until(|| left() == 1).await;
    drop(events);
    until(|| left() == 2).await;
    assert_eq!(relay.stats().subscriptions, 0);
}

#[tokio::test(start_paused = true)]
async fn the_head_waits_for_who_decides_but_not_for_ever() {
    let (slow, _, client) = guarded();
    slow.0.store(8, Ordering::Relaxed);
    let begun = Instant::now();
    assert_eq!(client.get("/sse?topic=room:slow:no").await.status, 403);
    assert_eq!(begun.elapsed().as_secs(), 8);
    slow.0.store(30, Ordering::Relaxed);
    let begun = Instant::now();
    let mut events = Events::open(&client, "/sse?topic=room:slow:no").await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let refused = events.message().await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!("join_rejected"))
    );
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (relay, client) = serve(ways().with_max_subscriptions(3));
    for way in ["sse", "poll"] {
        for query in [
            "",
            "topic=",
            "topic=a*",
            "topic=a&topic=b&topic=c&topic=d",
            "topic=a&cursor=a",
            "topic=a&cursor=a+1+x",
            "topic=a&cursor=a+1+2;a+1+2",
            "topic=a&rewind=many",
            "topic=a&rewind=-1",
        ] {
            let response = client.get(&format!("/{way}?{query}")).await;
            assert_eq!(response.status, 400, "{way} {query}");
            assert_eq!(
                response.header("content-type"),
                Some("application/problem+json")
            );
        }
        let response = client
            .get(&format!("/{way}?topic=a"))
            .header("last-event-id", "nonsense")
            .await;
        assert_eq!(response.status, 400);
        assert_eq!(client.post(&format!("/{way}?topic=a")).await.status, 405);
    }
    assert_eq!(client.get("/poll?topic=a&wait=long").await.status, 400);
    let mut events = Events::open(&client, "/sse?topic=a&topic=b&topic=c&topic=a").await;
    for topic in ["a", "b", "c"] {
        assert_eq!(events.message().await["topic"], topic);
    }
    assert_eq!(relay.stats().errors, 0);
    // Neither is there unless it was asked for.
    let (_, client) = serve(RelayConfig::default());
    assert_eq!(client.get("/sse?topic=a").await.status, 404);
    assert_eq!(client.get("/poll?topic=a").await.status, 404);
}

// Long polls.

#[tokio::test(start_paused = true)]
async fn a_poll_answers_at_once_or_when_something_comes_or_in_time() {
    let (relay, client) = serve(kept(9));
    let begun = Instant::now();
    let (cursor, messages) = poll(&client, "/poll?topic=a").await;
    assert_eq!((begun.elapsed().as_secs(), messages.len()), (0, 0));
    let epoch: String = cursor
        .chars()
        .skip(2)
        .take_while(char::is_ascii_digit)
        .collect();
    assert_eq!(cursor, format!("a {epoch} 0"));
    // A topic that nobody holds begins anew: what is kept is what counts.
    let first = relay.push("a", "e", &1).await.unwrap();
    relay.push("a", "e", &2).await.unwrap();
    let epoch = first.epoch;
    let (cursor, messages) = poll(&client, "/poll?topic=a&rewind=1").await;
    assert_eq!(
        (cursor, messages),
        (format!("a {epoch} 2"), vec![push("a", json!(2))])
    );
    let (cursor, messages) = poll(&client, &format!("/poll?topic=a&cursor=a+{epoch}+0")).await;
    assert_eq!(
        (cursor, messages),
        (
            format!("a {epoch} 2"),
            vec![push("a", json!(1)), push("a", json!(2))]
        )
    );
    assert_eq!(begun.elapsed().as_secs(), 0);
    // Nothing comes.
    for (wait, seconds) in [("", 25), ("&wait=3", 3), ("&wait=900", 60), ("&wait=0", 0)] {
        let begun = Instant::now();
        let (cursor, messages) =
            poll(&client, &format!("/poll?topic=a&cursor=a+{epoch}+2{wait}")).await;
        assert_eq!((cursor, messages), (format!("a {epoch} 2"), vec![]));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    // Something comes.
    let pushing = tokio::spawn({
        let relay = relay.clone();
        async move {
            sleep(Duration::from_secs(7)).await;
            relay.push("a", "e", &3).await.unwrap();
        }
    });
    let begun = Instant::now();
    let (cursor, messages) = poll(&client, &format!("/poll?topic=a&cursor=a+{epoch}+2")).await;
    assert_eq!(
        (cursor, messages),
        (format!("a {epoch} 3"), vec![push("a", json!(3))])
    );
    assert_eq!(begun.elapsed().as_secs(), 7);
    pushing.await.unwrap();
    assert_eq!(relay.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_says_when_something_was_missed() {
    let (relay, client) = serve(kept(2));
    for payload in 1..=5 {
        relay.push("a", "e", &payload).await.unwrap();
    }
    let epoch = relay.push("a", "e", &6).await.unwrap().epoch;
    let (cursor, messages) = poll(&client, &format!("/poll?topic=a&cursor=a+{epoch}+2")).await;
    assert_eq!(cursor, format!("a {epoch} 6"));
    assert_eq!(
        messages,
        [
            subscribed("a", (epoch, 4), false),
            push("a", json!(5)),
            push("a", json!(6))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_history_can_be_polled() {
    let (relay, client) = serve(ways());
    let (cursor, _) = poll(&client, "/poll?topic=a").await;
    let after = |cursor: &str| format!("/poll?topic=a&wait=0&cursor={}", cursor.replace(' ', "+"));
    // It goes on counting: who comes again is told nothing new while there is nothing.
    for _ in 0..3 {
        sleep(Duration::from_secs(20)).await;
        let (next, messages) = poll(&client, &after(&cursor)).await;
        assert_eq!((next, messages), (cursor.clone(), vec![]));
    }
    // What comes between two requests is kept nowhere, and that it was missed is said at once, in the same life of the topic.
    let epoch = relay.push("a", "e", &1).await.unwrap().epoch;
    relay.push("a", "e", &2).await.unwrap();
    let (next, messages) = poll(&client, &after(&cursor)).await;
    assert_eq!(cursor, format!("a {epoch} 0"));
    assert_eq!(next, format!("a {epoch} 2"));
    assert_eq!(messages, [subscribed("a", (epoch, 2), false)]);
    // Nobody comes again: it is forgotten, and a new life begins.
    assert_eq!(relay.hub().len(), 1);
    let begun = Instant::now();
    while !relay.hub().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!((59..63).contains(&begun.elapsed().as_secs()));
    let pushing = tokio::spawn({
        let relay = relay.clone();
        async move {
            sleep(Duration::from_secs(2)).await;
            relay.push("a", "e", &1).await.unwrap();
        }
    });
    // Its life between two requests is not known, so it says so; it waits for what comes all the same.
    let begun = Instant::now();
    let (_, messages) = poll(
        &client,
        &format!("/poll?topic=a&cursor={}", cursor.replace(' ', "+")),
    )
    .await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(
        (&messages[0]["type"], &messages[0]["recovered"]),
        (&json!("subscribed"), &json!(false))
    );
    assert_eq!(messages[1], push("a", json!(1)));
    assert_eq!(begun.elapsed().as_secs(), 2);
    pushing.await.unwrap();
    // Somebody else keeps it alive: then what was missed is known, and told at once.
    let mut other = Events::open(&client, "/sse?topic=a").await;
    let epoch = other.message().await["epoch"].as_u64().unwrap();
    relay.push("a", "e", &2).await.unwrap();
    let begun = Instant::now();
    let (cursor, messages) = poll(&client, &format!("/poll?topic=a&cursor=a+{epoch}+1")).await;
    assert_eq!(
        (cursor, messages),
        (
            format!("a {epoch} 2"),
            vec![subscribed("a", (epoch, 2), false)]
        )
    );
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn a_poll_whose_client_goes_away_leaves_nothing_behind() {
    let (relay, client) = serve(kept(9));
    relay.push("a", "e", &1).await.unwrap();
    let epoch = relay.push("a", "e", &2).await.unwrap().epoch;
    let target = format!("/poll?topic=a&cursor=a+{epoch}+2");
    let gone = timeout(Duration::from_millis(100), client.get(&target).send()).await;
    assert!(gone.is_err());
    until(|| relay.stats().connections == 0 && relay.stats().subscriptions == 0).await;
    assert_eq!(relay.push("a", "e", &3).await.unwrap().subscribers, 0);
}

#[tokio::test]
async fn whoever_is_disconnected_while_polling_is_told() {
    let (relay, client) = serve(kept(9));
    let epoch = relay.push("a", "e", &1).await.unwrap().epoch;
    let kicking = tokio::spawn({
        let relay = relay.clone();
        async move {
            until(|| relay.stats().connections == 1).await;
            relay.disconnect("ann", CloseCode::new(4001).unwrap(), "elsewhere")
        }
    });
    let (_, messages) = poll(
        &client,
        &format!("/poll?topic=a&user=ann&cursor=a+{epoch}+1"),
    )
    .await;
    assert_eq!(
        messages,
        [json!({"type":"disconnect","code":4001,"reason":"elsewhere"})]
    );
    assert_eq!(kicking.await.unwrap(), 1);
}

// Over sockets.

/// Sends a request, and reads the head of the answer.
fn ask(addr: std::net::SocketAddr, target: &str, fields: &str) -> (u16, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nhost: {addr}\r\n{fields}\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().to_owned();
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    let status = status
        .bytes()
        .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    (status, reader)
}

/// The next data and id of an event stream in chunks, whose lines are never cut; `None` at the end.
fn event(reader: &mut BufReader<TcpStream>) -> Option<(Value, Option<String>)> {
    let (mut data, mut id) = (None, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let line = line.trim_end();
        if let Some(text) = line.strip_prefix("data: ") {
            data = Some(serde_json::from_str(text).unwrap());
        } else if let Some(text) = line.strip_prefix("id: ") {
            id = Some(text.to_owned());
        } else if line.is_empty()
            && let Some(data) = data.take()
        {
            return Some((data, id));
        }
    }
}

#[test]
fn a_connection_that_breaks_is_taken_up_again_and_a_stop_ends_it() {
    let relay = Relay::new(kept(100));
    let router = Router::new().relay(&relay).post("/say/{what}", {
        async |relay: Relay, wireline::extract::Path(what): wireline::extract::Path<u64>| {
            relay
                .push("a", "e", &what)
                .await
                .map(|published| published.offset.to_string())
                .map_err(Error::internal)
        }
    });
    let server = TestServer::new(router.build().unwrap());
    let say = |what: u64| {
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST /say/{what} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    };
    say(1);
    let (status, mut reader) = ask(server.addr(), "/sse?topic=a&rewind=9", "");
    assert_eq!(status, 200);
    assert_eq!(event(&mut reader).unwrap().0["type"], "subscribed");
    say(2);
    for payload in 1..=2 {
        assert_eq!(event(&mut reader).unwrap().0, push("a", json!(payload)));
    }
    say(3);
    let (third, id) = event(&mut reader).unwrap();
    assert_eq!(third, push("a", json!(3)));
    drop(reader);
    say(4);
    say(5);
    let fields = format!("last-event-id: {}\r\n", id.unwrap());
    let (status, mut reader) = ask(server.addr(), "/sse?topic=a&rewind=9", &fields);
    assert_eq!(status, 200);
    let (begun, _) = event(&mut reader).unwrap();
    assert_eq!(
        (&begun["recovered"], &begun["offset"]),
        (&json!(true), &json!(3))
    );
    for payload in 4..=5 {
        assert_eq!(event(&mut reader).unwrap().0, push("a", json!(payload)));
    }
    let begun = Instant::now();
    server.handle().stop();
    assert_eq!(event(&mut reader).unwrap().0["code"], 1001);
    assert_eq!(event(&mut reader), None);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
