//! Content from streams, and content as one.

use crate::service::body::{Body, BodyError, BodyStream, Kind};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Body {
    /// What a stream gives, up to its end.
    ///
    /// It is asked for a chunk when the peer has taken the one before, so that one chunk is held at a time, however slowly a
    /// client reads. An error ends the response early, and the peer sees it cut short. The stream is dropped with the
    /// response, so also when the client goes away.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    /// use futures_core::Stream;
    /// use wireline::service::body::Body;
    ///
    /// struct Countdown(u8);
    ///
    /// impl Stream for Countdown {
    ///     type Item = Result<String, Infallible>;
    ///
    ///     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
    ///         self.0 -= 1;
    ///         Poll::Ready((self.0 > 0).then(|| Ok(format!("{} ", self.0))))
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// assert_eq!(Body::from_stream(Countdown(4)).collect().await.unwrap(), "3 2 1 ");
    /// # });
    /// ```
    pub fn from_stream<S, C, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<C, E>> + Send + 'static,
        C: Into<Bytes>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self {
            kind: Kind::Foreign(Box::pin(Streamed {
                stream: Box::pin(stream),
                ended: false,
            })),
        }
    }
}

struct Streamed<S> {
    stream: Pin<Box<S>>,
    ended: bool,
}

impl<S, C, E> http_body::Body for Streamed<S>
where
    S: Stream<Item = Result<C, E>>,
    C: Into<Bytes>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.stream.as_mut().poll_next(cx).map(|item| match item {
            Some(Ok(chunk)) => Some(Ok(Frame::data(chunk.into()))),
            Some(Err(error)) => {
                self.ended = true;
                // An error of a request's content that is passed on keeps its status.
                let error = error.into().downcast();
                Some(Err(error.map_or_else(BodyError::Foreign, |own| *own)))
            }
            None => {
                self.ended = true;
                None
            }
        })
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = http_body::Body::poll_frame(Pin::new(&mut self.body), cx);
        frame.map(|frame| match frame? {
            // Nothing comes behind trailers.
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(error)),
        })
    }
}
