//! A Socket.IO server: namespaces, sockets, events, rooms, in a router.
//!
//! ```text
//!   SocketIo     the server; what it can do itself is what its main namespace can
//!   Namespace    handlers for all of its sockets, and who may connect
//!     Socket     a client in a namespace: sends to it, joins rooms
//!     Broadcast  some of the sockets: those of rooms, or all, but for some
//!   Talk         one session's half: packets in, handlers run in its task
//! ```
//!
//! A room is a topic of a hub, with frames for messages: what is sent to a room is framed once and written by whoever delivers, for all
//! sockets of a worker in one go. Whatever goes to one socket goes behind what was sent to its rooms before.

mod ack;
mod admin;
mod broadcast;
mod call;
mod config;
mod connect;
mod counters;
mod error;
mod handler;
mod id;
#[cfg(feature = "tracing")]
mod log;
mod members;
mod namespace;
#[cfg(not(feature = "tracing"))]
mod no_log;
mod nodes;
mod reason;
mod recovery;
#[cfg(feature = "redis")]
mod redis;
mod route;
mod socket;
mod space;
mod spaces;
mod survey;
mod table;
mod talk;

pub use self::ack::{Ack, Answer, BroadcastAnswers};
pub use self::admin::AdminConfig;
pub use self::broadcast::{Broadcast, BroadcastAnswer};
pub use self::call::{Auth, Call, Data, EventName, FromCall, ViaCall, ViaParts};
pub use self::config::{RecoveryConfig, SocketIoConfig};
pub use self::counters::SocketIoStats;
pub use self::error::{AckError, ConnectError, EmitError};
pub use self::handler::{EventHandler, IntoAnswer};
pub use self::namespace::Namespace;
pub use self::reason::DisconnectReason;
pub use self::route::NoSocketIo;
pub use self::socket::{Emit, Socket};
pub use self::survey::{LargestRooms, RoomSize};

use self::counters::Counters;
#[cfg(not(feature = "tracing"))]
use self::no_log as log;
use self::space::{Core, SEPARATOR};
use self::spaces::{Spaces, is_like};
use self::talk::Talks;
use crate::relay::groups::Groups;
use crate::relay::hub::{Hub, HubConfig};
use crate::service::handler::RouteCheck;
use crate::socketio::transport::{EngineIo, EngineStats};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A Socket.IO server; cloning it gives another handle to the same. What a [`Namespace`] can do it does with the main one, `/`.
///
/// ```
/// use wireline::Router;
/// use wireline::socketio::server::{Data, Socket, SocketIo};
///
/// let io = SocketIo::new();
/// io.on_connection(async |socket: Socket| {
///     println!("{} is here", socket.id());
/// });
/// io.on("join", async |socket: Socket, Data(room): Data<String>| socket.join(room));
/// io.on("say", async |socket: Socket, Data((room, text)): Data<(String, String)>| {
///     let _ = socket.to(room).emit("said", text);
/// });
/// let routes = Router::new().get("/", async || "hello").socket_io(&io).build();
/// assert!(routes.is_ok());
/// ```
#[derive(Clone)]
pub struct SocketIo {
    main: Namespace,
    engine: EngineIo,
}

impl SocketIo {
    /// A server with the usual settings.
    pub fn new() -> Self {
        Self::with_config(SocketIoConfig::default())
    }

    /// A server with these settings.
    pub fn with_config(config: SocketIoConfig) -> Self {
        let engine = config.engine();
        let core = Arc::new(Core {
            hub: Hub::new(HubConfig::default()),
            groups: Groups::new(),
            config,
            counters: Counters::default(),
            adapter: OnceLock::new(),
            admin: OnceLock::new(),
        });
        let spaces = Arc::new(Spaces::new(core));
        let main = Namespace {
            space: spaces.of("/"),
            spaces: spaces.clone(),
        };
        Self {
            main,
            engine: EngineIo::new(engine, Talks(spaces)),
        }
    }

    /// The namespace with this name; it is there from now on. A name begins with a slash, which is put before one that does not, and has
    /// no NUL, which is left away.
    pub fn of(&self, name: &str) -> Namespace {
        let slash = if name.starts_with('/') { "" } else { "/" };
        Namespace {
            space: self
                .main
                .spaces
                .of(&format!("{slash}{name}").replace(SEPARATOR, "")),
            spaces: self.main.spaces.clone(),
        }
    }

    /// Namespaces whose names are like a pattern, in which `*` stands for anything but a slash. Each comes into being when somebody
    /// connects to it, and goes with its last socket. The handle is for their handlers; [`of`](Self::of) finds one of them.
    ///
    /// ```
    /// use wireline::socketio::server::{Socket, SocketIo};
    ///
    /// let io = SocketIo::new();
    /// io.of_pattern("/workspace-*").on_connection(async |socket: Socket| {
    ///     println!("somebody is in {}", socket.namespace());
    /// });
    /// ```
    pub fn of_pattern(&self, pattern: &str) -> Namespace {
        let like = pattern.to_owned();
        self.of_kind(pattern, move |name| is_like(&like, name))
    }

    /// The same for names that a function knows.
    pub fn of_fn(&self, matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Namespace {
        self.of_kind("function", matches)
    }

    fn of_kind(
        &self,
        name: &str,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Namespace {
        Namespace {
            space: self.main.spaces.of_kind(name, matches),
            spaces: self.main.spaces.clone(),
        }
    }

    /// All namespaces that there are.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let spaces = self.main.spaces.all().into_iter();
        let namespaces = spaces.map(|space| Namespace {
            space,
            spaces: self.main.spaces.clone(),
        });
        namespaces.collect()
    }

    /// Where it is mounted.
    pub fn path(&self) -> &str {
        &self.config().path
    }

    /// What it has done, and what it holds now.
    pub fn stats(&self) -> SocketIoStats {
        let sockets = self.main.spaces.all();
        SocketIoStats {
            sockets: sockets.iter().map(|space| space.len() as u64).sum(),
            ..self.main.spaces.core.counters.read()
        }
    }

    /// The same of its sessions.
    pub fn engine_stats(&self) -> EngineStats {
        self.engine.stats()
    }

    fn config(&self) -> &SocketIoConfig {
        &self.main.spaces.core.config
    }

    const fn spaces(&self) -> &Arc<Spaces> {
        &self.main.spaces
    }

    /// Whether everything that its handlers want is there.
    fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
        self.main.spaces.check(route)
    }

    const fn engine(&self) -> &EngineIo {
        &self.engine
    }
}

impl Default for SocketIo {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for SocketIo {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.main
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo")
            .field("path", &self.path())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
