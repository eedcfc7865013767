//! The load of `ws-load` against the bench server: what it prints is what has happened.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

/// A server at a free port, for as long as this is.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bench-server"))
            .args(["--addr", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line.trim_end().strip_prefix("listening on ").unwrap();
        let url = format!("ws://{addr}/ws");
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(url: &str, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-load"));
    command.arg(url).args(options).output().unwrap()
}

/// Compressed and not, short and long; the messages do not divide by the connections.
#[test]
fn what_is_counted_has_come_back() {
    let server = Server::start();
    for (messages, options) in [
        (3001, &["--connections", "8"][..]),
        (101, &["--connections", "3", "--size", "70000"]),
        (501, &["--connections", "4", "--size", "2000", "--deflate"]),
    ] {
        let count = messages.to_string();
        let output = load(&server.url, &[&["--messages", &count], options].concat());
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{options:?}: {complaint}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["count"], messages, "{told}");
        let seconds = told["seconds"].as_f64().unwrap();
        assert!((0.001..60.0).contains(&seconds), "{told}");
        let each = told["client_cpu_us"].as_f64().unwrap();
        // It had one core for that long, and no message is for nothing.
        assert!(each > 0.1, "{told}");
        let used = each * f64::from(messages) / 1e6;
        assert!(used <= seconds * 1.1 + 0.1, "{used} s in {told}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let server = Server::start();
    let nowhere = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ws://{}/ws", free.local_addr().unwrap())
    };
    let no_socket = server.url.replace("/ws", "/plaintext");
    for url in [&nowhere, &no_socket, "http://127.0.0.1/"] {
        let output = load(url, &["--messages", "1", "--connections", "1"]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{url}: {complaint}");
        assert!(
            complaint.starts_with("ws-load: connection 0: "),
            "{complaint}"
        );
        assert!(output.stdout.is_empty());
    }
}
