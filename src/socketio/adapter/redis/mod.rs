//! Rooms that span servers over Redis, in the words of npm.

mod driver;
mod names;

use self::driver::Shared;
use self::names::Names;
use super::nodes::{self, AdapterStats};
use super::running::{Started, through_nodes};
use super::words::Asks;
use super::{Adapter, Asked, Event, Local, RemoteSocket, Target};
use crate::resource::redis::{RedisError, RedisServer};
use crate::socketio::packet::Args;
use bytestring::ByteString;
use std::fmt;
use std::pin::Pin;
use std::sync::Weak;
use std::time::Duration;

/// Rooms that span servers over the pub/sub of one Redis, together with servers of npm that have `@socket.io/redis-adapter` (not its
/// sharded form) and with `@socket.io/redis-emitter`.
///
/// It has two connections. When they are lost, they are made again, at most once a second, and everything is taken again. What is
/// sent meanwhile waits, 8 MiB of it; what others have sent meanwhile is lost. Redis Cluster is one server for it: any node will do.
///
/// A question waits for as many answers as there are subscribers, as servers of npm count them: 5 s at most, unless
/// [`timeout`](Self::timeout) says otherwise.
///
/// ```
/// use wireline::socketio::adapter::RedisAdapter;
///
/// let adapter = RedisAdapter::new("redis://ada:secret@127.0.0.1:6379")?.prefix("chat");
/// assert!(!format!("{adapter:?}").contains("secret"));
/// # Ok::<(), wireline::resource::redis::RedisError>(())
/// ```
pub struct RedisAdapter {
    server: RedisServer,
    prefix: String,
    wait: Duration,
    answers_apart: bool,
    started: Started<Shared>,
}

impl RedisAdapter {
    /// The adapter for the server at a URL, as [`RedisServer::new`] takes it. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no such URL, and for `rediss` without the feature `tls`.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        RedisServer::new(url).map(Self::at)
    }

    /// The adapter for a server.
    pub fn at(server: RedisServer) -> Self {
        Self {
            server,
            prefix: "socket.io".to_owned(),
            wait: Duration::from_secs(5),
            answers_apart: false,
            started: Started::new(),
        }
    }

    /// What the names of all channels begin with: `socket.io` unless said otherwise; npm calls it `key`. All servers have to agree.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// How long a question waits for answers: 5 s unless said otherwise; npm calls it `requestsTimeout`.
    #[must_use]
    pub const fn timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sends answers to who has asked alone, and not to all; npm calls it `publishOnSpecificResponseChannel`. Off unless said
    /// otherwise: servers of npm before version 8 of their adapter would not hear them.
    #[must_use]
    pub const fn answers_apart(mut self, on: bool) -> Self {
        self.answers_apart = on;
        self
    }
}

impl Adapter for RedisAdapter {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn start(&self, local: Weak<dyn Local>) {
        self.started.start(self.wait, local, |own| {
            let names = Names::new(&self.prefix, own);
            Shared::new(self.server.clone(), names, self.answers_apart)
        });
    }

    fn take(&self, namespace: &str) {
        if let Some(connection) = self.started.connection() {
            connection.want(ByteString::from(namespace));
        }
    }

    fn give_up(&self, namespace: &str) {
        if let Some(connection) = self.started.connection() {
            connection.unwant(namespace);
        }
    }

    through_nodes!();
}

impl fmt::Debug for RedisAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAdapter")
            .field("server", &self.server)
            .field("prefix", &self.prefix)
            .field("is_started", &self.started.has_begun())
            .finish_non_exhaustive()
    }
}
