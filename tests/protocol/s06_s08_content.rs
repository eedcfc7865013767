//! RFC 9112 §6 to §8: how long a message is, chunks, and messages that are cut short.

use crate::serve;
use wireline::resource::counters::Counter;

/// §6.3 (3) to (6): every way to be unsure of the length of a request is refused.
#[test]
fn ambiguous_framing_is_refused() {
    let served = serve();
    for (fields, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 5, 5\r\n", 400),
        ("Content-Length: +5\r\n", 400),
        ("Content-Length: -5\r\n", 400),
        ("Content-Length: 0x5\r\n", 400),
        ("Content-Length: 05\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        // §6.3 (4): chunked is not the last one, so nobody knows where the content ends.
        ("Transfer-Encoding: gzip\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: gzip, deflate\r\n", 400),
        ("Transfer-Encoding: chunked, gzip\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
    ] {
        served.refuses(
            format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
            status,
        );
    }
    served.refuses(
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    );
}

/// §6.3 (6), (7): a length, or none and no content.
#[test]
fn content_of_a_known_length() {
    let served = serve();
    let mut socket = served.connect();
    assert_eq!(
        socket
            .request("POST /echo", "Content-Length: 5\r\n", "hello")
            .text(),
        "hello"
    );
    assert_eq!(
        socket
            .request("POST /echo", "Content-Length: 0\r\n", "")
            .text(),
        ""
    );
    assert_eq!(socket.request("POST /echo", "", "").text(), "");
    // GET with content is odd, and read all the same.
    assert_eq!(
        socket
            .request(
                "GET /",
                "Content-Length: 36\r\n",
                "GET /canary HTTP/1.1\r\nHost: a\r\n\r\nabc"
            )
            .text(),
        "hello"
    );
    assert_eq!(socket.get("/").text(), "hello");
    let large = "0123456789".repeat(100_000);
    assert_eq!(
        socket
            .request("POST /echo", "Content-Length: 1000000\r\n", &large)
            .text(),
        large
    );
    assert_eq!(
        socket
            .request("POST /length", "Content-Length: 1000000\r\n", &large)
            .text(),
        "1000000"
    );
}

/// §6.1, §6.2: a length when it is known, chunks when it is not, the end of the stream for HTTP/1.0.
#[test]
fn framing_of_responses() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket.get("/");
    assert_eq!(
        (
            reply.field("content-length"),
            reply.field("transfer-encoding")
        ),
        (Some("5"), None)
    );
    let reply = socket.get("/stream");
    assert_eq!(
        (
            reply.field("content-length"),
            reply.field("transfer-encoding")
        ),
        (None, Some("chunked"))
    );
    assert_eq!((reply.text(), reply.persists()), ("one two three", true));
    let reply = socket
        .send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .reply();
    assert_eq!(
        (
            reply.field("content-length"),
            reply.field("transfer-encoding")
        ),
        (None, None)
    );
    assert_eq!(
        (reply.text(), reply.persists(), reply.to_the_end),
        ("one two three", false, true)
    );
}

/// §6.3 (1), (2): HEAD, 204 and 304 end with their heads.
#[test]
fn responses_without_content() {
    let served = serve();
    let mut socket = served.connect();
    let (get, head) = (socket.get("/"), socket.request("HEAD /", "", ""));
    assert_eq!(head.status, 200);
    assert_eq!(
        head.field("content-length"),
        get.field("content-length"),
        "RFC 9110 §9.3.2"
    );
    assert_eq!(head.field("content-type"), get.field("content-type"));
    let head = socket.request("HEAD /stream", "", "");
    assert_eq!((head.status, head.field("content-length")), (200, None));
    // RFC 9110 §15.3.6: a 205 has no content, whatever its handler says.
    for method in ["GET", "HEAD"] {
        let reply = socket.request(&format!("{method} /status/205"), "", "");
        assert_eq!(
            (
                reply.status,
                reply.field("content-length"),
                reply.field("transfer-encoding"),
                reply.text()
            ),
            (205, Some("0"), None, ""),
            "{method}"
        );
    }
    for code in [204, 304] {
        let reply = socket.get(&format!("/status/{code}"));
        assert_eq!(
            (reply.status, reply.field("transfer-encoding")),
            (code, None)
        );
        if code == 204 {
            assert_eq!(reply.field("content-length"), None, "RFC 9110 §8.6");
        }
    }
    assert_eq!(
        socket.get("/").text(),
        "hello",
        "the next response begins where it should"
    );
}

/// §7.1: chunks, their extensions, the trailer section.
#[test]
fn chunked_content() {
    let served = serve();
    let mut socket = served.connect();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (chunks, content) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", "hello"),
        ("A;x=\"y\"\r\n0123456789\r\n0;z\r\n\r\n", "0123456789"),
        (
            "0000000000000005 ;a\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n",
            "hello",
        ),
    ] {
        assert_eq!(
            socket.request("POST /echo", chunked, chunks).text(),
            content,
            "{chunks:?}"
        );
    }
    let reply = socket.request(
        "POST /trailers",
        chunked,
        "5\r\nhello\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n",
    );
    assert_eq!(reply.text(), "5 5");
    let large = format!("fffff\r\n{}\r\n", "x".repeat(0xfffff)).repeat(3) + "0\r\n\r\n";
    assert_eq!(
        socket.request("POST /length", chunked, &large).text(),
        (3 * 0xfffff).to_string()
    );
}

