//! A span for each request, `http.request`, with the field names of both worlds, inside that of its
//! connection, `http.connection`, and over HTTP/2 that of its stream, `h2.stream`.
//!
//! ```text
//!   http.connection  peer.addr
//!     └─ h2.stream                      (HTTP/2 alone)
//!         └─ http.request  http.method, http.route, ...
//!             └─ the handler's own spans and events; those of a WebSocket's handler, too
//! ```

mod span;

use self::span::{begin_span, tell_failure};
use crate::layer::ceiling::Ceiling;
use crate::layer::request_id::RequestId;
use crate::layer::trace_context::{TRACEPARENT, TraceContext};
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::service::upgrade::OnUpgrade;
use http::StatusCode;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Level, Span};

/// Makes a span `http.request` for every request, with its place in a trace (W3C Trace Context).
///
/// | field | |
/// |---|---|
/// | `http.method` | the method |
/// | `http.request.method` | the method, or `_OTHER` for one that RFC 9110 and RFC 5789 do not name |
/// | `http.request.method_original` | the method, where that is `_OTHER` |
/// | `http.route` | the pattern of the route, `/users/{id}`; nothing where there is none |
/// | `url.scheme` | `http` or `https`, as the client used it |
/// | `url.path` | the path as it came |
/// | `url.query` | with [`query`](Self::query) alone: tokens travel in queries |
/// | `http.request_id` | the id, where requests have one |
/// | `trace_id`, `span_id` | the place in the trace, in hexadecimal digits |
/// | `http.status_code`, `http.response.status_code` | recorded when the handler has answered |
/// | `http.latency_ms` | milliseconds until then, as a fraction |
/// | `error.type` | the status when it is a 5xx; `panic`, or `cancelled` when the client went away before the answer |
/// | `otel.kind`, `otel.status_code` | what `tracing-opentelemetry` looks for: `server`; `ERROR` for a 5xx |
/// | `otel.name` | the name that the span is exported under: `GET /users/{id}`, and the method alone where there is no route; [`on_span`](Self::on_span) may record another |
///
/// The span is entered whenever the handler is polled, and its future holds no guard across an `.await`. What a handler
/// of a WebSocket, or whatever else runs after an upgrade, does is inside it, too. An answer with a 5xx is an event at
/// level ERROR in it, with the source of the handler's [`Error`](crate::service::error::Error) as `error`, at most 100 of
/// them in a second. When no subscriber listens it costs a few instructions.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::trace::Traces;
///
/// let routes = Router::new()
///     .layer(Traces::new().skip("/health"))
///     .get("/health", async || ())
///     .get("/", async || "hello")
///     .build()
///     .unwrap();
/// # let _ = routes;
/// ```
#[derive(Clone)]
pub struct Traces {
    level: Level,
    skipped: Vec<Box<str>>,
    skip_when: Option<Arc<Skip>>,
    query: Option<Arc<Redact>>,
    on_span: Option<Arc<OnSpan>>,
    continues: bool,
    responds: bool,
    failures: Arc<Ceiling>,
}

type Skip = dyn Fn(&Request) -> bool + Send + Sync;
type Redact = dyn Fn(&str) -> String + Send + Sync;
type OnSpan = dyn Fn(&Span, &Request) -> Option<TraceContext> + Send + Sync;

impl Traces {
    /// Spans at level INFO for every request. A `traceparent` is continued, none is sent back.
    pub fn new() -> Self {
        Self {
            level: Level::INFO,
            skipped: Vec::new(),
            skip_when: None,
            query: None,
            on_span: None,
            continues: true,
            responds: false,
            failures: Arc::default(),
        }
    }

    /// The level of the spans `http.request` and `h2.stream`, INFO by default: a filter of the subscriber that lets less through leaves
    /// them out.
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Makes no span for this path, or for the route with this pattern: `/health`.
    #[must_use]
    pub fn skip(mut self, path: &str) -> Self {
        self.skipped.push(path.into());
        self
    }

    /// Makes no span for requests of which this says so.
    #[must_use]
    pub fn skip_when(mut self, skip: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.skip_when = Some(Arc::new(skip));
        self
    }

    /// Records `url.query`, as this function makes it of the query. Without it no query is recorded.
    ///
    /// ```
    /// use wireline::layer::trace::Traces;
    ///
    /// // The names alone.
    /// let traces = Traces::new().query(|query| {
    ///     let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    ///     names.collect::<Vec<_>>().join("&")
    /// });
    /// # let _ = traces;
    /// ```
    #[must_use]
    pub fn query(mut self, redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.query = Some(Arc::new(redact));
        self
    }

    /// Calls this with every span before it is entered: to record another `otel.name`, or to tell OpenTelemetry who called
    /// ([`TraceContext::of_caller`]). What it gives back stands in the place of the [`TraceContext`] that the request
    /// would have had.
    #[must_use]
    pub fn on_span(
        mut self,
        hook: impl Fn(&Span, &Request) -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.on_span = Some(Arc::new(hook));
        self
    }

    /// Whether the trace that a `traceparent` names is continued. On by default; turned off, each request begins a trace
    /// of its own, as a public service may want that does not believe its clients (W3C Trace Context §4.2).
    #[must_use]
    pub const fn continue_traces(mut self, on: bool) -> Self {
        self.continues = on;
        self
    }

