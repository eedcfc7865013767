//! Whole rounds: what a program does with the server that was just started.

use crate::config::File;
use crate::server::{Answer, Server};
use std::time::Duration;
use wireline::layer::auth::AuthConfig;
use wireline::ws::client::{Client, ConnectError};
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;

/// Runs on a runtime of its own, for half a minute at most.
fn round(code: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ended = tokio::time::timeout(Duration::from_secs(30), code()).await;
        ended.expect("it took too long");
    });
}

async fn text(socket: &mut WebSocket) -> String {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn asked(socket: &mut WebSocket, message: &str) -> String {
    socket.send(message).await.unwrap();
    text(socket).await
}

fn post(server: &Server, path: &str, content: &str) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}",
        content.len()
    );
    server.ask(&head, content.as_bytes())
}

fn content(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.content).unwrap()
}

#[test]
fn register_connect_publish() {
    let server = Server::start(&["--addr", "127.0.0.1:0"]);
    let answer = post(&server, "/register", "{\"user_id\": 1}");
    let url = content(&answer)
        .strip_prefix("{\"url\":\"")
        .and_then(|rest| rest.strip_suffix("\"}"))
        .unwrap();
    assert!(
        url.starts_with(&format!("ws://{}/ws/", server.places[0])),
        "{url}"
    );
    round(async || {
        let mut socket = Client::new().connect(url).await.unwrap();
        let published = post(
            &server,
            "/publish",
            "{\"topic\":\"cats\",\"message\":\"meow\"}",
        );
        assert_eq!((published.status(), content(&published)), ("200", ""));
        assert_eq!(text(&mut socket).await, "meow");
    });
    // Pages of other origins may call these routes, and nothing else.
    for (path, allowed) in [
        ("/ws/0", Some("*")),
        ("/", None),
        ("/ws", None),
        ("/sse", None),
        ("/poll", None),
        ("/api/stats", None),
        ("/health", None),
        ("/metrics", None),
        ("/nothing", None),
    ] {
        let answer = server.ask(
            &format!("GET {path} HTTP/1.1\r\nOrigin: https://page.example"),
            b"",
        );
        let found = answer.field("access-control-allow-origin");
        assert_eq!(found, allowed, "{path}");
    }
    server.stop();
}

#[test]
fn the_register_service_is_as_it_is_configured() {
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--public-url",
        "https://push.example/feed",
        "--register-topics",
        "dogs",
        "--register-reply-pong",
        "--register-max-clients",
        "4",
        "--register-max-clients-per-user",
        "2",
        "--register-max-topics",
        "1",
        "--register-max-message",
        "100",
    ]);
    let answer = post(&server, "/register", "{\"user_id\": 1}");
    let id = content(&answer)
        .strip_prefix("{\"url\":\"wss://push.example/feed/ws/")
        .unwrap();
    let url = format!("ws://{}/ws/{}", server.places[0], &id[..32]);
    round(async || {
        let mut socket = Client::new().connect(&url).await.unwrap();
        assert_eq!(asked(&mut socket, "ping").await, "pong");
        post(
            &server,
            "/publish",
            "{\"topic\":\"cats\",\"message\":\"meow\"}",
        );
        post(
            &server,
            "/publish",
            "{\"topic\":\"dogs\",\"message\":\"woof\"}",
        );
        assert_eq!(text(&mut socket).await, "woof");
        socket.send("{\"topics\":[\"a\",\"b\"]}").await.unwrap();
        assert_eq!(asked(&mut socket, "ping").await, "pong");
        post(&server, "/publish", "{\"topic\":\"a\",\"message\":\"a\"}");
        post(
            &server,
            "/publish",
            "{\"topic\":\"dogs\",\"message\":\"still\"}",
        );
        assert_eq!(text(&mut socket).await, "still");
        for (user, status) in [(2, "200"), (2, "200"), (2, "429"), (3, "200"), (4, "503")] {
            let answer = post(&server, "/register", &format!("{{\"user_id\": {user}}}"));
            assert_eq!(answer.status(), status, "{user}");
        }
    });
    let long = format!("{{\"topic\":\"dogs\",\"message\":\"{}\"}}", "x".repeat(101));
    assert_eq!(post(&server, "/publish", &long).status(), "413");
    server.stop();

    let server = Server::start(&["--addr", "127.0.0.1:0", "--register-on=false"]);
    assert_eq!(
        post(&server, "/register", "{\"user_id\": 1}").status(),
        "404"
    );
    server.stop();
}

