//! Whose turn it is of those that would go on for ever.
//!
//! A connection that always has something to read ends its turn after so much of it. Were it merely woken again, a
//! thousand of its kind would all have theirs before somebody who came just now. So they stand in one row, of
//! which one (with threads that share this worker, one for each) has its turn each time that the runtime has looked at everybody else.

use crate::resource::worker::Worker;
use crate::sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::Waker;

/// The row.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<VecDeque<Waker>>);

impl Worker {
    /// Wakes whoever has had a turn when he has the next.
    #[allow(dead_code, reason = "WebSockets alone need it, and they are optional")]
    pub(crate) fn wait_for_a_turn(&self, waker: Waker) {
        self.turns.row().push_back(waker);
        self.called.notify_one();
    }

    /// Gives the next ones a turn, as many as there are threads for it. `false` when nobody waits for one.
    pub(super) fn give_turns(&self, threads: usize) -> bool {
        let mut row = self.turns.row();
        let first = row.len().min(threads);
        let next: Vec<Waker> = row.drain(..first).collect();
        // Outside the lock.
        drop(row);
        next.into_iter().for_each(Waker::wake);
        first > 0
    }
}

impl Turns {
    fn row(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
