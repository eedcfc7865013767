//! What the connections of one worker share: a coarse clock, their deadline slots, and the sweep.
//!
//! A timer for each connection costs more than a request. Here a connection has one slot with a due
//! tick, moved by a plain store; one task for each worker looks at all slots four times a second and
//! wakes whoever is overdue. A deadline is never early and at most two ticks late.

#[cfg(all(test, wireline_loom))]
mod interleavings;
mod phase;
#[cfg(test)]
mod tests;

pub use self::phase::Phase;

use crate::resource::addr::ConnInfo;
use crate::resource::budget::{Budget, Pressure};
use crate::resource::counters::{Counter, Counters};
use crate::resource::draining::Draining;
use crate::resource::panic::PanicHook;
use crate::resource::span::ConnectionSpan;
use crate::resource::tls_info::TlsInfo;
use crate::resource::waking::Notify;
use crate::sync::{
    AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Mutex, MutexGuard, OnceLock, said_before_asked,
};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// The length of a tick.
pub const TICK: Duration = Duration::from_millis(250);

/// What the connections of one worker share.
///
/// A [`Server`](crate::Server) has one for each of its threads. Whoever accepts connections himself makes one and spawns its
/// [`sweep`](Self::sweep); it is part of what connections share ([`Shared`](crate::service::link::Shared)).
///
/// ```
/// use std::sync::Arc;
/// use wireline::resource::addr::ConnInfo;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::worker::{Phase, Worker};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let worker = Arc::new(Worker::new(Arc::new(Budget::new(64 * 1024 * 1024))));
/// tokio::spawn(worker.clone().sweep());
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
    /// Who looks after this worker while it has connections.
    guard: OnceLock<Arc<Notify>>,
    emptied: Notify,
    draining: Arc<Draining>,
}

#[derive(Debug, Default)]
struct Slots {
    table: Vec<Option<Arc<Slot>>>,
    free: Vec<u32>,
    live: usize,
}

/// One connection's place in the sweep.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use wireline::resource::addr::ConnInfo;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::worker::Worker;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let worker = Worker::new(Arc::new(Budget::new(1 << 20)));
/// let slot = worker.register(ConnInfo::default());
/// // Woken when five seconds have passed, unless it says otherwise by then.
/// slot.set_due(worker.tick_after(Duration::from_secs(5)));
/// assert!(!slot.is_due(worker.now()));
/// // What it keeps while it waits counts.
/// worker.charge(&slot, 4096);
/// assert_eq!(worker.budget().used(), 4096);
/// worker.unregister(&slot);
/// assert_eq!(worker.budget().used(), 0);
/// # });
/// ```
#[derive(Debug)]
pub struct Slot {
    due: AtomicU32,
    index: u32,
    held: AtomicUsize,
    /// The tick since which the connection waits for its peer; 0 while it does not.
    waits: AtomicU32,
    /// The tick from which on the connection is to end with its next response; 0 for never.
    old: AtomicU32,
    /// How many requests were counted.
    requests: AtomicU32,
    shed: AtomicBool,
    waker: OnceLock<Waker>,
    info: ConnInfo,
    /// The peer will send nothing more, or is gone altogether.
    gone: AtomicBool,
    /// Made when the first handler asks to be told, and with the connection when it has TLS.
    aside: OnceLock<Box<Aside>>,
    /// Another protocol's connection outlives the function that was given it.
    kept: AtomicBool,
    /// That of its worker.
    draining: Arc<Draining>,
}

/// What few connections have, apart, so that the others do not pay for it while they are idle.
#[derive(Debug, Default)]
struct Aside {
    /// Whoever waits for the peer's end.
    told: Notify,
    tls: Option<TlsInfo>,
    span: ConnectionSpan,
}

