//! Responses, and what turns into one.

use crate::service::body::Body;
use crate::service::headers::{Headers, InvalidField, field};
use crate::service::upgrade::{OnUpgrade, Upgraded};
use crate::wire::paved::PavedLines;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

/// A response.
///
/// ```
/// use wireline::service::response::Response;
/// use http::StatusCode;
///
/// let response = Response::html("<h1>Gone</h1>").with_status(StatusCode::GONE).with_header("cache-control", "no-store");
/// assert_eq!(response.status(), StatusCode::GONE);
/// ```
#[derive(Default)]
pub struct Response {
    status: StatusCode,
    headers: Headers,
    body: Body,
    /// What few responses have, kept apart so that a response is moved in a few instructions.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    extensions: Extensions,
    upgrade: Option<OnUpgrade>,
    invalid: Option<InvalidField>,
    /// It stands in the place of one that could not be sent.
    replaces_invalid: bool,
    /// Why a handler failed; for logs alone.
    source: Option<Source>,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Response {
    /// 200 with this body and no fields.
    pub fn new(body: impl Into<Body>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Headers::default(),
            body: body.into(),
            rare: None,
        }
    }

    /// 200 with nothing in it.
    pub fn ok() -> Self {
        Self::default()
    }

    /// 200 with text (`text/plain; charset=utf-8`).
    #[inline]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::typed(TEXT, body_of(text.into()))
    }

    /// 200 with HTML.
    pub fn html(html: impl Into<Cow<'static, str>>) -> Self {
        Self::typed(HTML, body_of(html.into()))
    }

    /// 200 with these octets under a content type.
    #[inline]
    pub fn bytes<V: TryInto<HeaderValue>>(content: impl Into<Bytes>, content_type: V) -> Self {
        let body = Body::full(content);
        match content_type.try_into() {
            Ok(content_type) => Self::typed(content_type, body),
            Err(_) => Self::new(body).with_header(CONTENT_TYPE, INVALID),
        }
    }

    /// 204, no content.
    pub fn empty() -> Self {
        Self::default().with_status(StatusCode::NO_CONTENT)
    }

    /// A redirect to `location` with a 3xx status.
    ///
    /// ```
    /// use wireline::service::response::Response;
    ///
    /// let response = Response::redirect("/login", http::StatusCode::SEE_OTHER);
    /// assert!(response.headers().get("location").is_some_and(|to| to == "/login"));
    /// ```
    pub fn redirect(location: &str, status: StatusCode) -> Self {
        Self::default()
            .with_status(status)
            .with_header(LOCATION, location)
    }

    /// 401 with a message, and the challenge that a 401 must have (RFC 9110 §15.5.2): `Bearer`, unless another one is set.
    ///
    /// ```
    /// use wireline::service::response::Response;
    ///
    /// let response = Response::unauthorized("who are you?");
    /// assert!(response.headers().get("www-authenticate").is_some_and(|scheme| scheme == "Bearer"));
    /// let response = response.with_header("www-authenticate", "Basic realm=\"lab\"");
    /// assert_eq!(response.headers().get_all(http::header::WWW_AUTHENTICATE).count(), 1);
    /// ```
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::text(message)
            .with_status(StatusCode::UNAUTHORIZED)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 500 with the usual phrase.
    pub fn internal_error() -> Self {
        Self::text("internal server error").with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What a server answers on its own account.
    pub(crate) fn refusal(status: StatusCode, text: &str) -> Self {
        Self::text(format!("{text}\n")).with_status(status)
    }

    /// 101: `on_upgrade` runs with the connection once the answer is on the wire (RFC 9110 §7.8). The
    /// server waits for it in a drain, and its connection permit is held until it ends.
    ///
    /// `protocol` is a name, or `name/version`. A client that did not offer it is answered 500, so look at
    /// the request's Upgrade first. To CONNECT it answers 200.
    pub fn upgrade<F, Fut>(protocol: &'static str, on_upgrade: F) -> Self
    where
        F: FnOnce(Upgraded) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut response = Self::default()
            .with_status(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(UPGRADE, protocol);
        response.rare_mut().upgrade = Some(OnUpgrade::new(on_upgrade));
        response
    }

    /// The status.
    #[inline]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Changes the status.
    pub const fn set_status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// The header section.
    #[inline]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header section.
    #[inline]
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The body.
    #[inline]
    pub const fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Replaces the body, keeping everything else.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The same response with another status.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same response with a content type.
    #[must_use]
    pub fn with_content_type<V: TryInto<HeaderValue>>(self, content_type: V) -> Self {
        self.with_header(CONTENT_TYPE, content_type)
    }

    /// The same response with a field, in place of what the field had.
    ///
    /// A name or a value that cannot stand in a field line makes the response a 500 before any layer sees it, and
    /// counts as an invalid response; [`Headers::try_insert`] tells at once.
    #[must_use]
    pub fn with_header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match field(name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(invalid) => self.rare_mut().invalid = Some(invalid),
        }
        self
    }

    /// The same response with one more `Set-Cookie` line (RFC 6265 §3: never folded into one).
    #[must_use]
    pub fn set_cookie<V: TryInto<HeaderValue>>(mut self, cookie: V) -> Self {
        match field(SET_COOKIE, cookie) {
            Ok((name, value)) => self.headers.append(name, value),
            Err(invalid) => self.rare_mut().invalid = Some(invalid),
        }
        self
    }

    /// Values for middleware that sees the response, by type.
    pub fn extensions(&self) -> Option<&Extensions> {
        self.rare.as_ref().map(|rare| &rare.extensions)
    }

    /// Values for middleware that sees the response, by type.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.rare_mut().extensions
    }

    /// Why this response cannot be sent as it is.
    #[inline]
    pub fn invalid(&self) -> Option<InvalidField> {
        self.rare.as_ref().and_then(|rare| rare.invalid)
    }

    /// The same response with a reason for the log, which no client sees: [`Traces`](crate::layer::trace::Traces) writes
    /// that of a 5xx. What a handler fails with as an [`Error`](crate::service::error::Error) leaves its source here.
    ///
    /// ```
    /// use wireline::Response;
    ///
    /// let response = Response::internal_error().with_source("the disk is full");
    /// assert_eq!(response.source().unwrap().to_string(), "the disk is full");
    /// ```
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.rare_mut().source = Some(source.into());
        self
    }

    /// Why the handler failed, if it said so.
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.rare.as_ref()?.source.as_deref()
    }

    /// Puts a 500 in the place of a response that cannot be sent, so that the layers see what the client gets.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.rare.is_some() {
            self.settle_rare();
        }
    }

    #[cold]
    fn settle_rare(&mut self) {
        if let Some(invalid) = self.invalid() {
            *self = Self::internal_error().with_source(invalid);
            self.rare_mut().replaces_invalid = true;
        }
    }

    /// Whether it stands in the place of one that could not be sent; whoever sends it counts that.
    pub(crate) fn replaces_invalid(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.replaces_invalid)
    }

    /// Puts something in the place of what runs after an upgrade, when there is any.
    #[allow(dead_code, reason = "only `Traces` does it, and it is optional")]
    pub(crate) fn map_upgrade(&mut self, change: impl FnOnce(OnUpgrade) -> OnUpgrade) {
        if let Some(rare) = &mut self.rare {
            rare.upgrade = rare.upgrade.take().map(change);
        }
    }

    /// The content type and the lines of the paved path of a response of the usual kind: 200, no other
    /// field, content that is here.
    #[inline]
    pub(crate) fn as_usual(&self) -> Option<(&HeaderValue, Option<&PavedLines>)> {
        if self.status != StatusCode::OK || self.rare.is_some() {
            return None;
        }
        self.headers.plain_type()
    }

    /// Splits the response for a driver.
    #[inline]
    pub(crate) fn into_sendable(mut self) -> (StatusCode, Headers, Body, Option<OnUpgrade>) {
        // RFC 9110 §15.3.6: a 205 has no content, and says so.
        if self.status == StatusCode::RESET_CONTENT {
            self.body = Body::empty();
            self.headers.remove(CONTENT_LENGTH);
            self.headers.remove(CONTENT_TYPE);
        }
        (
            self.status,
            self.headers,
            self.body,
            self.rare.and_then(|rare| rare.upgrade),
        )
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn typed(content_type: HeaderValue, body: Body) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Headers::of_type(content_type),
            body,
            rare: None,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl<B: Into<Body>> From<http::Response<B>> for Response {
    fn from(response: http::Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers.into(),
            body: body.into(),
            rare: (!head.extensions.is_empty()).then(|| {
                Box::new(Rare {
                    extensions: head.extensions,
                    ..Rare::default()
                })
            }),
        }
    }
}

