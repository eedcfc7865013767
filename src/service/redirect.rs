//! Responses that say where something is.

use crate::service::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use std::borrow::Cow;

/// A redirect (RFC 9110 §15.4): `Location`, and no content.
///
/// A location with octets that cannot stand in a field makes the response a 500; nothing of it is sent.
/// Where it comes from a client, look at it first: `//elsewhere.example` leads to another host.
///
/// ```
/// use wireline::Router;
/// use wireline::service::redirect::Redirect;
///
/// let routes = Router::new()
///     .post("/orders", async || Redirect::to("/orders/7"))
///     .get("/old", async || Redirect::permanent("/new"));
/// # routes.build().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: Cow<'static, str>,
}

impl Redirect {
    /// 303: the client asks for that with GET, whatever it sent here. What follows a form.
    pub fn to(location: impl Into<Cow<'static, str>>) -> Self {
        Self::with(StatusCode::SEE_OTHER, location)
    }

    /// 307: the same request there, this time.
    pub fn temporary(location: impl Into<Cow<'static, str>>) -> Self {
        Self::with(StatusCode::TEMPORARY_REDIRECT, location)
    }

    /// 308: the same request there, from now on. Clients remember it.
    pub fn permanent(location: impl Into<Cow<'static, str>>) -> Self {
        Self::with(StatusCode::PERMANENT_REDIRECT, location)
    }

    fn with(status: StatusCode, location: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            location: location.into(),
        }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        Response::redirect(&self.location, self.status)
    }
}

/// 201: something was made, and this is where it is (RFC 9110 §15.3.2).
///
/// ```
/// use wireline::service::redirect::Created;
///
/// async fn create() -> Created<String> {
///     Created::at("/books/1", "a book".to_owned())
/// }
/// # let _ = wireline::Router::new().post("/books", create).build().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<T> {
    location: Cow<'static, str>,
    content: T,
}

impl<T> Created<T> {
    /// It is at `location`, and this is the content of the response.
    pub fn at(location: impl Into<Cow<'static, str>>, content: T) -> Self {
        Self {
            location: location.into(),
            content,
        }
    }
}

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        self.content
            .into_response()
            .with_status(StatusCode::CREATED)
            .with_header(LOCATION, &*self.location)
    }
}
