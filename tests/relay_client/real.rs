//! The client and the relay itself: over TCP, or in memory where the cable is cut.

use crate::next;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use wireline::extract::Json;
use wireline::relay::client::{
    Backoff, Builder, Ended, Event, Presence, RelayClient, RequestError, SubscribeOptions,
};
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayCall, RelayConfig, Unmatched, Whom};
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::service::user::CurrentUser;
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::{Error, Router};

/// A relay in memory, whose connections can be cut.
struct Place {
    relay: Relay,
    server: Arc<TestClient>,
    cables: Arc<Mutex<Vec<AbortHandle>>>,
    connections: Arc<AtomicUsize>,
}

impl Place {
    fn new(config: RelayConfig) -> Self {
        let relay = Relay::new(config);
        let routes = Router::new().relay(&relay).build().unwrap();
        Self {
            relay,
            server: Arc::new(TestClient::new(routes)),
            cables: Arc::default(),
            connections: Arc::default(),
        }
    }

    fn builder(&self) -> Builder {
        let (server, cables) = (self.server.clone(), self.cables.clone());
        let connections = self.connections.clone();
        let backoff = Backoff {
            first: Duration::from_millis(5),
            ceiling: Duration::from_millis(50),
        };
        RelayClient::builder("ws://test/ws")
            .backoff(backoff)
            .over(move || {
                connections.fetch_add(1, Ordering::SeqCst);
                let mut far = server.connect();
                let (ours, mut near) = memory::pair(16 * 1024);
                let task = tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                cables.lock().unwrap().push(task.abort_handle());
                async move { Ok::<_, io::Error>(Io::Dyn(Box::new(ours))) }
            })
    }

    async fn client(&self) -> RelayClient {
        self.builder().connect().await.unwrap()
    }

    /// Cuts every connection, in the middle of whatever is being said.
    fn cut(&self) {
        self.cables
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|cable| cable.abort());
    }
}

fn kept(messages: usize) -> RelayConfig {
    RelayConfig::default().retention(move |_| Retention {
        messages,
        octets: 4 << 20,
        age: 600_000,
    })
}

