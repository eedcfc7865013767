//! What the page of npm's `@socket.io/admin-ui` is told, and what it may ask for.
//!
//! ```text
//!   handlers   of the namespace: who signs in, what is asked for
//!   Guesses    who has tried too many passwords
//!   Desk       tells those who have signed in, of whatever happens
//! ```

mod desk;
mod guesses;

pub(super) use self::desk::Desk;

use self::guesses::{Guesses, is_same};
use super::call::{Auth, Data};
use super::counters::{Counters, add};
use super::error::ConnectError;
use super::namespace::Namespace;
use super::socket::Socket;
use super::spaces::Spaces;
use super::{Broadcast, SocketIo};
use crate::socketio::packet::Args;
use serde_json::{Value, json};
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};

type Check = dyn Fn(String, String) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;

/// Who may use the page of npm's `@socket.io/admin-ui` with a server, and what it may do there; see [`SocketIo::admin`].
///
/// ```
/// use wireline::socketio::server::{AdminConfig, SocketIo};
///
/// let admin = AdminConfig::with_password("ada", "swordfish");
/// assert!(SocketIo::new().admin(admin.verbose(true).server_id("one")));
/// ```
#[derive(Clone)]
pub struct AdminConfig {
    check: Arc<Check>,
    namespace: String,
    is_readonly: bool,
    is_verbose: bool,
    server_id: String,
    max_guesses: u32,
}

impl AdminConfig {
    /// Lets in who knows this name and this password, which are compared in constant time. As [`new`](Self::new) otherwise.
    ///
    /// ```
    /// use wireline::socketio::server::{AdminConfig, SocketIo};
    ///
    /// let password = std::env::var("ADMIN_PASSWORD").unwrap_or_else(|_| "swordfish".to_owned());
    /// assert!(SocketIo::new().admin(AdminConfig::with_password("ada", &password).max_guesses(3)));
    /// ```
    pub fn with_password(name: &str, password: &str) -> Self {
        let expected = Arc::new((name.to_owned(), password.to_owned()));
        Self::new(move |name, password| {
            let (is_name, is_password) =
                (is_same(&name, &expected.0), is_same(&password, &expected.1));
            std::future::ready(is_name & is_password)
        })
    }

    /// Lets in whom a function does, by the name and the password that were typed in. Who was let in may come back for a day without.
    /// Without further settings the namespace is `/admin`, the page may look and act, and gets numbers only.
    pub fn new<F, Fut>(check: F) -> Self
    where
        F: Fn(String, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Self {
            check: Arc::new(move |name, password| Box::pin(check(name, password))),
            namespace: "/admin".to_owned(),
            is_readonly: false,
            is_verbose: false,
            server_id: format!("wireline-{}", std::process::id()),
            max_guesses: 10,
        }
    }

    /// How many wrong passwords may come from an address within a minute, or from 64 bits of IPv6; further ones are refused without
    /// asking whether they are right. Default 10. [`SocketIoStats`](super::SocketIoStats) counts both. Clients behind a proxy are one
    /// address, unless the server [trusts](crate::server::Server::trusted_proxies) it. When more than 10,000 try within a minute, further ones are
    /// counted with others of their network, the first 16 bits of IPv4 or 32 of IPv6.
    #[must_use]
    pub const fn max_guesses(mut self, count: u32) -> Self {
        self.max_guesses = count;
        self
    }

    /// The name of the namespace, in place of `/admin`.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        name.clone_into(&mut self.namespace);
        self
    }

    /// Whether the page may only look. Default no: it may send events, have sockets join and leave rooms, and disconnect them.
    #[must_use]
    pub const fn readonly(mut self, readonly: bool) -> Self {
        self.is_readonly = readonly;
        self
    }

    /// Whether the page is told of each socket, each room and each event, with what the events carry. Default no: it costs, and what
    /// clients say to each other is seen.
    #[must_use]
    pub const fn verbose(mut self, verbose: bool) -> Self {
        self.is_verbose = verbose;
        self
    }

    /// What this server is called among others. Default `wireline-` and the number of the process.
    #[must_use]
    pub fn server_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.server_id);
        self
    }
}

impl fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConfig")
            .field("namespace", &self.namespace)
            .field("is_readonly", &self.is_readonly)
            .field("is_verbose", &self.is_verbose)
            .field("server_id", &self.server_id)
            .field("max_guesses", &self.max_guesses)
            .finish_non_exhaustive()
    }
}

