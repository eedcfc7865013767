//! A span for each request, `http.request` (S127), with the field names of both worlds (D34), inside that of its
//! connection, `http.connection`, and over HTTP/2 that of its stream, `h2.stream` (S128).

use crate::layer::request_id::RequestId;
use crate::service::request::Request;
use crate::service::response::Response;
use http::Version;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Level, Span};

/// The span of one request, and when it began.
pub(crate) struct Trace {
    span: Span,
    begun: Option<Instant>,
}

impl Trace {
    /// Begins a span; costs a few instructions when nobody listens.
    pub(crate) fn begin(request: &Request, id: Option<RequestId>) -> Self {
        if !tracing::enabled!(Level::INFO) {
            return Self::none();
        }
        let parts = request.parts();
        let route = parts.matched_pattern().unwrap_or_default();
        let connection = parts.slot();
        let mut around =
            connection.map_or_else(Span::current, |slot| slot.span().get(&slot.info()).clone());
        if connection.is_some() && parts.version() == Version::HTTP_2 {
            around = around.in_scope(|| tracing::info_span!("h2.stream"));
        }
        let span = around.in_scope(|| {
            tracing::info_span!(
                "http.request",
                http.method = parts.method().as_str(),
                http.request.method = parts.method().as_str(),
                http.route = route,
                // The query stays out: tokens travel in it.
                url.path = parts.path(),
                http.request_id = Empty,
                http.status_code = Empty,
                http.response.status_code = Empty,
                http.latency_ms = Empty,
            )
        });
        if let Some(id) = id {
            span.record("http.request_id", tracing::field::display(id));
        }
        Self {
            span,
            begun: Some(Instant::now()),
        }
    }

    /// No span.
    pub(crate) fn none() -> Self {
        Self {
            span: Span::none(),
            begun: None,
        }
    }

    /// Runs code inside the span.
    pub(crate) fn within<T>(&self, code: impl FnOnce() -> T) -> T {
        self.span.in_scope(code)
    }

    /// Records how the request went.
    pub(crate) fn end(&self, response: &Response) {
        if let Some(begun) = self.begun {
            self.span
                .record("http.status_code", response.status().as_u16());
            self.span
                .record("http.response.status_code", response.status().as_u16());
            self.span
                .record("http.latency_ms", begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
}
