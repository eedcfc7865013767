//! The content as it comes.

use crate::service::body::Body;
use crate::service::handler::FromRequest;
use crate::service::request::Request;
use std::convert::Infallible;

/// The content, read as the handler takes it: the last argument of handlers that stream.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::{body::Body, error::Result};
///
/// async fn count(mut body: Body) -> Result<String> {
///     let mut octets = 0;
///     while let Some(chunk) = body.chunk().await {
///         octets += chunk?.len();
///     }
///     Ok(format!("{octets} octets"))
/// }
/// assert!(Router::new().post("/count", count).build().is_ok());
/// ```
impl FromRequest for Body {
    type Rejection = Infallible;

    #[inline]
    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_parts().1)
    }
}
