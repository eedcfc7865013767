//! Routes by the host that a request is for.

use http::Method;
use wireline::router::hosts::Hosts;
use wireline::service::handler::Service;
use wireline::service::handler::service_fn;
use wireline::service::layer::{Before, Layer, Note};
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response, Router};

fn named(name: &'static str) -> Router {
    Router::new()
        .get("/", move || async move { name })
        .post("/", async |content: String| content)
}

fn hosts() -> Hosts {
    Hosts::new()
        .host("example.com", named("home"))
        .host("*.example.com", named("under"))
        .host("*.eu.example.com", named("under eu"))
        .hosts(
            ["API.example.com", "api.example.org."],
            named("api").max_body(3),
        )
        .hosts(["127.0.0.1", "[::1]"], named("address"))
        .service("service.example.com", service_fn(async |_| "service"))
}

const TABLE: &[(&str, Result<&str, u16>)] = &[
    ("example.com", Ok("home")),
    ("EXAMPLE.com", Ok("home")),
    ("example.com:80", Ok("home")),
    ("example.com:8443", Ok("home")),
    ("example.com.", Ok("home")),
    ("example.com.:80", Ok("home")),
    ("www.example.com", Ok("under")),
    ("a.b.c.example.com", Ok("under")),
    ("eu.example.com", Ok("under")),
    ("fr.eu.example.com", Ok("under eu")),
    ("api.example.com", Ok("api")),
    ("Api.Example.Org:1", Ok("api")),
    ("x.api.example.com", Ok("under")),
    ("service.example.com", Ok("service")),
    ("127.0.0.1", Ok("address")),
    ("127.0.0.1:8000", Ok("address")),
    ("[::1]", Ok("address")),
    ("[::1]:8000", Ok("address")),
    ("badexample.com", Err(421)),
    ("example.com.evil.org", Err(421)),
    ("com", Err(421)),
    ("localhost", Err(421)),
    (".example.com", Err(421)),
    ("example.com..", Err(421)),
    ("127.0.0.1.", Ok("address")),
    ("[::2]", Err(421)),
];

#[tokio::test(start_paused = true)]
async fn the_host_chooses_over_both_versions() {
    for is_http2 in [false, true] {
        let hosts = TestClient::new(hosts().build().unwrap());
        let client = if is_http2 { hosts.http2() } else { hosts };
        for (host, expected) in TABLE {
            let response = client.get("/").header("host", *host).send().await;
            // A dot where no label is, HTTP/2's client does not send: it is no authority.
            let Ok(response) = response else {
                assert!(is_http2 && expected.is_err(), "{host}");
                continue;
            };
            match expected {
                Ok(name) => assert_eq!(response.text(), *name, "{host}"),
                Err(status) => assert_eq!(response.status, *status, "{host}"),
            }
        }
        // The route's own limit is asked for, and the refusal needs none.
        let post = |host: &'static str, content: &'static str| {
            client.post("/").header("host", host).body(content)
        };
        assert_eq!(post("api.example.com", "four").await.status, 413);
        assert_eq!(post("api.example.com", "tea").await.text(), "tea");
        assert_eq!(post("example.com", "four").await.text(), "four");
        assert_eq!(post("elsewhere", "four").await.status, 421);
        assert_eq!(
            client.options("*").header("host", "elsewhere").await.status,
            421
        );
    }
}

/// RFC 9112 §3.2.2: the authority of an absolute target counts, and Host does not.
#[tokio::test(start_paused = true)]
async fn an_absolute_target_names_the_host() {
    let client = TestClient::new(hosts().build().unwrap());
    let response = client
        .get("http://example.com/")
        .header("host", "example.com")
        .await;
    assert_eq!(response.text(), "home");
}

#[tokio::test(start_paused = true)]
async fn whatever_is_left_goes_to_the_router_for_it() {
    let hosts = hosts().otherwise(named("otherwise")).build().unwrap();
    let nameless = hosts.call(Request::get("/")).await;
    assert_eq!(nameless.body().as_bytes(), Some(&b"otherwise"[..]));
    let client = TestClient::new(hosts);
    for (host, name) in [("elsewhere", "otherwise"), ("example.com", "home")] {
        assert_eq!(client.get("/").header("host", host).await.text(), name);
    }
    let empty = Hosts::new().build().unwrap().call(Request::get("/")).await;
    assert_eq!(empty.status(), 421);
}

