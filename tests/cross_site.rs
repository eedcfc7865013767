//! Requests that pages of other sites make browsers send: which pass, which are refused, and where the layer stands.

#[path = "support/h2_peer.rs"]
mod h2_peer;

use http::{Method, StatusCode};
use std::time::Duration;
use wireline::layer::cors::Cors;
use wireline::layer::cross_site::SameOrigin;
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Router};

const REFUSED: &str = "a page of another site may not do this";

fn client(guard: SameOrigin) -> TestClient {
    let routes = Router::new()
        .layer(guard)
        .any("/", async || "done")
        .any("/hooks/one", async || "done");
    TestClient::new(routes.build().unwrap())
}

fn request(method: Method, fields: &[(&str, &str)]) -> Request {
    let mut request = Request::get("/");
    request.set_method(method);
    for (name, value) in fields {
        request.headers_mut().try_insert(*name, *value).unwrap();
    }
    request
}

/// Sec-Fetch-Site, Origin, and whether a POST passes; the host is `localhost`.
const CASES: [(Option<&str>, Option<&str>, bool); 24] = [
    (None, None, true),
    (Some("same-origin"), None, true),
    (Some("none"), None, true),
    (Some("same-origin"), Some("http://localhost"), true),
    // A proxy that changes Host: the browser knows.
    (Some("same-origin"), Some("https://public.example"), true),
    (Some("none"), Some("null"), true),
    (Some("same-site"), None, false),
    (Some("cross-site"), None, false),
    (Some("cross-site"), Some("https://evil.example"), false),
    (Some("cross-site"), Some("null"), false),
    // A page of http is not one of https.
    (Some("cross-site"), Some("http://localhost"), false),
    (Some(""), None, false),
    (Some("Same-Origin"), None, false),
    (Some("anything"), None, false),
    (None, Some("http://localhost"), true),
    (None, Some("https://LOCALHOST"), true),
    (None, Some("http://localhost:8080"), false),
    (None, Some("http://localhost.evil.example"), false),
    (None, Some("https://evil.example"), false),
    (None, Some("null"), false),
    (None, Some(""), false),
    // Those that are listed.
    (None, Some("https://app.example"), true),
    (Some("cross-site"), Some("https://APP.example"), true),
    (Some("cross-site"), Some("https://app.example:8443"), false),
];

#[tokio::test(start_paused = true)]
async fn methods_that_change_something_are_for_pages_of_the_host() {
    let mut client = client(SameOrigin::new().origins(["https://app.example"]));
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        for (site, origin, passes) in CASES {
            for method in [
                "POST", "PUT", "PATCH", "DELETE", "QUERY", "GET", "HEAD", "OPTIONS",
            ] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let is_safe = ["GET", "HEAD", "OPTIONS"].contains(&method.as_str());
                let mut fields = Vec::new();
                fields.extend(site.map(|site| ("sec-fetch-site", site)));
                fields.extend(origin.map(|origin| ("origin", origin)));
                let reply = client.request(request(method.clone(), &fields)).await;
                let case = format!("{protocol} {method} {site:?} {origin:?}");
                if passes || is_safe {
                    assert!(reply.status.is_success(), "{case}");
                } else {
                    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{case}");
                    assert_eq!(reply.text(), REFUSED, "{case}");
                }
            }
        }
        client = client.http2();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_exempt_passes_whoever_sends_it() {
    let client = client(SameOrigin::new().exempt(|request| request.path().starts_with("/hooks/")));
    for (path, status) in [("/hooks/one", 200), ("/", 403)] {
        let request = client.post(path).header("sec-fetch-site", "cross-site");
        assert_eq!(request.await.status, status, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_read_by_the_pages_that_cors_allows() {
    let page = "https://reader.example";
    let routes = Router::new()
        .layer(SameOrigin::new())
        .layer(Cors::new().origins([page]))
        .post("/", async || "done");
    let client = TestClient::new(routes.build().unwrap());
    let reply = client.post("/").header("origin", page).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(reply.header("access-control-allow-origin"), Some(page));
    let fields = [("origin", page), ("access-control-request-method", "POST")];
    let preflight = client.request(request(Method::OPTIONS, &fields));
    assert!(preflight.await.status.is_success());
}

/// A socket has a rule of its own, and an extended CONNECT is no other method than GET with Upgrade.
#[tokio::test(start_paused = true)]
async fn opening_a_websocket_is_left_to_the_socket() {
    let routes = Router::new()
        .layer(SameOrigin::new())
        .websocket("/ws", async |_: WebSocket| ());
    let client = TestClient::new(routes.build().unwrap());
    let http2 = h2_peer::connect(&client).await;
    let request = http::Request::builder()
        .method("CONNECT")
        .uri("http://localhost/ws")
        .extension(h2::ext::Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site");
    let mut ready = http2.ready().await.unwrap();
    while !ready.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (response, _send) = ready
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[test]
fn origins_that_no_browser_sends_are_refused_when_the_router_is_built() {
    for origin in [
        "app.example",
        "https://app.example/",
        "*",
        "https://*.app.example",
        "null",
        "https://",
        "",
    ] {
        let routes = Router::new().layer(SameOrigin::new().origins([origin]));
        let problems = routes
            .get("/", async || ())
            .build()
            .unwrap_err()
            .to_string();
        assert!(
            problems.contains("is not an origin"),
            "{origin:?} {problems}"
        );
    }
    let good = [
        "https://app.example",
        "http://[::1]:8000",
        "chrome-extension://abcdef",
    ];
    let routes = Router::new().layer(SameOrigin::new().origins(good));
    assert!(routes.get("/", async || ()).build().is_ok());
}
