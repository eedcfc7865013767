//! Who is registered.

use crate::relay::service::error::NotRegistered;
use crate::relay::service::outbox::{Losses, Outbox, Waiting};
use crate::relay::service::{Delivered, Settings};
use crate::wire::number;
use crate::ws::close::CloseCode;
use crate::ws::prepared::Prepared;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

/// What a client is known by: a UUID of version 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientId([u8; 16]);

/// All clients. Readers do not wait for each other, and nobody waits under the lock.
#[derive(Debug, Default)]
pub(super) struct Registry {
    clients: RwLock<Clients>,
    pub(super) losses: Losses,
}

#[derive(Debug, Default)]
struct Clients {
    clients: HashMap<ClientId, Client>,
    users: HashMap<u64, HashSet<ClientId>>,
    topics: HashMap<Arc<str>, HashSet<ClientId>>,
    /// When clients were registered, in that order; of some the socket has come, or they have gone.
    registered: VecDeque<(Instant, ClientId)>,
    connected: usize,
}

#[derive(Debug)]
struct Client {
    user: u64,
    topics: Vec<Arc<str>>,
    outbox: Option<Arc<Outbox>>,
}

impl Registry {
    /// A new client of this user.
    pub(super) fn register(
        &self,
        user: u64,
        settings: &Settings,
    ) -> Result<ClientId, NotRegistered> {
        let id = ClientId::random()?;
        let now = Instant::now();
        let mut clients = self.write();
        clients.forget_late(now, settings);
        if clients.clients.len() >= settings.clients {
            return Err(NotRegistered::Full);
        }
        let of_user = clients.users.get(&user).map_or(0, HashSet::len);
        if of_user >= settings.clients_per_user {
            return Err(NotRegistered::UserFull);
        }
        clients.users.entry(user).or_default().insert(id);
        clients.registered.push_back((now, id));
        let client = Client {
            user,
            topics: Vec::new(),
            outbox: None,
        };
        clients.clients.insert(id, client);
        clients.set_topics(id, settings.topics.clone());
        Ok(id)
    }

    /// Whether there is such a client, and it has connected or may still.
    pub(super) fn knows(&self, id: ClientId) -> bool {
        self.read().clients.contains_key(&id)
    }

    /// Forgets those that have not come in time.
    pub(super) fn forget_late(&self, settings: &Settings) {
        let now = Instant::now();
        let late = self.read().has_late(now, settings);
        if late {
            self.write().forget_late(now, settings);
        }
    }

    /// Forgets a client, and closes its socket.
    pub(super) fn remove(&self, id: ClientId) {
        let removed = self.write().remove(id);
        if let Some(outbox) = removed.and_then(|client| client.outbox) {
            outbox.close(CloseCode::NORMAL, "unregistered");
        }
    }

    /// Gives a client its socket; the one that it had is closed. Whether there is such a client.
    pub(super) fn connect(&self, id: ClientId, outbox: &Arc<Outbox>) -> bool {
        let mut clients = self.write();
        let Some(client) = clients.clients.get_mut(&id) else {
            return false;
        };
        let replaced = client.outbox.replace(outbox.clone());
        if replaced.is_none() {
            clients.connected += 1;
        }
        drop(clients);
        if let (Some(replaced), Some(code)) = (replaced, CloseCode::new(REPLACED)) {
            replaced.close(code, "another socket took its place");
        }
        true
    }

    /// A socket has ended: its client is forgotten, unless it has another one by now.
    pub(super) fn disconnect(&self, id: ClientId, outbox: &Arc<Outbox>) {
        let mut clients = self.write();
        let current = clients
            .clients
            .get(&id)
            .and_then(|client| client.outbox.as_ref());
        if current.is_some_and(|current| Arc::ptr_eq(current, outbox)) {
            clients.remove(id);
        }
    }

    /// Replaces the topics of a client.
    pub(super) fn set_topics(&self, id: ClientId, topics: Vec<Arc<str>>) {
        self.write().set_topics(id, topics);
    }

    /// To the clients that have the topic and a socket: of one user, or of all.
    pub(super) fn publish(
        &self,
        user: Option<u64>,
        topic: &str,
        message: &Prepared,
        waiting: &Waiting,
    ) -> Delivered {
        let Some((topic, receivers)) = self.read().receivers(user, topic) else {
            return Delivered::default();
        };
        let failed = receivers
            .iter()
            .filter(|receiver| !receiver.deliver(&topic, message, waiting, &self.losses))
            .count();
        Delivered {
            clients: receivers.len(),
            failed,
        }
    }

    pub(super) fn clients(&self) -> usize {
        self.read().clients.len()
    }

    pub(super) fn connected(&self) -> usize {
        self.read().connected
    }

    fn read(&self) -> RwLockReadGuard<'_, Clients> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Clients> {
        self.clients.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    fn receivers(&self, user: Option<u64>, topic: &str) -> Option<(Arc<str>, Vec<Arc<Outbox>>)> {
        let (topic, holders) = self.topics.get_key_value(topic)?;
        let outbox = |id: &ClientId| self.clients.get(id)?.outbox.clone();
        let receivers = match user {
            None => holders.iter().filter_map(outbox).collect(),
            Some(user) => {
                let of_user = self.users.get(&user)?;
                let both = of_user.iter().filter(|id| holders.contains(*id));
                both.filter_map(outbox).collect()
            }
        };
        Some((topic.clone(), receivers))
    }

