//! The spans of the paved path (SPEC D34, D40). In a file of its own: a span that another thread met first, without a subscriber, stays off.
#![cfg(feature = "app")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wireline::Router;
use wireline::app::App;
use wireline::service::response::Response;
use wireline::test::TestClient;

fn router() -> Router {
    Router::new().get("/users/{id}", async || {
        tracing::info!("in the handler");
        Response::text("Ada").with_status(http::StatusCode::CREATED)
    })
}

/// D34: the names of both worlds; `http.route` is the pattern, and the query is nowhere.
#[test]
fn d40_d34_a_span_for_each_request_with_the_names_of_both_worlds() {
    let seen = Spans::default();
    tracing::subscriber::with_default(seen.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = TestClient::new(App::new(router()).build().unwrap());
            assert_eq!(client.get("/users/7?token=secret").await.status, 201);
            let quiet = TestClient::new(App::new(router()).spans(false).build().unwrap());
            assert_eq!(quiet.get("/users/7").await.status, 201);
            let alone = TestClient::new(router().build().unwrap());
            assert_eq!(alone.get("/users/7").await.status, 201);
        });
    });
    let all = seen.0.lock().unwrap();
    let spans: Vec<_> = all
        .spans
        .iter()
        .filter(|(name, _)| *name == "http.request")
        .collect();
    assert_eq!(spans.len(), 1, "{spans:?}");
    let fields = &spans[0].1;
    for (name, value) in [
        ("http.method", "GET"),
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("url.path", "/users/7"),
        ("http.status_code", "201"),
        ("http.response.status_code", "201"),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(fields["http.request_id"].len(), 36);
    assert!(fields.contains_key("http.latency_ms"));
    assert!(!format!("{fields:?}").contains("secret"));
    // The handler's own event is inside it, where there is one.
    assert_eq!(all.events, [true, false, false]);
}

/// The requests of a connection are inside its span, each stream of HTTP/2 in one more; a span of the caller's is around neither.
#[cfg(feature = "http2")]
#[test]
fn s128_requests_are_inside_their_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let seen = Spans::default();
    tracing::subscriber::with_default(seen.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = TestClient::new(App::new(router()).build().unwrap());
            let mut stream = client.connect();
            let request = b"GET /users/1 HTTP/1.1\r\nhost: a\r\n\r\n";
            stream.write_all(&request.repeat(2)).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answers = String::new();
            stream.read_to_string(&mut answers).await.unwrap();
            assert_eq!(answers.matches("HTTP/1.1 201 ").count(), 2);

            let (mut requests, connection) =
                h2::client::handshake(client.connect_http2()).await.unwrap();
            let connection = tokio::spawn(connection);
            for _ in 0..2 {
                let request = http::Request::get("http://a/users/1").body(()).unwrap();
                let (response, _) = requests.send_request(request, true).unwrap();
                assert_eq!(response.await.unwrap().status(), 201);
            }
            drop(requests);
            connection.await.unwrap().unwrap();
        });
    });
    let all = seen.0.lock().unwrap();
    let named = |wanted: &str| {
        let spans = all.spans.iter().enumerate();
        let found = spans.filter(|(_, (name, _))| *name == wanted);
        found.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let (connections, streams) = (named("http.connection"), named("h2.stream"));
    assert_eq!(
        (connections.len(), streams.len()),
        (2, 2),
        "{:?}",
        all.spans
    );
    for place in &connections {
        assert_eq!(all.parents[*place], None);
        assert!(!all.spans[*place].1["peer.addr"].is_empty());
    }
    let parents: Vec<_> = (named("http.request").iter())
        .map(|place| all.parents[*place].unwrap())
        .collect();
    assert_eq!(
        parents,
        [connections[0], connections[0], streams[0], streams[1]]
    );
    for place in streams {
        assert_eq!(all.parents[place], Some(connections[1]));
    }
}

