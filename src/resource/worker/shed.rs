//! Who goes when the budget runs short.

use crate::resource::counters::Counter;
use crate::resource::worker::{Slot, Worker};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

impl Worker {
    /// Marks those of the connections that hold most, until what they hold would bring the budget down.
    pub(super) fn shed_largest(&self, may_go: impl Fn(&Slot) -> bool) {
        let mut held: Vec<(usize, Arc<Slot>)> = self
            .slots()
            .table
            .iter()
            .flatten()
            .filter(|slot| slot.is_shed() || may_go(slot))
            .map(|slot| (slot.held.load(Ordering::Relaxed), slot.clone()))
            .collect();
        held.sort_unstable_by_key(|(octets, _)| std::cmp::Reverse(*octets));
        let mut excess = self.budget.excess();
        for (octets, slot) in held {
            if excess == 0 || octets == 0 {
                break;
            }
            excess = excess.saturating_sub(octets);
            if slot.shed.swap(true, Ordering::Relaxed) {
                continue;
            }
            self.counters.add(Counter::ShedConnections);
            slot.waker.get().into_iter().for_each(Waker::wake_by_ref);
        }
    }
}