impl From<Response> for http::Response<Body> {
    fn from(response: Response) -> Self {
        let mut made = Self::new(response.body);
        *made.status_mut() = response.status;
        *made.headers_mut() = response.headers.into();
        if let Some(rare) = response.rare {
            *made.extensions_mut() = rare.extensions;
        }
        made
    }
}

/// What a handler may return.
///
/// Implemented for responses, text, octets, JSON, statuses, problems, redirects, event streams, `(status, T)`,
/// `(status, fields, T)`, `(fields, T)` where fields are an array, a `HeaderMap` or `Headers`, `Result` of two of those, and every error that is an
/// [`HttpError`](crate::service::error::HttpError). `()` is 202 without content.
///
/// ```
/// use http::StatusCode;
/// use wireline::Response;
/// use wireline::service::response::IntoResponse;
///
/// /// Something of an application, that its handlers return.
/// struct Teapot;
///
/// impl IntoResponse for Teapot {
///     fn into_response(self) -> Response {
///         (StatusCode::IM_A_TEAPOT, "short and stout").into_response()
///     }
/// }
///
/// assert_eq!(Teapot.into_response().status(), 418);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a response",
    note = "a handler may return text, `Json<T>`, a `StatusCode`, `(StatusCode, T)`, a `Response`, or a `Result` of those"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default().with_status(StatusCode::ACCEPTED)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::default().with_status(self)
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

