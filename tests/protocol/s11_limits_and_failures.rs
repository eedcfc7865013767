//! Where the server says no: body limits, the limit of connections, panics, the byte budget.

use crate::{eventually, serve, serve_with};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use wireline::resource::counters::Counter;
use wireline::server::config::Full;

/// S37 to S43: a default for all, a group's own, smaller or larger, for lengths and for chunks; all inclusive.
#[test]
fn body_limits() {
    let served = serve();
    let upload = |path: &str, len: usize, chunked: bool| {
        let content = "x".repeat(len);
        let mut socket = served.connect();
        let reply = if chunked {
            let (first, second) = content.split_at(len / 2);
            let mut chunks = String::new();
            for half in [first, second] {
                for piece in half.as_bytes().chunks(0x10_0000) {
                    chunks += &format!(
                        "{:x}\r\n{}\r\n",
                        piece.len(),
                        std::str::from_utf8(piece).unwrap()
                    );
                }
            }
            socket.request(
                &format!("POST {path}"),
                "Transfer-Encoding: chunked\r\n",
                &(chunks + "0\r\n\r\n"),
            )
        } else {
            socket.request(
                &format!("POST {path}"),
                &format!("Content-Length: {len}\r\n"),
                &content,
            )
        };
        assert_eq!(reply.persists(), reply.status == 200);
        reply.status
    };
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    for chunked in [false, true] {
        assert_eq!(upload("/api", 8 * KIB, chunked), 200);
        assert_eq!(upload("/api", 8 * KIB + 1, chunked), 413);
        assert_eq!(upload("/length", 10 * MIB, chunked), 200);
        assert_eq!(upload("/length", 10 * MIB + 1, chunked), 413);
        assert_eq!(upload("/upload", 50 * MIB, chunked), 200);
        assert_eq!(upload("/upload", 50 * MIB + 1, chunked), 413);
    }
    for limit in [1000, MIB, 5 * MIB] {
        let served = serve_with(|server| server.max_body(limit as u64));
        let post = |len: usize| {
            let fields = format!("Content-Length: {len}\r\n");
            let content = "x".repeat(if len > limit { 0 } else { len });
            let reply = served.connect().request("POST /echo", &fields, &content);
            (reply.status, reply.content.len())
        };
        assert_eq!(post(limit), (200, limit));
        assert_eq!(post(limit + 1).0, 413);
    }
    let small = serve_with(|server| server.max_body(1000));
    let reply = small
        .connect()
        .request("POST /api", "Content-Length: 1001\r\n", &"x".repeat(1001));
    assert_eq!(reply.status, 200, "the group's limit wins");
}