/// RESILIENCE HD-3: a page that gave its own name the address of this machine.
#[tokio::test(start_paused = true)]
async fn hd3_a_loopback_service_answers_to_its_own_names_alone() {
    let service = || {
        let echo = async |socket: WebSocket| {
            let _ = socket.send("mine").await;
        };
        let router = Router::new()
            .get("/", async || "mine")
            .websocket("/ws", echo);
        TestClient::new(Hosts::loopback(router).build().unwrap())
    };
    for client in [service(), service().http2()] {
        for host in [
            "localhost",
            "localhost:8000",
            "127.0.0.1:8000",
            "[::1]:8000",
        ] {
            assert_eq!(
                client.get("/").header("host", host).await.text(),
                "mine",
                "{host}"
            );
            let mut socket = client.websocket("/ws").header("host", host).await;
            assert_eq!(
                socket.recv().await.unwrap().unwrap().as_text(),
                Some("mine")
            );
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8000",
            "127.0.0.2",
            "0.0.0.0",
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE] {
                let response = client.method(method, "/").header("host", host).await;
                assert_eq!(response.status, 421, "{host}");
            }
            let refused = client.websocket("/ws").header("host", host).refusal().await;
            assert_eq!(refused.status, 421, "{host}");
        }
    }
}

/// Layers around all hosts see what no host is there for, what the server refuses, and the routes of the hosts.
#[tokio::test(start_paused = true)]
async fn layers_around_all_hosts() {
    struct Marks;

    impl Layer for Marks {
        fn before(&self, request: &mut Request, note: &mut Note) -> Before {
            let route = request.matched_pattern().unwrap_or("none").to_owned();
            *note = Note::any(route);
            Before::Go
        }

        fn after(&self, note: &mut Note, response: &mut Response) {
            let route = note.get::<String>().map_or("", |route| route.as_str());
            let _ = response.headers_mut().try_insert("x-route", route);
        }
    }

    let client = TestClient::new(hosts().layer(Marks).build().unwrap());
    for (method, host, status, route) in [
        (Method::GET, "example.com", 200, "/"),
        (Method::GET, "nobody.example", 421, "none"),
        (Method::POST, "api.example.com", 413, "/"),
        (Method::GET, "service.example.com", 200, "none"),
    ] {
        let mut request = client.method(method.clone(), "/").header("host", host);
        if method == Method::POST {
            request = request.body("four");
        }
        let answer = request.await;
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.header("x-route"), Some(route), "{host}");
    }
}

#[test]
fn what_is_wrong_is_told_when_it_is_built() {
    let wrong = Hosts::new()
        .hosts(["a.example", "A.Example."], Router::new())
        .hosts(["*.a.example", "*.a.example"], Router::new())
        .host("a.example:80", Router::new())
        .host("bücher.example", Router::new())
        .host("a.*.example", Router::new())
        .host("*", Router::new())
        .host("", Router::new())
        .host("a b", Router::new())
        .host("a..example", Router::new())
        .host("*.[::1]", Router::new())
        .host("fine.example", Router::new().get("no-slash", async || ()))
        .otherwise(Router::new())
        .otherwise(Router::new().get("/{", async || ()));
    let error = wrong.build().unwrap_err();
    let expected = [
        "otherwise: there are two routers for every other host",
        "host \"A.Example.\": it is already there",
        "host \"*.a.example\": it is already there",
        "host \"a.example:80\": the port of a request does not count: leave it out",
        "host \"bücher.example\": names are written in ASCII, as they are sent: `xn--...`",
        "host \"a.*.example\": `*.` stands once, before the rest of the name",
        "host \"*\": `*.` stands once, before the rest of the name",
        "host \"\": it is no name or address",
        "host \"a b\": it is no name or address",
        "host \"a..example\": it is no name or address",
        "host \"*.[::1]\": nothing is under an address",
        "host \"fine.example\": GET no-slash: invalid route pattern \"no-slash\" at byte 0: a pattern begins with `/`",
        "host \"every other\": GET /{: invalid route pattern \"/{\" at byte 1: `{` has no `}` in its segment; a literal brace is written `{{`",
    ];
    assert_eq!(error.problems(), expected);
}
