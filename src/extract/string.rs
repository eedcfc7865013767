//! All content as text.

use crate::service::body::BodyError;
use crate::service::handler::FromRequest;
use crate::service::optional::OptionalFromRequest;
use crate::service::request::Request;
use bytes::Bytes;
use http::StatusCode;

/// All content as UTF-8 text, whatever its content type says.
///
/// Rejections are those of the body, and 400 when the content is not UTF-8.
///
/// ```
/// use wireline::router::Router;
///
/// async fn shout(text: String) -> String {
///     text.to_uppercase()
/// }
/// assert!(Router::new().post("/shout", shout).build().is_ok());
/// ```
impl FromRequest for String {
    type Rejection = BodyError;

    async fn from_request(request: Request) -> Result<Self, BodyError> {
        let content = Bytes::from_request(request).await?;
        Self::from_utf8(content.into())
            .map_err(|_| BodyError::Malformed(StatusCode::BAD_REQUEST, "the content is not UTF-8"))
    }
}

/// `None` for a request without content, whatever its fields say.
impl OptionalFromRequest for String {
    type Rejection = BodyError;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, BodyError> {
        let content = Self::from_request(request).await?;
        Ok((!content.is_empty()).then_some(content))
    }
}
