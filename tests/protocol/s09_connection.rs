//! RFC 9112 §9: persistence, pipelining, closing.

use crate::socket::Socket;
use crate::tapped::{Call, Tapped};
use crate::{eventually, serve};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::resource::counters::Counter;
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::test::TestClient;

/// §9.3: HTTP/1.1 persists unless one side says `close`; HTTP/1.0 only when the client asks.
#[test]
fn persistence() {
    let served = serve();
    let mut socket = served.connect();
    for _ in 0..50 {
        assert!(socket.get("/").persists());
    }
    assert_eq!(served.count(Counter::ConnectionsAccepted), 1);
    for (line, fields, persists) in [
        ("GET / HTTP/1.1", "", true),
        ("GET / HTTP/1.1", "Connection: x, Keep-Alive\r\n", true),
        ("GET / HTTP/1.1", "Connection: close\r\n", false),
        ("GET / HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", false),
        (
            "GET / HTTP/1.1",
            "Connection: x\r\nConnection: close\r\n",
            false,
        ),
        ("GET / HTTP/1.0", "", false),
        ("GET / HTTP/1.0", "Connection: keep-alive\r\n", true),
        ("GET / HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut socket = served.connect();
        let reply = socket
            .send(format!("{line}\r\nHost: a\r\n{fields}\r\n"))
            .reply();
        assert_eq!(
            (reply.status, reply.persists()),
            (200, persists),
            "{line} {fields}"
        );
        if persists {
            assert_eq!(socket.get("/").text(), "hello");
        } else {
            assert_eq!(reply.field("connection"), Some("close"));
            socket
                .send("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")
                .assert_end();
        }
    }
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// §9.3.2: responses come in the order of the requests, whichever is done first.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let served = serve();
    let mut socket = served.connect();
    let requests: String = (0..100)
        .map(|number| match number % 5 {
            0 => format!("GET /slow/{} HTTP/1.1\r\nHost: a\r\n\r\n", 10 - number / 10),
            1 => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{number:05}"),
            2 => "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            _ => format!("GET /numbers/{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        })
        .collect();
    socket.send(requests);
    for number in 0..100 {
        let expected = match number % 5 {
            0 => "slow".to_owned(),
            1 => format!("{number:05}"),
            2 => "one two three".to_owned(),
            _ => number.to_string(),
        };
        assert_eq!(socket.reply().text(), expected);
    }
}

/// RESILIENCE H1-17: what is good before a bad message is answered first.
#[test]
fn a_good_message_before_a_bad_one_is_answered() {
    let served = serve();
    for first in ["/", "/slow/20"] {
        let mut socket = served.connect();
        socket.send(format!("GET {first} HTTP/1.1\r\nHost: a\r\n\r\nBAD\0\r\n\r\nGET /canary HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(socket.reply().status, 200);
        assert_eq!(socket.reply().status, 400);
        socket.assert_end();
    }
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// RESILIENCE H1-16: a client that only writes is read no further than the read-ahead.
#[test]
fn a_flood_of_pipelined_requests_is_not_swallowed() {
    let served = serve();
    let mut stream = TcpStream::connect(served.server.addr()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let flood = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let mut sent = 0;
    let mut refused = 0;
    while refused < 20 {
        match io::Write::write(&mut stream, flood.as_bytes()) {
            Ok(len) => (sent, refused) = (sent + len, 0),
            Err(_) => {
                refused += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 256 * 1024 * 1024, "no end of it");
    }
    assert!(
        served.server.handle().metrics().buffered() < 256 * 1024,
        "{}",
        served.server.handle().metrics().buffered()
    );
}

/// §9.5, decision D32: a client that half-closes after its request still gets the answer.
#[test]
fn a_half_closed_client_is_answered() {
    let served = serve();
    for path in ["/", "/slow/100", "/until-closed", "/stream"] {
        let mut socket = served.connect();
        let reply = socket
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .fin()
            .reply();
        assert_eq!(reply.status, 200, "{path}");
        socket.assert_end();
    }
    let mut socket = served.connect();
    socket
        .send("GET /until-closed HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3))
        .fin();
    for _ in 0..3 {
        assert_eq!(socket.reply().text(), "slow");
    }
    socket.assert_end();
    served.connect().fin().assert_end();
}

/// A client that goes altogether takes its handler with it.
#[test]
fn a_client_that_goes_cancels_its_handler() {
    let served = serve();
    let park = "GET /park HTTP/1.1\r\nHost: a\r\n\r\n";
    let reset = TcpStream::connect(served.server.addr()).unwrap();
    socket2::SockRef::from(&reset)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    io::Write::write_all(&mut &reset, park.as_bytes()).unwrap();
    eventually("the handler began", || {
        served.seen.parked.load(Ordering::SeqCst) == 1
    });
    drop(reset);
    eventually("the handler was dropped", || {
        served.seen.unparked.load(Ordering::SeqCst) == 1
    });

    let mut closed = served.connect();
    closed.send(park);
    eventually("the handler began", || {
        served.seen.parked.load(Ordering::SeqCst) == 2
    });
    drop(closed);
    eventually("the handler was dropped", || {
        served.seen.unparked.load(Ordering::SeqCst) == 2
    });
    eventually("both are counted", || {
        served.count(Counter::HandlersCancelled) == 2
    });
    assert_eq!(served.server.handle().metrics().connections(), 0);
}

/// §9.6, S258: a client that is still sending when it is refused sees the answer, not a reset.
#[test]
fn s258_an_upload_beyond_the_limit_sees_413() {
    let served = serve();
    let content = "x".repeat(15 * 1024 * 1024);
    let chunks = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(15 * 16) + "0\r\n\r\n";
    for (path, fields, body) in [
        (
            "/echo",
            format!("Content-Length: {}\r\n", content.len()),
            &content,
        ),
        (
            "/length",
            format!("Content-Length: {}\r\n", content.len()),
            &content,
        ),
        (
            "/echo",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            &chunks,
        ),
        (
            "/length",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            &chunks,
        ),
    ] {
        for _ in 0..3 {
            let mut socket = served.connect();
            let reply = socket.request(&format!("POST {path}"), &fields, body);
            assert_eq!(
                (reply.status, reply.field("connection")),
                (413, Some("close")),
                "{path} {fields}"
            );
            socket.assert_end();
        }
    }
    assert_eq!(served.count(Counter::RefusedContentTooLarge), 12);
}

/// The same for an answer that does not wait for the content.
#[test]
fn an_answer_before_the_content_is_seen() {
    let served = serve();
    let content = "x".repeat(4 * 1024 * 1024);
    for _ in 0..5 {
        let mut socket = served.connect();
        let reply = socket.request("POST /ignore", "Content-Length: 4194304\r\n", &content);
        assert_eq!(
            (reply.text(), reply.field("connection")),
            ("ignored", Some("close"))
        );
        socket.assert_end();
    }
}

/// RESILIENCE rule 8: a request is over only when its content is; a little is read to keep the connection.
#[test]
fn little_unread_content_keeps_the_connection() {
    let served = serve();
    let mut socket = served.connect();
    let hidden = "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let chunks = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for _ in 0..3 {
        let reply = socket.request("POST /ignore", &length, hidden);
        assert_eq!((reply.text(), reply.persists()), ("ignored", true));
        let reply = socket.request("POST /ignore", "Transfer-Encoding: chunked\r\n", &chunks);
        assert_eq!((reply.text(), reply.persists()), ("ignored", true));
    }
    assert_eq!(served.seen.canaries.load(Ordering::SeqCst), 0);
}

/// Of chunks nobody knows how many are still to come: the answer says that it is the last (RFC 9112 §9.6).
#[test]
fn unread_chunks_end_the_connection_and_the_answer_says_so() {
    let served = serve();
    let mut socket = served.connect();
    socket.send(
        "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    );
    let reply = socket.reply();
    assert_eq!(
        (reply.text(), reply.field("connection")),
        ("ignored", Some("close"))
    );
    socket.send("5\r\nworld\r\n0\r\n\r\n");
    socket.assert_end();
}

/// Several connections at once do not get into each other's way.
#[test]
fn connections_are_apart() {
    let served = serve();
    let mut sockets: Vec<Socket> = (0..50).map(|_| served.connect()).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(format!("GET /numbers/{number} HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{number:04}"));
    }
    for (number, socket) in sockets.iter_mut().enumerate().rev() {
        socket.send("hello");
        assert_eq!(socket.reply().text(), number.to_string());
        assert_eq!(socket.reply().text(), format!("{number:04}hello"));
    }
}

/// The responses of one read are one write.
#[tokio::test]
async fn sixteen_pipelined_requests_are_answered_in_one_write() {
    let client = TestClient::new(crate::routes(Arc::default()));
    let (mut io, server) = memory::pair(64 * 1024);
    let (reads, writes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (reads.clone(), writes.clone());
    let tap = move |_: &mut Context<'_>, call: Call| {
        match call {
            Call::Readable => {}
            Call::Read(_) => drop(counts.0.fetch_add(1, Ordering::SeqCst)),
            Call::Write => drop(counts.1.fetch_add(1, Ordering::SeqCst)),
        };
    };
    drop(client.serve(Io::Dyn(Box::new(Tapped { inner: server, tap }))));
    let requests: String = (0..16)
        .map(|number| format!("GET /numbers/{number} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    for round in 1..=3 {
        io.write_all(requests.as_bytes()).await.unwrap();
        let (mut got, mut buf) = (String::new(), [0; 4096]);
        while got.matches("HTTP/1.1 200 OK").count() < 16 || !got.ends_with("15") {
            let len = io.read(&mut buf).await.unwrap();
            got.push_str(std::str::from_utf8(&buf[..len]).unwrap());
        }
        let bodies: Vec<&str> = got
            .split("HTTP/1.1 200 OK")
            .skip(1)
            .map(|response| response.rsplit("\r\n\r\n").next().unwrap())
            .collect();
        let expected: Vec<String> = (0..16).map(|number| number.to_string()).collect();
        assert_eq!(bodies, expected);
        assert_eq!(writes.load(Ordering::SeqCst), round);
        assert!(reads.load(Ordering::SeqCst) <= 2 * round);
    }
}

/// A response that promises to go on keeps that promise: the request behind content that nobody read is answered.
#[test]
fn what_is_promised_after_unread_content_is_kept() {
    let served = serve();
    for (length, goes_on) in [(65_536, true), (65_537, false), (75_000, false)] {
        let mut socket = served.connect();
        let head = format!("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        socket.send([head.as_bytes(), &vec![b'x'; 10_000]].concat());
        if length > 65_536 {
            // It is streamed, so the answer comes before the rest.
            let reply = socket.reply();
            assert_eq!((reply.status, reply.persists()), (200, goes_on), "{length}");
            continue;
        }
        socket.send(vec![b'x'; length - 10_000]);
        let reply = socket.reply();
        assert_eq!((reply.status, reply.persists()), (200, goes_on), "{length}");
        assert_eq!(socket.get("/").text(), "hello");
    }
}
