//! When things were, and how long they took.

use super::verdict::Stamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// What all tasks know of time.
pub(crate) struct Clock {
    begun: Instant,
    /// By node: when the last message was published there that came back to a subscriber of its own, in microseconds.
    own: Vec<AtomicU64>,
    /// By node: when the last message of another node was published that came there.
    newest: Vec<AtomicU64>,
    pub(crate) local: Delays,
    pub(crate) remote: Delays,
    pub(crate) answers: Delays,
}

impl Clock {
    pub(super) fn new(nodes: usize) -> Arc<Self> {
        let none = || (0..nodes).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            begun: Instant::now(),
            own: none(),
            newest: none(),
            local: Delays::default(),
            remote: Delays::default(),
            answers: Delays::default(),
        })
    }

    /// Microseconds since it all began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn came(&self, own: usize, stamp: &Stamp) {
        let took = self.now().saturating_sub(stamp.at);
        let latest = if stamp.by == own {
            self.local.add(took);
            &self.own
        } else {
            self.remote.add(took);
            &self.newest
        };
        latest[own].fetch_max(stamp.at, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, at: u64) {
        self.answers.add(self.now().saturating_sub(at));
    }

    /// Whether each node has had a message of its own that was published after this.
    pub(crate) fn is_local_since(&self, since: u64) -> bool {
        self.own.iter().all(|at| at.load(Ordering::Relaxed) > since)
    }

    /// Whether each node has had a message of another one that was published after this.
    pub(crate) fn is_flowing_since(&self, since: u64) -> bool {
        let mut newest = self.newest.iter();
        newest.all(|at| at.load(Ordering::Relaxed) > since)
    }
}

/// How many took how many tenths of a millisecond.
pub(crate) struct Delays(Vec<AtomicU64>);

impl Default for Delays {
    fn default() -> Self {
        Self((0..LONGEST).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Delays {
    fn add(&self, micros: u64) {
        let place = usize::try_from(micros / 100)
            .unwrap_or(LONGEST)
            .min(LONGEST - 1);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Gives p50 and p99 in milliseconds, and begins anew.
    pub(crate) fn take(&self) -> (f64, f64) {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|of| of.swap(0, Ordering::Relaxed))
            .collect();
        let all: u64 = counts.iter().sum();
        let at = |percent: u64| {
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen * 100 > all * percent
            });
            found.map_or(0.0, |place| (place + 1) as f64 / 10.0)
        };
        (at(50), at(99))
    }
}

/// Delays are counted up to so many tenths of a millisecond.
const LONGEST: usize = 100_000;
