//! What a connection belongs to, whatever version of HTTP it speaks: its worker, its service, its configuration.
//!
//! A driver adds its protocol to this and nothing else knows which: deadlines, budget, drain, panics of handlers
//! and the fields that a server adds to its responses are the same over HTTP/1.1 and HTTP/2.

pub mod config;
pub(crate) mod flow;
pub mod http2;
pub(crate) mod stamp;

use crate::resource::addr::ConnInfo;
use crate::resource::counters::Counter;
use crate::resource::worker::{Phase, Slot, Worker};
use crate::service::handler::Service;
use crate::service::link::config::Config;
use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// What the connections of one worker are served with.
///
/// ```
/// use std::sync::Arc;
/// use wireline::Router;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::worker::Worker;
/// use wireline::service::link::Shared;
/// use wireline::service::link::config::Config;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let budget = Arc::new(Budget::new(64 * 1024 * 1024));
/// let shared = Arc::new(Shared {
///     worker: Worker::start(budget),
///     service: Arc::new(Router::new().get("/", async || "hello").build().unwrap()),
///     config: Arc::new(Config::default().settled()),
/// });
/// # drop(shared);
/// # });
/// ```
pub struct Shared {
    /// The clock, the deadline slots, the counters and the budget.
    pub worker: Arc<Worker>,
    /// What answers.
    pub service: Arc<dyn Service>,
    /// Limits and deadlines.
    pub config: Arc<Config>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What a connection belongs to. While it lives the connection counts.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Arc<Slot>,
}

impl Link {
    /// Registers an accepted connection.
    pub(crate) fn new(info: ConnInfo, shared: Arc<Shared>) -> Self {
        let slot = shared.worker.register(info);
        shared.worker.counters.add(Counter::ConnectionsAccepted);
        if let Some(longest) = shared.config.max_age {
            slot.set_old(shared.worker.tick_after(spread(longest)));
        }
        Self { shared, slot }
    }

    /// Whether a connection has to end now, whatever it is doing.
    pub(crate) fn must_end(&self) -> bool {
        let forced = self.shared.worker.phase() == Phase::Forced;
        if forced {
            self.shared.worker.counters.add(Counter::DrainForced);
        }
        forced || self.slot.is_shed()
    }

    /// A handler, or a future that took a connection over, panicked.
    #[cold]
    pub(crate) fn count_panic(&self, payload: Box<dyn Any + Send>) {
        self.tell_panics();
        self.shared.worker.count_panic(payload);
    }

    /// Whoever takes the connection over knows the worker, but not the configuration.
    pub(crate) fn tell_panics(&self) {
        if let Some(hook) = &self.shared.config.on_panic {
            self.shared.worker.tell_panics_to(hook);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.slot.set_gone();
        self.shared.worker.counters.add(Counter::ConnectionsClosed);
        self.shared.worker.unregister(&self.slot);
    }
}

/// Between nine tenths of `longest` and all of it.
fn spread(longest: Duration) -> Duration {
    // The standard library seeds its maps from the system, which is as much chance as this needs.
    let chance = RandomState::new().hash_one(()) % u64::from(STEPS + 1);
    let off = u32::try_from(chance).unwrap_or(0);
    longest - (longest / 10 / STEPS) * off
}

const STEPS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_the_last_tenth() {
        let longest = Duration::from_secs(1000);
        let ages: Vec<Duration> = (0..1000).map(|_| spread(longest)).collect();
        let (least, most) = (Duration::from_secs(900), longest);
        assert!(ages.iter().all(|age| (least..=most).contains(age)));
        for third in [(900, 933), (933, 966), (966, 1000)] {
            let third = Duration::from_secs(third.0)..Duration::from_secs(third.1);
            assert!(
                ages.iter().any(|age| third.contains(age)),
                "none in {third:?}"
            );
        }
        for longest in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            assert!(spread(longest) <= longest);
        }
    }
}
