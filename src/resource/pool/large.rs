//! Blocks of large messages, kept for each worker for a moment: whoever sends one, as a rule, sends another, and a block that is fresh
//! costs a page fault for every 4 KiB of it.
//!
//! Nobody holds more for it: what is kept is charged to the budget, is little beside it, goes when the budget runs short, and goes
//! when nobody has asked for it for a second.
#![allow(
    dead_code,
    reason = "WebSockets alone read so much, and they are optional"
)]

use crate::resource::budget::{Budget, Pressure};
use crate::sync::{Mutex, MutexGuard};
use bytes::BytesMut;
use std::sync::PoisonError;

/// The blocks of one worker, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Large(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    block: BytesMut,
    /// The tick in which it came.
    since: u32,
}

impl Large {
    /// An empty block with room for `need` octets and not twice as many, the smallest of them. The budget is no longer charged for it.
    pub(crate) fn take(&self, need: usize, budget: &Budget) -> Option<BytesMut> {
        let mut kept = self.kept();
        let (at, size) = (kept.iter().enumerate())
            .map(|(at, kept)| (at, kept.block.capacity()))
            .filter(|(_, size)| (need..need.saturating_mul(2)).contains(size))
            .min_by_key(|(_, size)| *size)?;
        budget.adjust(size, 0);
        Some(kept.remove(at).block)
    }

    /// Keeps a block, all of it, unless somebody holds a slice of it; `now` is the worker's tick.
    pub(crate) fn give(&self, block: BytesMut, now: u32, budget: &Budget) {
        // Only what is frozen can say whether it is shared.
        let Ok(mut block) = block.freeze().try_into_mut() else {
            return;
        };
        block.clear();
        // Back to where the block begins, unless it is there.
        let _ = block.try_reclaim(block.capacity() + 1);
        let size = block.capacity();
        if size < SMALLEST || size > budget.limit() / PART {
            return;
        }
        let mut kept = self.kept();
        if kept.len() == MOST {
            budget.adjust(kept.remove(0).block.capacity(), 0);
        }
        if budget.used().saturating_add(size) <= budget.limit() / 2 {
            budget.adjust(0, size);
            kept.push(Kept { block, since: now });
        }
    }

    /// Frees what nobody has asked for, and everything when the budget runs short.
    pub(crate) fn age(&self, now: u32, budget: &Budget) {
        let short = budget.pressure() >= Pressure::High;
        self.free(budget, |kept| short || now.saturating_sub(kept.since) > AGE);
    }

    /// Frees everything.
    pub(crate) fn clear(&self, budget: &Budget) {
        self.free(budget, |_| true);
    }

    fn free(&self, budget: &Budget, goes: impl Fn(&Kept) -> bool) {
        self.kept().retain(|kept| {
            let goes = goes(kept);
            if goes {
                budget.adjust(kept.block.capacity(), 0);
            }
            !goes
        });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The smallest block that is large: of what is smaller threads keep their own.
pub(crate) const SMALLEST: usize = 136 * 1024 + 1;

/// How many blocks a worker keeps.
const MOST: usize = 4;

/// Of the budget, a block may be the eighth part; all that is charged, with what is kept, may be half of it.
const PART: usize = 8;

/// For how many ticks a block is kept that nobody asks for: a second.
const AGE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    const MIB: usize = 1 << 20;

    fn budget() -> Budget {
        Budget::new(64 * MIB)
    }

    fn block(size: usize) -> BytesMut {
        BytesMut::with_capacity(size)
    }

    #[test]
    fn a_block_comes_back_whole_and_is_charged_while_it_is_kept() {
        let (large, budget) = (Large::default(), budget());
        for slack in [0, 10, 2 * SMALLEST] {
            let mut made = block(MIB + slack);
            let pointer = made.as_ptr();
            made.resize(MIB, 1);
            made.advance(14);
            let mut message = made.split_to(MIB - 14).freeze();
            // The message may outlive what is left behind it, or the other way about.
            large.give(made.split_off(0), 1, &budget);
            assert_eq!(budget.used(), 0, "a slice of it lives");
            drop(made);
            message.advance(message.len());
            large.give(message.try_into_mut().unwrap(), 1, &budget);
            assert_eq!(budget.used(), MIB + slack);
            let back = large.take(MIB, &budget).unwrap();
            assert_eq!((back.as_ptr(), back.len()), (pointer, 0));
            assert_eq!((back.capacity(), budget.used()), (MIB + slack, 0));
        }
    }

    #[test]
    fn what_is_given_fits() {
        let (large, budget) = (Large::default(), budget());
        for size in [4 * MIB, 2 * MIB, 3 * MIB] {
            large.give(block(size), 1, &budget);
        }
        assert!(large.take(5 * MIB, &budget).is_none());
        assert!(large.take(MIB, &budget).is_none(), "twice as large");
        for (need, size) in [(2 * MIB, 2), (2 * MIB, 3), (3 * MIB, 4)] {
            assert_eq!(large.take(need, &budget).unwrap().capacity(), size * MIB);
        }
        assert!(large.take(3 * MIB, &budget).is_none());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_kept_is_little() {
        let (large, budget) = (Large::default(), budget());
        large.give(block(SMALLEST - 1), 1, &budget);
        large.give(block(8 * MIB + 1), 1, &budget);
        assert_eq!(budget.used(), 0);
        for size in [7, 1, 2, 3, 4] {
            large.give(block(size * MIB), 1, &budget);
        }
        assert_eq!(budget.used(), 10 * MIB, "the oldest has gone");
        // What others hold leaves room for two of three more.
        let others = 8 * MIB;
        budget.adjust(0, others);
        for _ in 0..3 {
            large.give(block(7 * MIB), 1, &budget);
        }
        assert!(budget.used() <= budget.limit() / 2);
        large.clear(&budget);
        assert_eq!(budget.used(), others);
    }

    #[test]
    fn what_nobody_asks_for_goes_and_everything_when_the_budget_runs_short() {
        let (large, budget) = (Large::default(), budget());
        large.give(block(MIB), 1, &budget);
        large.give(block(2 * MIB), 3, &budget);
        for (now, kept) in [(1, 3), (1 + AGE, 3), (2 + AGE, 2), (4 + AGE, 0)] {
            large.age(now, &budget);
            assert_eq!(budget.used(), kept * MIB, "in tick {now}");
        }
        large.give(block(MIB), 10, &budget);
        budget.adjust(0, 60 * MIB);
        large.age(10, &budget);
        assert_eq!(budget.used(), 60 * MIB);
    }
}
