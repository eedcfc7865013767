//! The fields that come up most.

use crate::extract::typed_header::Header;
use crate::service::accept::Accept;
use crate::service::headers::{FieldValue, Headers};
use crate::service::media_type::MediaType;
use crate::wire::{grammar, number};
use http::{HeaderName, header};
use std::fmt;

/// `Authorization`: a scheme, and what goes with it (RFC 9110 §11.6.2). Nothing is verified: that is for the layers of
/// [`layer::auth`](crate::layer::auth).
///
/// ```
/// use wireline::extract::{Header, header::Authorization};
/// use wireline::service::headers::Headers;
///
/// let mut headers = Headers::new();
/// headers.try_insert("authorization", "Bearer abc").unwrap();
/// let authorization = Authorization::decode(headers.get_all("authorization")).unwrap();
/// assert_eq!(authorization.scheme(), "bearer");
/// assert_eq!(authorization.bearer(), Some("abc"));
/// // Logs are no place for what it says.
/// assert!(!format!("{authorization:?}").contains("abc"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    scheme: String,
    credentials: String,
}

impl Authorization {
    /// The scheme in lower case: `bearer`, `basic`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands behind the scheme; may be empty.
    pub fn credentials(&self) -> &str {
        &self.credentials
    }

    /// The token of `Bearer` (RFC 6750 §2.1).
    pub fn bearer(&self) -> Option<&str> {
        (self.scheme == "bearer" && !self.credentials.is_empty()).then_some(&*self.credentials)
    }
}

impl Header for Authorization {
    const NAME: HeaderName = header::AUTHORIZATION;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        let text = single(lines)?;
        let (scheme, credentials) = text.split_once(' ').unwrap_or((text, ""));
        is_token(scheme).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            credentials: credentials.trim_matches(' ').to_owned(),
        })
    }
}

/// Without the credentials: logs are no place for them.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// `Content-Type` (RFC 9110 §8.3).
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{TypedHeader, header::ContentType};
/// use wireline::test::TestClient;
///
/// async fn kind(TypedHeader(ContentType(kind)): TypedHeader<ContentType>) -> &'static str {
///     if kind.is("text", "csv") { "a table" } else { "something else" }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().post("/", kind).build().unwrap());
/// let reply = client.post("/").header("content-type", "Text/CSV; header=absent").body("1,2").await;
/// assert_eq!(reply.text(), "a table");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(pub MediaType);

impl Header for ContentType {
    const NAME: HeaderName = header::CONTENT_TYPE;

    fn decode<'a>(mut lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        let line = lines.next().filter(|_| lines.next().is_none())?;
        MediaType::parse(line.as_bytes()).map(Self)
    }
}

/// `Content-Length` (RFC 9110 §8.6). What comes in chunks, and much of what comes over HTTP/2, has none.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{TypedHeader, header::ContentLength};
///
/// async fn announced(length: Option<TypedHeader<ContentLength>>) -> String {
///     match length {
///         Some(TypedHeader(ContentLength(octets))) => format!("{octets} octets to come"),
///         None => "nobody knows".to_owned(),
///     }
/// }
/// # let _ = Router::new().post("/", announced).build().unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentLength(pub u64);

impl Header for ContentLength {
    const NAME: HeaderName = header::CONTENT_LENGTH;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        number::decimal(single(lines)?.as_bytes()).map(Self)
    }
}

/// `User-Agent` (RFC 9110 §10.1.5), as it came.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::TypedHeader;
/// use wireline::extract::header::UserAgent;
///
/// let router = Router::new().get("/", async |agent: Option<TypedHeader<UserAgent>>| match agent {
///     Some(TypedHeader(UserAgent(name))) => name,
///     None => "nobody".to_owned(),
/// });
/// # let _ = router;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(pub String);

impl Header for UserAgent {
    const NAME: HeaderName = header::USER_AGENT;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        single(lines).map(|text| Self(text.to_owned()))
    }
}