/// S134, decision D4: one more gets 503 and when to come again; the others notice nothing.
#[test]
fn s134_beyond_the_limit_of_connections() {
    let served = serve_with(|server| server.max_connections(3));
    let mut held: Vec<_> = (0..3).map(|_| served.connect()).collect();
    for socket in &mut held {
        assert_eq!(socket.get("/").text(), "hello");
    }
    // More than may linger at once, and each sends a request that nobody will read.
    for _ in 0..100 {
        let mut refused = served.connect();
        let reply = refused.get("/canary");
        assert_eq!(
            (
                reply.status,
                reply.field("retry-after"),
                reply.field("connection")
            ),
            (503, Some("1"), Some("close"))
        );
        refused.assert_end();
    }
    assert_eq!(served.count(Counter::ConnectionsRefused), 100);
    for socket in &mut held {
        assert_eq!(socket.get("/").text(), "hello");
    }
    held.pop();
    eventually("the place is free", || {
        served.server.handle().metrics().connections() == 2
    });
    assert_eq!(served.connect().get("/").text(), "hello");
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// The other choice of D4: who comes too early waits.
#[test]
fn or_a_connection_waits_for_a_place() {
    let served = serve_with(|mut server| {
        server.config.when_full = Full::Wait;
        server.max_connections(1)
    });
    let mut first = served.connect();
    assert_eq!(first.get("/").text(), "hello");
    let mut second = served.connect();
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // It is not read from, nobody after it is accepted, and the place is not free.
    eventually("accepting stops", || {
        served.count(Counter::AcceptsPaused) == 1
    });
    assert_eq!(first.get("/").text(), "hello");
    assert_eq!(served.count(Counter::ConnectionsAccepted), 1);
    assert_eq!(served.count(Counter::Requests), 2);
    drop(first);
    assert_eq!(second.reply().text(), "hello");
    assert_eq!(served.count(Counter::ConnectionsRefused), 0);
}

/// No place is kept for who might come at another worker's listener.
#[test]
fn waiting_for_a_place_takes_none_from_anybody() {
    let served = serve_with(|mut server| {
        server.config.when_full = Full::Wait;
        server.max_connections(1).workers(2)
    });
    assert_eq!(served.server.handle().metrics().connections(), 0);
    for _ in 0..16 {
        let mut socket = served.connect();
        let reply = socket.request("GET /", "Connection: close\r\n", "");
        assert_eq!(reply.text(), "hello");
    }
    assert_eq!(served.count(Counter::ConnectionsRefused), 0);
}

/// F29: a request beyond those that may be with their handlers gets 503, and its connection goes on.
#[test]
fn f29_beyond_the_limit_of_requests() {
    let served = serve_with(|mut server| {
        server.config.max_in_flight = Some(2);
        server
    });
    let mut parked: Vec<_> = (0..2).map(|_| served.connect()).collect();
    for socket in &mut parked {
        socket.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    eventually("two handlers wait", || {
        served.seen.parked.load(Ordering::SeqCst) == 2
    });
    let mut socket = served.connect();
    for (count, content) in ["", "content"].into_iter().enumerate() {
        let fields = format!("Content-Length: {}\r\n", content.len());
        let reply = socket.request("POST /echo", &fields, content);
        assert_eq!(
            (reply.status, reply.field("retry-after"), reply.persists()),
            (503, Some("1"), true)
        );
        assert_eq!(served.count(Counter::RefusedInFlight), count as u64 + 1);
    }
    // A client that goes takes its handler with it, and gives its place back.
    parked.pop();
    eventually("a handler is cancelled", || {
        served.seen.unparked.load(Ordering::SeqCst) == 1
    });
    assert_eq!(socket.get("/").text(), "hello");
    assert_eq!(socket.get("/panic").status, 500);
    assert_eq!(socket.get("/").text(), "hello");
    assert_eq!(served.count(Counter::RefusedInFlight), 2);
}

/// F29: connections that come faster than they are accepted wait, and all are served.
#[test]
fn f29_connections_are_accepted_no_faster_than_asked_for() {
    let served = serve_with(|mut server| {
        server.config.accept_rate = Some(50);
        server
    });
    let mut all: Vec<_> = (0..20).map(|_| served.connect()).collect();
    for socket in &mut all {
        assert_eq!(socket.get("/").text(), "hello");
    }
    // Five come at once; how fast the others do is told on a paused clock in `server/pace.rs`.
    let paced = served.count(Counter::AcceptsPaced);
    assert!((1..=16).contains(&paced), "{paced}");
    assert_eq!(served.count(Counter::ConnectionsAccepted), 20);
}

/// A panic is one request's, before its first wait or after it.
#[test]
fn a_panic_is_a_500_and_the_connection_goes_on() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    // A hook that panics itself changes nothing.
    let served = serve_with(|server| {
        server.on_panic(move |message| {
            list.lock().unwrap().push(message.to_owned());
            std::panic::resume_unwind(Box::new(()));
        })
    });
    let mut socket = served.connect();
    for path in ["/panic", "/late-panic", "/panic"] {
        let reply = socket.get(path);
        assert_eq!((reply.status, reply.persists()), (500, true), "{path}");
        assert!(
            !reply.text().contains("for the test"),
            "the message is not the client's"
        );
        assert_eq!(socket.get("/").text(), "hello");
    }
    assert_eq!(served.count(Counter::HandlerPanics), 3);
    assert_eq!(*told.lock().unwrap(), vec!["for the test"; 3]);
    // Content that the handler did not read does not become a request.
    let canary = "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";
    let reply = socket.request(
        "GET /panic",
        &format!("Content-Length: {}\r\n", canary.len()),
        canary,
    );
    assert_eq!(reply.status, 500);
    assert_eq!(socket.get("/").text(), "hello");
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// RESILIENCE 2.4: when the byte budget is nearly used up, and nobody holds any of it who does not move, new requests are answered 503.
#[test]
fn a_budget_that_is_used_up_sheds_requests() {
    let served = serve_with(|mut server| {
        server.config.memory_budget = 101_000;
        server
    });
    // Handlers that wait, with a block of 16 KiB each that something was read into behind their requests.
    let mut held: Vec<_> = (0..6).map(|_| served.connect()).collect();
    for socket in &mut held {
        socket
            .send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n")
            .send("\n".repeat(100));
    }
    eventually("the budget is short", || {
        served.server.handle().metrics().buffered() >= 95_950
    });
    let reply = served.connect().get("/");
    assert_eq!(
        (
            reply.status,
            reply.field("retry-after"),
            reply.field("connection")
        ),
        (503, Some("1"), Some("close"))
    );
    assert!(served.count(Counter::ShedRequests) >= 1);
    drop(held);
    eventually("nothing is held", || {
        served.server.handle().metrics().buffered() == 0
    });
    assert_eq!(served.connect().get("/").text(), "hello");
}
