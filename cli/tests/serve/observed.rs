//! What an operator sees: metrics, logs, the access log.

use crate::server::{Answer, Server, assert_refused};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn metrics_are_served_at_a_place_of_their_own() {
    let mut server = Server::start(&["--addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"]);
    let line = server.line();
    let place = line
        .strip_prefix("metrics are at http://")
        .and_then(|rest| rest.strip_suffix("/metrics\n"))
        .unwrap_or_else(|| panic!("the second line is {line:?}"));
    for path in ["/health", "/health", "/nowhere"] {
        server.ask(&format!("GET {path} HTTP/1.1"), b"");
    }
    let mut stream = TcpStream::connect(place).unwrap();
    let answer = Answer::to(&mut stream, "GET /metrics HTTP/1.1", b"");
    assert_eq!(answer.status(), "200");
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(answer.content).unwrap();
    for line in [
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",url_scheme=\"http\",http_route=\"/health\",http_response_status_code=\"200\"} 2",
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",url_scheme=\"http\",http_route=\"unmatched\",http_response_status_code=\"404\"} 1",
        "http_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"} 0",
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
