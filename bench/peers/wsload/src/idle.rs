//! Connections that only wait.

use std::io::{Read, Write};

use crate::connect::{connect, handshake};
use crate::{die, or_die};

/// Opens `count` connections, upgraded on `path` or, without one, with one `GET /` answered, and holds them until standard input ends.
pub fn run(port: u16, count: usize, path: Option<String>) {
    let mut held = Vec::with_capacity(count);
    let mut answer = [0; 4096];
    for at in 0..count {
        if let Some(path) = &path {
            held.push(handshake(port, path, at).0);
            continue;
        }
        let mut stream = connect(port, at);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: wsload\r\nAccept: */*\r\n\r\n"
        );
        or_die(stream.write_all(request.as_bytes()), "GET /");
        let length = or_die(stream.read(&mut answer), "GET /");
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            die(&format!("idle: connection {at} got no 200"));
        }
        held.push(stream);
    }
    println!("READY {}", held.len());
    let _ = std::io::stdin().read(&mut answer);
}
