//! Where sessions are kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

/// What a store does, in time.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store could not do it.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// A place for sessions: a database, a cache, or [`MemoryStore`](crate::layer::session::MemoryStore).
///
/// What it keeps is octets under an id, for a time. An error is 503 to the client, and goes no further.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use wireline::layer::session::{SessionId, SessionStore, Stored};
///
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<SessionId, Vec<u8>>>);
///
/// impl SessionStore for Everything {
///     fn load<'a>(&'a self, id: &'a SessionId) -> Stored<'a, Option<Vec<u8>>> {
///         Box::pin(async move { Ok(self.0.lock().unwrap().get(id).cloned()) })
///     }
///
///     fn insert<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, _: Duration) -> Stored<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().unwrap().insert(id.clone(), session);
///             Ok(())
///         })
///     }
///
///     fn update<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, _: Duration) -> Stored<'a, bool> {
///         Box::pin(async move {
///             let mut all = self.0.lock().unwrap();
///             Ok(all.get_mut(id).map(|kept| *kept = session).is_some())
///         })
///     }
///
///     fn remove<'a>(&'a self, id: &'a SessionId) -> Stored<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().unwrap().remove(id);
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// The session of an id; `None` when there is none, or when its time is over.
    fn load<'a>(&'a self, id: &'a SessionId) -> Stored<'a, Option<Vec<u8>>>;

    /// Keeps a session for so long, under an id that was made for it.
    fn insert<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, left: Duration) -> Stored<'a, ()>;

    /// Keeps a session for so long in place of what is there, and says whether anything was: under an id that there is no
    /// more nothing is written. Looking and writing are one step (`UPDATE` with its count of rows, `SET` with `XX`): an id that was
    /// [removed](Self::remove) by a request must not come back with another that had loaded it before.
    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        session: Vec<u8>,
        left: Duration,
    ) -> Stored<'a, bool>;

    /// Forgets a session.
    fn remove<'a>(&'a self, id: &'a SessionId) -> Stored<'a, ()>;
}

/// The id of a session in a store: 24 random octets. As text it is 32 characters of letters, digits, `-` and `_`.
///
/// It is as good as the session itself: keep it out of logs.
///
/// ```
/// use wireline::layer::session::SessionId;
///
/// /// The name under which a store of your own keeps a session.
/// fn name(id: &SessionId) -> String {
///     format!("session:{id}")
/// }
/// # let _ = name;
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 24]);

impl SessionId {
    /// A new id; `None` when the system has no randomness.
    pub(super) fn random() -> Option<Self> {
        let mut octets = [0; 24];
        getrandom::fill(&mut octets).ok()?;
        Some(Self(octets))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(octets.try_into().ok()?))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    /// Without the id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
