//! Values that middleware left for a handler.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::any::type_name;
use std::convert::Infallible;
use std::fmt;

/// A clone of a value by its type: what middleware left in the request's extensions, else what a
/// router was given with `.extension(..)`. The value of `.extension(Arc<T>)` is an `Extension<Arc<T>>`.
///
/// Whether middleware will have left one is not known when the router is built: 500 when it did not.
///
/// ```
/// use wireline::extract::Extension;
/// use wireline::router::Router;
/// use wireline::service::{middleware::Next, request::Request, response::Response};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// async fn sign_in(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(User("ada".to_owned()));
///     next.run(request).await
/// }
///
/// async fn whoami(Extension(user): Extension<User>) -> String {
///     user.0
/// }
/// assert!(Router::new().get("/me", whoami).middleware(sign_in).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequestParts for Extension<T> {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, ExtensionRejection> {
        find(parts).ok_or_else(|| ExtensionRejection {
            type_name: type_name::<T>(),
        })
    }
}

impl<T: Clone + Send + Sync + 'static> OptionalFromRequestParts for Extension<T> {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(find(parts))
    }
}

fn find<T: Clone + Send + Sync + 'static>(parts: &Parts) -> Option<Extension<T>> {
    let left = parts
        .extensions()
        .and_then(|extensions| extensions.get::<T>());
    left.or_else(|| parts.route().facts()?.state.get::<T>())
        .cloned()
        .map(Extension)
}

/// Neither the request nor a router of its route has a value of the type.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Extension, ExtensionRejection};
/// use wireline::test::TestClient;
///
/// async fn tenant(tenant: Result<Extension<u32>, ExtensionRejection>) -> String {
///     tenant.map_or_else(|rejection| rejection.to_string(), |Extension(number)| format!("tenant {number}"))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/", tenant).build().unwrap());
/// assert!(client.get("/").await.text().starts_with("the handler takes `Extension<u32>`, but "));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionRejection {
    type_name: &'static str,
}

impl ExtensionRejection {
    /// 500.
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for ExtensionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.type_name;
        write!(
            f,
            "the handler takes `Extension<{name}>`, but neither middleware nor `.extension(..)` of a router left one"
        )
    }
}

rejection!(ExtensionRejection);
