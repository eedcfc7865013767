//! What a subscriber should have got, held against what it got.
//!
//! Each topic has a publisher on each node, which counts its messages: 1, 2, 3 ... Those of the subscriber's own node must come
//! without a gap. Those of another must come in order and once; whatever is left out must have been told before, with just this range.
//!
//! Where the nodes share the history, what an order has lost may be told by its offsets: so many, of whomever. And what a node gave up
//! may be told after what it published then.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What comes over a socket.
#[derive(Deserialize)]
pub(crate) struct Heard {
    pub(crate) r#type: String,
    #[serde(default)]
    pub(crate) payload: Option<Stamp>,
    #[serde(default)]
    missed: u64,
    #[serde(default)]
    node: Option<String>,
    #[serde(default)]
    epoch: Option<u64>,
    #[serde(default)]
    first: u64,
    #[serde(default)]
    last: u64,
}

/// What a publisher says.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Stamp {
    /// The node it publishes on.
    pub(crate) by: usize,
    /// Its number.
    pub(crate) n: u64,
    /// When, in microseconds since the run began.
    pub(crate) at: u64,
}

#[derive(Clone)]
pub(crate) struct Verdict {
    pub(crate) own: usize,
    shares_history: bool,
    /// The last number that came or was told missing, by publisher.
    had: Vec<u64>,
    /// What each publisher's node is called.
    names: Arc<[String]>,
    /// Gaps that were told, and not yet found: whose, the first, the last.
    told: BTreeMap<String, Vec<(u64, u64)>>,
    /// How many were told by their offsets, and not yet found.
    told_by_offsets: u64,
    /// What was left out and not yet told, where that may come later: whose, the first, the last.
    open: Vec<(usize, u64, u64)>,
    pub(crate) came: u64,
    pub(crate) missing: u64,
    pub(crate) gaps: u64,
    pub(crate) complaints: Vec<String>,
    pub(crate) wrong: u64,
}

impl Verdict {
    pub(crate) fn new(own: usize, names: Arc<[String]>, shares_history: bool) -> Self {
        Self {
            own,
            shares_history,
            had: vec![0; names.len()],
            names,
            told: BTreeMap::new(),
            told_by_offsets: 0,
            open: Vec::new(),
            came: 0,
            missing: 0,
            gaps: 0,
            complaints: Vec::new(),
            wrong: 0,
        }
    }

    /// What comes first is where it begins: it may have subscribed while the publishers were at it.
    pub(crate) fn take(&mut self, heard: &Heard) -> Option<Stamp> {
        match (&*heard.r#type, heard.payload) {
            ("push", Some(stamp)) if stamp.by < self.had.len() => {
                self.came += 1;
                self.message(stamp);
                Some(stamp)
            }
            ("lagged", _) => {
                self.gap(heard);
                None
            }
            ("subscribed" | "skipped", _) => None,
            (other, _) => {
                self.complain(format!("an unexpected {other}"));
                None
            }
        }
    }

    fn message(&mut self, stamp: Stamp) {
        let had = self.had[stamp.by];
        if stamp.n <= had {
            self.complain(format!(
                "{} of publisher {} came behind {had}: twice, or out of order",
                stamp.n, stamp.by
            ));
            return;
        }
        self.had[stamp.by] = stamp.n;
        if stamp.n == had + 1 {
            return;
        }
        let gap = (had + 1, stamp.n - 1);
        if stamp.by == self.own {
            self.complain(format!("local messages {} to {} are missing", gap.0, gap.1));
        } else if self.shares_history {
            self.open.push((stamp.by, gap.0, gap.1));
        } else if !self.find(stamp.by, gap.0, gap.1) {
            let told = &self.told;
            self.complain(format!(
                "messages {} to {} of publisher {} are missing; told were {told:?}",
                gap.0, gap.1, stamp.by
            ));
        }
    }

    fn gap(&mut self, heard: &Heard) {
        let count = (heard.last + 1).saturating_sub(heard.first);
        if count == 0 || count != heard.missed {
            return self.complain(format!(
                "{} missed, but {} to {}",
                heard.missed, heard.first, heard.last
            ));
        }
        let Some(node) = &heard.node else {
            if self.shares_history && heard.epoch.is_some() {
                self.gaps += 1;
                self.missing += count;
                self.told_by_offsets += count;
                return;
            }
            return self.complain(format!("{} missed without a range", heard.missed));
        };
        self.gaps += 1;
        self.missing += count;
        self.told
            .entry(node.clone())
            .or_default()
            .push((heard.first, heard.last));
    }

    /// Takes what was told of that publisher's node that is just this range, in one piece or in several.
    fn find(&mut self, by: usize, first: u64, last: u64) -> bool {
        let Some(ranges) = self.told.get_mut(&self.names[by]) else {
            return false;
        };
        ranges.sort_unstable();
        let Some(begin) = ranges.iter().position(|range| range.0 == first) else {
            return false;
        };
        let mut next = first;
        let mut end = begin;
        while end < ranges.len() && ranges[end].0 == next && next <= last {
            next = ranges[end].1 + 1;
            end += 1;
        }
        let is_found = next == last + 1;
        if is_found {
            ranges.drain(begin..end);
        }
        is_found
    }

    /// The same of what was told by its offsets.
    fn find_by_offsets(&mut self, first: u64, last: u64) -> bool {
        let left = self.told_by_offsets.checked_sub(last - first + 1);
        self.told_by_offsets = left.unwrap_or(self.told_by_offsets);
        left.is_some()
    }

    /// Holds the end against how many each publisher has published.
    pub(crate) fn end(&mut self, published: &[u64]) {
        for (by, first, last) in std::mem::take(&mut self.open) {
            if !self.find(by, first, last) && !self.find_by_offsets(first, last) {
                self.complain(format!(
                    "messages {first} to {last} of publisher {by} are missing, and nobody told"
                ));
            }
        }
        for (by, count) in published.iter().enumerate() {
            let had = self.had[by];
            if had != *count
                && (by == self.own
                    || !(self.find(by, had + 1, *count) || self.find_by_offsets(had + 1, *count)))
            {
                self.complain(format!("publisher {by} had {count}, and {had} came"));
            }
        }
        let left: Vec<_> = self.told.values().flatten().copied().collect();
        if !left.is_empty() {
            self.complain(format!("told to be missing, and came: {left:?}"));
        }
        if self.told_by_offsets > 0 {
            let left = self.told_by_offsets;
            self.complain(format!(
                "{left} were told to be missing by offsets, and came"
            ));
        }
    }

    /// Whether nothing would be missing at the end if it were now.
    pub(crate) fn is_all(&self, published: &[u64]) -> bool {
        let mut ended = self.clone();
        ended.end(published);
        ended.wrong == self.wrong
    }

    pub(crate) fn complain(&mut self, what: String) {
        self.wrong += 1;
        if self.complaints.len() < 3 {
            self.complaints.push(what);
        }
    }
}
