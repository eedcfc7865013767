//! Compression of responses: what is compressed and what not, streams, threads, secrets, and the same over HTTP/2.

#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "support/coded.rs"]
mod coded;

use bytes::Bytes;
use coded::{decode, json, noise};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::layer::compression::{Coding, Compression, NoCompression};
use wireline::service::handler::Service;
use wireline::service::headers::Headers;
use wireline::test::{TestClient, TestResponse};
use wireline::{Body, Request, Response, Router};

const JSON: &str = "application/json";

fn client(compression: Compression, router: Router) -> TestClient {
    TestClient::new(router.layer(compression).build().unwrap())
}

fn encoding(response: &TestResponse) -> Option<&str> {
    response.header("content-encoding")
}

/// A response with fields, to every GET of a router.
fn answering(make: impl Fn() -> Response + Send + Sync + 'static) -> Router {
    let make = Arc::new(make);
    Router::new().get("/", move || std::future::ready(make()))
}

/// What a compressed response has for sure.
fn assert_coded(response: &TestResponse, coding: &str, content: &[u8]) {
    assert_eq!(encoding(response), Some(coding));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    assert_eq!(decode(coding, response.bytes()), content);
    assert!(response.bytes().len() < content.len());
    if let Some(length) = response.header("content-length") {
        assert_eq!(length, response.bytes().len().to_string());
    }
}

#[tokio::test]
async fn s104_nothing_is_compressed_unless_a_router_is_given_the_layer() {
    let plain = || Router::new().get("/", async || "text ".repeat(1000));
    let ask = async |routes: Router| {
        let client = TestClient::new(routes.build().unwrap());
        client.get("/").header("accept-encoding", "gzip, br").await
    };
    let response = ask(plain()).await;
    assert_eq!((encoding(&response), response.header("vary")), (None, None));
    let response = ask(plain().layer(Compression::new())).await;
    assert_eq!(encoding(&response), Some("br"));
    // The nearest policy holds.
    for (inner, expected) in [
        (Compression::off(), None),
        (Compression::new().codings([Coding::Gzip]), Some("gzip")),
    ] {
        let client = TestClient::new(
            Router::new()
                .layer(Compression::new())
                .nest("/in", plain().layer(inner))
                .build()
                .unwrap(),
        );
        let response = client
            .get("/in")
            .header("accept-encoding", "gzip, br")
            .await;
        assert_eq!(encoding(&response), expected);
    }
}

#[tokio::test]
async fn s105_d19_the_client_chooses_the_coding() {
    // Compressed at once, in a job, and as a stream.
    for size in [300, 4000, 100_000, 3_000_000] {
        let content = Bytes::from(json(size));
        let sent = content.clone();
        let client = client(
            Compression::new(),
            answering(move || Response::bytes(sent.clone(), JSON)),
        );
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip, deflate, zstd", Some("zstd")),
            ("gzip, deflate", Some("gzip")),
            ("br;q=0.5, gzip", Some("gzip")),
            ("br;q=0.5, zstd;q=0.7, gzip;q=0.6", Some("zstd")),
            ("*", Some("br")),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0, gzip;q=0.1", Some("gzip")),
            // Nothing is acceptable: it goes out as it is.
            ("identity;q=0", None),
            ("*;q=0", None),
            ("deflate, compress", None),
            ("br;q=nonsense", None),
            ("", None),
        ] {
            let response = client.get("/").header("accept-encoding", accepted).await;
            assert_eq!(response.status, 200);
            match expected {
                Some(coding) => assert_coded(&response, coding, &content),
                None => {
                    assert_eq!(encoding(&response), None, "{accepted}");
                    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
                    assert_eq!(response.bytes(), &content);
                }
            }
        }
        let response = client.get("/").await;
        assert_eq!(encoding(&response), None);
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    }
}

