//! What a worker knows of one connection.

use crate::resource::addr::ConnInfo;
use crate::resource::draining::Draining;
use crate::resource::span::ConnectionSpan;
use crate::resource::tls_info::TlsInfo;
use crate::resource::waking::Notify;
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, OnceLock, said_before_asked};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

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
/// let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
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
    pub(super) held: AtomicUsize,
    /// The tick since which the connection waits for its peer; 0 while it does not.
    waits: AtomicU32,
    /// The tick from which on the connection is to end with its next response; 0 for never.
    old: AtomicU32,
    /// How many requests were counted.
    requests: AtomicU32,
    pub(super) shed: AtomicBool,
    /// It had a request that was not refused.
    pub(super) known: AtomicBool,
    pub(super) waker: OnceLock<Waker>,
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

impl Slot {
    /// The place of this number, without a deadline yet.
    pub(super) fn new(index: u32, info: ConnInfo, draining: Arc<Draining>) -> Self {
        Self {
            due: AtomicU32::new(0),
            index,
            held: AtomicUsize::new(0),
            waits: AtomicU32::new(0),
            old: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            shed: AtomicBool::new(false),
            known: AtomicBool::new(false),
            waker: OnceLock::new(),
            info,
            gone: AtomicBool::new(false),
            aside: OnceLock::new(),
            kept: AtomicBool::new(false),
            draining,
        }
    }

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
    pub(super) fn has_waited(&self, now: u32, ticks: u32) -> bool {
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
