//! The spans of the paved path (SPEC D34, D40). In a file of its own: a span that another thread met first, without a subscriber, stays off.
#![cfg(feature = "app")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wireline::Router;
use wireline::app::App;
use wireline::service::response::Response;
use wireline::test::TestClient;

fn router() -> Router {
    Router::new().get("/users/{id}", async || {
        tracing::info!("in the handler");
        Response::text("Ada").with_status(http::StatusCode::CREATED)
    })
}

/// D34: the names of both worlds; `http.route` is the pattern, and the query is nowhere.
#[test]
fn d40_d34_a_span_for_each_request_with_the_names_of_both_worlds() {
    let seen = Spans::default();
    tracing::subscriber::with_default(seen.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = TestClient::new(App::new(router()).build().unwrap());
            assert_eq!(client.get("/users/7?token=secret").await.status, 201);
            let quiet = TestClient::new(App::new(router()).spans(false).build().unwrap());
            assert_eq!(quiet.get("/users/7").await.status, 201);
            let alone = TestClient::new(router().build().unwrap());
            assert_eq!(alone.get("/users/7").await.status, 201);
        });
    });
    let all = seen.0.lock().unwrap();
    let spans: Vec<_> = all
        .spans
        .iter()
        .filter(|(name, _)| *name == "http.request")
        .collect();
    assert_eq!(spans.len(), 1, "{spans:?}");
    let fields = &spans[0].1;
    for (name, value) in [
        ("http.method", "GET"),
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("url.path", "/users/7"),
        ("http.status_code", "201"),
        ("http.response.status_code", "201"),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(fields["http.request_id"].len(), 36);
    assert!(fields.contains_key("http.latency_ms"));
    assert!(!format!("{fields:?}").contains("secret"));
    // The handler's own event is inside it, where there is one.
    assert_eq!(all.events, [true, false, false]);
}

/// Remembers spans with their fields, and for each event of this file whether it came inside `http.request`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    spans: Vec<(&'static str, HashMap<&'static str, String>)>,
    entered: Vec<&'static str>,
    events: Vec<bool>,
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = HashMap::new();
        attributes.record(&mut Fields(&mut fields));
        let mut seen = self.0.lock().unwrap();
        seen.spans.push((attributes.metadata().name(), fields));
        Id::from_u64(seen.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut seen = self.0.lock().unwrap();
        values.record(&mut Fields(&mut seen.spans[place(id)].1));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == module_path!() {
            let mut seen = self.0.lock().unwrap();
            let inside = seen.entered.contains(&"http.request");
            seen.events.push(inside);
        }
    }

    fn enter(&self, id: &Id) {
        let mut seen = self.0.lock().unwrap();
        let name = seen.spans[place(id)].0;
        seen.entered.push(name);
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}
