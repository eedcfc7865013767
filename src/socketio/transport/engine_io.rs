//! One path of Engine.IO: its sessions, and what they share.

use super::config::EngineConfig;
use super::counters::{Counters, EngineStats};
use super::outgoing::Outgoing;
use super::sid::Sid;
use super::{Application, Conversation, Session};
use crate::service::request::Parts;
use crate::socketio::engine::Data;
use crate::socketio::engine::session::Times;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What the sessions of a path share.
pub(super) struct Shared {
    config: EngineConfig,
    pub(super) times: Times,
    application: Arc<dyn Application>,
    begun: Instant,
    counters: Counters,
    sessions: Mutex<HashMap<Sid, Session>>,
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
        Self {
            shared: Arc::new(Shared {
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

    /// What has happened, and what is there now.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            sessions: self.shared.sessions().len() as u64,
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

    pub(super) fn application(&self) -> &dyn Application {
        &*self.application
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

    /// The session of this name is found no more.
    pub(super) fn forget(&self, sid: &Sid) {
        let session = self.sessions().remove(sid);
        drop(session);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A function as an application.
struct Each(Arc<dyn Fn(&Session, Data) + Send + Sync>);

struct EachSession(Session, Arc<dyn Fn(&Session, Data) + Send + Sync>);

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
