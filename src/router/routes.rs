//! The finished routes, as a service.

use crate::router::build::GroupEnd;
use crate::router::tree::{Params, Tree};
use crate::service::handler::{Admission, AnyHandler, ResponseFuture, RouteCheck, Service};
use crate::service::middleware::Chain;
use crate::service::request::Request;
use crate::service::response::Response;
use crate::service::route::{RouteFacts, decode};
use crate::wire::fields::Span;
use http::{HeaderValue, Method, StatusCode};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What [`Router::build`](crate::router::Router::build) makes: it answers requests.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::{handler::Service, request::Request};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let routes = Router::new().get("/ping", async || "pong").build().unwrap();
/// let response = routes.call(Request::get("/ping")).await;
/// assert_eq!(response.body().as_bytes(), Some(b"pong".as_slice()));
/// # });
/// ```
pub struct Routes {
    tree: Tree<MethodTable>,
    /// For what has no route.
    groups: Tree<GroupEnd>,
    endpoints: Vec<Endpoint>,
    not_found: usize,
    bad_capture: usize,
    server_options: usize,
}

/// One handler with what stands around it.
pub(super) struct Endpoint {
    pub(super) handler: Arc<dyn AnyHandler>,
    /// `None` when nothing stands around it: the handler is called directly.
    pub(super) chain: Option<Arc<Chain>>,
    pub(super) max_body: Option<u64>,
    pub(super) streams_content: bool,
    pub(super) facts: Arc<RouteFacts>,
    /// Whether a slash more or less may lead elsewhere.
    pub(super) redirects: bool,
}

impl Endpoint {
    pub(super) fn pattern(&self) -> &str {
        &self.facts.pattern
    }
}

/// The endpoints of one pattern, by method.
#[derive(Debug, Default)]
pub(super) struct MethodTable {
    get: Option<usize>,
    post: Option<usize>,
    others: Vec<(Method, usize)>,
    any: Option<usize>,
    /// What answers CONNECT, unless it has a route of its own.
    tunnel: Option<usize>,
    /// What answers a method that is not here, and OPTIONS.
    refused: usize,
    options: usize,
    /// Whether a handler judges the captures by itself.
    is_as_is: bool,
}

impl MethodTable {
    /// Puts an endpoint in; gives the one that was there already.
    pub(super) fn set(&mut self, method: Option<&Method>, endpoint: usize) -> Option<usize> {
        let place = match method {
            None => &mut self.any,
            Some(method) if *method == Method::GET => &mut self.get,
            Some(method) if *method == Method::POST => &mut self.post,
            Some(method) => {
                if let Some((_, existing)) = self.others.iter().find(|(known, _)| known == method) {
                    return Some(*existing);
                }
                self.others.push((method.clone(), endpoint));
                return None;
            }
        };
        if place.is_none() {
            *place = Some(endpoint);
            return None;
        }
        *place
    }

    /// The endpoint that came first, whose layers stand around 405 and OPTIONS, too.
    pub(super) fn first(&self) -> Option<usize> {
        let others = self.others.iter().map(|(_, endpoint)| *endpoint);
        let all = [self.get, self.post, self.any].into_iter().flatten();
        all.chain(others).min()
    }

    /// Lets this endpoint answer CONNECT, too.
    pub(super) fn set_tunnel(&mut self, endpoint: usize) {
        self.tunnel = Some(endpoint);
    }

    /// Leaves it to the handlers what a capture may be.
    pub(super) fn set_as_is(&mut self) {
        self.is_as_is = true;
    }

    pub(super) fn complete(&mut self, refused: usize, options: usize) {
        (self.refused, self.options) = (refused, options);
    }

    #[inline]
    fn find(&self, method: &Method) -> usize {
        let own = if *method == Method::GET {
            self.get
        } else if *method == Method::POST {
            self.post
        } else {
            let own = self
                .others
                .iter()
                .find(|(known, _)| known == method)
                .map(|(_, endpoint)| *endpoint);
            // RFC 9110 §9.3.2: HEAD is GET without content, which the driver leaves out.
            if *method == Method::HEAD {
                own.or(self.get)
            } else if *method == Method::CONNECT {
                own.or(self.tunnel)
            } else {
                own
            }
        };
        own.or(self.any).unwrap_or(if *method == Method::OPTIONS {
            self.options
        } else {
            self.refused
        })
    }

    /// The value of `Allow` (RFC 9110 §10.2.1).
    pub(super) fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = Vec::new();
        if self.any.is_some() {
            methods.extend(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
        }
        if self.get.is_some() {
            methods.extend(["GET", "HEAD"]);
        }
        if self.post.is_some() {
            methods.push("POST");
        }
        methods.extend(self.others.iter().map(|(method, _)| method.as_str()));
        methods.push("OPTIONS");
        let mut unique: Vec<&str> = Vec::new();
        for method in methods {
            if !unique.contains(&method) {
                unique.push(method);
            }
        }
        // Methods are tokens, so the list is a field value.
        HeaderValue::try_from(unique.join(", "))
            .unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
    }
}

