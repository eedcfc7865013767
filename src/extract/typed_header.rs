//! One field of the header section, read.

mod types;

pub use self::types::{
    Accepts, Authorization, ContentLength, ContentType, Host, Origin, UserAgent,
};

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::headers::FieldValue;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::{HeaderName, StatusCode};
use std::fmt;

/// A field as a value that knows its grammar.
///
/// ```
/// use wireline::extract::{TypedHeader, header::Authorization};
/// use wireline::router::Router;
///
/// async fn whoami(TypedHeader(authorization): TypedHeader<Authorization>) -> String {
///     match authorization.bearer() {
///         Some(_) => "somebody with a token".to_owned(),
///         None => format!("somebody with {}", authorization.scheme()),
///     }
/// }
/// assert!(Router::new().get("/whoami", whoami).build().is_ok());
/// ```
///
/// A request without the field is refused with 400, and so is one whose field is malformed; `Option<TypedHeader<T>>` is `None`
/// without it. What values there are is in [`header`](crate::extract::header); a [`Header`] of your own is one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedHeader<T>(pub T);

/// What [`TypedHeader`] can read.
///
/// ```
/// use http::HeaderName;
/// use wireline::extract::Header;
/// use wireline::service::headers::FieldValue;
///
/// struct Tenant(String);
///
/// impl Header for Tenant {
///     const NAME: HeaderName = HeaderName::from_static("x-tenant");
///
///     fn decode<'a>(mut lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
///         match (lines.next(), lines.next()) {
///             (Some(line), None) => Some(Self(line.to_str().ok()?.to_owned())),
///             _ => None,
///         }
///     }
/// }
/// ```
pub trait Header: Sized + Send {
    /// The name of the field.
    const NAME: HeaderName;

    /// Reads the lines of the field, of which there is one at the least; `None` when they are malformed.
    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self>;
}

impl<T: Header> FromRequestParts for TypedHeader<T> {
    type Rejection = TypedHeaderRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, TypedHeaderRejection> {
        find(parts)?.ok_or(TypedHeaderRejection {
            name: T::NAME,
            is_there: false,
        })
    }
}

/// `None` without the field.
impl<T: Header> OptionalFromRequestParts for TypedHeader<T> {
    type Rejection = TypedHeaderRejection;

    async fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> Result<Option<Self>, TypedHeaderRejection> {
        find(parts)
    }
}

fn find<T: Header>(parts: &Parts) -> Result<Option<TypedHeader<T>>, TypedHeaderRejection> {
    let mut lines = parts.headers().get_all(T::NAME).peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let value = T::decode(lines).ok_or(TypedHeaderRejection {
        name: T::NAME,
        is_there: true,
    })?;
    Ok(Some(TypedHeader(value)))
}

/// The field is missing or malformed (400).
///
/// ```
/// use wireline::Router;
/// use wireline::extract::header::ContentLength;
/// use wireline::extract::{TypedHeader, TypedHeaderRejection};
/// use wireline::test::TestClient;
///
/// async fn measure(length: Result<TypedHeader<ContentLength>, TypedHeaderRejection>) -> String {
///     match length {
///         Ok(TypedHeader(ContentLength(octets))) => format!("{octets} octets"),
///         Err(rejection) if rejection.is_missing() => "nobody says how long it is".to_owned(),
///         Err(rejection) => format!("{} makes no sense", rejection.name()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().post("/", measure).get("/", measure).build().unwrap());
/// assert_eq!(client.post("/").body("abc").await.text(), "3 octets");
/// assert_eq!(client.get("/").await.text(), "nobody says how long it is");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedHeaderRejection {
    name: HeaderName,
    is_there: bool,
}

impl TypedHeaderRejection {
    /// The name of the field.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether the request has none at all.
    pub const fn is_missing(&self) -> bool {
        !self.is_there
    }

    /// 400.
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for TypedHeaderRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_there {
            "malformed"
        } else {
            "missing"
        };
        write!(f, "the field `{}` is {what}", self.name)
    }
}

rejection!(TypedHeaderRejection);
