//! A response whose content comes piece by piece.

use crate::http1::client::driver::error::RequestError;
use crate::http1::client::driver::headers;
use crate::http1::client::driver::idle::{Idle, Origin};
use crate::http1::client::{ResponseEvent, ResponseHead, ResponseReader};
use crate::resource::io::{Io, Transport};
use crate::service::headers::Headers;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Sleep, sleep};

/// A response: its head, and its content as it comes. Dropping it before the end of the content drops the connection.
///
/// ```no_run
/// # async fn run(mut response: wireline::http1::client::driver::Response) -> Result<(), Box<dyn std::error::Error>> {
/// println!("{} {:?}", response.status(), response.headers().get("content-type"));
/// while let Some(chunk) = response.chunk().await? {
///     println!("{} octets", chunk.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Response {
    head: ResponseHead,
    /// `None` once the content has ended.
    exchange: Option<Exchange>,
}

impl Response {
    pub(super) const fn new(exchange: Exchange, head: ResponseHead) -> Self {
        Self {
            head,
            exchange: Some(exchange),
        }
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.head.status()
    }

    /// The header section.
    pub fn headers(&self) -> Headers {
        headers(&self.head)
    }

    /// Waits for the next piece of content; `None` at its end, again and again.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: the content is not whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The same for whoever polls.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, RequestError>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(Ok(None));
        };
        let event = ready!(exchange.poll_event(cx));
        if let Ok(Some(ResponseEvent::Data(data))) = event {
            return Poll::Ready(Ok(Some(data)));
        }
        // The end, or a failure: either way there is nothing more.
        if let Some(exchange) = self.exchange.take() {
            exchange.keep();
        }
        Poll::Ready(event.map(|_| None))
    }

    /// The whole content, at most so many octets.
    ///
    /// Giving it up drops what has come of the content; what follows can still be read.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk); [`RequestError::TooLong`].
    pub async fn content(&mut self, most: usize) -> Result<Bytes, RequestError> {
        let mut content = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if content.len() + chunk.len() > most {
                return Err(RequestError::TooLong);
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A connection while it carries a request and its response.
pub(super) struct Exchange {
    io: Io,
    buf: BytesMut,
    reader: ResponseReader,
    has_received: bool,
    silence: Duration,
    /// Until when the server may be silent.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Where the connection goes afterwards.
    keep: Option<(Arc<Idle>, Origin)>,
}

impl Exchange {
    pub(super) fn new(
        io: Io,
        reader: ResponseReader,
        silence: Duration,
        keep: Option<(Arc<Idle>, Origin)>,
    ) -> Self {
        Self {
            io,
            buf: BytesMut::new(),
            reader,
            has_received: false,
            silence,
            deadline: None,
            keep,
        }
    }

    pub(super) async fn write(&mut self, head: &[u8], content: &[u8]) -> io::Result<()> {
        if content.len() <= TOGETHER {
            self.io.write_all(&[head, content].concat()).await?;
        } else {
            self.io.write_all(head).await?;
            self.io.write_all(content).await?;
        }
        self.io.flush().await
    }

    /// Waits for the head; who calls this has a deadline.
    pub(super) async fn head(&mut self) -> Result<ResponseHead, RequestError> {
        loop {
            match self.reader.receive(&mut self.buf)? {
                Some(ResponseEvent::Head(head)) => return Ok(head),
                // It begins with a head.
                Some(_) => {}
                None => {
                    if poll_fn(|cx| self.poll_more(cx)).await? == 0 {
                        return Err(RequestError::Io(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }

    /// Whether anything of a response came.
    pub(super) const fn has_received(&self) -> bool {
        self.has_received
    }

    /// The next event; `None` behind the last one.
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<ResponseEvent>, RequestError>> {
        loop {
            if let Some(event) = self.reader.receive(&mut self.buf)? {
                return Poll::Ready(Ok(Some(event)));
            }
            if self.reader.is_done() {
                return Poll::Ready(Ok(None));
            }
            match self.poll_more(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(self.reader.close()?)),
                Poll::Ready(Ok(_)) => self.deadline = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    let silence = self.silence;
                    let deadline = self
                        .deadline
                        .get_or_insert_with(|| Box::pin(sleep(silence)));
                    ready!(deadline.as_mut().poll(cx));
                    return Poll::Ready(Err(RequestError::Silence));
                }
            }
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buf.reserve(ROOM);
        let read = ready!(Transport::poll_read(&mut self.io, cx, &mut self.buf))?;
        self.has_received |= read > 0;
        Poll::Ready(Ok(read))
    }

    /// Keeps the connection for another request, where the response allows it (RFC 9112 §9.3).
    fn keep(self) {
        if let Some((idle, origin)) = self.keep
            && self.reader.is_persistent()
            && self.buf.is_empty()
        {
            idle.put(origin, self.io);
        }
    }
}

/// Content that is written in one with its head.
const TOGETHER: usize = 16 * 1024;

/// What is read at once.
const ROOM: usize = 4 * 1024;
