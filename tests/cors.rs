//! CORS (S97 to S103, CR-1): who may read what comes back, and who is told so; over HTTP/1.1 and HTTP/2.

#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use std::time::Duration;
use wireline::layer::cors::Cors;
use wireline::layer::rate_limit::RateLimit;
use wireline::router::{BuildError, Router};
use wireline::service::layer::{Before, Layer, Note, Place};
use wireline::test::{TestClient, TestResponse};
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response};

const APP: &str = "https://app.example";

/// The fields of the policy and `Vary`, in the order of their names.
fn policy(response: &TestResponse) -> Vec<(String, String)> {
    let is_told = |name: &str| name.starts_with("access-control-") || name == "vary";
    let lines = response.headers.iter().filter(|(name, _)| is_told(name));
    let mut lines: Vec<_> = lines
        .map(|(name, value)| (name.to_owned(), value.to_str().unwrap().to_owned()))
        .collect();
    lines.sort();
    lines
}

/// What was told, in short: `allow-origin: ...`.
fn told(response: &TestResponse) -> Vec<String> {
    let shorten = |(name, value): (String, String)| {
        let name = name.strip_prefix("access-control-").unwrap_or(&name);
        format!("{name}: {value}")
    };
    policy(response).into_iter().map(shorten).collect()
}

fn client(cors: Cors) -> TestClient {
    let routes = Router::new()
        .layer(cors)
        .get("/", async || "hello")
        .put("/", async || "changed")
        .get("/broken", async || StatusCode::INTERNAL_SERVER_ERROR)
        .get("/varies", async || {
            Response::text("much").with_header("vary", "Accept-Encoding, origin")
        })
        .get("/own", async || {
            Response::text("mine")
                .with_header("access-control-allow-origin", "https://evil.example")
                .with_header("access-control-allow-credentials", "true")
        })
        .options("/own", async || "the handler's")
        .build()
        .unwrap();
    TestClient::new(routes)
}

async fn get(client: &TestClient, path: &str, origin: &'static str) -> TestResponse {
    client.get(path).header("origin", origin).await
}

