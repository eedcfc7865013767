//! Running a server: on the caller's runtime, or with worker threads of its own.

use crate::resource::waking::Notify;
use crate::server::accept::{Local, accept};
use crate::server::bind::{Bound, IntoBind, Listener};
use crate::server::builder::Server;
use crate::server::door::Door;
use crate::server::error::StartError;
use crate::server::handle::Handle;
use crate::server::handover;
use crate::server::paths::Paths;
use crate::server::signals;
use crate::server::watchdog;
use crate::server::workers;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinSet;

impl Server {
    /// Listens at one place and serves until a signal ends it.
    ///
    /// Giving it up stops accepting, as dropping a [`Running`] does.
    ///
    /// # Errors
    ///
    /// When the place cannot be listened at.
    pub async fn listen(self, place: impl IntoBind) -> Result<(), StartError> {
        self.listen_with(place, async |_| ()).await
    }

    /// As [`listen`](Self::listen); `ready` runs once the server accepts connections.
    ///
    /// Giving it up stops accepting, as dropping a [`Running`] does.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub async fn listen_with(
        self,
        place: impl IntoBind,
        ready: impl AsyncFnOnce(&Bound),
    ) -> Result<(), StartError> {
        self.bind(place).listen_bound(ready).await
    }

    /// Serves at the places that were told, until a signal ends it.
    pub(super) async fn listen_bound(
        self,
        ready: impl AsyncFnOnce(&Bound),
    ) -> Result<(), StartError> {
        let running = self.start()?;
        if let Some(bound) = running.handle().bound().first() {
            ready(bound).await;
        }
        running.wait().await;
        Ok(())
    }

    /// Serves on the caller's runtime, and returns at once.
    ///
    /// # Errors
    ///
    /// When a place cannot be listened at. Must be called inside a tokio runtime with I/O and time
    /// enabled; without one it is an error, too.
    pub fn start(self) -> Result<Running, StartError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StartError::from(io::Error::other(
                "no tokio runtime: call this inside one, or use `run`",
            )));
        }
        let watched = self.signals;
        let (common, opened) = self.open(false)?;
        let mut paths = Paths::new(&common.handle);
        let shared = common.shared();
        let mut tasks = JoinSet::new();
        let listeners: Vec<_> = opened
            .into_iter()
            .flat_map(|(group, door)| group.into_iter().map(move |one| (one, door.clone())))
            .collect();
        common.handle.listeners().expect(listeners.len());
        for (listener, door) in listeners {
            paths.remember(&listener);
            let listener = common.opened(listener)?;
            let local = Local {
                shared: shared.clone(),
                door,
            };
            tasks.spawn(accept(
                listener,
                local,
                common.permits.clone(),
                common.full,
                common.handle.stop_signal(),
            ));
        }
        if watched {
            signals::watch(common.handle.clone())?;
        }
        for watch in common.handle.watches() {
            let mut stop = common.handle.stop_signal();
            tasks.spawn(async move {
                stop.unless(watch).await;
            });
        }
        if watched {
            handover::announce();
        }
        Ok(Running {
            handle: common.handle.clone(),
            timeout: common.timeout,
            tasks,
            _paths: paths,
        })
    }

    /// Serves with worker threads of its own, and returns when the server has stopped. Each worker has
    /// its own single-threaded runtime; TCP sockets are shared out by the kernel (`SO_REUSEPORT`),
    /// Unix and inherited ones by the first worker.
    ///
    /// # Errors
    ///
    /// When a place cannot be listened at, or a thread cannot be started.
    pub fn run(self) -> Result<(), StartError> {
        self.run_with(|_| ())
    }

    /// As [`run`](Self::run); `ready` runs once the server listens. In a process that takes another's place nobody is served before it
    /// has returned: it must not ask the server itself.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_with(self, ready: impl FnOnce(&Handle)) -> Result<(), StartError> {
        let count = self
            .workers
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let watched = self.signals;
        let backlog = self.config.backlog;
        // Signals and the drain's deadline run here, apart from the workers.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (common, opened) = runtime.block_on(async { self.open(count > 1) })?;
        let mut paths = Paths::new(&common.handle);
        let (mut sets, mut handed): (Vec<Vec<(Listener, Door)>>, _) =
            ((0..count).map(|_| Vec::new()).collect(), Vec::new());
        for (mut group, door) in opened {
            group.iter().for_each(|listener| paths.remember(listener));
            // Of those that another process has left there may be as many as workers, or more, or fewer.
            while group.len() < count
                && let Some(first) = group.first()
                && let Some(beside) = first.beside(backlog)?
            {
                group.push(beside);
            }
            if group.len() < count {
                handed.extend(group.into_iter().map(|listener| (listener, door.clone())));
                continue;
            }
            for (place, listener) in group.into_iter().enumerate() {
                sets[place % count].push((listener, door.clone()));
            }
        }
        let listeners = sets.iter().map(Vec::len).sum::<usize>() + handed.len();
        common.handle.listeners().expect(listeners);
        let guard = Arc::<Notify>::default();
        let threads = workers::start(&common, &guard, sets, handed)?;
        runtime.block_on(async {
            tokio::spawn(watchdog::watch(common.handle.clone(), guard));
            if watched {
                signals::watch(common.handle.clone())?;
            }
            for watch in common.handle.watches() {
                tokio::spawn(watch);
            }
            ready(&common.handle);
            if watched {
                handover::announce();
            }
            let (handle, timeout) = (common.handle.clone(), common.timeout);
            handle.stopping().await;
            finish(&handle, timeout).await;
            Ok::<(), StartError>(())
        })?;
        join(threads);
        Ok(())
    }
}

