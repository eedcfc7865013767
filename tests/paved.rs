//! What the paved path adds to every response and request, and what a server alone does not (SPEC D40).
#![cfg(feature = "app")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wireline::Router;
use wireline::app::App;
use wireline::layer::request_id::RequestIds;
use wireline::layer::security_headers::{Frames, SecurityHeaders};
use wireline::layer::trace::Traces;
use wireline::resource::counters::Counter;
use wireline::service::layer::{Layer, Note};
use wireline::service::response::Response;
use wireline::test::{TestClient, TestServer};

fn router() -> Router {
    Router::new()
        .get("/", async || "hello")
        .get("/users/{id}", async || {
            Response::text("Ada").with_status(http::StatusCode::CREATED)
        })
        .get("/own", async || {
            Response::text("x").with_header("x-content-type-options", "mine")
        })
}

#[tokio::test]
async fn d40_every_response_of_the_paved_path_has_an_id_and_nosniff() {
    let client = TestClient::new(App::new(router()).build().unwrap());
    let mut ids = HashSet::new();
    for path in ["/", "/", "/users/1", "/nowhere"] {
        let reply = client.get(path).await;
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert!(is_version_4(&id), "{id}");
        assert!(ids.insert(id), "one id twice");
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
    }
    let reply = client.get("/own").await;
    assert_eq!(reply.header("x-content-type-options"), Some("mine"));
}

#[tokio::test(start_paused = true)]
async fn d40_s121_s125_what_the_server_refuses_has_them_too() {
    let service = || {
        let router = router().post("/", async |content: String| content);
        App::new(router.max_body(3)).build().unwrap()
    };
    for client in [
        TestClient::new(service()),
        TestClient::new(service()).http2(),
    ] {
        let reply = client.post("/").body("four").await;
        assert_eq!(reply.status, 413);
        assert!(reply.text().starts_with("content too large"));
        assert!(is_version_4(reply.header("x-request-id").unwrap()));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let client = TestClient::new(service());
    let reply = client.post("/").body("four").await;
    assert_eq!(reply.header("connection"), Some("close"));
}

/// What cannot be sent is a 500 for everybody who looks at responses, and is counted once.
#[tokio::test(start_paused = true)]
async fn s125_an_invalid_response_is_a_500_with_all_fields() {
    struct Sees(Arc<Mutex<Vec<u16>>>);

    impl Layer for Sees {
        fn after(&self, _: &mut Note, response: &mut Response) {
            self.0.lock().unwrap().push(response.status().as_u16());
        }
    }

    struct Spoils;

    impl Layer for Spoils {
        fn after(&self, _: &mut Note, response: &mut Response) {
            *response = std::mem::take(response).with_header("x-late", "a\r\nb");
        }
    }

    let seen = Arc::new(Mutex::new(Vec::new()));
    let invalid = || {
        let handler = async || Response::text("x").with_header("x-split", "a\r\nb");
        Router::new().get("/", handler).layer(Sees(seen.clone()))
    };
    let late = Router::new()
        .get("/", async || "hello")
        .layer(Sees(seen.clone()))
        .layer(Spoils);
    for router in [invalid(), late] {
        let client = TestClient::new(App::new(router).build().unwrap());
        let reply = client.get("/").await;
        assert_eq!(reply.status, 500);
        assert!(is_version_4(reply.header("x-request-id").unwrap()));
        assert_eq!(client.count(Counter::InvalidResponses), 1);
    }
    assert_eq!(*seen.lock().unwrap(), [500, 500]);
    let client = TestClient::new(App::new(invalid()).build().unwrap()).http2();
    let reply = client.get("/").await;
    assert_eq!(reply.status, 500);
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(client.count(Counter::InvalidResponses), 1);
}

/// A panic is answered like anything else, wherever it happens and whatever layers are further in; it is counted once,
/// and told with its own message.
#[tokio::test(start_paused = true)]
async fn d40_s121_s125_the_response_to_a_panic_has_them_too() {
    let router = || {
        Router::new()
            .get("/called", || -> std::future::Ready<()> {
                panic!("a fault")
            })
            .get("/polled", async || -> () { panic!("a fault") })
            .get("/later", async || -> () {
                tokio::time::sleep(Duration::from_millis(5)).await;
                panic!("a fault")
            })
    };
    let app = || App::new(router());
    let layered = || app().layer(SecurityHeaders::new().frames(Frames::Deny));
    for (app, frames) in [
        (app(), None),
        (app().spans(false), None),
        (layered(), Some("DENY")),
    ] {
        let mut client = TestClient::new(app.build().unwrap());
        for _ in ["HTTP/1.1", "HTTP/2"] {
            for path in ["/called", "/polled", "/later"] {
                let before = client.count(Counter::HandlerPanics);
                let reply = client.get(path).await;
                assert_eq!(reply.status, 500, "{path}");
                assert_eq!(reply.text(), "internal server error", "{path}");
                let id = reply.header("x-request-id");
                assert!(id.is_some_and(is_version_4), "{path} {id:?}");
                let nosniff: Vec<_> = reply.headers.get_all("x-content-type-options").collect();
                assert_eq!(nosniff, ["nosniff"], "{path}");
                assert_eq!(reply.header("x-frame-options"), frames, "{path}");
                assert_eq!(client.count(Counter::HandlerPanics), before + 1, "{path}");
            }
            client = client.http2();
        }
    }
}

/// What is told of a panic is its own message, though the response goes through the paved path.
#[test]
fn d40_a_panic_is_told_with_its_message() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let router = Router::new().get("/", async || -> () { panic!("a fault") });
    let server = App::new(router).server().unwrap();
    let server = server.on_panic(move |message| tell.lock().unwrap().push(message.to_owned()));
    let server = TestServer::start(server);
    let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut client, request).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("\r\nx-request-id: "), "{answer}");
    assert_eq!(*told.lock().unwrap(), ["a fault"]);
}

