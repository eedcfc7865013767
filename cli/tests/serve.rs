//! The binary from outside: what it says, what it serves, how it ends.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure real time and read their own server's numbers"
)]

#[path = "serve/config.rs"]
mod config;
#[path = "serve/ending.rs"]
mod ending;
#[path = "serve/listening.rs"]
mod listening;
#[path = "serve/observed.rs"]
mod observed;
#[path = "serve/rounds.rs"]
mod rounds;
#[path = "serve/server.rs"]
mod server;
#[path = "serve/tls.rs"]
mod tls;

use server::{Answer, Server, assert_refused, run};
use std::io::Write;

#[test]
fn the_page_says_what_runs_and_asks_nobody_else() {
    let args = ["serve", "--addr", "127.0.0.1:0", "--console-on=false"];
    let server = Server::start(&args);
    let page = server.ask("GET / HTTP/1.1", b"");
    assert_eq!(page.status(), "200");
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let html = String::from_utf8(page.content.clone()).unwrap();
    assert!(html.contains(concat!(
        "<title>wireline ",
        env!("CARGO_PKG_VERSION"),
        " is running</title>"
    )));
    assert!(!html.contains("{version}"));
    for route in ["/health", "/echo", "/upload"] {
        assert!(
            html.contains(&format!("http://127.0.0.1:8000{route}")),
            "no line for {route}"
        );
    }
    assert_keeps_to_itself(&page);

    let head = server.ask("HEAD / HTTP/1.1", b"");
    assert_eq!((head.status(), head.content.len()), ("200", 0));
    assert_eq!(
        head.field("content-length"),
        Some(&*page.content.len().to_string())
    );
    assert_eq!(server.ask("GET /favicon.ico HTTP/1.1", b"").status(), "204");
    assert_eq!(server.ask("GET /nothing HTTP/1.1", b"").status(), "404");
    let wrong = server.ask("GET /echo HTTP/1.1", b"");
    assert_eq!(
        (wrong.status(), wrong.field("allow")),
        ("405", Some("POST, OPTIONS"))
    );
    server.stop();
}

#[test]
fn the_console_is_there_and_asks_nobody_else() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--relay-path", "/live"]);
    let page = server.ask("GET / HTTP/1.1", b"");
    assert_eq!(page.status(), "200");
    let html = String::from_utf8(page.content.clone()).unwrap();
    assert!(html.contains(env!("CARGO_PKG_VERSION")) && html.contains("\"/live\""));
    assert!(html.contains("/api/"));
    assert!(!html.contains("{version}") && !html.contains("{ws}"));
    assert_keeps_to_itself(&page);
    server.stop();
    // Without what it shows there is the other page.
    for without in ["--relay-on=false", "--api-on=false"] {
        let server = Server::start(&["--addr", "127.0.0.1:0", without]);
        let page = server.ask("GET / HTTP/1.1", b"");
        assert!(
            String::from_utf8(page.content)
                .unwrap()
                .contains(" is running</title>")
        );
        server.stop();
    }
}

/// The page loads nothing, and its policy lets it run.
fn assert_keeps_to_itself(page: &Answer) {
    let html = String::from_utf8(page.content.clone()).unwrap();
    for foreign in ["src=", "@import", "url(", "https://"] {
        assert!(!html.contains(foreign), "{foreign}");
    }

    // A digest that does not fit would leave the page without its style or its buttons.
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for element in ["style", "script"] {
        let (_, rest) = html.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{element}>")).unwrap();
        let digest = base64(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref());
        assert!(
            policy.contains(&format!("{element}-src 'sha256-{digest}';")),
            "{element}: {digest} is not in {policy}"
        );
    }
}

