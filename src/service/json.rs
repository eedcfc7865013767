//! JSON in and out of requests and responses.

use crate::service::body::Body;
use crate::service::error::{Error, Result};
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;

impl Response {
    /// 200 with `value` as JSON.
    ///
    /// # Errors
    ///
    /// When `value` cannot be serialised (a map with keys that are no strings, for one); with `?` it
    /// becomes a 500.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        // Written into a buffer that stays, so that a small value costs one allocation of its exact size.
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            serde_json::to_writer(&mut *scratch, value).map_err(Error::internal)?;
            let content = if scratch.len() > COPIED {
                Bytes::from(std::mem::take(scratch))
            } else {
                Bytes::copy_from_slice(scratch)
            };
            Ok(Self::typed(JSON, Body::full(content)))
        })
    }
}

impl Request {
    /// Waits for all content and reads it as JSON, whatever its content type says.
    ///
    /// # Errors
    ///
    /// As [`Body::collect`]; and 400 when the content is not the JSON that `T` expects.
    pub async fn body_json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let content = self.collect().await?;
        Ok(serde_json::from_slice(&content)?)
    }
}

/// JSON that a client sent and that is not what was expected is the client's fault (S35).
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

const JSON: HeaderValue = HeaderValue::from_static("application/json");

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// From here on copying costs more than the allocation that it saves.
const COPIED: usize = 16 * 1024;
