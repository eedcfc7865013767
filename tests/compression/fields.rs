//! What compressing changes in a head, over HTTP/1.1 and HTTP/2.

use crate::coded::{decode, json};
use crate::{JSON, answering, client, encoding};
use http::{Method, StatusCode};
use wireline::layer::compression::Compression;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

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
