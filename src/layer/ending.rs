//! When and how the content of a response ends, for whoever counts and logs.

use crate::service::body::{Body, BodyError};
use crate::service::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How the content of a response ended.
pub(super) struct Ended {
    /// Octets of content that were handed to the connection.
    pub(super) octets: u64,
    /// Whether that was all of it.
    pub(super) whole: bool,
}

/// Calls `hook` once when the connection has taken all content of the response, or gives up on it.
///
/// Short content is written together with the head, and so is its end: wrapping it would cost more than it tells.
pub(super) fn on_end<F>(response: &mut Response, is_head: bool, hook: F)
where
    F: FnOnce(Ended) + Send + 'static,
{
    let status = response.status();
    let without = is_head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let here = response.body().as_bytes().map(<[u8]>::len);
    if without || here.is_some_and(|length| length <= SHORT) {
        let octets = if without { 0 } else { here.unwrap_or_default() };
        let octets = octets as u64;
        return hook(Ended {
            octets,
            whole: true,
        });
    }
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = Body::from_http_body(Watched {
        length: body.len(),
        body,
        octets: 0,
        ended: false,
        hook: Some(hook),
    });
}

/// A body that tells of its end.
struct Watched<F: FnOnce(Ended)> {
    body: Body,
    length: Option<u64>,
    octets: u64,
    /// Whether the last of it was taken.
    ended: bool,
    hook: Option<F>,
}

impl<F: FnOnce(Ended)> Watched<F> {
    fn tell(&mut self) {
        if let Some(hook) = self.hook.take() {
            hook(Ended {
                octets: self.octets,
                // Whoever knows the length need not ask for more.
                whole: self.ended || self.length == Some(self.octets),
            });
        }
    }
}

/// Nothing in it is pinned: what runs is in a box of the body's.
impl<F: FnOnce(Ended)> Unpin for Watched<F> {}

impl<F: FnOnce(Ended) + Send> http_body::Body for Watched<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let me = &mut *self;
        let frame = ready!(Pin::new(&mut me.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let taken = frame.data_ref().map_or(0, Bytes::len);
                me.octets += taken as u64;
                // Nothing comes behind trailers, and nobody asks for it.
                if frame.is_trailers() {
                    me.ended = true;
                    me.tell();
                }
            }
            Some(Err(_)) => me.tell(),
            None => {
                me.ended = true;
                me.tell();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce(Ended)> Drop for Watched<F> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// What is written at once.
const SHORT: usize = 64 * 1024;
