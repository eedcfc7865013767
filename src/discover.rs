//! Routes that are found where they are written: `#[get]` and its like leave them, [`Router::discover`] takes them in.
//!
//! ```text
//!   #[get("/users/{id}")]         an entry in the binary, made by the linker's side of `inventory`
//!   async fn user(..)   ------>     method, path, module, file and line, and how to add it to a router
//!                                          |
//!   Router::new().discover()  <------------+  sorted by path and method, so that every run has the same order
//! ```
//!
//! A marked function stays what it is: without `discover` nothing serves it, and it can be given to a router by hand.
//! What the entries are made of is no part of the interface: `wireline-macros` of the same version writes them.

use crate::router::Router;

#[doc(hidden)]
pub use http::Method;
#[doc(hidden)]
pub use inventory;

impl Router {
    /// Adds every handler of the program that is marked with an attribute: [`get`](macro@crate::get),
    /// [`websocket`](macro@crate::websocket) and their like, in whatever crate it is written.
    ///
    /// The order is that of their paths and methods. Two for one method and path are an error of
    /// [`build`](Self::build), which says where both are written. They belong to this router: its layers, state and
    /// limits are theirs, and under [`nest`](Self::nest) they have a prefix.
    ///
    /// A library whose only purpose is its handlers has to be named somewhere in the program, `use my_handlers as _;`
    /// is enough; the compiler leaves out crates that nobody names.
    ///
    /// ```standalone_crate
    /// use wireline::extract::Path;
    /// use wireline::{Router, get};
    ///
    /// #[get("/greet/{name}")]
    /// async fn greet(Path(name): Path<String>) -> String {
    ///     format!("Hello, {name}!")
    /// }
    ///
    /// # fn main() {
    /// let routes = Router::new().discover().build().unwrap();
    /// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/greet/{name}"]);
    /// # }
    /// ```
    #[must_use]
    pub fn discover(self) -> Self {
        self.take_in(|_| true)
    }

    /// As [`discover`](Self::discover), for the handlers of one module and those in it: for groups with prefixes,
    /// layers or limits of their own. `module` is a path with its crate, as `module_path!()` gives it.
    ///
    /// ```
    /// mod admin {
    ///     #[wireline::get("/users")]
    ///     async fn users() -> &'static str {
    ///         "everybody"
    ///     }
    /// }
    ///
    /// # fn main() {
    /// use wireline::Router;
    ///
    /// let admin = Router::new().discover_in(concat!(module_path!(), "::admin"));
    /// let routes = Router::new().nest("/admin", admin).build().unwrap();
    /// # let _ = routes;
    /// # }
    /// ```
    #[must_use]
    pub fn discover_in(self, module: &str) -> Self {
        self.take_in(|found| is_within(module, found.module))
    }

    fn take_in(self, is_wanted: impl Fn(&Found) -> bool) -> Self {
        let mut routes: Vec<(&Found, &Route)> = inventory::iter::<Found>()
            .filter(|found| is_wanted(found))
            .map(|found| match &found.kind {
                Kind::Route(route) => (found, route),
            })
            .collect();
        // The linker's order is its own.
        routes.sort_by_key(|(found, route)| (route.path, route.method, found.file, found.line));
        routes.into_iter().fold(self, |router, (found, route)| {
            router.add_at((found.file, found.line), route.add)
        })
    }
}

/// What an attribute leaves.
#[doc(hidden)]
#[derive(Debug)]
pub struct Found {
    kind: Kind,
    module: &'static str,
    file: &'static str,
    line: u32,
}

/// Each kind is taken in by its own method of whoever serves it.
#[derive(Debug)]
enum Kind {
    Route(Route),
}

#[derive(Debug)]
struct Route {
    method: &'static str,
    path: &'static str,
    add: fn(Router) -> Router,
}

impl Found {
    /// A route.
    pub const fn route(
        method: &'static str,
        path: &'static str,
        add: fn(Router) -> Router,
        (module, file, line): (&'static str, &'static str, u32),
    ) -> Self {
        Self {
            kind: Kind::Route(Route { method, path, add }),
            module,
            file,
            line,
        }
    }
}

/// Whether `path` is that of a module, or of one in it.
pub(crate) fn is_within(module: &str, path: &str) -> bool {
    let rest = path.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A method whose name an attribute has checked.
#[doc(hidden)]
pub fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap_or_default()
}

inventory::collect!(Found);