#[tokio::test]
async fn d40_each_can_be_turned_off_and_a_router_alone_has_none() {
    let fields = async |client: TestClient| {
        let reply = client.get("/").await;
        assert_eq!(reply.text(), "hello");
        let has = |name| reply.header(name).is_some();
        (has("x-request-id"), has("x-content-type-options"))
    };
    let app = || App::new(router());
    for (app, expected) in [
        (app(), (true, true)),
        (app().request_id(false), (false, true)),
        (app().nosniff(false), (true, false)),
        (app().request_id(false).nosniff(false), (false, false)),
    ] {
        assert_eq!(
            fields(TestClient::new(app.build().unwrap())).await,
            expected
        );
    }
    let alone = router().build().unwrap();
    assert_eq!(fields(TestClient::new(alone)).await, (false, false));
}

/// In place of what is paved stand layers of one's own making, in the order of their places.
#[tokio::test]
async fn the_layers_can_be_of_ones_own_making() {
    let headers = SecurityHeaders::new().frames(Frames::Deny);
    let ids = RequestIds::new().header("x-correlation-id").unwrap();
    let app = App::new(router())
        .security_headers(headers)
        .request_ids(ids)
        .traces(Traces::new().respond(true));
    let client = TestClient::new(app.build().unwrap());
    for path in ["/", "/nowhere"] {
        let reply = client.get(path).await;
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-request-id"), None);
        assert!(is_version_4(reply.header("x-correlation-id").unwrap()));
        assert_eq!(reply.header("traceparent").map(str::len), Some(55));
    }
    let reply = client.get("/own").await;
    assert_eq!(reply.header("x-content-type-options"), Some("mine"));
    // A layer beside what is paved keeps the id that is there.
    let app = App::new(router().layer(RequestIds::new()));
    let reply = TestClient::new(app.build().unwrap()).get("/").await;
    let ids: Vec<_> = reply.headers.get_all("x-request-id").collect();
    assert_eq!(ids.len(), 1);
    assert!(is_version_4(reply.header("x-request-id").unwrap()));
}

/// Limits, deadlines and budgets are on in both.
#[test]
fn d40_limits_do_not_depend_on_it() {
    let app = App::new(router()).server().unwrap();
    let alone = wireline::Server::new(router().build().unwrap());
    assert_eq!(format!("{:?}", app.config), format!("{:?}", alone.config));
    assert_eq!(
        format!("{:?}", app.connection),
        format!("{:?}", alone.connection)
    );
    for server in [app.max_connections(0), alone.max_connections(0)] {
        let server = TestServer::start(server);
        let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
}

fn is_version_4(id: &str) -> bool {
    let shape: String = id
        .chars()
        .map(|letter| {
            if letter.is_ascii_hexdigit() {
                'x'
            } else {
                letter
            }
        })
        .collect();
    let letter = |place: usize| id.as_bytes().get(place).copied().unwrap_or_default();
    shape == "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
        && letter(14) == b'4'
        && b"89ab".contains(&letter(19))
}
