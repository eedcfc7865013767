//! The access log: what a line says, when it is written, what cannot be smuggled into it, and that it keeps nobody waiting (RESILIENCE OP-8).

use serde_json::Value;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::layer::access_log::{AccessLog, Format, LogHandle};
use wireline::layer::auth::{Auth, Bearer, Refusal};
use wireline::layer::request_id::RequestIds;
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::service::handler::{Service, public};
use wireline::service::headers::Headers;
use wireline::service::middleware::Next;
use wireline::service::trusted::TrustedProxies;
use wireline::service::user::CurrentUser;
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Body, Request, Response, Router};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client of a router with a log, and what was logged.
struct Logged {
    client: TestClient,
    handle: LogHandle,
    written: Written,
}

impl Logged {
    fn new(change: impl FnOnce(AccessLog) -> AccessLog) -> Self {
        let written = Written::default();
        let log = change(AccessLog::new(written.clone()).unwrap());
        let handle = log.handle();
        let routes = router()
            .layer(log)
            .layer(RequestIds::new())
            .build()
            .unwrap();
        Self {
            client: TestClient::new(routes),
            handle,
            written,
        }
    }

    fn lines(&self) -> Vec<String> {
        assert!(self.handle.flush(Duration::from_secs(10)));
        let written = self.written.0.lock().unwrap();
        String::from_utf8(written.clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn objects(&self) -> Vec<Value> {
        self.lines()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn router() -> Router {
    Router::new()
        .get("/users/{id}", async || "Ada")
        .get("/health", async || ())
        .get("/large", async || vec![7u8; 1 << 20])
        .get("/slow", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if sender.send("0123456789".into()).await.is_err() {
                        break;
                    }
                }
            });
            body
        })
        .get("/trailers", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let _ = sender.send("0123456789".into()).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                let mut trailers = Headers::new();
                let _ = trailers.try_insert("x-sum", "7");
                sender.finish_with(trailers);
            });
            body
        })
        .post("/users/{id}", async |name: String| name)
        .max_body(8)
        .get("/hangs", async || std::future::pending::<()>().await)
        .get("/panics", async || -> () { panic!("a fault") })
        .websocket(
            "/socket",
            async |mut socket: WebSocket| {
                while socket.recv().await.is_some() {}
            },
        )
}

#[tokio::test]
async fn the_common_and_the_combined_format() {
    for (format, end) in [
        (Format::Common, ""),
        (
            Format::Combined,
            " \"https://a.example/page\" \"Mozilla/5.0 (X11; \\\"Linux\\\")\"",
        ),
    ] {
        let logged = Logged::new(|log| log.format(format));
        let reply = logged.client.get("/users/7?token=secret");
        let reply = reply.header("referer", "https://a.example/page?token=secret#part");
        reply
            .header("user-agent", "Mozilla/5.0 (X11; \"Linux\")")
            .await;
        let lines = logged.lines();
        assert_eq!(lines.len(), 1);
        let (before, after) = lines[0].split_once(']').unwrap();
        let (client, time) = before.split_once(" - - [").unwrap();
        assert_eq!(client, "memory");
        let shape: String = time
            .chars()
            .map(|letter| match letter {
                '0'..='9' => '9',
                letter if letter.is_ascii_alphabetic() => 'a',
                letter => letter,
            })
            .collect();
        assert_eq!(shape, "99/aaa/9999:99:99:99 +9999");
        assert_eq!(
            after,
            format!(" \"GET /users/7?[redacted] HTTP/1.1\" 200 3{end}")
        );
    }
}

#[tokio::test]
async fn s125_what_the_server_refuses_has_its_line() {
    let logged = Logged::new(|log| log.format(Format::Json));
    let reply = logged.client.post("/users/7").body("Ada Lovelace").await;
    assert_eq!(reply.status, 413);
    let objects = logged.objects();
    assert_eq!(objects.len(), 1);
    let line = objects[0].as_object().unwrap();
    assert_eq!(line["status"], 413);
    assert_eq!(line["route"], "/users/{id}");
    assert_eq!(line["request_id"], reply.header("x-request-id").unwrap());
}

