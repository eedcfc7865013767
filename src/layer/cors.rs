//! Cross-origin resource sharing (Fetch, section 3.3): which pages of other origins may read what comes back.

mod origins;

use self::origins::{Origins, Verdict};
use crate::layer::vary::vary;
use crate::service::headers::{FieldValue, Headers};
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::grammar;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::fmt;
use std::time::Duration;

/// Tells browsers which origins may read the responses, and answers their preflights.
///
/// A new policy allows nobody. Who is allowed is told only what it may do; who is not gets the response without the
/// fields that would let a page read it. `Vary: Origin` stands on every response, so that no cache hands on what was
/// meant for one origin to another.
///
/// A preflight is OPTIONS with `Origin` and `Access-Control-Request-Method`. It is answered here, with 204: nothing
/// further in sees it, no rate limit counts it, nobody has to authenticate for it. Other OPTIONS requests pass. Errors of
/// what stands further in (401, 404, 429, 500) carry the same fields as a 200, so that a page can read them.
///
/// The policy of a group stands in for that of the router around it. It says nothing on a response that opens a
/// WebSocket: browsers do not ask for leave before they open one, and `ws::origin::Policy` decides there.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::cors::Cors;
///
/// let cors = Cors::new()
///     .origins(["https://app.example", "https://*.partner.example"])
///     .methods(["GET", "POST", "DELETE"])
///     .headers(["content-type", "authorization"])
///     .credentials(true)
///     .max_age(Duration::from_secs(600));
/// let routes = Router::new().layer(cors).get("/", async || "hello").build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
///
/// # Errors
///
/// [`Router::build`](crate::router::Router::build) refuses a policy that gives credentials to everybody: any origin, a function
/// that takes an origin nobody has, `null`, or `*` among the exposed fields. It also refuses origins that no browser
/// would ever send, and names and methods that are no tokens.
#[derive(Clone)]
pub struct Cors {
    origins: Origins,
    methods: Told,
    headers: Told,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
    private_network: bool,
    problems: Vec<String>,
}

/// What a preflight is told.
#[derive(Clone)]
enum Told {
    /// A list, always whole; `None` is an empty one.
    List(Option<HeaderValue>),
    /// What it asks for.
    Mirror,
}

impl Cors {
    /// A policy that allows nobody, and the methods GET, HEAD and POST once somebody is allowed.
    pub fn new() -> Self {
        Self {
            origins: Origins::default(),
            methods: Told::List(Some(HeaderValue::from_static("GET, HEAD, POST"))),
            headers: Told::List(None),
            expose: None,
            max_age: None,
            credentials: false,
            private_network: false,
            problems: Vec::new(),
        }
    }

