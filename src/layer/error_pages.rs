//! What clients see when something goes wrong: problem details for programs, pages for people.

use crate::service::accept::Accept;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::problem::Problem;
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use crate::wire::fields::essence;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{Method, StatusCode};
use std::fmt;

/// Makes of plain errors (4xx and 5xx) what their client reads best.
///
/// The router's 404 and 405, rejections of extractors, errors that handlers return, what layers further in refuse (401,
/// 403, 415, 429, 503), the 500 of a handler that panicked: they come as plain text or without content. This layer turns them into `application/problem+json` (RFC 9457) for clients that take JSON, and, where
/// there is one, into a page of yours for the others. All fields stay (`Allow`, `WWW-Authenticate`, `Retry-After`, cookies), but
/// those of the content that is replaced. An error with another content type, a problem or a page of the handler's own, stays as it is; so
/// does one with more than 8 KiB, one that is streamed, and one that was compressed.
///
/// A client takes JSON when its `Accept` gives `application/problem+json` or `application/json` a weight, and none of
/// `text/html` is greater; where there is a page, it has to be less.
///
/// It stands inside CORS and outside of every layer that refuses requests ([`Place::ErrorPages`]). What is refused before there is a
/// request stays as it is: a malformed head, one that does not come in time.
///
/// ```
/// use http::StatusCode;
/// use wireline::layer::error_pages::ErrorPages;
/// use wireline::{Response, Router};
///
/// let pages = ErrorPages::new()
///     .page(StatusCode::NOT_FOUND, |_| Response::html("<h1>Nothing here</h1>"))
///     .other(|error| Response::html(format!("<h1>{}</h1>", error.status)));
/// let routes = Router::new().layer(pages).get("/", async || "hello").build().unwrap();
/// # let _ = routes;
/// ```
#[derive(Default)]
pub struct ErrorPages {
    pages: Vec<(StatusCode, Page)>,
    other: Option<Page>,
    /// Whether everybody gets problem details.
    is_api: bool,
}

type Page = Box<dyn Fn(&ErrorPage<'_>) -> Response + Send + Sync>;

impl ErrorPages {
    /// Problem details for clients that take JSON, and nothing for the others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Problem details for everybody, whatever they take: for the routes of an interface of programs.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::layer::error_pages::ErrorPages;
    ///
    /// let api = Router::new().layer(ErrorPages::problems()).get("/users", async || "[]");
    /// assert!(Router::new().nest("/api", api).build().is_ok());
    /// ```
    pub fn problems() -> Self {
        Self {
            is_api: true,
            ..Self::default()
        }
    }

    /// A page for one status, in place of an earlier one. The status of the response stays that of the error.
    #[must_use]
    pub fn page<R: IntoResponse>(
        mut self,
        status: StatusCode,
        page: impl Fn(&ErrorPage<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.pages.retain(|(known, _)| *known != status);
        let page: Page = Box::new(move |error| page(error).into_response());
        self.pages.push((status, page));
        self
    }

    /// A page for every other status of 4xx and 5xx.
    #[doc(alias = "fallback")]
    #[must_use]
    pub fn other<R: IntoResponse>(
        mut self,
        page: impl Fn(&ErrorPage<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.other = Some(Box::new(move |error| page(error).into_response()));
        self
    }

    fn page_for(&self, status: StatusCode) -> Option<&Page> {
        let own = self.pages.iter().find(|(known, _)| *known == status);
        own.map(|(_, page)| page).or(self.other.as_ref())
    }
}

impl Layer for ErrorPages {
    fn place(&self) -> Place {
        Place::ErrorPages
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        let taste = if self.is_api {
            Taste { json: 1, html: 0 }
        } else {
            Taste::of(&Accept::of(request.headers()))
        };
        *note = if self.pages.is_empty() && self.other.is_none() {
            Note::Number(taste.to_number())
        } else {
            Note::any((taste, request.method().clone(), request.path().to_owned()))
        };
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return;
        }
        let Some(message) = plain(response) else {
            return;
        };
        let (taste, method, path) = match note.take() {
            Note::Number(number) => (Taste::of_number(number), Method::GET, String::new()),
            mut other => match other.get_mut::<(Taste, Method, String)>() {
                Some(seen) => std::mem::take(seen),
                None => return,
            },
        };
        let page = self.page_for(status);
        let made = if taste.takes_json(page.is_some()) {
            let message = message.to_owned();
            Problem::from(crate::service::error::Error::new(status, message)).into_response()
        } else if let Some(page) = page {
            let error = ErrorPage {
                status,
                message,
                method: &method,
                path: &path,
            };
            page(&error)
        } else {
            return;
        };
        if made.invalid().is_none() {
            replace(response, made);
        }
    }
}

impl fmt::Debug for ErrorPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pages.iter().map(|(status, _)| status))
            .finish()
    }
}

/// What a page is made of.
///
/// ```
/// use http::StatusCode;
/// use wireline::layer::error_pages::ErrorPages;
/// use wireline::test::TestClient;
/// use wireline::{Response, Router};
///
/// let pages = ErrorPages::new().page(StatusCode::NOT_FOUND, |error| {
///     // Plain text needs no escapes; HTML does, for the path is what the client sent.
///     Response::text(format!("{} {}: no such page", error.method, error.path))
/// });
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().layer(pages).build().unwrap());
/// assert_eq!(client.get("/lost").await.text(), "GET /lost: no such page");
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorPage<'a> {
    /// The status of the error.
    pub status: StatusCode,
    /// What the error says to the client; may be empty. It may repeat what the client sent: escape it in HTML.
    pub message: &'a str,
    /// The method of the request.
    pub method: &'a Method,
    /// Its path, percent-encoded as it came. To be escaped in HTML, too.
    pub path: &'a str,
}

/// What the client takes, in thousandths.
#[derive(Clone, Copy, Default)]
struct Taste {
    json: u16,
    html: u16,
}

impl Taste {
    fn of(accept: &Accept<'_>) -> Self {
        let json = accept.quality("application/problem+json");
        Self {
            json: json.max(accept.quality("application/json")),
            html: accept.quality("text/html"),
        }
    }

    fn to_number(self) -> u64 {
        u64::from(self.json) << 16 | u64::from(self.html)
    }

    fn of_number(number: u64) -> Self {
        let half = |number: u64| u16::try_from(number & 0xffff).unwrap_or_default();
        Self {
            json: half(number >> 16),
            html: half(number),
        }
    }

    const fn takes_json(self, has_page: bool) -> bool {
        self.json > self.html || (self.json == self.html && self.json > 0 && !has_page)
    }
}

/// The text of an error that nobody has given a form yet.
fn plain(response: &Response) -> Option<&str> {
    if let Some(content_type) = response.headers().get(CONTENT_TYPE)
        && !essence(content_type.as_bytes()).eq_ignore_ascii_case(b"text/plain")
    {
        return None;
    }
    if response.headers().contains(CONTENT_ENCODING) || response.invalid().is_some() {
        return None;
    }
    let text = response.body().as_bytes()?;
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() <= LONGEST)
        .map(str::trim_ascii_end)
}

/// Gives the response the content of another, and its fields; the status stays.
fn replace(response: &mut Response, mut made: Response) {
    let headers = response.headers_mut();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, ETAG] {
        headers.remove(name);
    }
    let made_headers = std::mem::take(made.headers_mut());
    for (name, value) in http::HeaderMap::from(made_headers).iter() {
        headers.insert(name.clone(), value.clone());
    }
    *response.body_mut() = std::mem::take(made.body_mut());
}

/// The longest text that is taken for a message.
const LONGEST: usize = 8 * 1024;
