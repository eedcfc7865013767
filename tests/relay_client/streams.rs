//! The client and the relay behind a proxy that lets no WebSocket through: by event stream, and back.

use crate::next;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use wireline::relay::client::{
    Backoff, Builder, Ended, Event, Presence, RelayClient, RequestError, Status, SubscribeOptions,
    Subscription,
};
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayConfig, RelayEvent, Whom};
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::{Error, Router};

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay in memory, and what stands before it.
struct Place {
    relay: Relay,
    server: Arc<TestClient>,
    proxy: Arc<Proxy>,
    cables: Arc<Mutex<Vec<AbortHandle>>>,
}

/// What a proxy lets through.
#[derive(Default)]
struct Proxy {
    sockets: AtomicBool,
    streams: AtomicBool,
    asked_sockets: AtomicUsize,
    asked_streams: AtomicUsize,
}

impl Place {
    fn new(config: RelayConfig) -> Self {
        let relay = Relay::new(config.sse("/sse").retention(|_| Retention {
            messages: 10_000,
            octets: 16 << 20,
            age: 600_000,
        }));
        let proxy = Arc::new(Proxy::default());
        proxy.streams.store(true, Ordering::SeqCst);
        let before = proxy.clone();
        let judge = move |request: Request, next: Next| {
            let proxy = before.clone();
            async move { proxy.judge(request, next).await }
        };
        let routes = Router::new().relay(&relay).middleware(judge);
        Self {
            relay,
            server: Arc::new(TestClient::new(routes.build().unwrap())),
            proxy,
            cables: Arc::default(),
        }
    }

    fn builder(&self) -> Builder {
        let (server, cables) = (self.server.clone(), self.cables.clone());
        let backoff = Backoff {
            first: Duration::from_millis(5),
            ceiling: Duration::from_millis(20),
        };
        RelayClient::builder("ws://test/ws")
            .backoff(backoff)
            .probe(Duration::from_millis(20))
            .over(move || {
                let mut far = server.connect();
                let (ours, mut near) = memory::pair(16 * 1024);
                let task = tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                cables.lock().unwrap().push(task.abort_handle());
                async move { Ok::<_, io::Error>(Io::Dyn(Box::new(ours))) }
            })
    }

    /// Cuts every connection, in the middle of whatever is being said.
    fn cut(&self) {
        let cables = std::mem::take(&mut *self.cables.lock().unwrap());
        cables.iter().for_each(AbortHandle::abort);
    }

    fn lets_sockets(&self, on: bool) {
        self.proxy.sockets.store(on, Ordering::SeqCst);
    }
}

impl Proxy {
    async fn judge(&self, mut request: Request, next: Next) -> Response {
        let is_socket = request.path() == "/ws";
        let (open, asked) = if is_socket {
            (&self.sockets, &self.asked_sockets)
        } else {
            (&self.streams, &self.asked_streams)
        };
        asked.fetch_add(1, Ordering::SeqCst);
        if !open.load(Ordering::SeqCst) {
            return Response::new("not here").with_status(http::StatusCode::BAD_REQUEST);
        }
        let user = request.headers().get("authorization");
        let user = user.and_then(|value| {
            value
                .to_str()
                .ok()?
                .strip_prefix("Bearer ")
                .map(str::to_owned)
        });
        match user.as_deref() {
            Some("old") => return Response::new(()).with_status(http::StatusCode::UNAUTHORIZED),
            Some(user) => CurrentUser::new(user).put_into(&mut request),
            None => {}
        }
        next.run(request).await
    }
}

async fn is(client: &RelayClient, wanted: &Status) {
    let reached = async {
        let mut status = client.status();
        while status != *wanted {
            status = client.changed(&status).await;
        }
    };
    timeout(PATIENCE, reached)
        .await
        .expect("the status in time");
}

