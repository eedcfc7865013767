//! The spans as a collector receives them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::sync::{Arc, Mutex};
use wireline::test::{TestClient, TestServer};
use wireline::{Response, Router};
use wireline_opentelemetry::{export_to, router};

/// Takes what is posted, as OTLP has it (OTLP 1.5, section "OTLP/HTTP").
fn collector() -> (TestServer, Arc<Mutex<Vec<Span>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let spans = seen.clone();
    let routes = Router::new().post("/v1/traces", move |content: bytes::Bytes| {
        let export = ExportTraceServiceRequest::decode(content).expect("an export of OTLP");
        let scopes = export
            .resource_spans
            .into_iter()
            .flat_map(|of| of.scope_spans);
        spans
            .lock()
            .unwrap()
            .extend(scopes.flat_map(|scope| scope.spans));
        std::future::ready(Response::bytes("", "application/x-protobuf"))
    });
    (TestServer::new(routes.build().unwrap()), seen)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn s130_a_collector_gets_the_spans_in_the_callers_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CALLER: &str = "b7ad6b7169203331";
    let (server, seen) = collector();
    let provider = export_to(&server.url("/v1/traces"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let sent_on = runtime.block_on(async {
        let client = TestClient::new(router().build().unwrap());
        let parent = format!("00-{TRACE}-{CALLER}-01");
        let reply = client
            .get("/books/7?token=secret")
            .header("traceparent", parent)
            .await;
        assert_eq!(client.get("/fails").await.status, 502);
        assert_eq!(client.get("/books/8").await.status, 200);
        assert_eq!(client.get("/health").await.status, 202);
        reply.text().to_owned()
    });
    drop(runtime);
    provider.shutdown().unwrap();

    let seen = seen.lock().unwrap();
    let named = |name: &str| {
        seen.iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let attribute = |span: &Span, name: &str| {
        let found = span
            .attributes
            .iter()
            .find(|attribute| attribute.key == name)?;
        Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
    };
    let books = named("GET /books/{id}");
    assert_eq!(
        books.len(),
        2,
        "{:?}",
        seen.iter().map(|span| &span.name).collect::<Vec<_>>()
    );
    let (called, alone) = (books[0], books[1]);
    assert_eq!(
        (hex(&called.trace_id), hex(&called.parent_span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!(called.kind, 2, "SERVER");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/books/{id}"),
        ("url.scheme", "http"),
        ("url.path", "/books/7"),
        ("http.response.status_code", "200"),
    ] {
        let said = attribute(called, name).unwrap_or_default();
        assert!(said.contains(value), "{name}: {said}");
    }
    // What the handler sends on names this very span.
    assert_eq!(
        sent_on,
        format!("book 7, for others 00-{TRACE}-{}-01", hex(&called.span_id))
    );
    let inner = named("look up");
    assert_eq!(
        (inner.len(), &inner[0].parent_span_id),
        (2, &called.span_id)
    );
    assert_eq!(hex(&inner[0].trace_id), TRACE);
    // Nobody called, so it is a trace of its own.
    assert!(alone.parent_span_id.is_empty() && hex(&alone.trace_id) != TRACE);
    let failed = named("GET /fails");
    let status = failed[0].status.as_ref().unwrap();
    assert_eq!(status.code, 2, "ERROR");
    assert!(named("GET /health").is_empty());
    assert!(!format!("{seen:?}").contains("secret"));
}
