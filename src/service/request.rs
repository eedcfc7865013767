//! Requests.

mod charge;
mod conversion;
mod id;
mod original;
mod parts;
mod query;

pub(crate) use self::charge::Charge;
#[cfg(feature = "app")]
pub(crate) use self::id::ForeignId;
pub(crate) use self::original::Original;
pub use self::parts::Parts;

use crate::service::body::{Body, BodyError, BodyStream};
use bytes::Bytes;

/// A request: its [`Parts`] and its [`Body`].
///
/// ```
/// use wireline::service::request::Request;
///
/// let request = Request::get("/users/7?full=yes");
/// assert_eq!((request.path(), request.query()), ("/users/7", Some("full=yes")));
/// ```
#[derive(Debug, Default)]
pub struct Request {
    parts: Parts,
    body: Body,
}

impl Request {
    /// A request from its two halves.
    #[inline]
    pub const fn from_parts(parts: Parts, body: Body) -> Self {
        Self { parts, body }
    }

    /// A GET request for `uri`, for tests and for calling a service in process. A `uri` that is none
    /// becomes `/`.
    pub fn get(uri: &str) -> Self {
        let mut request = Self::default();
        request.parts.set_uri(uri.try_into().unwrap_or_default());
        request
    }

    /// Splits the request.
    #[inline]
    pub fn into_parts(self) -> (Parts, Body) {
        (self.parts, self.body)
    }

    /// Everything but the body.
    #[inline]
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Everything but the body.
    #[inline]
    pub const fn parts_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// The body.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The body.
    pub const fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Takes the body out, leaving an empty one.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.body)
    }

    /// Waits for all content. A second call gives nothing, nor does one after this was given up.
    ///
    /// # Errors
    ///
    /// As [`Body::collect`].
    pub async fn collect(&mut self) -> Result<Bytes, BodyError> {
        self.take_body().collect().await
    }

    /// The content as a stream, or `None` when it is here already: bodies up to the stream threshold
    /// (64 KiB by default) are read before the handler runs.
    pub fn body_stream(&mut self) -> Option<BodyStream> {
        match self.take_body().into_stream() {
            Ok(stream) => Some(stream),
            Err(content) => {
                self.body = Body::full(content);
                None
            }
        }
    }

    /// Waits for all content and gives it as text. The content stays in the request, unless this is given up.
    ///
    /// # Errors
    ///
    /// As [`Body::collect`]; and 400 when the content is not UTF-8.
    pub async fn body_str(&mut self) -> Result<&str, BodyError> {
        let content = self.collect().await?;
        self.body = Body::full(content);
        std::str::from_utf8(self.body.as_bytes().unwrap_or_default()).map_err(|_| {
            BodyError::Malformed(http::StatusCode::BAD_REQUEST, "the content is not UTF-8")
        })
    }
}

/// The accessors of [`Parts`], for convenience.
impl std::ops::Deref for Request {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl std::ops::DerefMut for Request {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }
}