#[tokio::test]
async fn json_says_everything_and_queries_are_let_in_when_asked_for() {
    let logged = Logged::new(|log| log.format(Format::Json).queries(true));
    let reply = logged
        .client
        .get("/users/7?page=2")
        .header("user-agent", "curl")
        .await;
    logged.client.get("/nowhere").await;
    let objects = logged.objects();
    let first = objects[0].as_object().unwrap();
    let id = reply.header("x-request-id").unwrap();
    for (name, value) in [
        ("client", Value::from("memory")),
        ("user", Value::Null),
        ("host", "localhost".into()),
        ("method", "GET".into()),
        ("path", "/users/7".into()),
        ("query", "page=2".into()),
        ("protocol", "HTTP/1.1".into()),
        ("route", "/users/{id}".into()),
        ("status", 200.into()),
        ("bytes", 3.into()),
        ("outcome", "complete".into()),
        ("request_id", id.into()),
        ("referer", Value::Null),
        ("user_agent", "curl".into()),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert!(first["duration_ms"].is_number() && first["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(first.len(), 16);
    assert_eq!(
        (&objects[1]["status"], &objects[1]["route"]),
        (&404.into(), &Value::Null)
    );
    assert!(!objects[1].as_object().unwrap().contains_key("query"));
}

#[tokio::test]
async fn a_query_is_left_out_unless_asked_for_and_what_is_skipped_has_no_line() {
    let logged = Logged::new(|log| log.format(Format::Json).skip("/health").skip("/users/{id}"));
    logged.client.get("/health").await;
    logged.client.get("/users/7").await;
    logged
        .client
        .get("/large?token=secret")
        .header("referer", "/a?token=secret")
        .await;
    let objects = logged.objects();
    assert_eq!(objects.len(), 1);
    assert_eq!(
        (&objects[0]["query"], &objects[0]["referer"]),
        (&"[redacted]".into(), &"/a".into())
    );
}

#[tokio::test]
async fn d15_tokens_are_never_written() {
    for format in [Format::Common, Format::Combined, Format::Json] {
        let logged = Logged::new(|log| log.format(format).queries(true).redact("key"));
        let query = "page=2&token=secret&Access_Token=secret&key=secret&%6bey=secret";
        let referer = format!("https://a.example/?{query}#access_token=secret");
        let request = logged.client.get(&format!("/users/7?{query}"));
        request.header("referer", referer).await;
        let lines = logged.lines();
        assert!(lines[0].contains("page=2&token=[redacted]&"), "{lines:?}");
        assert!(!lines[0].contains("secret"), "{lines:?}");
    }
}

/// Whoever authenticates stands further in than the log.
#[tokio::test(start_paused = true)]
async fn the_user_has_a_place_in_the_line() {
    async fn by_field(mut request: Request, next: Next) -> Response {
        let user = CurrentUser::new("in the extensions");
        match request.path() {
            "/put" => CurrentUser::new("put \"into\"").put_into(&mut request),
            "/insert" | "/taken" => drop(request.extensions_mut().insert(user)),
            _ => {}
        }
        next.run(request).await
    }
    let users = Auth::new(Bearer::by(async |token: String| match token.as_str() {
        "nobody" => Err(Refusal::invalid("nobody has this token")),
        id => Ok(CurrentUser::new(id)),
    }));
    for (format, none) in [(Format::Common, "-"), (Format::Json, "null")] {
        let written = Written::default();
        let log = AccessLog::new(written.clone()).unwrap().format(format);
        let handle = log.handle();
        let closed = Router::new()
            .layer(users.clone())
            .get("/closed", async || "open")
            .get("/public", public(async || "open"))
            .get("/scope", async |user: CurrentUser| user.require_scope("x"))
            .get("/panics", async || -> () { panic!("a fault") });
        let routes = Router::new()
            .layer(log)
            .middleware(by_field)
            .get("/put", async || ())
            .get("/insert", async || ())
            .get("/taken", async |_: CurrentUser| ())
            .merge(closed);
        let client = TestClient::new(routes.build().unwrap());
        let mut expected = Vec::new();
        for (path, token, status, common, json) in [
            ("/closed", "ada", 200, "ada", "\"ada\""),
            ("/closed", "nobody", 401, "-", none),
            ("/public", "nobody", 200, "-", none),
            ("/public", "eve", 200, "eve", "\"eve\""),
            ("/scope", "ada", 403, "ada", "\"ada\""),
            ("/panics", "ada", 500, "ada", "\"ada\""),
            (
                "/put",
                "",
                202,
                "put\\x20\\\"into\\\"",
                "\"put \\\"into\\\"\"",
            ),
            ("/insert", "", 202, "-", none),
            (
                "/taken",
                "",
                202,
                "in\\x20the\\x20extensions",
                "\"in the extensions\"",
            ),
        ] {
            let request = client
                .get(path)
                .header("authorization", format!("Bearer {token}"));
            assert_eq!(request.await.status, status, "{path} {token}");
            expected.push(match format {
                Format::Json => format!(",\"user\":{json},"),
                _ => format!("memory - {common} ["),
            });
        }
        assert!(handle.flush(Duration::from_secs(10)));
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), expected.len());
        for (line, expected) in written.lines().zip(expected) {
            assert!(line.contains(&expected), "{expected} {line}");
        }
    }
}

#[tokio::test]
async fn what_a_function_skips_has_no_line() {
    let logged = Logged::new(|log| log.skip_when(|request| request.header("quiet").is_some()));
    logged.client.get("/health").header("quiet", "1").await;
    logged.client.get("/users/7").await;
    let lines = logged.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("/users/7"),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_comes_at_the_end_of_the_content() {
    let logged = Logged::new(|log| log.format(Format::Json));
    let mut io = logged.client.connect();
    io.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(logged.lines().len(), 0, "content is still to come");
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    // A client that leaves in the middle of it.
    let mut io = logged.client.connect();
    io.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(io);
    tokio::time::sleep(Duration::from_secs(10)).await;
    // And one over HTTP/2.
    let (mut requests, connection) = h2::client::handshake(logged.client.connect_http2())
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://a/slow").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    while let Some(chunk) = body.data().await {
        let chunk: bytes::Bytes = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop::<h2::client::SendRequest<bytes::Bytes>>(requests);
    logged.client.head("/large").await;
    let large = logged.client.get("/large").await;
    assert_eq!(
        (large.bytes().len(), large.header("content-length")),
        (1 << 20, Some("1048576"))
    );

    let objects = logged.objects();
    let said = |place: usize, name: &str| objects[place][name].clone();
    for (place, protocol, outcome, octets) in [
        (0, "HTTP/1.1", "complete", 30),
        (2, "HTTP/2.0", "complete", 30),
        (3, "HTTP/1.1", "complete", 0),
        (4, "HTTP/1.1", "complete", 1 << 20),
    ] {
        assert_eq!(said(place, "protocol"), protocol, "{place}");
        assert_eq!(said(place, "outcome"), outcome, "{place}");
        assert_eq!(said(place, "bytes"), octets, "{place}");
    }
    assert_eq!(said(1, "outcome"), "cut");
    for place in [0, 2] {
        let took = said(place, "duration_ms").as_f64().unwrap();
        assert!((3000.0..3100.0).contains(&took), "{took}");
    }
    assert_eq!(objects.len(), 5);
}

/// Nothing comes behind trailers, so the connection asks for nothing more.
#[tokio::test(start_paused = true)]
async fn content_that_ends_with_trailers_is_complete() {
    let mut logged = Logged::new(|log| log.format(Format::Json));
    let mut io = logged.client.connect();
    for _ in ["HTTP/1.1", "HTTP/2"] {
        let reply = logged.client.get("/trailers").header("te", "trailers");
        let reply = reply.await;
        assert_eq!(reply.text(), "0123456789");
        assert!(reply.trailers.get("x-sum").is_some_and(|sum| sum == "7"));
        logged.client = logged.client.http2();
    }
    // One that leaves before them.
    io.write_all(b"GET /trailers HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(io);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let objects = logged.objects();
    let lines: Vec<_> = objects
        .iter()
        .map(|object| (object["outcome"].as_str(), object["bytes"].as_u64()))
        .collect();
    let complete = (Some("complete"), Some(10));
    assert_eq!(lines, [complete, complete, (Some("cut"), Some(10))]);
}

#[tokio::test(start_paused = true)]
async fn what_is_upgraded_and_what_is_never_answered_has_a_line() {
    let logged = Logged::new(|log| log.format(Format::Json));
    assert_eq!(logged.client.get("/panics").await.status, 500);
    let mut gone = logged.client.connect();
    gone.write_all(b"GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(gone);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut io = logged.client.connect();
    io.write_all(
        b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await
    .unwrap();
    let mut head = [0; 12];
    io.read_exact(&mut head).await.unwrap();
    let lines: Vec<_> = logged
        .objects()
        .iter()
        .map(|object| {
            (
                object["path"].clone(),
                object["status"].clone(),
                object["outcome"].clone(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("/panics".into(), 500.into(), "complete".into()),
            ("/hangs".into(), Value::Null, "unanswered".into()),
            ("/socket".into(), 101.into(), "upgraded".into()),
        ]
    );
}

/// The characters of Unicode that order text themselves (UAX #9 §2).
const TURNS: [char; 12] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// Whatever a client writes, a line is one line, and nothing in it is a control character or turns the direction of text.
#[tokio::test]
async fn nothing_is_smuggled_into_the_log() {
    let turns = String::from_iter(TURNS);
    for format in [Format::Common, Format::Combined, Format::Json] {
        let logged = Logged::new(|log| log.format(format).queries(true));
        let attacks: [(&str, &[u8]); 5] = [
            ("/\"%0d%0a200\"", b"\" 200 1 \"x\" \"y"),
            ("/x?a=\"}{\"", b"\xff\xfe\xc2\x9b31m\xe2\x80\xa8"),
            ("/\\", b"a\\\" b"),
            ("/tab", b"a\tb"),
            ("/bidi", turns.as_bytes()),
        ];
        for (target, agent) in attacks {
            let mut io = logged.client.connect();
            let head = [
                format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: ")
                    .as_bytes(),
                agent,
                b"\r\nReferer: ",
                agent,
                b"\r\n\r\n",
            ]
            .concat();
            io.write_all(&head).await.unwrap();
            let mut answer = Vec::new();
            io.read_to_end(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(b"HTTP/1.1 404 "),
                "{}",
                answer.escape_ascii()
            );
        }
        // No value is longer than the log lets it be.
        logged
            .client
            .get("/")
            .header("user-agent", "x".repeat(7000))
            .await;
        let lines = logged.lines();
        assert_eq!(lines.len(), attacks.len() + 1);
        for line in &lines {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(!line.contains(TURNS), "{line:?}");
            assert!(line.len() < 1500);
            match format {
                Format::Json => {
                    let object: Value = serde_json::from_str(line).unwrap();
                    assert_eq!(object["status"], 404);
                    if object["path"] == "/bidi" {
                        assert_eq!(object["user_agent"], String::from_iter(TURNS));
                    }
                }
                _ => {
                    assert!(line.is_ascii());
                    // Quotes that are not escaped: two for each quoted value.
                    let plain = line.replace("\\\\", "").replace("\\\"", "");
                    let quotes = if format == Format::Common { 2 } else { 6 };
                    assert_eq!(plain.matches('"').count(), quotes, "{line}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_proxy_names() {
    let written = Written::default();
    let log = AccessLog::new(written.clone()).unwrap();
    let handle = log.handle();
    let routes = router().layer(log).build().unwrap();
    let service = TrustedProxies::new(["10.0.0.0/8"]).unwrap().around(routes);
    for peer in [[10, 0, 0, 1], [192, 0, 2, 9]] {
        let mut request = Request::get("/users/7");
        let peer = PeerAddr::Inet((peer, 4711).into());
        request.extensions_mut().insert(ConnInfo {
            peer,
            ..ConnInfo::default()
        });
        request
            .headers_mut()
            .try_insert("x-forwarded-for", "203.0.113.5, 198.51.100.7")
            .unwrap();
        drop(service.call(request).await);
    }
    assert!(handle.flush(Duration::from_secs(10)));
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let clients: Vec<_> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(clients, ["198.51.100.7", "192.0.2.9"]);
}

/// OP-8: a pipe that nobody reads, and then a disk that is full, stop no request; what is lost is counted.
#[tokio::test]
async fn op8_a_sink_that_blocks_or_fails_keeps_nobody_waiting() {
    #[derive(Clone, Default)]
    struct Pipe {
        open: Arc<(Mutex<bool>, Condvar)>,
        written: Arc<AtomicUsize>,
    }
    impl Write for Pipe {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut open = self.open.0.lock().unwrap();
            while !*open {
                open = self.open.1.wait(open).unwrap();
            }
            self.written.fetch_add(
                octets.iter().filter(|octet| **octet == b'\n').count(),
                Ordering::Relaxed,
            );
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let pipe = Pipe::default();
    let log = AccessLog::new(pipe.clone()).unwrap();
    let handle = log.handle();
    let routes = router().layer(log).build().unwrap();
    let agent = "x".repeat(1000);
    let requests = 12_000;
    for _ in 0..requests {
        let mut request = Request::get("/users/7");
        request
            .headers_mut()
            .try_insert("user-agent", agent.as_str())
            .unwrap();
        assert_eq!(routes.call(request).await.status(), 200);
    }
    let dropped = handle.dropped();
    // 8 MiB of lines of about 1.1 KB are kept.
    assert!((3000..5500).contains(&dropped), "{dropped}");
    assert!(!handle.flush(Duration::from_millis(20)));
    *pipe.open.0.lock().unwrap() = true;
    pipe.open.1.notify_all();
    assert!(handle.flush(Duration::from_secs(10)));
    assert_eq!(
        pipe.written.load(Ordering::Relaxed) as u64 + dropped,
        requests
    );

    struct Full(Arc<AtomicUsize>);
    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if self.0.fetch_sub(1, Ordering::Relaxed) > 1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.store(1, Ordering::Relaxed);
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let refusals = Arc::new(AtomicUsize::new(4));
    let log = AccessLog::new(Full(refusals)).unwrap();
    let handle = log.handle();
    let routes = router().layer(log).build().unwrap();
    for _ in 0..10 {
        assert_eq!(routes.call(Request::get("/users/7")).await.status(), 200);
        assert!(
            handle.flush(Duration::from_secs(10)),
            "a disk that is full makes nobody wait"
        );
    }
    assert_eq!(
        handle.dropped(),
        3,
        "what the disk refused; what came later is written"
    );
}
