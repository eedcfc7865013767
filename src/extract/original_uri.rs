//! The request target before anybody changed it.

use crate::extract::uri::UriRejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::{Original, Parts};
use http::Uri;
use std::convert::Infallible;

/// The request target as the router saw it, also when middleware has replaced it since with
/// [`set_uri`](Parts::set_uri). Groups change nothing: `nest` leaves the target whole.
///
/// ```
/// use wireline::extract::OriginalUri;
/// use wireline::router::Router;
///
/// async fn page(OriginalUri(uri): OriginalUri) -> String {
///     format!("you asked for {uri}")
/// }
/// assert!(Router::new().get("/{*page}", page).build().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalUri(pub Uri);

impl FromRequestParts for OriginalUri {
    type Rejection = UriRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, UriRejection> {
        Original::of(parts).map(Self).ok_or(UriRejection::new())
    }
}

/// `None` for a target that the `http` crate does not take.
impl OptionalFromRequestParts for OriginalUri {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(Original::of(parts).map(Self))
    }
}
