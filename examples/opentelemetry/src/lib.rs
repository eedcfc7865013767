//! Traces in OpenTelemetry: each request a span of kind SERVER under its route's name, continued from whoever called and
//! handed on to whoever is called next.
//!
//! `cargo run --manifest-path examples/opentelemetry/Cargo.toml`, with a collector at `http://localhost:4318`, then
//!
//! ```text
//! curl -i -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' http://127.0.0.1:8000/books/7
//! ```

mod export;

pub use export::Plain;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use wireline::extract::Path;
use wireline::layer::trace::Traces;
use wireline::layer::trace_context::TraceContext;
use wireline::{Request, Router};

/// Sends spans to a collector: `http://localhost:4318/v1/traces`, by OTLP over HTTP.
///
/// # Panics
///
/// When the endpoint is none, or when somebody else listens to spans already.
pub fn export_to(endpoint: &str) -> SdkTracerProvider {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Plain)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .expect("an endpoint");
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("books").build())
        .with_batch_exporter(exporter)
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("wireline"));
    tracing_subscriber::registry().with(spans).init();
    provider
}

/// Spans as OpenTelemetry wants them.
pub fn traces() -> Traces {
    Traces::new().skip("/health").on_span(|span, request| {
        // Without a caller each request is a trace of its own, and not part of its connection's.
        let _ = span.set_parent(caller(request).unwrap_or_default());
        own_context(span)
    })
}

/// Who called, as OpenTelemetry knows it.
fn caller(request: &Request) -> Option<Context> {
    let caller = TraceContext::of_caller(request)?;
    let fields = caller.fields().map(|(name, value)| {
        let value = value.to_str().unwrap_or_default().to_owned();
        (name.as_str().to_owned(), value)
    });
    let fields: HashMap<String, String> = fields.collect();
    Some(TraceContextPropagator::new().extract_with_context(&Context::new(), &fields))
}

/// The ids that OpenTelemetry has given the span, for handlers to send on.
fn own_context(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = context.span();
    let own = span.span_context();
    TraceContext::new(
        own.trace_id().to_bytes(),
        own.span_id().to_bytes(),
        own.is_sampled(),
    )
}

/// A service to look at.
pub fn router() -> Router {
    Router::new()
        .get("/books/{id}", book)
        .get("/fails", async || http::StatusCode::BAD_GATEWAY)
        .get("/health", async || ())
        .layer(traces())
}

async fn book(Path(id): Path<u32>, context: TraceContext) -> String {
    // What a handler begins is inside the request's span.
    let stock = tracing::info_span!("look up", id);
    let found = async { format!("book {id}") };
    let found = tracing::Instrument::instrument(found, stock).await;
    format!("{found}, for others {}", context.traceparent())
}
