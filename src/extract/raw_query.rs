//! The query as it came.

use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use std::convert::Infallible;

/// The query without its question mark, percent-encoded as it came; `None` without a question mark.
///
/// ```
/// use wireline::extract::RawQuery;
/// use wireline::router::Router;
///
/// async fn forward(RawQuery(query): RawQuery) -> String {
///     format!("https://example.com/?{}", query.unwrap_or_default())
/// }
/// assert!(Router::new().get("/", forward).build().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawQuery(pub Option<String>);

impl FromRequestParts for RawQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(Self(parts.query().map(str::to_owned)))
    }
}