async fn preflight(
    client: &TestClient,
    path: &str,
    fields: &[(&'static str, &'static str)],
) -> TestResponse {
    let mut request = client.method(Method::OPTIONS, path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.await
}

const VARY: &str = "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network";

#[tokio::test(start_paused = true)]
async fn s97_s99_s100_everything_that_a_policy_says() {
    let client = client(
        Cors::new()
            .origins([APP])
            .methods(["GET", "PUT"])
            .headers(["content-type", "x-token"])
            .expose_headers(["x-request-id", "etag"])
            .max_age(Duration::from_secs(600))
            .credentials(true),
    );
    let answer = preflight(
        &client,
        "/",
        &[
            ("origin", APP),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-token"),
        ],
    )
    .await;
    assert_eq!(answer.status, 204);
    assert!(answer.bytes().is_empty() && answer.header("allow").is_none());
    assert_eq!(
        told(&answer),
        [
            "allow-credentials: true",
            "allow-headers: content-type, x-token",
            "allow-methods: GET, PUT",
            &format!("allow-origin: {APP}"),
            "max-age: 600",
            VARY,
        ]
    );
    let answer = client.put("/").header("origin", APP).await;
    assert_eq!(answer.text(), "changed");
    assert_eq!(
        told(&answer),
        [
            "allow-credentials: true",
            &format!("allow-origin: {APP}"),
            "expose-headers: x-request-id, etag",
            "vary: Origin",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn s98_without_a_policy_nothing_is_said() {
    let client = TestClient::new(Router::new().get("/", async || "hello").build().unwrap());
    assert!(told(&get(&client, "/", APP).await).is_empty());
    let asked = [("origin", APP), ("access-control-request-method", "GET")];
    let answer = preflight(&client, "/", &asked).await;
    assert!(told(&answer).is_empty());
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test(start_paused = true)]
async fn s102_of_several_origins_the_one_that_asks_is_named() {
    let client = client(Cors::new().origins([APP, "http://localhost:3000"]));
    for origin in [APP, "http://localhost:3000"] {
        let answer = get(&client, "/", origin).await;
        assert_eq!(
            told(&answer),
            [format!("allow-origin: {origin}"), "vary: Origin".to_owned()]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s103_any_origin_is_told_the_same() {
    for cors in [Cors::new().any_origin(), Cors::new().origins(["*"])] {
        let client = client(cors);
        for origin in [APP, "null", "https://evil.example"] {
            let answer = get(&client, "/", origin).await;
            assert_eq!(told(&answer), ["allow-origin: *", "vary: Origin"]);
        }
        let answer = client.get("/").await;
        assert_eq!(told(&answer), ["allow-origin: *", "vary: Origin"]);
    }
}

#[tokio::test(start_paused = true)]
async fn cr1_no_trick_makes_an_origin_another() {
    let cors = Cors::new()
        .origins([
            APP,
            "https://*.partner.example",
            "http://*.partner.example:8080",
        ])
        .origin_if(|origin| origin == "https://function.example")
        .credentials(true);
    let client = client(cors);
    for origin in [
        APP,
        "https://a.partner.example",
        "https://a.b.partner.example",
        "http://a.partner.example:8080",
        "https://function.example",
    ] {
        let answer = get(&client, "/", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    for origin in [
        "null",
        "*",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://evil.example/https://app.example",
        "https://app.example.",
        "https://app.example:443",
        "https://app.example/",
        "http://app.example",
        "HTTPS://APP.EXAMPLE",
        "https://App.example",
        "https://app.example, https://evil.example",
        "https://app.example https://evil.example",
        "https://app.example\thttps://evil.example",
        "https://app.example@evil.example",
        "https://partner.example",
        "https://.partner.example",
        "https://evilpartner.example",
        "https://evil.example/.partner.example",
        "https://evil.example#.partner.example",
        "https://evil.example:80.partner.example",
        "https://evil@a.partner.example",
        "https://a.partner.example:8080",
        "http://a.partner.example",
        "https://a.partner.example.evil.example",
        "https://A.partner.example",
        "https://a_\u{e9}.partner.example",
        "",
    ] {
        let value = header::HeaderValue::from_bytes(origin.as_bytes()).unwrap();
        let answer = client.get("/").header("origin", value.clone()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(told(&answer), ["vary: Origin"], "{origin}");
        let asked = client
            .method(Method::OPTIONS, "/")
            .header("origin", value)
            .header("access-control-request-method", "PUT");
        let answer = asked.await;
        assert_eq!(answer.status, 204);
        assert_eq!(told(&answer), [VARY], "{origin}: nothing else is told");
    }
    // Two lines, or the one behind the other.
    for (first, second) in [(APP, "https://evil.example"), (APP, APP)] {
        let answer = client
            .get("/")
            .header("origin", first)
            .header("origin", second)
            .await;
        assert_eq!(told(&answer), ["vary: Origin"]);
    }
}

#[tokio::test(start_paused = true)]
async fn cr1_null_is_allowed_by_nobody_but_who_says_so() {
    let answers = |cors: Cors| async move { told(&get(&client(cors), "/", "null").await) };
    assert_eq!(
        answers(Cors::new().origin_if(|_| true)).await,
        ["vary: Origin"]
    );
    assert_eq!(
        answers(Cors::new().null_origin(true)).await,
        ["allow-origin: null", "vary: Origin"]
    );
}

fn problems(cors: Cors) -> Result<(), String> {
    let built = Router::new().layer(cors).get("/", async || ()).build();
    built
        .map(drop)
        .map_err(|error: BuildError| error.to_string())
}

#[test]
fn s101_cr1_credentials_for_everybody_are_refused_at_start_up() {
    let with = || Cors::new().credentials(true);
    for (cors, what) in [
        (with().any_origin(), "any origin"),
        (with().origins([APP, "*"]), "any origin"),
        (
            with().origin_if(|_| true),
            "a function that allows any origin",
        ),
        (
            with().origin_if(|origin| origin.starts_with("https://")),
            "a function that allows any origin",
        ),
        (with().origins([APP]).null_origin(true), "the origin null"),
        (
            with().origins([APP]).expose_headers(["*"]),
            "all fields exposed",
        ),
    ] {
        let wrong = problems(cors).unwrap_err();
        assert!(
            wrong.starts_with("CORS: credentials together with"),
            "{wrong}"
        );
        assert!(wrong.contains(what), "{wrong}");
    }
    for cors in [
        with(),
        with().origins([APP]),
        with().origin_if(|origin| origin == APP),
        Cors::new()
            .any_origin()
            .null_origin(true)
            .expose_headers(["*"]),
    ] {
        assert_eq!(problems(cors), Ok(()));
    }
}

#[test]
fn s97_what_no_browser_could_send_is_refused_at_start_up() {
    for (cors, what) in [
        (
            Cors::new().origins(["app.example"]),
            "\"app.example\" is not an origin",
        ),
        (
            Cors::new().origins(["https://app.example/"]),
            "nothing stands behind it",
        ),
        (Cors::new().methods(["GET", "P T"]), "a method is no token"),
        (Cors::new().headers(["x y"]), "a field name is no token"),
        (Cors::new().expose_headers([""]), "a field name is no token"),
    ] {
        let wrong = problems(cors).unwrap_err();
        assert!(wrong.contains(what), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn s100_what_is_mirrored_is_what_was_asked_for() {
    let client = client(Cors::new().origins([APP]).any_method().any_header());
    let asked = async |method: &'static str, fields: &'static str| {
        let answer = preflight(
            &client,
            "/",
            &[
                ("origin", APP),
                ("access-control-request-method", method),
                ("access-control-request-headers", fields),
            ],
        )
        .await;
        (
            answer
                .header("access-control-allow-methods")
                .map(str::to_owned),
            answer
                .header("access-control-allow-headers")
                .map(str::to_owned),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        asked("PURGE", "X-A,authorization").await,
        (text("PURGE"), text("X-A, authorization"))
    );
    assert_eq!(asked("GET, PUT", "x-a").await, (None, text("x-a")));
    assert_eq!(asked("PUT", "x-a, b c").await, (text("PUT"), None));
    assert_eq!(
        asked("PUT", "x-a;b=\"<script>\"").await,
        (text("PUT"), None)
    );
    assert_eq!(asked("PUT", "").await, (text("PUT"), None));
}

#[tokio::test(start_paused = true)]
async fn s100_other_options_pass() {
    let client = client(Cors::new().origins([APP]));
    for fields in [
        &[("origin", APP)][..],
        &[("access-control-request-method", "GET")],
        &[],
    ] {
        let answer = preflight(&client, "/own", fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "the handler's")
        );
        let answer = preflight(&client, "/", fields).await;
        assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, OPTIONS"));
    }
}

#[tokio::test(start_paused = true)]
async fn cr1_vary_is_merged_and_a_handlers_own_words_do_not_count() {
    let client = client(Cors::new().origins([APP]));
    for origin in [APP, "https://other.example"] {
        let answer = get(&client, "/varies", origin).await;
        let lines: Vec<_> = answer.headers.get_all("vary").collect();
        assert_eq!(lines, ["Accept-Encoding, origin"]);
    }
    assert_eq!(
        told(&get(&client, "/own", APP).await),
        [&format!("allow-origin: {APP}"), "vary: Origin"]
    );
    let answer = get(&client, "/own", "https://evil.example").await;
    assert!(answer.header("access-control-allow-origin").is_none());
    assert!(answer.header("access-control-allow-credentials").is_none());
}

#[tokio::test(start_paused = true)]
async fn s100_a_private_network_is_opened_by_who_says_so() {
    let fields = |wants: &'static str| {
        [
            ("origin", APP),
            ("access-control-request-method", "GET"),
            ("access-control-request-private-network", wants),
        ]
    };
    let open = client(Cors::new().origins([APP]).private_network(true));
    let closed = client(Cors::new().origins([APP]));
    for (client, wants, origin, allowed) in [
        (&open, "true", APP, Some("true")),
        (&open, "1", APP, None),
        (&open, "true", "https://evil.example", None),
        (&closed, "true", APP, None),
    ] {
        let mut fields = fields(wants);
        fields[0].1 = origin;
        let answer = preflight(client, "/", &fields).await;
        assert_eq!(
            answer.header("access-control-allow-private-network"),
            allowed
        );
    }
}

/// Nobody is authenticated.
struct Closed;

impl Layer for Closed {
    fn place(&self) -> Place {
        Place::Auth
    }

    fn before(&self, _: &mut Request, _: &mut Note) -> Before {
        Before::Answer(Response::unauthorized("who are you?"))
    }
}

#[tokio::test(start_paused = true)]
async fn d18_errors_can_be_read_and_preflights_are_not_counted() {
    let minute = Duration::from_secs(60);
    // Whatever the order in which they are given.
    let routes = Router::new()
        .layer(RateLimit::new(3, minute))
        .layer(Cors::new().origins([APP]).methods(["PUT"]))
        .get("/", async || "hello")
        .get("/broken", async || StatusCode::INTERNAL_SERVER_ERROR)
        .nest(
            "/closed",
            Router::new().layer(Closed).get("/", async || "secret"),
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for _ in 0..20 {
        let asked = [("origin", APP), ("access-control-request-method", "PUT")];
        assert_eq!(preflight(&client, "/closed", &asked).await.status, 204);
    }
    for (path, status) in [
        ("/closed", 401),
        ("/broken", 500),
        ("/nowhere", 404),
        ("/", 429),
    ] {
        let answer = get(&client, path, APP).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(APP),
            "{path}"
        );
        assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn s97_the_policy_of_a_group_stands_in_for_the_outer_one() {
    let routes = Router::new()
        .layer(Cors::new().origins([APP]).credentials(true))
        .get("/", async || "ours")
        .nest(
            "/public",
            Router::new()
                .layer(Cors::new().any_origin().methods(["PUT"]))
                .put("/", async || "all"),
        )
        .nest(
            "/private",
            Router::new()
                .layer(Cors::new())
                .get("/", async || "no page's"),
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let origin = async |path: &str| {
        let answer = get(&client, path, APP).await;
        (
            answer
                .header("access-control-allow-origin")
                .map(str::to_owned),
            answer.header("access-control-allow-credentials").is_some(),
        )
    };
    assert_eq!(origin("/").await, (Some(APP.to_owned()), true));
    assert_eq!(origin("/nowhere").await, (Some(APP.to_owned()), true));
    assert_eq!(
        origin("/public").await,
        (Some("*".to_owned()), false),
        "a 405, too"
    );
    assert_eq!(origin("/private").await, (None, false));
    let asked = [("origin", APP), ("access-control-request-method", "PUT")];
    let answer = preflight(&client, "/public", &asked).await;
    assert_eq!(answer.header("access-control-allow-methods"), Some("PUT"));
}

#[tokio::test(start_paused = true)]
async fn s68_nothing_is_said_of_what_opens_a_socket() {
    let routes = Router::new()
        .layer(
            Cors::new()
                .origins([APP])
                .credentials(true)
                .expose_headers(["x-a"]),
        )
        .websocket(
            "/ws",
            async |mut socket: WebSocket| while socket.recv_msg().await.is_some() {},
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let upgrade = |key: &'static str| {
        client
            .get("/ws")
            .header("origin", APP)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", key)
    };
    let opened = upgrade("dGhlIHNhbXBsZSBub25jZQ==").await;
    assert_eq!(opened.status, 101);
    assert!(told(&opened).is_empty(), "{:?}", told(&opened));
    // What is refused is an HTTP response like any other.
    let refused = upgrade("short").await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP));
}

/// What the server refuses by itself is readable for the page that asked, and rates are limited.
#[tokio::test(start_paused = true)]
async fn s99_content_that_the_server_refuses() {
    let routes = || {
        Router::new()
            .layer(Cors::new().origins([APP]))
            .layer(RateLimit::new(2, Duration::from_secs(60)))
            .post("/", async |content: String| content)
            .max_body(3)
            .build()
            .unwrap()
    };
    for client in [TestClient::new(routes()), TestClient::new(routes()).http2()] {
        for status in [413, 413, 429] {
            let answer = client.post("/").header("origin", APP).body("four").await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s22_the_same_over_http2() {
    let routes = || {
        Router::new()
            .layer(
                Cors::new()
                    .origins([APP])
                    .methods(["PUT"])
                    .any_header()
                    .credentials(true),
            )
            .get("/", async || "hello")
            .websocket(
                "/ws",
                async |mut socket: WebSocket| while socket.recv_msg().await.is_some() {},
            )
            .build()
            .unwrap()
    };
    let client = TestClient::new(routes());
    let sender = h2_peer::connect(&client).await;
    let ask = async |method: &str, path: &str, fields: &[(&'static str, &'static str)]| {
        let mut request = h2_peer::to(method, path);
        let mut plain = client.method(Method::from_bytes(method.as_bytes()).unwrap(), path);
        for (name, value) in fields {
            request = request.header(*name, *value);
            plain = plain.header(*name, *value);
        }
        let reply = h2_peer::ask(&sender, request.body(Bytes::new()).unwrap())
            .await
            .unwrap();
        let plain = plain.await;
        assert_eq!(reply.status, plain.status);
        let mut lines: Vec<(String, String)> = reply
            .headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == "vary")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        lines.sort();
        assert_eq!(lines, policy(&plain));
        lines.len()
    };
    assert_eq!(ask("GET", "/", &[("origin", APP)]).await, 3);
    assert_eq!(
        ask("GET", "/nowhere", &[("origin", "https://evil.example")]).await,
        1
    );
    let asked = [
        ("origin", APP),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a"),
        ("access-control-request-headers", "x-b"),
    ];
    assert_eq!(ask("OPTIONS", "/", &asked).await, 5);
}
