//! Looks after the workers from outside of them: a handler that blocks its thread holds up everybody whose connection is there, and nothing
//! on that thread can say so.
//!
//! What is looked at is the sweep of each worker, which looks at its connections four times a second. While nobody is connected it rests, and so
//! does this, unless the service manager wants to hear something.

use crate::resource::counters::Counter;
use crate::resource::waking::Notify;
use crate::resource::worker::TICK;
use crate::server::handle::Handle;
use crate::server::{handover, tell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Looks until the end, from another thread than those of the workers. With `says` it tells the service manager that this process is well
/// (`WATCHDOG=1`), where that wants to hear it, but not while a worker is blocked, nor once another process goes on.
pub(super) async fn watch(handle: Handle, guard: Arc<Notify>, says: bool) {
    let mut manager = None;
    if says {
        handover::turn().await;
        manager = handover::watchdog().map(Manager::new);
    }
    let mut blocked = BTreeSet::new();
    loop {
        match &manager {
            // Who waits for nothing but connections need not wake up.
            None if !is_occupied(&handle) => guard.notified().await,
            Some(manager) if !is_occupied(&handle) => {
                let _ = timeout(manager.every, guard.notified()).await;
            }
            _ => {}
        }
        let every = manager.as_ref().map_or(LOOK, |manager| manager.every);
        let (every, begun) = (every.min(LOOK), Instant::now());
        sleep(every).await;
        if begun.elapsed() > every + TICK {
            // The whole process stood still, or has no core: the sweep has not had its turn either.
            continue;
        }
        let longest = look(&handle, &mut blocked);
        if let Some(manager) = &mut manager
            && !handle.has_given_way()
        {
            manager.say(longest);
        }
    }
}

fn is_occupied(handle: &Handle) -> bool {
    handle.workers().iter().any(|worker| worker.live() > 0)
}

/// Counts those that are blocked from now on; gives how long the worst of them is.
fn look(handle: &Handle, blocked: &mut BTreeSet<usize>) -> Duration {
    let mut longest = Duration::ZERO;
    // Told when the lock is free again: who listens may ask the handle something, and a log may take its time.
    let mut news = Vec::new();
    for (place, worker) in handle.workers().iter().enumerate() {
        let behind = worker.behind();
        longest = longest.max(behind);
        if behind < BLOCKED {
            if blocked.remove(&place) {
                news.push((place, None));
            }
        } else if blocked.insert(place) {
            worker.counters.add(Counter::WorkersBlocked);
            news.push((place, Some(behind)));
        }
    }
    for (place, behind) in news {
        match behind {
            Some(behind) => tell::blocked(place, behind),
            None => tell::goes_on(place),
        }
    }
    longest
}

/// Who ends this process when it hears nothing.
struct Manager {
    /// How often it is told.
    every: Duration,
    /// For how long a worker may be blocked.
    patience: Duration,
    last: Option<Instant>,
}

impl Manager {
    fn new(interval: Duration) -> Self {
        Self {
            every: interval / 4,
            patience: (interval / 2).max(2 * TICK),
            last: None,
        }
    }

    fn say(&mut self, longest: Duration) {
        if longest < self.patience && self.last.is_none_or(|last| last.elapsed() >= self.every) {
            self.last = Some(Instant::now());
            handover::alive();
        }
    }
}

/// How often is looked.
const LOOK: Duration = TICK.saturating_mul(2);

/// What a sweep that is only late does not reach.
const BLOCKED: Duration = TICK.saturating_mul(4);
