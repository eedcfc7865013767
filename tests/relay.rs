//! Sockets as members of a relay.

use std::sync::Arc;
use std::time::Duration;
use wireline::Router;
use wireline::extract::State;
use wireline::relay::endpoint::{Overflow, Relay, Terms};
use wireline::relay::hub::{Delivery, Group, Hub, HubConfig, Member, Resume, Topic};
use wireline::test::TestClient;
use wireline::wire::number::decimal;
use wireline::ws::prelude::*;

#[derive(Clone)]
struct News {
    relay: Relay,
    terms: Arc<Terms>,
    topic: Topic,
}

async fn read(socket: WebSocket, State(news): State<News>) {
    let outlet = news.relay.outlet(&socket, news.terms);
    let (subscription, _) = outlet.subscribe(&news.topic, 0, Resume::Live);
    outlet.serve(socket, async |_| {}).await;
    outlet.unsubscribe(subscription);
}

fn news(terms: Terms) -> (News, TestClient) {
    let news = News {
        relay: Relay::default(),
        terms: Arc::new(terms),
        topic: Topic::new("news").unwrap(),
    };
    let routes = Router::new().websocket("/news", read).state(news.clone());
    (news, TestClient::new(routes.build().unwrap()))
}

/// Waits until so many subscribe.
async fn subscribed(news: &News, count: usize) {
    while news.relay.hub().subscribers(&news.topic) != count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn text(socket: &mut WebSocket) -> String {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_socket_gets_every_message_in_order() {
    let (news, client) = news(Terms::default());
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(client.websocket("/news").await);
    }
    subscribed(&news, 3).await;
    for number in 0..50 {
        let published = news
            .relay
            .publish(&news.topic, Prepared::text(&number.to_string()));
        assert_eq!(published.subscribers, 3);
    }
    for socket in &mut sockets {
        for number in 0..50 {
            assert_eq!(text(socket).await, number.to_string());
        }
    }
    drop(sockets);
    subscribed(&news, 0).await;
    assert!(news.relay.hub().is_empty());
}

/// What is missing is told where it is missing, with its exact number, and what comes is in order.
#[tokio::test]
async fn a_socket_that_does_not_read_is_told_what_it_misses() {
    let (news, client) = news(Terms {
        capacity: 10,
        missed: Some(Box::new(|_, missed| {
            Prepared::text(&format!("missed {missed}"))
        })),
        ..Terms::default()
    });
    let mut socket = client.websocket("/news").await;
    subscribed(&news, 1).await;
    let (count, padding) = (3000, "x".repeat(1000));
    for number in 0..count {
        let message = Prepared::text(&format!("{number} {padding}"));
        news.relay.publish(&news.topic, message);
        if number % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let (mut next, mut missed) = (0, 0);
    while next < count {
        let text = text(&mut socket).await;
        if let Some(told) = text.strip_prefix("missed ") {
            let told = decimal(told.as_bytes()).unwrap();
            missed += told;
            next += told;
        } else {
            let number = text.split_once(' ').unwrap().0;
            let number = decimal(number.as_bytes()).unwrap();
            assert_eq!(number, next);
            next += 1;
        }
    }
    assert!(missed > 1000, "{missed}");
}

#[tokio::test]
async fn a_socket_that_is_too_slow_is_closed_where_that_is_the_policy() {
    let (news, client) = news(Terms {
        capacity: 10,
        overflow: Overflow::Close,
        ..Terms::default()
    });
    let mut socket = client.websocket("/news").await;
    subscribed(&news, 1).await;
    for _ in 0..3000 {
        let message = Prepared::text(&"x".repeat(1000));
        news.relay.publish(&news.topic, message);
        tokio::task::yield_now().await;
    }
    let close = loop {
        match socket.recv().await {
            Some(Ok(Message::Text(_))) => {}
            Some(Ok(Message::Close(close))) => break close.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(close.code, CloseCode::TRY_AGAIN);
    subscribed(&news, 0).await;
}

/// Somebody who subscribes and does not listen.
struct Nobody;

impl Member<bytes::Bytes> for Nobody {
    fn id(&self) -> u64 {
        1
    }

    fn deliver(&self, _: u32, _: &Delivery<'_, bytes::Bytes>) {}
}

/// What the process holds, in octets.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split(' ').nth(1).unwrap();
    decimal(pages.as_bytes()).unwrap() * 4096
}

#[test]
fn a_million_topics_come_and_go_and_leave_nothing() {
    let hub = Hub::new(HubConfig::default());
    let (group, nobody) = (Group::new(), Arc::new(Nobody));
    let mut held = Vec::new();
    for round in 0..10 {
        let subscriptions: Vec<_> = (0..100_000)
            .map(|number| {
                let topic = Topic::new(&format!("topic:{}", round * 100_000 + number)).unwrap();
                let (subscription, _) =
                    hub.subscribe(&topic, &group, nobody.clone(), 0, Resume::Live, 0);
                subscription
            })
            .collect();
        assert_eq!(hub.len(), 100_000);
        for subscription in subscriptions {
            hub.unsubscribe(subscription);
        }
        assert!(hub.is_empty());
        held.push(resident());
    }
    // What the allocator keeps of the first rounds is used again by the others; how much that is goes up and down with the tests beside
    // this. 30 octets that stay of each topic are above it by then.
    let (first, later) = held.split_at(5);
    assert!(
        later.iter().min() < first.iter().max().map(|most| most + (8 << 20)).as_ref(),
        "{held:?}"
    );
    assert_eq!(Arc::strong_count(&nobody), 1);
}
