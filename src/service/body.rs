//! Content: none, all at once, or a stream with backpressure.

mod collected;
mod error;
mod foreign;
mod reader;
mod sender;
#[cfg(feature = "stream")]
mod stream;

pub use self::error::BodyError;
pub use self::sender::{BodySender, Closed};

use self::collected::Collected;
use self::foreign::{Chunks, Foreign};
use crate::service::feed::{Fed, Feed, FeedReader};
use crate::service::headers::Headers;
use crate::service::short::Short;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The content of a request or a response.
///
/// A small request body is already here when the handler runs; a large one is read from the socket as
/// the handler takes it. It implements [`http_body::Body`].
///
/// ```
/// use wireline::service::body::Body;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (mut sender, body) = Body::channel();
/// tokio::spawn(async move {
///     let _ = sender.send("streamed ".into()).await;
///     let _ = sender.send("content".into()).await;
/// });
/// assert_eq!(body.collect().await.unwrap(), "streamed content");
/// # });
/// ```
#[derive(Default)]
pub struct Body {
    kind: Kind,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Short(Short),
    Feed(FeedReader, Option<u64>),
    Foreign(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
    /// Made of the content that comes through a feed.
    Over(
        Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>,
        Option<Arc<Feed>>,
    ),
}

impl Body {
    /// No content.
    pub const fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// All content at once.
    #[inline]
    pub fn full(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            kind: if content.is_empty() {
                Kind::Empty
            } else {
                Kind::Full(content)
            },
        }
    }

    /// A stream that another task feeds. There is room for one chunk: [`BodySender::send`] waits until
    /// the peer has taken the one before.
    pub fn channel() -> (BodySender, Self) {
        let (feed, body) = Self::fed(None);
        (BodySender { feed: Some(feed) }, body)
    }

    /// A stream of chunks that are made when they are sent: no task, no channel.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use wireline::service::body::Body;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let body = Body::from_chunks((1..4).map(|number| Bytes::from(format!("{number};"))));
    /// assert_eq!(body.collect().await.unwrap(), "1;2;3;");
    /// # });
    /// ```
    pub fn from_chunks(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self {
            kind: Kind::Foreign(Box::pin(Chunks(Box::new(chunks)))),
        }
    }

    /// A stream with whoever holds the feed as its producer.
    pub(crate) fn fed(length: Option<u64>) -> (Arc<Feed>, Self) {
        let feed = Arc::new(Feed::default());
        (
            feed.clone(),
            Self {
                kind: Kind::Feed(FeedReader(feed), length),
            },
        )
    }

    /// Content that cannot be read.
    pub(crate) fn failed(error: BodyError) -> Self {
        let (feed, body) = Self::fed(None);
        feed.end(Err(error));
        body
    }