/// Nothing that a socket's request carries as a token stands in a span or an event, whoever asks and whatever becomes of it.
#[cfg(feature = "websocket")]
#[test]
fn the_tokens_of_a_socket_are_nowhere() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wireline::ws::origin::Policy;
    use wireline::ws::route::guard::guarded;
    use wireline::ws::route::token::Token;
    use wireline::ws::socket::WebSocket;

    async fn greet(mut socket: WebSocket) {
        tracing::info!("in the handler");
        let _ = socket.send("welcome").await;
        while socket.recv().await.is_some() {}
    }
    let refuse = async |_: Token| Err::<(), _>(http::StatusCode::FORBIDDEN);
    let routes = || {
        Router::new()
            .websocket("/open/{id}", greet)
            .websocket("/token", async |socket: WebSocket, _: Token| {
                greet(socket).await
            })
            .websocket("/guarded", guarded(refuse, greet))
            .websocket_with(
                "/foreign",
                |upgrade| upgrade.origin(Policy::SameOrigin),
                greet,
            )
            .websocket("/panics", async |_: WebSocket| -> () { panic!("a fault") })
            .websocket("/fails", async |_: WebSocket, _: Token| {
                Err::<(), _>(wireline::Error::internal("the disk is full"))
            })
            .websocket("/forbids", async |_: WebSocket, _: Token| {
                Err::<(), _>((http::StatusCode::FORBIDDEN, "members only"))
            })
            .websocket("/leaves", async |socket: WebSocket, _: Token| {
                socket.close(())?;
                socket.send("too late").await
            })
    };
    let seen = Spans::default();
    let mut asked = 0;
    tracing::subscriber::with_default(seen.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = TestClient::new(App::new(routes()).build().unwrap());
            for path in ["/open/7", "/token", "/guarded", "/foreign", "/panics", "/fails", "/forbids", "/leaves", "/nowhere"] {
                for frames in [&b""[..], b"\x81\x86\0\0\0\0secret", b"\x81\x06secret"] {
                    let mut io = client.connect();
                    // Whoever brings credentials from elsewhere opens nothing.
                    let origin = if path == "/foreign" { "secret" } else { "a" };
                    let request = format!(
                        "GET {path}?token=secret&a=secret HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: http://{origin}\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer secret\r\n\
                         Sec-WebSocket-Protocol: bearer.secret\r\n\r\n"
                    );
                    io.write_all(request.as_bytes()).await.unwrap();
                    let mut head = [0; 12];
                    io.read_exact(&mut head).await.unwrap();
                    let _ = io.write_all(frames).await;
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    asked += 1;
                }
            }
            drop(client);
        });
    });
    let all = seen.0.lock().unwrap();
    let routes: Vec<_> = all
        .spans
        .iter()
        .filter_map(|(_, fields)| fields.get("http.route"))
        .collect();
    assert!(
        routes.len() >= asked - 3 && routes.iter().any(|route| *route == "/open/{id}"),
        "{routes:?}"
    );
    assert!(
        all.events.contains(&true) || all.events.contains(&false),
        "handlers ran"
    );
    // What handlers failed with is told, and what only says that the socket has ended is not.
    let failed = |message: &str| {
        let message = format!("a handler of a WebSocket failed: {message}");
        let all = all
            .said
            .iter()
            .filter(|said| said.get("message") == Some(&message));
        all.map(|said| {
            (
                said.get("status").map(String::as_str),
                said.get("source").map(String::as_str),
            )
        })
        .collect::<Vec<_>>()
    };
    let fails = failed("internal server error");
    assert_eq!(fails, [(Some("500"), Some("the disk is full")); 3]);
    assert_eq!(failed("members only"), [(Some("403"), None); 3]);
    let all_failed = all
        .said
        .iter()
        .filter(|said| said.contains_key("status"))
        .count();
    assert_eq!(all_failed, 6, "{:?}", all.said);
    let said = format!("{:?} {:?}", all.spans, all.said);
    assert!(!said.contains("secret"), "{said}");
}

/// Remembers spans with their fields, what all events say, and for each event of this file whether it came inside `http.request`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    spans: Vec<(&'static str, HashMap<&'static str, String>)>,
    /// For each span the place of the one that it is inside.
    parents: Vec<Option<usize>>,
    entered: Vec<usize>,
    events: Vec<bool>,
    said: Vec<HashMap<&'static str, String>>,
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = HashMap::new();
        attributes.record(&mut Fields(&mut fields));
        let mut seen = self.0.lock().unwrap();
        let parent = match attributes.parent() {
            Some(id) => Some(place(id)),
            None if attributes.is_contextual() => seen.entered.last().copied(),
            None => None,
        };
        seen.parents.push(parent);
        seen.spans.push((attributes.metadata().name(), fields));
        Id::from_u64(seen.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut seen = self.0.lock().unwrap();
        values.record(&mut Fields(&mut seen.spans[place(id)].1));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = HashMap::new();
        event.record(&mut Fields(&mut said));
        self.0.lock().unwrap().said.push(said);
        if event.metadata().target() == module_path!() {
            let mut seen = self.0.lock().unwrap();
            let inside = (seen.entered.iter()).any(|place| seen.spans[*place].0 == "http.request");
            seen.events.push(inside);
        }
    }

    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(place(id));
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}
