//! That a worker drains: whoever asks is told.

use crate::resource::waking::Notify;
use crate::sync::AtomicBool;
use std::sync::atomic::Ordering;

/// Whether a drain has begun.
#[derive(Debug, Default)]
pub(crate) struct Draining {
    has_begun: AtomicBool,
    /// In favour of another process, which is there already.
    gives_way: AtomicBool,
    told: Notify,
}

impl Draining {
    /// It begins now.
    pub(crate) fn begin(&self) {
        if !self.has_begun.swap(true, Ordering::SeqCst) {
            self.told.notify_waiters();
        }
    }

    /// When it begins it is in favour of another process.
    pub(crate) fn give_way(&self) {
        self.gives_way.store(true, Ordering::SeqCst);
    }

    /// Whether another process goes on.
    pub(crate) fn gives_way(&self) -> bool {
        self.gives_way.load(Ordering::SeqCst)
    }

    /// Waits until it has begun; says whether another process goes on.
    ///
    /// Cancel safe.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) async fn begun(&self) -> bool {
        let mut told = std::pin::pin!(self.told.notified());
        told.as_mut().enable();
        if !self.has_begun.load(Ordering::SeqCst) {
            told.await;
        }
        self.gives_way()
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_before_and_after() {
        let draining = std::sync::Arc::new(Draining::default());
        let waiting = tokio::spawn({
            let draining = draining.clone();
            async move { draining.begun().await }
        });
        let early = timeout(Duration::from_secs(9), draining.begun());
        assert!(early.await.is_err() && !waiting.is_finished());
        draining.begin();
        assert!(!waiting.await.unwrap() && !draining.begun().await);
    }
}
