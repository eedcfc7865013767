//! The parameters of the path.

use crate::extract::params::{Param, Params};
use crate::extract::rejection::rejection;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use serde::de::{self, DeserializeOwned};
use std::any::type_name;
use std::fmt;

/// The parameters of the path, percent-decoded, as any type that serde can read.
///
/// | `T` | takes |
/// |---|---|
/// | `String`, numbers, `bool`, `char`, an enum of names | the one parameter of the route |
/// | a tuple or tuple struct | all parameters, in the order of the pattern |
/// | a struct | parameters by their names; `Option` fields may be missing from the pattern |
/// | `HashMap<String, String>`, `Vec<(String, String)>` | all parameters with their names |
///
/// Numbers are decimal digits, with `-` before them where the type has a sign, and never with `+`;
/// floating-point numbers are written as in JSON, with leading zeros allowed; `bool` is `true` or `false`.
///
/// A route whose parameters can never become a `T` (it has none, another number than the tuple, or lacks
/// one that a struct needs) is an error when the router is built.
///
/// ```
/// use wireline::extract::Path;
/// use wireline::router::Router;
///
/// #[derive(serde::Deserialize)]
/// struct Place {
///     user: u64,
///     post: String,
/// }
///
/// async fn post(Path(place): Path<Place>) -> String {
///     format!("{} by {}", place.post, place.user)
/// }
/// async fn day(Path((year, month)): Path<(u16, u8)>) -> String {
///     format!("{month} of {year}")
/// }
///
/// let router = Router::new().get("/users/{user}/posts/{post}", post).get("/archive/{year}/{month}", day);
/// assert!(router.build().is_ok());
/// assert!(Router::new().get("/archive/{year}", day).build().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts for Path<T> {
    type Rejection = PathRejection;

    #[inline]
    async fn from_request_parts(parts: &mut Parts) -> Result<Self, PathRejection> {
        let octets = parts.path().as_bytes();
        let params = parts
            .route()
            .params()
            .map(|(name, span)| Param::new(name, span.of(octets)));
        let only = match params.len() {
            0 => return Err(PathRejection::NoParameters),
            1 => parts.route().params().next().map(|(name, _)| name),
            _ => None,
        };
        // What `T` itself says of its value does not name it.
        T::deserialize(Params(params))
            .map(Self)
            .map_err(|rejection| only.into_iter().fold(rejection, PathRejection::of))
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        let fault = if route.names.is_empty() {
            Some(PathRejection::NoParameters)
        } else {
            // A dry run with a value that numbers and text take shows what no value can mend.
            T::deserialize(Params(
                route.names.iter().map(|name| Param::new(name, b"0")),
            ))
            .err()
        };
        match fault.filter(|fault| fault.status().is_server_error()) {
            Some(fault) => Err(format!(
                "the handler takes `Path<{}>`: {fault}",
                type_name::<T>()
            )),
            None => Ok(()),
        }
    }
}

/// `None` for a route without parameters.
impl<T: DeserializeOwned + Send> OptionalFromRequestParts for Path<T> {
    type Rejection = PathRejection;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, PathRejection> {
        if parts.route().params().len() == 0 {
            return Ok(None);
        }
        Self::from_request_parts(parts).await.map(Some)
    }
}

/// Why the path's parameters are not what the handler takes.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Path, PathRejection};
/// use wireline::test::TestClient;
///
/// async fn user(number: Result<Path<u32>, PathRejection>) -> String {
///     match number {
///         Ok(Path(number)) => format!("user {number}"),
///         Err(PathRejection::Invalid { name, .. }) => format!("{} is a number", name.unwrap_or_default()),
///         Err(other) => other.to_string(),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/users/{id}", user).build().unwrap());
/// assert_eq!(client.get("/users/7").await.text(), "user 7");
/// assert_eq!(client.get("/users/ada").await.text(), "id is a number");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathRejection {
    /// A parameter is no value of its type (400).
    Invalid {
        /// The parameter; `None` when it takes all of them to tell.
        name: Option<String>,
        /// What was expected.
        reason: String,
    },
    /// A parameter has an invalid escape or is not UTF-8 (400). A router answers such a path itself.
    Undecodable {
        /// The parameter.
        name: String,
    },
    /// The route has no parameters (500).
    NoParameters,
    /// The route has another number of parameters than the handler takes (500).
    WrongCount {
        /// The number that the handler takes.
        expected: usize,
        /// The number that the route has.
        found: usize,
    },
    /// The route lacks a parameter that the handler takes (500).
    Missing {
        /// The parameter.
        name: String,
    },
    /// The handler takes nothing of this name, and its type denies unknown fields (500).
    Unknown {
        /// The parameter.
        name: String,
    },
    /// The handler takes a parameter as something that text cannot be (500).
    Unsupported {
        /// That thing.
        what: &'static str,
    },
}

impl PathRejection {
    /// 400 for what the client sent, 500 when the handler does not fit its route.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid { .. } | Self::Undecodable { .. } => StatusCode::BAD_REQUEST,
            Self::NoParameters
            | Self::WrongCount { .. }
            | Self::Missing { .. }
            | Self::Unknown { .. }
            | Self::Unsupported { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The same rejection with the name of the parameter, unless it has one.
    pub(super) fn of(self, param: &str) -> Self {
        match self {
            Self::Invalid { name: None, reason } => Self::Invalid {
                name: Some(param.to_owned()),
                reason,
            },
            other => other,
        }
    }
}

impl fmt::Display for PathRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid {
                name: Some(name),
                reason,
            } => write!(f, "path parameter `{name}`: {reason}"),
            Self::Invalid { name: None, reason } => write!(f, "path parameters: {reason}"),
            Self::Undecodable { name } => {
                write!(f, "path parameter `{name}`: invalid escape, or not UTF-8")
            }
            Self::NoParameters => f.write_str("the route has no path parameters"),
            Self::WrongCount { expected, found } => write!(
                f,
                "the handler takes {expected} path parameters, the route has {found}"
            ),
            Self::Missing { name } => write!(
                f,
                "the handler takes a path parameter `{name}`, which the route does not have"
            ),
            Self::Unknown { name } => write!(
                f,
                "the route has a path parameter `{name}`, which the handler does not take"
            ),
            Self::Unsupported { what } => write!(f, "a path parameter cannot become {what}"),
        }
    }
}

rejection!(PathRejection);

impl de::Error for PathRejection {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Invalid {
            name: None,
            reason: reason.to_string(),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing {
            name: field.to_owned(),
        }
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self::Unknown {
            name: field.to_owned(),
        }
    }

    // What the client sent is not said back to it.
    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected one of {}", expected.join(", ")))
    }
}

#[cfg(test)]
mod tests;
