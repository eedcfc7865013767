//! Why content ends before its end.

use http::StatusCode;
use std::fmt;

/// Why a body ended before its end.
///
/// ```
/// use wireline::service::body::BodyError;
/// use wireline::{Error, Request};
///
/// async fn upload(mut request: Request) -> Result<String, Error> {
///     match request.collect().await {
///         Ok(octets) => Ok(format!("{} octets", octets.len())),
///         Err(BodyError::TooLarge) => Err(Error::new(http::StatusCode::PAYLOAD_TOO_LARGE, "one picture at a time")),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It passes the limit of its route (413).
    TooLarge,
    /// It did not come in time (408).
    Timeout,
    /// The client went away inside it (400).
    Incomplete,
    /// Its framing is malformed; the status and the sentence say how.
    Malformed(StatusCode, &'static str),
    /// Its producer gave up.
    Aborted,
    /// The body of another crate failed.
    Foreign(Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// The status that tells a client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Malformed(status, _) => *status,
            Self::Aborted | Self::Foreign(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("content too large"),
            Self::Timeout => f.write_str("the content did not come in time"),
            Self::Incomplete => f.write_str("the client went away before the end of the content"),
            Self::Malformed(_, reason) => f.write_str(reason),
            Self::Aborted => f.write_str("the content was aborted by its producer"),
            Self::Foreign(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Foreign(error) => Some(&**error),
            _ => None,
        }
    }
}
