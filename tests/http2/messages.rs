//! RFC 9113 §8: requests become the same requests, responses the same responses.

use crate::h2_peer::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, PROTOCOL_ERROR, Peer, RST_STREAM, ask, connect,
    field, request, to,
};
use crate::routes::{serve, serve_with};
use bytes::Bytes;
use http::StatusCode;
use wireline::resource::counters::Counter;

#[tokio::test(start_paused = true)]
async fn s22_routes_answer_as_over_http1() {
    let (test, _) = serve();
    let client = connect(&test).await;
    let reply = ask(&client, to("GET", "/").body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, "Hello, World!")
    );
    assert_eq!(
        reply.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.field("content-length"), Some("13"));
    assert!(reply.field("server").unwrap().starts_with("wireline/"));
    let date = reply.field("date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    let reply = ask(&client, to("GET", "/users/7").body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.text(), "7");
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("PUT", "/", 405),
        ("OPTIONS", "/", 204),
        ("POST", "/upper", 200),
    ] {
        let request = to(method, path).body(Bytes::new()).unwrap();
        let reply = ask(&client, request).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
    }
    assert_eq!(test.count(Counter::Http2Connections), 1);
    assert_eq!(test.count(Counter::Requests), 6);
    assert_eq!(test.count(Counter::Responses), 6);
    assert_eq!(test.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn s23_a_hundred_streams_at_once() {
    let (test, seen) = serve();
    let client = connect(&test).await;
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let request = to("GET", "/slow").body(Bytes::new()).unwrap();
                ask(&client, request).await.unwrap()
            })
        })
        .collect();
    let begun = tokio::time::Instant::now();
    for asked in asked {
        assert_eq!(asked.await.unwrap().text(), "at last");
    }
    assert_eq!(seen.begun(), 100);
    assert!(begun.elapsed().as_secs() < 6, "side by side");
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_request() {
    let (test, _) = serve();
    let peer = connect(&test).await;
    let request = to("GET", "/head?x=1")
        .header("cookie", "a=1")
        .header("x-a", "b")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(Bytes::new())
        .unwrap();
    let reply = ask(&peer, request).await.unwrap();
    let mut lines: Vec<&str> = reply.text().lines().collect();
    assert_eq!(lines[..2], ["HTTP/2.0 GET /head?x=1", "host a"]);
    lines.drain(..2);
    lines.sort_unstable();
    assert_eq!(lines, ["cookie: a=1; b=2", "te: trailers", "x-a: b"]);
}

