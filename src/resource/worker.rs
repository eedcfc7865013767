//! What the connections of one worker share: a coarse clock, their deadline slots, and the sweep.
//!
//! A timer for each connection costs more than a request. Here a connection has one slot with a due
//! tick, moved by a plain store; one task for each worker looks at all slots four times a second and
//! wakes whoever is overdue. A deadline is never early and at most two ticks late.

#[cfg(all(test, wireline_loom))]
mod interleavings;
mod phase;
mod relief;
mod slot;
#[cfg(test)]
mod tests;
mod turns;

pub use self::phase::Phase;
pub use self::slot::Slot;

use crate::resource::addr::ConnInfo;
use crate::resource::budget::{Budget, Pressure};
use crate::resource::counters::Counters;
use crate::resource::draining::Draining;
use crate::resource::panic::PanicHook;
use crate::resource::pool::large::Large;
use crate::resource::waking::Notify;
use crate::resource::worker::relief::Found;
use crate::resource::worker::turns::Turns;
use crate::sync::{AtomicU8, AtomicU32, Mutex, MutexGuard, OnceLock, said_before_asked};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

/// The length of a tick.
pub const TICK: Duration = Duration::from_millis(250);

/// What the connections of one worker share.
///
/// A [`Server`](crate::Server) has one for each of its threads. Whoever accepts connections himself [starts](Self::start) one; it is part of
/// what connections share ([`Shared`](crate::service::link::Shared)).
///
/// ```
/// use std::sync::Arc;
/// use wireline::resource::addr::ConnInfo;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::worker::{Phase, Worker};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let worker = Worker::start(Arc::new(Budget::new(64 * 1024 * 1024)));
/// let slot = worker.register(ConnInfo::default());
/// assert_eq!(worker.live(), 1);
///
/// // The end: what is under way may finish, and then there is nobody.
/// worker.enter(Phase::Draining);
/// worker.unregister(&slot);
/// worker.wait_empty().await;
/// # });
/// ```
#[derive(Debug)]
pub struct Worker {
    /// This worker's counters.
    pub counters: Counters,
    pub(crate) on_panic: OnceLock<PanicHook>,
    budget: Arc<Budget>,
    epoch: Instant,
    now: AtomicU32,
    phase: AtomicU8,
    slots: Mutex<Slots>,
    /// Wakes the sweep when the first connection comes.
    occupied: Arc<Notify>,
    /// Wakes it when the budget becomes short, and when somebody waits for a turn.
    called: Arc<Notify>,
    turns: Turns,
    /// Who looks after this worker while it has connections.
    guard: OnceLock<Arc<Notify>>,
    emptied: Notify,
    draining: Arc<Draining>,
    /// Blocks of messages that were large, for the next ones.
    pub(crate) large: Large,
}

#[derive(Debug, Default)]
struct Slots {
    table: Vec<Option<Arc<Slot>>>,
    free: Vec<u32>,
    live: usize,
    /// When it was last looked who may go, and what was found.
    found: Option<Found>,
    /// The budget has been short for so long that nobody is waited for.
    is_impatient: bool,
}

impl Worker {
    /// Starts a worker whose connections are charged to `budget`. A task of the runtime that this is called on looks at all deadlines four
    /// times a second, sheds connections when the budget runs short, and gives busy ones their turns, until the worker is dropped. It sleeps
    /// while there is no connection. The clock is tokio's, so that a paused one rules it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one whose time is not enabled.
    pub fn start(budget: Arc<Budget>) -> Arc<Self> {
        // A runtime without time is told here, and not to a task of which nobody hears.
        drop(tokio::time::sleep(TICK));
        let worker = Arc::new(Self::new(budget));
        let (occupied, called) = (worker.occupied.clone(), worker.called.clone());
        tokio::spawn(Self::sweep(Arc::downgrade(&worker), occupied, called));
        worker
    }

