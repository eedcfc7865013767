//! The group of sockets that a task serves, and that task.

use crate::relay::hub::{Drain, Group};
use crate::ws::prepared::Prepared;
use std::cell::RefCell;
use std::future::poll_fn;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;
use tokio::runtime::{Handle, RuntimeFlavor};

/// The groups of a relay: one for each thread that runs a runtime of its own, as workers do, or an equal share of all
/// sockets where a runtime has several threads.
pub(super) struct Groups {
    /// Tells it from other relays; never used again.
    id: u64,
    shared: Mutex<Vec<Arc<Group<Prepared>>>>,
    next: AtomicUsize,
    own: Mutex<Vec<Weak<Group<Prepared>>>>,
}

impl Groups {
    pub(super) fn new() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            shared: Mutex::default(),
            next: AtomicUsize::new(0),
            own: Mutex::default(),
        }
    }

    /// The group for a socket of this task. Must be called inside a runtime.
    pub(super) fn here(&self) -> Arc<Group<Prepared>> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            self.of_thread(&runtime)
        } else {
            self.share(&runtime)
        }
    }

    fn of_thread(&self, runtime: &Handle) -> Arc<Group<Prepared>> {
        HERE.with_borrow_mut(|here| {
            // Those of relays that are gone, and of runtimes that this thread ran before.
            here.retain(|(_, group)| group.upgrade().is_some_and(|group| !group.is_closed()));
            let known = here.iter().find(|(id, _)| *id == self.id);
            if let Some(group) = known.and_then(|(_, group)| group.upgrade()) {
                return group;
            }
            let group = begin(runtime);
            here.push((self.id, Arc::downgrade(&group)));
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.retain(|group| group.strong_count() > 0);
            own.push(Arc::downgrade(&group));
            group
        })
    }

    fn share(&self, runtime: &Handle) -> Arc<Group<Prepared>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.iter().any(|group| group.is_closed()) {
            // Their runtime has ended.
            shared.clear();
        }
        if shared.is_empty() {
            let count = available_parallelism().map_or(1, NonZero::get);
            shared.extend((0..count).map(|_| begin(runtime)));
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        shared[next % shared.len()].clone()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let shared = self
            .shared
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let own = self.own.get_mut().unwrap_or_else(PoisonError::into_inner);
        for group in shared
            .drain(..)
            .chain(own.drain(..).filter_map(|group| group.upgrade()))
        {
            group.close();
        }
    }
}

/// A group and its task.
fn begin(runtime: &Handle) -> Arc<Group<Prepared>> {
    let group = Group::new();
    let mut drain = Drain::new(group.clone());
    runtime.spawn(poll_fn(move |cx| drain.poll(cx, TURN)));
    group
}

thread_local! {
    /// The groups of this thread, by relay.
    static HERE: RefCell<Vec<(u64, Weak<Group<Prepared>>)>> = const { RefCell::new(Vec::new()) };
}

/// How many sockets are written to before others have their turn: about half a millisecond.
const TURN: usize = 256;
