//! Sessions in memory, for one server.

use crate::layer::session::store::{SessionId, SessionStore, StoreError, Stored};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A store in memory: gone with the process. Clones share it.
///
/// It keeps at most so many sessions, and at most so many octets of them all ([`max_octets`](Self::max_octets)). Sessions whose time is over
/// take room until the next one is saved. When there is no room for one more, those are forgotten first that nobody ever came
/// back with, the oldest first: whoever makes sessions and keeps no cookie pushes out his own. Then those that were used
/// the longest ago.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::session::{MemoryStore, Sessions};
/// use wireline::service::cookie::{Key, KeyError};
///
/// let store = MemoryStore::new(50_000).max_octets(256 * 1024 * 1024);
/// let key = Key::new("an example: thirty-two octets or more")?;
/// let routes = Router::new().middleware(Sessions::in_store(key, store.clone())).build();
/// assert!(routes.is_ok() && store.is_empty());
/// # Ok::<(), KeyError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    sessions: Arc<Mutex<Kept>>,
    most: usize,
    most_octets: usize,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<SessionId, Entry>,
    by_end: BTreeSet<(Instant, SessionId)>,
    by_use: BTreeMap<Use, SessionId>,
    octets: usize,
    /// How often anything was used.
    uses: u64,
}

struct Entry {
    end: Instant,
    last: Use,
    session: Vec<u8>,
}

/// Whether anybody ever came back with it, and when it was used last: the lowest is forgotten first.
type Use = (bool, u64);

impl MemoryStore {
    /// A store for at most so many sessions, and for one at the least; of 64 MiB in all.
    pub fn new(most: usize) -> Self {
        Self {
            sessions: Arc::default(),
            most: most.max(1),
            most_octets: 64 * 1024 * 1024,
        }
    }

    /// How many octets all sessions have together, in place of 64 MiB; at least 128 KiB. Each counts 512 more than it has, for
    /// what is kept beside it. Clones that were made before keep their own number.
    #[must_use]
    pub fn max_octets(mut self, most: usize) -> Self {
        self.most_octets = most.max(128 * 1024);
        self
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

    /// Puts a session in, as one that was or was not used before.
    fn put(
        &self,
        kept: &mut Kept,
        id: &SessionId,
        session: Vec<u8>,
        left: Duration,
        is_used: bool,
    ) -> Result<(), StoreError> {
        let now = Instant::now();
        kept.remove(id);
        let Some(end) = now.checked_add(left) else {
            return Err("the session would live longer than clocks count".into());
        };
        let octets = session.len().saturating_add(BESIDE);
        if octets > self.most_octets {
            return Err("the session is larger than the store".into());
        }
        kept.make_room(now, self.most - 1, self.most_octets - octets);
        kept.octets += octets;
        let last = kept.next_use(is_used);
        kept.by_end.insert((end, id.clone()));
        kept.by_use.insert(last, id.clone());
        kept.by_id.insert(id.clone(), Entry { end, last, session });
        Ok(())
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
        if let Some(entry) = self.by_id.remove(id) {
            self.by_end.remove(&(entry.end, id.clone()));
            self.by_use.remove(&entry.last);
            self.octets -= entry.session.len() + BESIDE;
        }
    }

    fn next_use(&mut self, is_used: bool) -> Use {
        self.uses += 1;
        (is_used, self.uses)
    }

    /// Whether there is one whose time is not over.
    fn has(&self, id: &SessionId, now: Instant) -> bool {
        self.by_id.get(id).is_some_and(|entry| entry.end > now)
    }

    /// The session, which is used with this.
    fn take_up(&mut self, id: &SessionId, now: Instant) -> Option<Vec<u8>> {
        if !self.has(id, now) {
            return None;
        }
        let last = self.next_use(true);
        let entry = self.by_id.get_mut(id)?;
        self.by_use.remove(&entry.last);
        self.by_use.insert(last, id.clone());
        entry.last = last;
        Some(entry.session.clone())
    }

    /// Forgets those whose time is over, and then as many as are too many, or too large.
    fn make_room(&mut self, now: Instant, most: usize, octets: usize) {
        while let Some((end, id)) = self.by_end.first().cloned()
            && end <= now
        {
            self.remove(&id);
        }
        while (self.by_id.len() > most || self.octets > octets)
            && let Some((_, id)) = self.by_use.pop_first()
        {
            self.remove(&id);
        }
    }
}

impl SessionStore for MemoryStore {
    fn load<'a>(&'a self, id: &'a SessionId) -> Stored<'a, Option<Vec<u8>>> {
        let found = self.lock().take_up(id, Instant::now());
        Box::pin(ready(Ok(found)))
    }

    fn insert<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, left: Duration) -> Stored<'a, ()> {
        let put = self.put(&mut self.lock(), id, session, left, false);
        Box::pin(ready(put))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        session: Vec<u8>,
        left: Duration,
    ) -> Stored<'a, bool> {
        let mut kept = self.lock();
        let is_there = kept.has(id, Instant::now());
        let put = match is_there {
            true => self.put(&mut kept, id, session, left, true),
            false => Ok(()),
        };
        Box::pin(ready(put.map(|()| is_there)))
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
            .field("most_octets", &self.most_octets)
            .finish()
    }
}

/// What a session takes beside its content: its id three times, its places in the tables, and what those have spare.
const BESIDE: usize = 512;
