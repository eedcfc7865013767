//! RESILIENCE R15: what comes an octet at a time costs in proportion to its length, never to its square.
//!
//! Nothing is timed. The transport hands out one octet for each read, and overwrites with NUL, which no part of
//! a message may hold, what it handed out before: whoever looked at an octet twice would refuse the message.
//! Content may not stay in the buffer at all, and what stays there may not be copied for each read.

use bytes::{BufMut, BytesMut};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use wireline::http1::driver::config::Config;
use wireline::resource::io::{Io, Transport};
use wireline::service::error::Error;
use wireline::service::handler::service_fn;
use wireline::service::request::Request;
use wireline::test::TestClient;

/// A message, and from when on each of its octets may be overwritten.
#[derive(Clone, Default)]
struct Message {
    octets: Vec<u8>,
    /// For each octet how many must have been given, those after it among them; `None` for never.
    spoil: Vec<Option<usize>>,
    /// The target, which is judged once more as a whole when it has ended: until then it reads NUL.
    veil: Range<usize>,
    /// From here on it is content and its framing, of which nothing waits.
    content: Option<usize>,
}

impl Message {
    /// Octets that are looked at once more when they are taken together: field names that decide, line ends.
    fn kept(mut self, text: &str) -> Self {
        self.octets.extend_from_slice(text.as_bytes());
        self.spoil.resize(self.octets.len(), None);
        self
    }

    /// Octets that nobody looks at again once `later` more have come. The last two may be half a line end.
    fn spoiled(mut self, text: &str, later: usize) -> Self {
        for octet in text.bytes() {
            self.octets.push(octet);
            self.spoil.push(Some(self.octets.len() + later.max(2)));
        }
        self
    }

    fn target(mut self, text: &str) -> Self {
        self.veil = self.octets.len()..self.octets.len() + text.len();
        // What follows it is ` HTTP/1.1` and the line end.
        self.spoiled(text, text.len() + 11)
    }

    fn content(mut self, text: &str) -> Self {
        self.content = Some(self.octets.len());
        self.kept(text)
    }
}

/// What the transport saw.
#[derive(Debug, Default)]
struct Seen {
    answer: Vec<u8>,
    reads: usize,
    spoiled: usize,
    /// How often the buffer stood elsewhere than at the read before, with octets in it.
    moves: usize,
    /// The most octets that waited in the buffer when content was read.
    content_held: usize,
}

struct Dribble {
    message: Message,
    given: usize,
    /// The octets before this one have been spoiled where they may be.
    spoiled: usize,
    place: usize,
    seen: Arc<Mutex<Seen>>,
}

impl Dribble {
    /// Covers the target while it comes, and gives it back before its end does.
    fn veil(&self, buf: &mut BytesMut) {
        let veil = &self.message.veil;
        if veil.contains(&self.given) && self.given > veil.start + 2 {
            buf[self.given - 3] = 0;
        }
        if self.given == veil.end && !veil.is_empty() {
            assert_eq!(buf.len(), self.given, "a head waits until it is whole");
            assert_eq!(buf[veil.start], 0);
            buf[veil.clone()].copy_from_slice(&self.message.octets[veil.clone()]);
        }
    }

    /// Overwrites what has been looked at.
    fn spoil(&mut self, buf: &mut BytesMut, seen: &mut Seen) {
        let first = self.given - buf.len();
        while self.spoiled < self.given {
            match self.message.spoil[self.spoiled] {
                Some(from) if from > self.given => break,
                Some(_) if self.spoiled >= first => {
                    buf[self.spoiled - first] = 0;
                    seen.spoiled += 1;
                }
                _ => {}
            }
            self.spoiled += 1;
        }
    }
}

