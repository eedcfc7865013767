//! What was lost between the nodes of a cluster, or had no room, as the client tells it: by socket and by event stream.

use std::io;
use std::time::Duration;
use tokio::time::timeout;
use wireline::Router;
use wireline::relay::backplane::memory::MemoryBackplane;
use wireline::relay::client::{Event, Missing, RelayClient, SubscribeOptions, Subscription};
use wireline::relay::cluster::ClusterConfig;
use wireline::relay::{Relay, RelayConfig};
use wireline::resource::io::Io;
use wireline::test::TestClient;

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

fn node(bus: &MemoryBackplane) -> Relay {
    let config = RelayConfig::default().sse("/sse").backplane(bus.clone());
    Relay::new(config.cluster(ClusterConfig {
        beat: 100,
        ttl: 500,
        // Room for few messages.
        outbox: 2_000,
        ..ClusterConfig::default()
    }))
}

fn client(relay: &Relay, by_stream: bool) -> RelayClient {
    let routes = Router::new().relay(relay).build().unwrap();
    let server = std::sync::Arc::new(TestClient::new(routes));
    let builder = RelayClient::builder("ws://test/ws").over(move || {
        let stream = server.connect();
        async move { Ok::<_, io::Error>(Io::Dyn(Box::new(stream))) }
    });
    if by_stream {
        builder.event_stream_only().start()
    } else {
        builder.start()
    }
}

async fn event(subscription: &mut Subscription) -> Event {
    let event = timeout(PATIENCE, subscription.next()).await;
    event.expect("an event in time").expect("a subscription")
}

#[tokio::test]
async fn a_gap_between_nodes_is_told_with_its_range() {
    for by_stream in [false, true] {
        let bus = MemoryBackplane::new();
        let (one, two) = (node(&bus), node(&bus));
        let client = client(&two, by_stream);
        let mut news = client.subscribe("news").unwrap();
        assert!(matches!(event(&mut news).await, Event::Subscribed(_)));
        // Until the nodes know each other nothing comes.
        let met = async {
            loop {
                one.push("news", "n", &0).await.unwrap();
                let heard = timeout(Duration::from_millis(50), news.next()).await;
                if let Ok(Some(Event::Push(_))) = heard {
                    return;
                }
            }
        };
        timeout(PATIENCE, met).await.expect("nodes that meet");

        bus.cut();
        let down = async {
            while one.cluster_standing().unwrap().is_up {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, down)
            .await
            .expect("a broker that is away");
        for number in 1..=100 {
            one.push("news", "n", &number).await.unwrap();
        }
        bus.heal();
        let lagged = loop {
            match event(&mut news).await {
                Event::Lagged(lagged) => break lagged,
                // Of those by which the nodes have met.
                Event::Push(push) => assert_eq!(push.json::<u64>().unwrap(), 0),
                other => panic!("{other:?}"),
            }
        };
        let node = one.cluster().unwrap().node();
        match lagged.which {
            Some(Missing::OfNode {
                node: of,
                first,
                last,
            }) => {
                assert_eq!((of, last - first + 1), (node, lagged.missed));
            }
            other => panic!("{other:?}"),
        }
        // What comes behind it is what was not counted as missing.
        for number in lagged.missed + 1..=100 {
            match event(&mut news).await {
                Event::Push(push) => assert_eq!(push.json::<u64>().unwrap(), number),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The server drops what the connection does not take at once, and the client what nobody reads.
#[tokio::test]
async fn what_had_no_room_is_told_with_its_offsets() {
    for (by_stream, queue) in [(false, 10_000), (false, 4), (true, 10_000), (true, 4)] {
        let config = RelayConfig::default().sse("/sse").with_topic_capacity(4);
        let relay = Relay::new(config);
        let client = client(&relay, by_stream);
        let options = SubscribeOptions::new().queue(queue);
        let mut news = client.subscribe_with("news", options).unwrap();
        assert!(matches!(event(&mut news).await, Event::Subscribed(_)));
        let long = "x".repeat(16 << 10);
        let mut epoch = 0;
        for number in 1..=200 {
            let published = relay.push("news", "n", &(number, &long)).await;
            epoch = published.unwrap().epoch;
            if number % 20 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let (mut had, mut missed) = (0, 0);
        while had < 200 {
            match event(&mut news).await {
                Event::Push(push) => {
                    had += 1;
                    assert_eq!(push.json::<(u64, String)>().unwrap().0, had);
                }
                Event::Lagged(lagged) => {
                    let (first, last) = (had + 1, had + lagged.missed);
                    let which = Missing::OfEpoch { epoch, first, last };
                    assert_eq!(lagged.which, Some(which), "{by_stream} {queue}");
                    had = last;
                    missed += lagged.missed;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(had, 200);
        assert!(missed > 0 && relay.stats().dropped > 0);
    }
}
