//! Counters and histograms of requests, through the `metrics` facade.

use crate::layer::ending::on_end;
use crate::layer::methods::{METHODS, method_place};
use crate::resource::counters::Counter;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use http::{Method, StatusCode};
use metrics::{Gauge, Histogram, Label, SharedString, Unit};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::time::Instant;

/// Measures every request, under OpenTelemetry's names, for whatever recorder of the `metrics` crate the program has
/// installed.
///
/// | metric | labels | |
/// |---|---|---|
/// | `http.server.request.duration` | method, scheme, route, status, error | histogram of seconds, from the head of the request to the end of the response's content; its count is that of requests |
/// | `http.server.active_requests` | method, scheme | gauge of requests that are not yet over |
/// | `http.server.request.body.size` | method, scheme, route, status, error | histogram of octets; without the requests whose length nobody knows beforehand |
/// | `http.server.response.body.size` | method, scheme, route, status, error | histogram of octets of content that were sent |
///
/// The labels are `http.request.method`, `url.scheme`, `http.route`, `http.response.status_code` and, of what went wrong,
/// `error.type`: the status when it is a 5xx, `cancelled` when there was none. There are only so many of each,
/// whatever clients send: a method that RFC 9110 and RFC 5789 do not name is `_OTHER`; the route is its pattern, and for
/// what has none it is `unmatched`; and the status of a request that was never answered, because its client went
/// away, is `none`; a handler that panicked was answered 500. A request that opens a WebSocket is over when it is answered.
///
/// A recorder that is installed after this was made measures nothing of it: install it first.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::metrics::Metrics;
///
/// let routes = Router::new().layer(Metrics::new()).get("/users/{id}", async || "Ada").build().unwrap();
/// # let _ = routes;
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// By scheme and method.
    active: [[OnceLock<Gauge>; METHODS.len()]; SCHEMES.len()],
    /// By pattern; there are as many as the routers have, and one.
    routes: RwLock<HashMap<Box<str>, Arc<Route>>>,
}

struct Route {
    pattern: Arc<str>,
    series: RwLock<HashMap<Key, Arc<Series>>>,
}

/// The places of a method and a scheme, and a status.
type Key = (usize, usize, Option<StatusCode>);

struct Series {
    duration: Histogram,
    request: Histogram,
    response: Histogram,
}

impl Metrics {
    /// Describes the metrics to the recorder that is installed.
    pub fn new() -> Self {
        let seconds = Unit::Seconds;
        metrics::describe_histogram!(DURATION, seconds, "How long requests took.");
        metrics::describe_gauge!(ACTIVE, "Requests that are not yet over.");
        metrics::describe_histogram!(REQUEST_SIZE, Unit::Bytes, "The content of requests.");
        metrics::describe_histogram!(RESPONSE_SIZE, Unit::Bytes, "The content of responses.");
        Self::default()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Layer for Metrics {
    fn place(&self) -> Place {
        Place::Metrics
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        let method = method_place(request.method());
        let scheme = usize::from(request.client().is_https());
        let active = self.shared.active(method, scheme);
        active.increment(1.0);
        *note = Note::any(Running {
            route: self.shared.route(request.matched_pattern()),
            active,
            method,
            scheme,
            is_head: *request.method() == Method::HEAD,
            begun: Instant::now(),
            octets: request.body().len(),
            ended: false,
        });
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let Note::Any(running) = note.take() else {
            return;
        };
        if let Ok(mut running) = running.downcast::<Running>() {
            let (status, is_head) = (response.status(), running.is_head);
            on_end(response, is_head, move |ended| {
                running.end(Some(status), ended.octets);
            });
        }
    }
}

impl Shared {
    fn active(&self, method: usize, scheme: usize) -> Gauge {
        let gauge = self.active[scheme][method].get_or_init(|| {
            metrics::gauge!(ACTIVE, "http.request.method" => METHODS[method], "url.scheme" => SCHEMES[scheme])
        });
        gauge.clone()
    }

    fn route(&self, pattern: Option<&str>) -> Arc<Route> {
        let pattern = pattern
            .filter(|pattern| !pattern.is_empty())
            .unwrap_or(UNMATCHED);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(pattern) {
            return route.clone();
        }
        drop(routes);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let route = routes.entry(pattern.into()).or_insert_with(|| {
            Arc::new(Route {
                pattern: pattern.into(),
                series: RwLock::default(),
            })
        });
        route.clone()
    }
}

impl Route {
    fn series(&self, key: Key) -> Arc<Series> {
        let (method, scheme, status) = key;
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(&key) {
            return series.clone();
        }
        drop(known);
        let mut known = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let series = known.entry(key).or_insert_with(|| {
            let error = match status {
                None => Some(SharedString::const_str("cancelled")),
                Some(status) if status.is_server_error() => Some(status.as_str().to_owned().into()),
                Some(_) => None,
            };
            let status = status.map_or_else(
                || SharedString::const_str("none"),
                |status| status.as_str().to_owned().into(),
            );
            let labels = || {
                let mut labels = vec![
                    Label::from_static_parts("http.request.method", METHODS[method]),
                    Label::from_static_parts("url.scheme", SCHEMES[scheme]),
                    Label::new("http.route", self.pattern.clone()),
                    Label::new("http.response.status_code", status.clone()),
                ];
                labels.extend(error.clone().map(|error| Label::new("error.type", error)));
                labels
            };
            Arc::new(Series {
                duration: metrics::histogram!(DURATION, labels()),
                request: metrics::histogram!(REQUEST_SIZE, labels()),
                response: metrics::histogram!(RESPONSE_SIZE, labels()),
            })
        });
        series.clone()
    }
}

/// A request that is not yet over.
struct Running {
    route: Arc<Route>,
    active: Gauge,
    method: usize,
    scheme: usize,
    is_head: bool,
    begun: Instant,
    /// Of the request's content.
    octets: Option<u64>,
    ended: bool,
}

impl Running {
    fn end(&mut self, status: Option<StatusCode>, octets: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.active.decrement(1.0);
        let series = self.route.series((self.method, self.scheme, status));
        series.duration.record(self.begun.elapsed());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a size above 2^53 may be rounded"
        )]
        let float = |octets: u64| octets as f64;
        if let Some(octets) = self.octets {
            series.request.record(float(octets));
        }
        if status.is_some() {
            series.response.record(float(octets));
        }
    }
}

impl Drop for Running {
    /// The handler never answered.
    fn drop(&mut self) {
        self.end(None, 0);
    }
}

/// Tells the recorder what the engine counts, each [`Counter`] as `wireline.NAME`: connections, refusals, deadlines, floods.
/// Call it whenever the metrics are collected; what [`Handle::metrics`](crate::server::Handle::metrics) sums up is what to
/// give it.
///
/// ```
/// use wireline::layer::metrics::record_engine;
///
/// fn collect(handle: &wireline::server::Handle) {
///     let metrics = handle.metrics();
///     record_engine(|counter| metrics.get(counter));
///     metrics::gauge!("wireline.connections").set(metrics.connections() as f64);
/// }
/// # let _ = collect;
/// ```
pub fn record_engine(count: impl Fn(Counter) -> u64) {
    for counter in Counter::ALL {
        metrics::counter!(format!("wireline.{}", counter.name())).absolute(count(*counter));
    }
}

const SCHEMES: [&str; 2] = ["http", "https"];
/// No pattern: those begin with a slash.
const UNMATCHED: &str = "unmatched";

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";
const REQUEST_SIZE: &str = "http.server.request.body.size";
const RESPONSE_SIZE: &str = "http.server.response.body.size";
