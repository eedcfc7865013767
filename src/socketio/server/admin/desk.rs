//! Tells those who watch.

use crate::socketio::packet::{Args, ToArgs};
use crate::socketio::server::broadcast::Broadcast;
use crate::socketio::server::id::SocketId;
use crate::socketio::server::reason::DisconnectReason;
use crate::socketio::server::socket::Socket;
use crate::socketio::server::space::Space;
use crate::socketio::server::spaces::Spaces;
use crate::socketio::transport::{EngineIo, Transport, WeakEngineIo};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::time::Instant;

pub(in crate::socketio::server) struct Desk {
    /// The namespace of those who watch.
    space: Weak<Space>,
    spaces: Weak<Spaces>,
    engine: WeakEngineIo,
    is_verbose: bool,
    server_id: String,
    begun: Instant,
    has_begun: AtomicBool,
    /// A session's id is a secret: what names it here is not.
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who may come back without a password, and until when; the oldest first.
    sessions: VecDeque<(SocketId, Instant)>,
    /// Sockets that polled when they were told of.
    polling: Vec<Socket>,
    /// What was counted when it was last told.
    told: Counted,
}

#[derive(Clone, Copy, Default)]
struct Counted {
    opened: u64,
    closed: u64,
    events: u64,
}

impl Desk {
    pub(super) fn new(
        space: &Arc<Space>,
        spaces: Weak<Spaces>,
        engine: &EngineIo,
        is_verbose: bool,
        server_id: String,
    ) -> Self {
        Self {
            space: Arc::downgrade(space),
            spaces,
            engine: engine.downgrade(),
            is_verbose,
            server_id,
            begun: Instant::now(),
            has_begun: AtomicBool::new(false),
            hasher: RandomState::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn begin_session(&self) -> Option<String> {
        let id = SocketId::random()?;
        let until = Instant::now() + DAY;
        let mut state = self.lock();
        if state.sessions.len() >= SESSIONS {
            state.sessions.pop_front();
        }
        state.sessions.push_back((id, until));
        Some(id.as_str().to_owned())
    }

    pub(super) fn knows(&self, session: &str) -> bool {
        let Some(id) = SocketId::parse(session) else {
            return false;
        };
        let now = Instant::now();
        let state = self.lock();
        let mut sessions = state.sessions.iter();
        sessions.any(|(known, until)| *known == id && now < *until)
    }

    /// Sockets of all namespaces, not more than [`SOCKETS`].
    pub(super) fn all(&self) -> Vec<Value> {
        let spaces = self.spaces.upgrade().map(|spaces| spaces.all());
        let mut all = Vec::new();
        for space in spaces.into_iter().flatten() {
            let some = space.some(SOCKETS - all.len());
            all.extend(some.iter().map(|socket| self.describe(socket)));
        }
        all
    }

    fn describe(&self, socket: &Socket) -> Value {
        if socket.transport() == Transport::Polling {
            let mut state = self.lock();
            if state.polling.len() < POLLING && !state.polling.contains(socket) {
                state.polling.push(socket.clone());
            }
        }
        let since = now().saturating_sub(millis(socket.age()));
        let client = self.hasher.hash_one(socket.session_id());
        json!({
            "id": socket.id(),
            "clientId": format!("{client:016x}").get(..12),
            "transport": transport(socket),
            "nsp": socket.namespace(),
            "data": {},
            "handshake": {
                "address": "", "headers": {}, "query": {}, "issued": since, "secure": false,
                "time": since, "url": "", "xdomain": false,
            },
            "rooms": socket.rooms().iter().map(|room| &**room).collect::<Vec<_>>(),
        })
    }

    /// Whoever watches, if somebody does: here, or perhaps on another node.
    fn watchers(&self) -> Option<Broadcast> {
        let space = self.space.upgrade()?;
        let is_watched = space.len() > 0 || space.core.adapter.get().is_some();
        is_watched.then(|| Broadcast::new(space))
    }

    fn tell(&self, event: &str, data: impl FnOnce() -> Option<Args>) {
        if let Some(watchers) = self.watchers()
            && let Some(args) = data()
        {
            let _ = watchers.emit(event, args);
        }
    }

    fn tell_all(&self, event: &str, data: impl FnOnce() -> Vec<Value>) {
        if self.is_verbose {
            self.tell(event, || Args::list(&data()).ok());
        }
    }

    pub(in crate::socketio::server) fn connected(self: &Arc<Self>, socket: &Socket) {
        self.begin();
        self.tell_all("socket_connected", || {
            vec![self.describe(socket), now().into()]
        });
    }

    pub(in crate::socketio::server) fn disconnected(&self, socket: &Socket, why: DisconnectReason) {
        self.tell_all("socket_disconnected", || {
            vec![
                socket.namespace().into(),
                socket.id().into(),
                why.as_str().into(),
                now().into(),
            ]
        });
    }

    pub(in crate::socketio::server) fn joined(&self, socket: &Socket, room: &str) {
        self.moved("room_joined", socket, room);
    }

    pub(in crate::socketio::server) fn left(&self, socket: &Socket, room: &str) {
        self.moved("room_left", socket, room);
    }

    fn moved(&self, event: &str, socket: &Socket, room: &str) {
        self.tell_all(event, || {
            vec![
                socket.namespace().into(),
                room.into(),
                socket.id().into(),
                now().into(),
            ]
        });
    }

    pub(in crate::socketio::server) fn received(&self, socket: &Socket, name: &str, args: &Args) {
        self.passed("event_received", socket, name, args);
    }

    pub(in crate::socketio::server) fn sent(&self, socket: &Socket, name: &str, args: &Args) {
        self.passed("event_sent", socket, name, args);
    }

    fn passed(&self, event: &str, socket: &Socket, name: &str, args: &Args) {
        // What is said here is told to nobody: it would be told again.
        let is_own = self
            .space
            .upgrade()
            .is_none_or(|space| Arc::ptr_eq(&space, socket.space()));
        if is_own {
            return;
        }
        self.tell_all(event, || {
            let mut values = vec![name.into()];
            values.extend(args.values().unwrap_or_default());
            vec![
                socket.namespace().into(),
                socket.id().into(),
                values.into(),
                now().into(),
            ]
        });
    }

    /// Begins to tell numbers, once.
    fn begin(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        let desk = Arc::downgrade(self);
        runtime.spawn(async move {
            while let Some(desk) = desk.upgrade() {
                desk.tell_numbers();
                drop(desk);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    fn tell_numbers(&self) {
        self.tell_upgraded();
        let (Some(spaces), Some(engine)) = (self.spaces.upgrade(), self.engine.upgrade()) else {
            return;
        };
        let stats = engine.stats();
        let counted = Counted {
            opened: stats.opened,
            closed: stats.opened.saturating_sub(stats.sessions),
            events: spaces.core.counters.read().events,
        };
        let before = std::mem::replace(&mut self.lock().told, counted);
        self.tell("server_stats", || {
            let at = now() / 1000 * 1000;
            let news = [
                ("rawConnection", counted.opened, before.opened),
                ("rawDisconnection", counted.closed, before.closed),
                ("packetsIn", counted.events, before.events),
            ];
            let news = news.iter().filter(|(_, now, before)| now > before);
            let news: Vec<Value> = news
                .map(|(what, now, before)| {
                    json!({"timestamp": at, "type": what, "count": now - before})
                })
                .collect();
            let namespaces = spaces.all();
            let namespaces = namespaces.iter().take(NAMESPACES);
            let namespaces: Vec<Value> = namespaces
                .map(|space| json!({"name": &*space.name, "socketsCount": space.len()}))
                .collect();
            let numbers = json!({
                "serverId": self.server_id,
                "hostname": self.server_id,
                "pid": std::process::id(),
                "uptime": self.begun.elapsed().as_secs_f64(),
                "clientsCount": stats.sessions,
                "pollingClientsCount": stats.polling,
                "aggregatedEvents": news,
                "namespaces": namespaces,
            });
            numbers.to_args().ok()
        });
    }

    /// Sockets that have gone over to a WebSocket.
    fn tell_upgraded(&self) {
        let polling = std::mem::take(&mut self.lock().polling);
        let (still, other): (Vec<_>, Vec<_>) = polling
            .into_iter()
            .filter(Socket::is_connected)
            .partition(|socket| socket.transport() == Transport::Polling);
        self.lock().polling.extend(still);
        for socket in other {
            self.tell_all("socket_updated", || {
                vec![json!({
                    "id": socket.id(),
                    "nsp": socket.namespace(),
                    "transport": transport(&socket),
                })]
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transport(socket: &Socket) -> &'static str {
    match socket.transport() {
        Transport::Polling => "polling",
        Transport::WebSocket => "websocket",
    }
}

/// Milliseconds since 1970: what JavaScript makes a date of.
fn now() -> u64 {
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const PAUSE: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);
const SESSIONS: usize = 64;
/// What they are told of them is one message, which has to fit into what may wait for a client.
const SOCKETS: usize = 1_000;
const POLLING: usize = 1_000;
const NAMESPACES: usize = 1_000;
