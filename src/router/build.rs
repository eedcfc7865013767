//! From a [`Router`] to [`Routes`], or to everything that is wrong with it.

use crate::router::pattern::Pattern;
use crate::router::routes::{Endpoint, MethodTable, Routes};
use crate::router::tree::Tree;
use crate::router::{RouteDef, Router};
use crate::service::handler::{AnyHandler, RouteCheck, erase};
use crate::service::layer::Layer;
use crate::service::middleware::{Chain, Middleware};
use crate::service::response::Response;
use crate::service::route::{RouteFacts, StateMap};
use http::{HeaderValue, Method, StatusCode, header};
use std::fmt;
use std::sync::Arc;

/// Everything that is wrong with a router, a line each.
///
/// ```
/// use wireline::Router;
///
/// let error = Router::new()
///     .get("/users/{id}", async || "one")
///     .get("/users/{name}", async || "another")
///     .get("no-slash", async || "none")
///     .build()
///     .unwrap_err();
/// assert_eq!(error.problems().len(), 2);
/// ```
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

impl BuildError {
    pub(super) const fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }
}

pub(super) fn build(mut router: Router) -> Result<Routes, BuildError> {
    let mut build = Build {
        tree: Tree::new(),
        groups: Tree::new(),
        endpoints: Vec::new(),
        places: Vec::new(),
        problems: Vec::new(),
    };
    let (fallback, redirect_slash) = (router.fallback.take(), router.redirect_slash);
    let around = Around::default().with(&router);
    let state = router.state.clone();
    build.router(
        router,
        &Outer {
            prefix: "",
            around: &Around::default(),
            state: &StateMap::default(),
            max_body: None,
            is_public: false,
            fallback: fallback.as_ref(),
            redirects: redirect_slash,
        },
    );

    // What has no route still passes the outermost middleware.
    let facts = Arc::new(RouteFacts {
        pattern: String::new(),
        names: Vec::new(),
        state,
        is_public: false,
        max_body: None,
    });
    let plain = |handler| Endpoint::new(handler, &around, None, facts.clone());
    if let Some(fallback) = &fallback
        && let Err(missing) = fallback.check(&RouteCheck::new("fallback", &[], &facts.state))
    {
        build.problems.push(format!("the fallback: {missing}"));
    }
    let fallback = fallback.unwrap_or_else(not_found_answer);
    let fallback_facts = Arc::new(RouteFacts {
        is_public: fallback.is_public(),
        ..RouteFacts::clone(&facts)
    });
    let not_found = build.endpoint(Endpoint {
        redirects: redirect_slash,
        ..Endpoint::new(fallback, &around, None, fallback_facts)
    });
    let bad_capture = build.endpoint(plain(answer(
        StatusCode::BAD_REQUEST,
        "the path has an invalid escape or is not UTF-8",
        None,
    )));
    let server_options = build.endpoint(plain(answer(StatusCode::NO_CONTENT, "", None)));
    let tables: Vec<(HeaderValue, Option<usize>)> = build
        .tree
        .iter()
        .map(|(_, table)| (table.allow(), table.first()))
        .collect();
    for (place, (allow, first)) in tables.into_iter().enumerate() {
        // A preflight has to meet the layers of the route that it asks about, and a 405 those that a 200 would have met.
        let mut near = around.clone();
        let mut near_facts = facts.clone();
        if let Some(endpoint) = first.and_then(|first| build.endpoints.get(first)) {
            if let Some(chain) = &endpoint.chain {
                near.layers.clone_from(&chain.layers);
            }
            near_facts = endpoint.facts.clone();
        }
        let near = |handler| Endpoint::new(handler, &near, None, near_facts.clone());
        let refused = build.endpoint(near(answer(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            Some(allow.clone()),
        )));
        let options = build.endpoint(near(answer(StatusCode::NO_CONTENT, "", Some(allow))));
        build
            .tree
            .value_mut(place)
            .into_iter()
            .for_each(|table| table.complete(refused, options));
    }
    if build.problems.is_empty() {
        Ok(Routes::new(
            build.tree,
            build.groups,
            build.endpoints,
            not_found,
            bad_capture,
            server_options,
        ))
    } else {
        Err(BuildError {
            problems: build.problems,
        })
    }
}

struct Build {
    tree: Tree<MethodTable>,
    /// What answers for the paths of groups that have no route.
    groups: Tree<GroupEnd>,
    endpoints: Vec<Endpoint>,
    /// Where the routes among the endpoints are written, as far as that is known.
    places: Vec<(usize, String)>,
    problems: Vec<String>,
}

