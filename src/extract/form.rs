//! Forms, from the query or from content.

use crate::extract::query::{QueryRejection, read};
use crate::service::body::BodyError;
use crate::service::error::Error;
use crate::service::handler::FromRequest;
use crate::service::media_type::MediaType;
use crate::service::optional::OptionalFromRequest;
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use std::fmt;

/// A form (`application/x-www-form-urlencoded`) as any type that serde can read: from the query of GET and HEAD, from the content of
/// everything else.
///
/// Content must say what it is (else 415); the body limit of the route bounds it (413). What stands in it is read as
/// [`Query`](crate::extract::Query) reads, with 422 in place of 400 where content is not what `T` expects. A form with
/// files is [`Multipart`](https://docs.rs/wireline/latest/wireline/extract/struct.Multipart.html).
///
/// A form may come from any page in the world, with the cookies of its user: whoever trusts cookies puts the layer
/// [`SameOrigin`](https://docs.rs/wireline/latest/wireline/layer/cross_site/struct.SameOrigin.html) around it.
///
/// ```
/// use wireline::extract::Form;
/// use wireline::router::Router;
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     user: String,
///     remember: Option<String>,
/// }
///
/// async fn login(Form(login): Form<Login>) -> String {
///     format!("{} {:?}", login.user, login.remember)
/// }
/// assert!(Router::new().post("/login", login).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequest for Form<T> {
    type Rejection = FormRejection;

    async fn from_request(request: Request) -> Result<Self, FormRejection> {
        if is_in_query(&request) {
            let query = request.query().unwrap_or_default();
            return read(query.as_bytes())
                .map(Self)
                .map_err(FormRejection::Query);
        }
        let media_type = request.header("content-type");
        let media_type = media_type.and_then(|value| MediaType::parse(value.as_bytes()));
        if !media_type.is_some_and(|found| found.is("application", "x-www-form-urlencoded")) {
            return Err(FormRejection::ContentType);
        }
        let content = request.into_parts().1.collect().await;
        read(&content.map_err(FormRejection::Body)?)
            .map(Self)
            .map_err(|error| FormRejection::Data(error.into_field()))
    }
}

/// `None` for a GET without a query, and for a request that has neither a content type nor content.
impl<T: DeserializeOwned + Send> OptionalFromRequest for Form<T> {
    type Rejection = FormRejection;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, FormRejection> {
        let is_there = if is_in_query(&request) {
            request.query().is_some()
        } else {
            request.headers().contains("content-type") || request.body().len() != Some(0)
        };
        if is_there {
            return Self::from_request(request).await.map(Some);
        }
        Ok(None)
    }
}

/// Why there is no form that the handler takes.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Form;
/// use wireline::test::TestClient;
///
/// #[derive(serde::Deserialize)]
/// struct Guest {
///     nights: u8,
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().post("/stay", async |Form(guest): Form<Guest>| guest.nights.to_string());
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.post("/stay").body("nights=3").await.status, 415);
///
/// let kind = ("content-type", "application/x-www-form-urlencoded");
/// let refused = client.post("/stay").header(kind.0, kind.1).body("nights=many").await;
/// assert_eq!(refused.status, 422);
/// assert!(refused.text().starts_with("form field `nights`: "));
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FormRejection {
    /// The request does not say that its content is a form (415).
    ContentType,
    /// The query is not what the handler takes (400).
    Query(QueryRejection),
    /// The content is not what the handler takes (422); the error knows the field.
    Data(QueryRejection),
    /// The content did not come whole (the body's own status: 413, 408, 400).
    Body(BodyError),
}

impl FormRejection {
    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Query(error) => error.status(),
            Self::Data(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Body(error) => error.status(),
        }
    }
}

impl fmt::Display for FormRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContentType => {
                f.write_str("expected `Content-Type: application/x-www-form-urlencoded`")
            }
            Self::Query(error) | Self::Data(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FormRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ContentType => None,
            Self::Query(error) | Self::Data(error) => Some(error),
            Self::Body(error) => Some(error),
        }
    }
}

impl From<FormRejection> for Error {
    fn from(rejection: FormRejection) -> Self {
        match rejection {
            // It knows which of its texts are not for the client.
            FormRejection::Body(error) => Self::from(error),
            other => Self::new(other.status(), other.to_string()).with_source(other),
        }
    }
}

impl IntoResponse for FormRejection {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// HTML Living Standard §4.10.22.3: a form that is sent with GET is the query.
fn is_in_query(request: &Request) -> bool {
    *request.method() == Method::GET || *request.method() == Method::HEAD
}
