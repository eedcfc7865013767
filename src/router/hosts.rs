//! One server for several names: each host has routes of its own.

use crate::router::{BuildError, Router};
use crate::service::handler::{Admission, AnyHandler, ResponseFuture, RouteCheck, Service};
use crate::service::layer::Layer;
use crate::service::middleware::Chain;
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::grammar;
use http::StatusCode;
use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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
/// (Misdirected Request, RFC 9110 §15.5.20); no router or handler sees it, and no layer but those that stand
/// [around all hosts](Self::layer). Such a list of hosts is what
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
    layers: Vec<Arc<dyn Layer>>,
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
            layers: Vec::new(),
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

    /// Puts a layer around all hosts, and around the refusal of those that are not here: so that a 421 has an id, a line
    /// in the log and its place in the metrics. Layers sort themselves, as those of a router do. What a host's router has
    /// stands inside, also where it is of the same type.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::layer::request_id::RequestIds;
    /// use wireline::router::hosts::Hosts;
    /// use wireline::test::TestClient;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let hosts = Hosts::loopback(Router::new()).layer(RequestIds::new()).build().unwrap();
    /// let answer = TestClient::new(hosts).get("/").header("host", "evil.example").await;
    /// assert_eq!(answer.status, 421);
    /// assert!(answer.header("x-request-id").is_some());
    /// # });
    /// ```
    pub fn layer<L: Layer>(mut self, layer: L) -> Self {
        let is_same = |other: &Arc<dyn Layer>| (**other).type_id() == TypeId::of::<L>();
        if layer.replaces_outer() && self.layers.iter().any(is_same) {
            let name = type_name::<L>();
            self.problems.push(format!(
                "layer: there are two of the type {name}, and only one of them could stand"
            ));
        }
        self.layers.push(Arc::new(layer));
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
        let mut routes = Table {
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
        let mut layers = self.layers;
        problems.extend(layers.iter().filter_map(|layer| layer.check().err()));
        layers.sort_by_key(|layer| layer.place());
        if problems.is_empty() {
            let hosts = Arc::new(routes);
            let chain = (!layers.is_empty()).then(|| {
                Arc::new(Chain {
                    layers,
                    middleware: Vec::new(),
                    handler: Arc::new(Inside(hosts.clone(), Mutex::default())),
                })
            });
            Ok(HostRoutes { hosts, chain })
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
///
/// ```
/// use wireline::router::hosts::{HostRoutes, Hosts};
/// use wireline::service::handler::Service;
/// use wireline::{Request, Router};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let hosts: HostRoutes = Hosts::new().host("example.com", Router::new()).build().unwrap();
/// // A service like any other: for a `Server`, a `TestClient`, or by hand.
/// let mut request = Request::get("/");
/// request.headers_mut().try_insert("host", "example.org").unwrap();
/// assert_eq!(hosts.call(request).await.status(), 421);
/// # });
/// ```
pub struct HostRoutes {
    hosts: Arc<Table>,
    /// The layers around all of them, if there are any.
    chain: Option<Arc<Chain>>,
}

/// The services by their hosts.
struct Table {
    services: Vec<Arc<dyn Service>>,
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    under: HashMap<Box<str>, usize>,
    otherwise: Option<Arc<dyn Service>>,
}

impl Table {
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

impl Table {
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

    fn refuse(&self, request: Request, response: Response) -> ResponseFuture {
        match self.find(&request) {
            Some(service) => service.clone().refuse(request, response),
            None => Box::pin(std::future::ready(response)),
        }
    }
}

/// All hosts, inside the layers around them; perhaps with the answer to a request that is refused.
struct Inside(Arc<Table>, Mutex<Option<Response>>);

impl AnyHandler for Inside {
    fn call(&self, request: Request) -> ResponseFuture {
        let refusal = self.1.lock().unwrap_or_else(PoisonError::into_inner).take();
        match refusal {
            None => self.0.call(request),
            Some(response) => self.0.refuse(request, response),
        }
    }

    fn check(&self, _: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }

    fn is_public(&self) -> bool {
        false
    }
}

impl HostRoutes {
    /// Layers may ask for the route.
    fn route(&self, request: &mut Request) {
        if request.parts().route().endpoint().is_none() {
            self.hosts.admit(request);
        }
    }
}

impl Service for HostRoutes {
    fn admit(&self, request: &mut Request) -> Admission {
        self.hosts.admit(request)
    }

    fn call(&self, mut request: Request) -> ResponseFuture {
        match &self.chain {
            None => self.hosts.call(request),
            Some(chain) => {
                self.route(&mut request);
                Chain::call(chain, request)
            }
        }
    }

    fn refuse(&self, mut request: Request, response: Response) -> ResponseFuture {
        match &self.chain {
            None => self.hosts.refuse(request, response),
            Some(chain) => {
                self.route(&mut request);
                let status = response.status();
                let refused = Inside(self.hosts.clone(), Mutex::new(Some(response)));
                Chain::call(
                    &Arc::new(chain.refusing(status, Arc::new(refused))),
                    request,
                )
            }
        }
    }
}

impl fmt::Debug for HostRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { exact, under, .. } = &*self.hosts;
        let mut names: Vec<String> = exact.keys().map(|name| name.to_string()).collect();
        names.extend(under.keys().map(|name| format!("*.{name}")));
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
