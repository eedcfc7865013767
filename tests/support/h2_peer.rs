//! The client's side of HTTP/2, frame by frame, over the in-memory transport; and the `h2` crate's client over the same.

#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::resource::io::memory::MemoryStream;
use wireline::test::TestClient;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const SETTINGS_TIMEOUT: u32 = 4;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A client that does what it is told.
pub(crate) struct Peer {
    pub(crate) io: MemoryStream,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Its first four octets, or its last ones, as a number.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of a response's HEADERS, where it stands in HPACK's static table (RFC 7541 A).
    pub(crate) fn status(&self) -> u16 {
        // A change of the table's size may stand before it.
        let first = *self.payload.iter().find(|octet| **octet >= 0x80).unwrap();
        match first {
            0x88 => 200,
            0x89 => 204,
            0x8a => 206,
            0x8b => 304,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            _ => 0,
        }
    }
}

impl Peer {
    /// A connection on which nothing was said.
    pub(crate) fn silent(client: &TestClient) -> Self {
        Self {
            io: client.connect_http2(),
        }
    }

    /// A connection whose settings are exchanged.
    pub(crate) async fn open(client: &TestClient) -> Self {
        Self::open_with(client, &[]).await
    }

    /// The same, with settings of the client's.
    pub(crate) async fn open_with(client: &TestClient, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self::silent(client);
        peer.send(PREFACE).await;
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        peer.frame(SETTINGS, 0, 0, &payload).await;
        peer.frame(SETTINGS, ACK, 0, &[]).await;
        loop {
            let frame = peer.next().await.expect("settings are acknowledged");
            if (frame.kind, frame.flags) == (SETTINGS, ACK) {
                return peer;
            }
        }
    }

    /// Sends octets; a server that has closed does not matter here.
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        let _ = self.io.write_all(octets).await;
    }

    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(&frame(kind, flags, stream, payload)).await;
    }

    /// A GET without content.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))
            .await;
    }

    /// A request with content to come.
    pub(crate) async fn post(&mut self, stream: u32, path: &str, fields: &[(&str, &str)]) {
        let mut section = request("POST", path);
        for (name, value) in fields {
            section.extend(field(name, value));
        }
        self.frame(HEADERS, END_HEADERS, stream, &section).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32) {
        self.frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
            .await;
    }

    pub(crate) async fn window(&mut self, stream: u32, more: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
            .await;
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.io.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of this kind; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            match self.next().await {
                Some(frame) if frame.kind == kind => return frame,
                Some(frame) => assert_ne!(frame.kind, GOAWAY, "{frame:?} before {kind}"),
                None => panic!("the end, before a frame of kind {kind}"),
            }
        }
    }

    /// Reads to the end; gives the code of the last GOAWAY.
    pub(crate) async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }

    /// Whether the connection still answers a PING, and nothing else comes before.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.frame(PING, 0, 0, b"aliveyet").await;
        loop {
            match self.next().await {
                Some(frame) if frame.kind == PING && frame.payload == b"aliveyet" => return true,
                Some(frame) if frame.kind == GOAWAY => return false,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as HPACK's literal that is never indexed nor compressed (RFC 7541 §6.2.3).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut octets = vec![0x10];
    for text in [name, value] {
        match text.len() {
            len @ 0..127 => octets.push(u8::try_from(len).unwrap()),
            mut len => {
                octets.push(127);
                len -= 127;
                while len >= 128 {
                    octets.push(u8::try_from(len % 128 + 128).unwrap());
                    len /= 128;
                }
                octets.push(u8::try_from(len).unwrap());
            }
        }
        octets.extend(text.as_bytes());
    }
    octets
}

/// The pseudo-header fields of a request.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "a"),
        field(":path", path),
    ]
    .concat()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path)
}

/// What came of a request of the `h2` crate's client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }
}

/// A client of the `h2` crate.
pub(crate) async fn connect(client: &TestClient) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}

/// Sends a request with its content and reads the response.
pub(crate) async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<Bytes>,
) -> Result<Reply, h2::Error> {
    let (head, content) = request.into_parts();
    let ends = content.is_empty();
    let mut ready = sender.clone().ready().await?;
    let (response, mut send) = ready.send_request(Request::from_parts(head, ()), ends)?;
    if !ends {
        // A server may answer before everything was sent: its answer is what counts.
        let _ = send.send_data(content, true);
    }
    read(response.await?).await
}

/// Reads a response to its end.
pub(crate) async fn read(response: http::Response<h2::RecvStream>) -> Result<Reply, h2::Error> {
    let (head, mut body) = response.into_parts();
    let mut content = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        content.extend_from_slice(&piece);
    }
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        content: content.into(),
        trailers: body.trailers().await?,
    })
}

/// A request at `http://a`.
pub(crate) fn to(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://a{path}"))
}
