//! RFC 9112 §2: messages, lines, versions.

use crate::serve;
use crate::socket::Socket;

/// §2.2: at least one empty line before the request line is ignored; here exactly one is.
#[test]
fn an_empty_line_before_the_request_line_is_ignored() {
    let served = serve();
    let mut socket = served.connect();
    assert_eq!(socket.send("\r\n").get("/").text(), "hello");
    assert_eq!(socket.send("\r\n").get("/").text(), "hello");
    served.refuses("\r\n\r\n", 400);
}

/// §2.2: a recipient may take a bare LF as a line end; this one never does, because others do not.
#[test]
fn only_crlf_ends_a_line() {
    let served = serve();
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    ] {
        served.refuses(head, 400);
    }
}

/// §2.2: no white space between the request line and the first field.
#[test]
fn white_space_before_the_first_field_is_refused() {
    let served = serve();
    served.refuses("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
    served.refuses("GET / HTTP/1.1\r\n\tX: a\r\nHost: a\r\n\r\n", 400);
}

/// A message is the same in whatever pieces it comes.
#[test]
fn a_request_may_come_octet_by_octet() {
    let served = serve();
    let mut socket = served.connect();
    for octet in b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" {
        socket.send([*octet]);
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    assert_eq!(socket.reply().text(), "hello");
}

/// §2.3: a higher minor version is served as 1.1, another major version is refused.
#[test]
fn versions() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket
        .send("GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        .reply();
    assert_eq!((reply.text(), reply.persists()), ("HTTP/1.1", true));
    let reply = socket
        .send("GET /version HTTP/1.7\r\nHost: a\r\n\r\n")
        .reply();
    assert_eq!((reply.text(), reply.persists()), ("HTTP/1.1", true));
    let reply = socket.send("GET /version HTTP/1.0\r\n\r\n").reply();
    assert_eq!((reply.text(), reply.persists()), ("HTTP/1.0", false));
    assert!(
        reply.head.starts_with("HTTP/1.1 200 OK\r\n"),
        "our own version stands in the answer"
    );
    for (version, status) in [
        ("HTTP/2.0", 505),
        ("HTTP/0.9", 505),
        ("HTTP/3", 400),
        ("http/1.1", 400),
        ("HTTP/1.10", 400),
        ("HTTP/11", 400),
    ] {
        served.refuses(format!("GET / {version}\r\nHost: a\r\n\r\n"), status);
    }
    served.refuses("GET /\r\n", 400);
}

/// RESILIENCE H1-19: what is meant for another protocol gets an answer and the door.
#[test]
fn other_protocols_are_refused() {
    let served = serve();
    let client_hello = [
        0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, b'\r', b'\n', b'\r',
        b'\n',
    ];
    served.refuses(client_hello, 400);
    served.refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400);
    served.refuses("\0\0\0\0\r\n", 400);
}

/// What follows a refused message is never read as one, wherever the packets are cut.
#[test]
fn nothing_after_a_refused_message_is_interpreted() {
    let served = serve();
    let mut socket = served.connect();
    socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nBAD\0\r\n");
    assert_eq!(socket.reply().text(), "hello");
    let reply = socket.send("\r\n").reply();
    assert_eq!(
        (reply.status, reply.field("connection")),
        (400, Some("close"))
    );
    socket.send("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(std::time::Duration::from_millis(20));
    socket
        .send("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")
        .assert_end();
    assert_eq!(
        served
            .seen
            .canaries
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    // The server is as good as new for others.
    assert_eq!(
        Socket::connect(served.server.addr()).get("/").text(),
        "hello"
    );
}
