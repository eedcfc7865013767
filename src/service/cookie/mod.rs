//! Cookies (RFC 6265, and the prefixes and attributes of its revision).
//!
//! ```text
//!   request   Cookie: a=1; b=2   ──> Cookies            get, get_all
//!                                 └─> SignedCookies, PrivateCookies   (feature `cookie-secure`)
//!   response  CookieBuilder ──build──> Cookie ──> Response::set_cookie   one Set-Cookie line each
//! ```
//!
//! What is read is what the client has sent: nothing is decoded, and nothing in it is to be trusted unless it is signed
//! or private. What is set is checked when it is built: a cookie that would not arrive as it was meant, or that would say
//! more than it was meant to, is a [`CookieError`] and no octet of it is sent.

mod builder;
#[cfg(feature = "cookie-secure")]
mod secure;

pub use self::builder::{Cookie, CookieBuilder, CookieError, MaxAge, SameSite};
#[cfg(feature = "cookie-secure")]
pub use self::secure::{Key, KeyError, NoKey, PrivateCookies, SignedCookies};

use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use crate::wire::cookie::pairs;
use std::convert::Infallible;
use std::fmt;
use std::ops::Range;

/// The cookies of a request: an argument of handlers, those of WebSockets among them, and what
/// [`Parts::cookies`] gives.
///
/// All Cookie fields count, in order: HTTP/2 may bring each cookie in a field of its own (RFC 9113 §8.2.3). What is no
/// UTF-8 is left out. At most [`MOST`](Self::MOST) cookies are kept; what comes behind them is not looked at. Reading is linear in
/// the length of the fields, finding one is linear in the number of cookies.
///
/// ```
/// use wireline::Router;
/// use wireline::service::cookie::Cookies;
///
/// async fn greet(cookies: Cookies) -> String {
///     format!("hello, {}", cookies.get("name").unwrap_or("stranger"))
/// }
/// assert!(Router::new().get("/", greet).build().is_ok());
/// ```
#[derive(Clone, Default)]
pub struct Cookies {
    text: String,
    pairs: Vec<(Range<usize>, Range<usize>)>,
    is_cut: bool,
}

impl Cookies {
    /// The most cookies of a request: browsers keep about 180 for a site.
    pub const MOST: usize = 512;

    /// The cookies of one Cookie field.
    ///
    /// ```
    /// use wireline::service::cookie::Cookies;
    ///
    /// let cookies = Cookies::parse(b"session_id=31d4; theme=dark");
    /// assert_eq!(cookies.get("session_id"), Some("31d4"));
    /// ```
    pub fn parse(field: &[u8]) -> Self {
        let mut cookies = Self::default();
        cookies.read(field);
        cookies
    }

    /// The value of a cookie; of several with one name the first, which is the one with the longest path (RFC 6265
    /// §5.4). Names are compared with regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all cookies of a name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// All cookies, names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| {
            let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
            (text(name), text(value))
        })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Whether there were more than are kept.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn read(&mut self, field: &[u8]) {
        for (name, value) in pairs(field) {
            let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
            else {
                continue;
            };
            if self.pairs.len() == Self::MOST {
                self.is_cut = true;
                return;
            }
            let pair = (self.push(name), self.push(value));
            self.pairs.push(pair);
        }
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

impl Parts {
    /// The cookies of the request. They are read anew each time: keep what you got.
    ///
    /// ```
    /// use wireline::Request;
    ///
    /// let mut request = Request::get("/");
    /// request.headers_mut().try_insert("cookie", "session_id=31d4").unwrap();
    /// assert_eq!(request.cookies().get("session_id"), Some("31d4"));
    /// ```
    pub fn cookies(&self) -> Cookies {
        let mut cookies = Cookies::default();
        for field in self.headers().get_all(http::header::COOKIE) {
            cookies.read(field.as_bytes());
        }
        cookies
    }
}

impl FromRequestParts for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.cookies())
    }
}

impl fmt::Debug for Cookies {
    /// The names: values are often secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}
