//! One path of Engine.IO: its sessions, and what they share.

use super::config::EngineConfig;
use super::counters::{Counters, EngineStats, add};
use super::deflate;
use super::drive::Driver;
use super::guesses::Guesses;
use super::outgoing::Outgoing;
use super::places::Places;
use super::polling::{self, Polling};
use super::route::Answer;
use super::sid::Sid;
use super::{Application, Conversation, Session};
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use crate::socketio::engine::session::{Session as Core, Ticket, Times};
use crate::socketio::engine::{Data, Open, RequestError, Transport};
use crate::wire::ip;
use crate::ws::close::CloseCode;
use crate::ws::deflate::Config as Deflate;
use crate::ws::limits::Limits;
use crate::ws::socket::WsSender;
use crate::ws::socket::config::Config as SocketConfig;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Engine.IO for an application: the sessions of one path.
///
/// ```
/// use wireline::Router;
/// use wireline::socketio::engine::Data;
/// use wireline::socketio::transport::{EngineConfig, EngineIo, Outgoing, Session};
///
/// let echo = EngineIo::each(EngineConfig::default(), |session: &Session, data| {
///     session.send(&match data {
///         Data::Text(text) => Outgoing::text(&text),
///         Data::Binary(octets) => Outgoing::binary(octets),
///     });
/// });
/// assert!(Router::new().engine_io("/engine.io/", &echo).build().is_ok());
/// ```
#[derive(Clone)]
pub struct EngineIo {
    pub(super) shared: Arc<Shared>,
}

/// A handle that does not keep it.
pub(in crate::socketio) struct WeakEngineIo(Weak<Shared>);

impl WeakEngineIo {
    pub(in crate::socketio) fn upgrade(&self) -> Option<EngineIo> {
        let shared = self.0.upgrade()?;
        Some(EngineIo { shared })
    }
}

/// What the sessions of a path share.
pub(super) struct Shared {
    config: EngineConfig,
    pub(super) times: Times,
    application: Arc<dyn Application>,
    begun: Instant,
    counters: Counters,
    sessions: Mutex<HashMap<Sid, Session>>,
    places: Arc<Places>,
    guesses: Guesses,
    /// How messages are compressed for WebSockets that take them so.
    pub(super) deflate: Option<Deflate>,
    /// How its WebSockets are run.
    pub(super) socket: Arc<SocketConfig>,
    /// The packet that asks whether a client is still there.
    pub(super) ping: Outgoing,
}

impl EngineIo {
    /// Sessions for this application.
    pub fn new(config: EngineConfig, application: impl Application) -> Self {
        let times = Times {
            ping_interval: millis(config.ping_interval),
            ping_timeout: millis(config.ping_timeout),
            upgrade_timeout: millis(config.upgrade_timeout),
        };
        let socket = SocketConfig {
            limits: Limits {
                frame: config.max_payload as u64,
                message: config.max_payload,
                ..Limits::default()
            },
            // The session has pings of its own.
            ping_interval: Duration::ZERO,
            control_frames: false,
            queue: config.queue,
            ..SocketConfig::default()
        };
        Self {
            shared: Arc::new(Shared {
                socket: Arc::new(socket),
                places: Arc::new(Places::new(
                    config.max_sessions,
                    config.max_sessions_per_address,
                )),
                guesses: Guesses::new(config.max_unknown_sids),
                deflate: (config.compress_websockets)
                    .then(|| deflate::terms(config.compress_from))
                    .flatten(),
                config,
                times,
                application: Arc::new(application),
                begun: Instant::now(),
                counters: Counters::default(),
                sessions: Mutex::default(),
                ping: Outgoing::packet("2"),
            }),
        }
    }

    /// Sessions whose messages a function takes, one by one; it must not block.
    pub fn each(
        config: EngineConfig,
        handler: impl Fn(&Session, Data) + Send + Sync + 'static,
    ) -> Self {
        Self::new(config, Each(Arc::new(handler)))
    }

    pub(in crate::socketio) fn downgrade(&self) -> WeakEngineIo {
        WeakEngineIo(Arc::downgrade(&self.shared))
    }

    /// What has happened, and what is there now.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            sessions: self.shared.sessions().len() as u64,
            polling: self.shared.places.taken() as u64,
            ..self.shared.counters.read()
        }
    }
}

