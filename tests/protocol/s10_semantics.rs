//! RFC 9110 where it meets the wire: expectations (§10.1.1), upgrades (§7.8), CONNECT (§9.3.6).

use crate::serve;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

const EXPECT: &str = "Expect: 100-continue\r\n";

/// `100 Continue` is sent when the handler first reads, and not before.
#[test]
fn continue_is_sent_when_the_content_is_first_asked_for() {
    let served = serve();
    let stream = TcpStream::connect(served.server.addr()).unwrap();
    let mut socket = crate::Socket::over(stream.try_clone().unwrap());
    for (before, path) in ["/late", "/late"].into_iter().enumerate() {
        socket.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{EXPECT}\r\n"
        ));
        crate::eventually("the handler runs", || {
            served.seen.waiting.load(Ordering::SeqCst) == before + 1
        });
        assert!(socket.is_quiet(&stream), "the handler does not read yet");
        served.seen.tell();
        let interim = socket.reply();
        assert_eq!(
            (interim.status, interim.head.as_str()),
            (100, "HTTP/1.1 100 Continue\r\n\r\n")
        );
        assert_eq!(socket.send("hello").reply().text(), "5");
    }
    for (path, fields, content, answer) in [
        ("/echo", "Content-Length: 5\r\n", "hello", "hello"),
        ("/length", "Content-Length: 100000\r\n", "", "100000"),
        (
            "/length",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "5",
        ),
    ] {
        socket.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{fields}{EXPECT}\r\n"
        ));
        assert_eq!(socket.reply().status, 100, "{path} {fields}");
        let content = if content.is_empty() {
            "x".repeat(100_000)
        } else {
            content.to_owned()
        };
        assert_eq!(socket.send(content).reply().text(), answer);
    }
}

/// Content that has come, or begun to, is not asked for.
#[test]
fn continue_is_not_sent_when_the_content_has_come() {
    let served = serve();
    let mut socket = served.connect();
    for path in ["/echo", "/late", "/length"] {
        if path == "/late" {
            served.seen.tell();
        }
        let reply = socket.request(
            &format!("POST {path}"),
            &format!("Content-Length: 5\r\n{EXPECT}"),
            "hello",
        );
        assert_eq!(reply.status, 200, "{path}");
        // In two pieces: what has begun to come will go on.
        socket.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{EXPECT}\r\nhe"
        ));
        if path == "/late" {
            // It would ask for the content now, had that not begun to come.
            crate::eventually("the handler runs", || {
                served.seen.waiting.load(Ordering::SeqCst) == 2
            });
            served.seen.tell();
        }
        assert_eq!(socket.send("llo").reply().status, 200, "{path}");
    }
}

