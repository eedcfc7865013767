//! Why somebody does not pass.

use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use std::borrow::Cow;
use std::fmt;

/// Why credentials are not good. The client gets the sentence, and [`Auth`](crate::layer::auth::Auth) adds the challenges.
///
/// The sentence says nothing that helps to guess: not whether a user exists, not which part of a secret was right.
///
/// ```
/// use wireline::layer::auth::{Bearer, Refusal};
/// use wireline::service::user::CurrentUser;
///
/// let scheme = Bearer::by(async |token: String| match token.as_str() {
///     "golden" => Ok(CurrentUser::new("charlie")),
///     "rusty" => Err(Refusal::expired()),
///     _ => Err(Refusal::invalid("not a golden ticket")),
/// });
/// # let _ = wireline::layer::auth::Auth::new(scheme);
/// assert_eq!(Refusal::expired().status(), 401);
/// assert_eq!(Refusal::forbidden("not from here").status(), 403);
/// assert_eq!(Refusal::unavailable().status(), 503);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    message: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Invalid,
    Forbidden,
    Unavailable,
}

impl Refusal {
    /// There are no credentials (401).
    pub const fn missing() -> Self {
        Self {
            kind: Kind::Missing,
            message: Cow::Borrowed("authentication is required"),
        }
    }

    /// The credentials are not good (401).
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: Kind::Invalid,
            message: message.into(),
        }
    }

    /// The credentials were good and are no more (401).
    pub const fn expired() -> Self {
        Self {
            kind: Kind::Invalid,
            message: Cow::Borrowed("the token has expired"),
        }
    }

    /// The credentials were taken back (401).
    pub const fn revoked() -> Self {
        Self {
            kind: Kind::Invalid,
            message: Cow::Borrowed("the token was revoked"),
        }
    }

    /// The credentials are good, and do not count here (403).
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: Kind::Forbidden,
            message: message.into(),
        }
    }

    /// Whether they are good cannot be told now (503): the client is told to try again in 5 s.
    pub const fn unavailable() -> Self {
        Self {
            kind: Kind::Unavailable,
            message: Cow::Borrowed("authentication is not available, try again later"),
        }
    }

    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Missing | Kind::Invalid => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether there were no credentials at all.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.kind, Kind::Missing)
    }

    /// The sentence for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The response without a challenge.
    pub(super) fn answer(&self) -> Response {
        let response = Response::text(self.message.clone()).with_status(self.status());
        match self.kind {
            Kind::Unavailable => response.with_header(RETRY_AFTER, HeaderValue::from_static("5")),
            _ => response,
        }
    }

    /// The challenge of a bearer token (RFC 6750 §3): what was wrong is said only to who had a token.
    pub(super) fn bearer(&self) -> String {
        match self.kind {
            Kind::Invalid => format!(
                "error=\"invalid_token\", error_description=\"{}\"",
                quotable(&self.message)
            ),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.message)
    }
}

impl IntoResponse for Refusal {
    /// The challenges of a 401 are added by the layer.
    fn into_response(self) -> Response {
        self.answer()
    }
}

/// What may stand in a quoted string, and in an `error_description` (RFC 6750 §3): other characters become apostrophes.
pub(super) fn quotable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            ' ' | '!' | '#'..='[' | ']'..='~' => character,
            _ => '\'',
        })
        .collect()
}