#[test]
fn health_echo_and_upload_answer() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "1"]);
    let health = server.ask("GET /health HTTP/1.1", b"");
    assert_eq!(
        (health.status(), health.content.as_slice()),
        ("200", &b""[..])
    );
    assert_eq!(server.ask("GET /ready HTTP/1.1", b"").status(), "200");

    let content: Vec<u8> = (0..300_000_u32).map(|place| (place % 251) as u8).collect();
    let echoed = server.ask(
        &format!("POST /echo HTTP/1.1\r\nContent-Length: {}", content.len()),
        &content,
    );
    assert_eq!(echoed.status(), "200");
    assert!(
        echoed.content == content,
        "{} octets came back",
        echoed.content.len()
    );
    // What was posted never comes back as a page.
    let posted = server.ask(
        "POST /echo HTTP/1.1\r\nContent-Type: text/html\r\nContent-Length: 3",
        b"<b>",
    );
    assert_eq!(
        posted.field("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(posted.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        server
            .ask("POST /echo HTTP/1.1\r\nContent-Length: 10485761", b"")
            .status(),
        "413"
    );

    let small = server.ask("POST /upload HTTP/1.1\r\nContent-Length: 3", b"abc");
    assert_eq!(small.field("content-type"), Some("application/json"));
    assert_eq!(
        String::from_utf8(small.content).unwrap(),
        r#"{"received":3}"#
    );
    let chunked = server.ask(
        "POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!(
        String::from_utf8(chunked.content).unwrap(),
        r#"{"received":5}"#
    );
    server.stop();
}

#[test]
fn an_upload_takes_constant_memory() {
    const MIB: usize = 1024 * 1024;
    let server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "1"]);
    let block = vec![b'x'; MIB];
    // Whatever the first one needs, its code among it, is there when it is answered.
    let first = format!("POST /upload HTTP/1.1\r\nContent-Length: {MIB}");
    let first = server.ask(&first, &block);
    assert_eq!(first.content, br#"{"received":1048576}"#);
    let before = peak_memory(&server);
    let mut stream = server.connect();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        100 * MIB
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..100 {
        stream.write_all(&block).unwrap();
    }
    let answer = Answer::read(&mut stream);
    assert_eq!(
        String::from_utf8(answer.content).unwrap(),
        r#"{"received":104857600}"#
    );
    let grown = peak_memory(&server).saturating_sub(before);
    assert!(grown < 2 * 1024, "the peak grew by {grown} KiB");
    server.stop();
}

/// The most memory that the server has had resident, in KiB; 0 where there is no `/proc`.
fn peak_memory(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    assert!(peak.is_some() || !cfg!(target_os = "linux"));
    peak.map_or(0, |peak| peak.parse().unwrap())
}

#[test]
fn what_it_does_not_understand_is_one_line_and_code_2() {
    assert_refused(&["--frobnicate"], "--frobnicate");
    assert_refused(&["serve", "--frobnicate"], "--frobnicate");
    assert_refused(&["server"], "server");
    assert_refused(&["--workers", "none"], "none");
    assert_refused(&["--workers", "0"], "1 to 1024");
    assert_refused(&["--max-connections", "-5"], "-5");
    assert_refused(&["--addr", "127.0.0.1:65536"], "65536");
    assert_refused(&["--addr", "127.0.0.1:eighty"], "eighty");
    assert_refused(&["--addr", "127.0.0.1"], "HOST:PORT");
    assert_refused(&["--addr"], "--addr");
    assert_refused(&["--addr", "a\nb\n\nc"], "a b");
}

#[test]
fn help_and_version_are_no_errors() {
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("wireline ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for args in [&["--help"][..], &["serve", "--help"], &["help"]] {
        let help = run(args);
        assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0));
        assert!(
            String::from_utf8(help.stdout)
                .unwrap()
                .contains("Usage: wireline")
        );
    }
}

/// RFC 4648 §4.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet))
            << (8 * (3 - chunk.len()));
        let digit = |place: usize| {
            if place > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize])
            }
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    octets.chunks(3).flat_map(group).collect()
}
