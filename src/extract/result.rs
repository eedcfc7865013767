//! Rejections in the handler's hands.

use crate::service::handler::{FromRequest, FromRequestParts, RouteCheck};
use crate::service::request::{Parts, Request};
use std::convert::Infallible;

/// The value, or why there is none: the handler answers itself.
///
/// What the route can never give stays an error when the router is built.
///
/// ```
/// use wireline::extract::{Path, PathRejection};
/// use wireline::router::Router;
///
/// async fn page(page: Result<Path<u32>, PathRejection>) -> String {
///     format!("page {}", page.map_or(1, |Path(page)| page))
/// }
/// assert!(Router::new().get("/pages/{page}", page).build().is_ok());
/// ```
impl<T: FromRequestParts> FromRequestParts for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(T::from_request_parts(parts).await)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        let missing = T::check(route);
        // A request that is not what the argument wants reaches the handler, too, and may have content.
        route.set_empty(None);
        missing
    }
}

/// As for the parts: the value, or why there is none.
impl<T: FromRequest> FromRequest for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(T::from_request(request).await)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        T::check(route)
    }
}
