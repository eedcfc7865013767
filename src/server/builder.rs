//! A server before it runs: what it serves, where, and within which limits.

use crate::resource::budget::Budget;
use crate::resource::panic::PanicHook;
use crate::server::bind::{Bind, IntoBind};
use crate::server::config::ServerConfig;
use crate::server::door::Door;
use crate::server::redirect;
use crate::server::signals;
use crate::service::handler::Service;
use crate::service::link::config::Config;
use crate::service::trusted::TrustedProxies;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

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
    pub(super) service: Arc<dyn Service>,
    pub(super) places: Vec<Place>,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) signals: bool,
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) trusted: Option<TrustedProxies>,
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
pub(super) struct Place {
    pub(super) bind: Bind,
    pub(super) open: Box<dyn FnOnce() -> io::Result<Door> + Send>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bind.fmt(f)
    }
}