impl Transport for Dribble {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.given < self.message.octets.len() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Some(octet) = self.message.octets.get(self.given) else {
            return Poll::Pending;
        };
        let octet = *octet;
        let seen = self.seen.clone();
        let mut seen = seen.lock().unwrap();
        seen.reads += 1;
        seen.moves += usize::from(!buf.is_empty() && buf.as_ptr().addr() != self.place);
        if self.message.content.is_some_and(|from| self.given > from) {
            seen.content_held = seen.content_held.max(buf.len());
        }
        self.veil(buf);
        self.spoil(buf, &mut seen);
        assert!(buf.capacity() > buf.len(), "the caller reserves");
        buf.put_u8(octet);
        self.given += 1;
        self.place = buf.as_ptr().addr();
        Poll::Ready(Ok(1))
    }

    fn poll_writev(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut seen = self.seen.lock().unwrap();
        bufs.iter()
            .for_each(|buf| seen.answer.extend_from_slice(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Serves the message, each octet in a read of its own.
#[track_caller]
fn is_looked_at_once(message: Message, answer: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let dribble = Dribble {
        message: message.clone(),
        given: 0,
        spoiled: 0,
        place: 0,
        seen: seen.clone(),
    };
    runtime.block_on(async {
        let mut config = Config::default();
        config.limits.request_line = 24 * 1024;
        config.limits.header_section = 36 * 1024;
        config.limits.header_fields = 4000;
        config.limits.trailer_section = 36 * 1024;
        config.limits.trailer_fields = 4000;
        config.limits.chunk_extensions = usize::MAX;
        config.limits.chunk_overhead = u64::MAX;
        let length = service_fn(async |mut request: Request| -> Result<String, Error> {
            Ok(request.collect().await?.len().to_string())
        });
        let client = TestClient::with_config(length, config);
        client.serve(Io::Dyn(Box::new(dribble))).await.unwrap();
    });
    let seen = seen.lock().unwrap();
    let text = String::from_utf8_lossy(&seen.answer);
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.ends_with(&format!("\r\n\r\n{answer}")),
        "{text}"
    );
    assert_eq!(seen.reads, message.octets.len());
    let all = message.spoil.iter().flatten().count();
    assert_eq!(seen.spoiled, all, "the test spoils what it says");
    // 16 KiB twice and twice again: growth by doubling, not by the octet.
    assert!(seen.moves <= 4, "the buffer moved {} times", seen.moves);
    assert!(
        seen.content_held <= 8,
        "{} octets of content waited",
        seen.content_held
    );
}

fn get() -> Message {
    Message::default().kept("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
}

fn post(framing: &str) -> Message {
    Message::default().kept(&format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n"
    ))
}

#[test]
fn a_long_target() {
    let message = Message::default()
        .kept("GET /")
        .target(&"x".repeat(23 * 1024))
        .kept(" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
        .spoiled("X: ", 0)
        .spoiled(&"y".repeat(30 * 1024), 0);
    is_looked_at_once(message.kept("\r\n\r\n"), "0");
}

#[test]
fn one_long_field() {
    let message = get().spoiled(&format!("X: {}", "x".repeat(32 * 1024)), 0);
    is_looked_at_once(message.kept("\r\n\r\n"), "0");
}

#[test]
fn one_long_field_name() {
    let message = get().spoiled(&"X".repeat(32 * 1024), 0).kept(": x");
    is_looked_at_once(message.kept("\r\n\r\n"), "0");
}

#[test]
fn many_fields() {
    let message = (0..2000).fold(get(), |message, _| {
        message.spoiled("Accept: text/*", 0).kept("\r\n")
    });
    is_looked_at_once(message.kept("\r\n"), "0");
}

#[test]
fn content_of_a_known_length() {
    let message = post("Content-Length: 100000").content(&"x".repeat(100_000));
    is_looked_at_once(message, "100000");
}

#[test]
fn chunks_of_one_octet() {
    let message = post("Transfer-Encoding: chunked").content(&"1\r\nx\r\n".repeat(10_000));
    is_looked_at_once(message.kept("0\r\n\r\n"), "10000");
}

#[test]
fn chunk_extensions() {
    let chunk = format!("1;{}\r\nx\r\n", "x".repeat(250));
    let message = post("Transfer-Encoding: chunked").content(&chunk.repeat(200));
    is_looked_at_once(message.kept("0\r\n\r\n"), "200");
}

#[test]
fn trailers() {
    let message = (0..2000).fold(
        post("Transfer-Encoding: chunked").kept("1\r\nx\r\n0\r\n"),
        |message, _| message.spoiled("Accept: text/*", 0).kept("\r\n"),
    );
    is_looked_at_once(message.kept("\r\n"), "1");
    let message = post("Transfer-Encoding: chunked")
        .kept("0\r\n")
        .spoiled(&format!("X: {}", "x".repeat(32 * 1024)), 0);
    is_looked_at_once(message.kept("\r\n\r\n"), "0");
}