#[tokio::test(start_paused = true)]
async fn responses_without_content() {
    let (test, _) = serve();
    let client = connect(&test).await;
    for (method, path, status, length) in [
        ("HEAD", "/", 200, Some("13")),
        ("HEAD", "/large", 200, Some("1000000")),
        ("HEAD", "/drip", 200, None),
        ("GET", "/empty", 204, None),
        ("GET", "/reset", 205, Some("0")),
        ("HEAD", "/reset", 205, Some("0")),
        ("GET", "/cached", 304, Some("7")),
    ] {
        let request = to(method, path).body(Bytes::new()).unwrap();
        let reply = ask(&client, request).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
        assert_eq!(reply.field("content-length"), length, "{method} {path}");
        assert_eq!(reply.content.len(), 0, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn d2_what_belongs_to_a_connection_of_http1_never_leaves() {
    let (test, _) = serve();
    let client = connect(&test).await;
    let reply = ask(&client, to("GET", "/hop").body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.text(), "hop");
    let mut names: Vec<&str> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-length", "content-type", "date", "server", "x-end"]
    );
}

/// Nor in trailers, nor in what refuses a request.
#[tokio::test(start_paused = true)]
async fn d2_nor_in_trailers_and_refusals() {
    let (test, _) = serve();
    for (path, status) in [("/hop-trailers", 200), ("/hop-refused", 403)] {
        let client = connect(&test).await;
        let reply = ask(&client, to("GET", path).body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(reply.status.as_u16(), status);
        let fields = reply.trailers.as_ref().unwrap_or(&reply.headers);
        for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
            assert!(!fields.contains_key(name), "{path}: {name}");
        }
        assert_eq!(fields["x-end"], "2");
        // Nor what describes the content or is kept by clients (RFC 9110 §6.5.1).
        assert!(reply.trailers.is_none() || fields.len() == 1, "{fields:?}");
        assert_eq!(reply.trailers.is_some(), path == "/hop-trailers");
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_reset_their_stream_and_nothing_else() {
    let (test, seen) = serve_with(|config| config.http2.max_errors = 1000);
    let mut peer = Peer::open(&test).await;
    let pseudo = |pairs: &[(&str, &str)]| -> Vec<u8> {
        pairs
            .iter()
            .flat_map(|(name, value)| field(name, value))
            .collect()
    };
    let with = |name: &str, value: &str| [request("GET", "/count"), field(name, value)].concat();
    let all = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/count"),
    ];
    let without = |name: &str| {
        let rest: Vec<_> = all.iter().copied().filter(|pair| pair.0 != name).collect();
        pseudo(&rest)
    };
    let instead = |name: &str, value: &'static str| {
        let rest: Vec<_> = all
            .iter()
            .map(|pair| {
                if pair.0 == name {
                    (pair.0, value)
                } else {
                    *pair
                }
            })
            .collect();
        pseudo(&rest)
    };
    let sections = [
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("neither :authority nor Host", without(":authority")),
        ("an empty path", instead(":path", "")),
        ("a path without its slash", instead(":path", "count")),
        ("an absolute path", instead(":path", "http://a/count")),
        ("an asterisk for GET", instead(":path", "*")),
        ("a space in the path", instead(":path", "/count 1")),
        ("a path that is not ASCII", instead(":path", "/count/ä")),
        ("userinfo", instead(":authority", "me@a")),
        ("no port", instead(":authority", "a:b")),
        ("another Host", with("host", "b")),
        ("a response's field", with(":status", "200")),
        (
            "a field twice",
            [instead(":path", "/count"), field(":path", "/count")].concat(),
        ),
        (
            "behind the others",
            [with("x-a", "b"), field(":path", "/count")].concat(),
        ),
        (
            "unknown",
            [field(":unknown", "x"), request("GET", "/count")].concat(),
        ),
        (
            ":protocol without CONNECT",
            [field(":protocol", "websocket"), request("GET", "/count")].concat(),
        ),
        ("upper case", with("X-A", "b")),
        ("a space in a name", with("x a", "b")),
        ("an empty name", with("", "b")),
        ("a line end in a value", with("x-a", "b\r\nc: d")),
        ("NUL in a value", with("x-a", "b\0")),
        ("a space before a value", with("x-a", " b")),
        ("a tab behind a value", with("x-a", "b\t")),
        ("connection", with("connection", "close")),
        ("keep-alive", with("keep-alive", "1")),
        ("proxy-connection", with("proxy-connection", "close")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("upgrade", with("upgrade", "websocket")),
        ("te", with("te", "gzip")),
        ("a length and no content", with("content-length", "3")),
        (
            "two lengths",
            [with("content-length", "0"), field("content-length", "0")].concat(),
        ),
        ("a length with a sign", with("content-length", "+0")),
        ("CONNECT with a path", instead(":method", "CONNECT")),
    ];
    let mut stream = 1;
    for (what, section) in sections {
        peer.frame(HEADERS, END_HEADERS | END_STREAM, stream, &section)
            .await;
        // What is no field at all ends the connection with h2, which RFC 9113 §5.4.2 allows.
        let ended = loop {
            match peer.next().await {
                Some(frame) if frame.kind == RST_STREAM => {
                    break (false, frame.stream, frame.code());
                }
                Some(frame) if frame.kind == GOAWAY => break (true, stream, frame.code()),
                Some(_) => {}
                None => panic!("{what}: the end without a word"),
            }
        };
        let is_no_field = NO_FIELDS.contains(&what);
        assert_eq!(ended, (is_no_field, stream, PROTOCOL_ERROR), "{what}");
        if is_no_field {
            peer = Peer::open(&test).await;
        }
        stream += 2;
    }
    assert_eq!(seen.begun(), 0);
    peer.get(stream, "/count").await;
    assert_eq!(peer.next_of(HEADERS).await.status(), 200);
    assert_eq!(seen.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn host_alone_and_host_beside_are_fine() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    let alone = [
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":path", "/"),
        field("host", "a.example:8443"),
    ]
    .concat();
    let beside = [request("GET", "/"), field("host", "A")].concat();
    for (stream, section) in [(1, alone), (3, beside)] {
        peer.frame(HEADERS, END_HEADERS | END_STREAM, stream, &section)
            .await;
        let head = peer.next_of(HEADERS).await;
        assert_eq!((head.stream, head.status()), (stream, 200));
    }
}

/// RFC 9113 §8.3.1: a port that is not named is the scheme's.
#[tokio::test(start_paused = true)]
async fn host_and_authority_name_the_same() {
    let (test, _) = serve_with(|config| config.http2.max_errors = 1000);
    let mut peer = Peer::open(&test).await;
    let cases = [
        ("http", "a", "a:80", true),
        ("http", "a:80", "A", true),
        ("https", "a", "a:443", true),
        ("https", "a:443", "a:", true),
        ("https", "[::1]", "[::1]:443", true),
        ("https", "a:8443", "a:8443", true),
        ("https", "a", "a:80", false),
        ("http", "a", "a:443", false),
        ("http", "a:8080", "a", false),
        ("http", "a", "b:80", false),
        ("http", "[::1]", "[::2]", false),
        ("http", "a", "", false),
    ];
    for (stream, (scheme, authority, host, same)) in (1..).step_by(2).zip(cases) {
        let section = [
            field(":method", "GET"),
            field(":scheme", scheme),
            field(":authority", authority),
            field(":path", "/"),
            field("host", host),
        ]
        .concat();
        peer.frame(HEADERS, END_HEADERS | END_STREAM, stream, &section)
            .await;
        let served = loop {
            let frame = peer.next().await.unwrap();
            match frame.kind {
                HEADERS => break frame.status() == 200,
                RST_STREAM => {
                    assert_eq!(frame.code(), PROTOCOL_ERROR);
                    break false;
                }
                _ => {}
            }
        };
        assert_eq!(served, same, "{scheme} {authority} {host}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_head_are_answered() {
    let (test, _) = serve();
    let client = connect(&test).await;
    let long = format!("/{}", "x".repeat(9000));
    let reply = ask(&client, to("GET", &long).body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::URI_TOO_LONG);
    let mut many = to("GET", "/");
    for number in 0..101 {
        many = many.header(format!("x-{number}"), "1");
    }
    let reply = ask(&client, many.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let large = to("GET", "/").header("x-large", "x".repeat(33 * 1024));
    let reply = ask(&client, large.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let expects = to("POST", "/upper").header("expect", "banana");
    let reply = ask(&client, expects.body(Bytes::from("x")).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::EXPECTATION_FAILED);
    // A cookie in 150 crumbs is one field.
    let mut crumbs = to("GET", "/head");
    for number in 0..150 {
        crumbs = crumbs.header("cookie", format!("{number}=1"));
    }
    let reply = ask(&client, crumbs.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert!(reply.text().contains("; 149=1"), "{}", reply.text());
}

#[tokio::test(start_paused = true)]
async fn failures_of_handlers_stay_with_their_stream() {
    let (test, _) = serve();
    let client = connect(&test).await;
    let asked = |path: &str| to("GET", path).body(Bytes::new()).unwrap();
    let reply = ask(&client, asked("/panic")).await.unwrap();
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    for path in ["/fails-midway", "/short"] {
        let error = ask(&client, asked(path)).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR), "{path}");
    }
    assert_eq!(test.count(Counter::HandlerPanics), 1);
    assert_eq!(test.count(Counter::InvalidResponses), 2);
    assert_eq!(ask(&client, asked("/")).await.unwrap().status, 200);
}

const NO_FIELDS: [&str; 6] = [
    "unknown",
    "upper case",
    "a space in a name",
    "an empty name",
    "a line end in a value",
    "NUL in a value",
];
