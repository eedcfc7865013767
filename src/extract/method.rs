//! The method.

use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use http::Method;
use std::convert::Infallible;

/// The method of the request, for handlers of more than one: a GET handler sees HEAD here, too.
///
/// ```
/// use http::Method;
/// use wireline::router::Router;
///
/// let router = Router::new().any("/", async |method: Method| format!("you sent {method}"));
/// assert!(router.build().is_ok());
/// ```
impl FromRequestParts for Method {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.method().clone())
    }
}