/// `Host` (RFC 9110 §7.2). Over HTTP/2 it stands in `:authority`, for which
/// [`Parts::host`](crate::service::request::Parts::host) looks, too.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::TypedHeader;
/// use wireline::extract::header::Host;
///
/// let router = Router::new().get("/", async |TypedHeader(host): TypedHeader<Host>| format!("this is {}", host.name()));
/// # let _ = router;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The name or address in lower case, an IPv6 address in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, when one is named.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl Header for Host {
    const NAME: HeaderName = header::HOST;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        let text = single(lines)?;
        if !grammar::is_host(text.as_bytes()) {
            return None;
        }
        let (name, port) = grammar::split_port(text.as_bytes());
        let port = match port {
            // RFC 3986 §3.2.3: a port may be empty.
            None | Some([]) => None,
            Some(digits) => Some(port_of(digits)?),
        };
        Some(Self {
            name: std::str::from_utf8(name).ok()?.to_ascii_lowercase(),
            port,
        })
    }
}

/// `Origin` (RFC 6454 §7): the page from which a browser sent the request.
///
/// Whoever wants to answer other origins' pages puts [`Cors`](crate::layer::cors::Cors) around the routes; this only tells which page it was.
///
/// ```
/// use wireline::extract::{Header, header::Origin};
/// use wireline::service::headers::Headers;
///
/// let mut headers = Headers::new();
/// headers.try_insert("origin", "https://shop.example").unwrap();
/// let origin = Origin::decode(headers.get_all("origin")).unwrap();
/// assert_eq!(origin.as_str(), "https://shop.example");
/// assert!(!origin.is_null());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// `scheme://host`, with a port where it is not the scheme's own; or `null`, for pages that have none or do not say.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }
}

impl Header for Origin {
    const NAME: HeaderName = header::ORIGIN;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        let text = single(lines)?;
        let is_origin = text
            .split_once("://")
            .is_some_and(|(scheme, host)| is_token(scheme) && grammar::is_host(host.as_bytes()));
        (is_origin || text == "null").then(|| Self(text.to_owned()))
    }
}

/// `Accept` (RFC 9110 §12.5.1), with its weights.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{TypedHeader, header::Accepts};
/// use wireline::test::TestClient;
///
/// async fn report(TypedHeader(accepts): TypedHeader<Accepts>) -> &'static str {
///     match accepts.best(&["text/html", "application/json"]) {
///         Some("application/json") => "{}",
///         Some(_) => "<p>Nothing to report.</p>",
///         None => "you want neither",
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/report", report).build().unwrap());
/// let reply = client.get("/report").header("accept", "text/html;q=0.5, application/json").await;
/// assert_eq!(reply.text(), "{}");
/// # });
/// ```
#[doc(alias = "Accept")]
#[derive(Clone, Debug)]
pub struct Accepts(Headers);

impl Accepts {
    /// How much the client wants a type, in thousandths: see [`Accept::quality`].
    pub fn quality(&self, media_type: &str) -> u16 {
        Accept::of(&self.0).quality(media_type)
    }

    /// The type that the client likes best: see [`Accept::best`].
    pub fn best<'t>(&self, media_types: &[&'t str]) -> Option<&'t str> {
        Accept::of(&self.0).best(media_types)
    }
}

impl Header for Accepts {
    const NAME: HeaderName = header::ACCEPT;

    fn decode<'a>(lines: impl Iterator<Item = FieldValue<'a>>) -> Option<Self> {
        let lines = lines.map(|line| (header::ACCEPT, line.to_value()));
        Some(Self(lines.collect()))
    }
}

/// The text of a field that stands there once.
fn single<'a>(mut lines: impl Iterator<Item = FieldValue<'a>>) -> Option<&'a str> {
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    line.to_str().ok()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(grammar::is_token)
}

fn port_of(digits: &[u8]) -> Option<u16> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros.min(digits.len() - 1)..];
    number::decimal(digits).and_then(|port| u16::try_from(port).ok())
}
