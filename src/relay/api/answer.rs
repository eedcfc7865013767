//! What a request is answered, so that it can be said again.

use crate::service::error::Error;
use crate::service::problem::Problem;
use crate::service::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::borrow::Cow;

/// JSON, or problem details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Bytes,
}

impl Answer {
    /// A value.
    ///
    /// # Errors
    ///
    /// When it does not become JSON.
    pub(super) fn json<T: Serialize>(value: &T) -> Result<Self, Error> {
        let content = serde_json::to_vec(value).map_err(Error::internal)?;
        Ok(Self {
            status: StatusCode::OK,
            content: content.into(),
        })
    }
}

/// Problem details.
impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        let problem = Problem::from(error);
        Self {
            status: problem.status(),
            content: problem.to_json().into(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = if self.status.is_success() {
            JSON
        } else {
            PROBLEM
        };
        Response::typed(kind, self.content.into())
            .with_status(self.status)
            .with_header(CACHE_CONTROL, "no-store")
    }
}

/// A request that is wrong: 400.
pub(super) fn wrong(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(StatusCode::BAD_REQUEST, detail)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
