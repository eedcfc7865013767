//! What is kept for clients that come back: who they were, and what was sent meanwhile.

use super::ack::after;
use super::config::RecoveryConfig;
use super::id::SocketId;
use super::space::{Core, Target};
use crate::socketio::packet::{Body, Packet};
use crate::socketio::transport::Outgoing;
use bytestring::ByteString;
use http::Extensions;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What is kept of a namespace.
pub(super) struct Recovery {
    config: RecoveryConfig,
    /// Tells its offsets from those of an earlier life.
    epoch: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The number of the last event.
    last: u64,
    /// Of the log.
    octets: usize,
    log: VecDeque<Logged>,
    /// Of those who went.
    gone_octets: usize,
    gone: HashMap<Box<str>, Gone>,
    /// The same, by when they went.
    order: VecDeque<(Instant, Box<str>)>,
}

struct Logged {
    at: Instant,
    octets: usize,
    target: Target,
    message: Outgoing,
}

/// Who went.
struct Gone {
    until: Instant,
    id: SocketId,
    octets: usize,
    rooms: Vec<ByteString>,
    /// As JSON: as a value it takes many times that.
    auth: String,
    extensions: Option<Box<Extensions>>,
    /// The number of the last event before it came.
    since: u64,
}

/// What a client comes back with.
pub(super) struct Ticket {
    /// A secret between it and the server.
    pub(super) private_id: Box<str>,
    /// The number of the last event before it came.
    pub(super) since: u64,
}

/// Who comes back.
pub(super) struct Restored {
    pub(super) id: SocketId,
    pub(super) rooms: Vec<ByteString>,
    pub(super) auth: Value,
    /// What was kept with the socket.
    pub(super) extensions: Option<Box<Extensions>>,
    /// The number of the last event that it has.
    after: u64,
}

impl Recovery {
    pub(super) fn new(config: RecoveryConfig) -> Self {
        let epoch = SocketId::random().map_or_else(String::new, |id| id.as_str().to_owned());
        Self {
            config,
            epoch,
            kept: Mutex::default(),
        }
    }

