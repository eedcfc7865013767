//! The documents say what the code does: every limit, default and counter is in `docs/limits.md`, and the
//! example of the README is `examples/hello.rs`; the pages are a book, whose links lead somewhere. Then the examples, through the test client.

use bytes::Bytes;
use http::StatusCode;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::http1::driver::config::Config;
use wireline::http1::limits::Limits;
use wireline::resource::counters::Counter;
use wireline::server::config::ServerConfig;
use wireline::test::{TestClient, TestRequest, TestServer};
use wireline::{Body, Router, Server};

#[path = "docs/book.rs"]
mod book;
#[path = "../examples/middleware.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod middleware;
#[path = "docs/resilience.rs"]
mod resilience;
#[path = "../examples/rest.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod rest;
#[path = "docs/security.rs"]
mod security;
#[path = "../examples/sse_clock.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod sse_clock;
#[path = "../examples/streaming.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod streaming;
#[path = "../examples/unix_socket.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod unix_socket;
#[path = "../examples/upgrade.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod upgrade;
#[path = "../examples/uploads.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod uploads;

const LIMITS: &str = include_str!("../docs/limits.md");
const README: &str = include_str!("../README.md");

/// The row of a table whose first cell is `name` in backticks.
fn row(name: &str) -> &'static str {
    let begin = format!("| `{name}` |");
    let mut rows = LIMITS.lines().filter(|line| line.starts_with(&begin));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("docs/limits.md has no row for `{name}`"));
    assert!(
        rows.next().is_none(),
        "docs/limits.md has two rows for `{name}`"
    );
    row
}

/// The public fields of a struct, from its source.
fn fields(source: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("pub struct {name} {{")).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let field = |line: &str| Some(line.strip_prefix("    pub ")?.split_once(':')?.0.to_owned());
    let fields: Vec<String> = body.lines().filter_map(field).collect();
    assert!(fields.len() > 3, "{source} has only {fields:?}");
    fields
}

/// The value of a field in the `Debug` form of a default, as `docs/limits.md` writes it.
fn default_of(debug: &str, field: &str) -> Option<String> {
    let (_, rest) = debug.split_once(&format!(" {field}: "))?;
    let value = rest.split([',', ' ', '}']).next()?;
    if let Some(seconds) = value.strip_suffix('s') {
        return Some(if seconds == "3600" {
            "1 h".into()
        } else {
            format!("{seconds} s")
        });
    }
    let number = wireline::wire::number::decimal(value.as_bytes())?;
    Some(match number {
        0..1024 => number.to_string(),
        1024 | 4096 if field == "max_connections" || field == "backlog" => {
            format!("{},{:03}", number / 1000, number % 1000)
        }
        1024..1_048_576 => format!("{} KiB", number / 1024),
        _ => format!("{} MiB", number / 1_048_576),
    })
}

#[test]
fn every_limit_is_documented_with_its_default() {
    let structs = [
        (
            "src/wire/limits.rs",
            "Limits",
            format!("{:?}", Limits::default()),
        ),
        (
            "src/service/link/config.rs",
            "Config",
            format!("{:?}", Config::default()),
        ),
        (
            "src/service/link/http2.rs",
            "Http2",
            format!("{:?}", Config::default().http2),
        ),
        (
            "src/server/config.rs",
            "ServerConfig",
            format!("{:?}", ServerConfig::default()),
        ),
    ];
    let mut compared = 0;
    for (source, name, debug) in structs {
        for field in fields(source, name) {
            let default = row(&field).split('|').nth(2).unwrap().trim();
            if let Some(expected) = default_of(&debug, &field).filter(|_| field != "limits") {
                let same = default
                    .strip_prefix(&expected)
                    .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()));
                assert!(
                    same,
                    "{name}::{field} is {expected}, docs/limits.md says {default}"
                );
                compared += 1;
            }
        }
    }
    // All but `limits`, `server` and `when_full` have a number.
    assert!(compared >= 26, "only {compared} defaults were compared");
}

