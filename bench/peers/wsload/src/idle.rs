//! Connections that only wait.

use std::io::{Read, Write};

use crate::connect::{connect, handshake};
use crate::speak::Speaks;
use crate::{die, or_die};

/// Opens `count` connections, upgraded on `path` or, without one, with one `GET /` answered, and holds them until standard input ends. With
/// `deflate` each has had one compressed message sent back.
pub fn run(port: u16, count: usize, path: Option<String>, deflate: bool) {
    let mut held = Vec::with_capacity(count);
    let mut answer = [0; 4096];
    for at in 0..count {
        if let Some(path) = &path {
            let mut stream = handshake(port, path, at, deflate).0;
            if deflate {
                or_die(stream.write_all(HELLO), "a compressed message");
                or_die(stream.read_exact(&mut answer[..7]), "its echo");
            }
            held.push(stream);
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

/// Opens `count` connections that subscribe to one topic, or `each` of them to so many, and holds them until standard input ends.
pub fn subscribed(port: u16, count: usize, each: usize, speaks: &Speaks) {
    let held: Vec<_> = (0..count)
        .map(|at| {
            let (mut stream, walk) = speaks.subscribe(port, at, None, false);
            for further in 1..each {
                speaks.subscribe_further(&mut stream, further);
            }
            (stream, walk)
        })
        .collect();
    println!("READY {}", held.len());
    let _ = std::io::stdin().read(&mut [0]);
}

/// `Hello`, compressed (RFC 7692 section 7.2.3.1), masked with zeros. Its echo has seven octets at the least.
const HELLO: &[u8] = b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0";
