//! The client's side of a WebSocket, frame by frame, over the in-memory transport.

#![allow(dead_code, reason = "each test file uses its part")]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::resource::io::Io;
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::test::TestClient;

/// A client that does what it is told.
pub(crate) struct Peer {
    pub(crate) io: MemoryStream,
}

impl Peer {
    /// Asks for `path` with `fields` beside those that a handshake needs; gives the answer's head, and its
    /// content if it is no 101.
    pub(crate) async fn ask(client: &TestClient, path: &str, fields: &str) -> (Self, String) {
        Self::ask_over(client.connect(), path, fields).await
    }

    async fn ask_over(mut io: MemoryStream, path: &str, fields: &str) -> (Self, String) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        io.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await.unwrap());
        }
        (Self { io }, String::from_utf8(head).unwrap())
    }

    pub(crate) async fn open(client: &TestClient, path: &str) -> Self {
        let (peer, head) = Self::ask(client, path, "").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    /// Over a transport that holds no more than `capacity` octets each way.
    pub(crate) async fn open_narrow(client: &TestClient, path: &str, capacity: usize) -> Self {
        let (io, server) = memory::pair(capacity);
        drop(client.serve(Io::Dyn(Box::new(server))));
        Self::open_over(io, path).await
    }

    /// Over a transport whose other end is served.
    pub(crate) async fn open_over(io: MemoryStream, path: &str) -> Self {
        let (peer, head) = Self::ask_over(io, path, "").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    /// A frame, masked with zeros.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.io.write_all(&masked(first, payload)).await.unwrap();
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes()).await;
    }

    /// The next frame: its first octet and its payload.
    pub(crate) async fn next(&mut self) -> (u8, Vec<u8>) {
        let first = self.io.read_u8().await.unwrap();
        let len = match self.io.read_u8().await.unwrap() {
            126 => u64::from(self.io.read_u16().await.unwrap()),
            127 => self.io.read_u64().await.unwrap(),
            len => u64::from(len),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.io.read_exact(&mut payload).await.unwrap();
        (first, payload)
    }

    /// The next frame, which is text.
    pub(crate) async fn text(&mut self) -> String {
        let (first, payload) = self.next().await;
        assert_eq!(first, 0x81, "{}", payload.escape_ascii());
        String::from_utf8(payload).unwrap()
    }

    /// The next frame, which is a Close: its code and reason.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        let (first, payload) = self.next().await;
        assert_eq!(first, 0x88, "{}", payload.escape_ascii());
        let (code, reason) = payload.split_at(2);
        let reason = String::from_utf8(reason.to_vec()).unwrap();
        (u16::from_be_bytes([code[0], code[1]]), reason)
    }
}

/// A frame of a client, masked with zeros.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..126), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