#[test]
fn every_counter_is_documented() {
    for counter in Counter::ALL {
        row(counter.name());
    }
    // Whatever a limit's row names as its counter is one.
    let names: Vec<&str> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    let (limits, _) = LIMITS.split_once("## Counters").unwrap();
    for row in limits.lines().filter(|line| line.starts_with("| `")) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(names.contains(&name), "`{name}` is no counter: {row}");
        }
    }
}

/// Each limit of a message, made small and passed: the answer and the counter are those of its row.
#[tokio::test]
async fn a_limit_that_is_passed_answers_and_counts_as_its_row_says() {
    type Change = fn(&mut Config);
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let cases: [(&str, Change, String); 10] = [
        (
            "request_line",
            |config| config.limits.request_line = 20,
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20)),
        ),
        (
            "header_section",
            |config| config.limits.header_section = 20,
            format!("{post}X: {}\r\n\r\n", "x".repeat(20)),
        ),
        (
            "header_fields",
            |config| config.limits.header_fields = 2,
            format!("{post}X: 1\r\nX: 2\r\n\r\n"),
        ),
        (
            "chunk",
            |config| config.limits.chunk = 3,
            format!("{chunked}4\r\nabcd\r\n0\r\n\r\n"),
        ),
        (
            "chunk_extension",
            |config| config.limits.chunk_extension = 4,
            format!("{chunked}1;abcde\r\nx\r\n0\r\n\r\n"),
        ),
        (
            "chunk_extensions",
            |config| config.limits.chunk_extensions = 5,
            format!("{chunked}1;abc\r\nx\r\n1;abc\r\nx\r\n0\r\n\r\n"),
        ),
        (
            "trailer_section",
            |config| config.limits.trailer_section = 20,
            format!("{chunked}0\r\nX: {}\r\n\r\n", "x".repeat(20)),
        ),
        (
            "trailer_fields",
            |config| config.limits.trailer_fields = 1,
            format!("{chunked}0\r\nX: 1\r\nX: 2\r\n\r\n"),
        ),
        (
            "chunk_overhead",
            |config| config.limits.chunk_overhead = 1,
            format!("{chunked}{}0\r\n\r\n", "1\r\nx\r\n".repeat(20_000)),
        ),
        (
            "max_body",
            |config| config.max_body = 3,
            format!("{post}Content-Length: 4\r\n\r\nabcd"),
        ),
    ];
    for (field, change, request) in cases {
        let mut config = Config::default();
        let routes = || {
            Router::new()
                .fallback(async |_: Bytes| "taken")
                .build()
                .unwrap()
        };
        let asked = |config: Config| {
            let (client, request) = (TestClient::with_config(routes(), config), request.clone());
            async move {
                let (mut reader, mut writer) = tokio::io::split(client.connect());
                let sent = tokio::spawn(async move {
                    writer
                        .write_all(request.as_bytes())
                        .await
                        .is_ok()
                        .then_some(writer)
                });
                let mut answer = vec![0; 12];
                reader.read_exact(&mut answer).await.unwrap();
                sent.abort();
                let counts: Vec<_> = Counter::ALL
                    .iter()
                    .filter(|counter| client.count(**counter) > 0)
                    .map(|counter| counter.name())
                    .collect();
                (String::from_utf8(answer).unwrap(), counts)
            }
        };
        if field != "chunk_overhead" {
            assert_eq!(
                asked(config.clone()).await.0,
                "HTTP/1.1 200",
                "{field} at its default"
            );
        }
        change(&mut config);
        let (status_line, counts) = asked(config).await;
        let row = row(field);
        let status = status_line.rsplit(' ').next().unwrap();
        assert!(
            row.contains(&format!("| {status} |")),
            "{field}: {status_line}, but {row}"
        );
        assert!(
            counts.iter().any(|name| row.contains(&format!("`{name}`"))),
            "{field}: {counts:?}, but {row}"
        );
    }
}

