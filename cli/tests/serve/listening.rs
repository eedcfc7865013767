//! Where it listens, for how many, and behind whom.

use crate::config::File;
use crate::server::{Answer, Server, assert_refused};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn it_listens_at_several_places() {
    let path = std::env::temp_dir().join(format!("wireline-cli-{}.sock", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--addr",
        &unix,
        "--addr",
        "127.0.0.1:0",
        "--workers",
        "2",
    ]);
    assert_eq!(server.places.len(), 3);
    assert_eq!(server.places[1], unix);
    for place in [&server.places[0], &server.places[2]] {
        let mut stream = TcpStream::connect(place).unwrap();
        let answer = Answer::to(&mut stream, "GET /health HTTP/1.1", b"");
        assert_eq!(answer.status(), "200");
    }
    let mut stream = UnixStream::connect(&path).unwrap();
    let answer = Answer::to(&mut stream, "GET /health HTTP/1.1", b"");
    assert_eq!(answer.status(), "200");
    server.stop();
    assert!(!path.exists(), "the socket file was left behind");
}

#[test]
fn that_everybody_may_use_every_topic_is_said_where_others_can_connect() {
    let said = |args: &[&str]| {
        let server = Server::start(args);
        server.signal("-INT");
        let (_, _, complained) = server.end_within(Duration::from_secs(10));
        complained
    };
    let complained = said(&["--addr", "127.0.0.1:0", "--addr", "0.0.0.0:0"]);
    let mut lines = complained.lines();
    let line = lines.next().unwrap_or_default();
    assert!(
        line.contains("warning") && line.contains("http://0.0.0.0:"),
        "{complained}"
    );
    assert!(line.contains("`relay.unmatched = \"reject\"`"), "{line}");
    assert_eq!(lines.next(), None, "it is said once");
    for args in [
        &["--addr", "127.0.0.1:0", "--addr", "[::1]:0"][..],
        &["--addr", "0.0.0.0:0", "--relay-unmatched", "reject"],
        &["--addr", "0.0.0.0:0", "--relay-on=false"],
    ] {
        assert_eq!(said(args), "", "{args:?}");
    }
}

#[test]
fn beyond_the_limit_of_connections_it_says_so() {
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--max-connections",
        "1",
    ]);
    let mut first = server.connect();
    first
        .write_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    assert!(first.read(&mut [0; 512]).unwrap() > 0);
    let answer = Answer::read(&mut server.connect());
    assert_eq!(
        (answer.status(), answer.field("retry-after")),
        ("503", Some("1"))
    );
    server.stop();

    // The share of one address is not for those of this machine, where proxies are.
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--max-connections-per-address",
        "1",
    ]);
    let mut streams = [server.connect(), server.connect(), server.connect()];
    for stream in &mut streams {
        let request = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    server.stop();
}

#[test]
fn proxies_say_who_their_clients_are() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--proxy-protocol", "127.0.0.0/8"]);
    let mut stream = server.connect();
    let request = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /client HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).content, b"192.0.2.1 http\n");
    server.stop();

    for (field, line) in [
        (
            "x-forwarded-for",
            "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\nX-Forwarded-Proto: https",
        ),
        (
            "forwarded",
            "Forwarded: for=203.0.113.9, for=192.0.2.1;proto=https",
        ),
    ] {
        let trusted = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1"];
        let args = [
            &["--addr", "127.0.0.1:0", "--trusted-field", field],
            &trusted[..],
        ]
        .concat();
        let server = Server::start(&args);
        let answer = server.ask(&format!("GET /client HTTP/1.1\r\n{line}"), b"");
        assert_eq!(answer.content, b"192.0.2.1 https\n");
        server.stop();
    }
    let server = Server::start(&["--addr", "127.0.0.1:0"]);
    let answer = server.ask("GET /client HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1", b"");
    assert_eq!(answer.content, b"127.0.0.1 http\n");
    server.stop();
}

#[test]
fn what_it_cannot_have_is_one_line_and_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    assert_refused(&["--addr", &place], "in use (another program has it");
    let metrics = ["--addr", "127.0.0.1:0", "--metrics-addr", &place];
    assert_refused(&metrics, "in use (another program has it");
    // 192.0.2.0/24 is for documentation (RFC 5737): nobody has it.
    assert_refused(
        &["--addr", "192.0.2.1:8000"],
        "no such address (0.0.0.0 stands for all that it has)",
    );
    assert_refused(
        &["--addr", "unix:/no/such/directory/a.sock"],
        "/no/such/directory/a.sock: its directory is not there",
    );
    assert_refused(
        &["--addr", "127.0.0.1:0", "--access-log", "/no/such/a.log"],
        "/no/such/a.log: its directory is not there",
    );
    // Not a word of ports about a file.
    let file = File::new("no-socket", "a file");
    let place = format!("unix:{}", file.path());
    assert_refused(&["--addr", &place], "what is there is no socket\n");
    assert_refused(&["--addr", "systemd"], "LISTEN_FDS");
}

#[test]
fn a_port_of_another_server_is_in_use_however_many_workers_share_it() {
    let server = Server::start(&["--addr", "127.0.0.1:0", "--workers", "2"]);
    for workers in ["1", "2"] {
        assert_refused(
            &["--addr", &server.places[0], "--workers", workers],
            "in use",
        );
    }
    assert_eq!(server.ask("GET /health HTTP/1.1", b"").status(), "200");
    server.stop();
}