/// The next push, whatever is told of the connection before it.
async fn pushed(subscription: &mut Subscription) -> u64 {
    loop {
        match timeout(PATIENCE, subscription.next()).await.unwrap() {
            Some(Event::Push(push)) => return push.json().unwrap(),
            Some(Event::Subscribed(begun)) => assert!(begun.recovered, "something is missing"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn where_no_socket_can_be_opened_a_stream_is_read() {
    let place = Place::new(RelayConfig::default());
    let client = place.builder().start();
    let mut news = client.subscribe("news").unwrap();
    is(&client, &Status::Reading).await;
    assert_eq!(next(&mut news).await, "subscribed true false");
    // A first failure is enough when there never was a connection.
    assert_eq!(place.proxy.asked_streams.load(Ordering::SeqCst), 1);
    place.relay.push("news", "n", &1).await.unwrap();
    assert_eq!(next(&mut news).await, "n 1");

    for asked in [
        client.send("news", "say", &1).await.unwrap_err(),
        client.ping().await.unwrap_err(),
        client.hello().await.unwrap_err(),
    ] {
        assert!(matches!(asked, RequestError::ReadOnly), "{asked}");
    }

    // Another topic is another stream, and what was published meanwhile follows.
    let options = SubscribeOptions::new().rewind(2);
    for number in 1..4 {
        place.relay.push("old", "n", &number).await.unwrap();
    }
    let mut old = client.subscribe_with("old", options).unwrap();
    assert_eq!(next(&mut old).await, "subscribed true false");
    assert_eq!(next(&mut old).await, "n 2");
    assert_eq!(next(&mut old).await, "n 3");
    place.relay.push("news", "n", &2).await.unwrap();
    assert_eq!(pushed(&mut news).await, 2);

    // A socket takes over as soon as there is one.
    place.lets_sockets(true);
    is(&client, &Status::Connected).await;
    place.relay.push("news", "n", &3).await.unwrap();
    assert_eq!(pushed(&mut news).await, 3);
    client.ping().await.unwrap();

    // When it is lost, a socket is tried three times before a stream is.
    place.lets_sockets(false);
    let before = place.proxy.asked_sockets.load(Ordering::SeqCst);
    let streams = place.proxy.asked_streams.load(Ordering::SeqCst);
    place.cut();
    is(&client, &Status::Reading).await;
    assert_eq!(
        place.proxy.asked_streams.load(Ordering::SeqCst),
        streams + 1
    );
    assert!(place.proxy.asked_sockets.load(Ordering::SeqCst) >= before + 3);
    place.relay.push("news", "n", &4).await.unwrap();
    assert_eq!(pushed(&mut news).await, 4);

    // Without a topic there is no stream.
    drop((news, old));
    timeout(PATIENCE, client.changed(&Status::Reading))
        .await
        .unwrap();
    timeout(PATIENCE, client.close()).await.unwrap();
}

/// Sockets come and go, streams too, and cables are cut: every push comes once, in order.
#[tokio::test]
async fn nothing_is_lost_between_sockets_and_streams() {
    const PUSHES: u64 = 1500;
    let place = Place::new(RelayConfig::default());
    let client = place.builder().start();
    let mut readers = Vec::new();
    for topic in ["a", "b"] {
        let mut subscription = client.subscribe(topic).unwrap();
        assert_eq!(next(&mut subscription).await, "subscribed true false");
        readers.push(tokio::spawn(async move {
            for number in 1..=PUSHES {
                assert_eq!(pushed(&mut subscription).await, number);
            }
        }));
    }
    let mut others = Vec::new();
    for number in 1..=PUSHES {
        place.relay.push("a", "n", &number).await.unwrap();
        place.relay.push("b", "n", &number).await.unwrap();
        match number % 150 {
            20 => place.cut(),
            40 => {
                place.lets_sockets(false);
                place.cut();
            }
            60 => is(&client, &Status::Reading).await,
            // Other topics are other streams.
            70 => others.push(client.subscribe(&format!("other:{number}")).unwrap()),
            90 => others.clear(),
            100 => place.cut(),
            120 => place.lets_sockets(true),
            140 => is(&client, &Status::Connected).await,
            _ => {}
        }
        if number % 5 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    for reader in readers {
        timeout(PATIENCE, reader).await.unwrap().unwrap();
    }
    let asked = place.proxy.asked_streams.load(Ordering::SeqCst);
    assert!(asked > 15, "only {asked} streams");
}

#[tokio::test]
async fn presence_and_refusals_by_stream() {
    async fn guard(event: RelayEvent, _: Relay) -> Result<(), Error> {
        match event {
            RelayEvent::Join { .. } => Err(Error::new(http::StatusCode::FORBIDDEN, "members only")),
            _ => Ok(()),
        }
    }
    let place = Place::new(
        RelayConfig::default()
            .presence("room")
            .channel("closed", guard),
    );
    place.lets_sockets(true);
    let ann = place
        .builder()
        .bearer(async || Ok::<_, io::Error>("ann".to_owned()));
    let ann = ann.connect().await.unwrap();
    let present = || SubscribeOptions::new().presence(true);
    let mut hers = ann.subscribe_with("room", present()).unwrap();
    assert_eq!(next(&mut hers).await, "subscribed true false");
    place.lets_sockets(false);

    let bob = place
        .builder()
        .bearer(async || Ok::<_, io::Error>("bob".to_owned()));
    let bob = bob.start();
    let mut closed = bob.subscribe("closed").unwrap();
    // Of several topics one is refused, or all are.
    assert_eq!(
        next(&mut closed).await,
        "error join_rejected join rejected: members only"
    );
    assert_eq!(next(&mut closed).await, "end");
    let mut room = bob.subscribe_with("room", present()).unwrap();
    let mut closed = bob.subscribe("closed").unwrap();
    assert_eq!(
        next(&mut closed).await,
        "error join_rejected join rejected: members only"
    );
    assert_eq!(next(&mut closed).await, "end");
    assert_eq!(next(&mut room).await, "subscribed true false");
    match timeout(PATIENCE, room.next()).await.unwrap() {
        Some(Event::Presence(Presence::State { members, .. })) => {
            let users: Vec<_> = members
                .iter()
                .filter_map(|member| member.user.as_deref())
                .collect();
            assert!(users.contains(&"ann"), "{members:?}");
        }
        other => panic!("{other:?}"),
    }
    drop(closed);
}

#[tokio::test]
async fn how_streams_end() {
    // The application ends it, for good.
    let place = Place::new(RelayConfig::default());
    let client = place
        .builder()
        .bearer(async || Ok::<_, io::Error>("ann".to_owned()));
    let client = client.start();
    let mut news = client.subscribe("news").unwrap();
    assert_eq!(next(&mut news).await, "subscribed true false");
    let code = CloseCode::new(4500).unwrap();
    assert_eq!(place.relay.disconnect(Whom::User("ann"), code, "enough"), 1);
    let ended = timeout(PATIENCE, client.closed()).await.unwrap();
    assert!(matches!(ended, Ended::Closed { code: 4500, .. }), "{ended}");
    assert_eq!(next(&mut news).await, "end");

    // A sign-in that is refused is tried anew, and then no more.
    let place = Place::new(RelayConfig::default());
    let client = place
        .builder()
        .bearer(async || Ok::<_, io::Error>("old".to_owned()));
    let client = client.event_stream_only().start();
    let _news = client.subscribe("news").unwrap();
    let ended = timeout(PATIENCE, client.closed()).await.unwrap();
    assert_eq!(ended, Ended::Refused(401));
    assert_eq!(place.proxy.asked_streams.load(Ordering::SeqCst), 4);
    assert_eq!(place.proxy.asked_sockets.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_asked_for_and_what_is_not() {
    // No streams for who does not want them.
    let place = Place::new(RelayConfig::default());
    let client = place.builder().without_event_stream().start();
    let _news = client.subscribe("news").unwrap();
    let asked = || place.proxy.asked_sockets.load(Ordering::SeqCst);
    // The wait behind a status is five seconds: the first failure tells enough.
    while asked() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    timeout(PATIENCE, async {
        let mut status = client.status();
        while !matches!(status, Status::Waiting(_)) {
            status = client.changed(&status).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(place.proxy.asked_streams.load(Ordering::SeqCst), 0);

    // Streams alone, at another place, where there is none.
    let place = Place::new(RelayConfig::default());
    let client = place
        .builder()
        .event_stream_only()
        .event_stream("/elsewhere")
        .start();
    let _news = client.subscribe("news").unwrap();
    timeout(PATIENCE, async {
        let mut status = client.status();
        while !matches!(&status, Status::Waiting(why) if why.contains("404")) {
            status = client.changed(&status).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(place.proxy.asked_sockets.load(Ordering::SeqCst), 0);
}