#[test]
fn the_readme_shows_the_hello_example() {
    let hello = include_str!("../examples/hello.rs");
    let (_, code) = hello.split_once("\n\n").unwrap();
    assert!(
        README.contains(&format!("```rust,no_run\n{}```", code)),
        "README.md and examples/hello.rs differ"
    );
}

/// A request with JSON.
fn json<'a>(request: TestRequest<'a>, content: &'static str) -> TestRequest<'a> {
    request
        .header("content-type", "application/json")
        .body(content)
}

#[tokio::test]
async fn the_rest_example_creates_reads_updates_and_deletes() {
    let client = TestClient::new(rest::routes().unwrap());
    let emma = r#"{"title":"Emma","pages":474}"#;

    let created = json(client.post("/books"), emma).await;
    assert_eq!(
        (created.status, created.header("location")),
        (StatusCode::CREATED, Some("/books/1"))
    );
    assert_eq!(client.get("/books/1").await.text(), emma);
    assert_eq!(
        client.get("/books").await.text(),
        format!(r#"{{"1":{emma}}}"#)
    );
    assert_eq!(
        json(client.put("/books/1"), r#"{"title":"Emma","pages":475}"#)
            .await
            .status,
        StatusCode::OK
    );
    assert!(client.get("/books/1").await.text().contains("475"));
    assert_eq!(
        client.delete("/books/1").await.status,
        StatusCode::NO_CONTENT
    );

    // Whatever goes wrong is a problem.
    let told = |status: StatusCode, detail: &str| {
        let title = status.canonical_reason().unwrap();
        let status = status.as_u16();
        format!(r#"{{"title":"{title}","status":{status},"detail":"{detail}""#)
    };
    let bad = r#"{"title":" ","pages":0}"#;
    for (answer, status, detail, more) in [
        (
            client.get("/books/1").await,
            StatusCode::NOT_FOUND,
            "there is no book 1",
            r#","id":1}"#,
        ),
        (
            json(client.post("/books"), bad).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "what was sent is not valid",
            concat!(
                r##","errors":[{"pointer":"#/title","detail":"a book has a title"},"##,
                r##"{"pointer":"#/pages","detail":"a book has pages"}]}"##
            ),
        ),
        (
            json(client.post("/books"), "{").await,
            StatusCode::BAD_REQUEST,
            "invalid JSON: EOF while parsing an object at line 1 column 1",
            "}",
        ),
        (
            client.post("/books").body(emma).await,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected `Content-Type: application/json`",
            "}",
        ),
    ] {
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.text(), format!("{}{more}", told(status, detail)));
    }
    assert_eq!(
        client.get("/books/first").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn the_uploads_example_keeps_pictures() {
    let folder = std::env::temp_dir().join(format!("wireline-uploads-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let client = TestClient::new(uploads::routes(folder.clone()).unwrap());
    let form = |kind: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHolidays\r\n--b\r\nContent-Disposition: form-data; \
             name=\"picture\"; filename=\"../beach.jpg\"\r\nContent-Type: {kind}\r\n\r\nsand\r\n--b--\r\n"
        )
    };
    let post = |content: String| {
        let request = client.post("/pictures");
        request
            .header("content-type", "multipart/form-data; boundary=b")
            .body(content)
    };
    assert_eq!(
        post(form("image/jpeg")).await.text(),
        "Holidays:\n- beach.jpg, 4 octets\n"
    );
    assert_eq!(
        post(form("text/html")).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let kept: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), b"sand");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(client.get("/").await.text().contains("multipart/form-data"));
}

#[tokio::test(start_paused = true)]
async fn the_clock_example_goes_on_where_it_was() {
    let client = TestClient::new(sse_clock::routes().unwrap());
    for (field, first) in [
        ("", 0),
        ("Last-Event-ID: 41\r\n", 42),
        ("Last-Event-ID: x\r\n", 0),
    ] {
        let mut connection = client.connect();
        let request = format!("GET /ticks HTTP/1.1\r\nHost: a\r\n{field}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let second = format!("id: {}\n\n", first + 1);
        while !seen
            .windows(second.len())
            .any(|window| window == second.as_bytes())
        {
            assert!(connection.read_buf(&mut seen).await.unwrap() > 0);
        }
        let begin = format!("data: tick {first}\nevent: tick\nretry: 2000\nid: {first}\n\n");
        let seen = String::from_utf8(seen).unwrap();
        assert!(
            seen.contains("\r\ncontent-type: text/event-stream\r\n"),
            "{seen}"
        );
        assert!(seen.contains(&begin), "{seen}");
    }
}

#[tokio::test]
async fn the_streaming_example_takes_and_gives_more_than_the_usual_limit() {
    let client = TestClient::new(streaming::routes().unwrap());
    let block = Bytes::from_static(&[1; 64 * 1024]);
    let content = Body::from_chunks(std::iter::repeat_n(block, 256));
    assert_eq!(
        client.post("/upload").body(content).await.text(),
        "16777216 octets, sum 0\n"
    );
    let answer = client.get("/download/11000000").await;
    assert_eq!(
        (answer.bytes().len(), answer.header("content-length")),
        (11_000_000, Some("11000000"))
    );
    assert!(answer.bytes().iter().all(|octet| *octet == b'.'));
}

#[tokio::test]
async fn the_middleware_example_guards_its_notes_only() {
    let client = TestClient::new(middleware::routes().unwrap());
    for (path, status) in [("/", 200), ("/notes", 401), ("/nothing", 404)] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer
                .header("server-timing")
                .is_some_and(|value| value.starts_with("app;dur=")),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/notes").await.header("www-authenticate"),
        Some("Bearer")
    );
    let say = |content: String| {
        client
            .post("/notes")
            .header("authorization", "Bearer open-sesame")
            .body(content)
    };
    let noted = say("buy milk".into()).await;
    assert_eq!(
        (noted.status, noted.text()),
        (StatusCode::CREATED, "noted for ali: buy milk\n")
    );
    assert_eq!(
        say("x".repeat(1025)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn the_unix_socket_example_tells_its_peers_apart() {
    let path = std::env::temp_dir().join(format!("wireline-docs-{}.sock", std::process::id()));
    let server =
        TestServer::start(Server::new(unix_socket::routes().unwrap()).bind(path.as_path()));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.ends_with("\r\n\r\nyou came over the Unix socket\n"),
        "{answer}"
    );
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(request).await.unwrap();
    answer.clear();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("\r\n\r\nyou came over TCP, from 127.0.0.1:"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_upgrade_example_shouts_back() {
    let client = TestClient::new(upgrade::routes().unwrap());
    let mut connection = client.connect();
    // The first octets of the new protocol come with the request.
    connection
        .write_all(
            b"GET /shout HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello",
        )
        .await
        .unwrap();
    connection.write_all(b", wire").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.contains("\r\nupgrade: shout\r\n") && answer.ends_with("\r\n\r\nHELLO, WIRE"),
        "{answer}"
    );

    let plain = client.get("/shout").await;
    assert_eq!(
        (plain.status, plain.header("upgrade")),
        (StatusCode::UPGRADE_REQUIRED, Some("shout"))
    );
}

/// Each has a line in the guide that says what it shows.
#[test]
fn every_example_is_in_the_guide() {
    let guide = include_str!("../docs/guide.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let rows = guide.lines().filter(|line| {
            line.starts_with(&format!("| [{name}](../examples/{name}"))
                || line.starts_with(&format!("| [{name}/"))
        });
        assert_eq!(rows.count(), 1, "docs/guide.md has no one line for {name}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}
