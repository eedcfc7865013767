//! Cookies that are set.

use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use crate::wire::cookie::is_cookie_octet;
use crate::wire::grammar::is_token;
use http::HeaderValue;
use std::fmt;
use std::time::Duration;

/// A cookie in the making.
///
/// [`build`](Self::build) checks it; [`Response::set_cookie`] takes it built, or as it is, and then one that is not right
/// makes the response a 500.
///
/// ```
/// use wireline::Response;
/// use wireline::service::cookie::{CookieBuilder, CookieError};
///
/// fn log_in(token: &str) -> Result<Response, CookieError> {
///     let cookie = CookieBuilder::new("__Host-session", token)
///         .path("/")
///         .max_age(3600)
///         .same_site("Strict")
///         .http_only()
///         .secure()
///         .build()?;
///     Ok(Response::text("welcome").set_cookie(cookie))
/// }
/// assert!(log_in("31d4").is_ok());
/// assert_eq!(log_in("31d4; Domain=evil.example").unwrap_err(), CookieError::Value);
/// ```
#[derive(Clone)]
#[must_use = "a cookie is set by `Response::set_cookie`"]
pub struct CookieBuilder {
    cookie: cookie::Cookie<'static>,
    /// Whether `same_site` was given a word that means nothing.
    unknown_same_site: bool,
}

/// A cookie that may be set: what [`CookieBuilder::build`] has checked.
///
/// ```
/// use wireline::Response;
/// use wireline::service::cookie::{Cookie, CookieBuilder, CookieError};
///
/// let cookie: Cookie = CookieBuilder::new("theme", "dark").path("/").build()?;
/// let response = Response::text("as you like it").set_cookie(cookie);
/// assert!(response.headers().contains("set-cookie"));
/// # Ok::<(), CookieError>(())
/// ```
#[derive(Clone)]
#[must_use = "a cookie is set by `Response::set_cookie`"]
pub struct Cookie(String);

/// Whether a cookie goes with requests from pages of other sites.
///
/// ```
/// use wireline::service::cookie::{CookieBuilder, CookieError, SameSite};
///
/// let cookie = CookieBuilder::new("theme", "dark").path("/").same_site(SameSite::Strict).build()?;
/// assert_eq!(cookie.to_string(), "theme=dark; SameSite=Strict; Path=/");
/// # Ok::<(), CookieError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// It never does.
    Strict,
    /// It does when a link is followed. What browsers take a cookie without the attribute for.
    Lax,
    /// It always does. Such a cookie has to be `Secure`.
    None,
}

/// What [`CookieBuilder::max_age`] takes: seconds, or a [`Duration`].
///
/// ```
/// use std::time::Duration;
/// use wireline::service::cookie::{CookieBuilder, MaxAge};
///
/// assert_eq!(Duration::from_secs(90).seconds(), 90);
/// let cookie = CookieBuilder::new("theme", "dark").max_age(Duration::from_secs(3600));
/// assert!(cookie.build().unwrap().to_string().ends_with("Max-Age=3600"));
/// ```
pub trait MaxAge {
    /// Whole seconds.
    fn seconds(self) -> u64;
}

/// Why a cookie cannot be set.
///
/// ```
/// use wireline::service::cookie::{CookieBuilder, CookieError};
///
/// let error = |cookie: CookieBuilder| cookie.build().unwrap_err();
/// assert_eq!(error(CookieBuilder::new("theme", "dark;")), CookieError::Value);
/// assert_eq!(error(CookieBuilder::new("theme", "dark").same_site("None")), CookieError::NotSecure);
/// assert_eq!(error(CookieBuilder::new("__Host-theme", "dark").secure()), CookieError::HostPrefix);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The name is no token (RFC 6265 §4.1.1).
    Name,
    /// The value has octets that no cookie has: controls, spaces, quotes, commas, semicolons, backslashes, or anything
    /// but US-ASCII. Encode it, in base64 or by percent.
    Value,
    /// The path does not begin with a slash, or has controls, semicolons, or anything but US-ASCII.
    Path,
    /// The domain is none.
    Domain,
    /// `SameSite` is Strict, Lax or None.
    SameSite,
    /// `SameSite=None` and `Partitioned` are for cookies that are `Secure`: browsers refuse others.
    NotSecure,
    /// A name that begins with `__Secure-` is for cookies that are `Secure`.
    SecurePrefix,
    /// A name that begins with `__Host-` is for cookies that are `Secure`, have the path `/`, and have no domain.
    HostPrefix,
    /// A name that begins with `__Http-` is for cookies that are `Secure` and `HttpOnly`; one with `__Host-Http-` is for
    /// cookies that are what those of `__Host-` are, and `HttpOnly`.
    HttpPrefix,
    /// Name and value are longer than 4,096 octets together, or path or domain is longer than 1,024: browsers refuse such
    /// a cookie, or ignore the attribute.
    TooLong,
}

