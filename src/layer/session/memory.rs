//! Sessions in memory, for one server.

use crate::layer::session::store::{SessionId, SessionStore, Stored};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A store in memory: gone with the process. Clones share it.
///
/// It keeps at most so many sessions, and of each at most [`Sessions::IN_STORE`](crate::layer::session::Sessions::IN_STORE) octets. When there
/// is no room for one more, the one whose time is over first is forgotten. Sessions whose time is over take room until the
/// next one is saved.
#[derive(Clone)]
pub struct MemoryStore {
    sessions: Arc<Mutex<Kept>>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<SessionId, (Instant, Vec<u8>)>,
    by_end: BTreeSet<(Instant, SessionId)>,
}

impl MemoryStore {
    /// A store for at most so many sessions, and for one at the least.
    pub fn new(most: usize) -> Self {
        Self {
            sessions: Arc::default(),
            most: most.max(1),
        }
    }

    /// How many there are, those among them whose time is over and that were not cleared away yet.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    /// A store for 10,000 sessions.
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl Kept {
    fn remove(&mut self, id: &SessionId) {
        if let Some((end, _)) = self.by_id.remove(id) {
            self.by_end.remove(&(end, id.clone()));
        }
    }

    /// Forgets those whose time is over, and then as many as are too many.
    fn make_room(&mut self, now: Instant, most: usize) {
        while let Some((end, _)) = self.by_end.first() {
            if *end > now && self.by_id.len() <= most {
                return;
            }
            if let Some((_, id)) = self.by_end.pop_first() {
                self.by_id.remove(&id);
            }
        }
    }
}

impl SessionStore for MemoryStore {
    fn load<'a>(&'a self, id: &'a SessionId) -> Stored<'a, Option<Vec<u8>>> {
        let found = match self.lock().by_id.get(id) {
            Some((end, session)) if *end > Instant::now() => Some(session.clone()),
            _ => None,
        };
        Box::pin(ready(Ok(found)))
    }

    fn save<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, left: Duration) -> Stored<'a, ()> {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.remove(id);
        if let Some(end) = now.checked_add(left) {
            kept.make_room(now, self.most.saturating_sub(1));
            kept.by_id.insert(id.clone(), (end, session));
            kept.by_end.insert((end, id.clone()));
        }
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(&'a self, id: &'a SessionId) -> Stored<'a, ()> {
        self.lock().remove(id);
        Box::pin(ready(Ok(())))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("sessions", &self.len())
            .field("most", &self.most)
            .finish()
    }
}
