//! The header section.

use crate::service::handler::FromRequestParts;
use crate::service::headers::Headers;
use crate::service::request::Parts;
use std::convert::Infallible;

/// A copy of the header section. A handler that needs one field only may take the whole
/// [`Request`](crate::service::request::Request) and copy nothing.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::headers::Headers;
///
/// async fn agent(headers: Headers) -> String {
///     headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or("nobody").to_owned()
/// }
/// assert!(Router::new().get("/agent", agent).build().is_ok());
/// ```
impl FromRequestParts for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.headers().clone())
    }
}
