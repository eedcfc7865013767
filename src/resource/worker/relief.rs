//! Who goes when the budget runs short, and whose requests are served all the same.
//!
//! What a connection holds and does not move is worth least: those that have waited for their client the longest bit and hold
//! most are closed, at once when the budget becomes short, and not when somebody is refused already. A
//! request that brings nothing costs nothing while it is answered, so it is served when that has helped.

use crate::resource::budget::Pressure;
use crate::resource::counters::Counter;
use crate::resource::worker::{Slot, Slots, TICK, Worker};
use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// What was found when connections were looked for that may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Until when it is not looked again.
    until: Instant,
    /// How short the budget was.
    pressure: Pressure,
    used: usize,
    /// Whether what they hold is enough.
    is_enough: bool,
}

impl Worker {
    /// Whether a new request is refused because the budget runs short. `is_small` says whether no content of it is
    /// still to come.
    #[inline]
    pub(crate) fn refuses(&self, slot: &Slot, is_small: impl FnOnce() -> bool) -> bool {
        let pressure = self.budget.pressure();
        if pressure >= Pressure::Shedding && self.refuses_under(pressure, slot, is_small()) {
            self.counters.add(Counter::ShedRequests);
            return true;
        }
        slot.known.store(true, Ordering::Relaxed);
        false
    }

    #[cold]
    fn refuses_under(&self, pressure: Pressure, slot: &Slot, is_small: bool) -> bool {
        if !is_small {
            // It would be held.
            return true;
        }
        let is_enough = self.relieve(false);
        // Whoever was there before and holds next to nothing is refused last.
        let is_known = slot.known.load(Ordering::Relaxed) && slot.held() <= LITTLE;
        match pressure {
            Pressure::Critical => !(is_enough && is_known),
            _ => !(is_enough || is_known),
        }
    }

    /// Once a tick: looks after the budget, and gives up waiting for peers that move a little when it was short for long.
    pub(super) fn look_after_budget(&self, short: &mut u32) {
        let is_short = self.budget.pressure() >= Pressure::Shedding;
        if !is_short && *short == 0 {
            return;
        }
        *short = if is_short { *short + 1 } else { 0 };
        self.slots().is_impatient = *short > SHORT;
        self.relieve(true);
    }

    /// Marks the connections that hold most, of those that may go, until what they hold would bring the budget
    /// down. `false` when that is not enough. It is not looked again for each request, unless `anew`.
    pub(super) fn relieve(&self, anew: bool) -> bool {
        let pressure = self.budget.pressure();
        if pressure < Pressure::Shedding {
            return true;
        }
        let (tick, now) = (self.now(), Instant::now());
        let mut slots = self.slots();
        let used = self.budget.used();
        let holds = |found: &Found| {
            let is_more = pressure > found.pressure || (found.is_enough && used > found.used);
            !anew && now < found.until && !is_more
        };
        if let Some(found) = slots.found.filter(holds) {
            return found.is_enough;
        }
        let stalled = if slots.is_impatient { 0 } else { STALLED };
        let may_go = |slot: &Slot| {
            slot.is_shed() || pressure == Pressure::Critical || slot.has_waited(tick, stalled)
        };
        let mut excess = self.budget.excess();
        let mut wakers = Vec::new();
        for index in slots.largest(may_go) {
            if excess == 0 {
                break;
            }
            let Some(Some(slot)) = slots.table.get(index) else {
                continue;
            };
            excess = excess.saturating_sub(slot.held());
            if slot.shed.swap(true, Ordering::Relaxed) {
                continue;
            }
            self.counters.add(Counter::ShedConnections);
            wakers.extend(slot.waker.get().cloned());
        }
        let is_enough = excess == 0;
        slots.found = Some(Found {
            until: now + if is_enough { GOING } else { TICK },
            pressure,
            used,
            is_enough,
        });
        drop(slots);
        // Outside the lock, as with those who are overdue.
        wakers.into_iter().for_each(Waker::wake);
        is_enough
    }
}

impl Slots {
    /// Where those are that may go and hold something, the largest first.
    fn largest(&self, may_go: impl Fn(&Slot) -> bool) -> Vec<usize> {
        let mut held: Vec<(usize, usize)> = self
            .table
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| {
                let slot = slot.as_ref().filter(|slot| may_go(slot))?;
                Some((slot.held(), index)).filter(|(octets, _)| *octets > 0)
            })
            .collect();
        held.sort_unstable_by_key(|(octets, _)| Reverse(*octets));
        held.into_iter().map(|(_, index)| index).collect()
    }
}

/// How long those that were told to go have for it before others are.
const GOING: Duration = Duration::from_millis(10);

/// How long a connection has waited for its peer, in ticks, when it is closed for others' new requests.
const STALLED: u32 = 2;

/// For how many ticks the budget is short before whoever lets us wait at all is closed for them: a peer that
/// sends or takes an octet in each tick is never stalled.
const SHORT: u32 = 4;

/// What a connection may hold that holds next to nothing: buffers of TLS and of HTTP/2.
const LITTLE: usize = 32 * 1024;
