//! Who is in a namespace, and who is about to be: whether it may go.

use crate::sync::{AtomicUsize, Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Members by their numbers, and how many are on their way to be one or to be kept for.
pub(super) struct Members<T> {
    entering: AtomicUsize,
    all: Mutex<HashMap<u64, T>>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self {
            entering: AtomicUsize::new(0),
            all: Mutex::default(),
        }
    }
}

impl<T> Members<T> {
    /// Somebody is on his way. To be called where nobody can find that everybody has left: under the lock that this is looked for
    /// under, or by a member.
    pub(super) fn enter(&self) {
        self.entering.fetch_add(1, Ordering::AcqRel);
    }

    /// He is a member now, or will not be one.
    pub(super) fn has_entered(&self) {
        self.entering.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn insert(&self, number: u64, member: T) {
        let before = self.all().insert(number, member);
        drop(before);
    }

    pub(super) fn remove(&self, number: u64) -> Option<T> {
        let mut all = self.all();
        let member = all.remove(&number);
        if all.capacity() > 64 && all.len() < all.capacity() / 8 {
            let wanted = all.len() * 2;
            all.shrink_to(wanted);
        }
        member
    }

    /// Whether there is nobody, and nobody is about to come. Both are looked at under the lock: else somebody could become a member
    /// between two looks, and be seen by neither.
    pub(super) fn is_left(&self) -> bool {
        let all = self.all();
        all.is_empty() && self.entering.load(Ordering::Acquire) == 0
    }

    /// All of them, which must not be dropped under this lock.
    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<u64, T>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