impl CookieBuilder {
    /// A cookie of this name and value, for the browser's session, the host that sets it, and the folder of the
    /// request's path.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            cookie: cookie::Cookie::new(name.into(), value.into()),
            unknown_same_site: false,
        }
    }

    /// A cookie that removes the one of this name. Path and domain have to be those with which that was set.
    ///
    /// ```
    /// use wireline::service::cookie::CookieBuilder;
    ///
    /// let gone = CookieBuilder::removal("theme").path("/").build().unwrap();
    /// assert_eq!(gone.to_string(), "theme=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    /// ```
    pub fn removal(name: impl Into<String>) -> Self {
        let mut builder = Self::new(name, "");
        builder.cookie.set_max_age(cookie::time::Duration::ZERO);
        builder
            .cookie
            .set_expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
        builder
    }

    /// The paths that it is sent to: this one and what is under it. By default the folder of the request that it answers.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.cookie.set_path(path.into());
        self
    }

    /// The domain that it is sent to, with its subdomains. Without one it is sent to this host alone.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.set_domain(domain.into());
        self
    }

    /// How long it lives: seconds, or a [`Duration`]; by default as long as the browser's session. Browsers keep
    /// nothing for more than 400 days.
    pub fn max_age(mut self, age: impl MaxAge) -> Self {
        // What is more than there is room for is for ever.
        let seconds = i64::try_from(age.seconds()).unwrap_or(i64::MAX);
        self.cookie
            .set_max_age(cookie::time::Duration::seconds(seconds));
        self
    }

    /// Whether it goes with requests from other sites: a [`SameSite`], or its name in any case. Browsers
    /// take [`SameSite::Lax`] where it is not said.
    pub fn same_site<S: TryInto<SameSite>>(mut self, same_site: S) -> Self {
        match same_site.try_into() {
            Ok(same_site) => {
                self.cookie.set_same_site(match same_site {
                    SameSite::Strict => cookie::SameSite::Strict,
                    SameSite::Lax => cookie::SameSite::Lax,
                    SameSite::None => cookie::SameSite::None,
                });
                self.unknown_same_site = false;
            }
            Err(_) => self.unknown_same_site = true,
        }
        self
    }

    /// Scripts of the page do not see it.
    pub fn http_only(mut self) -> Self {
        self.cookie.set_http_only(true);
        self
    }

    /// It is sent over TLS only (and to `localhost`).
    pub fn secure(mut self) -> Self {
        self.cookie.set_secure(true);
        self
    }

    /// Each page that embeds this site has a cookie of its own. Such a cookie has to be `Secure`.
    pub fn partitioned(mut self) -> Self {
        self.cookie.set_partitioned(true);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.cookie.name()
    }

    /// Its value.
    pub fn value(&self) -> &str {
        self.cookie.value()
    }

    /// Checks it.
    ///
    /// # Errors
    ///
    /// [`CookieError`] says what is wrong.
    pub fn build(self) -> Result<Cookie, CookieError> {
        let cookie = &self.cookie;
        let (name, value) = (cookie.name(), cookie.value());
        let (path, domain) = (cookie.path(), cookie.domain());
        let secure = cookie.secure() == Some(true);
        let begins = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(CookieError::Name);
        }
        if !value.bytes().all(is_cookie_octet) {
            return Err(CookieError::Value);
        }
        if path.is_some_and(|path| !is_path(path)) {
            return Err(CookieError::Path);
        }
        if domain.is_some_and(|domain| !is_domain(domain)) {
            return Err(CookieError::Domain);
        }
        if self.unknown_same_site {
            return Err(CookieError::SameSite);
        }
        let asks = cookie.same_site() == Some(cookie::SameSite::None)
            || cookie.partitioned() == Some(true);
        if asks && !secure {
            return Err(CookieError::NotSecure);
        }
        // Browsers compare the prefixes without regard to case.
        if begins("__Secure-") && !secure {
            return Err(CookieError::SecurePrefix);
        }
        if begins("__Host-") && (!secure || path != Some("/") || domain.is_some()) {
            return Err(CookieError::HostPrefix);
        }
        let is_http = begins("__Http-") || begins("__Host-Http-");
        if is_http && (!secure || cookie.http_only() != Some(true)) {
            return Err(CookieError::HttpPrefix);
        }
        let long =
            |attribute: Option<&str>| attribute.is_some_and(|text| text.len() > LONGEST_ATTRIBUTE);
        if name.len() + value.len() > LONGEST || long(path) || long(domain) {
            return Err(CookieError::TooLong);
        }
        Ok(Cookie(self.cookie.to_string()))
    }

    /// Puts another value in, for jars.
    #[allow(dead_code, reason = "only jars do, and they are optional")]
    pub(super) fn with_value(mut self, value: String) -> Self {
        self.cookie.set_value(value);
        self
    }
}

