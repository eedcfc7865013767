//! Connections and the opening handshake, blocking.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use memchr::memmem;
use socket2::{Domain, Socket, Type};

use crate::{die, or_die};

/// Connection number `at` to 127.0.0.1:`port`, with ten seconds for each read.
///
/// Its source address changes with the port and with every 5,000 connections, so that neither a run of 20,000 nor the closed connections of an
/// earlier run use up the ephemeral ports.
pub fn connect(port: u16, at: usize) -> TcpStream {
    connect_with(port, at, None)
}

/// The same, with a receive buffer of so many octets.
fn connect_with(port: u16, at: usize, receive: Option<usize>) -> TcpStream {
    let connected = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let source = Ipv4Addr::new(127, 0, (port % 250) as u8 + 1, (2 + at / 5000) as u8);
        socket.set_reuse_address(true)?;
        if let Some(octets) = receive {
            socket.set_recv_buffer_size(octets)?;
        }
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok::<_, std::io::Error>(socket.into())
    };
    or_die(connected(), &format!("connection {at}"))
}

/// Connects, upgrades, and returns the stream with what followed the answer's head. With `deflate` permessage-deflate is offered and has to be
/// taken.
pub fn handshake(port: u16, path: &str, at: usize, deflate: bool) -> (TcpStream, Vec<u8>) {
    upgrade(port, path, at, deflate, None)
}

/// The same, with a receive buffer of so many octets.
pub fn upgrade(
    port: u16,
    path: &str,
    at: usize,
    deflate: bool,
    receive: Option<usize>,
) -> (TcpStream, Vec<u8>) {
    let mut stream = connect_with(port, at, receive);
    let offer = if deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    } else {
        ""
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    or_die(stream.write_all(request.as_bytes()), "handshake");
    let mut answer = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let length = or_die(stream.read(&mut piece), "handshake");
        if length == 0 {
            die("handshake: the server closed the connection");
        }
        answer.extend_from_slice(&piece[..length]);
        if let Some(end) = memmem::find(&answer, b"\r\n\r\n") {
            if !answer.starts_with(b"HTTP/1.1 101") {
                die("handshake: not 101");
            }
            if memmem::find(&answer[..end], b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_none() {
                die("handshake: wrong Sec-WebSocket-Accept");
            }
            if deflate && memmem::find(&answer[..end], b"permessage-deflate").is_none() {
                die("handshake: permessage-deflate was not taken");
            }
            let rest = answer.split_off(end + 4);
            return (stream, rest);
        }
    }
}