    /// Allows these origins, as browsers write them: `https://app.example`, `http://localhost:3000`. With `*.` before a
    /// domain all its subdomains are allowed, not the domain itself. `*` is [`any_origin`](Self::any_origin).
    #[must_use]
    pub fn origins<T: AsRef<str>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        for origin in origins {
            if let Err(wrong) = self.origins.add(origin.as_ref()) {
                self.problems.push(wrong);
            }
        }
        self
    }

    /// Allows every origin, also `null`: what is public to everybody who can send a request. It cannot be had
    /// together with [`credentials`](Self::credentials).
    #[must_use]
    pub const fn any_origin(mut self) -> Self {
        self.origins.any = true;
        self
    }

    /// Allows the origins for which the function says so, beside those that are listed. It sees the origin as it came, never
    /// `null`, and runs for each request with another origin: it must not block.
    ///
    /// Compare whole origins. `origin.ends_with("example.com")` allows `https://evil-example.com`, too.
    #[must_use]
    pub fn origin_if(mut self, allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.origins.decide_by(allows);
        self
    }

    /// Allows the origin `null`, which sandboxed frames and local files have, whoever made them. Off by default, and not
    /// to be had together with [`credentials`](Self::credentials).
    #[must_use]
    pub const fn null_origin(mut self, on: bool) -> Self {
        self.origins.null = on;
        self
    }

    /// Allows these methods, in place of GET, HEAD and POST. Browsers send those three without asking.
    #[must_use]
    pub fn methods<T>(mut self, methods: impl IntoIterator<Item = T>) -> Self
    where
        T: TryInto<Method>,
    {
        let mut names: Vec<String> = Vec::new();
        for method in methods {
            match method.try_into() {
                Ok(method) if method.as_str() == "*" => {
                    self.methods = Told::Mirror;
                    return self;
                }
                Ok(method) => names.push(method.as_str().to_owned()),
                Err(_) => self.problems.push("a method is no token".to_owned()),
            }
        }
        self.methods = Told::List(list(&names));
        self
    }

    /// Allows every method: a preflight is told the one that it asks for.
    #[must_use]
    pub fn any_method(mut self) -> Self {
        self.methods = Told::Mirror;
        self
    }

    /// Allows these fields in requests. Without any, browsers send `Accept`, `Accept-Language`, `Content-Language` and
    /// the simple kinds of `Content-Type` alone. `*` is [`any_header`](Self::any_header).
    #[must_use]
    pub fn headers<T>(mut self, names: impl IntoIterator<Item = T>) -> Self
    where
        T: TryInto<HeaderName>,
    {
        let names = self.names(names);
        self.headers = if names.iter().any(|name| name == "*") {
            Told::Mirror
        } else {
            Told::List(list(&names))
        };
        self
    }

    /// Allows every field: a preflight is told those that it asks for, `Authorization` among them.
    #[must_use]
    pub fn any_header(mut self) -> Self {
        self.headers = Told::Mirror;
        self
    }

    /// Lets pages read these fields of responses, beside the few that they always may: `X-Request-ID`, for one.
    #[must_use]
    pub fn expose_headers<T>(mut self, names: impl IntoIterator<Item = T>) -> Self
    where
        T: TryInto<HeaderName>,
    {
        let names = self.names(names);
        self.expose = list(&names);
        self
    }

    /// For how long a browser may remember what a preflight was told, in whole seconds. Without it browsers keep it for
    /// 5 seconds; none keeps it for longer than a day.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(HeaderValue::from(age.as_secs()));
        self
    }

    /// Whether pages may send cookies, client certificates and the authentication that a browser knows, and read what
    /// comes back. Off by default.
    #[must_use]
    pub const fn credentials(mut self, on: bool) -> Self {
        self.credentials = on;
        self
    }

    /// Whether pages of the internet may reach this server in a private network: a preflight that says
    /// `Access-Control-Request-Private-Network: true` is told that it may. Off by default.
    ///
    /// Browsers that ask their user instead (Local Network Access) need no word from the server.
    #[must_use]
    pub const fn private_network(mut self, on: bool) -> Self {
        self.private_network = on;
        self
    }

    fn names<T: TryInto<HeaderName>>(&mut self, names: impl IntoIterator<Item = T>) -> Vec<String> {
        let mut read = Vec::new();
        for name in names {
            match name.try_into() {
                Ok(name) => read.push(name.as_str().to_owned()),
                Err(_) => self.problems.push("a field name is no token".to_owned()),
            }
        }
        read
    }

    /// The answer to a preflight that asks for this method.
    fn answer(&self, request: &Request, asked: FieldValue<'_>) -> Response {
        let mut response = Response::empty();
        let headers = response.headers_mut();
        if self.allow(&self.judge(request), headers) {
            let methods = match &self.methods {
                Told::List(list) => list.clone(),
                Told::Mirror => {
                    let method = Method::from_bytes(asked.as_bytes());
                    method.is_ok().then(|| asked.to_value())
                }
            };
            let fields = match &self.headers {
                Told::List(list) => list.clone(),
                Told::Mirror => mirrored(request.headers()),
            };
            let is_private = self.private_network
                && request
                    .header(REQUEST_PRIVATE_NETWORK)
                    .is_some_and(|value| value == "true");
            for (name, value) in [
                (ACCESS_CONTROL_ALLOW_METHODS, methods),
                (ACCESS_CONTROL_ALLOW_HEADERS, fields),
                (ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
                (ALLOW_PRIVATE_NETWORK, is_private.then_some(TRUE)),
            ] {
                if let Some(value) = value {
                    headers.append(name, value);
                }
            }
        }
        vary(headers, PREFLIGHTS_VARY);
        response
    }

    /// What is to be remembered of a request's origin.
    fn judge(&self, request: &Request) -> Note {
        let headers = request.headers();
        let origin = headers.get(ORIGIN);
        // A browser sends one. What comes in several is nobody's.
        let origin = origin.filter(|_| headers.get_all(ORIGIN).nth(1).is_none());
        match self.origins.verdict(origin.map(|origin| origin.as_bytes())) {
            Verdict::Any => Note::Number(ANY),
            Verdict::No => Note::Number(NOBODY),
            Verdict::Listed(place) => Note::Number(place as u64),
            Verdict::AsItCame => origin.map_or(Note::Number(NOBODY), |origin| {
                Note::Value(origin.to_value())
            }),
        }
    }

    /// Says that who asked may read the response, if that is so.
    fn allow(&self, judged: &Note, headers: &mut Headers) -> bool {
        let origin = match judged {
            Note::Number(ANY) => Some(&ANYBODY),
            Note::Number(place) => {
                let place = usize::try_from(*place).ok();
                place.and_then(|place| self.origins.listed(place))
            }
            Note::Value(origin) => Some(origin),
            _ => None,
        };
        let is_allowed = origin.is_some();
        let credentials = (is_allowed && self.credentials).then_some(TRUE);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_ORIGIN, origin.cloned()),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials),
        ] {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                // What a handler says of it by itself would be a second policy.
                None if headers.contains(&name) => drop(headers.remove(&name)),
                None => {}
            }
        }
        is_allowed
    }
}

