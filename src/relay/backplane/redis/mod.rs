//! Redis as a backplane: pub/sub for what is said, a stream for each topic whose history is shared.
//!
//! ```text
//!   commands ──> commands.rs ── PUBLISH, scripts ──> connection 1 ──┐
//!                     └──────── SUBSCRIBE ─────────> connection 2 ──┤ Redis
//!   events  <─────────────────── pushes.rs <──────── connection 2 <─┘
//! ```
//!
//! A name is for one channel or key: there are no patterns, and a topic cannot be one.

mod commands;
mod names;
mod pushes;
mod scripts;

use self::commands::Commands;
use self::names::Names;
use crate::relay::backplane::{Backplane, BackplaneError, Event, Link};
use crate::resource::redis::{RedisError, RedisServer};
use std::pin::Pin;
use tokio::task::JoinSet;

/// Redis 6.2 or newer, or Valkey, as the backplane of a cluster.
///
/// Each node has two connections: one on which it subscribes to the topics that are subscribed to there, and one for everything else,
/// which is sent in batches. Histories that are shared are kept in streams, with keys `{wireline:t:<topic>}` and what stands behind
/// that, and are forgotten an hour after they were last of use.
///
/// The epoch of a history is bound to the run of the server: after its restart, or when a replica has taken its place, clients that
/// resume are told that they may have missed something, and get all that is kept. A server may have lost what it was told
/// last, and nobody can tell. [`durable`](Self::durable) says that it loses nothing.
///
/// Every node has to come to the same server (or to what stands in front of it under one address). Redis Cluster: with one shard, all
/// of it works; with several, pub/sub does, through any node, but histories that are shared do not, and neither does
/// [`sharded`](Self::sharded): connections are not sent on to other nodes. Redis Sentinels are asked for their master when the URL names
/// them: see [`RedisServer`].
///
/// ```
/// use wireline::relay::backplane::redis::Redis;
///
/// let redis = Redis::new("redis://:secret@127.0.0.1:6379")?.prefix("chat")?;
/// # let _ = redis;
/// # Ok::<(), wireline::resource::redis::RedisError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redis {
    server: RedisServer,
    names: Names,
    is_sharded: bool,
    is_durable: bool,
}

impl Redis {
    /// The server at a URL, as [`RedisServer::new`] takes it. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no such URL.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self::at(RedisServer::new(url)?))
    }

    /// A server that needs more than a URL: authorities of its own, say.
    pub fn at(server: RedisServer) -> Self {
        Self {
            server,
            names: Names::new("wireline"),
            is_sharded: false,
            is_durable: false,
        }
    }

    /// What the names of all keys and channels begin with: `wireline` unless said otherwise. Several clusters at one server need
    /// several, whatever their databases: those do not part channels.
    ///
    /// # Errors
    ///
    /// [`RedisError`] unless it has 1 to 128 octets, all of them letters, digits, `_`, `-`, `.` or `:`.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, RedisError> {
        let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"_-.:".contains(&octet);
        if prefix.is_empty() || prefix.len() > 128 || !prefix.bytes().all(is_allowed) {
            return Err(RedisError::new(
                "a prefix has 1 to 128 octets of letters, digits and _ - . :",
            ));
        }
        self.names = Names::new(prefix);
        Ok(self)
    }

    /// Uses sharded pub/sub (`SSUBSCRIBE`, Redis 7). All nodes have to agree. Off unless said otherwise: it pays off in a Redis Cluster alone,
    /// and is there for servers that allow nothing else.
    #[must_use]
    pub const fn sharded(mut self, on: bool) -> Self {
        self.is_sharded = on;
        self
    }

    /// Says that the server loses nothing in a restart (`appendfsync always`, no replicas that take over), so that epochs outlive it.
    /// Off unless said otherwise.
    #[must_use]
    pub const fn durable(mut self, on: bool) -> Self {
        self.is_durable = on;
        self
    }

    async fn connect_and_serve(self, link: Link) -> BackplaneError {
        match self.serve(link).await {
            Ok(why) | Err(why) => BackplaneError::new(why),
        }
    }

    /// Ends with either connection; the other one ends with it.
    async fn serve(self, link: Link) -> Result<RedisError, RedisError> {
        let (subscriber, pushes) = self.server.connect().await?;
        let (connection, _) = self.server.connect().await?;
        if !connection.is_beside(&subscriber) {
            return Err(RedisError::new("there is another master meanwhile"));
        }
        let commands = Commands {
            connection,
            subscriber: std::sync::Arc::new(subscriber),
            names: self.names.clone(),
            is_sharded: self.is_sharded,
            run: String::new(),
            scripts: scripts::Scripts::default(),
            events: link.events.clone(),
        };
        let commands = commands.prepare(self.is_durable).await?;
        if link.events.send(Event::Connected).await.is_err() {
            return Ok(nobody());
        }
        let mut parts = JoinSet::new();
        let subscriber = commands.subscriber.clone();
        parts.spawn(pushes::relay(pushes, subscriber, self.names, link.events));
        parts.spawn(commands.carry_out(link.commands));
        let Some(ended) = parts.join_next().await else {
            return Ok(nobody());
        };
        ended.map_err(RedisError::new)
    }
}

impl Backplane for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn keeps_history(&self) -> bool {
        true
    }

    fn run(&self, link: Link) -> Pin<Box<dyn Future<Output = BackplaneError> + Send>> {
        Box::pin(self.clone().connect_and_serve(link))
    }
}

/// The node wants nothing more.
fn nobody() -> RedisError {
    RedisError::new("the node has ended the connection")
}