    pub(super) const fn config(&self) -> &RecoveryConfig {
        &self.config
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Gives an event its offset, keeps it, and sends it: in the order of the offsets.
    pub(super) fn log(
        &self,
        target: &Target,
        packet: Packet,
        core: &Core,
        send: impl FnOnce(&Outgoing),
    ) {
        let mut kept = self.lock();
        let number = kept.last + 1;
        let message = core.message_as(&self.with_offset(packet, number), target.is_plain);
        let names = octets_of(&target.rooms) + octets_of(&target.except);
        let octets = message.octets() + OVERHEAD + names;
        kept.last = number;
        kept.octets += octets;
        kept.log.push_back(Logged {
            at: Instant::now(),
            octets,
            target: target.clone(),
            message: message.clone(),
        });
        self.expire(&mut kept);
        send(&message);
    }

    /// The offset is one more argument: a client keeps it, and says it when it comes back.
    fn with_offset(&self, mut packet: Packet, number: u64) -> Packet {
        if let Body::Event { args, .. } = &mut packet.body {
            *args = args.and(&format!("{}-{number}", self.epoch));
        }
        packet
    }

    /// Keeps who went.
    pub(super) fn persist(
        &self,
        ticket: Ticket,
        id: SocketId,
        rooms: Vec<ByteString>,
        auth: &Value,
        extensions: Option<Box<Extensions>>,
    ) {
        let auth = auth.to_string();
        let octets = OVERHEAD + octets_of(&rooms) + auth.len();
        let mut kept = self.lock();
        let until = after(self.config.max_disconnection);
        let Ticket { private_id, since } = ticket;
        kept.order.push_back((until, private_id.clone()));
        let gone = Gone {
            until,
            id,
            octets,
            rooms,
            auth,
            extensions,
            since,
        };
        kept.forget(&private_id);
        kept.gone_octets += octets;
        kept.gone.insert(private_id, gone);
        self.expire(&mut kept);
    }

    /// Who says to have been here: with the offset of the last event that he has, or with none if he never had one. Nobody else gets
    /// it after this.
    pub(super) fn restore(&self, private_id: &str, offset: Option<&str>) -> Option<Restored> {
        let mut kept = self.lock();
        self.expire(&mut kept);
        let gone = kept.forget(private_id)?;
        if gone.until < Instant::now() {
            return None;
        }
        let after = match offset {
            // None of those with an offset ever came.
            None => gone.since,
            Some(offset) => self.number(offset)?,
        };
        let first = kept.last - kept.log.len() as u64;
        if !(first..=kept.last).contains(&after) {
            return None;
        }
        drop(kept);
        Some(Restored {
            id: gone.id,
            rooms: gone.rooms,
            auth: serde_json::from_str(&gone.auth).ok()?,
            extensions: gone.extensions,
            after,
        })
    }

    /// Whether nobody can come back.
    pub(super) fn is_idle(&self) -> bool {
        let mut kept = self.lock();
        self.expire(&mut kept);
        kept.gone.is_empty()
    }

    fn number(&self, offset: &str) -> Option<u64> {
        let number = offset.strip_prefix(&*self.epoch)?.strip_prefix('-')?;
        crate::wire::number::decimal(number.as_bytes())
    }

    /// Runs `connect`, and sends what was missed: whatever is sent later comes behind it.
    pub(super) fn catch_up(
        &self,
        restored: Restored,
        connect: impl FnOnce(),
        send: impl Fn(&Outgoing),
    ) {
        // Before the lock, which holds up everybody of the namespace.
        let rooms = restored.all_rooms();
        let kept = self.lock();
        let first = kept.last - kept.log.len() as u64;
        let missed = usize::try_from(restored.after.saturating_sub(first)).unwrap_or(usize::MAX);
        for logged in kept.log.iter().skip(missed) {
            if is_meant(&logged.target, &rooms) {
                send(&logged.message);
            }
        }
        connect();
    }

    fn expire(&self, kept: &mut Kept) {
        let now = Instant::now();
        let oldest = now.checked_sub(self.config.max_disconnection);
        while let Some(first) = kept.log.front() {
            let is_old = oldest.is_some_and(|oldest| first.at < oldest);
            if !is_old && kept.octets <= self.config.max_octets {
                break;
            }
            kept.octets = kept.octets.saturating_sub(first.octets);
            kept.log.pop_front();
        }
        while let Some((until, _)) = kept.order.front() {
            let has_room = kept.order.len() <= self.config.max_sockets
                && kept.gone_octets <= self.config.max_octets;
            if *until >= now && has_room {
                break;
            }
            let Some((until, private_id)) = kept.order.pop_front() else {
                break;
            };
            // It may have come back, and gone again.
            if kept
                .gone
                .get(&private_id)
                .is_some_and(|gone| gone.until == until)
            {
                kept.forget(&private_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, private_id: &str) -> Option<Gone> {
        let gone = self.gone.remove(private_id)?;
        self.gone_octets = self.gone_octets.saturating_sub(gone.octets);
        Some(gone)
    }
}

impl Restored {
    /// The rooms that it is in, its id among them.
    fn all_rooms(&self) -> HashSet<&str> {
        let rooms = self.rooms.iter().map(|room| &**room);
        rooms.chain([self.id.as_str()]).collect()
    }
}

/// Whether who is in these rooms is meant.
fn is_meant(target: &Target, rooms: &HashSet<&str>) -> bool {
    let is_in = |room: &ByteString| rooms.contains(&**room);
    let is_chosen = target.rooms.is_empty() || target.rooms.iter().any(is_in);
    is_chosen && !target.except.iter().any(is_in)
}

/// What names count.
fn octets_of(names: &[ByteString]) -> usize {
    names.iter().map(|name| name.len() + NAME).sum()
}

/// What an event or a socket that is kept costs beside its octets.
const OVERHEAD: usize = 256;

/// What a name costs beside its octets.
const NAME: usize = size_of::<ByteString>();
