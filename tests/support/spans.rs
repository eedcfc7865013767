//! A subscriber that remembers what it was told.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was seen while `code` ran on a runtime of its own, whose clock is paused.
pub(crate) fn seen_by<T>(code: impl AsyncFnOnce() -> T) -> (Seen, T) {
    let seen = Spans::default();
    let value = tracing::subscriber::with_default(seen.clone(), || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(code())
    });
    (seen.take(), value)
}

/// Remembers spans with their fields, what all events say, and for each event that is not the library's whether it came inside `http.request`.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Seen>>);

impl Spans {
    /// What was seen so far.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) spans: Vec<(&'static str, HashMap<&'static str, String>)>,
    /// For each span the place of the one that it is inside.
    pub(crate) parents: Vec<Option<usize>>,
    entered: Vec<usize>,
    pub(crate) events: Vec<bool>,
    /// What all events say.
    pub(crate) said: Vec<HashMap<&'static str, String>>,
    /// For each of those whether it came inside `http.request`, and the places of all spans that it came inside.
    pub(crate) inside: Vec<bool>,
    pub(crate) within: Vec<Vec<usize>>,
}

impl Seen {
    /// The places of the spans with a name.
    pub(crate) fn named(&self, wanted: &str) -> Vec<usize> {
        let spans = self.spans.iter().enumerate();
        let found = spans.filter(|(_, (name, _))| *name == wanted);
        found.map(|(place, _)| place).collect()
    }

    /// The fields of the spans `http.request`.
    pub(crate) fn requests(&self) -> Vec<&HashMap<&'static str, String>> {
        let places = self.named("http.request");
        places.iter().map(|place| &self.spans[*place].1).collect()
    }
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
        let parent = match attributes.parent() {
            Some(id) => Some(place(id)),
            None if attributes.is_contextual() => seen.entered.last().copied(),
            None => None,
        };
        seen.parents.push(parent);
        seen.spans.push((attributes.metadata().name(), fields));
        Id::from_u64(seen.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut seen = self.0.lock().unwrap();
        values.record(&mut Fields(&mut seen.spans[place(id)].1));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = HashMap::new();
        event.record(&mut Fields(&mut said));
        let mut seen = self.0.lock().unwrap();
        seen.said.push(said);
        let inside = (seen.entered.iter()).any(|place| seen.spans[*place].0 == "http.request");
        seen.inside.push(inside);
        let within = seen.entered.clone();
        seen.within.push(within);
        if !event.metadata().target().starts_with("wireline") {
            seen.events.push(inside);
        }
    }

    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(place(id));
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}
