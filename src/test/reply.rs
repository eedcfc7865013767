//! What came back: a response as a client reads it, whole or as it comes.

use crate::service::headers::Headers;
use crate::test::wire::{Exchange, Piece};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use std::io;

/// A response that came whole.
///
/// ```
/// use wireline::Router;
/// use wireline::test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = TestClient::new(Router::new().get("/", async || "hello").build().unwrap());
/// let response = client.get("/").await;
/// assert_eq!(response.status, 200);
/// assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
/// assert_eq!((response.text(), response.bytes().len()), ("hello", 5));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TestResponse {
    /// The status of the final response.
    pub status: StatusCode,
    /// Its header section.
    pub headers: Headers,
    /// Its trailer section; empty when there was none.
    pub trailers: Headers,
    /// The statuses of the interim responses before it.
    pub interim: Vec<StatusCode>,
    content: Bytes,
}

impl TestResponse {
    /// The first value of a field, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content.
    pub const fn bytes(&self) -> &Bytes {
        &self.content
    }

    /// The content as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.content) {
            Ok(text) => text,
            Err(error) => panic!("the content is no text: {error}"),
        }
    }
}

/// A response whose head has come; its content is read as it comes. Dropping it ends the connection, or the stream
/// of HTTP/2, as a client that goes away does.
///
/// What the request still has to send goes out while the response is read.
///
/// ```
/// use wireline::test::TestClient;
/// use wireline::{Body, Response, Router};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let forever = async || Response::new(Body::from_chunks(std::iter::repeat("tick;".into())));
/// let client = TestClient::new(Router::new().get("/", forever).build().unwrap());
///
/// let mut response = client.get("/").stream().await.unwrap();
/// assert_eq!(response.status, 200);
/// let first = response.chunk().await.unwrap().unwrap();
/// assert!(first.starts_with(b"tick;"));
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TestStream {
    /// The status of the final response.
    pub status: StatusCode,
    /// Its header section.
    pub headers: Headers,
    /// The statuses of the interim responses before it.
    pub interim: Vec<StatusCode>,
    exchange: Exchange,
    /// The trailer section, once everything has come.
    trailers: Option<Headers>,
    /// What was read of the next event.
    pub(super) pending: BytesMut,
}

impl TestStream {
    pub(super) async fn begin(mut exchange: Exchange) -> io::Result<Self> {
        let head = exchange.head().await?;
        Ok(Self {
            status: head.status,
            headers: head.headers,
            interim: head.interim,
            exchange,
            trailers: None,
            pending: BytesMut::new(),
        })
    }

    /// The first value of a field, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Waits for the next piece of content, cut as the wire happens to cut it; `None` at the end.
    ///
    /// Cancel safe: a piece is either returned or still there.
    ///
    /// # Errors
    ///
    /// When the connection, or the stream, ends before the response does.
    pub async fn chunk(&mut self) -> Option<io::Result<Bytes>> {
        if !self.pending.is_empty() {
            return Some(Ok(self.pending.split().freeze()));
        }
        self.more().await
    }

    /// The next piece of content that was not read yet.
    pub(super) async fn more(&mut self) -> Option<io::Result<Bytes>> {
        if self.trailers.is_some() {
            return None;
        }
        match self.exchange.piece().await {
            Ok(Piece::Data(data)) => Some(Ok(data)),
            Ok(Piece::End(trailers)) => {
                self.trailers = Some(trailers);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The trailer section, once [`chunk`](Self::chunk) has said that everything came.
    pub const fn trailers(&self) -> Option<&Headers> {
        self.trailers.as_ref()
    }

    /// Waits for the rest.
    ///
    /// Dropping the future drops what has come, and the connection.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn collect(mut self) -> io::Result<TestResponse> {
        let mut content = BytesMut::new();
        while let Some(data) = self.chunk().await {
            content.extend_from_slice(&data?);
        }
        Ok(TestResponse {
            status: self.status,
            headers: self.headers,
            trailers: self.trailers.unwrap_or_default(),
            interim: self.interim,
            content: content.freeze(),
        })
    }
}
