//! The spans themselves, with their fields, and the event of a failure.

use crate::layer::ceiling::Ceiling;
use crate::layer::methods::{METHODS, OTHER, method_place};
use crate::layer::trace_context::{Hex, TraceContext};
use crate::service::request::Request;
use crate::service::response::Response;
use http::Version;
use std::error::Error;
use std::fmt;
use tracing::field::{Empty, display};
use tracing::{Level, Span};

/// A level has to be known where a span is written, so there is one for each.
macro_rules! at_level {
    ($level:expr, $($rest:tt)*) => {
        match $level {
            Level::ERROR => tracing::span!(Level::ERROR, $($rest)*),
            Level::WARN => tracing::span!(Level::WARN, $($rest)*),
            Level::INFO => tracing::span!(Level::INFO, $($rest)*),
            Level::DEBUG => tracing::span!(Level::DEBUG, $($rest)*),
            _ => tracing::span!(Level::TRACE, $($rest)*),
        }
    };
}

/// The span of a request, inside those of its connection and its stream.
pub(super) fn begin_span(level: Level, request: &Request) -> Span {
    let parts = request.parts();
    let connection = parts.slot();
    let mut around =
        connection.map_or_else(Span::current, |slot| slot.span().get(&slot.info()).clone());
    if connection.is_some() && parts.version() == Version::HTTP_2 {
        around = around.in_scope(|| at_level!(level, "h2.stream"));
    }
    let method = method_place(parts.method());
    let route = (parts.matched_pattern()).filter(|pattern| !pattern.is_empty());
    around.in_scope(|| {
        at_level!(
            level,
            "http.request",
            http.method = parts.method().as_str(),
            http.request.method = METHODS[method],
            http.request.method_original = (method == OTHER).then(|| parts.method().as_str()),
            http.route = route,
            url.scheme = request.client().scheme(),
            // The query stays out: tokens travel in it.
            url.path = parts.path(),
            url.query = Empty,
            http.request_id = Empty,
            trace_id = Empty,
            span_id = Empty,
            http.status_code = Empty,
            http.response.status_code = Empty,
            http.latency_ms = Empty,
            error.type = Empty,
            otel.kind = "server",
            otel.name = display(Name(method, route)),
            otel.status_code = Empty,
        )
    })
}

/// What a span is called where it is exported: the method, which is `HTTP` when it is no known one, and the route.
struct Name<'a>(usize, Option<&'a str>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(method, route) = self;
        f.write_str(if *method == OTHER {
            "HTTP"
        } else {
            METHODS[*method]
        })?;
        match route {
            Some(route) => write!(f, " {route}"),
            None => Ok(()),
        }
    }
}

pub(super) fn record_context(span: &Span, context: &TraceContext) {
    span.record("trace_id", display(Hex(&context.trace_id())));
    span.record("span_id", display(Hex(&context.span_id())));
}

/// One event at level ERROR, inside the request's span; of many in a second the first are told.
#[cold]
pub(super) fn tell_failure(told: &Ceiling, response: &Response) {
    if told.allows(MOST_FAILURES) {
        let status = response.status().as_u16();
        let source = response.source().map(|source| source as &dyn Error);
        tracing::error!(
            http.response.status_code = status,
            error = source,
            "a request was answered {status}"
        );
    }
}

/// That are told in a second.
const MOST_FAILURES: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU64>);

    impl Subscriber for Count {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_flood_of_failures_is_not_a_flood_in_the_log() {
        let (count, told) = (Count::default(), Ceiling::default());
        tracing::subscriber::with_default(count.clone(), || {
            for _ in 0..10_000 {
                tell_failure(&told, &Response::internal_error());
            }
        });
        // The loop may reach into a second one.
        let events = count.0.load(Ordering::Relaxed);
        assert!((100..=200).contains(&events), "{events}");
    }
}