    fn set_topics(&mut self, id: ClientId, topics: Vec<Arc<str>>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let before = std::mem::take(&mut client.topics);
        // One name is kept for all who have the topic.
        let topics: Vec<Arc<str>> = topics
            .into_iter()
            .map(|topic| match self.topics.get_key_value(&topic) {
                Some((known, _)) => known.clone(),
                None => topic,
            })
            .collect();
        for topic in &topics {
            self.topics.entry(topic.clone()).or_default().insert(id);
        }
        for topic in before.iter().filter(|topic| !topics.contains(topic)) {
            self.leave(id, topic);
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.topics = topics;
        }
    }

    fn leave(&mut self, id: ClientId, topic: &Arc<str>) {
        if let Some(holders) = self.topics.get_mut(topic) {
            holders.remove(&id);
            if holders.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    fn remove(&mut self, id: ClientId) -> Option<Client> {
        let client = self.clients.remove(&id)?;
        for topic in &client.topics {
            self.leave(id, topic);
        }
        if let Some(of_user) = self.users.get_mut(&client.user) {
            of_user.remove(&id);
            if of_user.is_empty() {
                self.users.remove(&client.user);
            }
        }
        if client.outbox.is_some() {
            self.connected -= 1;
        }
        Some(client)
    }

    fn has_late(&self, now: Instant, settings: &Settings) -> bool {
        self.registered
            .front()
            .is_some_and(|(then, _)| now.duration_since(*then) >= settings.unconnected)
    }

    /// Forgets those that have not come in time.
    fn forget_late(&mut self, now: Instant, settings: &Settings) {
        while self.has_late(now, settings) {
            let Some((_, id)) = self.registered.pop_front() else {
                break;
            };
            if self.has_no_socket(id) {
                self.remove(id);
            }
        }
        // What is left of clients that came and went: once for as many as there are clients.
        if self.registered.len() > 2 * self.clients.len() + FEW {
            let mut registered = std::mem::take(&mut self.registered);
            registered.retain(|(_, id)| self.has_no_socket(*id));
            self.registered = registered;
        }
    }

    fn has_no_socket(&self, id: ClientId) -> bool {
        self.clients
            .get(&id)
            .is_some_and(|client| client.outbox.is_none())
    }
}

impl ClientId {
    fn random() -> Result<Self, NotRegistered> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(|_| NotRegistered::NoRandomness)?;
        // RFC 9562 §5.4: version 4, variant 10.
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        Ok(Self(octets))
    }

    /// From 32 hexadecimal digits.
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = number::hex_digit(pair[0])? << 4 | number::hex_digit(pair[1])?;
        }
        Some(Self(octets))
    }

    /// Its beginning, for a log.
    pub(super) fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({}..)", self.short())
    }
}

/// The code of a socket whose place another one took.
const REPLACED: u16 = 4000;
/// So few are not worth looking at.
const FEW: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::service::RegisterService;
    use std::sync::mpsc;
    use std::time::Duration;

    /// While somebody reads, for however long, everybody else may read.
    #[test]
    fn s215_readers_do_not_wait_for_each_other() {
        let service = RegisterService::new();
        let reading = service.registry.read();
        let (done, waited) = mpsc::channel();
        let other = service.clone();
        let reader = std::thread::spawn(move || {
            let delivered = other.publish(None, "cats", "meow");
            let known = other.registry.knows(ClientId([0; 16]));
            let counts = (other.clients(), other.connected());
            done.send((delivered, known, counts)).unwrap();
        });
        let outcome = waited.recv_timeout(Duration::from_secs(10));
        drop(reading);
        reader.join().unwrap();
        assert_eq!(outcome, Ok((Delivered::default(), false, (0, 0))));
    }

    #[test]
    fn what_clients_leave_behind_is_nothing() {
        let settings = RegisterService::new().settings;
        let registry = Registry::default();
        for round in 0..10_000 {
            let id = registry.register(round % 7, &settings).unwrap();
            let topic: Arc<str> = round.to_string().into();
            registry.set_topics(id, vec![topic, "cats".into()]);
            assert!(registry.knows(id));
            registry.remove(id);
        }
        let clients = registry.read();
        let left = (clients.clients.len(), clients.users.len());
        assert_eq!((left, clients.topics.len()), ((0, 0), 0));
        assert!(clients.registered.len() <= FEW + 3);
    }

    #[test]
    fn an_id_is_32_hexadecimal_digits() {
        let id = ClientId::random().unwrap();
        assert_eq!(ClientId::read(&id.to_string()), Some(id));
        assert_eq!(ClientId::read(&id.to_string().to_uppercase()), Some(id));
        for text in ["", "0", &"g".repeat(32), &"0".repeat(33), &"+0".repeat(16)] {
            assert_eq!(ClientId::read(text), None, "{text}");
        }
        assert_eq!(format!("{id:?}").len(), "ClientId(12345678..)".len());
    }
}
