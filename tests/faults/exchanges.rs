//! The exchanges: what a client does, step by step.

use std::time::Duration;

/// One step of a client.
#[derive(Debug)]
pub(crate) enum Step {
    /// Sends octets.
    Send(Vec<u8>),
    /// Reads until what came so far ends with this.
    Await(&'static str),
    /// Lets time pass.
    Pass(Duration),
    /// Closes its side.
    Fin,
}

fn send(octets: impl AsRef<[u8]>) -> Step {
    Step::Send(octets.as_ref().to_vec())
}

fn get(path: &str) -> Step {
    send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

/// A request with these further field lines, each with its CRLF.
fn with(line: &str, fields: &str) -> Step {
    send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn length(path: &str, content: &str) -> Step {
    send(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    ))
}

fn chunked(path: &str) -> Step {
    with(&format!("POST {path}"), "Transfer-Encoding: chunked\r\n")
}

const CHUNKS: &str = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

/// Every exchange with its name: those that were thought of, and those of [`crossed`].
pub(crate) fn exchanges() -> Vec<(String, Vec<Step>)> {
    let written = written().into_iter();
    let written = written.map(|(name, steps)| (name.to_owned(), steps));
    written.chain(crossed()).collect()
}

/// Each request, sent in each way, with each thing behind it.
fn crossed() -> Vec<(String, Vec<Step>)> {
    let post = |path: &str, coding: &str, content: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{coding}\r\n\r\n{content}")
    };
    let chunked = "Transfer-Encoding: chunked";
    let requests = [
        ("get", "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("large", "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("head", "HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (
            "stream",
            "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
        (
            "trailers",
            "GET /trailers HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
        ("empty", "GET /s204 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (
            "nowhere",
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
        ("length", post("/echo", "Content-Length: 11", "hello world")),
        ("chunks", post("/echo", chunked, CHUNKS)),
        (
            "counted",
            post("/sink", chunked, "5;a=b\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"),
        ),
        ("ignored", post("/ignore", "Content-Length: 5", "hello")),
        ("refused", post("/refuse", "Content-Length: 5", "hello")),
    ];
    let behind = [
        ("nothing", None),
        ("another", Some("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a fault", Some("GET /hello HTTP/1.1\nHost: a\n\n")),
        ("half a head", Some("GET /hello HTTP/1.1\r\nHo")),
        (
            "a close",
            Some("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ),
    ];
    let pause = || Step::Pass(Duration::from_millis(100));
    let mut crossed = Vec::new();
    for (request, octets) in &requests {
        for (follower, more) in &behind {
            for cuts in 0..5 {
                let (first, second) = octets.split_at(octets.len() / 3);
                let (second, third) = second.split_at(second.len() / 2);
                let more = more.map(send);
                let mut steps = match cuts {
                    0 => vec![send(octets)],
                    1 => vec![send([first, second].concat()), pause(), send(third)],
                    2 => vec![send(first), pause(), send(second), pause(), send(third)],
                    // All in one piece, and the last octet of the request late.
                    3 => vec![
                        send(&octets[..octets.len() - 1]),
                        pause(),
                        send(&octets[octets.len() - 1..]),
                        pause(),
                    ],
                    _ => vec![send([octets.as_str(), octets].concat())],
                };
                steps.extend(more);
                steps.push(Step::Fin);
                crossed.push((
                    format!("{request}, sent in way {cuts}, {follower} behind it"),
                    steps,
                ));
            }
        }
    }
    crossed
}

fn written() -> Vec<(&'static str, Vec<Step>)> {
    use Step::{Await, Fin};
    let pause = || Step::Pass(Duration::from_millis(100));
    let big = "0123456789".repeat(300);
    let huge = "x".repeat(9000);
    vec![
        // Requests without content.
        ("get", vec![get("/hello"), Fin]),
        (
            "get, closed by the server",
            vec![get("/hello"), Await("hello")],
        ),
        (
            "two in turn",
            vec![
                get("/hello"),
                Await("hello"),
                get("/large"),
                Await("f"),
                Fin,
            ],
        ),
        (
            "one in three parts",
            vec![
                send("GET /he"),
                pause(),
                send("llo HTTP/1.1\r\nHo"),
                pause(),
                send("st: a\r\n\r\n"),
                Fin,
            ],
        ),
        (
            "an empty line first",
            vec![send("\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), Fin],
        ),
        (
            "three pipelined",
            vec![get("/hello"), get("/large"), get("/hello"), Fin],
        ),
        (
            "twenty pipelined",
            vec![
                send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)),
                Fin,
            ],
        ),
        (
            "pipelined behind a slow one",
            vec![get("/slow"), get("/hello"), get("/slow"), Fin],
        ),
        (
            "pipelined and partial",
            vec![
                send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /hel"),
                Await("slow"),
                send("lo HTTP/1.1\r\nHost: a\r\n\r\n"),
                Fin,
            ],
        ),
        ("large", vec![get("/large"), Fin]),
        ("head", vec![with("HEAD /large", ""), get("/hello"), Fin]),
        (
            "head of a stream",
            vec![with("HEAD /stream", ""), get("/hello"), Fin],
        ),
        ("no content", vec![get("/s204"), get("/hello"), Fin]),
        ("not modified", vec![get("/s304"), get("/hello"), Fin]),
        ("not found", vec![get("/nowhere"), Fin]),
        (
            "another method",
            vec![with("DELETE /hello", ""), get("/hello"), Fin],
        ),
        ("asterisk", vec![with("OPTIONS *", ""), Fin]),
        (
            "absolute",
            vec![send("GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n"), Fin],
        ),
        ("close", vec![with("GET /hello", "Connection: close\r\n")]),
        (
            "close, with more behind it",
            vec![with("GET /hello", "Connection: close\r\n"), get("/hello")],
        ),
        ("http/1.0", vec![send("GET /hello HTTP/1.0\r\n\r\n")]),
        (
            "http/1.0, kept alive",
            vec![
                send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                get("/hello"),
                Fin,
            ],
        ),
        ("told of the end", vec![get("/told"), pause(), Fin]),
        // Streams.
        ("stream", vec![get("/stream"), get("/hello"), Fin]),
        (
            "stream to http/1.0",
            vec![send("GET /stream HTTP/1.0\r\n\r\n")],
        ),
        ("trailers", vec![get("/trailers"), get("/hello"), Fin]),
        (
            "declared length",
            vec![get("/declared"), get("/hello"), Fin],
        ),
        (
            "less than declared",
            vec![get("/short"), get("/hello"), Fin],
        ),
        ("more than declared", vec![get("/long"), get("/hello"), Fin]),
        (
            "aborted by its producer",
            vec![get("/cut"), get("/hello"), Fin],
        ),
        // Faults of handlers.
        ("panic", vec![get("/panic"), get("/hello"), Fin]),
        (
            "an invalid response",
            vec![get("/invalid"), get("/hello"), Fin],
        ),
        // Content.
        (
            "small content",
            vec![length("/echo", "hello"), get("/hello"), Fin],
        ),
        (
            "small content in parts",
            vec![
                send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
                pause(),
                send("he"),
                pause(),
                send("llo"),
                Fin,
            ],
        ),
        (
            "large content",
            vec![length("/echo", &big), get("/hello"), Fin],
        ),
        (
            "large content, taken in the background",
            vec![length("/background", &big), get("/hello"), Fin],
        ),
        ("large content, counted", vec![length("/sink", &big), Fin]),
        (
            "large content, given back as it comes",
            vec![length("/pipe", &big), get("/hello"), Fin],
        ),
        (
            "chunked",
            vec![chunked("/echo"), send(CHUNKS), get("/hello"), Fin],
        ),
        (
            "chunked in parts",
            vec![
                chunked("/echo"),
                pause(),
                send(&CHUNKS[..7]),
                pause(),
                send(&CHUNKS[7..]),
                get("/hello"),
                Fin,
            ],
        ),
        (
            "chunked, given back as it comes",
            vec![
                chunked("/pipe"),
                send("5\r\nhello\r\n"),
                Await("o\r\n"),
                send("0\r\n\r\n"),
                Fin,
            ],
        ),
        (
            "chunked with extensions and trailers",
            vec![
                chunked("/sink"),
                send("5;a=b\r\nhello\r\n0;c\r\nX-Sum: 5\r\n\r\n"),
                get("/hello"),
                Fin,
            ],
        ),
        (
            "little left unread",
            vec![length("/ignore", "hello"), get("/hello"), Fin],
        ),
        (
            "chunks left unread",
            vec![
                chunked("/ignore"),
                pause(),
                send(CHUNKS),
                get("/hello"),
                Fin,
            ],
        ),
        ("much left unread", vec![length("/ignore", &big), Fin]),
        (
            "expectation",
            vec![
                with(
                    "POST /echo",
                    "Content-Length: 5\r\nExpect: 100-continue\r\n",
                ),
                Await("Continue\r\n\r\n"),
                send("hello"),
                get("/hello"),
                Fin,
            ],
        ),
        (
            "expectation, not waited with",
            vec![
                with(
                    "POST /echo",
                    "Content-Length: 5\r\nExpect: 100-continue\r\n",
                ),
                send("hello"),
                Fin,
            ],
        ),
        (
            "expectation, refused",
            vec![
                with(
                    "POST /refuse",
                    "Content-Length: 5\r\nExpect: 100-continue\r\n",
                ),
                Await("no"),
                Fin,
            ],
        ),
        ("end inside a head", vec![send("GET /hello HTT"), Fin]),
        (
            "end inside content",
            vec![
                send("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhello"),
                Fin,
            ],
        ),
        // Refusals.
        (
            "malformed",
            vec![send("GET /hello HTTP/1.1\nHost: a\n\n"), Fin],
        ),
        (
            "malformed behind a good one",
            vec![get("/hello"), send("NO\0\r\n\r\n"), get("/hello"), Fin],
        ),
        (
            "request line too long",
            vec![send(format!("GET /{huge} HTTP/1.1\r\n")), Fin],
        ),
        (
            "too large a section",
            vec![with("GET /hello", &format!("X: {huge}\r\n")), Fin],
        ),
        ("too large by its length", vec![length("/echo", &huge), Fin]),
        (
            "too large in the end",
            vec![
                chunked("/echo"),
                send(format!("2000\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", &huge[..8192])),
                Fin,
            ],
        ),
        (
            "unknown coding",
            vec![
                with("POST /echo", "Transfer-Encoding: gzip, chunked\r\n"),
                Fin,
            ],
        ),
        ("another version", vec![send("GET / HTTP/3.0\r\n\r\n"), Fin]),
        (
            "unknown expectation",
            vec![with("GET /hello", "Expect: the best\r\n"), Fin],
        ),
        // Other protocols.
        (
            "upgrade",
            vec![
                with("GET /upgrade", "Connection: upgrade\r\nUpgrade: echo\r\n"),
                Await("welcome "),
                send("to you"),
                Await("you"),
                Fin,
            ],
        ),
        (
            "upgrade with the first octets at once",
            vec![
                with("GET /upgrade", "Connection: upgrade\r\nUpgrade: echo\r\n"),
                send("early"),
                Await("early"),
                Fin,
            ],
        ),
        ("upgrade that was not offered", vec![get("/upgrade"), Fin]),
        (
            "tunnel",
            vec![
                send("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
                send("early"),
                Await("early"),
                Fin,
            ],
        ),
    ]
}