#[tokio::test]
async fn s106_what_is_short_or_becomes_no_shorter_is_left_alone() {
    let sized = Router::new().get("/{size}", async |request: Request| {
        let size = request.param("size").unwrap_or_default().len();
        "a".repeat(size)
    });
    let client = client(Compression::new(), sized);
    let ask = async |size| {
        let path = format!("/{}", "x".repeat(size));
        client.get(&path).header("accept-encoding", "gzip").await
    };
    let (short, long) = (ask(255).await, ask(256).await);
    assert_eq!((encoding(&short), short.header("vary")), (None, None));
    assert_coded(&long, "gzip", "a".repeat(256).as_bytes());
    // Its length is the right one, and known.
    assert!(long.header("content-length").is_some());

    let octets = noise(1000);
    let sent = octets.clone();
    let noisy =
        answering(move || Response::bytes(sent.clone(), JSON).with_header("etag", "\"strong\""));
    let client = self::client(Compression::new(), noisy);
    let response = client.get("/").header("accept-encoding", "gzip").await;
    assert_eq!(encoding(&response), None);
    assert_eq!(response.header("etag"), Some("\"strong\""));
    assert_eq!(response.header("content-length"), Some("1000"));
    assert_eq!(response.bytes(), &octets);
}

#[tokio::test]
async fn s107_types_that_are_compressed_already_are_skipped() {
    for (content_type, compressed) in [
        ("text/html; charset=utf-8", true),
        ("application/json", true),
        ("application/octet-stream", true),
        ("IMAGE/SVG+XML; a=b", true),
        ("font/ttf", true),
        ("image/png", false),
        ("Image/WebP", false),
        ("video/mp4", false),
        ("audio/ogg", false),
        ("application/zip", false),
        ("application/gzip ; x=y", false),
        ("font/woff2", false),
        ("application/grpc+proto", false),
        // D20, lesson 85.
        ("text/event-stream", false),
        ("text/event-stream; charset=utf-8", false),
    ] {
        let make = move || Response::bytes("event data ".repeat(100), content_type);
        let client = client(Compression::new(), answering(make));
        let response = client.get("/").header("accept-encoding", "gzip").await;
        assert_eq!(encoding(&response).is_some(), compressed, "{content_type}");
        assert_eq!(response.header("vary").is_some(), compressed);
    }
    let events = || Response::bytes("data: x\n\n".repeat(100), "text/event-stream");
    let client = client(Compression::new().event_streams(true), answering(events));
    let response = client.get("/").header("accept-encoding", "gzip").await;
    assert_eq!(encoding(&response), Some("gzip"));
}

#[tokio::test]
async fn s108_other_responses_are_left_alone() {
    fn text() -> Response {
        Response::text("text ".repeat(1000))
    }
    let with = |name: &'static str, value: &'static str| text().with_header(name, value);
    let marked = || {
        let mut response = text();
        response.extensions_mut().insert(NoCompression);
        response
    };
    type Make = Box<dyn Fn() -> Response + Send + Sync>;
    let cases: Vec<(&str, Make)> = vec![
        ("coded", Box::new(move || with("content-encoding", "br"))),
        (
            "identity",
            Box::new(move || with("content-encoding", "identity")),
        ),
        (
            "part",
            Box::new(move || text().with_status(StatusCode::PARTIAL_CONTENT)),
        ),
        (
            "range",
            Box::new(move || with("content-range", "bytes 0-4999/5000")),
        ),
        (
            "digest",
            Box::new(move || with("content-digest", "sha-256=:x:")),
        ),
        (
            "no-transform",
            Box::new(move || with("cache-control", "private, No-Transform")),
        ),
        ("mark", Box::new(marked)),
        ("204", Box::new(Response::empty)),
    ];
    for (name, make) in cases {
        let before = make();
        let client = client(Compression::new(), answering(make));
        let response = client.get("/").header("accept-encoding", "br, gzip").await;
        assert_eq!(
            response.header("content-encoding").map(str::to_owned),
            before.header_text("content-encoding"),
            "{name}"
        );
        assert_eq!(response.header("vary"), None, "{name}");
        assert_eq!(
            response.bytes(),
            before.body().as_bytes().unwrap_or_default()
        );
    }
}

trait HeaderText {
    fn header_text(&self, name: &str) -> Option<String>;
}

