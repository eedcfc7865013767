//! Building and running a server.

use crate::resource::budget::Budget;
use crate::resource::counters::Counters;
use crate::resource::panic::PanicHook;
use crate::resource::waking::Notify;
use crate::server::accept::{Local, accept};
use crate::server::bind::{Bind, Bound, IntoBind, Listener};
use crate::server::config::ServerConfig;
use crate::server::door::Door;
use crate::server::error::StartError;
use crate::server::handle::Handle;
use crate::server::handover;
use crate::server::in_flight::InFlight;
use crate::server::pace::Pace;
use crate::server::paths::Paths;
use crate::server::permit::Permits;
use crate::server::proxied::Proxied;
use crate::server::redirect;
use crate::server::signals;
use crate::server::watchdog;
use crate::server::workers::{self, Common};
use crate::service::handler::Service;
use crate::service::link::config::Config;
use crate::service::trusted::TrustedProxies;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::task::JoinSet;

/// An HTTP server: a service, the places where it listens, and its limits.
///
/// Run it on your own runtime with [`start`](Self::start), or give it threads with
/// [`run`](Self::run). Every limit and deadline is on without being asked for.
///
/// ```no_run
/// use wireline::router::Router;
/// use wireline::server::Server;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let routes = Router::new().get("/", async || "Hello, World!").build()?;
///     Server::new(routes).bind("127.0.0.1:8000").workers(2).run()?;
///     Ok(())
/// }
/// ```
pub struct Server {
    service: Arc<dyn Service>,
    places: Vec<Place>,
    workers: Option<NonZeroUsize>,
    signals: bool,
    budget: Option<Arc<Budget>>,
    trusted: Option<TrustedProxies>,
    /// Limits and deadlines of each connection.
    pub connection: Config,
    /// Limits of the whole server.
    pub config: ServerConfig,
}

impl Server {
    /// A server without a place to listen yet.
    pub fn new(service: impl Service) -> Self {
        Self {
            service: Arc::new(service),
            places: Vec::new(),
            workers: None,
            signals: signals::AVAILABLE,
            budget: None,
            trusted: None,
            connection: Config::default(),
            config: ServerConfig::default(),
        }
    }

    /// Listens there, too.
    #[must_use]
    pub fn bind(self, place: impl IntoBind) -> Self {
        self.bind_with(place, || Ok(Door::Plain))
    }

    /// Listens there, too, in plain HTTP, and answers every request with 308 to the same target at `https` and
    /// `port`, which is not said when it is 443.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// let server = Server::new(Router::new().build().unwrap()).redirect_to_https(":8080", 443);
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn redirect_to_https(self, place: impl IntoBind, port: u16) -> Self {
        self.bind_with(place, move || {
            Ok(Door::Aside(Arc::new(redirect::to_https(port))))
        })
    }

    /// Listens there, too, behind the door that `open` makes when the server starts.
    pub(super) fn bind_with(
        mut self,
        place: impl IntoBind,
        open: impl FnOnce() -> io::Result<Door> + Send + 'static,
    ) -> Self {
        self.places.push(Place {
            bind: place.into_bind(),
            open: Box::new(open),
        });
        self
    }

