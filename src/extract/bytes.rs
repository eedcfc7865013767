//! All content as octets.

use crate::service::body::BodyError;
use crate::service::handler::FromRequest;
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
