//! Server-sent events as a client reads them (WHATWG HTML §9.2).

use crate::test::reply::TestStream;
use std::io;

/// One event of a stream, or a block of comments.
///
/// ```
/// use wireline::Router;
/// use wireline::sse::{Event, Sse};
/// use wireline::test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let news = async || {
///     let (events, sse) = Sse::channel();
///     let _ = events.send(Event::data("hello")).await;
///     sse
/// };
/// let client = TestClient::new(Router::new().get("/news", news).build().unwrap());
/// let mut stream = client.get("/news").stream().await.unwrap();
/// let event = stream.event().await.unwrap().unwrap();
/// assert_eq!((event.event.as_str(), event.data.as_deref()), ("message", Some("hello")));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestEvent {
    /// The type; `message` when the stream names none.
    pub event: String,
    /// The lines of data, joined by `\n`; `None` when the block has none, and a browser would not tell the page.
    pub data: Option<String>,
    /// The id that the block sets.
    pub id: Option<String>,
    /// The milliseconds after which a browser comes back, when the block says so.
    pub retry: Option<u64>,
    /// Comments, joined by `\n`: what keeps a connection alive.
    pub comment: Option<String>,
}

impl TestStream {
    /// Waits for the next block of an event stream: an event, or comments alone. `None` at the end; what no empty line
    /// ends is no event.
    ///
    /// ```
    /// use wireline::test::TestClient;
    /// use wireline::{Body, Response, Router};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let events = async || {
    ///     let text = ": hello\n\nevent: tick\ndata: one\ndata: two\nid: 1\n\n";
    ///     Response::new(Body::full(text)).with_header("content-type", "text/event-stream")
    /// };
    /// let client = TestClient::new(Router::new().get("/events", events).build().unwrap());
    ///
    /// let mut stream = client.get("/events").stream().await.unwrap();
    /// assert_eq!(stream.event().await.unwrap().unwrap().comment.as_deref(), Some("hello"));
    /// let tick = stream.event().await.unwrap().unwrap();
    /// assert_eq!((tick.event.as_str(), tick.data.as_deref()), ("tick", Some("one\ntwo")));
    /// assert!(stream.event().await.is_none());
    /// # });
    /// ```
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk); and when a block is no UTF-8.
    pub async fn event(&mut self) -> Option<io::Result<TestEvent>> {
        loop {
            if let Some(end) = block_end(&self.pending) {
                let block = self.pending.split_to(end);
                return Some(match std::str::from_utf8(&block) {
                    Ok(text) => Ok(parse(text)),
                    Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                });
            }
            match self.more().await? {
                Ok(data) => self.pending.extend_from_slice(&data),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Where the empty line that ends the first block ends. Lines end in LF or CRLF; a CR alone ends none here.
fn block_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(length) = text[from..].iter().position(|octet| *octet == b'\n') {
        let is_empty = matches!(&text[from..from + length], [] | [b'\r']);
        from += length + 1;
        if is_empty {
            return Some(from);
        }
    }
    None
}

fn parse(block: &str) -> TestEvent {
    let mut event = TestEvent {
        event: "message".to_owned(),
        ..TestEvent::default()
    };
    let join = |place: &mut Option<String>, line: &str| match place {
        Some(text) => {
            text.push('\n');
            text.push_str(line);
        }
        None => *place = Some(line.to_owned()),
    };
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => join(&mut event.comment, value),
            "data" => join(&mut event.data, value),
            "event" => value.clone_into(&mut event.event),
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = crate::wire::number::decimal(value.as_bytes()),
            _ => {}
        }
    }
    event
}