impl Shared {
    pub(super) const fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Milliseconds since this was made.
    pub(super) fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    /// When it is so many milliseconds since this was made.
    pub(super) fn instant(&self, ms: u64) -> Instant {
        let now = Instant::now();
        let instant = self.begun.checked_add(Duration::from_millis(ms));
        instant.unwrap_or_else(|| now + FAR)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Sid, Session>> {
        (self.sessions.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this name, if the request may use it.
    pub(super) fn find(&self, sid: &str, parts: &Parts) -> Option<Session> {
        let sid = Sid::read(sid)?;
        let session = self.sessions().get(&sid).cloned()?;
        let EngineConfig {
            bind_to_user,
            bind_to_address,
            ..
        } = self.config;
        if bind_to_user || bind_to_address {
            let state = session.lock();
            let polling = state.polling.as_ref()?;
            let user = CurrentUser::of(parts).map(CurrentUser::id);
            let is_other_user = bind_to_user && polling.user.as_deref() != user;
            let is_elsewhere = bind_to_address && polling.address != address(parts);
            if is_other_user || is_elsewhere {
                return None;
            }
        }
        Some(session)
    }

    /// Counts a request for a session that there is not; whether its address has sent too many of them.
    pub(super) fn is_guess_too_many(&self, parts: &Parts) -> bool {
        let is_one_too_many = self.guesses.is_one_too_many(parts.client().ip());
        if is_one_too_many {
            add(&self.counters.guesses);
        }
        is_one_too_many
    }

    /// The session of this name is found no more.
    pub(super) fn forget(&self, sid: &Sid) {
        let session = self.sessions().remove(sid);
        drop(session);
    }

    /// Opens a session that polls: what the request is answered with, and the task of the session.
    pub(super) fn open_polling(
        self: &Arc<Self>,
        parts: Parts,
    ) -> Result<Opening<impl Future<Output = ()> + Send + use<>>, Answer> {
        let Some(place) = self.places.take(parts.client().ip()) else {
            add(&self.counters.too_many);
            return Err(Answer::TooMany);
        };
        let sid = Sid::random().ok_or(Answer::NoRandomness)?;
        let (core, _) = Core::new(Transport::Polling, self.times, self.now());
        let polling = Polling {
            user: CurrentUser::of(&parts).map(|user| user.id().into()),
            address: address(&parts),
            ..Polling::default()
        };
        let session = Session::new(sid, self.clone(), core, Some(Box::new(polling)));
        let upgrades: &[Transport] = if self.config.websocket {
            &[Transport::WebSocket]
        } else {
            &[]
        };
        let content = self.opening(&sid, upgrades);
        let driver = self.begin(session, parts);
        Ok(Opening {
            content: content.into(),
            task: polling::run(driver, place),
        })
    }

    /// Opens a session that begins with a WebSocket; `None` when there is no name for it.
    pub(super) fn open_websocket(
        self: &Arc<Self>,
        sender: WsSender,
        parts: Parts,
    ) -> Option<(Driver, Ticket)> {
        let Some(sid) = Sid::random() else {
            let _ = sender.close(CloseCode::INTERNAL);
            return None;
        };
        let (core, ticket) = Core::new(Transport::WebSocket, self.times, self.now());
        let opening = Outgoing::packet(&self.opening(&sid, &[]));
        let session = Session::new(sid, self.clone(), core, None);
        // It waits until the session can be found, and what the application says at once goes with it.
        session.send(&opening);
        let driver = self.begin(session, parts);
        driver.session.lock().set_sender(sender);
        Some((driver, ticket))
    }

    fn opening(&self, sid: &Sid, upgrades: &[Transport]) -> String {
        let Times {
            ping_interval,
            ping_timeout,
            ..
        } = self.times;
        let max_payload = self.config.max_payload;
        let open = Open::new(
            sid.as_str(),
            upgrades,
            ping_interval,
            ping_timeout,
            max_payload,
        );
        format!("0{}", open.json())
    }

    /// From here on the session is found; if the application has closed it already, it is not.
    fn begin(&self, session: Session, parts: Parts) -> Driver {
        let conversation = self.application.open(&session, parts);
        add(&self.counters.opened);
        {
            let state = session.lock();
            if state.core.closed().is_none() || state.lingers() {
                self.sessions().insert(session.0.sid, session.clone());
            }
        }
        Driver::new(session, conversation)
    }

    pub(super) fn count_refused(&self, error: RequestError) {
        add(match error {
            RequestError::UnknownSid => &self.counters.unknown_sid,
            _ => &self.counters.refused,
        });
    }

    pub(super) fn count_upgrade(&self) {
        add(&self.counters.upgraded);
    }

    pub(super) fn count_failed_upgrade(&self) {
        add(&self.counters.upgrades_failed);
    }
}

/// A session that was opened by polling.
pub(super) struct Opening<T> {
    pub(super) content: Bytes,
    pub(super) task: T,
}

/// Where a request comes from, as far as it has to stay the same.
fn address(parts: &Parts) -> Option<IpAddr> {
    parts.client().ip().map(ip::client)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A function as an application.
struct Each(Arc<OnMessage>);

struct EachSession(Session, Arc<OnMessage>);

type OnMessage = dyn Fn(&Session, Data) + Send + Sync;

impl Application for Each {
    fn open(&self, session: &Session, _parts: Parts) -> Box<dyn Conversation> {
        Box::new(EachSession(session.clone(), self.0.clone()))
    }
}

impl Conversation for EachSession {
    fn receive(&mut self, data: Data) {
        (self.1)(&self.0, data);
    }
}

impl fmt::Debug for EngineIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineIo")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// As good as never.
const FAR: Duration = Duration::from_secs(1 << 31);