impl Routes {
    pub(super) const fn new(
        tree: Tree<MethodTable>,
        groups: Tree<GroupEnd>,
        endpoints: Vec<Endpoint>,
        not_found: usize,
        bad_capture: usize,
        server_options: usize,
    ) -> Self {
        Self {
            tree,
            groups,
            endpoints,
            not_found,
            bad_capture,
            server_options,
        }
    }

    /// The patterns, in the order in which they were added.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.tree.iter().map(|(pattern, _)| pattern.as_str())
    }

    /// Finds the endpoint's number, and where the captures lie.
    #[inline]
    fn find(&self, request: &Request, params: &mut Params) -> usize {
        let path = request.parts().path_octets();
        let Some(leaf) = self.tree.find(path, params) else {
            let asterisk = *request.method() == Method::OPTIONS && path == b"*";
            return if asterisk {
                self.server_options
            } else {
                self.nowhere(path, params)
            };
        };
        // A capture that cannot be decoded is refused before any handler sees it.
        let undecodable = |capture: &[u8]| capture.contains(&b'%') && decode(capture).is_none();
        if !params.is_empty()
            && !leaf.value().is_as_is
            && params.iter().any(|range| undecodable(&path[range]))
        {
            params.clear();
            return self.bad_capture;
        }
        leaf.value().find(request.method())
    }

    /// What answers for a path that has no route: the nearest group's end, or that of all.
    fn nowhere(&self, path: &[u8], params: &mut Params) -> usize {
        if self.groups.is_empty() {
            return self.not_found;
        }
        let end = self
            .groups
            .find(path, params)
            .map(|leaf| leaf.value().endpoint);
        params.clear();
        end.unwrap_or(self.not_found)
    }

    /// Where the same path with, or without, a slash at its end would lead.
    fn slash_redirect(&self, request: &Request) -> Option<Redirect> {
        let path = request.path();
        let other = path
            .strip_suffix('/')
            .map_or_else(|| format!("{path}/"), str::to_owned);
        // `//host` in a Location would lead to another host.
        if other.is_empty() || other.starts_with("//") {
            return None;
        }
        self.tree.find(other.as_bytes(), &mut Params::new())?;
        let location = request
            .query()
            .map_or_else(|| other.clone(), |query| format!("{other}?{query}"));
        Some(Redirect(location))
    }
}

/// A handler that sends the client elsewhere.
struct Redirect(String);

impl AnyHandler for Redirect {
    fn call(&self, _: Request) -> ResponseFuture {
        let redirect = Response::redirect(&self.0, StatusCode::PERMANENT_REDIRECT);
        Box::pin(std::future::ready(redirect))
    }

    fn check(&self, _: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }

    fn is_public(&self) -> bool {
        false
    }
}

/// A handler that has its response already.
pub(super) struct Answer(Mutex<Option<Response>>);

impl Answer {
    pub(super) fn new(response: Response) -> Self {
        Self(Mutex::new(Some(response)))
    }
}

impl AnyHandler for Answer {
    fn call(&self, _: Request) -> ResponseFuture {
        let response = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let response = response.unwrap_or_else(Response::internal_error);
        Box::pin(std::future::ready(response))
    }

    fn check(&self, _: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }

    fn is_public(&self) -> bool {
        false
    }
}

impl Service for Routes {
    #[inline]
    fn admit(&self, request: &mut Request) -> Admission {
        let mut params = Params::new();
        let index = self.find(request, &mut params);
        let Some(endpoint) = self.endpoints.get(index) else {
            return Admission::default();
        };
        let route = request.parts_mut().route_mut();
        route.set(&endpoint.facts, index);
        if !params.is_empty() {
            for range in params.iter() {
                route.push(Span::new(range.start, range.end).unwrap_or_default());
            }
        }
        Admission {
            max_body: endpoint.max_body,
            streams_content: endpoint.streams_content,
        }
    }

    #[inline]
    fn call(&self, mut request: Request) -> ResponseFuture {
        if request.parts().route().endpoint().is_none() {
            self.admit(&mut request);
        }
        let index = request.parts().route().endpoint().unwrap_or(self.not_found);
        let Some(endpoint) = self.endpoints.get(index) else {
            return Box::pin(std::future::ready(Response::internal_error()));
        };
        if endpoint.redirects
            && let Some(redirect) = self.slash_redirect(&request)
        {
            // It stands where the 404 would: inside its layers.
            return match &endpoint.chain {
                None => redirect.call(request),
                Some(chain) => Chain::call(&Arc::new(chain.to(Arc::new(redirect))), request),
            };
        }
        match &endpoint.chain {
            None => endpoint.handler.call(request),
            Some(chain) => Chain::call(chain, request),
        }
    }

    fn refuse(&self, mut request: Request, response: Response) -> ResponseFuture {
        if request.parts().route().endpoint().is_none() {
            self.admit(&mut request);
        }
        let index = request.parts().route().endpoint().unwrap_or(self.not_found);
        let endpoint = self.endpoints.get(index);
        match endpoint.and_then(|endpoint| endpoint.chain.as_ref()) {
            None => Box::pin(std::future::ready(response)),
            Some(chain) => {
                let status = response.status();
                let chain = chain.refusing(status, Arc::new(Answer::new(response)));
                Chain::call(&Arc::new(chain), request)
            }
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.patterns()).finish()
    }
}
