//! The request target as a URI.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::{StatusCode, Uri};
use std::convert::Infallible;
use std::fmt;

/// The request target as the `http` crate's type: path and query, with scheme and authority when the
/// client sent them (RFC 9112 §3.2.2).
///
/// ```
/// use http::Uri;
/// use wireline::router::Router;
///
/// let router = Router::new().get("/{*rest}", async |uri: Uri| format!("nothing at {}", uri.path()));
/// assert!(router.build().is_ok());
/// ```
impl FromRequestParts for Uri {
    type Rejection = UriRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, UriRejection> {
        parts.to_uri().ok_or(UriRejection(()))
    }
}

/// `None` for a target that the `http` crate does not take.
impl OptionalFromRequestParts for Uri {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(parts.to_uri())
    }
}

/// The server takes a few targets that the `http` crate does not, such as a path with `<` in it.
///
/// ```
/// use http::Uri;
/// use wireline::Router;
/// use wireline::extract::UriRejection;
/// use wireline::test::TestClient;
///
/// async fn path(uri: Result<Uri, UriRejection>) -> String {
///     uri.map_or_else(|rejection| rejection.to_string(), |uri| uri.path().to_owned())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/{*rest}", path).build().unwrap());
/// assert_eq!(client.get("/a").await.text(), "/a");
/// assert_eq!(client.get("/<a>").await.text(), "the request target is not a URI");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriRejection(());

impl UriRejection {
    pub(super) const fn new() -> Self {
        Self(())
    }

    /// 400.
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for UriRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request target is not a URI")
    }
}

rejection!(UriRejection);
