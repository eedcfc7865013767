//! State of the application.

use crate::extract::rejection::rejection;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::any::type_name;
use std::convert::Infallible;
use std::fmt;

/// A clone of what a router was given with `.state(..)`: a pool, a configuration, a counter.
///
/// The type finds it: each type has one value a router, and a group's own wins over its outer router's.
/// A type that nobody gave is an error when the router is built, not when a request comes.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use wireline::extract::State;
/// use wireline::router::Router;
///
/// type Visits = Arc<AtomicU64>;
///
/// async fn count(State(visits): State<Visits>) -> String {
///     format!("visit {}", visits.fetch_add(1, Ordering::Relaxed))
/// }
///
/// assert!(Router::new().get("/", count).state(Visits::default()).build().is_ok());
/// let forgotten = Router::new().get("/", count).build().unwrap_err();
/// assert!(forgotten.to_string().contains("AtomicU64"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequestParts for State<T> {
    type Rejection = StateRejection;

    #[inline]
    async fn from_request_parts(parts: &mut Parts) -> Result<Self, StateRejection> {
        find(parts).ok_or_else(StateRejection::of::<T>)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        route
            .state
            .get::<T>()
            .map(|_| ())
            .ok_or_else(|| StateRejection::of::<T>().to_string())
    }
}

impl<T: Clone + Send + Sync + 'static> OptionalFromRequestParts for State<T> {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(find(parts))
    }
}

#[inline]
fn find<T: Clone + 'static>(parts: &Parts) -> Option<State<T>> {
    parts.route().facts()?.state.get::<T>().cloned().map(State)
}

/// No router of the request's route was given a value of the type.
///
/// A router says so when it is built; only a service that is no router finds out with a request:
///
/// ```
/// use wireline::extract::State;
/// use wireline::service::handler::FromRequestParts;
/// use wireline::Request;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut parts, _) = Request::get("/").into_parts();
/// let rejection = State::<u32>::from_request_parts(&mut parts).await.unwrap_err();
/// assert_eq!(rejection.status(), 500);
/// assert!(rejection.to_string().starts_with("the handler takes `State<u32>`, but "));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRejection {
    type_name: &'static str,
}

impl StateRejection {
    fn of<T>() -> Self {
        Self {
            type_name: type_name::<T>(),
        }
    }

    /// 500.
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for StateRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the handler takes `State<{0}>`, but no `.state(..)` of a router around it gave a `{0}`",
            self.type_name
        )
    }
}

rejection!(StateRejection);
