//! Which trace a request is part of (W3C Trace Context).

use crate::layer::request_id::random_octets;
use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use crate::wire::trace_context::{TraceParent, trace_state};
use http::{HeaderName, HeaderValue};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

/// The trace that a request is part of, and the request's own place in it.
///
/// As an argument of a handler it continues what the request's `traceparent` says, or begins a trace of its own; every
/// handler and layer of a request gets the same. Whoever calls another service on the request's behalf sends
/// [`fields`](Self::fields) along:
///
/// ```
/// use wireline::Router;
/// use wireline::layer::trace_context::TraceContext;
///
/// async fn relay(context: TraceContext) -> &'static str {
///     let mut call = http::Request::get("http://stock.internal/books").body(()).unwrap();
///     call.headers_mut().extend(context.fields());
///     // send the call
///     "done"
/// }
/// let routes = Router::new().get("/", relay).build().unwrap();
/// # let _ = routes;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    own: TraceParent,
    caller: Option<[u8; 8]>,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// A place in a trace, for whoever makes spans with something else than [`Traces`](crate::layer::trace::Traces).
    /// `None` when one of the ids is all zero, which the recommendation has for "invalid" (§3.2.2).
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            own: TraceParent {
                trace_id,
                span_id,
                sampled,
            },
            caller: None,
            state: None,
        })
    }

    /// The context of a request, if anybody has asked for it yet.
    pub fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions()?.get()
    }

    /// What the request's own fields say, whatever anybody has made of it: the caller's place in the trace. `None` when
    /// they say nothing that can be believed: one `traceparent`, and that by the grammar.
    pub fn of_caller(parts: &Parts) -> Option<Self> {
        let mut lines = parts.headers().get_all(TRACEPARENT);
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let own = TraceParent::read(line.as_bytes())?;
        let lines: Vec<_> = parts.headers().get_all(TRACESTATE).collect();
        let state = trace_state(lines.iter().map(|line| line.as_bytes())).map(Into::into);
        Some(Self {
            own,
            caller: None,
            state,
        })
    }

    /// The caller's trace with a new span in it.
    pub(super) fn continued(parts: &Parts) -> Option<Self> {
        let of_caller = Self::of_caller(parts)?;
        let own = TraceParent {
            span_id: random_span(),
            ..of_caller.own
        };
        Some(Self {
            own,
            caller: Some(of_caller.own.span_id),
            state: of_caller.state,
        })
    }

    /// A trace of its own.
    pub(super) fn begun(sampled: bool) -> Self {
        Self {
            own: TraceParent {
                trace_id: random_octets(),
                span_id: random_span(),
                sampled,
            },
            caller: None,
            state: None,
        }
    }

    /// The trace.
    pub const fn trace_id(&self) -> [u8; 16] {
        self.own.trace_id
    }

    /// The request's own span.
    pub const fn span_id(&self) -> [u8; 8] {
        self.own.span_id
    }

    /// The caller's span, when the caller has named one.
    pub const fn caller_id(&self) -> Option<[u8; 8]> {
        self.caller
    }

    /// Whether it may be recorded: what the caller says, and for a trace of our own whether a subscriber listens.
    pub const fn is_sampled(&self) -> bool {
        self.own.sampled
    }

    /// What tracing systems add to it, as the caller sent it (`tracestate`), at most 512 octets.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The value of `traceparent` for whoever is called next: this trace, and the request's own span as the parent.
    pub fn traceparent(&self) -> String {
        String::from_utf8_lossy(&self.own.write()).into_owned()
    }

    /// The fields for whoever is called next: `traceparent`, and `tracestate` when there is any.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let parent = (TRACEPARENT, self.parent_value());
        let state = self.state.as_deref().map(HeaderValue::from_str);
        let state = state.and_then(Result::ok).map(|value| (TRACESTATE, value));
        parent
            .1
            .map(|value| (parent.0, value))
            .into_iter()
            .chain(state)
    }

    pub(super) fn parent_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.own.write()).ok()
    }
}

impl FromRequestParts for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        if let Some(context) = Self::of(parts) {
            return Ok(context.clone());
        }
        // Nobody records this request, so a trace of our own is not sampled.
        let context = Self::continued(parts).unwrap_or_else(|| Self::begun(false));
        parts.extensions_mut().insert(context.clone());
        Ok(context)
    }
}

/// Octets as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

fn random_span() -> [u8; 8] {
    let octets = random_octets();
    octets.first_chunk().copied().unwrap_or_default()
}

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