impl HeaderText for Response {
    fn header_text(&self, name: &str) -> Option<String> {
        let value = self.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn s108_fields_say_what_was_done() {
    for (etag, expected) in [("\"v1\"", "W/\"v1\""), ("W/\"v1\"", "W/\"v1\"")] {
        for size in [1000, 50_000] {
            let make = move || {
                Response::bytes(json(size), JSON)
                    .with_header("etag", etag)
                    .with_header("accept-ranges", "bytes")
                    .with_header("vary", "Origin, Cookie")
            };
            let client = client(Compression::new(), answering(make));
            let response = client.get("/").header("accept-encoding", "gzip").await;
            assert_eq!(response.header("etag"), Some(expected));
            assert_eq!(response.header("accept-ranges"), None);
            assert_eq!(
                response.header("vary"),
                Some("Origin, Cookie, Accept-Encoding")
            );
            let plain = client.get("/").await;
            assert_eq!(plain.header("etag"), Some(etag));
            assert_eq!(plain.header("accept-ranges"), Some("bytes"));
            assert_eq!(
                plain.header("vary"),
                Some("Origin, Cookie, Accept-Encoding")
            );
        }
    }
    // What a client is told of the response it keeps fits to that response.
    let unchanged = || {
        Response::default()
            .with_status(StatusCode::NOT_MODIFIED)
            .with_header("etag", "\"v1\"")
    };
    let client = client(Compression::new(), answering(unchanged));
    let response = client.get("/").header("accept-encoding", "br").await;
    assert_eq!(response.status, 304);
    assert_eq!(response.header("etag"), Some("W/\"v1\""));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    assert_eq!(client.get("/").await.header("etag"), Some("\"v1\""));
}

#[tokio::test]
async fn s108_head_has_the_fields_of_get() {
    for size in [100, 1000, 50_000, 2_000_000] {
        let make = move || Response::bytes(json(size), JSON).with_header("etag", "\"v1\"");
        let client = client(Compression::new(), answering(make));
        let get = client.get("/").header("accept-encoding", "br").await;
        let head = client.head("/").header("accept-encoding", "br").await;
        assert!(head.bytes().is_empty());
        for name in [
            "content-encoding",
            "vary",
            "etag",
            "content-type",
            "content-length",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {size}");
        }
    }
    // A handler of its own, which says what GET would give and has no content.
    let routes = Router::new().route(Method::HEAD, "/", async || {
        Response::default()
            .with_content_type(JSON)
            .with_header("content-length", "50000")
    });
    let client = client(Compression::new(), routes);
    let head = client.head("/").header("accept-encoding", "br").await;
    assert_eq!(encoding(&head), Some("br"));
    assert_eq!(head.header("content-length"), None);
    let plain = client.head("/").await;
    assert_eq!(plain.header("content-length"), Some("50000"));
}

/// Calls a service without a connection.
async fn call(service: &impl Service, path: &str, accepted: &'static str) -> Response {
    let mut request = Request::get(path);
    request
        .headers_mut()
        .try_insert("accept-encoding", accepted)
        .unwrap();
    service.call(request).await
}

#[tokio::test(start_paused = true)]
async fn d20_a_stream_is_never_held_back() {
    for coding in ["br", "zstd", "gzip"] {
        // Short pieces are compressed here, long ones in jobs.
        for size in [10, 3000, 100_000] {
            let (sender, body) = Body::channel();
            let senders = Arc::new(std::sync::Mutex::new(Some((sender, body))));
            let kept = senders.clone();
            let routes = Router::new()
                .layer(Compression::new())
                .get("/", move || {
                    let (sender, body) = kept.lock().unwrap().take().unwrap();
                    *kept.lock().unwrap() = Some((sender, Body::empty()));
                    std::future::ready(Response::new(body).with_content_type("text/plain"))
                })
                .build()
                .unwrap();
            let mut response = call(&routes, "/", coding).await;
            assert_eq!(
                response.header_text("content-encoding").as_deref(),
                Some(coding)
            );
            let (mut sender, _) = senders.lock().unwrap().take().unwrap();
            let (mut coded, mut content) = (Vec::new(), Vec::new());
            for turn in 0..5u8 {
                let mut piece = json(size);
                piece[0] = turn;
                content.extend_from_slice(&piece);
                sender.send(piece.into()).await.unwrap();
                // All of it comes out, with nothing sent behind it.
                let mut clear = decode_begun(coding, &coded);
                while clear.len() < content.len() {
                    let piece = response.body_mut().chunk().await.unwrap().unwrap();
                    coded.extend_from_slice(&piece);
                    clear = decode_begun(coding, &coded);
                }
                assert_eq!(clear, content);
            }
            drop(sender);
            while let Some(piece) = response.body_mut().chunk().await {
                coded.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(decode(coding, &coded), content);
        }
    }
}

/// What can be decoded of coded content that has not ended.
fn decode_begun(coding: &str, coded: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut content = Vec::new();
    match coding {
        "br" => {
            use std::io::Read;
            let mut reader = brotli::Decompressor::new(coded, 4096);
            let mut piece = [0; 4096];
            // It complains of the end that is missing.
            while let Ok(len @ 1..) = reader.read(&mut piece) {
                content.extend_from_slice(&piece[..len]);
            }
        }
        "gzip" => {
            let mut writer = flate2::write::GzDecoder::new(&mut content);
            writer.write_all(coded).unwrap();
            writer.flush().unwrap();
        }
        "zstd" => {
            let mut writer = zstd::stream::write::Decoder::new(&mut content).unwrap();
            writer.write_all(coded).unwrap();
            writer.flush().unwrap();
        }
        other => panic!("{other}?"),
    }
    content
}

#[tokio::test]
async fn d20_a_stream_is_made_as_it_is_taken() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let routes = Router::new()
        .layer(Compression::new())
        .get("/{size}", move |request: Request| {
            let size = request.param("size").unwrap().len() * 1000;
            let made = counted.clone();
            let chunks = (0..1000).map(move |_| {
                made.fetch_add(1, Ordering::Relaxed);
                Bytes::from(json(size))
            });
            std::future::ready(Response::new(Body::from_chunks(chunks)))
        })
        .build()
        .unwrap();
    for (path, most) in [("/x", 60), ("/xxxxxxxxxxxxxxxxxxxx", 2)] {
        made.store(0, Ordering::Relaxed);
        let mut response = call(&routes, path, "gzip").await;
        assert_eq!(made.load(Ordering::Relaxed), 0, "nobody has asked yet");
        let _ = response.body_mut().chunk().await.unwrap().unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let made = made.load(Ordering::Relaxed);
        assert!((1..=most).contains(&made), "{made}");
    }
}

#[tokio::test]
async fn trailers_and_errors_pass() {
    let routes = Router::new()
        .layer(Compression::new())
        .get("/well", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send(json(1000).into()).await;
                let mut trailers = Headers::new();
                let _ = trailers.try_insert("x-sum", "7");
                sender.finish_with(trailers);
            });
            Response::new(body)
        })
        .get("/badly", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send(json(1000).into()).await;
                sender.abort();
            });
            Response::new(body)
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let response = client.get("/well").header("accept-encoding", "br").await;
    assert_coded(&response, "br", &json(1000));
    assert!(response.trailers.get("x-sum").is_some_and(|sum| sum == "7"));
    let cut = client.get("/badly").header("accept-encoding", "br").send();
    assert!(cut.await.is_err());
}

