//! The pattern that the path matched.

use crate::extract::rejection::rejection;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::convert::Infallible;
use std::fmt;

/// The pattern of the route as it was written, with the prefixes of its groups: a name for metrics that
/// stays the same for all requests of the route.
///
/// What has no route has no pattern: as an argument of a fallback it is an error when the router is
/// built, and `Option<MatchedPath>` is `None` there.
///
/// ```
/// use wireline::extract::MatchedPath;
/// use wireline::router::Router;
///
/// async fn name(MatchedPath(pattern): MatchedPath) -> String {
///     pattern // "/users/{id}"
/// }
/// assert!(Router::new().get("/users/{id}", name).build().is_ok());
/// assert!(Router::new().fallback(name).build().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedPath(pub String);

impl FromRequestParts for MatchedPath {
    type Rejection = MatchedPathRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, MatchedPathRejection> {
        let pattern = parts.route().facts().map(|facts| facts.pattern.clone());
        pattern
            .filter(|pattern| !pattern.is_empty())
            .map(Self)
            .ok_or(MatchedPathRejection(()))
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        // Every pattern begins with a slash; a fallback has none.
        if route.pattern.starts_with('/') {
            Ok(())
        } else {
            Err(MatchedPathRejection(()).to_string())
        }
    }
}

impl OptionalFromRequestParts for MatchedPath {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(Self::from_request_parts(parts).await.ok())
    }
}

/// The request matched no route.
///
/// A router refuses to be built where that would happen; a service that is no router answers so:
///
/// ```
/// use wireline::extract::MatchedPath;
/// use wireline::service::handler::FromRequestParts;
/// use wireline::Request;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut parts, _) = Request::get("/users/7").into_parts();
/// let rejection = MatchedPath::from_request_parts(&mut parts).await.unwrap_err();
/// assert_eq!(rejection.status(), 500);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchedPathRejection(());

impl MatchedPathRejection {
    /// 500.
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for MatchedPathRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes a `MatchedPath`, but what it answers has no route")
    }
}

rejection!(MatchedPathRejection);
