//! The other end of a body: who makes its chunks.

use super::BodyError;
use crate::service::feed::Feed;
use crate::service::headers::Headers;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Waker;

/// Feeds the body that [`Body::channel`](super::Body::channel) made. Dropping it ends the body well, unless the thread is
/// panicking: then the peer sees the body cut short.
///
/// ```
/// use wireline::{Body, Response};
///
/// async fn countdown() -> Response {
///     let (mut sender, body) = Body::channel();
///     tokio::spawn(async move {
///         for number in (0..10).rev() {
///             // It waits for the client; when that has gone nobody wants the rest.
///             if sender.send(format!("{number}\n").into()).await.is_err() {
///                 return;
///             }
///         }
///     });
///     Response::new(body)
/// }
/// ```
#[derive(Debug)]
pub struct BodySender {
    pub(super) feed: Option<Arc<Feed>>,
}

impl BodySender {
    /// Waits for room, then hands a chunk over.
    ///
    /// Cancel safe: a cancelled call has handed over nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] when nobody takes the body any more: the client is gone.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), Closed> {
        let feed = self.feed.as_ref().ok_or(Closed)?;
        poll_fn(|cx| feed.poll_room(cx))
            .await
            .map_err(|()| Closed)?;
        if !chunk.is_empty() {
            feed.push(chunk, Waker::noop());
        }
        Ok(())
    }

    /// Waits until nobody takes the body any more.
    ///
    /// Cancel safe.
    pub async fn closed(&mut self) {
        if let Some(feed) = &self.feed {
            poll_fn(|cx| feed.poll_abandoned(cx)).await;
        }
    }

    /// Ends the body with a trailer section. Fields that frame, route, authorize or describe a message have no place
    /// in one and are left out ([`may_trail`](crate::wire::fields::may_trail)).
    pub fn finish_with(mut self, trailers: Headers) {
        if let Some(feed) = self.feed.take() {
            feed.end(Ok(Some(trailers)));
        }
    }

    /// Ends the body badly: the peer sees it cut short.
    pub fn abort(mut self) {
        if let Some(feed) = self.feed.take() {
            feed.end(Err(BodyError::Aborted));
        }
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.end(if std::thread::panicking() {
                Err(BodyError::Aborted)
            } else {
                Ok(None)
            });
        }
    }
}

/// Nobody takes the body any more.
///
/// ```
/// use wireline::Body;
/// use wireline::service::body::Closed;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut sender, body) = Body::channel();
/// // The client goes away.
/// drop(body);
/// assert_eq!(sender.send("too late".into()).await, Err(Closed));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is no longer taken")
    }
}

impl std::error::Error for Closed {}