    /// How many worker threads [`run`](Self::run) starts. Default: one for each core.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = NonZeroUsize::new(count);
        self
    }

    /// Whether SIGINT and SIGTERM begin a drain (a second one ends it at once). On by default, with the
    /// `signal` feature.
    #[must_use]
    pub const fn signals(mut self, on: bool) -> Self {
        self.signals = on;
        self
    }

    /// The most connections at the same time. Default 1,024.
    #[must_use]
    pub const fn max_connections(mut self, count: usize) -> Self {
        self.config.max_connections = count;
        self
    }

    /// The most connections at the same time of one IPv4 address or IPv6 network of 64 bits; loopback
    /// addresses and Unix sockets are not counted. Not limited unless it is told.
    #[must_use]
    pub const fn max_connections_per_address(mut self, count: usize) -> Self {
        self.config.max_connections_per_address = Some(count);
        self
    }

    /// Calls `hook` with the message of each panic of a handler, on the thread where it was caught. The
    /// request is answered 500, `handler_panics` counts it, and nothing else ends.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// let server = Server::new(Router::new().build().unwrap())
    ///     .on_panic(|message| eprintln!("a handler panicked: {message}"));
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn on_panic(mut self, hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.connection.on_panic = Some(PanicHook::new(hook));
        self
    }

    /// The most octets of content of a request, where its route does not say otherwise. Default 10 MiB.
    #[must_use]
    pub const fn max_body(mut self, octets: u64) -> Self {
        self.connection.max_body = octets;
        self
    }

    /// Whether plain ports speak HTTP/2, too, with clients that begin with its preface (prior knowledge).
    /// Off unless it is told; it counts with feature `http2` alone. Over TLS the client chooses by ALPN.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// let server = Server::new(Router::new().build().unwrap()).h2c(true);
    /// # drop(server);
    /// ```
    #[must_use]
    pub const fn h2c(mut self, on: bool) -> Self {
        self.connection.http2.prior_knowledge = on;
        self
    }

    /// Charges this server's connections to `budget`, which other servers of the process may share. Without
    /// it the server has one of its own, of [`ServerConfig::memory_budget`] octets.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// use std::sync::Arc;
    /// use wireline::resource::budget::Budget;
    ///
    /// let budget = Arc::new(Budget::new(256 * 1024 * 1024));
    /// let server = || Server::new(Router::new().build().unwrap()).budget(budget.clone());
    /// let (public, internal) = (server(), server());
    /// # drop((public, internal));
    /// ```
    #[must_use]
    pub fn budget(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Takes the word of these proxies on who their clients are: what
    /// [`ClientAddr`](crate::service::client_addr::ClientAddr) is, and nothing else. Without it nobody's word is taken.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// use wireline::service::trusted::TrustedProxies;
    ///
    /// let server = Server::new(Router::new().build().unwrap())
    ///     .trusted_proxies(TrustedProxies::new(["127.0.0.1", "unix"])?);
    /// # drop(server);
    /// # Ok::<(), wireline::service::trusted::InvalidNetwork>(())
    /// ```
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted = Some(proxies);
        self
    }

    /// Changes limits and deadlines of each connection.
    ///
    /// ```
    /// # use wireline::{router::Router, server::Server};
    /// use std::time::Duration;
    ///
    /// let server = Server::new(Router::new().build().unwrap())
    ///     .configure(|connection| connection.idle_timeout = Duration::from_secs(15));
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.connection);
        self
    }

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
            tokio::spawn(watchdog::watch(common.handle.clone(), guard, watched));
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

    fn open(self, reuse_port: bool) -> Result<(Ready, Opened), StartError> {
        if self.places.is_empty() {
            return Err(StartError::from(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no place to listen at: call `bind`",
            )));
        }
        let mut opened = Vec::new();
        let mut secured = Vec::new();
        for Place { bind, open } in self.places {
            // What is wrong with certificates is told before anybody can connect.
            let door = match bind.proxy() {
                Some(proxy) => Door::Proxied(Arc::new(Proxied::new(proxy, open()?))),
                None => open()?,
            };
            secured.extend(door.secure().cloned());
            for group in bind.open(self.config.backlog, reuse_port)? {
                opened.push((group, door.clone()));
            }
        }
        let bound = opened
            .iter()
            .filter_map(|(group, door)| Some((group.first()?, door)))
            .map(|(listener, door)| Ok(door.bound(listener.socket.bound()?)))
            .collect::<io::Result<Vec<_>>>()?;
        let budget = self
            .budget
            .unwrap_or_else(|| Arc::new(Budget::new(self.config.memory_budget)));
        let permits = Permits::new(
            self.config.max_connections.min(descriptor_share()),
            self.config.max_connections_per_address,
            self.config.accept_rate.map(Pace::new),
        );
        let counted = permits.clone();
        let counters = Arc::new(Counters::default());
        let service = match self.config.max_in_flight {
            Some(limit) => Arc::new(InFlight::new(self.service, limit, counters.clone())),
            None => self.service,
        };
        let service = match self.trusted {
            Some(proxies) => Arc::new(proxies.around(service)),
            None => service,
        };
        let common = Common {
            service,
            config: Arc::new(self.connection.settled()),
            budget: budget.clone(),
            permits,
            full: self.config.when_full,
            handle: Handle::new(budget, bound, counters, secured, move || counted.live()),
        };
        Ok((
            Ready {
                common,
                timeout: self.config.shutdown_timeout,
            },
            opened,
        ))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("places", &self.places)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A place to listen at, and what makes the door to it.
struct Place {
    bind: Bind,
    open: Box<dyn FnOnce() -> io::Result<Door> + Send>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bind.fmt(f)
    }
}

/// Listeners in groups, each at one address, with the door that they lead to.
type Opened = Vec<(Vec<Listener>, Door)>;

/// What is common to the workers, and how long the drain may take.
struct Ready {
    common: Common,
    timeout: std::time::Duration,
}

impl std::ops::Deref for Ready {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
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
    timeout: std::time::Duration,
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
async fn finish(handle: &Handle, timeout: std::time::Duration) {
    let mut stop = handle.stop_signal();
    let mut forced = std::pin::pin!(stop.forced());
    let mut drained = std::pin::pin!(handle.drained());
    let either = std::future::poll_fn(|cx| {
        if drained.as_mut().poll(cx).is_ready() || forced.as_mut().poll(cx).is_ready() {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
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

/// 90 % of the process's file descriptors.
fn descriptor_share() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?
            .split_whitespace()
            .next()
    });
    let soft = soft.and_then(|text| crate::wire::number::decimal(text.as_bytes()));
    soft.and_then(|limit| usize::try_from(limit / 10 * 9).ok())
        .unwrap_or(usize::MAX)
        .max(1)
}

/// How long the forced end of the last connections is waited for.
const FORCE_WAIT: std::time::Duration = std::time::Duration::from_secs(1);
