//! A blocking client on a real socket, which reads responses as RFC 9112 §6.3 tells a client to.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One connection; whatever was read beyond a response stays for the next.
pub(crate) struct Socket {
    stream: Box<dyn Stream>,
    buf: Vec<u8>,
}

/// What a client needs of a socket.
pub(crate) trait Stream: Read + Write + Send {
    fn fin(&self);
}

impl Stream for TcpStream {
    fn fin(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn fin(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// A response as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the header section, with the empty line.
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
    /// The trailer section, without the empty line.
    pub(crate) trailers: String,
    /// Whether the end of the content was the end of the stream.
    pub(crate) to_the_end: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.split("\r\n").skip(1).filter_map(move |line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }

    /// Whether the connection persists after it.
    pub(crate) fn persists(&self) -> bool {
        self.field("connection") == Some("keep-alive")
    }
}

impl Socket {
    /// Connects; every wait on it ends with an error after ten seconds.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buf: Vec::new(),
        }
    }

    /// Sends octets; a server that has closed does not matter here, because what comes back tells.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(octets.as_ref());
        self
    }

    /// Sends a request without content and reads its response.
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .reply()
    }

    /// Sends a request with these further field lines, each with its CRLF, and this content; reads its response.
    pub(crate) fn request(&mut self, line: &str, fields: &str, content: &str) -> Reply {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{content}");
        let is_head = line.starts_with("HEAD ");
        self.send(head).reply_to(is_head)
    }

    /// Closes our side.
    pub(crate) fn fin(&mut self) -> &mut Self {
        self.stream.fin();
        self
    }

    /// Reads the next response, interim ones too.
    pub(crate) fn reply(&mut self) -> Reply {
        self.reply_to(false)
    }

    /// As [`reply`](Self::reply); to HEAD no content follows.
    pub(crate) fn reply_to(&mut self, is_head: bool) -> Reply {
        let head = self.line_by_line_until_empty();
        let status = head.strip_prefix("HTTP/1.1 ").map(|rest| &rest[..3]);
        let status = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
        let status = status
            .bytes()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        let mut reply = Reply {
            status,
            head,
            content: Vec::new(),
            trailers: String::new(),
            to_the_end: false,
        };
        if is_head || status < 200 || status == 204 || status == 304 {
            return reply;
        }
        if reply.field("transfer-encoding") == Some("chunked") {
            assert_eq!(reply.field("content-length"), None);
            loop {
                let size = self.line();
                let size = size.bytes().fold(0, |size, digit| {
                    let digit = wireline::wire::number::hex_digit(digit).expect("a hex digit");
                    size * 16 + usize::from(digit)
                });
                if size == 0 {
                    break;
                }
                let chunk = self.take(size);
                reply.content.extend_from_slice(&chunk);
                assert_eq!(self.line(), "");
            }
            reply.trailers = self.line_by_line_until_empty();
            let len = reply.trailers.len() - 2;
            reply.trailers.truncate(len);
        } else if let Some(length) = reply.field("content-length") {
            let length = length
                .bytes()
                .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
            reply.content = self.take(length);
        } else {
            reply.content = self.rest();
            reply.to_the_end = true;
        }
        reply
    }

    /// Everything until the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.buf)
    }

    /// Fails unless the server closes the connection without another octet.
    #[track_caller]
    pub(crate) fn assert_end(&mut self) {
        let rest = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "", "more came");
    }

    /// Whether nothing comes for a moment.
    pub(crate) fn is_quiet(&mut self, stream: &TcpStream) -> bool {
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let before = self.buf.len();
        let mut chunk = [0; 1024];
        let quiet = match self.stream.read(&mut chunk) {
            Ok(len) => {
                self.buf.extend_from_slice(&chunk[..len]);
                false
            }
            Err(_) => self.buf.len() == before,
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        quiet && before == 0
    }

    /// Reads and forgets whatever has come; gives how much.
    pub(crate) fn read_some(&mut self) -> usize {
        assert!(!self.buf.is_empty() || self.more(), "the stream ended");
        let len = self.buf.len();
        self.buf.clear();
        len
    }

    fn line_by_line_until_empty(&mut self) -> String {
        let mut lines = String::new();
        loop {
            let line = self.line();
            lines.push_str(&line);
            lines.push_str("\r\n");
            if line.is_empty() {
                return lines;
            }
        }
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buf.windows(2).position(|window| window == b"\r\n") {
                let line = String::from_utf8(self.buf.drain(..end).collect()).unwrap();
                self.buf.drain(..2);
                return line;
            }
            assert!(
                self.more(),
                "the stream ends inside a line: {:?}",
                String::from_utf8_lossy(&self.buf)
            );
        }
    }

    /// The next octets.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        while self.buf.len() < len {
            assert!(
                self.more(),
                "the stream ends {} octets too early",
                len - self.buf.len()
            );
        }
        self.buf.drain(..len).collect()
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(len) => {
                self.buf.extend_from_slice(&chunk[..len]);
                true
            }
            // A reset ends the stream as well; what was read before it counts.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

/// How long a server may take for anything that these tests wait for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
