//! The binary from outside: what it says, what it serves, how it ends.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure real time and read their own server's numbers"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_wireline");

/// A running server.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The places of its first line: `127.0.0.1:4711`, `unix:/…`.
    places: Vec<String>,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            stdout,
            places: Vec::new(),
        };
        let mut line = String::new();
        server.stdout.read_line(&mut line).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let places = line
            .strip_prefix(&format!("wireline {version} is listening on "))
            .and_then(|rest| rest.strip_suffix(" (Ctrl-C to stop)\n"))
            .unwrap_or_else(|| panic!("the first line is {line:?}"));
        let places = places
            .split(" and ")
            .map(|place| place.trim_start_matches("http://"));
        server.places = places.map(str::to_owned).collect();
        server
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.places[0]).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends a request that closes its connection; gives the whole answer.
    fn ask(&self, head: &str, content: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream
            .write_all(format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        stream.write_all(content).unwrap();
        Answer::read(&mut stream)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: the status, the rest of stdout, and all of stderr.
    fn end_within(mut self, limit: Duration) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() >= limit {
                panic!("still running after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut said, mut complained) = (String::new(), String::new());
        self.stdout.read_to_string(&mut said).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complained)
            .unwrap();
        (status, said, complained)
    }

    fn stop(self) {
        self.signal("-INT");
        let (status, said, complained) = self.end_within(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{said}{complained}");
    }
}

impl Drop for Server {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    head: String,
    content: Vec<u8>,
}

impl Answer {
    fn read(stream: &mut impl Read) -> Self {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("an answer with a head");
        let content = all.split_off(end + 4);
        Self {
            head: String::from_utf8(all).unwrap(),
            content,
        }
    }

    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
        })
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

/// Nothing on stdout, exactly one line on stderr that has `culprit` in it, exit code 2.
fn assert_refused(args: &[&str], culprit: &str) {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(stderr.matches('\n').count(), 1, "{args:?}: {stderr}");
    assert!(
        stderr.starts_with("wireline: ") && stderr.ends_with('\n') && stderr.contains(culprit),
        "{args:?}: {stderr}"
    );
}

#[test]
fn the_page_says_what_runs_and_asks_nobody_else() {
    let server = Server::start(&["serve", "--addr", "127.0.0.1:0", "--workers", "2"]);
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
    let mut stream = server.connect();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        100 * MIB
    );
    stream.write_all(head.as_bytes()).unwrap();
    let block = vec![b'x'; MIB];
    stream.write_all(&block).unwrap();
    let before = peak_memory(&server);
    for _ in 1..100 {
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
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
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
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
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
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            .unwrap();
        assert_eq!(Answer::read(&mut stream).status(), "200");
    }
    let mut stream = UnixStream::connect(&path).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(Answer::read(&mut stream).status(), "200");
    server.stop();
    assert!(!path.exists(), "the socket file was left behind");
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

/// One flag, and it speaks TLS: plain HTTP is told so, and a rustls client that trusts nobody gets as far as its
/// certificate.
#[test]
fn one_flag_makes_it_speak_tls() {
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--tls-self-signed",
        "--workers",
        "1",
    ]);
    let place = server.places[0]
        .strip_prefix("https://")
        .unwrap()
        .to_owned();
    let mut plain = TcpStream::connect(&place).unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut plain);
    assert_eq!(answer.status(), "400");
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = TcpStream::connect(&place).unwrap();
    let error = client.complete_io(&mut stream).unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    server.stop();
}