/// What answers for the paths of a group that have no route.
#[derive(Clone, Copy)]
pub(super) struct GroupEnd {
    pub(super) endpoint: usize,
    /// The group said so itself, and did not only add layers.
    is_own: bool,
}

/// What a router inherits.
struct Outer<'a> {
    prefix: &'a str,
    around: &'a Around,
    state: &'a StateMap,
    max_body: Option<u64>,
    is_public: bool,
    /// The nearest there is.
    fallback: Option<&'a Arc<dyn AnyHandler>>,
    redirects: bool,
}

/// What stands around the handlers of a router.
#[derive(Clone, Default)]
struct Around {
    /// In the order of their places.
    layers: Vec<Arc<dyn Layer>>,
    middleware: Vec<Arc<dyn Middleware>>,
}

impl Around {
    /// This and, further in, what a router adds.
    fn with(&self, router: &Router) -> Self {
        let mut layers = self.layers.clone();
        for layer in &router.layers {
            let kind = (**layer).type_id();
            if layer.replaces_outer() {
                layers.retain(|outer| (**outer).type_id() != kind);
            }
            layers.push(layer.clone());
        }
        layers.sort_by_key(|layer| layer.place());
        Self {
            layers,
            middleware: [&self.middleware[..], &router.middleware].concat(),
        }
    }

    fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.middleware.is_empty()
    }
}

impl Build {
    fn router(&mut self, router: Router, outer: &Outer<'_>) {
        let around = outer.around.with(&router);
        self.problems.extend(router.problems);
        for layer in &router.layers {
            if let Err(wrong) = layer.check() {
                self.problems.push(wrong);
            }
        }
        let is_public = outer.is_public || router.is_public;
        let mut public = router.public;
        let mut state = router.state;
        state.inherit(outer.state);
        let max_body = router.max_body.or(outer.max_body);
        for route in router.routes {
            let named = public.len();
            public.retain(|(method, path)| {
                *path != route.path || route.method.as_ref() != Some(method)
            });
            self.route(
                route,
                &Outer {
                    prefix: outer.prefix,
                    around: &around,
                    state: &state,
                    max_body,
                    is_public: is_public || public.len() < named,
                    ..*outer
                },
            );
        }
        for (method, path) in public {
            self.problems.push(format!(
                "public_route: this router has no route {method} {path} of that method"
            ));
        }
        for (prefix, mut group) in router.groups {
            let nested = prefix.trim_end_matches('/');
            let prefix = format!("{}{nested}", outer.prefix);
            let own = group.fallback.take();
            let fallback = own.as_ref().or(outer.fallback);
            let redirects = outer.redirects || group.redirect_slash;
            let outer = Outer {
                prefix: &prefix,
                around: &around,
                state: &state,
                max_body,
                is_public,
                fallback,
                redirects,
            };
            if nested.is_empty() {
                for (name, is_set) in [
                    ("fallback", own.is_some()),
                    ("redirect_trailing_slash", group.redirect_slash),
                ] {
                    if is_set {
                        self.problems.push(format!(
                            "{name}: a router without a prefix has no paths of its own; nest it, or say it on the router around it"
                        ));
                    }
                }
            } else {
                self.group_end(&group, own.is_some(), &outer);
            }
            self.router(group, &outer);
        }
    }

    /// What has no route in a group still passes its layers and middleware.
    fn group_end(&mut self, group: &Router, has_fallback: bool, outer: &Outer<'_>) {
        let is_own = has_fallback || group.redirect_slash;
        if !is_own && group.layers.is_empty() && group.middleware.is_empty() {
            return;
        }
        let prefix = outer.prefix;
        let mut state = group.state.clone();
        state.inherit(outer.state);
        let max_body = group.max_body.or(outer.max_body);
        let is_public = outer.is_public || group.is_public;
        let handler = outer.fallback.cloned().unwrap_or_else(not_found_answer);
        let facts = RouteFacts {
            pattern: String::new(),
            names: Vec::new(),
            state,
            is_public: handler.is_public() || (has_fallback && is_public),
            max_body,
        };
        if has_fallback
            && let Err(missing) = handler.check(&RouteCheck::new("fallback", &[], &facts.state))
        {
            self.problems
                .push(format!("the fallback of {prefix}: {missing}"));
        }
        let around = outer.around.with(group);
        let end = GroupEnd {
            endpoint: self.endpoint(Endpoint {
                redirects: outer.redirects,
                ..Endpoint::new(handler, &around, max_body, Arc::new(facts))
            }),
            is_own,
        };
        for path in [
            prefix.to_owned(),
            format!("{prefix}/"),
            format!("{prefix}/{REST}"),
        ] {
            // What is wrong with a prefix is said of its routes.
            let Ok(pattern) = Pattern::parse(&path) else {
                continue;
            };
            match self.groups.get_or_insert_with(&pattern, || end) {
                Ok(there) if there.endpoint == end.endpoint => {}
                Ok(there) if is_own && !there.is_own => *there = end,
                Ok(_) | Err(_) if !is_own => {}
                Ok(_) | Err(_) => {
                    self.problems.push(format!(
                        "{prefix}: another group of this prefix has a fallback, too"
                    ));
                    return;
                }
            }
        }
    }

