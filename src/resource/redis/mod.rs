//! Connections to Redis: where it is, who one is there, TLS. What is said on them is the business of others.
//!
//! The `redis` crate packs and parses what is said; the transports are ours, so that a server that does not answer is noticed, that
//! nobody reads more than is wanted, and that TLS is the TLS of the rest.

mod cluster;
mod connection;
mod kept;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod pipe;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;

#[cfg(not(feature = "tls"))]
use self::no_tls as tls;

#[cfg(feature = "relay")]
pub(crate) use self::cluster::{Slots, Spread};
pub(crate) use self::connection::{Connection, Pushes};
pub(crate) use self::kept::Kept;

use self::cluster::Seeds;
use self::sentinel::Sentinels;
use self::tls::Trust;
use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A Redis server, 6.2 or newer (Valkey as well), and how to sign in there. Cloning is cheap.
///
/// The URL is `redis://[user][:password@]host[:port][/database]`, `rediss://` for TLS (feature `tls`), or `unix:///path` for a Unix
/// domain socket. What stands in user and password for something else in a URL is percent-encoded. [`Debug`](fmt::Debug) and errors
/// never show the password.
///
/// `redis+sentinel://[user][:password@]host[:port][,host[:port]]/master[/database]` names Redis Sentinels (port 26379) and what they
/// call their master: before each connection they are asked, in this order, where it is, until one leads to a server that says it is a
/// master. User and password are for the master; `?sentinel=user:password` at the end is what the Sentinels themselves want, if they do.
/// `rediss+sentinel://` speaks TLS to all of them.
///
/// `redis+cluster://[user][:password@]host[:port][,host[:port]]` names servers of a Redis Cluster, 7 or newer, of which any one knows the
/// others (`rediss+cluster://` with TLS to all of them). It is for topics of a relay: a limiter, and tokens that were taken back, want one
/// server.
///
/// ```
/// use wireline::resource::redis::RedisServer;
///
/// let server = RedisServer::new("redis://ada:secret@127.0.0.1:6379/2")?;
/// assert!(!format!("{server:?}").contains("secret"));
/// assert!(RedisServer::new("http://127.0.0.1").is_err());
/// let watched = RedisServer::new("redis+sentinel://:secret@10.0.0.5,10.0.0.6,10.0.0.7/main")?;
/// let cluster = RedisServer::new("redis+cluster://:secret@10.0.0.5:7000,10.0.0.6:7000")?;
/// # let _ = (watched, cluster);
/// # Ok::<(), wireline::resource::redis::RedisError>(())
/// ```
#[derive(Clone)]
pub struct RedisServer {
    address: Address,
    who: Arc<RedisConnectionInfo>,
    /// Who we are to Sentinels, if they ask.
    watchers: Option<Arc<RedisConnectionInfo>>,
    trust: Option<Trust>,
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(Arc<str>, u16),
    Unix(PathBuf),
    Sentinel(Sentinels),
    Cluster(Seeds),
}

impl RedisServer {
    /// The server at a URL. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no such URL, and for `rediss` without the feature `tls`.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        if let Some((scheme @ ("redis+sentinel" | "rediss+sentinel"), rest)) = url.split_once("://")
        {
            let (sentinels, plain, to_them) = Sentinels::read(rest)?;
            let scheme = scheme.trim_end_matches("+sentinel");
            let mut server = Self::new(&format!("{scheme}://{plain}"))?;
            let to_them = to_them.map(|plain| Self::new(&format!("redis://{plain}")));
            server.watchers = to_them.transpose()?.map(|server| server.who);
            server.address = Address::Sentinel(sentinels);
            return Ok(server);
        }
        if let Some((scheme @ ("redis+cluster" | "rediss+cluster"), rest)) = url.split_once("://") {
            let (seeds, plain) = Self::seeds(rest)?;
            let scheme = scheme.trim_end_matches("+cluster");
            let mut server = Self::new(&format!("{scheme}://{plain}"))?;
            server.address = Address::Cluster(seeds);
            return Ok(server);
        }
        // The crate's own TLS is not compiled in, so it knows no such scheme.
        let (plain, is_tls) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (format!("redis://{rest}"), true),
            _ => (url.to_owned(), false),
        };
        let invalid = |error: redis::RedisError| RedisError::new(error);
        let info = plain.into_connection_info().map_err(invalid)?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp(host.as_str().into(), *port),
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(RedisError::new("this kind of address is not known")),
        };
        let who = info.redis_settings().clone();
        Ok(Self {
            address,
            who: Arc::new(who.set_protocol(ProtocolVersion::RESP3)),
            watchers: None,
            trust: is_tls.then(Trust::system).transpose()?,
        })
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("address", &self.address)
            .field("database", &self.who.db())
            .field("user", &self.who.username())
            .field("tls", &self.trust.is_some())
            .finish_non_exhaustive()
    }
}

/// What is wrong with a Redis server, or with the way to it. It names no password.
///
/// ```
/// use wireline::resource::redis::{RedisError, RedisServer};
///
/// let error: RedisError = RedisServer::new("http://ada:secret@127.0.0.1").unwrap_err();
/// assert!(!error.to_string().contains("secret"));
/// ```
#[derive(Clone, Debug)]
pub struct RedisError(Arc<str>);

impl RedisError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RedisError {}
