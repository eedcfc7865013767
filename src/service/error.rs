//! Errors of handlers: a status for the client and a reason for the log.

use crate::service::body::BodyError;
use crate::service::headers::InvalidField;
use crate::service::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use std::borrow::Cow;
use std::fmt;

/// What a handler gives back with `?` when it cannot answer.
///
/// The client gets the status and the message. A source stays on this side: the response carries it to the layers
/// ([`Response::source`]), and `Traces` writes that of a 5xx to the log.
///
/// ```
/// use wireline::service::error::Error;
/// use http::StatusCode;
///
/// async fn find(id: u64) -> Result<String, Error> {
///     if id == 0 {
///         return Err(Error::new(StatusCode::NOT_FOUND, "no such user"));
///     }
///     let text = std::str::from_utf8(b"ok").map_err(Error::internal)?;
///     Ok(text.to_owned())
/// }
/// ```
pub struct Error {
    status: StatusCode,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// What its response says in `WWW-Authenticate`.
    challenge: Option<Box<HeaderValue>>,
}

/// What handlers return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a status and a message for the client.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            source: None,
            challenge: None,
        }
    }

    /// 500 with the usual phrase; what happened stays in the source.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "internal server error".into(),
            source: Some(source.into()),
            challenge: None,
        }
    }

    /// The same error with a source.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Its source, which it has no longer.
    pub(crate) fn take_source(&mut self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.source.take()
    }

    /// The same error with a challenge for the client (RFC 9110 §11.6.1).
    pub(super) fn with_challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The message for the client.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.status)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = Response::text(self.message.into_owned()).with_status(self.status);
        if let Some(challenge) = self.challenge {
            response = response.with_header(WWW_AUTHENTICATE, *challenge);
        }
        match self.source {
            Some(source) => response.with_source(source),
            None => response,
        }
    }
}

/// Errors of an application that know their status and message. Whatever implements this may be
/// returned by a handler, bare or in a `Result`, and becomes an [`Error`] by
/// `.map_err(`[`Error::from_http`]`)`: an application that wants `?` writes its own `From`.
///
/// ```
/// use wireline::service::error::HttpError;
/// use http::StatusCode;
///
/// struct OutOfStock;
///
/// impl HttpError for OutOfStock {
///     fn into_http(self) -> (StatusCode, String) {
///         (StatusCode::CONFLICT, "out of stock".into())
///     }
/// }
///
/// async fn order() -> Result<&'static str, OutOfStock> {
///     Err(OutOfStock)
/// }
/// # let _ = wireline::router::Router::new().post("/orders", order).build().unwrap();
/// ```
pub trait HttpError {
    /// The status and the message for the client.
    fn into_http(self) -> (StatusCode, String);
}

impl<E: HttpError> IntoResponse for E {
    fn into_response(self) -> Response {
        let (status, message) = self.into_http();
        Response::text(message).with_status(status)
    }
}

impl Error {
    /// The error of an application as an [`Error`].
    pub fn from_http(error: impl HttpError) -> Self {
        let (status, message) = error.into_http();
        Self::new(status, message)
    }
}

impl From<StatusCode> for Error {
    /// With the usual phrase of the status, or its number, as the message.
    fn from(status: StatusCode) -> Self {
        match status.canonical_reason() {
            Some(phrase) => Self::new(status, phrase),
            None => Self::new(status, status.as_str().to_owned()),
        }
    }
}

impl From<(StatusCode, &'static str)> for Error {
    fn from((status, message): (StatusCode, &'static str)) -> Self {
        Self::new(status, message)
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        Self::new(
            error.status(),
            if error.status().is_server_error() {
                "internal server error".to_owned()
            } else {
                error.to_string()
            },
        )
        .with_source(error)
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

impl From<InvalidField> for Error {
    fn from(error: InvalidField) -> Self {
        Self::internal(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}