/// A final answer without reading: the client may or may not send the content, so the connection ends.
#[test]
fn a_final_answer_instead_of_continue_closes() {
    let served = serve();
    for (path, status) in [("/ignore", 200), ("/", 405), ("/nowhere", 404)] {
        let mut socket = served.connect();
        let reply = socket.request(
            &format!("POST {path}"),
            &format!("Content-Length: 31\r\n{EXPECT}"),
            "",
        );
        assert_eq!(
            (reply.status, reply.field("connection")),
            (status, Some("close")),
            "{path}"
        );
        socket
            .send("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")
            .assert_end();
    }
    let mut socket = served.connect();
    let reply = socket.request(
        "POST /echo",
        &format!("Content-Length: 99999999\r\n{EXPECT}"),
        "",
    );
    assert_eq!(
        (reply.status, reply.field("connection")),
        (413, Some("close")),
        "refused without being asked for"
    );
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// Without content nothing is to be waited for; HTTP/1.0 knows no interim responses; others are 417.
#[test]
fn other_expectations() {
    let served = serve();
    let mut socket = served.connect();
    assert_eq!(socket.request("GET /", EXPECT, "").text(), "hello");
    let old = "POST /late HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    served.seen.tell();
    assert_eq!(socket.send(old).send("hello").reply().text(), "5");
    served.refuses(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: banana\r\n\r\n",
        417,
    );
    // RFC 9110 §10.1.1: Expect is a list.
    for fields in [
        "Expect: 100-continue, 100-continue\r\n",
        "Expect: 100-continue,\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
    ] {
        let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{fields}\r\n");
        let mut socket = served.connect();
        assert_eq!(socket.send(head).reply().status, 100, "{fields}");
        assert_eq!(socket.send("hello").reply().text(), "hello", "{fields}");
    }
    served.refuses("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue, banana\r\n\r\n", 417);
}

const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: echo\r\n";

/// The answer first, the new protocol after it; what the client sent early is not lost, and not HTTP.
#[test]
fn s13_an_upgrade_hands_over_the_connection_and_what_was_read() {
    let served = serve();
    for early in ["", "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut socket = served.connect();
        let reply = socket.request("GET /upgrade", UPGRADE, early);
        assert_eq!(reply.status, 101, "{}", reply.head);
        assert_eq!(
            (reply.field("connection"), reply.field("upgrade")),
            (Some("upgrade"), Some("echo"))
        );
        assert_eq!(
            (
                reply.field("content-length"),
                reply.field("transfer-encoding")
            ),
            (None, None)
        );
        let talk = socket.send("and more").fin().rest();
        assert_eq!(
            String::from_utf8(talk).unwrap(),
            format!("welcome {early}and more")
        );
    }
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
    assert_eq!(
        served.count(wireline::resource::counters::Counter::Upgrades),
        2
    );
    crate::eventually("both have ended", || {
        served.server.handle().metrics().connections() == 0
    });
    assert_eq!(served.server.handle().metrics().buffered(), 0);
}

/// An offer may be ignored; a switch that was not offered is a fault of the handler's.
#[test]
fn an_upgrade_that_one_side_does_not_want() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.request("GET /", UPGRADE, "");
    assert_eq!(
        (reply.status, reply.text(), reply.field("upgrade")),
        (200, "hello", None)
    );
    assert_eq!(socket.request("GET /", "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", "").text(), "hello");
    for fields in ["", "Upgrade: echo\r\n", "Connection: upgrade\r\n"] {
        let reply = served.connect().request("GET /upgrade", fields, "");
        assert_eq!(
            (reply.status, reply.field("upgrade")),
            (500, None),
            "{fields}"
        );
    }
    let reply = served
        .connect()
        .send("GET /upgrade HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        .reply();
    assert_eq!(reply.status, 500);
}

/// §7.8: a server must not switch to a protocol that the client did not name, and names the one that it switches to.
#[test]
fn a_switch_to_what_was_not_offered_is_refused() {
    let served = serve();
    let offers = |fields: &str| format!("Connection: upgrade\r\n{fields}");
    for fields in [
        "Upgrade: ECHO\r\n",
        "Upgrade: other, echo\r\n",
        "Upgrade: other/2\r\nUpgrade: , echo/1,\r\n",
    ] {
        let mut socket = served.connect();
        let reply = socket.request("GET /upgrade", &offers(fields), "");
        assert_eq!(
            (reply.status, reply.field("upgrade")),
            (101, Some("echo")),
            "{fields}"
        );
    }
    let refused = [
        ("/upgrade", "Upgrade: other\r\n"),
        ("/upgrade", "Upgrade: echoes, ech, /echo, other/echo\r\n"),
        ("/upgrade", "Upgrade: \r\n"),
        ("/upgrade/version", "Upgrade: echo/1, echo/22\r\n"),
        ("/upgrade/layers", "Upgrade: echo\r\n"),
        ("/upgrade/unnamed", "Upgrade: echo\r\n"),
    ];
    for (path, fields) in refused {
        let mut socket = served.connect();
        let reply = socket.request(&format!("GET {path}"), &offers(fields), "");
        assert_eq!(
            (reply.status, reply.field("upgrade")),
            (500, None),
            "{path} {fields}"
        );
        assert_eq!(socket.get("/").text(), "hello", "the connection goes on");
    }
    assert_eq!(
        served.count(wireline::resource::counters::Counter::InvalidResponses),
        refused.len() as u64
    );
    for (path, fields) in [
        ("/upgrade/version", "Upgrade: echo\r\n"),
        ("/upgrade/version", "Upgrade: echo/1, Echo/2\r\n"),
        ("/upgrade/layers", "Upgrade: echo, tls\r\n"),
    ] {
        let mut socket = served.connect();
        let reply = socket.request(&format!("GET {path}"), &offers(fields), "");
        assert_eq!(reply.status, 101, "{path} {fields}");
    }
}

/// §7.8: where a client waits for both, 100 goes before 101; and nothing is switched before the content has come.
#[test]
fn continue_goes_before_a_switch() {
    let served = serve();
    let mut socket = served.connect();
    socket.send(format!(
        "POST /upgrade HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{EXPECT}{UPGRADE}\r\n"
    ));
    let interim = socket.reply();
    assert_eq!((interim.status, interim.field("upgrade")), (100, None));
    assert_eq!(socket.send("hello").reply().status, 101);
    let talk = socket.send("more").fin().rest();
    assert_eq!(talk, b"welcome more");
    // A handler that switches while the client waits to be asked for its content has not switched.
    let mut socket = served.connect();
    let reply = socket.request(
        "GET /upgrade",
        &format!("Content-Length: 5\r\n{EXPECT}{UPGRADE}"),
        "",
    );
    assert_eq!(
        (
            reply.status,
            reply.field("upgrade"),
            reply.field("connection")
        ),
        (500, None, Some("close"))
    );
}

/// §7.8: who sends Upgrade sends the connection option `upgrade` too, or an intermediary would pass the field on.
#[test]
fn a_426_names_the_option_too() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.get("/upgrade-required");
    assert_eq!(
        (
            reply.status,
            reply.field("upgrade"),
            reply.field("connection")
        ),
        (426, Some("echo"), Some("keep-alive, upgrade"))
    );
    let reply = socket.request("GET /upgrade-required", "Connection: close\r\n", "");
    assert_eq!(
        (
            reply.status,
            reply.field("upgrade"),
            reply.field("connection")
        ),
        (426, Some("echo"), Some("close, upgrade"))
    );
    socket.assert_end();
    // Without the field there is nothing that the option would be for.
    let reply = served.connect().get("/status/426");
    assert_eq!(
        (
            reply.status,
            reply.field("upgrade"),
            reply.field("connection")
        ),
        (426, None, Some("keep-alive"))
    );
}

/// §9.3.6: 2xx without framing fields, then the tunnel; anything else is an ordinary response.
#[test]
fn connect() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket
        .send("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nearly ")
        .reply_to(true);
    assert_eq!(reply.status, 200, "{}", reply.head);
    for name in [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
    ] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert_eq!(
        String::from_utf8(socket.send("late").fin().rest()).unwrap(),
        "welcome early late"
    );
}