    fn route(&mut self, route: RouteDef, outer: &Outer<'_>) {
        let path = match (outer.prefix, route.path.as_str()) {
            ("", path) => path.to_owned(),
            (prefix, "/") if !route.is_as_is => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        };
        let name = route.method.as_ref().map_or("any method", Method::as_str);
        let place = route.place.map(|(file, line)| format!(" ({file}:{line})"));
        let here = place.clone().unwrap_or_default();
        let pattern = match Pattern::parse(&path) {
            Ok(pattern) => pattern,
            Err(error) => {
                return self.problems.push(format!("{name} {path}{here}: {error}"));
            }
        };
        let check = RouteCheck::new(&path, pattern.names(), outer.state);
        if let Err(missing) = route.handler.check(&check) {
            self.problems
                .push(format!("{name} {path}{here}: {missing}"));
        }
        let facts = Arc::new(RouteFacts {
            pattern: path.clone(),
            names: pattern.names().to_vec(),
            state: outer.state.clone(),
            is_public: outer.is_public || route.handler.is_public(),
            max_body: outer.max_body,
        });
        let endpoint = self.endpoints.len();
        self.places.extend(place.map(|place| (endpoint, place)));
        self.endpoints.push(Endpoint::new(
            route.handler,
            outer.around,
            outer.max_body,
            facts,
        ));
        match self.tree.get_or_insert_with(&pattern, MethodTable::default) {
            Ok(table) => {
                if route.is_as_is {
                    table.set_as_is();
                }
                let existing = table.set(route.method.as_ref(), endpoint);
                if existing.is_none() && route.tunnels {
                    table.set_tunnel(endpoint);
                }
                if let Some(existing) = existing {
                    let there = self.place_of(|endpoint| endpoint == existing);
                    let existing = self.endpoints[existing].pattern();
                    self.problems.push(format!(
                        "{name} {path}{here}: there is already a route for {name} {existing}{there}"
                    ));
                }
            }
            Err(conflict) => {
                let existing = conflict.existing();
                let there =
                    self.place_of(|endpoint| self.endpoints[endpoint].pattern() == existing);
                let other = if there.is_empty() {
                    ""
                } else {
                    "; the other is"
                };
                self.problems
                    .push(format!("{name} {path}{here}: {conflict}{other}{there}"));
            }
        }
    }

    /// Where the first such route is written, if that is known.
    fn place_of(&self, is_it: impl Fn(usize) -> bool) -> &str {
        let known = self.places.iter().find(|(endpoint, _)| is_it(*endpoint));
        known.map_or("", |(_, place)| place)
    }

    fn endpoint(&mut self, endpoint: Endpoint) -> usize {
        self.endpoints.push(endpoint);
        self.endpoints.len() - 1
    }
}

impl Endpoint {
    fn new(
        handler: Arc<dyn AnyHandler>,
        around: &Around,
        max_body: Option<u64>,
        facts: Arc<RouteFacts>,
    ) -> Self {
        let chain = (!around.is_empty()).then(|| {
            Arc::new(Chain {
                layers: around.layers.clone(),
                middleware: around.middleware.clone(),
                handler: handler.clone(),
            })
        });
        Self {
            streams_content: handler.streams_content(),
            handler,
            chain,
            max_body,
            facts,
            redirects: false,
        }
    }
}

/// The rest of the path of a group, under a name that no prefix has.
const REST: &str = "{*the_rest_of_this_group}";

fn not_found_answer() -> Arc<dyn AnyHandler> {
    answer(StatusCode::NOT_FOUND, "not found", None)
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