impl SocketIo {
    /// Lets the page of npm's `@socket.io/admin-ui` look into this server, and act there unless it may only look. A server has this
    /// once: whether it has it by this call.
    ///
    /// Of sockets the page is told 1,000 at most when it connects. Addresses and headers of clients it is not told.
    ///
    /// ```
    /// use wireline::socketio::server::{AdminConfig, SocketIo};
    ///
    /// let io = SocketIo::new();
    /// let admin = AdminConfig::with_password("ada", "swordfish");
    /// assert!(io.admin(admin.readonly(true)));
    /// ```
    pub fn admin(&self, config: AdminConfig) -> bool {
        let namespace = self.of(&config.namespace);
        let AdminConfig {
            check,
            is_readonly,
            is_verbose,
            server_id,
            max_guesses,
            ..
        } = config;
        // What handlers hold is held by the namespaces: they must not hold those in turn.
        let spaces = Arc::downgrade(self.spaces());
        let desk = Arc::new(Desk::new(
            &namespace.space,
            spaces.clone(),
            self.engine(),
            is_verbose,
            server_id,
        ));
        if self.spaces().core.admin.set(desk.clone()).is_err() {
            return false;
        }
        let door = Arc::new(Door {
            check,
            guesses: Guesses::new(max_guesses),
            desk: desk.clone(),
        });
        let core = Arc::downgrade(&self.spaces().core);
        namespace.use_auth_of_clients(move |auth, client| {
            let (door, core) = (door.clone(), core.upgrade());
            async move {
                let core = core.ok_or("the server has ended")?;
                door.sign_in(&auth, client, &core.counters).await
            }
        });
        namespace.on_connection(move |socket: Socket, Auth(session): Auth<Value>| {
            if let Some(session) = session.as_str() {
                let _ = socket.emit("session", session);
            }
            let _ = socket.emit("config", features(is_readonly, is_verbose));
            if is_verbose {
                let _ = socket.emit("all_sockets", desk.all());
            }
            std::future::ready(())
        });
        if !is_readonly {
            commands(&namespace, &spaces);
        }
        true
    }
}

/// Who comes in.
struct Door {
    check: Arc<Check>,
    guesses: Guesses,
    desk: Arc<Desk>,
}

impl Door {
    async fn sign_in(
        &self,
        auth: &Value,
        client: Option<IpAddr>,
        counters: &Counters,
    ) -> Result<Value, ConnectError> {
        let word = |name: &str| auth.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(session) = word("sessionId")
            && self.desk.knows(&session)
        {
            return Ok(Value::Null);
        }
        let (Some(name), Some(password)) = (word("username"), word("password")) else {
            return Err("invalid credentials".into());
        };
        let Some(who) = self.guesses.may_try(client) else {
            add(&counters.throttled);
            return Err("too many attempts".into());
        };
        if !(self.check)(name, password).await {
            add(&counters.wrong_passwords);
            return Err("invalid credentials".into());
        }
        self.guesses.was_right(who);
        let session = self.desk.begin_session().ok_or("no randomness")?;
        Ok(session.into())
    }
}

fn features(is_readonly: bool, is_verbose: bool) -> Value {
    let mut features = vec!["AGGREGATED_EVENTS"];
    if !is_readonly {
        features.extend([
            "EMIT",
            "JOIN",
            "LEAVE",
            "DISCONNECT",
            "MJOIN",
            "MLEAVE",
            "MDISCONNECT",
        ]);
    }
    if is_verbose {
        features.push("ALL_EVENTS");
    }
    json!({ "supportedFeatures": features })
}

/// What the page may ask for: `filter` is a room or a socket's id, nothing is all of the namespace.
fn commands(namespace: &Namespace, spaces: &Weak<Spaces>) {
    let of = spaces.clone();
    namespace.on("emit", move |args: Args| {
        let emitted = emit(&of, &args);
        std::future::ready(emitted)
    });
    let of = spaces.clone();
    namespace.on("join", move |Data((name, room, filter)): Data<Filtered>| {
        let chosen = choose(&of, &name, filter);
        std::future::ready(chosen.map(|chosen| chosen.join(room)))
    });
    let of = spaces.clone();
    namespace.on(
        "leave",
        move |Data((name, room, filter)): Data<Filtered>| {
            let chosen = choose(&of, &name, filter);
            std::future::ready(chosen.map(|chosen| chosen.leave(room)))
        },
    );
    let of = spaces.clone();
    namespace.on("_disconnect", move |args: Args| {
        let done = disconnect(&of, &args);
        std::future::ready(done)
    });
}

type Filtered = (String, String, Option<String>);

fn emit(spaces: &Weak<Spaces>, args: &Args) -> Result<(), ConnectError> {
    let values = args.values()?;
    let [Value::String(name), filter, Value::String(event), rest @ ..] = values.as_slice() else {
        return Err("it takes a namespace, a filter and an event".into());
    };
    let filter = filter.as_str().map(str::to_owned);
    let chosen = choose(spaces, name, filter)?;
    chosen.emit(event, Args::list(rest)?)?;
    Ok(())
}

fn disconnect(spaces: &Weak<Spaces>, args: &Args) -> Result<(), ConnectError> {
    let values = args.values()?;
    let [Value::String(name), Value::Bool(close), filter @ ..] = values.as_slice() else {
        return Err("it takes a namespace, and whether to close".into());
    };
    let filter = filter.first().and_then(Value::as_str).map(str::to_owned);
    choose(spaces, name, filter)?.disconnect(*close);
    Ok(())
}

/// The sockets that are meant, of a namespace that is there.
fn choose(
    spaces: &Weak<Spaces>,
    name: &str,
    filter: Option<String>,
) -> Result<Broadcast, ConnectError> {
    let space = spaces.upgrade().and_then(|spaces| spaces.get(name));
    let all = Broadcast::new(space.ok_or("no such namespace")?);
    Ok(match filter.filter(|filter| !filter.is_empty()) {
        Some(filter) => all.to(filter),
        None => all,
    })
}