#[tokio::test]
async fn s109_d35_long_content_is_compressed_off_the_event_loop() {
    for path in ["/whole", "/stream"] {
        let content = json(600_000);
        let (whole, stream) = (content.clone(), content.clone());
        // Quality 9 takes a while.
        let router = Router::new()
            .get("/whole", move || {
                std::future::ready(Response::bytes(whole.clone(), JSON))
            })
            .get("/stream", move || {
                let chunks = std::iter::once(stream.clone().into());
                std::future::ready(Response::new(Body::from_chunks(chunks)))
            });
        let client = client(Compression::new().brotli(9), router);
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        let others = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let response = client.get(path).header("accept-encoding", "br").await;
        others.abort();
        assert_coded(&response, "br", &content);
        // The only thread of the runtime was free all the while.
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns > 1000, "{turns} turns");
    }
}

#[tokio::test]
async fn co1_what_may_hold_a_secret_tells_nothing_by_its_length() {
    // A page that reflects what it was asked, beside a secret.
    let page = || {
        Router::new().get("/{guess}", async |request: Request| {
            let guess = request.param("guess").unwrap_or_default().into_owned();
            let filler = String::from_utf8(noise(400).iter().map(|o| o % 64 + 32).collect());
            Response::html(format!(
                "<p>you searched for {guess}</p>{}<input name=token value=token_7Gk2Lx9Q>",
                filler.unwrap()
            ))
        })
    };
    // The right next letter and wrong ones.
    let guesses = [
        "token_7Gk2Lx9",
        "token_7Gk2LxA",
        "token_7Gk2LxB",
        "token_ABCDEFG",
    ];
    let lengths = async |client: &TestClient, cookie: bool| {
        let mut lengths = Vec::new();
        for guess in guesses {
            let mut request = client
                .get(&format!("/{guess}"))
                .header("accept-encoding", "gzip, br");
            if cookie {
                request = request.header("cookie", "session=1");
            }
            lengths.push(request.await.bytes().len());
        }
        lengths
    };
    let open = client(Compression::new(), page());
    let seen = lengths(&open, true).await;
    assert!(
        seen.iter().any(|length| *length != seen[0]),
        "the attack works: {seen:?}"
    );
    let spared = client(Compression::new().spare_secrets(true), page());
    let seen = lengths(&spared, true).await;
    assert!(seen.iter().all(|length| *length == seen[0]), "{seen:?}");
    // What anybody gets is compressed all the same.
    assert!(lengths(&spared, false).await[0] < seen[0]);

    for (name, value) in [("authorization", "Bearer x"), ("cookie", "a=b")] {
        let request = spared.get("/x").header("accept-encoding", "br");
        let response = request.header(name, value).await;
        assert_eq!(encoding(&response), None, "{name}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    }
    // Without being asked for, and where nobody has said otherwise.
    for (layer, authorized, cookie) in [
        (Compression::new(), None, Some("br")),
        (Compression::new().authorized(true), Some("br"), Some("br")),
        (
            Compression::new().authorized(true).spare_secrets(true),
            None,
            None,
        ),
    ] {
        let client = client(layer, page());
        for (name, value, coding) in [
            ("authorization", "Bearer x", authorized),
            ("cookie", "a=b", cookie),
        ] {
            let request = client.get("/x").header("accept-encoding", "br");
            let response = request.header(name, value).await;
            assert_eq!(encoding(&response), coding, "{name}");
            assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        }
    }
    // What sets a cookie is left alone without being asked for, short or long.
    for times in [100, 10_000] {
        let setting = move || Response::text("text ".repeat(times)).set_cookie("a=b");
        let default = client(Compression::new(), answering(setting));
        let response = default.get("/").header("accept-encoding", "br").await;
        assert_eq!(encoding(&response), None);
        assert_eq!(response.text().len(), 5 * times);
    }
}

#[tokio::test]
async fn co1_lengths_can_be_hidden() {
    for size in [4000, 50_000] {
        let content = json(size);
        let sent = content.clone();
        let make = move || Response::bytes(sent.clone(), JSON);
        let client = client(Compression::new().hide_length(1000), answering(make));
        for (accepted, coding) in [("br, zstd", "br"), ("gzip", "gzip")] {
            let mut lengths = Vec::new();
            for _ in 0..20 {
                let response = client.get("/").header("accept-encoding", accepted).await;
                assert_coded(&response, coding, &content);
                lengths.push(response.bytes().len());
            }
            lengths.sort_unstable();
            // Twenty of a thousand lengths: that they all lie within a hundred has a chance of 10^-18.
            assert!(lengths[19] - lengths[0] > 100, "{lengths:?}");
            assert!(lengths[19] - lengths[0] <= 1010, "{lengths:?}");
        }
        let response = client.get("/").header("accept-encoding", "zstd").await;
        assert_eq!(encoding(&response), None);
    }
}

#[tokio::test]
async fn co3_an_encoder_goes_with_its_client() {
    let (told, mut gone) = tokio::sync::mpsc::channel(8);
    let content = Bytes::from(json(20_000));
    let router = Router::new().get("/", move || {
        let (mut sender, body) = Body::channel();
        let (told, content) = (told.clone(), content.clone());
        tokio::spawn(async move {
            while sender.send(content.clone()).await.is_ok() {}
            let _ = told.send(()).await;
        });
        std::future::ready(Response::new(body))
    });
    // One stream may have an encoder at a time.
    let compression = Compression::new().max_streams(1);
    let routes = Arc::new(router.layer(compression).build().unwrap());
    let coded = async || {
        let mut response = call(&routes, "/", "br").await;
        assert!(
            response
                .body_mut()
                .chunk()
                .await
                .is_some_and(|piece| piece.is_ok())
        );
        (response.header_text("content-encoding").is_some(), response)
    };
    let (first, response) = coded().await;
    assert!(first);
    let (second, other) = coded().await;
    assert!(!second, "the place is taken");
    drop(other);
    gone.recv().await;
    drop(response);
    gone.recv().await;
    let (third, response) = coded().await;
    assert!(third, "the place is free again");
    drop(response);

    // The same when the connection breaks in the middle, and its job may still be running.
    let client = TestClient::new(routes.clone());
    gone.recv().await;
    for _ in 0..3 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut connection = client.connect();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: br\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut seen = vec![0; 3000];
        connection.read_exact(&mut seen).await.unwrap();
        let head = String::from_utf8_lossy(&seen);
        assert!(head.contains("content-encoding: br\r\n"), "{head:.400}");
        drop(connection);
        gone.recv().await;
    }
}

#[tokio::test]
async fn co4_a_list_that_fills_the_header_section_is_none() {
    let client = client(
        Compression::new(),
        answering(|| Response::text("text ".repeat(1000))),
    );
    let list = vec!["x"; 3000].join(",") + ",br";
    let response = client.get("/").header("accept-encoding", list).await;
    assert_eq!((response.status.as_u16(), encoding(&response)), (200, None));
    let list = vec!["x"; 50].join(",") + ",br";
    let response = client.get("/").header("accept-encoding", list).await;
    assert_eq!(encoding(&response), Some("br"));
}

#[tokio::test]
async fn the_same_over_http2() {
    let content = json(100_000);
    let sent = content.clone();
    let routes = Router::new()
        .layer(Compression::new())
        .get("/{size}", move |request: Request| {
            let size = request.param("size").unwrap_or_default().len() * 1000;
            let response = Response::bytes(sent[..size].to_vec(), JSON);
            std::future::ready(response.with_header("etag", "\"v\""))
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let (mut send, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
    tokio::spawn(connection);
    for (method, thousands, accepted, coding) in [
        ("GET", 1, "gzip", Some("gzip")),
        ("GET", 100, "gzip, br", Some("br")),
        ("GET", 100, "zstd", Some("zstd")),
        ("GET", 100, "identity", None),
        ("HEAD", 100, "br", Some("br")),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://localhost/{}", "x".repeat(thousands)))
            .header("accept-encoding", accepted)
            .body(())
            .unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut coded = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            let _ = body.flow_control().release_capacity(piece.len());
            coded.extend_from_slice(&piece);
        }
        let said = head.headers.get("content-encoding");
        assert_eq!(said.map(|value| value.to_str().unwrap()), coding);
        assert_eq!(head.headers["vary"], "Accept-Encoding");
        let tag = if coding.is_some() { "W/\"v\"" } else { "\"v\"" };
        assert_eq!(head.headers["etag"], tag);
        let expected = &content[..thousands * 1000];
        match coding {
            _ if method == "HEAD" => assert!(coded.is_empty()),
            Some(coding) => assert_eq!(decode(coding, &coded), expected),
            None => assert_eq!(coded, expected),
        }
    }
}

#[tokio::test]
async fn an_upgrade_is_no_content() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let routes = Router::new()
        .layer(Compression::new())
        .get("/", async || {
            Response::upgrade("echo", async |mut connection| {
                let mut octets = [0; 4];
                if connection.read_exact(&mut octets).await.is_ok() {
                    let _ = connection.write_all(&octets).await;
                }
            })
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut connection = client.connect();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\naccept-encoding: gzip\r\n\r\nping";
    connection.write_all(request).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(!answer.contains("content-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nping"), "{answer}");
}
