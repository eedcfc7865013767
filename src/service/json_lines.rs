//! One JSON value on each line.

#[cfg(feature = "stream")]
mod stream;

use crate::service::body::{Body, BodyError};
use crate::service::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http_body::Frame;
use serde::Serialize;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response of any length whose lines are JSON values (`application/x-ndjson`).
///
/// The values are made as the client takes them: from an iterator, or, with the feature `stream`, from a stream. A value
/// that cannot be written ends the response early, and the client sees it cut short.
///
/// ```
/// use wireline::service::json_lines::JsonLines;
///
/// async fn squares() -> JsonLines {
///     JsonLines::new((1..=1_000_000u64).map(|number| number * number))
/// }
/// # let _ = wireline::Router::new().get("/squares", squares).build().unwrap();
/// ```
pub struct JsonLines(Body);

impl JsonLines {
    /// The values of an iterator, which must not block.
    pub fn new<I>(values: I) -> Self
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Serialize>,
    {
        Self(Body::from_http_body(Lines(Box::new(values.into_iter()))))
    }
}

impl IntoResponse for JsonLines {
    fn into_response(self) -> Response {
        Response::typed(LINES, self.0)
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonLines")
    }
}

struct Lines<I>(Box<I>);

impl<I: Iterator<Item: Serialize>> http_body::Body for Lines<I> {
    type Data = Bytes;
    type Error = BodyError;

    /// Lines are sent in pieces of a few KiB.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some(value) = self.0.next()
        {
            if let Err(error) = push_line(&mut piece, &value) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.into()))))
    }
}

fn push_line(piece: &mut Vec<u8>, value: &impl Serialize) -> Result<(), BodyError> {
    serde_json::to_writer(&mut *piece, value)
        .map_err(|error| BodyError::Foreign(Box::new(error)))?;
    piece.push(b'\n');
    Ok(())
}

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// With this much a piece goes out.
const PIECE: usize = 8 * 1024;
