//! One server for several names: each host has routes of its own.

use crate::router::{BuildError, Router};
use crate::service::handler::{Admission, ResponseFuture, Service};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::grammar;
use http::StatusCode;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Services by the host that a request is for (RFC 9110 §7.2): the authority of its target, else Host.
///
/// | written | serves |
/// |---|---|
/// | `api.example.com`, `127.0.0.1`, `[::1]` | that name or address |
/// | `*.example.com` | every name under it, however deep, but not `example.com` itself |
///
/// The exact name wins, then the longest pattern. The port of a request does not count, nor does case, nor a dot at the
/// end of the name. Names are compared as they are sent, in ASCII: `bücher.example` is written
/// `xn--bcher-kva.example`.
///
/// A host that is not here gets what [`otherwise`](Self::otherwise) says; without that it is refused with 421
/// (Misdirected Request, RFC 9110 §15.5.20); no router, layer or handler sees it. Such a list of hosts is what
/// keeps a page elsewhere from talking to a server on the same machine by a name of its own that leads there (DNS
/// rebinding): see [`loopback`](Self::loopback).
///
/// ```
/// use wireline::Router;
/// use wireline::router::hosts::Hosts;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let hosts = Hosts::new()
///     .host("example.com", Router::new().get("/", async || "home"))
///     .host("*.example.com", Router::new().get("/", async || "a customer"))
///     .build()
///     .unwrap();
/// let client = TestClient::new(hosts);
///
/// assert_eq!(client.get("/").header("host", "Example.com:8000").await.text(), "home");
/// assert_eq!(client.get("/").header("host", "acme.example.com").await.text(), "a customer");
/// assert_eq!(client.get("/").header("host", "example.org").await.status, 421);
/// # });
/// ```
#[must_use = "hosts serve when they are built"]
pub struct Hosts {
    entries: Vec<Entry>,
    otherwise: Option<Source>,
    problems: Vec<String>,
}

struct Entry {
    names: Vec<String>,
    source: Source,
}

enum Source {
    Router(Box<Router>),
    Service(Arc<dyn Service>),
}

impl Hosts {
    /// No hosts.
    #[expect(
        clippy::new_without_default,
        reason = "without any host it serves nothing"
    )]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            otherwise: None,
            problems: Vec::new(),
        }
    }

    /// `router` for whoever speaks to this machine as itself: `localhost`, `127.0.0.1` and `[::1]`, and nobody else.
    ///
    /// A service that listens at a loopback address is not closed to the web: a page may give its own host name the
    /// address 127.0.0.1, and its requests are then of the same origin. They carry that name in Host.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::router::hosts::Hosts;
    /// use wireline::test::TestClient;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let hosts = Hosts::loopback(Router::new().get("/secrets", async || "for me")).build().unwrap();
    /// let client = TestClient::new(hosts);
    ///
    /// assert_eq!(client.get("/secrets").header("host", "localhost:8000").await.status, 200);
    /// assert_eq!(client.get("/secrets").header("host", "evil.example:8000").await.status, 421);
    /// # });
    /// ```
    pub fn loopback(router: Router) -> Self {
        Self::new().hosts(["localhost", "127.0.0.1", "[::1]"], router)
    }

    /// A router for one host.
    pub fn host(self, name: &str, router: Router) -> Self {
        self.hosts([name], router)
    }

    /// One router for several hosts.
    pub fn hosts<'a>(self, names: impl IntoIterator<Item = &'a str>, router: Router) -> Self {
        self.entry(names, Source::Router(Box::new(router)))
    }

    /// Any service for one host: routes that are built, an `App`, a tower service.
    pub fn service(self, name: &str, service: impl Service) -> Self {
        self.entry([name], Source::Service(Arc::new(service)))
    }

    /// A router for every other host, and for requests without one.
    #[doc(alias = "fallback")]
    pub fn otherwise(mut self, router: Router) -> Self {
        if self.otherwise.is_some() {
            self.problems
                .push("otherwise: there are two routers for every other host".to_owned());
        }
        self.otherwise = Some(Source::Router(Box::new(router)));
        self
    }

    fn entry<'a>(mut self, names: impl IntoIterator<Item = &'a str>, source: Source) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        self.entries.push(Entry { names, source });
        self
    }

    /// Makes the service.
    ///
    /// # Errors
    ///
    /// [`BuildError`] lists everything that is wrong: what is no host, two services for one host, and what is wrong
    /// with each router, the host before it.
    pub fn build(self) -> Result<HostRoutes, BuildError> {
        let mut routes = HostRoutes {
            services: Vec::new(),
            exact: HashMap::new(),
            under: HashMap::new(),
            otherwise: None,
        };
        let mut problems = self.problems;
        for entry in self.entries {
            let index = routes.services.len();
            for name in &entry.names {
                let (map, key) = match name.strip_prefix("*.") {
                    Some(domain) => (&mut routes.under, domain),
                    None => (&mut routes.exact, name.as_str()),
                };
                match read(key) {
                    Err(fault) => problems.push(format!("host {name:?}: {fault}")),
                    Ok(_) if key.starts_with('[') && key.len() < name.len() => {
                        problems.push(format!("host {name:?}: nothing is under an address"));
                    }
                    Ok(key) => {
                        if map.insert(key.into(), index).is_some() {
                            problems.push(format!("host {name:?}: it is already there"));
                        }
                    }
                }
            }
            let name = entry.names.first().map_or("", String::as_str);
            routes
                .services
                .extend(service(entry.source, name, &mut problems));
        }
        if let Some(source) = self.otherwise {
            routes.otherwise = service(source, "every other", &mut problems);
        }
        if problems.is_empty() {
            Ok(routes)
        } else {
            Err(BuildError::new(problems))
        }
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.iter().flat_map(|entry| &entry.names);
        f.debug_list().entries(names).finish()
    }
}

