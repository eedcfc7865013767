//! What the task that writes is doing, seen without the lock.

use crate::sync::AtomicU8;
use std::sync::atomic::Ordering;

/// What the task that writes is doing: resting, running the handler, or that and nothing is left to do for it.
#[derive(Debug, Default)]
pub(super) struct Turn(AtomicU8);

impl Turn {
    /// The handler runs.
    #[inline]
    pub(super) fn begin(&self) {
        self.0.store(RUNNING, Ordering::Relaxed);
    }

    /// The handler has run. Whether it left nothing to do.
    #[inline]
    pub(super) fn end(&self) -> bool {
        self.0.swap(RESTING, Ordering::AcqRel) == SETTLED
    }

    /// Whether the handler runs, so that what it queues need not be written by anybody else.
    #[inline]
    pub(super) fn is_running(&self) -> bool {
        self.0.load(Ordering::Relaxed) != RESTING
    }

    /// Under the lock: whoever receives waits for the peer, and there is nothing else to do.
    #[inline]
    pub(super) fn settle(&self) {
        self.0.store(SETTLED, Ordering::Relaxed);
    }

    /// Under the lock: now there is something to do.
    #[inline]
    pub(super) fn news(&self) -> News {
        match self.0.load(Ordering::Relaxed) {
            RUNNING => News::Seen,
            SETTLED => self.reopen(),
            _ => News::Unseen,
        }
    }

    /// The task may end its turn at the same time: one of both is first.
    fn reopen(&self) -> News {
        let (from, to) = (SETTLED, RUNNING);
        match self
            .0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => News::Reopens,
            Err(_) => News::Unseen,
        }
    }
}

/// Who learns of something that is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The task that writes, when the handler has run.
    Seen,
    /// The same, who would have looked at nothing: somebody still waits for the peer.
    Reopens,
    /// Nobody: the task has to be woken.
    Unseen,
}

const RESTING: u8 = 0;
const RUNNING: u8 = 1;
const SETTLED: u8 = 2;

#[cfg(all(test, wireline_loom))]
mod interleavings;
