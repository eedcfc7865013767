//! Limits of a whole server.

use std::time::Duration;

/// What a server allows altogether; what one connection is allowed stands in
/// [`Config`](crate::service::link::config::Config).
///
/// ```
/// use std::time::Duration;
/// use wireline::server::config::Full;
/// use wireline::{Router, Server};
///
/// let routes = Router::new().get("/", async || "hello").build().unwrap();
/// let mut server = Server::new(routes);
/// server.config.max_connections = 10_000;
/// server.config.when_full = Full::Wait;
/// server.config.shutdown_timeout = Duration::from_secs(60);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Connections at the same time; each further one gets 503 with `Retry-After` and is closed.
    /// Default 1,024, and never more than 90 % of the process's file descriptors.
    pub max_connections: usize,
    /// Connections at the same time of one client, which is an IPv4 address or an IPv6 network of 64 bits;
    /// each further one gets 503 with `Retry-After` and is closed. Loopback addresses and Unix sockets are
    /// not counted. Default `None`: no limit. 256 suits a listener that the public reaches directly; a
    /// proxy on another machine is one client.
    pub max_connections_per_address: Option<usize>,
    /// What happens beyond the limit of connections. Default [`Full::Refuse`].
    pub when_full: Full,
    /// Connections accepted in a second, over all listeners; those that come faster wait in the kernel's
    /// backlog. A tenth of a second's worth may come at once. Default `None`: no limit.
    pub accept_rate: Option<u32>,
    /// Requests that are with their handlers at the same time; each further one gets 503 with
    /// `Retry-After`, and its connection goes on. A request is with its handler until the handler has
    /// answered; what a streamed content still sends then is not counted. Default `None`: no limit.
    pub max_in_flight: Option<usize>,
    /// Octets that all connections together may hold while they wait. Default 256 MiB.
    pub memory_budget: usize,
    /// How long a drain waits for what was begun. Default 30 s.
    pub shutdown_timeout: Duration,
    /// Connections that the kernel keeps for us to accept. Default 4,096.
    pub backlog: u32,
}

/// What happens to a connection beyond the limit.
///
/// ```
/// use wireline::server::config::Full;
/// use wireline::{Router, Server};
///
/// let mut server = Server::new(Router::new().build().unwrap());
/// assert_eq!(server.config.when_full, Full::Refuse);
/// server.config.when_full = Full::Wait;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// It is answered 503 with `Retry-After` and closed.
    Refuse,
    /// It waits until another one ends: the first at each listener is accepted and not read from, the
    /// others are in the kernel's backlog.
    Wait,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_connections_per_address: None,
            when_full: Full::Refuse,
            accept_rate: None,
            max_in_flight: None,
            memory_budget: 256 * 1024 * 1024,
            shutdown_timeout: Duration::from_secs(30),
            backlog: 4096,
        }
    }
}