async fn relay(server: &Server, path: &str) -> WebSocket {
    let url = format!("ws://{}{path}", server.places[0]);
    Client::new().connect(&url).await.unwrap()
}

#[test]
fn subscribe_and_publish_over_the_relay() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "2"]);
    round(async || {
        let (mut ann, mut bob) = (relay(&server, "/ws").await, relay(&server, "/ws").await);
        for socket in [&mut ann, &mut bob] {
            let answer = asked(socket, r#"{"type":"subscribe","topic":"room:1"}"#).await;
            assert_eq!(answer, r#"{"type":"subscribed","topic":"room:1"}"#);
        }
        let message =
            r#"{"type":"message","topic":"room:1","event":"say","payload":{"text":"hi"}}"#;
        ann.send(message).await.unwrap();
        for socket in [&mut ann, &mut bob] {
            let push = r#"{"type":"push","topic":"room:1","event":"say","payload":{"text":"hi"}}"#;
            assert_eq!(text(socket).await, push);
        }
        // Presence is on: whoever asks is told who is there.
        let asked_for = r#"{"type":"subscribe","topic":"room:1","presence":true}"#;
        assert!(asked(&mut bob, asked_for).await.contains("subscribed"));
        let state = text(&mut bob).await;
        assert_eq!(state.matches("conn_id").count(), 2, "{state}");
    });
    server.stop();
}

#[test]
fn the_relay_is_as_it_is_configured() {
    let file = File::new(
        "relay",
        r#"
addr = "127.0.0.1:0"
[relay]
path = "/live"
origins = ["https://app.example"]
unmatched = "reject"
topics = ["room:*", "news"]
presence = false
max_message = 200
max_subscriptions = 2
messages_per_second = 4
[[history]]
topics = "news"
messages = 2
"#,
    );
    let server = Server::start(&["--config", file.path()]);
    round(async || {
        let url = format!("ws://{}/live", server.places[0]);
        let mut socket = relay(&server, "/live").await;
        let unknown = asked(
            &mut socket,
            r#"{"type":"subscribe","topic":"cats","ref":1}"#,
        )
        .await;
        assert!(unknown.contains("\"unknown_topic\""), "{unknown}");
        let news = r#"{"type":"subscribe","topic":"news","presence":true}"#;
        assert_eq!(
            asked(&mut socket, news).await,
            r#"{"type":"subscribed","topic":"news"}"#
        );
        let state = text(&mut socket).await;
        assert_eq!(
            state,
            r#"{"type":"presence_state","topic":"news","members":[]}"#
        );
        for number in 1..=3 {
            let message =
                format!(r#"{{"type":"message","topic":"news","event":"e","payload":{number}}}"#);
            assert!(
                asked(&mut socket, &message)
                    .await
                    .contains(&format!("\"payload\":{number}"))
            );
        }
        asked(&mut socket, r#"{"type":"subscribe","topic":"room:1"}"#).await;
        let limit = asked(&mut socket, r#"{"type":"subscribe","topic":"room:2"}"#).await;
        assert!(
            limit.contains("subscription limit reached (max 2)"),
            "{limit}"
        );
        // Two of three messages are kept.
        let mut late = relay(&server, "/live").await;
        let rewound = asked(
            &mut late,
            r#"{"type":"subscribe","topic":"news","rewind":10}"#,
        )
        .await;
        assert!(rewound.contains("\"offset\":1"), "{rewound}");
        let kept = [text(&mut late).await, text(&mut late).await];
        assert!(
            kept[0].contains("\"payload\":2") && kept[1].contains("\"payload\":3"),
            "{kept:?}"
        );
        // Five times four messages at once, and not many more.
        let mut limited = 0;
        for _ in 0..60 {
            limited += usize::from(
                asked(&mut late, r#"{"type":"ping"}"#)
                    .await
                    .contains("too many messages"),
            );
        }
        assert!(limited >= 20, "{limited}");
        let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(200));
        late.send(long).await.unwrap();
        loop {
            match late.recv().await {
                Some(Ok(Message::Close(Some(close)))) => break assert_eq!(close.code.get(), 1009),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        let foreign = Client::new()
            .header("origin", "https://evil.example")
            .connect(&url)
            .await;
        assert_eq!(status(foreign), 403);
        let own = format!("http://{}", server.places[0]);
        for origin in ["https://app.example", &own] {
            let page = Client::new().header("origin", origin).connect(&url).await;
            assert!(page.is_ok(), "{origin}: {page:?}");
        }
    });
    server.stop();
    let server = Server::start(&["--addr", "127.0.0.1:0", "--relay-on=false"]);
    for path in ["/ws", "/sse?topic=a", "/poll?topic=a", "/api/stats"] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1"), b"");
        assert_eq!(answer.status(), "404", "{path}");
    }
    server.stop();
}

#[test]
fn how_much_a_client_of_the_relay_may_say_and_how_often_subscribe_is_as_it_is_configured() {
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--relay-octets-per-second",
        "1KiB",
        "--relay-max-message",
        "1KiB",
        "--relay-subscriptions-per-second",
        "1",
        "--relay-max-subscriptions",
        "2",
    ]);
    round(async || {
        let refused = async |message: &str, said: &str| {
            let mut socket = relay(&server, "/ws").await;
            let mut refused = 0;
            for _ in 0..30 {
                refused += usize::from(asked(&mut socket, message).await.contains(said));
            }
            refused
        };
        // Four times 1,024 octets at once, of which each takes 224; and ten times one subscription. A second or two more may pass.
        let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(200));
        let limited = refused(&long, "too many messages").await;
        assert!((1..=12).contains(&limited), "{limited}");
        let subscribe = r#"{"type":"subscribe","topic":"a"}"#;
        let limited = refused(subscribe, "too many subscriptions").await;
        assert!((10..=20).contains(&limited), "{limited}");
    });
    server.stop();
}

fn status(outcome: Result<WebSocket, ConnectError>) -> u16 {
    match outcome {
        Err(error @ ConnectError::Refused(_)) => error.status().unwrap().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_of_the_relay_sign_in_where_that_is_configured() {
    const SECRET: &str = "an example: thirty-two octets or more";
    const KEY: &str = "uhBq5FgQH2Y4sT0nWcJ7";
    // printf %s uhBq5FgQH2Y4sT0nWcJ7 | sha256sum
    const DIGEST: &str = "3482af5636a275131f5c464bee3c6c60a8e47b0ea857816663fead39b7f20b9a";
    let variables = [("WIRELINE_AUTH_JWT_SECRET", SECRET)];
    let args = [
        "--addr",
        "127.0.0.1:0",
        "--relay-token-topics",
        "vip:*",
        "--auth-api-keys",
        &format!("shop=sha256:{DIGEST}"),
    ];
    let server = Server::start_with(&args, &variables);
    let tokens = AuthConfig::new(SECRET, 3600).build().unwrap();
    round(async || {
        let url = format!("ws://{}/ws", server.places[0]);
        assert_eq!(status(Client::new().connect(&url).await), 401);
        let bearer = format!("Bearer {}", tokens.issue("ann").unwrap());
        let ann = Client::new()
            .header("authorization", &*bearer)
            .connect(&url)
            .await;
        let mut ann = ann.unwrap();
        let hello = asked(&mut ann, r#"{"type":"hello","ref":0}"#).await;
        assert!(hello.contains("\"user\":\"ann\""), "{hello}");
        let shop = Client::new().header("x-api-key", KEY).connect(&url).await;
        let hello = asked(&mut shop.unwrap(), r#"{"type":"hello","ref":0}"#).await;
        assert!(hello.contains("\"user\":\"shop\""), "{hello}");
        let wrong = Client::new()
            .header("x-api-key", "uhBq5FgQH2Y4sT0nWcJ8")
            .connect(&url)
            .await;
        assert_eq!(status(wrong), 401);

        let refused = asked(&mut ann, r#"{"type":"subscribe","topic":"vip:1","ref":1}"#).await;
        assert!(refused.contains("token_required"), "{refused}");
        #[derive(serde::Serialize)]
        struct Leave {
            topic: &'static str,
        }
        let token = tokens.issue_with("ann", &Leave { topic: "vip:*" }).unwrap();
        let subscribe = format!(r#"{{"type":"subscribe","topic":"vip:1","token":"{token}"}}"#);
        let answer = asked(&mut ann, &subscribe).await;
        assert!(answer.contains("\"subscribed\""), "{answer}");
    });
    // The rest of the server is nobody's secret.
    assert_eq!(server.ask("GET /health HTTP/1.1", b"").status(), "200");
    assert_eq!(
        post(&server, "/register", "{\"user_id\":1}").status(),
        "200"
    );
    server.stop();

    let args = ["--addr", "127.0.0.1:0", "--auth-required=false"];
    let server = Server::start_with(&args, &variables);
    round(async || {
        let mut nobody = relay(&server, "/ws").await;
        let hello = asked(&mut nobody, r#"{"type":"hello","ref":0}"#).await;
        assert!(!hello.contains("user"), "{hello}");
    });
    server.stop();
}

/// One publication over HTTP, and all ways to hear it.
#[test]
fn publish_over_http_and_hear_it_everywhere() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--history", "topics=room:*"]);
    let call = |request: &str, content: &str| {
        let mut stream = server.connect();
        let request = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    };
    let first = call("GET /poll?topic=room:1", "");
    let (_, cursor) = content(&first).split_once("\"cursor\":\"").unwrap();
    let cursor = cursor.split('"').next().unwrap().replace(' ', "%20");
    round(async || {
        let mut socket = relay(&server, "/ws").await;
        asked(&mut socket, r#"{"type":"subscribe","topic":"room:1"}"#).await;
        let mut events = server.connect();
        let request = b"GET /sse?topic=room:1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        std::io::Write::write_all(&mut events, request).unwrap();
        let mut heard = String::new();
        let mut hear = |events: &mut std::net::TcpStream, wanted: &str| {
            while !heard.contains(wanted) {
                let mut octets = [0; 1024];
                let count = std::io::Read::read(events, &mut octets).unwrap();
                assert!(count > 0, "{heard}");
                heard.push_str(std::str::from_utf8(&octets[..count]).unwrap());
            }
        };
        hear(&mut events, "\"subscribed\"");
        let content_of = r#"{"topic":"room:1","event":"say","payload":{"text":"hi"}}"#;
        let published = call("POST /api/publish", content_of);
        assert_eq!(published.status(), "200", "{}", content(&published));
        assert!(
            content(&published).contains("\"subscribers\":2"),
            "{}",
            content(&published)
        );
        let push = r#"{"type":"push","topic":"room:1","event":"say","payload":{"text":"hi"}}"#;
        assert_eq!(text(&mut socket).await, push);
        hear(&mut events, push);
        let polled = call(&format!("GET /poll?topic=room:1&cursor={cursor}"), "");
        assert!(content(&polled).contains(push), "{}", content(&polled));
        let stats = call("GET /api/stats", "");
        assert!(
            content(&stats).contains("\"pushes\":1"),
            "{}",
            content(&stats)
        );
    });
    // Guarded as the metrics are.
    let foreign = post(&server, "/api/publish", r#"{"topic":"a","event":"e"}"#);
    assert_eq!(foreign.status(), "403");
    server.stop();

    let key = "Zr8LxK1vPp3mE6dAoVt9";
    let server = Server::start(&["--addr", "127.0.0.1:0", "--api-keys", &format!("ops={key}")]);
    let publish = |fields: &str| {
        let content = r#"{"topic":"a","event":"e"}"#;
        let head = format!(
            "POST /api/publish HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}{fields}",
            content.len()
        );
        server.ask(&head, content.as_bytes()).status().to_owned()
    };
    assert_eq!(publish(""), "401");
    assert_eq!(publish(&format!("\r\nX-API-Key: {key}")), "200");
    assert_eq!(publish(&format!("\r\nAuthorization: Bearer {key}")), "200");
    server.stop();
    let server = Server::start(&["--addr", "127.0.0.1:0", "--api-on=false"]);
    assert_eq!(post(&server, "/api/publish", "{}").status(), "404");
    server.stop();
}

/// Programs and pages of this machine may read the metrics; nobody else may without a key.
#[test]
fn metrics_are_guarded() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--api-hosts", "ops.example"]);
    let ask = |server: &Server, fields: &str| {
        let mut stream = server.connect();
        let request = format!("GET /metrics HTTP/1.1\r\nConnection: close\r\n{fields}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    };
    for (fields, status) in [
        ("Host: localhost", "200"),
        ("Host: LOCALHOST:8000", "200"),
        ("Host: 127.0.0.1:8000", "200"),
        ("Host: [::1]:8000", "200"),
        ("Host: [::1]", "200"),
        ("Host: ops.example", "200"),
        ("Host: evil.example:8000", "403"),
        ("Host: localhost.evil.example", "403"),
        ("Host: localhost\r\nOrigin: http://localhost", "200"),
        (
            "Host: localhost\r\nSec-Fetch-Site: same-origin\r\nOrigin: http://localhost",
            "200",
        ),
        ("Host: localhost\r\nSec-Fetch-Site: none", "200"),
        ("Host: localhost\r\nOrigin: http://evil.example", "403"),
        ("Host: localhost\r\nOrigin: null", "403"),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site", "403"),
        ("Host: localhost\r\nSec-Fetch-Site: same-site", "403"),
        ("Host: localhost\r\nX-Forwarded-For: 192.0.2.1", "403"),
        ("Host: localhost\r\nVia: 1.1 proxy", "403"),
    ] {
        assert_eq!(ask(&server, fields).status(), status, "{fields}");
    }
    post(&server, "/register", "{\"user_id\":1}");
    round(async || {
        let mut socket = relay(&server, "/ws").await;
        asked(&mut socket, r#"{"type":"subscribe","topic":"a"}"#).await;
        let text = ask(&server, "Host: localhost");
        for line in [
            "wireline_relay_connections 1",
            "wireline_relay_subscriptions 1",
            "wireline_relay_messages_total 1",
            "wireline_relay_dropped_total 0",
            "wireline_register_clients 1",
            "wireline_register_connected 0",
            "wireline_register_dropped_total 0",
            "wireline_register_closed_slow_total 0",
        ] {
            let text = content(&text);
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    });
    server.stop();

    // A proxy that is trusted says who it is.
    let server = Server::start(&["--addr", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"]);
    let by_proxy = ask(&server, "Host: localhost\r\nX-Forwarded-For: 192.0.2.1");
    assert_eq!(by_proxy.status(), "403");
    server.stop();

    let key = "Zr8LxK1vPp3mE6dAoVt9";
    let server = Server::start(&["--addr", "127.0.0.1:0", "--api-keys", &format!("ops={key}")]);
    for (fields, status) in [
        ("Host: localhost".to_owned(), "401"),
        (format!("Host: anything.example\r\nX-API-Key: {key}"), "200"),
        (
            format!("Host: localhost\r\nAuthorization: Bearer {key}"),
            "200",
        ),
        (format!("Host: localhost\r\nX-API-Key: {key}x"), "401"),
    ] {
        assert_eq!(ask(&server, &fields).status(), status, "{fields}");
    }
    server.stop();
    let server = Server::start(&["--addr", "127.0.0.1:0", "--metrics=false"]);
    assert_eq!(ask(&server, "Host: localhost").status(), "404");
    server.stop();
}
