//! Security headers (SPEC S121 to S124, D22), over HTTP/1.1, HTTP/2 and before an upgrade.

use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;
use wireline::layer::security_headers::{Frames, SecurityHeaders};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::resource::tls_info::{TlsInfo, TlsVersion};
use wireline::service::handler::Service;
use wireline::service::trusted::TrustedProxies;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

/// What the source's examples set (S123).
fn example() -> SecurityHeaders {
    SecurityHeaders::new()
        .csp("default-src 'self'; script-src 'self'")
        .and_then(|headers| headers.xss_protection("1; mode=block"))
        .and_then(|headers| headers.permissions_policy("camera=(), geolocation=()"))
        .and_then(|headers| headers.referrer_policy("no-referrer"))
        .and_then(|headers| headers.custom("X-House", "wireline"))
        .unwrap()
        .frames(Frames::Deny)
}

const EXPECTED: [(&str, &str); 7] = [
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self'",
    ),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "1; mode=block"),
    ("permissions-policy", "camera=(), geolocation=()"),
    ("referrer-policy", "no-referrer"),
    ("x-house", "wireline"),
];

fn router() -> Router {
    Router::new()
        .get("/", async || "hello")
        .get("/own", async || {
            Response::text("own")
                .with_header("x-frame-options", "SAMEORIGIN")
                .with_header("x-content-type-options", "mine")
        })
        .get("/bare", async || StatusCode::NO_CONTENT)
}

#[tokio::test]
async fn s121_s122_s123_every_response_has_them_whoever_answers() {
    let client = TestClient::new(router().layer(example()).build().unwrap());
    for (method, path, status) in [
        (http::Method::GET, "/", 200),
        (http::Method::HEAD, "/", 200),
        (http::Method::GET, "/bare", 204),
        (http::Method::GET, "/nowhere", 404),
        (http::Method::DELETE, "/", 405),
        (http::Method::OPTIONS, "/", 204),
    ] {
        let reply = client.method(method, path).await;
        assert_eq!(reply.status, status);
        for (name, value) in EXPECTED {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
        assert_eq!(reply.header("strict-transport-security"), None);
    }
    // Without anything asked for there is one.
    let client = TestClient::new(router().layer(SecurityHeaders::new()).build().unwrap());
    let reply = client.get("/").await;
    for (name, _) in EXPECTED {
        let only = (name == "x-content-type-options").then_some("nosniff");
        assert_eq!(reply.header(name), only, "{name}");
    }
}

#[tokio::test]
async fn s121_over_http2_the_same() {
    let client = TestClient::new(router().layer(example()).build().unwrap());
    let (mut requests, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
    tokio::spawn(connection);
    for path in ["/", "/nowhere"] {
        let request = http::Request::get(format!("http://a{path}"))
            .body(())
            .unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        for (name, value) in EXPECTED {
            assert_eq!(response.headers().get(name).unwrap(), value, "{path}");
        }
    }
    drop::<h2::client::SendRequest<Bytes>>(requests);
}

#[tokio::test]
async fn s124_what_the_handler_has_set_stays() {
    let client = TestClient::new(router().layer(example()).build().unwrap());
    let reply = client.get("/own").await;
    for (name, value) in EXPECTED {
        let expected = match name {
            "x-frame-options" => "SAMEORIGIN",
            "x-content-type-options" => "mine",
            _ => value,
        };
        assert_eq!(reply.header(name), Some(expected));
        let lines = reply.headers.get_all(name).count();
        assert_eq!(lines, 1, "{name} once");
    }
}

#[tokio::test]
async fn a_group_has_a_policy_of_its_own_and_a_refused_upgrade_has_it() {
    let group = Router::new()
        .layer(SecurityHeaders::new().frames(Frames::SameOrigin))
        .get("/", async || "embedded")
        .websocket("/socket", async |_: wireline::ws::socket::WebSocket| ());
    let routes = router()
        .layer(example())
        .nest("/widget", group)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, status) in [("/widget", 200), ("/widget/socket", 400)] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("x-frame-options"), Some("SAMEORIGIN"));
        assert_eq!(reply.header("content-security-policy"), None);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(
        client.get("/").await.header("x-frame-options"),
        Some("DENY")
    );
}

/// RFC 6797 §7.2: over plain HTTP it must not be said.
#[tokio::test]
async fn hsts_is_said_over_https_alone() {
    let year = Duration::from_secs(31_536_000);
    for (headers, said) in [
        (
            SecurityHeaders::new().hsts(year, true),
            "max-age=31536000; includeSubDomains",
        ),
        (
            SecurityHeaders::new().hsts_preload(),
            "max-age=63072000; includeSubDomains; preload",
        ),
    ] {
        is_said_over_https_alone(headers, said).await;
    }
}

async fn is_said_over_https_alone(headers: SecurityHeaders, said: &str) {
    let routes = router().layer(headers).build().unwrap();
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let service = proxies.around(routes);
    let ask = async |change: &dyn Fn(&mut Request)| {
        let mut request = Request::get("/");
        change(&mut request);
        let response = service.call(request).await;
        let said = response.headers().get("strict-transport-security");
        said.map(|value| value.to_str().unwrap().to_owned())
    };
    let from = |peer: [u8; 4], scheme: &'static str| {
        move |request: &mut Request| {
            let peer = PeerAddr::Inet((peer, 4711).into());
            let info = ConnInfo {
                peer,
                ..ConnInfo::default()
            };
            request.extensions_mut().insert(info);
            request
                .headers_mut()
                .try_insert("x-forwarded-proto", scheme)
                .unwrap();
        }
    };
    let said = Some(said.to_owned());
    assert_eq!(ask(&|_| ()).await, None);
    let over_tls = |request: &mut Request| {
        let tls = TlsInfo::new(TlsVersion::Tls13, "TLS13_AES_128_GCM_SHA256");
        request.extensions_mut().insert(tls);
    };
    assert_eq!(ask(&over_tls).await, said);
    assert_eq!(ask(&from([10, 0, 0, 1], "https")).await, said);
    assert_eq!(ask(&from([10, 0, 0, 1], "http")).await, None);
    // Who is not trusted cannot make us say it.
    assert_eq!(ask(&from([192, 0, 2, 1], "https")).await, None);
}

#[test]
fn what_cannot_stand_in_a_field_is_refused_when_it_is_set() {
    let new = SecurityHeaders::new;
    for refused in [
        new().csp("default-src 'self'\r\nset-cookie: a=b"),
        new().csp_report_only("\0"),
        new().referrer_policy("\n"),
        new().permissions_policy("\n"),
        new().xss_protection("\n"),
        new().opener_policy("\n"),
        new().resource_policy("\n"),
        new().embedder_policy("\n"),
        new().custom("no token", "x"),
        new().custom("x", "\u{7f}"),
    ] {
        let error = refused.unwrap_err();
        assert!(error.to_string().starts_with("invalid field: "), "{error}");
    }
}

/// D22: the setter is there, and what is recommended today is `0`.
#[tokio::test]
async fn d22_the_recommended_set() {
    let headers = SecurityHeaders::recommended()
        .embedder_policy("require-corp")
        .and_then(|headers| headers.csp_report_only("default-src 'self'"))
        // The last one counts.
        .and_then(|headers| headers.referrer_policy("no-referrer"))
        .unwrap();
    let client = TestClient::new(router().layer(headers).build().unwrap());
    let reply = client.get("/").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "0"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("content-security-policy-report-only", "default-src 'self'"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
}