/// What [`Hosts::build`] makes: it answers requests.
pub struct HostRoutes {
    services: Vec<Arc<dyn Service>>,
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    under: HashMap<Box<str>, usize>,
    otherwise: Option<Arc<dyn Service>>,
}

impl HostRoutes {
    /// The service for the host of this request.
    fn find(&self, request: &Request) -> Option<&Arc<dyn Service>> {
        let found = request.host().and_then(|host| self.index(host));
        found
            .and_then(|index| self.services.get(index))
            .or(self.otherwise.as_ref())
    }

    fn index(&self, host: &str) -> Option<usize> {
        let name = without_port(host);
        if name.len() > LONGEST {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        if let Some(index) = self.exact.get(&*name) {
            return Some(*index);
        }
        if self.under.is_empty() {
            return None;
        }
        // The longest first. A name cannot have more labels than half its octets.
        let mut rest = &*name;
        while let Some((label, domain)) = rest.split_once('.') {
            if !label.is_empty()
                && let Some(index) = self.under.get(domain)
            {
                return Some(*index);
            }
            rest = domain;
        }
        None
    }
}

impl Service for HostRoutes {
    fn admit(&self, request: &mut Request) -> Admission {
        match self.find(request) {
            Some(service) => service.clone().admit(request),
            None => Admission::default(),
        }
    }

    fn call(&self, request: Request) -> ResponseFuture {
        match self.find(&request) {
            Some(service) => service.clone().call(request),
            None => {
                let refusal = Response::text("this server does not serve that host")
                    .with_status(StatusCode::MISDIRECTED_REQUEST);
                Box::pin(std::future::ready(refusal))
            }
        }
    }
}

impl fmt::Debug for HostRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = self.exact.keys().map(|name| name.to_string()).collect();
        names.extend(self.under.keys().map(|name| format!("*.{name}")));
        names.sort();
        f.debug_list().entries(names).finish()
    }
}

fn service(source: Source, host: &str, problems: &mut Vec<String>) -> Option<Arc<dyn Service>> {
    match source {
        Source::Service(service) => Some(service),
        Source::Router(router) => match router.build() {
            Ok(routes) => Some(Arc::new(routes)),
            Err(error) => {
                let named = |problem: &String| format!("host {host:?}: {problem}");
                problems.extend(error.problems().iter().map(named));
                None
            }
        },
    }
}

/// A host as it is compared.
fn read(name: &str) -> Result<String, &'static str> {
    if !name.is_ascii() {
        return Err("names are written in ASCII, as they are sent: `xn--...`");
    }
    if without_port(name).len() != name.len() {
        return Err("the port of a request does not count: leave it out");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.contains('*') {
        return Err("`*.` stands once, before the rest of the name");
    }
    if name.len() > LONGEST
        || !grammar::is_host(name.as_bytes())
        || name.split('.').any(str::is_empty)
    {
        return Err("it is no name or address");
    }
    Ok(name.to_ascii_lowercase())
}

/// An address of IPv6 stands in brackets, so that its colons are not the port's.
fn without_port(host: &str) -> &str {
    match host.rfind([':', ']']) {
        Some(at) if host.as_bytes().get(at) == Some(&b':') => &host[..at],
        _ => host,
    }
}

/// The longest name that there can be, with a dot at its end (RFC 1035 §2.3.4).
const LONGEST: usize = 254;
