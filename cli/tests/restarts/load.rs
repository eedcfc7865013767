//! Clients that count: nothing of what they ask for may be refused, reset or cut short.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What all clients have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers over HTTP/1.1 and HTTP/2, and uploads whose length was told rightly.
    pub(crate) http1: AtomicU64,
    pub(crate) http2: AtomicU64,
    pub(crate) uploads: AtomicU64,
    /// WebSockets that were closed with 1012.
    pub(crate) restarted: AtomicU64,
    /// Connections that were opened.
    pub(crate) connections: AtomicU64,
    /// Whatever must not be, the first of it in words.
    pub(crate) refused: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) faults: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Seen {
    /// Every client ends with what it is doing.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn requests(&self) -> u64 {
        [&self.http1, &self.http2, &self.uploads]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn fault(&self, what: &str, error: impl std::fmt::Display) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < 20 {
            faults.push(format!("{what}: {error}"));
        }
    }

    async fn connect(&self, addr: SocketAddr) -> Option<TcpStream> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        match timeout(PATIENCE, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Some(stream);
            }
            Ok(Err(error)) => self.fault("connecting", error),
            Err(_) => self.fault("connecting", "no answer"),
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        // One fault is told, and not a thousand of them a second.
        tokio::time::sleep(Duration::from_millis(100)).await;
        None
    }
}

/// `GET /health` again and again, on one connection for as long as the server keeps it.
pub(crate) async fn http1(addr: SocketAddr, seen: Arc<Seen>) {
    const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n";
    while !seen.is_over() {
        let Some(mut stream) = seen.connect(addr).await else {
            continue;
        };
        loop {
            let answer = timeout(PATIENCE, async {
                stream.write_all(REQUEST).await?;
                answer(&mut stream).await
            });
            match answer
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            {
                Ok(head) if head.starts_with("http/1.1 200 ") => {
                    seen.http1.fetch_add(1, Ordering::Relaxed);
                    if head.contains("\r\nconnection: close\r\n") || seen.is_over() {
                        break;
                    }
                }
                Ok(head) => {
                    seen.fault("HTTP/1.1", head.lines().next().unwrap_or_default());
                    break;
                }
                Err(error) => {
                    seen.fault("HTTP/1.1", error);
                    break;
                }
            }
            // Others have a turn, and connections are idle at times.
            tokio::task::yield_now().await;
        }
    }
}

