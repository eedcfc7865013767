//! Why there is no form, or no more of it.

use crate::extract::rejection::rejection;
use crate::service::body::BodyError;
use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use http::StatusCode;
use std::fmt;
use std::io;

/// The request is no form with parts.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Multipart, MultipartRejection};
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().post("/", async |form: Multipart| drop(form));
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.post("/").body("name=ada").await.status, MultipartRejection::ContentType.status());
///
/// let unbounded = client.post("/").header("content-type", "multipart/form-data").body("--\r\n").await;
/// assert_eq!(unbounded.status, MultipartRejection::Boundary.status());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartRejection {
    /// The request does not say that it is `multipart/form-data` (415).
    ContentType,
    /// It names no boundary, or one that is none (400).
    Boundary,
}

impl MultipartRejection {
    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Boundary => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for MultipartRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContentType => "expected `Content-Type: multipart/form-data`",
            Self::Boundary => "`multipart/form-data` needs a boundary of 1 to 70 characters",
        })
    }
}

rejection!(MultipartRejection);

/// What went wrong inside of a form.
///
/// As the error of a handler it answers with its status by itself.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Multipart, MultipartError, MultipartLimits};
/// use wireline::test::{TestClient, TestMultipart};
///
/// async fn upload(mut form: Multipart) -> Result<String, MultipartError> {
///     let Some(part) = form.next().await? else {
///         return Ok("nothing".to_owned());
///     };
///     part.text().await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().post("/", upload).state(MultipartLimits::default().part(4));
/// let client = TestClient::new(routes.build().unwrap());
/// let form = TestMultipart::new().text("name", "much too long");
/// assert_eq!(client.post("/").multipart(form).await.status, MultipartError::PartTooLarge.status());
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum MultipartError {
    /// It is no `multipart/form-data` with that boundary; the sentence says why (400).
    Malformed(&'static str),
    /// A part that should be text is not UTF-8 (400).
    NotText,
    /// It has more parts than it may have (413).
    TooManyParts,
    /// A part has a header section that is longer than it may be (413).
    HeaderTooLarge,
    /// A part is larger than it may be, or than may be held in memory (413).
    PartTooLarge,
    /// All parts together are larger than they may be (413).
    TooLarge,
    /// The content did not come whole (the body's own status: 413, 408, 400).
    Body(BodyError),
    /// A file could not be written (500).
    Io(io::Error),
}

impl MultipartError {
    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::NotText => StatusCode::BAD_REQUEST,
            Self::TooManyParts | Self::HeaderTooLarge | Self::PartTooLarge | Self::TooLarge => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Body(error) => error.status(),
            Self::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(why) => why,
            Self::NotText => "a field of the form is not UTF-8",
            Self::TooManyParts => "the form has too many parts",
            Self::HeaderTooLarge => "a part of the form has too large a header section",
            Self::PartTooLarge => "a part of the form is too large",
            Self::TooLarge => "the form is too large",
            Self::Body(error) => return error.fmt(f),
            Self::Io(error) => return write!(f, "an upload could not be written: {error}"),
        })
    }
}

impl std::error::Error for MultipartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<multer::Error> for MultipartError {
    fn from(error: multer::Error) -> Self {
        Self::Malformed(match error {
            multer::Error::StreamReadFailed(error) => {
                return match error.downcast() {
                    Ok(own) => *own,
                    Err(other) => Self::Body(BodyError::Foreign(other)),
                };
            }
            multer::Error::ReadHeaderFailed(_)
            | multer::Error::DecodeHeaderName { .. }
            | multer::Error::DecodeHeaderValue { .. }
            | multer::Error::IncompleteHeaders => "the header section of a part is malformed",
            _ => "the content has no such boundary, or ends before its last one",
        })
    }
}

impl From<MultipartError> for Error {
    fn from(error: MultipartError) -> Self {
        match error {
            // They know which of their texts are not for the client.
            MultipartError::Body(error) => Self::from(error),
            MultipartError::Io(error) => Self::from(error),
            other => Self::new(other.status(), other.to_string()).with_source(other),
        }
    }
}

impl IntoResponse for MultipartError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
