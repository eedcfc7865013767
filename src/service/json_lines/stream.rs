//! Lines from streams.

use crate::service::body::{Body, BodyError};
use crate::service::json_lines::{JsonLines, PIECE, push_line};
use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use std::pin::Pin;
use std::task::{Context, Poll};

impl JsonLines {
    /// The values of a stream. Each goes out when it is there: those that are there at once, together.
    pub fn from_stream<S>(values: S) -> Self
    where
        S: Stream<Item: Serialize> + Send + 'static,
    {
        Self(Body::from_stream(Lines {
            values: Box::pin(values),
            ended: false,
        }))
    }
}

struct Lines<S> {
    values: Pin<Box<S>>,
    ended: bool,
}

impl<S: Stream<Item: Serialize>> Stream for Lines<S> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE && !self.ended {
            match self.values.as_mut().poll_next(cx) {
                Poll::Ready(Some(value)) => {
                    if let Err(error) = push_line(&mut piece, &value) {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Poll::Ready(None) => self.ended = true,
                // The waker is kept; what is here goes out first.
                Poll::Pending if piece.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(piece.into())))
    }
}
