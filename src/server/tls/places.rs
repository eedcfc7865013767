//! How many handshakes may be in progress.

use crate::resource::counters::Counter;
use crate::resource::worker::{Slot, Worker};
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places of a listener's handshakes. A connection takes one with its first record, not before: who connects
/// and says nothing costs next to nothing.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Who has a place, the longest first; those that have left are dropped on the way.
    taken: Mutex<VecDeque<(Instant, Weak<Slot>)>>,
    limit: usize,
}

/// A place, or the wait for one.
pub(super) enum Place {
    Wanted,
    Waiting(Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>),
    Taken(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit),
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(limit)),
            taken: Mutex::default(),
            limit,
        }
    }

    /// Waits until `place` is taken by the connection of `slot`.
    pub(super) fn poll_take(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        place: &mut Place,
        slot: &Arc<Slot>,
        worker: &Worker,
    ) -> Poll<()> {
        let permit = match place {
            Place::Taken(_) => return Poll::Ready(()),
            Place::Waiting(wait) => ready!(wait.as_mut().poll(cx)),
            Place::Wanted => match self.free.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    worker.counters.add(Counter::TlsHandshakesPaused);
                    let mut wait = Box::pin(self.clone().wait());
                    let permit = wait.as_mut().poll(cx);
                    *place = Place::Waiting(wait);
                    ready!(permit)
                }
            },
        };
        // The semaphore is never closed.
        if let Some(permit) = permit {
            *place = Place::Taken(permit);
            self.remember(slot);
        }
        Poll::Ready(())
    }

    /// Waits in line, and looks at the clock meanwhile.
    async fn wait(self: Arc<Self>) -> Option<OwnedSemaphorePermit> {
        let mut turn = pin!(self.free.clone().acquire_owned());
        loop {
            self.hurry_the_longest();
            if let Ok(permit) = tokio::time::timeout(LOOK, turn.as_mut()).await {
                return permit.ok();
            }
        }
    }

    fn remember(&self, slot: &Arc<Slot>) {
        let mut taken = self.taken();
        // One entry for each place: who has left is forgotten before there are more.
        if taken.len() >= 2 * self.limit {
            taken.retain(|(_, slot)| slot.strong_count() > 0);
        }
        taken.push_back((Instant::now(), Arc::downgrade(slot)));
    }

    /// Whoever has had a place for longest, if it was long enough for an honest client, has had its time: its
    /// deadline is now.
    fn hurry_the_longest(&self) {
        let mut taken = self.taken();
        while let Some((since, slot)) = taken.front() {
            if since.elapsed() < HONEST {
                return;
            }
            let slot = slot.upgrade();
            taken.pop_front();
            if let Some(slot) = slot.filter(|slot| slot.tls().is_none()) {
                slot.set_due(1);
                slot.wake();
                return;
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, VecDeque<(Instant, Weak<Slot>)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often whoever waits looks whether somebody has had a place for long enough.
const LOOK: Duration = Duration::from_millis(250);

/// What a handshake over a slow line takes: a few round trips.
const HONEST: Duration = Duration::from_secs(1);
