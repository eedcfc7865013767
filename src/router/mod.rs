//! Routes: from a method and a path to a handler.
//!
//! ```text
//!   Router  (a builder: routes, groups, middleware, state, limits)
//!     | build: every pattern parsed, every conflict named, every handler's arguments checked
//!     v
//!   Routes  (a Service: one tree for all patterns, one method table for each)
//! ```
//!
//! Precedence is literal, then parameter, then rest. Paths are matched raw, split at `/`; captures are
//! percent-decoded once. HEAD is answered from GET, OPTIONS from the method table, an unknown
//! method with 405 and `Allow`.

mod build;
pub mod hosts;
pub mod pattern;
mod routes;
pub mod tree;

pub use self::build::BuildError;
pub use self::routes::Routes;

use crate::service::handler::{AnyHandler, Handler, erase};
use crate::service::layer::Layer;
use crate::service::middleware::Middleware;
use crate::service::route::StateMap;
use http::Method;
use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

/// A set of routes in the making, with the middleware, state and limits that they share.
///
/// Groups are routers too: [`merge`](Self::merge) takes one in as it is, [`nest`](Self::nest) under a
/// prefix, and both keep the group's own middleware, state and body limit.
///
/// ```
/// use wireline::extract::{Path, State};
/// use wireline::router::Router;
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// async fn greet(State(greeting): State<Greeting>, Path(name): Path<String>) -> String {
///     format!("{} {name}", greeting.0)
/// }
///
/// let api = Router::new().get("/greet/{name}", greet).state(Greeting("hello")).max_body(8 * 1024);
/// let routes = Router::new().get("/health", async || ()).nest("/api", api).build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
#[derive(Default)]
pub struct Router {
    routes: Vec<RouteDef>,
    groups: Vec<(String, Self)>,
    layers: Vec<Arc<dyn Layer>>,
    middleware: Vec<Arc<dyn Middleware>>,
    state: StateMap,
    max_body: Option<u64>,
    fallback: Option<Arc<dyn AnyHandler>>,
    redirect_slash: bool,
    is_public: bool,
    /// Routes that are public by name, with their methods.
    public: Vec<(Method, String)>,
    /// What was wrong already when it was added.
    problems: Vec<String>,
}

struct RouteDef {
    /// `None` is every method.
    method: Option<Method>,
    path: String,
    handler: Arc<dyn AnyHandler>,
    /// Whether it answers extended CONNECT, too.
    tunnels: bool,
    /// Whether `/` keeps its slash under a prefix, and what its parameters capture is the handler's to judge.
    is_as_is: bool,
    /// The file and line of its attribute, when it was found by one.
    place: Option<(&'static str, u32)>,
}

impl RouteDef {
    /// An ordinary route.
    fn new<H, Args>(method: Option<Method>, path: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        Self {
            method,
            path: path.to_owned(),
            handler: erase(handler),
            tunnels: false,
            is_as_is: false,
            place: None,
        }
    }
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        #[doc = concat!("Adds a handler for ", stringify!($method), " requests to `path`.")]
        #[must_use]
        pub fn $name<H, Args>(self, path: &str, handler: H) -> Self
        where
            H: Handler<Args>,
            Args: 'static,
        {
            self.route(Method::$method, path, handler)
        }
    )*};
}

impl Router {
    /// No routes.
    pub fn new() -> Self {
        Self::default()
    }

    methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE, head HEAD, options OPTIONS, trace TRACE, connect CONNECT);

    /// Adds a handler for a method and a path: `/users/{id}`, `/users/:id`, `/files/{*path}`.
    ///
    /// Whether the pattern is one, and free, is told by [`build`](Self::build).
    #[must_use]
    pub fn route<H, Args>(mut self, method: Method, path: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        self.routes.push(RouteDef::new(Some(method), path, handler));
        self
    }

    /// Adds a handler for GET, and for extended CONNECT (RFC 8441), which is how HTTP/2 asks for what Upgrade asks
    /// for in HTTP/1.1. Such a route is found by its path like any other; `Allow` does not name CONNECT.
    #[must_use]
    pub fn get_or_tunnel<H, Args>(mut self, path: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        self.routes.push(RouteDef {
            tunnels: true,
            ..RouteDef::new(Some(Method::GET), path, handler)
        });
        self
    }

    /// Adds a handler for GET that judges by itself what its parameters capture, escapes that are none included. `/` is
    /// not a group's prefix but what has a slash behind it.
    #[allow(dead_code, reason = "only files are served so, and they are optional")]
    pub(crate) fn get_as_is<H, Args>(mut self, path: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        self.routes.push(RouteDef {
            is_as_is: true,
            ..RouteDef::new(Some(Method::GET), path, handler)
        });
        self
    }

    /// Adds a handler for every method that has none of its own.
    #[must_use]
    pub fn any<H, Args>(mut self, path: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        self.routes.push(RouteDef::new(None, path, handler));
        self
    }

    /// Adds a handler for a route in one string, method first: `":get/users/:id"`.
    ///
    /// ```
    /// # use wireline::router::Router;
    /// let routes = Router::new().add(":get/users/:id", async || "one user").build()?;
    /// # Ok::<(), wireline::router::BuildError>(())
    /// ```
    #[must_use]
    pub fn add<H, Args>(mut self, route: &str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        let method = pattern::split_method(route).and_then(|(method, path)| {
            Some((
                Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?,
                path,
            ))
        });
        // Without a method the whole string stays the path, and `build` says what is wrong with it.
        let (method, path) = method.map_or((None, route), |(method, path)| (Some(method), path));
        self.routes.push(RouteDef::new(method, path, handler));
        self
    }

    /// Takes a group in: its routes beside these, its middleware, state and limit around its routes only.
    #[must_use]
    pub fn merge(mut self, group: Self) -> Self {
        self.groups.push((String::new(), group));
        self
    }

    /// Takes a group in under a prefix, which may have parameters. The group's `/` is the prefix itself.
    #[must_use]
    pub fn nest(mut self, prefix: &str, group: Self) -> Self {
        self.groups.push((prefix.to_owned(), group));
        self
    }

    /// Puts middleware around every route of this router and its groups, whether added before or after.
    /// The first added is the outermost. It also sees what has no route: on the outermost router all of it, on a nested one
    /// what is under its prefix.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Puts a layer around every route of this router and its groups, whether added before or after. Layers sort
    /// themselves ([`Place`](crate::service::layer::Place)) and stand outside all middleware. They also see what has no
    /// route: on the outermost router all of it, on a nested one what is under its prefix.
    ///
    /// Of a layer that stands in for that of an outer router ([`replaces_outer`](Layer::replaces_outer)) a router has
    /// one: [`build`](Self::build) refuses a second.
    #[must_use]
    pub fn layer<L: Layer>(mut self, layer: L) -> Self {
        let is_same = |other: &Arc<dyn Layer>| (**other).type_id() == TypeId::of::<L>();
        if layer.replaces_outer() && self.layers.iter().any(is_same) {
            self.problems.push(format!(
                "layer: this router has two of the type {}, and only one of them could stand; put one into a group, or make one of both",
                type_name::<L>()
            ));
        }
        self.layers.push(Arc::new(layer));
        self
    }

    /// Opens every route of this router and its groups to everybody where a layer asks for authentication.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// Opens one route by its method and its pattern as this router has it; [`build`](Self::build) tells when
    /// there is no such route.
    #[must_use]
    pub fn public_route(mut self, method: Method, path: &str) -> Self {
        self.public.push((method, path.to_owned()));
        self
    }

    /// Gives a value to the `State<T>` arguments of this router and its groups; a group's own wins.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        self.state.insert(state);
        self
    }

    /// Gives a value to the `Extension<T>` arguments of this router and its groups.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.state(value)
    }

    /// Limits the content of requests to these routes, in octets. It wins over the server's limit and
    /// over an outer router's, also when it is larger.
    #[must_use]
    pub const fn max_body(mut self, octets: u64) -> Self {
        self.max_body = Some(octets);
        self
    }

    /// Answers what has no route, in place of 404; in a router that is nested, what has none under its prefix. Where a
    /// nested router has none of its own, the one around it answers, inside the layers and the middleware of the nested
    /// one. A router that is merged has no paths of its own: there, [`build`](Self::build) refuses it.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::test::TestClient;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let api = Router::new().get("/users", async || "all").fallback(async || "no such resource");
    /// let routes = Router::new().nest("/api", api).fallback(async || "no such page").build().unwrap();
    /// let client = TestClient::new(routes);
    ///
    /// assert_eq!(client.get("/api/cats").await.text(), "no such resource");
    /// assert_eq!(client.get("/cats").await.text(), "no such page");
    /// # });
    /// ```
    #[must_use]
    pub fn fallback<H, Args>(mut self, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: 'static,
    {
        self.fallback = Some(erase(handler));
        self
    }

    /// Redirects (308) a path that has no route to the same path with, or without, a slash at its end,
    /// when that has one. Off by default: a trailing slash is another path. In a router that is nested it counts for what is
    /// under its prefix; one that is merged is refused it.
    #[must_use]
    pub const fn redirect_trailing_slash(mut self, on: bool) -> Self {
        self.redirect_slash = on;
        self
    }

    /// Adds what `add` adds, to be named in errors by the file and line where it is written.
    #[allow(
        dead_code,
        reason = "only what is found by attributes has a place, and it is optional"
    )]
    pub(crate) fn add_at(self, place: (&'static str, u32), add: fn(Self) -> Self) -> Self {
        let before = self.routes.len();
        let mut added = add(self);
        for route in added.routes.iter_mut().skip(before) {
            route.place = Some(place);
        }
        added
    }

    /// Makes the routes.
    ///
    /// # Errors
    ///
    /// [`BuildError`] lists everything that is wrong: malformed patterns, two routes for one method and
    /// path (it names both), and arguments that a route cannot give, such as a `State<T>` nobody set.
    pub fn build(self) -> Result<Routes, BuildError> {
        build::build(self)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for route in &self.routes {
            list.entry(&format_args!(
                "{} {}",
                route.method.as_ref().map_or("*", Method::as_str),
                route.path
            ));
        }
        for (prefix, group) in &self.groups {
            list.entry(&format_args!("{prefix} {group:?}"));
        }
        list.finish()
    }
}

#[cfg(test)]
mod tests;