/// §7.1: whatever is no chunk ends the connection, whether the handler runs already or not.
#[test]
fn malformed_chunks() {
    let served = serve();
    for path in ["/echo", "/length"] {
        for chunks in [
            "x\r\n",
            "-1\r\n",
            "+5\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "10000000000000000\r\n",
            ";a\r\n",
            "0\r\nX : a\r\n\r\n",
        ] {
            for pause in [false, true] {
                let mut socket = served.connect();
                socket.send(format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                ));
                if pause {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                let reply = socket
                    .send(format!("{chunks}GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"))
                    .reply();
                assert_eq!(
                    (reply.status, reply.field("connection")),
                    (400, Some("close")),
                    "{path} {chunks:?}"
                );
                socket.assert_end();
            }
        }
    }
    assert_eq!(
        served
            .seen
            .canaries
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

/// S9: one chunk of more than a mebibyte.
#[test]
fn s9_a_chunk_that_is_too_large() {
    let served = serve();
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut socket = served.connect();
    let reply = socket.send(format!("{head}100001\r\nx")).reply();
    assert_eq!(
        (reply.status, reply.field("connection")),
        (413, Some("close"))
    );
    socket.assert_end();
    let whole = format!("{head}100000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10_0000));
    assert_eq!(served.connect().send(whole).reply().text(), "1048576");
}

/// §8: what is cut short is not answered, and its handler does not take it for whole.
#[test]
fn incomplete_messages() {
    let served = serve();
    let messages = [
        "GET / HTTP/1.1\r\nHost",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nhell",
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for message in messages {
        served.connect().send(message).fin().assert_end();
    }
    crate::eventually("all are counted", || {
        served.count(Counter::IncompleteRequests) == messages.len() as u64
    });
}

/// A response that is made from the request's content as it comes: both flow at once, and the connection persists.
#[test]
fn content_is_given_back_as_it_comes() {
    let served = serve();
    let mut socket = served.connect();
    let content = "0123456789".repeat(20_000);
    for _ in 0..2 {
        let reply = socket.request("POST /pipe", "Content-Length: 200000\r\n", &content);
        assert_eq!((reply.text() == content, reply.persists()), (true, true));
        let chunks = format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
        let reply = socket.request("POST /pipe", "Transfer-Encoding: chunked\r\n", &chunks);
        assert_eq!((reply.text() == content, reply.persists()), (true, true));
    }
    // The client waits for 100 before it sends what the response is made of.
    socket.send(
        "POST /pipe HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(socket.reply().status, 100);
    let reply = socket.send("hello").reply();
    assert_eq!((reply.text(), reply.persists()), ("hello", true));
}
