//! The content as a stream of chunks.

use crate::service::body::BodyStream;
use crate::service::handler::FromRequest;
use crate::service::request::Request;
use std::convert::Infallible;

/// The chunks of the content as they come, with backpressure to the client: what is not taken is not read. With the feature
/// `stream` it is a `futures_core::Stream`, too.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::body::{BodyError, BodyStream};
///
/// async fn count(mut chunks: BodyStream) -> Result<String, BodyError> {
///     let mut octets = 0;
///     while let Some(chunk) = chunks.recv().await {
///         octets += chunk?.len();
///     }
///     Ok(format!("{octets} octets"))
/// }
/// assert!(Router::new().post("/count", count).build().is_ok());
/// ```
impl FromRequest for BodyStream {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_parts().1.into())
    }
}