impl Layer for Cors {
    fn place(&self) -> Place {
        Place::Cors
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let mut problems = self.problems.clone();
        if self.credentials {
            let everybody = [
                (self.origins.any, "any origin"),
                (
                    self.origins.takes_anything(),
                    "a function that allows any origin",
                ),
                (self.origins.null, "the origin null, which anybody can have"),
                (
                    (self.expose.as_ref()).is_some_and(|names| names == "*"),
                    "all fields exposed: with credentials they have to be named",
                ),
            ];
            let together = everybody.iter().filter(|(is_so, _)| *is_so);
            problems.extend(together.map(|(_, what)| format!("credentials together with {what}")));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(format!("CORS: {}", problems.join("; ")))
        }
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        match *request.method() {
            // Nothing that opens a tunnel is asked for by a page under CORS.
            Method::CONNECT => return Before::Go,
            Method::OPTIONS => {
                if let Some(asked) = preflight(request) {
                    return Before::Answer(self.answer(request, asked));
                }
            }
            _ => {}
        }
        *note = self.judge(request);
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        if matches!(note, Note::Empty) || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let headers = response.headers_mut();
        if self.allow(note, headers)
            && let Some(names) = &self.expose
        {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
        vary(headers, "Origin");
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("credentials", &self.credentials)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// The method that a preflight asks for; `None` when the request is none.
fn preflight(request: &Request) -> Option<FieldValue<'_>> {
    if *request.method() != Method::OPTIONS || !request.headers().contains(ORIGIN) {
        return None;
    }
    request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The fields that a preflight asks for, one line of them, if they are names.
fn mirrored(headers: &Headers) -> Option<HeaderValue> {
    let mut names: Vec<u8> = Vec::new();
    for line in headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        for name in grammar::list(line.as_bytes()) {
            if !name.iter().copied().all(grammar::is_token) {
                return None;
            }
            if !names.is_empty() {
                names.extend_from_slice(b", ");
            }
            names.extend_from_slice(name);
        }
    }
    (!names.is_empty())
        .then(|| HeaderValue::from_bytes(&names).ok())
        .flatten()
}

/// A field value of these names, which are tokens.
fn list(names: &[String]) -> Option<HeaderValue> {
    (!names.is_empty())
        .then(|| HeaderValue::try_from(names.join(", ")).ok())
        .flatten()
}

/// Notes of a request whose origin is not on the list.
const ANY: u64 = u64::MAX;
const NOBODY: u64 = u64::MAX - 1;

static ANYBODY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Private Network Access, section 3.1.1 of the draft.
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

const PREFLIGHTS_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network";
