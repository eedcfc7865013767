//! The running server from outside: stop it, look at it.

use crate::resource::budget::Budget;
use crate::resource::counters::{Counter, Counters};
use crate::resource::worker::{Phase, Worker};
use crate::server::bind::Bound;
use crate::server::door::{Secure, Watch};
use crate::server::handover::Registry;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::sync::watch;

/// A handle on a server that was started. Clones are the same handle.
///
/// ```
/// use wireline::router::Router;
/// use wireline::server::Server;
///
/// # tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(async {
/// let server = Server::new(Router::new().build().unwrap()).bind("127.0.0.1:0").start().unwrap();
/// let handle = server.handle();
/// assert!(handle.is_ready());
/// handle.stop();
/// server.wait().await;
/// # });
/// ```
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

struct Inner {
    stage: watch::Sender<Phase>,
    workers: Mutex<Vec<Arc<Worker>>>,
    budget: Arc<Budget>,
    bound: Vec<Bound>,
    /// What is counted apart from any worker.
    counters: Arc<Counters>,
    /// The listeners that have something to read again.
    secured: Vec<Arc<dyn Secure>>,
    listeners: Registry,
    /// Another process has the listeners.
    gives_way: AtomicBool,
    live: Box<dyn Fn() -> usize + Send + Sync>,
}

impl Handle {
    pub(super) fn new(
        budget: Arc<Budget>,
        bound: Vec<Bound>,
        counters: Arc<Counters>,
        secured: Vec<Arc<dyn Secure>>,
        live: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        let stage = watch::Sender::new(Phase::Running);
        Self {
            inner: Arc::new(Inner {
                stage,
                workers: Mutex::default(),
                budget,
                bound,
                counters,
                secured,
                listeners: Registry::default(),
                gives_way: AtomicBool::new(false),
                live: Box::new(live),
            }),
        }
    }

    /// Begins to drain: no connection is accepted any more, every response says `Connection: close`,
    /// and what was begun is finished. A second call ends everything at once.
    pub fn stop(&self) {
        let next = if *self.inner.stage.borrow() == Phase::Running {
            Phase::Draining
        } else {
            Phase::Forced
        };
        self.enter(next);
    }

    /// Ends every connection at once.
    pub fn force(&self) {
        self.enter(Phase::Forced);
    }

    /// Reads again what listeners read from files: the certificates of TLS. Nothing is interrupted, and what
    /// cannot be used is not put into use. SIGHUP does the same, where signals are watched.
    ///
    /// The files are read, and `TlsConfig::on_reload` runs, on the caller's thread: in async code, where files may
    /// be slow, call it with `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be used; the other certificates and the other listeners have theirs all the
    /// same.
    pub fn reload(&self) -> std::io::Result<()> {
        let inner = &self.inner;
        let outcomes: Vec<_> = inner
            .secured
            .iter()
            .map(|secure| secure.reload(&inner.counters))
            .collect();
        outcomes.into_iter().collect()
    }

    /// Whether there is anything that [`reload`](Self::reload) could read again.
    pub fn can_reload(&self) -> bool {
        !self.inner.secured.is_empty()
    }

    /// What watches the files that listeners read.
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch> {
        let inner = &self.inner;
        inner
            .secured
            .iter()
            .filter_map(|secure| secure.clone().watch(inner.counters.clone()))
    }

    /// Whether the server takes new work: what a readiness probe asks. Not ready is not dead.
    pub fn is_ready(&self) -> bool {
        *self.inner.stage.borrow() == Phase::Running
    }

    /// Waits until a drain has begun: what goes on without an end of its own, an event stream for one, is to end then.
    ///
    /// Cancel safe.
    pub async fn stopping(&self) {
        let mut stop = self.stop_signal();
        stop.reached().await;
    }

    /// Where the server listens, with the ports that it was given.
    pub fn bound(&self) -> &[Bound] {
        &self.inner.bound
    }

