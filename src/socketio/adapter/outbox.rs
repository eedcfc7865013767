//! What waits to be sent.

use crate::resource::waking::Notify;
use crate::sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::PoisonError;

/// A queue with a ceiling in octets.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Waiting<T> {
    all: VecDeque<(T, usize)>,
    octets: usize,
}

impl<T> Outbox<T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                all: VecDeque::new(),
                octets: 0,
            }),
            changed: Notify::new(),
        }
    }

    /// Puts something at the end; whether there was room.
    pub(super) fn push(&self, what: T, octets: usize) -> bool {
        let octets = octets + 128;
        let mut waiting = self.waiting();
        if waiting.octets + octets > MOST_OCTETS {
            return false;
        }
        waiting.octets += octets;
        waiting.all.push_back((what, octets));
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// Waits until there is something, and takes the first of it, about as many octets.
    ///
    /// Cancel safe.
    pub(super) async fn take(&self, most_octets: usize) -> Vec<T> {
        loop {
            let taken = self.take_now(most_octets);
            if !taken.is_empty() {
                return taken;
            }
            self.changed.notified().await;
        }
    }

    fn take_now(&self, most_octets: usize) -> Vec<T> {
        let mut waiting = self.waiting();
        let (mut taken, mut octets) = (Vec::new(), 0);
        while octets < most_octets {
            let Some((what, weight)) = waiting.all.pop_front() else {
                break;
            };
            waiting.octets -= weight;
            octets += weight;
            taken.push(what);
        }
        taken
    }

    /// Gives up what is not to wait.
    pub(super) fn retain(&self, keeps: impl Fn(&T) -> bool) {
        let mut waiting = self.waiting();
        let all = std::mem::take(&mut waiting.all);
        waiting.all = all.into_iter().filter(|(what, _)| keeps(what)).collect();
        waiting.octets = waiting.all.iter().map(|(_, octets)| octets).sum();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may wait while the broker is away.
const MOST_OCTETS: usize = 8 << 20;

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_in_order() {
        let outbox = Outbox::new();
        for number in 0..3 {
            assert!(outbox.push(number, 0));
        }
        outbox.retain(|number| *number != 1);
        assert_eq!(outbox.take(129).await, [0, 2]);
        assert!(outbox.push(3, MOST_OCTETS - 128));
        assert!(!outbox.push(4, 0));
        assert_eq!(outbox.take(1).await, [3]);
        assert!(outbox.push(4, 0));
    }
}