/// `POST /upload` of 256 KiB in eight parts, which takes a while.
pub(crate) async fn upload(addr: SocketAddr, seen: Arc<Seen>) {
    const PART: usize = 32 * 1024;
    let part = vec![b'x'; PART];
    while !seen.is_over() {
        let Some(mut stream) = seen.connect(addr).await else {
            continue;
        };
        let answered = timeout(PATIENCE, async {
            let head = format!(
                "POST /upload HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                8 * PART
            );
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..8 {
                stream.write_all(&part).await?;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        });
        match answered
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        {
            Ok(answer) if answer.ends_with(&format!("{{\"received\":{}}}", 8 * PART)) => {
                seen.uploads.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => seen.fault("upload", format!("{answer:?}")),
            Err(error) => seen.fault("upload", error),
        }
    }
}

/// `GET /health` over HTTP/2, four at a time.
pub(crate) async fn http2(addr: SocketAddr, seen: Arc<Seen>) {
    while !seen.is_over() {
        let Some(stream) = seen.connect(addr).await else {
            continue;
        };
        let (sender, connection) = match h2::client::handshake(stream).await {
            Ok(opened) => opened,
            Err(error) => {
                seen.fault("HTTP/2", error);
                continue;
            }
        };
        // It is driven beside the requests, and its end is told by them.
        let driven = tokio::spawn(connection);
        let mut streams = tokio::task::JoinSet::new();
        for _ in 0..4 {
            streams.spawn(http2_stream(sender.clone(), seen.clone()));
        }
        drop(sender);
        while streams.join_next().await.is_some() {}
        if timeout(PATIENCE, driven).await.is_err() {
            seen.fault("HTTP/2", "the connection does not end");
        }
    }
}

/// Request after request, until the server says that there are to be no more.
async fn http2_stream(mut sender: h2::client::SendRequest<bytes::Bytes>, seen: Arc<Seen>) {
    while !seen.is_over() {
        // GOAWAY: nothing was sent yet.
        let Ok(ready) = sender.ready().await else {
            return;
        };
        sender = ready;
        let request = http::Request::get("http://test/health").body(()).unwrap();
        let Ok((response, _)) = sender.send_request(request, true) else {
            return;
        };
        let answered = timeout(PATIENCE, async {
            let response = response.await?;
            let status = response.status();
            let mut body = response.into_body();
            while let Some(part) = body.data().await {
                let _ = body.flow_control().release_capacity(part?.len());
            }
            Ok::<_, h2::Error>(status)
        });
        match answered.await {
            Ok(Ok(status)) if status == 200 => {
                seen.http2.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Ok(status)) => seen.fault("HTTP/2", status),
            Ok(Err(error)) => return seen.fault("HTTP/2", error),
            Err(_) => return seen.fault("HTTP/2", "no answer"),
        }
    }
}

/// A WebSocket at a time, which the server closes when it is to go.
pub(crate) async fn websocket(addr: SocketAddr, seen: Arc<Seen>) {
    const OPEN: &[u8] =
        b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    while !seen.is_over() {
        let Some(mut stream) = seen.connect(addr).await else {
            continue;
        };
        let opened = timeout(PATIENCE, async {
            stream.write_all(OPEN).await?;
            head(&mut stream).await
        });
        match opened
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        {
            Ok(head) if head.starts_with("http/1.1 101 ") => {}
            Ok(head) => {
                seen.fault("WebSocket", head.lines().next().unwrap_or_default());
                continue;
            }
            Err(error) => {
                seen.fault("WebSocket", error);
                continue;
            }
        }
        match close_code(&mut stream, &seen).await {
            Ok(Some(1012)) => {
                seen.restarted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some(code)) => seen.fault("WebSocket", format!("closed with {code}")),
            // The test is over.
            Ok(None) => return,
            Err(error) => seen.fault("WebSocket", error),
        }
    }
}

/// Reads frames up to a Close, which is answered. `None` when the test is over.
async fn close_code(stream: &mut TcpStream, seen: &Seen) -> io::Result<Option<u16>> {
    loop {
        let mut head = [0; 2];
        let mut first = pin!(stream.read_exact(&mut head));
        let mut look = tokio::time::interval(Duration::from_millis(100));
        let is_there = poll_fn(|cx| {
            if let Poll::Ready(read) = first.as_mut().poll(cx) {
                return Poll::Ready(read.map(|_| true));
            }
            while look.poll_tick(cx).is_ready() {
                if seen.is_over() {
                    return Poll::Ready(Ok(false));
                }
            }
            Poll::Pending
        });
        if !is_there.await? {
            return Ok(None);
        }
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        if payload.len() == 126 {
            let mut length = [0; 2];
            stream.read_exact(&mut length).await?;
            payload.resize(usize::from(u16::from_be_bytes(length)), 0);
        }
        stream.read_exact(&mut payload).await?;
        let (opcode, len) = (head[0] & 0x0f, payload.len() as u8);
        if opcode == 8 || opcode == 9 {
            // The same with a masking key of zeros, as a pong or a Close.
            let mut reply = vec![
                0x80 | if opcode == 9 { 10 } else { 8 },
                0x80 | len,
                0,
                0,
                0,
                0,
            ];
            reply.extend_from_slice(&payload);
            stream.write_all(&reply).await?;
        }
        if opcode == 8 {
            let code = payload
                .first_chunk()
                .map_or(1005, |code| u16::from_be_bytes(*code));
            return Ok(Some(code));
        }
    }
}

/// A head in lower case, with the content read behind it.
async fn answer(stream: &mut TcpStream) -> io::Result<String> {
    let head = head(stream).await?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok(head)
}

async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // Not further than the head: an octet at a time is slow where it matters least.
        let mut peeked = [0; 512];
        let len = stream.peek(&mut peeked).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let known = head.len();
        head.extend_from_slice(&peeked[..len]);
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        let len = end.map_or(len, |end| end + 4 - known);
        head.truncate(known + len);
        stream.read_exact(&mut peeked[..len]).await?;
    }
    Ok(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

/// What nothing here takes longer than.
const PATIENCE: Duration = Duration::from_secs(20);
