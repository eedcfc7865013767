//! How many connections there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The count of live connections of a server, and its limit.
#[derive(Debug)]
pub(super) struct Permits {
    limit: usize,
    live: AtomicUsize,
    released: Notify,
}

/// One connection's place; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Permits {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            live: AtomicUsize::new(0),
            released: Notify::new(),
        })
    }

    /// A place, if there is one.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        let taken = self
            .live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
                (live < self.limit).then_some(live + 1)
            });
        taken.is_ok().then(|| Permit(self.clone()))
    }

    /// Waits for a place.
    pub(super) async fn take(self: &Arc<Self>) -> Permit {
        loop {
            let released = self.released.notified();
            if let Some(permit) = self.try_take() {
                return permit;
            }
            released.await;
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::AcqRel);
        self.0.released.notify_one();
    }
}