    /// Whether responses say `traceparent`, so that a client can name the trace when it complains. Off by default.
    #[must_use]
    pub const fn respond(mut self, on: bool) -> Self {
        self.responds = on;
        self
    }

    /// Begins the span of a request, and gives the request its place in a trace.
    #[inline]
    pub(crate) fn begin(&self, request: &mut Request) -> Option<Trace> {
        let listens = self.level <= LevelFilter::current();
        if listens || self.responds || !self.continues {
            self.begin_slowly(request, listens)
        } else {
            None
        }
    }

    fn begin_slowly(&self, request: &mut Request, listens: bool) -> Option<Trace> {
        let listens = listens && !self.skips(request);
        if !listens && !self.responds && self.continues {
            return None;
        }
        let of_caller = self.continues.then(|| TraceContext::continued(request));
        let mut context = of_caller
            .flatten()
            .unwrap_or_else(|| TraceContext::begun(listens));
        let mut trace = Trace {
            span: Span::none(),
            begun: None,
            panicked: Cell::new(false),
            answer: None,
        };
        if listens {
            trace.span = begin_span(self.level, request);
            trace.begun = Some(Instant::now());
            if let Some(id) = RequestId::of(request) {
                trace
                    .span
                    .record("http.request_id", tracing::field::display(id));
            }
            if let (Some(redact), Some(query)) = (&self.query, request.query()) {
                trace.span.record("url.query", redact(query));
            }
            let hook = self.on_span.as_ref();
            if let Some(other) = hook.and_then(|hook| hook(&trace.span, request)) {
                context = other;
            }
            span::record_context(&trace.span, &context);
        }
        if self.responds {
            trace.answer = Some(context.clone());
        }
        request.extensions_mut().insert(context);
        Some(trace)
    }

    fn skips(&self, request: &Request) -> bool {
        let named = |path: &str| self.skipped.iter().any(|skipped| **skipped == *path);
        !self.skipped.is_empty()
            && (named(request.path()) || request.matched_pattern().is_some_and(named))
            || self.skip_when.as_ref().is_some_and(|skip| skip(request))
    }

    /// Says how the request went.
    pub(crate) fn end(&self, trace: &mut Trace, response: &mut Response) {
        if let Some(begun) = trace.begun.take() {
            trace.record_status(response.status(), begun);
            if response.status().is_server_error() {
                trace
                    .span
                    .in_scope(|| tell_failure(&self.failures, response));
            }
            response.map_upgrade(|on_upgrade| inside(&trace.span, on_upgrade));
        }
        let parent = trace
            .answer
            .take()
            .and_then(|context| context.parent_value());
        if let Some(parent) = parent {
            response.headers_mut().insert(TRACEPARENT, parent);
        }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("level", &self.level)
            .field("skipped", &self.skipped)
            .field("continues", &self.continues)
            .field("responds", &self.responds)
            .finish_non_exhaustive()
    }
}

impl Layer for Traces {
    fn place(&self) -> Place {
        Place::Trace
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn surrounds(&self, note: &Note) -> bool {
        !matches!(note, Note::Empty)
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        if let Some(trace) = self.begin(request) {
            *note = Note::any(trace);
        }
        Before::Go
    }

    fn within(&self, note: &Note, poll: &mut dyn FnMut()) {
        match note.get::<Trace>() {
            Some(trace) => trace.within(poll),
            None => poll(),
        }
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        if let Some(trace) = note.get_mut::<Trace>() {
            self.end(trace, response);
        }
    }
}

/// The span of one request, and when it began.
pub(crate) struct Trace {
    span: Span,
    /// `None` without a span, and when its end was recorded.
    begun: Option<Instant>,
    panicked: Cell<bool>,
    /// What the response is to say.
    answer: Option<TraceContext>,
}

impl Trace {
    /// Runs code inside the span.
    pub(crate) fn within<T>(&self, code: impl FnOnce() -> T) -> T {
        let unwinding = Unwinding(&self.panicked);
        let value = self.span.in_scope(code);
        std::mem::forget(unwinding);
        value
    }

    fn record_status(&self, status: StatusCode, begun: Instant) {
        self.span.record("http.status_code", status.as_u16());
        self.span
            .record("http.response.status_code", status.as_u16());
        let elapsed = begun.elapsed().as_secs_f64() * 1000.0;
        self.span.record("http.latency_ms", elapsed);
        let panicked = self.panicked.get();
        if panicked || status.is_server_error() {
            let kind = if panicked { "panic" } else { status.as_str() };
            self.span.record("error.type", kind);
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl Drop for Trace {
    /// A hook panicked before there was a handler, or that was dropped because its client went away.
    fn drop(&mut self) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        if std::thread::panicking() {
            self.panicked.set(true);
            self.record_status(StatusCode::INTERNAL_SERVER_ERROR, begun);
        } else {
            self.span.record("error.type", "cancelled");
        }
    }
}

/// Dropped by a panic alone.
struct Unwinding<'a>(&'a Cell<bool>);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// What runs after an upgrade, inside the span of the request that asked for it.
fn inside(span: &Span, on_upgrade: OnUpgrade) -> OnUpgrade {
    let span = span.clone();
    OnUpgrade::new(move |upgraded| {
        let future = span.in_scope(|| on_upgrade.run(upgraded));
        future.instrument(span)
    })
}