impl fmt::Display for Cookie {
    /// As it stands behind `Set-Cookie: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cookie {
    /// Its name: the value is often a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.split('=').next().unwrap_or_default();
        write!(f, "Cookie({name})")
    }
}

impl fmt::Debug for CookieBuilder {
    /// Its name: the value is often a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieBuilder({})", self.name())
    }
}

impl TryFrom<Cookie> for HeaderValue {
    type Error = CookieError;

    fn try_from(cookie: Cookie) -> Result<Self, CookieError> {
        // Everything in it was checked.
        Self::try_from(cookie.0).map_err(|_| CookieError::Value)
    }
}

impl TryFrom<CookieBuilder> for HeaderValue {
    type Error = CookieError;

    fn try_from(builder: CookieBuilder) -> Result<Self, CookieError> {
        builder.build()?.try_into()
    }
}

impl TryFrom<&str> for SameSite {
    type Error = CookieError;

    fn try_from(text: &str) -> Result<Self, CookieError> {
        [
            ("strict", Self::Strict),
            ("lax", Self::Lax),
            ("none", Self::None),
        ]
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, same_site)| same_site)
        .ok_or(CookieError::SameSite)
    }
}

impl MaxAge for u64 {
    fn seconds(self) -> u64 {
        self
    }
}

impl MaxAge for Duration {
    fn seconds(self) -> u64 {
        self.as_secs()
    }
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name of the cookie is no token",
            Self::Value => "the value of the cookie has octets that no cookie has: encode it",
            Self::Path => "the path of the cookie is none",
            Self::Domain => "the domain of the cookie is none",
            Self::SameSite => "SameSite of the cookie is neither Strict, Lax nor None",
            Self::NotSecure => "a cookie with SameSite=None or Partitioned has to be Secure",
            Self::SecurePrefix => "a cookie whose name begins with __Secure- has to be Secure",
            Self::HostPrefix => {
                "a cookie whose name begins with __Host- has to be Secure, with the path / and without a domain"
            }
            Self::HttpPrefix => {
                "a cookie whose name begins with __Http- or __Host-Http- has to be Secure and HttpOnly"
            }
            Self::TooLong => "the cookie is too long",
        })
    }
}

impl std::error::Error for CookieError {}

/// The program's fault: 500.
impl From<CookieError> for Error {
    fn from(error: CookieError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for CookieError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// RFC 6265 §4.1.1: anything but controls and semicolons; behind a slash, or browsers use a default.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|octet| (0x20..0x7f).contains(&octet) && octet != b';')
}

/// Labels of letters, digits and hyphens. One dot before the first is ignored by browsers, and was taken away by the crate.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    })
}

/// What browsers take of a name and a value together, and of an attribute.
const LONGEST: usize = 4096;
const LONGEST_ATTRIBUTE: usize = 1024;
