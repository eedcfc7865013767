//! The HTTP version.

use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use http::Version;
use std::convert::Infallible;

/// The HTTP version that the request came over.
///
/// ```
/// use http::Version;
/// use wireline::router::Router;
///
/// let router = Router::new().get("/", async |version: Version| format!("over {version:?}"));
/// assert!(router.build().is_ok());
/// ```
impl FromRequestParts for Version {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.version())
    }
}
