//! Looks after the workers from outside of them: a handler that blocks its thread holds up everybody whose connection is there, and nothing
//! on that thread can say so.
//!
//! What is looked at is the sweep of each worker, which looks at its connections four times a second. While nobody is connected it rests, and so
//! does this.

use crate::resource::counters::Counter;
use crate::resource::waking::Notify;
use crate::resource::worker::TICK;
use crate::server::handle::Handle;
use crate::server::tell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Looks until the end, from another thread than those of the workers.
pub(super) async fn watch(handle: Handle, guard: Arc<Notify>) {
    let mut blocked = BTreeSet::new();
    loop {
        if !is_occupied(&handle) {
            // Who waits for nothing but connections need not wake up.
            guard.notified().await;
        }
        let begun = Instant::now();
        sleep(LOOK).await;
        if begun.elapsed() > LOOK + TICK {
            // The whole process stood still, or has no core: the sweep has not had its turn either.
            continue;
        }
        look(&handle, &mut blocked);
    }
}

fn is_occupied(handle: &Handle) -> bool {
    handle.workers().iter().any(|worker| worker.live() > 0)
}

/// Counts those that are blocked from now on.
fn look(handle: &Handle, blocked: &mut BTreeSet<usize>) {
    // Told when the lock is free again: who listens may ask the handle something, and a log may take its time.
    let mut news = Vec::new();
    for (place, worker) in handle.workers().iter().enumerate() {
        let behind = worker.behind();
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
}

/// How often is looked.
const LOOK: Duration = TICK.saturating_mul(2);

/// What a sweep that is only late does not reach.
const BLOCKED: Duration = TICK.saturating_mul(4);