    /// What a layer makes of other content while it is taken. Whoever collects it is charged as a reader of `feed` is,
    /// which is that of the [other content](Self::feed).
    #[allow(
        dead_code,
        reason = "only decompression makes them, and it is optional"
    )]
    pub(crate) fn over(
        body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
        feed: Option<Arc<Feed>>,
    ) -> Self {
        Self {
            kind: Kind::Over(Box::pin(body), feed),
        }
    }

    /// What the content comes through, if it comes from a connection.
    #[allow(dead_code, reason = "only decompression asks, and it is optional")]
    pub(crate) fn feed(&self) -> Option<Arc<Feed>> {
        match &self.kind {
            Kind::Feed(reader, _) => Some(reader.0.clone()),
            Kind::Over(_, feed) => feed.clone(),
            _ => None,
        }
    }

    /// A body of another crate. Its errors end the response early; the peer sees it cut short.
    pub fn from_http_body<B>(body: B) -> Self
    where
        B: http_body::Body + Send + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self {
            kind: Kind::Foreign(Box::pin(Foreign(Box::pin(body)))),
        }
    }

    /// Whether there is no content, known without waiting.
    pub fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    /// The content, when it is here already.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Empty => Some(&[]),
            Kind::Full(content) => Some(content),
            Kind::Short(content) => Some(content.as_slice()),
            _ => None,
        }
    }

    /// The content as what it is kept in, when that can be shared.
    #[inline]
    pub(crate) const fn as_full(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Full(content) => Some(content),
            _ => None,
        }
    }

    /// The exact length, when it is known.
    #[inline]
    pub fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::Empty => Some(0),
            Kind::Full(content) => Some(content.len() as u64),
            Kind::Short(content) => Some(content.as_slice().len() as u64),
            Kind::Feed(_, length) => *length,
            Kind::Foreign(body) | Kind::Over(body, _) => body.size_hint().exact(),
        }
    }

    /// Takes the content out when it is here already.
    #[inline]
    pub(crate) fn take_full(&mut self) -> Option<Bytes> {
        match &mut self.kind {
            Kind::Empty => Some(Bytes::new()),
            Kind::Full(content) => {
                let content = std::mem::take(content);
                self.kind = Kind::Empty;
                Some(content)
            }
            Kind::Short(content) => {
                let content = content.to_bytes();
                self.kind = Kind::Empty;
                Some(content)
            }
            _ => None,
        }
    }

    /// The next piece. `None` is the end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Fed, BodyError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(_) | Kind::Short(_) => {
                let content = self.take_full().unwrap_or_default();
                Poll::Ready(Some(Ok(Fed::Chunk(content))))
            }
            Kind::Feed(reader, _) => reader.0.poll_take(cx),
            Kind::Foreign(body) | Kind::Over(body, _) => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                Poll::Ready(frame.and_then(|frame| {
                    match frame.map(Frame::into_data) {
                        Ok(Ok(data)) => Some(Ok(Fed::Chunk(data))),
                        Ok(Err(frame)) => frame
                            .into_trailers()
                            .ok()
                            .map(|trailers| Ok(Fed::Trailers(trailers.into()))),
                        Err(error) => Some(Err(error)),
                    }
                }))
            }
        }
    }

    /// Waits for the next chunk; `None` at the end. Trailers are passed over.
    ///
    /// Cancel safe: a chunk is either returned or still there.
    ///
    /// # Errors
    ///
    /// What went wrong on the wire; nothing follows it.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match poll_fn(|cx| self.poll_piece(cx)).await? {
                Ok(Fed::Chunk(chunk)) => return Some(Ok(chunk)),
                Ok(Fed::Trailers(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Waits for all content. The server's body limit bounds it.
    ///
    /// Giving it up drops the body, with what has come of it.
    ///
    /// # Errors
    ///
    /// What went wrong on the wire, for one [`BodyError::TooLarge`].
    pub async fn collect(self) -> Result<Bytes, BodyError> {
        Ok(self.collect_with_trailers().await?.0)
    }

    /// Waits for all content and the trailer section.
    ///
    /// Giving it up drops the body, with what has come of it.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    pub async fn collect_with_trailers(mut self) -> Result<(Bytes, Option<Headers>), BodyError> {
        if let Some(content) = self.take_full() {
            return Ok((content, None));
        }
        let (mut content, mut trailers) = (Collected::default(), None);
        while let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await {
            match piece {
                Ok(Fed::Chunk(chunk)) => content.push(chunk, self.len()),
                Ok(Fed::Trailers(section)) => trailers = Some(section),
                Err(error) => {
                    self.keep(0);
                    return Err(error);
                }
            }
            self.keep(content.held());
        }
        let content = content.into_bytes();
        self.keep(content.len());
        Ok((content, trailers))
    }

    /// Tells the connection how many octets are kept of its content, so that it is charged for them.
    pub(crate) fn keep(&self, octets: usize) {
        match &self.kind {
            Kind::Feed(reader, _) => reader.0.set_collected(octets),
            Kind::Over(_, Some(feed)) => feed.set_collected(octets),
            _ => {}
        }
    }

    /// The content as a stream of chunks, unless all of it is here already.
    ///
    /// # Errors
    ///
    /// The content, when all of it is here.
    pub fn into_stream(self) -> Result<BodyStream, Bytes> {
        let mut body = self;
        match body.take_full() {
            Some(content) => Err(content),
            None => Ok(BodyStream { body }),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Empty => f.write_str("Body::Empty"),
            Kind::Full(_) | Kind::Short(_) => {
                let content = self.as_bytes().unwrap_or_default();
                write!(f, "Body::Full({} octets)", content.len())
            }
            Kind::Feed(..) | Kind::Foreign(_) | Kind::Over(..) => f.write_str("Body::Stream"),
        }
    }
}

macro_rules! full_from {
    ($($source:ty),*) => {$(
        impl From<$source> for Body {
            #[inline]
            fn from(content: $source) -> Self {
                Self::full(content)
            }
        }
    )*};
}

full_from!(Bytes, &'static str, &'static [u8]);

impl From<Short> for Body {
    #[inline]
    fn from(content: Short) -> Self {
        Self {
            kind: Kind::Short(content),
        }
    }
}

/// A short one is copied, which costs less than to share what it was allocated with.
impl From<Vec<u8>> for Body {
    #[inline]
    fn from(content: Vec<u8>) -> Self {
        Short::new(&content).map_or_else(|| Self::full(content), Self::from)
    }
}

impl From<String> for Body {
    #[inline]
    fn from(content: String) -> Self {
        Self::from(content.into_bytes())
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = ready!(self.poll_piece(cx));
        Poll::Ready(piece.map(|piece| {
            piece.map(|piece| match piece {
                Fed::Chunk(data) => Frame::data(data),
                Fed::Trailers(trailers) => Frame::trailers(trailers.into()),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Short(_) => false,
            Kind::Feed(reader, _) => reader.0.is_ended(),
            Kind::Foreign(body) | Kind::Over(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Foreign(body) | Kind::Over(body, _) => body.size_hint(),
            _ => self
                .len()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// Chunks of a body, as they come.
///
/// ```
/// use wireline::service::body::BodyStream;
/// use wireline::test::TestClient;
/// use wireline::{Error, Router};
///
/// async fn count(mut content: BodyStream) -> Result<String, Error> {
///     let mut octets = 0;
///     while let Some(chunk) = content.recv().await {
///         octets += chunk?.len();
///     }
///     Ok(format!("{octets} octets"))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().post("/", count).build().unwrap());
/// assert_eq!(client.post("/").body("abc").await.text(), "3 octets");
/// # });
/// ```
#[derive(Debug)]
pub struct BodyStream {
    body: Body,
}

impl From<Body> for BodyStream {
    fn from(body: Body) -> Self {
        Self { body }
    }
}

impl BodyStream {
    /// Waits for the next chunk; `None` at the end.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Body::chunk`].
    pub async fn recv(&mut self) -> Option<Result<Bytes, BodyError>> {
        self.body.chunk().await
    }
}