#[test]
fn plain_http_is_redirected_where_that_is_asked_for() {
    // A port that is free now: the redirect has to name it.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let secure = format!("127.0.0.1:{port}");
    let server = Server::start(&[
        "--addr",
        &secure,
        "--tls-self-signed",
        "--redirect-http",
        "127.0.0.1:0",
        "--workers",
        "1",
    ]);
    let mut plain = TcpStream::connect(&server.places[1]).unwrap();
    plain
        .write_all(b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut plain);
    assert_eq!(answer.status(), "308");
    let expected = format!("https://a.example:{port}/x");
    assert_eq!(answer.field("location"), Some(expected.as_str()));
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
fn certificates_that_cannot_be_used_are_one_line_and_code_2() {
    assert_refused(
        &["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"],
        "/nowhere.pem",
    );
    assert_refused(&["--tls-client-ca", "/nowhere.pem"], "--tls-cert");
    assert_refused(&["--redirect-http", ":8080"], "--tls-self-signed");
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
fn what_it_cannot_have_is_one_line_and_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    assert_refused(&["--addr", &place], "in use");
    // 192.0.2.0/24 is for documentation (RFC 5737): nobody has it.
    assert_refused(&["--addr", "192.0.2.1:8000"], "no such address");
    assert_refused(
        &["--addr", "unix:/no/such/directory/a.sock"],
        "/no/such/directory/a.sock",
    );
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

#[test]
fn metrics_are_served_at_a_place_of_their_own() {
    let mut server = Server::start(&["--addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"]);
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
    let place = line
        .strip_prefix("metrics are at http://")
        .and_then(|rest| rest.strip_suffix("/metrics\n"))
        .unwrap_or_else(|| panic!("the second line is {line:?}"));
    for path in ["/health", "/health", "/nowhere"] {
        server.ask(&format!("GET {path} HTTP/1.1"), b"");
    }
    let mut stream = TcpStream::connect(place).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status(), "200");
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(answer.content).unwrap();
    for line in [
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/health\",http_response_status_code=\"200\"} 2",
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"unmatched\",http_response_status_code=\"404\"} 1",
        "http_server_active_requests{http_request_method=\"GET\"} 0",
        "wireline_requests_total 3",
        "# TYPE http_server_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    // What serves the requests has no such route.
    let answer = server.ask("GET /metrics HTTP/1.1", b"");
    assert_eq!(answer.status(), "404");
    server.stop();
}

/// Whoever rotates logs renames the file and sends SIGHUP.
#[test]
fn the_access_log_is_opened_again_on_sighup() {
    let file = std::env::temp_dir().join(format!("wireline-rotated-{}.log", std::process::id()));
    let renamed = file.with_extension("log.1");
    let path = file.to_str().unwrap();
    let server = Server::start(&["--addr", "127.0.0.1:0", "--access-log", path]);
    server.ask("GET /before HTTP/1.1", b"");
    let written = |file: &std::path::Path, what: &str| {
        let until = Instant::now() + Duration::from_secs(10);
        while !std::fs::read_to_string(file).is_ok_and(|lines| lines.contains(what)) {
            assert!(
                Instant::now() < until,
                "{what} is not in {}",
                file.display()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    written(&file, "/before");
    std::fs::rename(&file, &renamed).unwrap();
    server.signal("-HUP");
    // The signal is on its way for a moment.
    std::thread::sleep(Duration::from_millis(300));
    server.ask("GET /after HTTP/1.1", b"");
    written(&file, "/after");
    let before = std::fs::read_to_string(&renamed).unwrap();
    assert!(
        before.contains("/before") && !before.contains("/after"),
        "{before}"
    );
    server.stop();
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&renamed).unwrap();
}

#[test]
fn logs_go_to_stderr_and_the_access_log_to_its_file() {
    let file = std::env::temp_dir().join(format!("wireline-access-{}.log", std::process::id()));
    let path = file.to_str().unwrap();
    let args = [
        "--addr",
        "127.0.0.1:0",
        "--log",
        "json",
        "--access-log",
        path,
    ];
    let server = Server::start(&[&args[..], &["--access-log-format", "json"]].concat());
    let answer = server.ask("GET /health?token=secret HTTP/1.1", b"");
    let id = answer.field("x-request-id").unwrap().to_owned();
    server.signal("-INT");
    let (status, _, complained) = server.end_within(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{complained}");
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(
        lines.contains("\"path\":\"/health\"") && lines.contains(&id),
        "{lines}"
    );
    assert!(!lines.contains("secret") && !complained.contains("secret"));
    assert_refused(
        &[
            "--addr",
            "127.0.0.1:0",
            "--access-log",
            "/nonexistent/access.log",
        ],
        "/nonexistent/access.log",
    );
}
