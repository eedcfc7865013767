//! What a token says, as a type.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// All claims of the request's JSON Web Token, as a type that serde can read. The token was verified by
/// [`Auth`](crate::layer::auth::Auth).
///
/// Without a user the answer is 401, and `Option<Claims<T>>` is `None`, for public routes; with claims of another shape it is 403, for the token is good, but not for this.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// async fn tenant(Claims(claims): Claims<Tenant>) -> String {
///     claims.tenant
/// }
/// assert!(Router::new().get("/tenant", tenant).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts for Claims<T> {
    type Rejection = ClaimsRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, ClaimsRejection> {
        let user = CurrentUser::of(parts).ok_or(ClaimsRejection::NoUser)?;
        user.claims_as()
            .map(Self)
            .map_err(|_| ClaimsRejection::Claims)
    }
}

/// `None` for a request without a user, and for a user who came without a token: by an API key, for one. Claims of another shape are
/// 403 all the same.
impl<T: DeserializeOwned + Send> OptionalFromRequestParts for Claims<T> {
    type Rejection = ClaimsRejection;

    async fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> Result<Option<Self>, ClaimsRejection> {
        let user = CurrentUser::of(parts).filter(|user| user.details::<Value>().is_some());
        user.map(|user| user.claims_as().map(Self))
            .transpose()
            .map_err(|_| ClaimsRejection::Claims)
    }
}

/// Why there are no claims of that shape.
///
/// ```
/// use wireline::Response;
/// use wireline::extract::{Claims, ClaimsRejection};
/// use wireline::service::response::IntoResponse;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// // A page that sends those who are not signed in elsewhere.
/// async fn home(claims: Result<Claims<Tenant>, ClaimsRejection>) -> Response {
///     match claims {
///         Ok(Claims(claims)) => Response::text(claims.tenant),
///         Err(ClaimsRejection::NoUser) => Response::text("sign in first"),
///         Err(other) => other.into_response(),
///     }
/// }
/// # let _ = wireline::Router::new().get("/", home).build().unwrap();
/// assert_eq!(ClaimsRejection::Claims.status(), 403);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimsRejection {
    /// Nobody was authenticated (401).
    NoUser,
    /// The token says something else (403).
    Claims,
}

impl ClaimsRejection {
    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoUser => StatusCode::UNAUTHORIZED,
            Self::Claims => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for ClaimsRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUser => "authentication is required",
            Self::Claims => "the token does not say what this takes",
        })
    }
}

rejection!(ClaimsRejection);
