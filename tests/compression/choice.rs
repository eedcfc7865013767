//! Which coding is chosen, and what is left alone.

use crate::coded::{json, noise};
use crate::{HeaderText, JSON, answering, assert_coded, client, encoding};
use bytes::Bytes;
use http::StatusCode;
use wireline::layer::compression::{Coding, Compression, NoCompression};
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

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
