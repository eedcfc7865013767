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

use self::commands::{Commands, Line};
use self::names::Names;
use self::pushes::Left;
use crate::relay::backplane::{Backplane, BackplaneError, Event, Link};
use crate::resource::redis::{RedisError, RedisServer, Slots, Spread};
use std::pin::Pin;
use std::sync::Arc;
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
/// Every node has to come to the same server (or to what stands in front of it under one address). Redis Sentinels are asked for their
/// master when the URL names them: see [`RedisServer`].
///
/// Of a Redis Cluster, 7 or newer, the URL `redis+cluster://` names some servers. Then each node has two connections to every server that
/// has slots: a topic's messages and its history are where its slot is, with sharded pub/sub. When a slot goes to another server, or
/// another one takes a server's place, nodes connect again, to where the slots are then.
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
    /// where it is always on, and is there for servers that allow nothing else.
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

    /// Ends with any connection; the others end with it.
    async fn serve(self, link: Link) -> Result<RedisError, RedisError> {
        let is_cluster = self.server.is_cluster();
        let Spread { slots, servers } = match is_cluster {
            true => self.server.spread().await?,
            false => self.pair().await?,
        };
        let left = Arc::<Left>::default();
        let (mut lines, mut pushed) = (Vec::new(), Vec::new());
        for [(subscriber, pushes), (connection, _)] in servers {
            let subscriber = Arc::new(subscriber);
            pushed.push((pushes, subscriber.clone()));
            lines.push(Line {
                connection,
                subscriber,
                run: String::new(),
            });
        }
        let commands = Commands {
            lines,
            slots,
            names: self.names.clone(),
            is_sharded: self.is_sharded || is_cluster,
            scripts: scripts::Scripts::default(),
            left: left.clone(),
            events: link.events.clone(),
        };
        let commands = commands.prepare(self.is_durable).await?;
        if link.events.send(Event::Connected).await.is_err() {
            return Ok(nobody());
        }
        let mut parts = JoinSet::new();
        for (pushes, subscriber) in pushed {
            let (names, left, events) = (self.names.clone(), left.clone(), link.events.clone());
            parts.spawn(pushes::relay(pushes, subscriber, names, left, events));
        }
        parts.spawn(commands.carry_out(link.commands));
        // Whoever waits for events waits for those that the parts have.
        drop(link.events);
        let Some(ended) = parts.join_next().await else {
            return Ok(nobody());
        };
        ended.map_err(RedisError::new)
    }

    /// Two connections to one server.
    async fn pair(&self) -> Result<Spread, RedisError> {
        let first = self.server.connect().await?;
        let second = self.server.connect().await?;
        if !second.0.is_beside(&first.0) {
            return Err(RedisError::new("there is another master meanwhile"));
        }
        Ok(Spread {
            slots: Slots::of_one(),
            servers: vec![[first, second]],
        })
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