    /// What the server counts.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            handle: self.clone(),
        }
    }

    pub(super) fn add_worker(&self, worker: Arc<Worker>) {
        // Under the lock, so that a stage that begins now is either seen here or told to this worker.
        let mut workers = self.workers();
        if self.has_given_way() {
            worker.give_way();
        }
        worker.enter(*self.inner.stage.borrow());
        workers.push(worker);
    }

    /// Begins to drain in favour of another process, which has the listeners.
    #[allow(dead_code, reason = "only a successor wants it, and that is optional")]
    pub(super) fn give_way(&self) {
        self.inner.gives_way.store(true, Ordering::SeqCst);
        for worker in self.workers().iter() {
            worker.give_way();
        }
        self.enter(Phase::Draining);
    }

    /// Whether another process has the listeners.
    pub(super) fn has_given_way(&self) -> bool {
        self.inner.gives_way.load(Ordering::SeqCst)
    }

    /// The listeners that are open.
    pub(super) fn listeners(&self) -> &Registry {
        &self.inner.listeners
    }

    /// Counts what is of no worker.
    #[allow(dead_code, reason = "only a successor wants it, and that is optional")]
    pub(super) fn count(&self, counter: Counter) {
        self.inner.counters.add(counter);
    }

    pub(super) fn stop_signal(&self) -> Stop {
        Stop {
            stage: self.inner.stage.subscribe(),
        }
    }

    /// Waits until no connection is left.
    pub(super) async fn drained(&self) {
        loop {
            let busy = self
                .workers()
                .iter()
                .find(|worker| worker.live() > 0)
                .cloned();
            match busy {
                Some(worker) => worker.wait_empty().await,
                None => return,
            }
        }
    }

    fn enter(&self, phase: Phase) {
        // The workers first: a handler that waits for the end may answer as soon as it is told, and its
        // response has to say `close`.
        let workers = self.workers();
        for worker in workers.iter() {
            worker.enter(phase);
        }
        self.inner.stage.send_if_modified(|stage| {
            let moved = phase > *stage;
            *stage = phase.max(*stage);
            moved
        });
    }

    /// Those that there are.
    pub(super) fn workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Worker>>> {
        self.inner
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("stage", &*self.inner.stage.borrow())
            .field("bound", &self.inner.bound)
            .finish_non_exhaustive()
    }
}

/// What a server counts, summed over its workers.
///
/// ```
/// # fn show(handle: &wireline::server::Handle) {
/// let metrics = handle.metrics();
/// println!("{} connections", metrics.connections());
/// for (name, value) in metrics.counters() {
///     println!("{name} {value}");
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: Handle,
}

impl Metrics {
    /// One counter.
    pub fn get(&self, counter: Counter) -> u64 {
        let of_workers: u64 = self
            .handle
            .workers()
            .iter()
            .map(|worker| worker.counters.get(counter))
            .sum();
        of_workers + self.handle.inner.counters.get(counter)
    }

    /// All counters with their names.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL
            .iter()
            .map(|counter| (counter.name(), self.get(*counter)))
    }

    /// The connections that are open now.
    pub fn connections(&self) -> usize {
        (self.handle.inner.live)()
    }

    /// The octets that waiting connections hold now.
    pub fn buffered(&self) -> usize {
        self.handle.inner.budget.used()
    }
}

/// Tells when the server stops.
#[derive(Clone)]
pub(super) struct Stop {
    stage: watch::Receiver<Phase>,
}

impl Stop {
    /// Waits until the drain has begun.
    pub(super) async fn reached(&mut self) {
        // The sender lives in the handle, which whoever runs the server holds.
        let _ = self.stage.wait_for(|stage| *stage != Phase::Running).await;
    }

    /// Waits until everything has to end at once.
    pub(super) async fn forced(&mut self) {
        let _ = self.stage.wait_for(|stage| *stage == Phase::Forced).await;
    }

    /// Runs `future` unless the drain begins first.
    pub(super) async fn unless<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut stop = pin!(self.reached());
        poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}
