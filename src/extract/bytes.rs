//! All content as octets.

use crate::service::body::BodyError;
use crate::service::handler::FromRequest;
use crate::service::optional::OptionalFromRequest;
use crate::service::request::Request;
use bytes::Bytes;

/// All content, once it is here. The body limit of the route bounds it.
///
/// Rejections are those of the body: 413 when it is too large, 408 when it is too slow, 400 when its
/// framing is malformed.
///
/// ```
/// use bytes::Bytes;
/// use wireline::router::Router;
///
/// async fn echo(content: Bytes) -> Bytes {
///     content
/// }
/// assert!(Router::new().post("/echo", echo).build().is_ok());
/// ```
impl FromRequest for Bytes {
    type Rejection = BodyError;

    async fn from_request(request: Request) -> Result<Self, BodyError> {
        request.into_parts().1.collect().await
    }
}

/// `None` for a request without content, whatever its fields say.
impl OptionalFromRequest for Bytes {
    type Rejection = BodyError;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, BodyError> {
        let content = Self::from_request(request).await?;
        Ok((!content.is_empty()).then_some(content))
    }
}
