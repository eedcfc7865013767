//! How it ends: signals, and what is open meanwhile.

use crate::server::{Answer, Server};
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn a_signal_ends_it_cleanly_and_soon() {
    for name in ["-INT", "-TERM"] {
        let server = Server::start(&["--addr", "127.0.0.1:0"]);
        // An idle connection does not hold it up.
        let mut idle = server.connect();
        idle.write_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
        assert!(idle.read(&mut [0; 512]).unwrap() > 0);
        server.signal(name);
        let (status, said, complained) = server.end_within(Duration::from_secs(2));
        assert_eq!(status.code(), Some(0), "{name}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(lines[0].starts_with("wireline is draining: "), "{said}");
        assert_eq!(
            (lines[1], complained.as_str()),
            ("wireline has stopped", "")
        );
    }
}

#[test]
fn while_it_drains_it_is_healthy_and_not_ready() {
    let mut server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "1"]);
    // Requests that were begun before the drain are answered in it.
    let mut begun = [server.connect(), server.connect()];
    for (stream, path) in begun.iter_mut().zip(["/ready", "/health"]) {
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\n").as_bytes())
            .unwrap();
        // The server has read that much once it answers somebody who came later.
        assert_eq!(server.ask("GET /ready HTTP/1.1", b"").status(), "200");
    }
    server.signal("-INT");
    let line = server.line();
    // The server may not have seen yet that the last of those who asked has gone.
    assert!(
        [2, 3].iter().any(|open| line.starts_with(&format!(
            "wireline is draining: {open} connections open, 30 s at most"
        ))),
        "{line}"
    );
    let answers = begun.each_mut().map(|stream| {
        stream.write_all(b"Host: test\r\n\r\n").unwrap();
        Answer::read(stream)
    });
    assert_eq!(answers.each_ref().map(Answer::status), ["503", "200"]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.field("connection") == Some("close"))
    );
    let (status, said, _) = server.end_within(Duration::from_secs(5));
    assert_eq!(
        (status.code(), said.as_str()),
        (Some(0), "wireline has stopped\n")
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "1"]);
    let mut stream = server.connect();
    stream
        .write_all(b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nsome")
        .unwrap();
    assert_eq!(server.ask("GET /ready HTTP/1.1", b"").status(), "200");
    server.signal("-INT");
    let line = server.line();
    // The server may not have seen yet that who asked has gone.
    assert!(
        ["1 connection open", "2 connections open"]
            .iter()
            .any(|open| line.starts_with(&format!("wireline is draining: {open}"))),
        "{line}"
    );
    server.signal("-INT");
    let (status, said, _) = server.end_within(Duration::from_secs(2));
    assert_eq!(status.code(), Some(0));
    assert!(
        ["1 connection was", "2 connections were"]
            .iter()
            .any(|cut| said == format!("wireline has stopped; {cut} cut off\n")),
        "{said}"
    );
}
