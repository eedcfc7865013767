//! RFC 9112 §4 and §5: status lines, field lines of requests and of responses.

use crate::{serve, serve_with};

#[test]
fn the_status_line() {
    let served = serve();
    let mut socket = served.connect();
    assert!(socket.get("/").head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(
        socket
            .get("/status/404")
            .head
            .starts_with("HTTP/1.1 404 Not Found\r\n")
    );
    assert!(
        socket
            .get("/status/599")
            .head
            .starts_with("HTTP/1.1 599 \r\n"),
        "the space stays"
    );
}

/// S11: names in lower case; §5.1: white space around values is not part of them.
#[test]
fn field_lines_as_a_handler_sees_them() {
    let served = serve();
    let reply = served.connect().request(
        "GET /fields",
        "X-One:1\r\nx-TWO: \t a b \t\r\nX-Empty:\r\nX-Obs: caf\u{e9}\r\n",
        "",
    );
    assert_eq!(
        reply.text(),
        "host=a|x-one=1|x-two=a b|x-empty=|x-obs=caf\u{e9}|"
    );
}

#[test]
fn malformed_field_lines() {
    let served = serve();
    for line in [
        "X : a",
        "X",
        ": a",
        "X\0: a",
        "X: a\0b",
        "X: a\u{7f}",
        "X: a\r\n folded",
        "X(: a",
        "Caf\u{e9}: a",
    ] {
        served.refuses(format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"), 400);
    }
}

/// S7, S8: 8 KiB with the CRLFs, 100 lines; both inclusive.
#[test]
fn the_limits_of_the_header_section() {
    let served = serve();
    let mut socket = served.connect();
    let host = "Host: a\r\n".len();
    let filler = |len: usize| format!("X: {}\r\n", "x".repeat(len - "X: \r\n".len()));
    assert_eq!(
        socket.request("GET /", &filler(8192 - host), "").status,
        200
    );
    assert_eq!(
        socket.request("GET /", &"X: x\r\n".repeat(99), "").status,
        200
    );
    served.refuses(
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", filler(8193 - host)),
        431,
    );
    served.refuses(
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: x\r\n".repeat(100)
        ),
        431,
    );
    // A section that never ends is refused when the limit is passed, not when it ends.
    served.refuses(
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(20_000)),
        431,
    );
}

/// S5, S12, decision D2: what every response says.
#[test]
fn every_response_has_date_server_and_a_connection_option() {
    let served = serve();
    let mut socket = served.connect();
    for _ in 0..2 {
        let reply = socket.get("/");
        let date = reply.field("date").unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert_eq!(
            reply.field("server"),
            Some(concat!("wireline/", env!("CARGO_PKG_VERSION")))
        );
        assert_eq!(reply.field("connection"), Some("keep-alive"));
        assert_eq!(
            reply.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
    let reply = socket.get("/own-date");
    assert_eq!(
        reply.fields("date").collect::<Vec<_>>(),
        ["never"],
        "a handler's own value takes the place of ours"
    );
    assert_eq!(reply.fields("server").collect::<Vec<_>>(), ["mine"]);
}

/// S12: another value, or none at all, on errors as well.
#[test]
fn s12_server_is_changed_or_left_out() {
    for (value, expected) in [("ours/2", vec!["ours/2"]), ("", vec![])] {
        let served = serve_with(|server| {
            server.configure(|config| config.server = http::HeaderValue::from_static(value))
        });
        let mut socket = served.connect();
        for path in ["/", "/nowhere", "/stream"] {
            let reply = socket.get(path);
            assert_eq!(reply.fields("server").collect::<Vec<_>>(), expected);
            assert!(reply.field("date").is_some());
        }
        let refused = socket.send("BAD\0\r\n\r\n").reply();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.fields("server").collect::<Vec<_>>(), expected);
    }
}

/// S95: never folded into one.
#[test]
fn cookies_are_lines_of_their_own() {
    let served = serve();
    assert_eq!(
        served
            .connect()
            .get("/cookies")
            .fields("set-cookie")
            .collect::<Vec<_>>(),
        ["a=1", "b=2"]
    );
}

/// RFC 9112 §11.1: a handler cannot be made to split a response.
#[test]
fn a_field_that_would_split_the_response_is_a_500() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.get("/split");
    assert_eq!(
        (reply.status, reply.field("x"), reply.field("set-cookie")),
        (500, None, None)
    );
    assert_eq!(socket.get("/").text(), "hello");
}

/// Decision D43: framing is ours, whatever a handler says.
#[test]
fn d43_framing_fields_of_a_handler_are_replaced() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.get("/framing");
    assert_eq!(reply.fields("content-length").collect::<Vec<_>>(), ["5"]);
    assert_eq!(reply.field("transfer-encoding"), None);
    assert_eq!(reply.text(), "five!");
    let reply = socket.get("/close");
    assert_eq!(
        (reply.text(), reply.field("connection")),
        ("last", Some("close"))
    );
    socket.assert_end();
}

/// RFC 9110 §7.6.1: what is about the connection is the server's to say, and a handler's options are not.
#[test]
fn fields_of_the_connection_are_the_servers() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.get("/hop");
    assert_eq!(reply.text(), "hop");
    assert_eq!(
        reply.fields("connection").collect::<Vec<_>>(),
        ["keep-alive"]
    );
    for name in ["keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert_eq!(reply.field("x-end"), Some("2"));
    assert_eq!(socket.get("/").text(), "hello");
}

/// RFC 9110 §6.5.1: what frames, routes or describes has no place in trailers, whoever says it.
#[test]
fn trailers_of_a_handler_are_trailers() {
    let served = serve();
    let octets = served
        .connect()
        .send("GET /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .rest();
    let text = String::from_utf8(octets).unwrap();
    let (_, content) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(content, "7\r\ncontent\r\n0\r\nx-sum: 7\r\n\r\n");
}

/// RFC 9112 §6.3: what is not as long as was said ends with its connection, and never runs into what follows.
#[test]
fn content_of_another_length_ends_the_connection() {
    let served = serve();
    for path in ["/short", "/long"] {
        let octets = served
            .connect()
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(2))
            .rest();
        let text = String::from_utf8(octets).unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 5"), "{path}: {head}");
        assert!(
            content.len() < 5 && "abcde".starts_with(content),
            "{path}: {content}"
        );
    }
}