    /// One whose task nobody has spawned.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            counters: Counters::default(),
            on_panic: OnceLock::new(),
            budget,
            epoch: Instant::now(),
            now: AtomicU32::new(1),
            phase: AtomicU8::new(Phase::Running as u8),
            slots: Mutex::default(),
            occupied: Arc::default(),
            called: Arc::default(),
            turns: Turns::default(),
            guard: OnceLock::new(),
            emptied: Notify::new(),
            draining: Arc::default(),
            large: Large::default(),
        }
    }

    /// Tells `guard` when the first connection comes; who is given first stays.
    pub(crate) fn guarded_by(&self, guard: &Arc<Notify>) {
        self.guard.get_or_init(|| guard.clone());
    }

    /// For how long the sweep has not looked, though there are connections: what else runs on its thread has kept it from that.
    pub(crate) fn behind(&self) -> Duration {
        if self.live() == 0 {
            return Duration::ZERO;
        }
        // The first tick is 1.
        let looked = TICK * self.now().saturating_sub(1);
        self.epoch.elapsed().saturating_sub(looked)
    }

    /// Tells `hook` of the panics that are caught here; the first one that is given stays.
    pub(crate) fn tell_panics_to(&self, hook: &PanicHook) {
        self.on_panic.get_or_init(|| hook.clone());
    }

    /// The present tick.
    #[inline]
    pub fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    /// The tick by which `after` has surely passed; never 0, which means "no deadline".
    #[inline]
    pub fn tick_after(&self, after: Duration) -> u32 {
        self.now().saturating_add(ticks(after))
    }

    /// What the worker is doing.
    #[inline]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Forced,
        }
    }

    /// Moves on to `phase` (never back) and wakes every connection, so that each sees it.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        said_before_asked();
        if phase >= Phase::Draining {
            self.draining.begin();
        }
        let wakers: Vec<Waker> = self
            .slots()
            .table
            .iter()
            .flatten()
            .filter_map(|slot| slot.waker.get().cloned())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The drain that begins next is in favour of another process, which has the listeners already.
    pub(crate) fn give_way(&self) {
        self.draining.give_way();
    }

    /// Whether another process goes on where this one ends.
    pub(crate) fn gives_way(&self) -> bool {
        self.draining.gives_way()
    }

    /// How long whoever has begun nothing is waited for in a drain, where that is usually so long. With another process there is
    /// nothing to hurry for.
    pub(crate) fn grace(&self, usual: Duration) -> Duration {
        if self.gives_way() {
            usual.max(UNHURRIED)
        } else {
            usual
        }
    }

    /// The budget that this worker's connections are charged to.
    #[inline]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The number of connections.
    pub fn live(&self) -> usize {
        self.slots().live
    }

    /// The octets that one connection may hold when the budget runs short: half of what is there for each,
    /// because a buffer that grows takes more than what has come.
    pub fn share(&self) -> usize {
        self.budget.limit() / 2 / self.live().max(1)
    }

    /// Waits until there is no connection.
    ///
    /// Cancel safe: waiting again later misses nothing.
    pub async fn wait_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.live() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// A place in the sweep, without a deadline yet.
    pub fn register(&self, info: ConnInfo) -> Arc<Slot> {
        self.refresh();
        let mut slots = self.slots();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.table.push(None);
            u32::try_from(slots.table.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = Arc::new(Slot::new(index, info, self.draining.clone()));
        slots.table[index as usize] = Some(slot.clone());
        slots.live += 1;
        if slots.live == 1 {
            self.occupied.notify_one();
            if let Some(guard) = self.guard.get() {
                guard.notify_one();
            }
        }
        slot
    }

    /// Gives the place back, once, and credits what was charged to it.
    pub fn unregister(&self, slot: &Slot) {
        self.budget.adjust(slot.held.swap(0, Ordering::Relaxed), 0);
        let mut slots = self.slots();
        let freed = slots.table[slot.index() as usize].take();
        slots.free.push(slot.index());
        slots.live -= 1;
        let empty = slots.live == 0;
        drop(slots);
        // The slot's waker keeps its task alive until here.
        drop(freed);
        if empty {
            self.large.clear(&self.budget);
            self.emptied.notify_waiters();
        }
    }

    /// Charges `octets` to the connection of `slot`, in place of what was charged before.
    #[inline]
    pub fn charge(&self, slot: &Slot, octets: usize) {
        let before = slot.held.load(Ordering::Relaxed);
        if before != octets {
            slot.held.store(octets, Ordering::Relaxed);
            self.budget.adjust(before, octets);
            if octets > before && self.budget.pressure() >= Pressure::Shedding {
                // Not here: whoever charges may hold locks that those want who are woken.
                self.called.notify_one();
            }
        }
    }

    /// Runs the sweep for as long as the worker lives. It sleeps while there is no connection.
    async fn sweep(worker: Weak<Self>, occupied: Arc<Notify>, called: Arc<Notify>) {
        // For how many ticks in a row the budget has been short.
        let mut short = 0;
        let threads = Handle::current().metrics().num_workers();
        loop {
            if worker.upgrade().is_some_and(|worker| worker.live() == 0) {
                occupied.notified().await;
            }
            let due = Instant::now() + TICK;
            // However often it is called, it is not late for the tick.
            while Instant::now() < due && timeout_at(due, called.notified()).await.is_ok() {
                if worker
                    .upgrade()
                    .is_some_and(|worker| worker.answers(threads))
                {
                    // Everybody else has his turn before the next of them.
                    called.notify_one();
                    yield_now().await;
                }
            }
            let Some(worker) = worker.upgrade() else {
                return;
            };
            worker.refresh();
            wake_all(worker.overdue());
            worker.large.age(worker.now(), &worker.budget);
            worker.look_after_budget(&mut short);
        }
    }

    /// What the sweep does between two ticks when it was called. Whether somebody may wait for a turn all the same.
    fn answers(&self, threads: usize) -> bool {
        self.relieve(false);
        self.give_turns(threads)
    }

    fn refresh(&self) {
        let passed = self.epoch.elapsed().as_millis() / TICK.as_millis();
        self.now.store(
            u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1,
            Ordering::Relaxed,
        );
    }

    /// Those whose deadline has passed. To be woken outside the lock: a waker of a runtime that shuts down may drop its task on the spot.
    fn overdue(&self) -> Vec<Waker> {
        let now = self.now();
        self.slots()
            .table
            .iter()
            .flatten()
            .filter(|slot| slot.is_due(now))
            .filter_map(|slot| slot.waker.get().cloned())
            .collect()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Worker {
    /// The sweep, which does not keep the worker alive, ends with it.
    fn drop(&mut self) {
        self.occupied.notify_one();
        self.large.clear(&self.budget);
    }
}

/// Wakes a few at once, and many in parts, between which everybody else has his turn: to close five thousand connections whose buffers are
/// full takes the kernel a third of a second.
fn wake_all(wakers: Vec<Waker>) {
    let mut wakers = wakers.into_iter();
    wakers.by_ref().take(PART).for_each(Waker::wake);
    if wakers.len() > 0 {
        tokio::spawn(async move {
            while wakers.len() > 0 {
                yield_now().await;
                wakers.by_ref().take(PART).for_each(Waker::wake);
            }
        });
    }
}

/// How many are woken at once.
const PART: usize = 32;

/// How long a drain in favour of another process waits for requests that may be on their way.
const UNHURRIED: Duration = Duration::from_secs(2);

/// `after` in whole ticks, rounded up, and one more because the present tick has already begun.
#[inline]
pub(crate) fn ticks(after: Duration) -> u32 {
    u32::try_from(after.as_millis().div_ceil(TICK.as_millis()))
        .unwrap_or(u32::MAX / 2)
        .saturating_add(1)
}
