//! Errors that programs can read: problem details (RFC 9457).

#[cfg(feature = "json")]
mod json;
mod member;

pub use self::member::Member;

use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What went wrong, as `application/problem+json` (RFC 9457).
///
/// It is what a handler may return, bare or as the error of a `Result`: whatever turns into an [`Error`] turns into a `Problem`, too, so
/// that `?` works on rejections, bodies and statuses. [`ErrorPages`](crate::layer::error_pages::ErrorPages) makes
/// problems of everything else that answers with an error.
///
/// ```
/// use http::StatusCode;
/// use wireline::service::problem::Problem;
///
/// async fn pay() -> Result<&'static str, Problem> {
///     Err(Problem::new(StatusCode::FORBIDDEN)
///         .kind("https://example.com/probs/out-of-credit")
///         .title("You do not have enough credit.")
///         .detail("Your balance is 30, but that costs 50.")
///         .with("balance", 30))
/// }
/// # let _ = wireline::Router::new().post("/pay", pay).build().unwrap();
/// ```
///
/// What stands in it reaches the client: of an error of the server's own, `?` takes the usual phrase only. The error's source
/// goes to the log ([`Response::source`]), and does not count when problems are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    members: Vec<(Cow<'static, str>, Member)>,
    source: Option<Reason>,
}

/// What an error of the server's own was made of, for the log. It is no part of what the client is told.
#[derive(Clone, Debug)]
struct Reason(Arc<dyn std::error::Error + Send + Sync>);

impl PartialEq for Reason {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Problem {
    /// A problem with this status and its usual phrase as the title.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            members: Vec::new(),
            source: None,
        }
    }

    /// The URI that names this kind of problem (`type`, RFC 9457 §3.1.1). Without one it is `about:blank`: the status says it all.
    #[must_use]
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.kind = Some(uri.into());
        self
    }

    /// A sentence about this kind of problem, the same each time, in place of the status's phrase.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What went wrong this time, for people.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The URI of this occurrence.
    #[must_use]
    pub fn instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.instance = Some(uri.into());
        self
    }

    /// One more member (RFC 9457 §3.2), in place of one of the same name. The five names that the RFC has itself are set by their
    /// own methods: here they are ignored.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Member>) -> Self {
        let name = name.into();
        if !STANDARD.contains(&&*name) {
            self.members.retain(|(known, _)| *known != name);
            self.members.push((name, value.into()));
        }
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The JSON object that goes out.
    ///
    /// ```
    /// use http::StatusCode;
    /// use wireline::service::problem::Problem;
    ///
    /// let problem = Problem::new(StatusCode::NOT_FOUND).detail("there is no book \"7\"");
    /// let expected = r#"{"title":"Not Found","status":404,"detail":"there is no book \"7\""}"#;
    /// assert_eq!(problem.to_json(), expected);
    /// ```
    pub fn to_json(&self) -> String {
        let phrase = || self.status.canonical_reason().map(Cow::Borrowed);
        let title = self.title.clone().or_else(phrase);
        let mut text = String::from("{");
        for (name, value) in [("type", &self.kind), ("title", &title)] {
            if let Some(value) = value {
                member::push_member(&mut text, name, &Member::from(&**value));
            }
        }
        member::push_member(&mut text, "status", &Member::from(self.status.as_u16()));
        for (name, value) in [("detail", &self.detail), ("instance", &self.instance)] {
            if let Some(value) = value {
                member::push_member(&mut text, name, &Member::from(&**value));
            }
        }
        for (name, value) in &self.members {
            member::push_member(&mut text, name, value);
        }
        text.push('}');
        text
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let response = Response::typed(PROBLEM, self.to_json().into()).with_status(self.status);
        match self.source {
            Some(Reason(source)) => response.with_source(source),
            None => response,
        }
    }
}

/// The message becomes the detail, unless it only says what the status says.
impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        let mut error = error.into();
        let phrase = error.status().canonical_reason().unwrap_or_default();
        let mut problem = Self::new(error.status());
        problem.source = error.take_source().map(|source| Reason(source.into()));
        if error.message().is_empty() || error.message().eq_ignore_ascii_case(phrase) {
            return problem;
        }
        problem.detail(error.message().to_owned())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match self.detail.as_ref().or(self.title.as_ref()) {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

const STANDARD: [&str; 5] = ["type", "title", "status", "detail", "instance"];