/// Five clients, one that publishes, and a cable that is cut forty times.
#[tokio::test]
async fn nothing_is_lost_and_nothing_doubled_when_cables_are_cut() {
    const PUSHES: u64 = 4000;
    let place = Place::new(kept(100_000));
    let mut readers = Vec::new();
    for _ in 0..5 {
        let client = place.client().await;
        let mut news = client.subscribe("news").unwrap();
        assert_eq!(next(&mut news).await, "subscribed true false");
        readers.push(tokio::spawn(async move {
            let (mut seen, mut resumed) = (0, 0);
            while seen < PUSHES {
                match timeout(Duration::from_secs(60), news.next())
                    .await
                    .unwrap()
                    .unwrap()
                {
                    Event::Push(push) => {
                        seen += 1;
                        assert_eq!(push.json::<u64>().unwrap(), seen);
                    }
                    Event::Subscribed(begun) => {
                        assert!(begun.recovered && begun.resumed);
                        resumed += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            drop(client);
            resumed
        }));
    }
    for number in 1..=PUSHES {
        place.relay.push("news", "n", &number).await.unwrap();
        if number % 100 == 50 {
            place.cut();
        }
        if number % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let mut resumed = 0;
    for reader in readers {
        resumed += reader.await.unwrap();
    }
    assert!(resumed > 20, "only {resumed} resumptions");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said() {
    let place = Place::new(kept(3));
    let client = place.client().await;
    let mut news = client.subscribe("news").unwrap();
    assert_eq!(next(&mut news).await, "subscribed true false");
    place.relay.push("news", "n", &1).await.unwrap();
    assert_eq!(next(&mut news).await, "n 1");
    place.cut();
    for number in 2..10 {
        place.relay.push("news", "n", &number).await.unwrap();
    }
    assert_eq!(next(&mut news).await, "subscribed false true");
    for number in 7..10 {
        assert_eq!(next(&mut news).await, format!("n {number}"));
    }
    let mut late = client
        .subscribe_with("late", SubscribeOptions::new().rewind(2))
        .unwrap();
    assert_eq!(next(&mut late).await, "subscribed true false");
    drop(late);
    for number in 1..4 {
        place.relay.push("late", "n", &number).await.unwrap();
    }
    let mut late = client
        .subscribe_with("late", SubscribeOptions::new().rewind(2))
        .unwrap();
    assert!(next(&mut late).await.starts_with("subscribed"));
    assert_eq!(next(&mut late).await, "n 2");
    assert_eq!(next(&mut late).await, "n 3");
}

#[tokio::test]
async fn messages_calls_and_their_refusals() {
    async fn sum(call: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
        let numbers: Vec<i64> = call.payload.json().map_err(Error::internal)?;
        Ok(Json(numbers.iter().sum()))
    }
    async fn never(_: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
        std::future::pending().await
    }
    let config = RelayConfig::default().call("sum", sum).call("never", never);
    let place = Place::new(config);
    let client = place.client().await;
    let mut room = client.subscribe("room:1").unwrap();
    assert_eq!(next(&mut room).await, "subscribed true false");
    client
        .send("room:1", "say", &HashMap::from([("text", "hi")]))
        .await
        .unwrap();
    assert_eq!(next(&mut room).await, r#"say {"text":"hi"}"#);
    let refused = client.send("room:2", "say", &1).await;
    assert!(
        matches!(&refused, Err(RequestError::Refused(refusal)) if refusal.code == "not_subscribed"),
        "{refused:?}"
    );

    let second = Duration::from_secs(1);
    assert_eq!(
        client.call::<i64>("sum", &[1, 2, 3], second).await.unwrap(),
        6
    );
    let begun = Instant::now();
    let refused = client
        .call::<i64>("never", &1, Duration::from_millis(200))
        .await;
    assert!(
        matches!(&refused, Err(RequestError::Refused(refusal)) if refusal.code == "deadline_exceeded"),
        "{refused:?}"
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let refused = client.call::<i64>("nothing", &1, second).await;
    assert!(
        matches!(&refused, Err(RequestError::Refused(refusal)) if refusal.code == "unknown_method"),
        "{refused:?}"
    );
    assert!(client.hello().await.unwrap().conn_id > 0);
    assert!(client.ping().await.unwrap() < second);
    // Sixteen of a connection run beside each other; those that were given up make room.
    for _ in 0..40 {
        let call = client.call::<i64>("never", &1, second);
        assert!(timeout(Duration::from_millis(5), call).await.is_err());
    }
    assert_eq!(client.call::<i64>("sum", &[2, 3], second).await.unwrap(), 5);
}

#[tokio::test]
async fn who_is_present_is_known_over_reconnections() {
    let place = Place::new(RelayConfig::default().presence("room:*"));
    let options = || SubscribeOptions::new().presence(true).payload("here");
    let ann = place.client().await;
    let mut room = ann.subscribe_with("room:1", options()).unwrap();
    assert_eq!(next(&mut room).await, "subscribed true false");
    let Some(Event::Presence(Presence::State { members, more })) = room.next().await else {
        panic!("no state")
    };
    assert_eq!((members.len(), more), (1, false));
    assert_eq!(members[0].meta.get(), "\"here\"");
    assert_eq!(members[0].conn_id, ann.hello().await.unwrap().conn_id);

    let bob = place.client().await;
    let bobs = bob.subscribe_with("room:1", options()).unwrap();
    let Some(Event::Presence(Presence::Diff { joined, left })) = room.next().await else {
        panic!("no change")
    };
    assert_eq!((joined.len(), left.len()), (1, 0));
    assert_eq!(room.members().len(), 2);

    place.cut();
    let settled = async {
        loop {
            let conn_ids: Vec<u64> = room.members().iter().map(|member| member.conn_id).collect();
            let hello = [ann.hello().await, bob.hello().await];
            if let [Ok(ann), Ok(bob)] = hello
                && conn_ids == {
                    let mut both = [ann.conn_id, bob.conn_id];
                    both.sort_unstable();
                    both
                }
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), settled)
        .await
        .expect("both are there again");
    drop(bobs);
    timeout(Duration::from_secs(30), async {
        while room.members().len() != 1 {
            room.next().await.unwrap();
        }
    })
    .await
    .unwrap();
    drop(place);
}

#[tokio::test]
async fn tokens_are_renewed_and_expired_ones_replaced() {
    let judged = Arc::new(Mutex::new(Vec::new()));
    let seen = judged.clone();
    let config = kept(100).tokens_by("vip:*", move |token: String| {
        seen.lock().unwrap().push(token.clone());
        async move {
            match token.as_str() {
                "no" => Err("nobody has this token".to_owned()),
                _ => Ok(CurrentUser::new("ali").valid_for(Duration::from_secs(3))),
            }
        }
    });
    let place = Place::new(config);
    let client = place.client().await;
    let counted = Arc::new(AtomicUsize::new(0));
    let options = SubscribeOptions::new().token(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, io::Error>(format!("t{number}")) }
    });
    let mut vip = client.subscribe_with("vip:1", options).unwrap();
    assert_eq!(next(&mut vip).await, "subscribed true false");
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(8) {
        number += 1;
        place.relay.push("vip:1", "n", &number).await.unwrap();
        assert_eq!(next(&mut vip).await, format!("n {number}"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tokens = judged.lock().unwrap().clone();
    assert!(
        tokens.len() >= 3 && tokens[..2] == ["t0", "t1"],
        "{tokens:?}"
    );

    let mut without = client.subscribe("vip:2").unwrap();
    assert!(next(&mut without).await.starts_with("error token_required"));
    assert_eq!(next(&mut without).await, "end");
    let options = SubscribeOptions::new().token(async || Ok::<_, io::Error>("no".to_owned()));
    let mut wrong = client.subscribe_with("vip:3", options).unwrap();
    assert!(next(&mut wrong).await.starts_with("error invalid_token"));
}

#[tokio::test]
async fn the_server_decides() {
    let config = RelayConfig::default().unmatched(Unmatched::Reject);
    let place = Place::new(config);
    let client = place.client().await;
    let mut room = client.subscribe("room").unwrap();
    assert!(next(&mut room).await.starts_with("error unknown_topic"));
    assert_eq!(next(&mut room).await, "end");

    let place = Place::new(RelayConfig::default());
    let client = place.client().await;
    let conn_id = client.hello().await.unwrap().conn_id;
    let mut direct = client.direct().unwrap();
    place
        .relay
        .subscribe(Whom::Connection(conn_id), "news")
        .unwrap();
    assert!(
        matches!(direct.next().await, Some(Event::Subscribed(begun)) if begun.topic.as_str() == "news")
    );
    place.relay.push("news", "n", &1).await.unwrap();
    assert!(matches!(direct.next().await, Some(Event::Push(push)) if push.payload.get() == "1"));

    let mut room = client.subscribe("room").unwrap();
    assert_eq!(next(&mut room).await, "subscribed true false");
    place
        .relay
        .unsubscribe(Whom::Connection(conn_id), "room")
        .unwrap();
    assert_eq!(next(&mut room).await, "unsubscribed server");
    assert_eq!(next(&mut room).await, "end");

    // Of two connections the first is told to come back, the second not to.
    let disconnect = |conn_id, code| {
        let code = CloseCode::new(code).unwrap();
        place
            .relay
            .disconnect(Whom::Connection(conn_id), code, "as asked")
    };
    let first = client.hello().await.unwrap().conn_id;
    assert_eq!(disconnect(first, 4000), 1);
    let second = timeout(Duration::from_secs(30), async {
        loop {
            match client.hello().await {
                Ok(hello) if hello.conn_id != first => return hello.conn_id,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    assert_eq!(disconnect(second.await.unwrap(), 4500), 1);
    let ended = timeout(Duration::from_secs(30), client.closed())
        .await
        .unwrap();
    assert!(
        matches!(ended, Ended::Closed { code: 4500, .. }),
        "{ended:?}"
    );
}

#[tokio::test]
async fn batches_are_as_good_as_single_messages() {
    let place = Place::new(kept(1000));
    let client = place
        .builder()
        .batch(Duration::from_millis(20))
        .connect()
        .await
        .unwrap();
    let mut news = client.subscribe("news").unwrap();
    assert_eq!(next(&mut news).await, "subscribed true false");
    for round in 0..3 {
        for number in 0..100 {
            place
                .relay
                .push("news", "n", &(round * 100 + number))
                .await
                .unwrap();
        }
        if round == 1 {
            place.cut();
        }
    }
    let mut seen = 0;
    while seen < 300 {
        let event = next(&mut news).await;
        if event != "subscribed true true" {
            assert_eq!(event, format!("n {seen}"));
            seen += 1;
        }
    }
}
