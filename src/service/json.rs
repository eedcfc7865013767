//! JSON in and out of requests and responses.

use crate::service::body::Body;
use crate::service::error::{Error, Result};
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use crate::service::short::Short;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::io;

impl Response {
    /// 200 with `value` as JSON.
    ///
    /// # Errors
    ///
    /// When `value` cannot be serialised (a map with keys that are no strings, for one); with `?` it
    /// becomes a 500.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let mut writer = Writer::default();
        serde_json::to_writer(&mut writer, value).map_err(Error::internal)?;
        Ok(Self::typed(JSON, writer.into_body()))
    }
}

impl Request {
    /// Waits for all content and reads it as JSON, whatever its content type says.
    ///
    /// Not cancel safe: given up, what has come of the content is gone, and the rest with it.
    ///
    /// # Errors
    ///
    /// As [`Body::collect`]; and 400 when the content is not the JSON that `T` expects.
    pub async fn body_json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let content = self.collect().await?;
        Ok(serde_json::from_slice(&content)?)
    }
}

/// JSON that a client sent and that is not what was expected is the client's fault.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("invalid JSON: {error}")).with_source(error)
    }
}

impl IntoResponse for serde_json::Error {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

impl IntoResponse for serde_json::Value {
    fn into_response(self) -> Response {
        Response::json(&self).into_response()
    }
}

/// Where content is written that may turn out short. What is longer goes on in a buffer that the thread
/// keeps, so that a small value costs one allocation of its exact size, and a very small one none.
#[derive(Default)]
struct Writer {
    short: Short,
    /// Everything, once it is not short any more.
    long: Vec<u8>,
}

impl Writer {
    fn spill(&mut self, more: &[u8]) {
        if self.long.is_empty() {
            self.long = SCRATCH.take();
            self.long.extend_from_slice(self.short.fill());
        }
        self.long.extend_from_slice(more);
    }

    #[inline]
    fn into_body(self) -> Body {
        let Self { short, mut long } = self;
        if long.is_empty() {
            return Body::from(short);
        }
        if long.len() > COPIED {
            return Body::full(long);
        }
        let body = Body::full(Bytes::copy_from_slice(&long));
        long.clear();
        SCRATCH.set(long);
        body
    }
}

impl io::Write for Writer {
    #[inline]
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.write_all(more)?;
        Ok(more.len())
    }

    #[inline]
    fn write_all(&mut self, more: &[u8]) -> io::Result<()> {
        if !self.short.push(more) {
            self.spill(more);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// From here on copying costs more than the allocation that it saves.
const COPIED: usize = 16 * 1024;