macro_rules! text_response {
    ($($source:ty),*) => {$(
        impl IntoResponse for $source {
            #[inline]
            fn into_response(self) -> Response {
                Response::text(self)
            }
        }
    )*};
}

text_response!(&'static str, String, Cow<'static, str>);

macro_rules! octet_response {
    ($($source:ty),*) => {$(
        impl IntoResponse for $source {
            #[inline]
            fn into_response(self) -> Response {
                Response::typed(OCTETS, Body::from(self))
            }
        }
    )*};
}

octet_response!(Bytes, Vec<u8>, &'static [u8]);

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<N, V, T, const COUNT: usize> IntoResponse for ([(N, V); COUNT], T)
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        self.0
            .into_iter()
            .fold(self.1.into_response(), |response, (name, value)| {
                response.with_header(name, value)
            })
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        (Headers::from(self.0), self.1).into_response()
    }
}

/// The fields in place of those of the same names, each with all its lines.
impl<T: IntoResponse> IntoResponse for (Headers, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        for (name, _) in self.0.iter() {
            response.headers_mut().remove(name);
        }
        for (name, value) in self.0.iter() {
            if let Ok((name, value)) = field(name, value.to_value()) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

impl<F, T> IntoResponse for (StatusCode, F, T)
where
    (F, T): IntoResponse,
{
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }
}

fn body_of(text: Cow<'static, str>) -> Body {
    match text {
        Cow::Borrowed(text) => Body::from(text),
        Cow::Owned(text) => Body::from(text),
    }
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// What no field value can be.
const INVALID: &str = "\0";

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
