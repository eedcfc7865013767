//! What came of an attack.

use crate::probe::Probed;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What an attack counted, and what should not have been.
#[derive(Default)]
pub(crate) struct Outcome {
    facts: BTreeMap<&'static str, f64>,
    complaints: Vec<String>,
}

impl Outcome {
    pub(crate) fn failed(why: String) -> Self {
        let mut outcome = Self::default();
        outcome.complain(why);
        outcome
    }

    /// One more.
    pub(crate) fn count(&mut self, fact: &'static str) {
        *self.facts.entry(fact).or_default() += 1.0;
    }

    /// So many more.
    pub(crate) fn more(&mut self, fact: &'static str, by: f64) {
        *self.facts.entry(fact).or_default() += by;
    }

    pub(crate) fn set(&mut self, fact: &'static str, value: f64) {
        self.facts.insert(fact, value);
    }

    /// What it is now.
    pub(crate) fn get(&self, fact: &str) -> f64 {
        self.facts.get(fact).copied().unwrap_or_default()
    }

    /// The largest that was seen.
    pub(crate) fn raise(&mut self, fact: &'static str, value: f64) {
        let most = self.facts.entry(fact).or_default();
        *most = most.max(value);
    }

    /// Something that must not be; the first few are told.
    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        self.count("complaints");
        if self.complaints.len() < MOST {
            self.complaints.push(what.into());
        }
    }

    /// Takes what another part of the same attack has counted.
    pub(crate) fn add(&mut self, other: Self) {
        for (fact, value) in other.facts {
            let mine = self.facts.entry(fact).or_default();
            if fact.ends_with("_seconds") || fact.starts_with("most_") {
                *mine = mine.max(value);
            } else {
                *mine += value;
            }
        }
        let room = MOST.saturating_sub(self.complaints.len());
        self.complaints
            .extend(other.complaints.into_iter().take(room));
    }
}

/// One line of the result.
pub(crate) struct Report {
    pub(crate) id: &'static str,
    pub(crate) seed: u64,
    pub(crate) count: usize,
    pub(crate) concurrency: usize,
    pub(crate) seconds: f64,
    pub(crate) outcome: Outcome,
    pub(crate) baseline: Probed,
    pub(crate) probe: Probed,
    /// In the second behind it, where that was looked at.
    pub(crate) after: Option<Probed>,
    /// How long one request of a hundred of the probe may take, in milliseconds.
    pub(crate) probe_p99: f64,
    /// Which part of the probe's requests may fail.
    pub(crate) probe_failures: f64,
    /// How many MiB more than before the server may have, where it is the driver that looks.
    pub(crate) most_mib: Option<u64>,
    pub(crate) idle_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Report {
    /// Whether the server did what it must, and the probe fared well meanwhile.
    pub(crate) fn holds(&self) -> bool {
        self.outcome.complaints.is_empty() && self.is_probe_clean()
    }

    fn is_probe_clean(&self) -> bool {
        let is_clean = |probed: &Probed| {
            let allowed = self.probe_failures * probed.requests as f64;
            probed.failures as f64 <= allowed && probed.requests > 0 && probed.p99 <= self.probe_p99
        };
        is_clean(&self.probe) && self.after.as_ref().is_none_or(is_clean)
    }

    pub(crate) fn line(&self) -> String {
        let facts: Map<String, Value> = self
            .outcome
            .facts
            .iter()
            .map(|(fact, value)| ((*fact).to_owned(), json!(rounded(*value))))
            .collect();
        let probe = |probed: &Probed| {
            json!({
                "requests": probed.requests,
                "failures": probed.failures,
                "first_failure": probed.first_failure,
                "p50_ms": rounded(probed.p50),
                "p99_ms": rounded(probed.p99),
            })
        };
        json!({
            "id": self.id,
            "seed": self.seed,
            "count": self.count,
            "concurrency": self.concurrency,
            "seconds": rounded(self.seconds),
            "facts": facts,
            "complaints": self.outcome.complaints,
            "probe": probe(&self.probe),
            "after": self.after.as_ref().map(probe),
            "baseline": probe(&self.baseline),
            "probe_is_clean": self.is_probe_clean(),
            "most_mib": self.most_mib,
            "memory_kib": { "idle": self.idle_kib, "peak": self.peak_kib },
            "holds": self.holds(),
        })
        .to_string()
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

const MOST: usize = 5;