impl Worker {
    /// A worker whose connections are charged to `budget`. Must be made inside a tokio runtime with
    /// time enabled: its clock is tokio's, so that a paused clock rules it.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            counters: Counters::default(),
            on_panic: OnceLock::new(),
            budget,
            epoch: Instant::now(),
            now: AtomicU32::new(1),
            phase: AtomicU8::new(Phase::Running as u8),
            slots: Mutex::default(),
            occupied: Arc::default(),
            guard: OnceLock::new(),
            emptied: Notify::new(),
            draining: Arc::default(),
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
        let slot = Arc::new(Slot {
            due: AtomicU32::new(0),
            index,
            held: AtomicUsize::new(0),
            waits: AtomicU32::new(0),
            old: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            shed: AtomicBool::new(false),
            waker: OnceLock::new(),
            info,
            gone: AtomicBool::new(false),
            aside: OnceLock::new(),
            kept: AtomicBool::new(false),
            draining: self.draining.clone(),
        });
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
        }
    }

    /// Runs the sweep for as long as the worker lives; spawn it once. It sleeps while there is no connection.
    ///
    /// Given up, no deadline passes and nobody is shed until it is run again.
    pub async fn sweep(self: Arc<Self>) {
        let (occupied, worker) = (self.occupied.clone(), Arc::downgrade(&self));
        drop(self);
        // For how many ticks in a row new requests have been refused.
        let mut short = 0;
        loop {
            if worker.upgrade().is_some_and(|worker| worker.live() == 0) {
                occupied.notified().await;
            }
            tokio::time::sleep(TICK).await;
            let Some(worker) = worker.upgrade() else {
                return;
            };
            worker.refresh();
            worker.wake_overdue();
            let pressure = worker.budget.pressure();
            if pressure < Pressure::Shedding {
                short = 0;
                continue;
            }
            short += 1;
            let stalled = if short > SHORT { 0 } else { STALLED };
            worker.shed_largest(|slot| {
                pressure == Pressure::Critical || slot.has_waited(worker.now(), stalled)
            });
        }
    }

    fn refresh(&self) {
        let passed = self.epoch.elapsed().as_millis() / TICK.as_millis();
        self.now.store(
            u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1,
            Ordering::Relaxed,
        );
    }

    fn wake_overdue(&self) {
        let now = self.now();
        // Woken outside the lock: a waker of a runtime that shuts down may drop its task on the spot.
        let wakers: Vec<Waker> = self
            .slots()
            .table
            .iter()
            .flatten()
            .filter(|slot| slot.is_due(now))
            .filter_map(|slot| slot.waker.get().cloned())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Marks those of the connections that hold most, until what they hold would bring the budget down.
    fn shed_largest(&self, may_go: impl Fn(&Slot) -> bool) {
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

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Worker {
    /// The sweep, which does not keep the worker alive, ends with it.
    fn drop(&mut self) {
        self.occupied.notify_one();
    }
}

impl Slot {
    /// Remembers whom to wake. The first call counts: a connection lives in one task.
    #[inline]
    pub fn set_waker(&self, waker: &Waker) {
        if self.waker.get().is_none() {
            let _ = self.waker.set(waker.clone());
            said_before_asked();
        }
    }

    /// Whom to wake, once that is known.
    pub fn waker(&self) -> Option<&Waker> {
        self.waker.get()
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        if let Some(waker) = self.waker() {
            waker.wake_by_ref();
        }
    }

    /// Says whether the connection goes on without HTTP, whoever holds it.
    pub(crate) fn set_kept(&self, kept: bool) {
        self.kept.store(kept, Ordering::SeqCst);
    }

    /// Whether the connection goes on without HTTP.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::SeqCst)
    }

    /// A number that spreads connections: few share it.
    pub(crate) const fn index(&self) -> u32 {
        self.index
    }

    /// Moves the deadline; 0 is none.
    #[inline]
    pub fn set_due(&self, tick: u32) {
        self.due.store(tick, Ordering::Relaxed);
    }

    /// Moves the deadline forward, never back.
    pub fn hurry(&self, tick: u32) {
        let due = self.due.load(Ordering::Relaxed);
        if due == 0 || tick < due {
            self.set_due(tick);
        }
    }

    /// Whether the deadline has passed.
    #[inline]
    pub fn is_due(&self, now: u32) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        due != 0 && due <= now
    }

    /// Remembers since when the connection waits for its peer, to send or to take; 0 when it does not.
    #[inline]
    pub fn set_waits(&self, since: u32) {
        self.waits.store(since, Ordering::Relaxed);
    }

    /// Whether the connection has waited for its peer for at least so many ticks.
    fn has_waited(&self, now: u32, ticks: u32) -> bool {
        let since = self.waits.load(Ordering::Relaxed);
        since != 0 && now.saturating_sub(since) >= ticks
    }

    /// Sets the tick from which on the connection is to end with its next response; 0 is never.
    pub fn set_old(&self, tick: u32) {
        self.old.store(tick, Ordering::Relaxed);
    }

    /// That tick.
    pub fn old(&self) -> u32 {
        self.old.load(Ordering::Relaxed)
    }

    /// Whether that tick has come.
    pub fn is_old(&self, now: u32) -> bool {
        let old = self.old.load(Ordering::Relaxed);
        old != 0 && old <= now
    }

    /// Counts one more request of this connection; gives how many there were with it.
    pub fn count_request(&self) -> u32 {
        let requests = self.requests.load(Ordering::Relaxed).saturating_add(1);
        self.requests.store(requests, Ordering::Relaxed);
        requests
    }

    /// Whether this connection has to go because it holds more than its share of a budget that is used up.
    #[inline]
    pub fn is_shed(&self) -> bool {
        self.shed.load(Ordering::Relaxed)
    }

    /// Both ends' addresses.
    #[inline]
    pub fn info(&self) -> ConnInfo {
        self.info
    }

    /// Remembers what the TLS handshake has found out. Must be told before anybody waits for the peer's end.
    pub fn set_tls(&self, tls: TlsInfo) {
        let _ = self.aside.set(Box::new(Aside {
            tls: Some(tls),
            ..Aside::default()
        }));
    }

    /// What the TLS handshake has found out, when the connection has TLS.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.aside.get()?.tls.as_ref()
    }

    /// The connection's span, which does not exist before it is asked for.
    #[allow(dead_code, reason = "only `App` traces requests, and it is optional")]
    pub(crate) fn span(&self) -> &ConnectionSpan {
        &self.aside.get_or_init(Box::default).span
    }

    /// The peer has closed its side, or is gone: whoever waits in [`closed`](Self::closed) goes on.
    pub fn set_gone(&self) {
        if self.gone.swap(true, Ordering::SeqCst) {
            return;
        }
        said_before_asked();
        if let Some(aside) = self.aside.get() {
            aside.told.notify_waiters();
        }
    }

    /// Whether the peer has closed its side.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Waits until the peer has closed its side or is gone.
    ///
    /// Cancel safe.
    pub async fn closed(&self) {
        let told = self.aside.get_or_init(Box::default).told.notified();
        let mut told = std::pin::pin!(told);
        told.as_mut().enable();
        said_before_asked();
        if !self.is_gone() {
            told.await;
        }
    }

    /// Waits until the connection's worker drains; says whether another process goes on.
    ///
    /// Cancel safe.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) async fn draining(&self) -> bool {
        self.draining.begun().await
    }

    /// The octets charged to this connection.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// How long a connection has waited for its peer, in ticks, when it is closed for others' new requests.
const STALLED: u32 = 2;

/// For how many ticks new requests are refused before whoever lets us wait at all is closed for them: a
/// peer that sends or takes an octet in each tick is never stalled.
const SHORT: u32 = 4;

/// How long a drain in favour of another process waits for requests that may be on their way.
const UNHURRIED: Duration = Duration::from_secs(2);

/// `after` in whole ticks, rounded up, and one more because the present tick has already begun.
#[inline]
pub(crate) fn ticks(after: Duration) -> u32 {
    u32::try_from(after.as_millis().div_ceil(TICK.as_millis()))
        .unwrap_or(u32::MAX / 2)
        .saturating_add(1)
}
