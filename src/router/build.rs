//! From a [`Router`] to [`Routes`], or to everything that is wrong with it.

use crate::router::pattern::Pattern;
use crate::router::routes::{Endpoint, MethodTable, Routes};
use crate::router::tree::Tree;
use crate::router::{RouteDef, Router};
use crate::service::handler::{AnyHandler, RouteCheck, erase};
use crate::service::middleware::{Chain, Middleware};
use crate::service::response::Response;
use crate::service::route::{RouteFacts, StateMap};
use http::{HeaderValue, Method, StatusCode, header};
use std::fmt;
use std::sync::Arc;

/// Everything that is wrong with a router, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    problems: Vec<String>,
}

impl BuildError {
    /// The problems, in the order of the routes.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for BuildError {}

pub(super) fn build(router: Router) -> Result<Routes, BuildError> {
    let mut build = Build {
        tree: Tree::new(),
        endpoints: Vec::new(),
        problems: Vec::new(),
    };
    let outer = Outer {
        prefix: "",
        middleware: &[],
        state: &StateMap::default(),
        max_body: None,
    };
    let (fallback, redirect_slash) = (router.fallback.clone(), router.redirect_slash);
    let (middleware, state) = (router.middleware.clone(), router.state.clone());
    build.router(router, &outer);

    // What has no route still passes the outermost middleware.
    let facts = Arc::new(RouteFacts {
        pattern: String::new(),
        names: Vec::new(),
        state,
    });
    let plain = |handler| Endpoint::new(handler, &middleware, None, facts.clone());
    if let Some(fallback) = &fallback
        && let Err(missing) = fallback.check(&RouteCheck::new("fallback", &[], &facts.state))
    {
        build.problems.push(format!("the fallback: {missing}"));
    }
    let not_found = build.endpoint(plain(
        fallback.unwrap_or_else(|| answer(StatusCode::NOT_FOUND, "not found", None)),
    ));
    let bad_capture = build.endpoint(plain(answer(
        StatusCode::BAD_REQUEST,
        "the path has an invalid escape or is not UTF-8",
        None,
    )));
    let server_options = build.endpoint(plain(answer(StatusCode::NO_CONTENT, "", None)));
    let allows: Vec<HeaderValue> = build.tree.iter().map(|(_, table)| table.allow()).collect();
    for (place, allow) in allows.into_iter().enumerate() {
        let refused = build.endpoint(plain(answer(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            Some(allow.clone()),
        )));
        let options = build.endpoint(plain(answer(StatusCode::NO_CONTENT, "", Some(allow))));
        build
            .tree
            .value_mut(place)
            .into_iter()
            .for_each(|table| table.complete(refused, options));
    }
    if build.problems.is_empty() {
        Ok(Routes::new(
            build.tree,
            build.endpoints,
            not_found,
            bad_capture,
            server_options,
            redirect_slash,
        ))
    } else {
        Err(BuildError {
            problems: build.problems,
        })
    }
}

struct Build {
    tree: Tree<MethodTable>,
    endpoints: Vec<Endpoint>,
    problems: Vec<String>,
}

/// What a router inherits.
struct Outer<'a> {
    prefix: &'a str,
    middleware: &'a [Arc<dyn Middleware>],
    state: &'a StateMap,
    max_body: Option<u64>,
}

impl Build {
    fn router(&mut self, router: Router, outer: &Outer<'_>) {
        let middleware = [outer.middleware, &router.middleware].concat();
        let mut state = router.state;
        state.inherit(outer.state);
        let max_body = router.max_body.or(outer.max_body);
        for route in router.routes {
            self.route(
                route,
                &Outer {
                    prefix: outer.prefix,
                    middleware: &middleware,
                    state: &state,
                    max_body,
                },
            );
        }
        for (prefix, group) in router.groups {
            let prefix = format!("{}{}", outer.prefix, prefix.trim_end_matches('/'));
            self.router(
                group,
                &Outer {
                    prefix: &prefix,
                    middleware: &middleware,
                    state: &state,
                    max_body,
                },
            );
        }
    }

    fn route(&mut self, route: RouteDef, outer: &Outer<'_>) {
        let path = match (outer.prefix, route.path.as_str()) {
            ("", path) => path.to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        };
        let name = route.method.as_ref().map_or("any method", Method::as_str);
        let pattern = match Pattern::parse(&path) {
            Ok(pattern) => pattern,
            Err(error) => return self.problems.push(format!("{name} {path}: {error}")),
        };
        let check = RouteCheck::new(&path, pattern.names(), outer.state);
        if let Err(missing) = route.handler.check(&check) {
            self.problems.push(format!("{name} {path}: {missing}"));
        }
        let facts = Arc::new(RouteFacts {
            pattern: path.clone(),
            names: pattern.names().to_vec(),
            state: outer.state.clone(),
        });
        let endpoint = self.endpoints.len();
        self.endpoints.push(Endpoint::new(
            route.handler,
            outer.middleware,
            outer.max_body,
            facts,
        ));
        match self.tree.get_or_insert_with(&pattern, MethodTable::default) {
            Ok(table) => {
                if let Some(existing) = table.set(route.method.as_ref(), endpoint) {
                    let existing = self.endpoints[existing].pattern().to_owned();
                    self.problems.push(format!(
                        "{name} {path}: there is already a route for {name} {existing}"
                    ));
                } else if route.tunnels {
                    table.set_tunnel(endpoint);
                }
            }
            Err(conflict) => self.problems.push(format!("{name} {path}: {conflict}")),
        }
    }

    fn endpoint(&mut self, endpoint: Endpoint) -> usize {
        self.endpoints.push(endpoint);
        self.endpoints.len() - 1
    }
}

impl Endpoint {
    fn new(
        handler: Arc<dyn AnyHandler>,
        middleware: &[Arc<dyn Middleware>],
        max_body: Option<u64>,
        facts: Arc<RouteFacts>,
    ) -> Self {
        let chain = (!middleware.is_empty()).then(|| {
            Arc::new(Chain {
                middleware: middleware.to_vec(),
                handler: handler.clone(),
            })
        });
        Self {
            handler,
            chain,
            max_body,
            facts,
        }
    }
}

/// A handler that always says the same.
fn answer(
    status: StatusCode,
    text: &'static str,
    allow: Option<HeaderValue>,
) -> Arc<dyn AnyHandler> {
    erase(move || {
        let allow = allow.clone();
        async move {
            let response = if text.is_empty() {
                Response::ok()
            } else {
                Response::text(text)
            };
            match allow {
                Some(allow) => response
                    .with_status(status)
                    .with_header(header::ALLOW, allow),
                None => response.with_status(status),
            }
        }
    })
}
