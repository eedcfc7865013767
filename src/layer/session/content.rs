//! A session in a handler's hands.

use crate::layer::session::error::SessionError;
use crate::layer::session::record::Record;
use crate::layer::session::store::SessionId;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The session of a request: an argument of handlers, those of WebSockets among them. Clones are the same session.
///
/// Values are anything that serde can write as JSON. Two requests of one browser at the same time have a session each as it
/// was when they began, and the one that ends last is what is kept. In a store, one that another request has destroyed or
/// renewed meanwhile is gone: what is changed in it then is lost, and no cookie is set.
///
/// ```
/// use wireline::layer::session::Session;
/// use wireline::{Error, Response};
///
/// async fn log_in(session: Session) -> Result<&'static str, Error> {
///     // name and password were right
///     session.renew()?;
///     session.insert("user", "ada")?;
///     Ok("welcome")
/// }
///
/// async fn log_out(session: Session) -> Result<&'static str, Error> {
///     session.destroy()?;
///     Ok("bye")
/// }
/// # let _ = wireline::Router::new().post("/login", log_in).post("/logout", log_out);
/// ```
#[derive(Clone)]
pub struct Session(Arc<Mutex<State>>);

struct State {
    record: Record,
    /// In the store, once it is there.
    id: Option<SessionId>,
    /// Whether it came with the request.
    is_known: bool,
    is_changed: bool,
    is_renewed: bool,
    is_destroyed: bool,
    /// Whether it was destroyed at any time: what came with the request is not to be good any more.
    is_left: bool,
    /// The response is under way.
    is_closed: bool,
    /// The most octets.
    limit: usize,
}

/// What a session has come to.
pub(super) struct Closed {
    pub(super) record: Record,
    pub(super) id: Option<SessionId>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// Nothing is to be done.
    Keep,
    /// It is to be written, perhaps under a new id.
    Write { renew: bool },
    /// It is to be forgotten.
    Destroy,
}

impl Session {
    /// A value; `None` when there is none under this key.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when it is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        match self.lock().record.data.get(key) {
            None => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| SessionError::Value(error.to_string())),
        }
    }

    /// Puts a value under a key, in place of what was there.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] when it does not become JSON; [`SessionError::TooLarge`] when the session would be larger
    /// than there is room for, and [`SessionError::Closed`] when the response is under way: nothing is changed.
    pub fn insert(&self, key: &str, value: impl Serialize) -> Result<(), SessionError> {
        let value =
            serde_json::to_value(value).map_err(|error| SessionError::Value(error.to_string()))?;
        self.change(|state| {
            let before = state.record.data.insert(key.to_owned(), value);
            let octets = state.record.write().len();
            if octets <= state.limit {
                return Ok(());
            }
            match before {
                Some(before) => drop(state.record.data.insert(key.to_owned(), before)),
                None => drop(state.record.data.remove(key)),
            }
            Err(SessionError::TooLarge {
                octets,
                most: state.limit,
            })
        })
    }

    /// Takes a value out.
    ///
    /// # Errors
    ///
    /// [`SessionError::Closed`].
    pub fn remove(&self, key: &str) -> Result<(), SessionError> {
        if !self.lock().record.data.contains_key(key) {
            return Ok(());
        }
        self.change(|state| {
            state.record.data.remove(key);
            Ok(())
        })
    }

    /// Takes all values out. The session goes on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Closed`].
    pub fn clear(&self) -> Result<(), SessionError> {
        self.change(|state| {
            state.record.data.clear();
            Ok(())
        })
    }

    /// Gives the session a new id, and a whole lifetime; the old id is forgotten. To be called whenever a user logs in: an id that
    /// somebody had planted in the browser before is worth nothing then.
    ///
    /// # Errors
    ///
    /// [`SessionError::Closed`].
    pub fn renew(&self) -> Result<(), SessionError> {
        self.change(|state| {
            state.is_renewed = true;
            state.is_destroyed = false;
            Ok(())
        })
    }

    /// Ends the session: the values are gone, the store forgets it, and the browser is told to. What is put in afterwards
    /// begins a new one.
    ///
    /// The store is told when there is a response. When there will be none, because the handler panics, takes too long, or its client is
    /// gone, the store is told all the same, after at most a moment; it has ten seconds then.
    ///
    /// # Errors
    ///
    /// [`SessionError::Closed`].
    pub fn destroy(&self) -> Result<(), SessionError> {
        self.change(|state| {
            state.record.data.clear();
            Ok(())
        })?;
        let mut state = self.lock();
        state.is_destroyed = true;
        state.is_left = true;
        state.is_renewed = true;
        Ok(())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.lock().record.data.is_empty()
    }

    /// Whether the request came without a session that is still good.
    pub fn is_new(&self) -> bool {
        !self.lock().is_known
    }

    /// The keys, in order.
    pub fn keys(&self) -> Vec<String> {
        self.lock().record.data.keys().cloned().collect()
    }

    /// The session of a request, for middleware; `None` outside [`Sessions`](crate::layer::session::Sessions).
    pub fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions()?.get()
    }

    /// A new session, which is nowhere until something is put in.
    pub(super) fn begin(limit: usize) -> Self {
        Self::make(Record::default(), None, limit, false)
    }

    /// A session that was kept.
    pub(super) fn kept(record: Record, id: Option<SessionId>, limit: usize) -> Self {
        Self::make(record, id, limit, true)
    }

    fn make(record: Record, id: Option<SessionId>, limit: usize, is_known: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            record,
            id,
            is_known,
            is_changed: false,
            is_renewed: false,
            is_destroyed: false,
            is_left: false,
            is_closed: false,
            limit,
        })))
    }

    /// Takes what it has come to; it cannot be changed any more.
    pub(super) fn close(&self, lifetime: Duration, slides: bool) -> Closed {
        let mut state = self.lock();
        state.is_closed = true;
        let is_old = slides && state.is_known && state.record.left() < lifetime / 2;
        let outcome = match (state.is_known, state.is_destroyed) {
            (true, true) => Outcome::Destroy,
            (false, true) => Outcome::Keep,
            // What nobody has put anything into need not be remembered.
            (false, false) if state.record.data.is_empty() => Outcome::Keep,
            _ if state.is_changed || is_old => Outcome::Write {
                renew: state.is_renewed,
            },
            _ => Outcome::Keep,
        };
        if slides || !state.is_known || state.is_renewed {
            state.record.end_in(lifetime);
        }
        Closed {
            record: state.record.clone(),
            id: state.id.clone(),
            outcome,
        }
    }

    /// The id that is to be forgotten though there is no response.
    pub(super) fn left(&self) -> Option<SessionId> {
        let state = self.lock();
        state.id.clone().filter(|_| state.is_left)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut State) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(SessionError::Closed);
        }
        change(&mut state)?;
        state.is_changed = true;
        if !state.record.data.is_empty() {
            state.is_destroyed = false;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromRequestParts for Session {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, SessionError> {
        Self::of(parts).cloned().ok_or(SessionError::Absent)
    }
}

/// `None` where no [`Sessions`](crate::layer::session::Sessions) stand around the route, and for requests that they
/// [exempt](crate::layer::session::Sessions::exempt).
impl OptionalFromRequestParts for Session {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(parts).cloned())
    }
}

impl fmt::Debug for Session {
    /// The keys: values are for handlers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.keys()).finish()
    }
}
