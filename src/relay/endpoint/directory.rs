//! Which connections there are, and whose they are.

use super::outlet::Outlet;
use crate::relay::hub::{Delivery, Member, Topic};
use crate::ws::prepared::Prepared;
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A connection, or all of a user's.
///
/// ```
/// use wireline::relay::{Relay, Whom};
/// use wireline::ws::close::CloseCode;
///
/// fn ban(relay: &Relay, user: &str) -> usize {
///     relay.disconnect(Whom::User(user), CloseCode::POLICY, "banned")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom<'a> {
    /// The connection with this number.
    Connection(u64),
    /// All connections of the user with this id.
    User(&'a str),
}

impl From<u64> for Whom<'_> {
    fn from(conn_id: u64) -> Self {
        Self::Connection(conn_id)
    }
}

impl<'a> From<&'a str> for Whom<'a> {
    fn from(user: &'a str) -> Self {
        Self::User(user)
    }
}

/// What is known of a connection from outside its task, with its outlet in the same piece of memory.
pub(super) struct Link {
    pub(super) outlet: Outlet,
    /// The id of the user who opened it.
    pub(super) user: Option<Arc<str>>,
    /// Whether it has gone, and is present nowhere. Where it is present changes under this lock, which is taken before that of the
    /// mailbox, where the topics are.
    has_gone: Mutex<bool>,
}

impl Link {
    pub(super) fn new(outlet: Outlet, user: Option<Arc<str>>) -> Arc<Self> {
        Arc::new(Self {
            outlet,
            user,
            has_gone: Mutex::default(),
        })
    }

    /// Runs `track` for a connection that is there, and remembers the topic; `false` when it has gone.
    pub(super) fn track(&self, topic: &Topic, track: impl FnOnce()) -> bool {
        let has_gone = lock(&self.has_gone);
        if *has_gone {
            return false;
        }
        track();
        self.outlet.mailbox.track(topic);
        true
    }

    /// Whether the connection is present in the topic.
    pub(super) fn is_tracked(&self, topic: &Topic) -> bool {
        let _unchanged = lock(&self.has_gone);
        self.outlet.mailbox.is_tracked(topic)
    }

    /// Runs `untrack` if the connection is present in the topic; whether it was.
    pub(super) fn untrack(&self, topic: &Topic, untrack: impl FnOnce()) -> bool {
        let _unchanged = lock(&self.has_gone);
        let was_tracked = self.outlet.mailbox.untrack(topic);
        if was_tracked {
            untrack();
        }
        was_tracked
    }

    /// It has gone: the topics that it is still present in.
    pub(super) fn leave(&self) -> Vec<Topic> {
        *lock(&self.has_gone) = true;
        self.outlet.mailbox.untrack_all()
    }
}

impl Member<Prepared> for Link {
    fn id(&self) -> u64 {
        self.outlet.id()
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Prepared>) {
        self.outlet.deliver(key, delivery);
    }
}

/// All connections.
pub(super) struct Directory {
    links: Box<[Mutex<Links>]>,
    users: Box<[Mutex<Users>]>,
}

type Links = HashSet<Numbered>;
type Users = HashMap<Arc<str>, Vec<Arc<Link>>>;

/// A connection under its number, which is in it, so that a table of them is half as large.
struct Numbered(Arc<Link>);

impl Borrow<u32> for Numbered {
    fn borrow(&self) -> &u32 {
        self.0.outlet.number()
    }
}

impl Hash for Numbered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.outlet.number().hash(state);
    }
}

impl PartialEq for Numbered {
    fn eq(&self, other: &Self) -> bool {
        self.0.outlet.number() == other.0.outlet.number()
    }
}

impl Eq for Numbered {}

impl Default for Directory {
    fn default() -> Self {
        Self {
            links: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Directory {
    pub(super) fn add(&self, link: &Arc<Link>) {
        let links = self.links_of(*link.outlet.number());
        lock(links).insert(Numbered(link.clone()));
        if let Some(user) = &link.user {
            let mut users = lock(self.users_of(user));
            users.entry(user.clone()).or_default().push(link.clone());
        }
    }

    /// Whether there is a connection with this number.
    pub(super) fn has(&self, number: u32) -> bool {
        lock(self.links_of(number)).contains(&number)
    }

    pub(super) fn remove(&self, link: &Arc<Link>) {
        let number = link.outlet.number();
        let removed = {
            let mut links = lock(self.links_of(*number));
            let removed = links.take(number);
            if let Some(wanted) = shrunk(links.capacity(), links.len()) {
                links.shrink_to(wanted);
            }
            removed
        };
        if let Some(user) = &link.user {
            let mut users = lock(self.users_of(user));
            if let Some(links) = users.get_mut(user) {
                links.retain(|known| !Arc::ptr_eq(known, link));
                if links.is_empty() {
                    users.remove(user);
                }
            }
            if let Some(wanted) = shrunk(users.capacity(), users.len()) {
                users.shrink_to(wanted);
            }
        }
        drop(removed);
    }

    /// The connections that are meant.
    pub(super) fn find(&self, whom: Whom<'_>) -> Vec<Arc<Link>> {
        match whom {
            Whom::Connection(id) => self.get(id).into_iter().collect(),
            Whom::User(user) => lock(self.users_of(user))
                .get(user)
                .cloned()
                .unwrap_or_default(),
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Link>> {
        let [.., a, b, c, d] = id.to_be_bytes();
        let number = u32::from_be_bytes([a, b, c, d]);
        let links = lock(self.links_of(number));
        let link = links.get(&number).map(|Numbered(link)| link);
        // The rest of it says on which node.
        link.filter(|link| link.outlet.id() == id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.links.iter().map(|links| lock(links).len()).sum()
    }

    /// Up to `most` connections, in no order.
    pub(super) fn some(&self, most: usize) -> Vec<Arc<Link>> {
        let mut found = Vec::new();
        for links in &self.links {
            let left = most - found.len();
            let links = lock(links);
            found.extend(links.iter().take(left).map(|Numbered(link)| link.clone()));
        }
        found
    }

    fn links_of(&self, number: u32) -> &Mutex<Links> {
        &self.links[number as usize % SHARDS]
    }

    fn users_of(&self, user: &str) -> &Mutex<Users> {
        // FNV-1a picks a lock; whoever fills one shard with names of his own has as much of the others.
        let hash = user.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
        });
        &self.users[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }
}

/// How much a table is to keep room for that has become too large.
const fn shrunk(capacity: usize, len: usize) -> Option<usize> {
    if capacity > 64 && len < capacity / 8 {
        Some(len * 2)
    } else {
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many locks connections are spread over.
const SHARDS: usize = 32;
