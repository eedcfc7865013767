//! Arguments that a request may do without.

use crate::service::handler::{FromRequest, FromRequestParts};
use crate::service::request::{Parts, Request};
use crate::service::response::IntoResponse;

/// A value of the head that may be absent: what makes `Option<T>` an argument.
///
/// Absent and malformed are different things: `Option<Query<T>>` is `None` without a query, and a 400
/// with one that is not what `T` expects.
///
/// ```
/// use http::StatusCode;
/// use wireline::extract::OptionalFromRequestParts;
/// use wireline::router::Router;
/// use wireline::service::request::Parts;
///
/// struct Tenant(String);
///
/// impl OptionalFromRequestParts for Tenant {
///     type Rejection = (StatusCode, &'static str);
///
///     async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Self::Rejection> {
///         let Some(name) = parts.header("x-tenant") else { return Ok(None) };
///         let name = name.to_str().map_err(|_| (StatusCode::BAD_REQUEST, "a tenant's name is ASCII"))?;
///         Ok(Some(Self(name.to_owned())))
///     }
/// }
///
/// async fn greet(tenant: Option<Tenant>) -> String {
///     tenant.map_or_else(|| "hello".to_owned(), |tenant| format!("hello {}", tenant.0))
/// }
/// assert!(Router::new().get("/", greet).build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` is not an argument that a handler can have here",
    note = "`Result<T, T::Rejection>` is one for every `T` that is"
)]
pub trait OptionalFromRequestParts: Sized + Send {
    /// What the client gets when the value is there and malformed.
    type Rejection: IntoResponse + Send;

    /// Takes the value from the parts, `None` when they have no such value.
    ///
    /// Where it waits it may be dropped, as [`Handler::call`](crate::service::handler::Handler::call) says.
    fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> + Send;
}

/// Content that may be absent; else as [`OptionalFromRequestParts`]. `Option<Json<T>>` is `None` for a
/// request without content type and without content.
///
/// ```
/// use wireline::extract::OptionalFromRequest;
/// use wireline::router::Router;
/// use wireline::service::{body::BodyError, handler::FromRequest, request::Request};
///
/// struct Note(String);
///
/// impl OptionalFromRequest for Note {
///     type Rejection = BodyError;
///
///     async fn optional_from_request(request: Request) -> Result<Option<Self>, BodyError> {
///         let text = String::from_request(request).await?;
///         Ok((!text.is_empty()).then_some(Self(text)))
///     }
/// }
///
/// async fn keep(note: Option<Note>) -> String {
///     note.map_or_else(|| "nothing to keep".to_owned(), |note| format!("kept {}", note.0))
/// }
/// assert!(Router::new().post("/notes", keep).build().is_ok());
/// ```
pub trait OptionalFromRequest: Sized + Send {
    /// What the client gets when the value is there and malformed.
    type Rejection: IntoResponse + Send;

    /// Takes the value from the request, `None` when it has no such value.
    ///
    /// Where it waits it may be dropped, as [`Handler::call`](crate::service::handler::Handler::call) says; what it has read of the
    /// content is lost then.
    fn optional_from_request(
        request: Request,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> + Send;
}

impl<T: OptionalFromRequestParts> FromRequestParts for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, T::Rejection> {
        T::optional_from_request_parts(parts).await
    }
}

impl<T: OptionalFromRequest> FromRequest for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request) -> Result<Self, T::Rejection> {
        T::optional_from_request(request).await
    }
}
