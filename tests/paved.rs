//! What the paved path adds to every response and request, and what a server alone does not (SPEC D40).
#![cfg(feature = "app")]

use std::collections::HashSet;
use wireline::Router;
use wireline::app::App;
use wireline::layer::request_id::RequestIds;
use wireline::layer::security_headers::{Frames, SecurityHeaders};
use wireline::layer::trace::Traces;
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