/// A server that runs on the caller's runtime. Dropping it stops accepting; connections go on.
///
/// ```no_run
/// use wireline::{Router, Server};
///
/// async fn embedded() -> Result<(), Box<dyn std::error::Error>> {
///     let routes = Router::new().get("/", async || "hello").build()?;
///     let running = Server::new(routes).bind("127.0.0.1:0").start()?;
///     let handle = running.handle();
///     println!("at {:?}", handle.bound());
///     handle.stop();
///     running.wait().await;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    timeout: Duration,
    tasks: JoinSet<()>,
    _paths: Paths,
}

impl Running {
    /// A handle on the server.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the server was stopped and has drained, or its deadline has passed.
    ///
    /// Giving it up stops accepting, as dropping the server does.
    pub async fn wait(mut self) {
        self.handle.stopping().await;
        // Whatever the kernel had accepted has become a connection before these end.
        while self.tasks.join_next().await.is_some() {}
        finish(&self.handle, self.timeout).await;
    }
}

/// Waits for the drain, with its deadline.
async fn finish(handle: &Handle, timeout: Duration) {
    let mut stop = handle.stop_signal();
    let mut forced = pin!(stop.forced());
    let mut drained = pin!(handle.drained());
    let either = poll_fn(|cx| {
        if drained.as_mut().poll(cx).is_ready() || forced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    });
    if tokio::time::timeout(timeout, either).await.is_err() {
        handle.force();
    }
    // Connections see the force when they are polled next, which it causes.
    let _ = tokio::time::timeout(FORCE_WAIT, handle.drained()).await;
}

/// Joins the workers; a thread whose handler blocks it is left behind, so that a forced end is one.
fn join(threads: Vec<JoinHandle<()>>) {
    for _ in 0..100 {
        if threads.iter().all(JoinHandle::is_finished) {
            break;
        }
        std::thread::sleep(FORCE_WAIT / 100);
    }
    threads
        .into_iter()
        .filter(JoinHandle::is_finished)
        .for_each(|thread| drop(thread.join()));
}

/// How long the forced end of the last connections is waited for.
const FORCE_WAIT: Duration = Duration::from_secs(1);
