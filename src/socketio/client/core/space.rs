//! A namespace of a client: where it stands, what waits for it, and what it waits for.

use crate::socketio::client::core::SignIn;
use crate::socketio::client::core::frame::Frame;
use crate::socketio::packet::Args;
use bytestring::ByteString;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Where a namespace stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nobody wants it.
    Away,
    /// It waits for a connection.
    Wanted,
    /// It was left over this connection a moment ago, and waits for the server to have seen it.
    Rejoins {
        at: Instant,
    },
    /// It waits for what to sign in with.
    SignIn {
        round: u64,
    },
    /// It waits for the server's answer.
    Asked {
        until: Instant,
    },
    Connected,
}

#[derive(Debug)]
pub(super) struct Space {
    pub(super) name: ByteString,
    pub(super) sign_in: SignIn,
    pub(super) standing: Standing,
    /// Events that wait until it is connected.
    pub(super) waiting: VecDeque<Frame>,
    pub(super) waiting_octets: usize,
    /// Events that wait for an answer: until when, and whether they were sent.
    pub(super) acks: BTreeMap<u64, Awaited>,
    pub(super) next_ack: u64,
    /// Events that came before the server has said that it is connected.
    pub(super) early: Vec<Early>,
    pub(super) early_octets: usize,
    /// What the server knows the session by that it may recover.
    pid: Option<ByteString>,
    /// The last event that the server has numbered.
    offset: Option<ByteString>,
}

#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) until: Instant,
    pub(super) is_sent: bool,
}

/// An event, as it came.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) name: ByteString,
    pub(super) ack: Option<u64>,
    pub(super) args: Args,
}

impl Early {
    pub(super) fn octets(&self) -> usize {
        // And what it takes to keep it.
        self.name.len() + self.args.octets() + size_of::<Self>()
    }
}

impl Space {
    pub(super) const fn new(name: ByteString, sign_in: SignIn) -> Self {
        Self {
            name,
            sign_in,
            standing: Standing::Away,
            waiting: VecDeque::new(),
            waiting_octets: 0,
            acks: BTreeMap::new(),
            next_ack: 0,
            early: Vec::new(),
            early_octets: 0,
            pid: None,
            offset: None,
        }
    }

    /// What the server is told: `with`, and the session that it may recover. `None` when that is nothing.
    pub(super) fn auth(&self, with: Map<String, Value>) -> Option<Map<String, Value>> {
        let mut auth = Map::new();
        if let Some(pid) = &self.pid {
            auth.insert("pid".to_owned(), Value::from(&**pid));
            if let Some(offset) = &self.offset {
                auth.insert("offset".to_owned(), Value::from(&**offset));
            }
        }
        // What the application says counts.
        auth.extend(with);
        (!auth.is_empty()).then_some(auth)
    }

    /// The server has let it in; says whether it recovered the session.
    pub(super) fn welcome(&mut self, pid: Option<ByteString>, offset: Option<ByteString>) -> bool {
        self.standing = Standing::Connected;
        let recovered = pid.is_some() && pid == self.pid;
        if !recovered {
            // It numbered the events of another session.
            self.offset = None;
        }
        self.pid = pid;
        self.offset = offset.or_else(|| self.offset.take());
        recovered
    }

    /// An event came. Servers that recover sessions put its number behind the arguments, unless they want an answer.
    pub(super) fn count(&mut self, ack: Option<u64>, args: &Args) {
        if self.pid.is_none() || ack.is_some() || !args.json().ends_with('"') {
            return;
        }
        let last = args.values().ok().and_then(|mut values| values.pop());
        if let Some(Value::String(offset)) = last {
            self.offset = Some(offset.into());
        }
    }

    /// Whether an answer with this id is waited for; it is not any more.
    pub(super) fn settle(&mut self, ack: u64) -> bool {
        match self.acks.get(&ack) {
            Some(awaited) if awaited.is_sent => self.acks.remove(&ack).is_some(),
            _ => false,
        }
    }

    /// What waits for its answer for too long, and is not waited for any more.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<u64> {
        let mut expired = Vec::new();
        self.acks.retain(|id, awaited| {
            let is_over = awaited.until <= now;
            if is_over {
                expired.push(*id);
            }
            !is_over
        });
        for id in &expired {
            self.forget(*id);
        }
        expired
    }

    /// Takes back an event that waits.
    pub(super) fn forget(&mut self, ack: u64) {
        let octets = &mut self.waiting_octets;
        self.waiting.retain(|frame| {
            let stays = frame.ack != Some(ack);
            if !stays {
                *octets -= frame.octets.min(*octets);
            }
            stays
        });
    }

    pub(super) fn take_early(&mut self) -> Vec<Early> {
        self.early_octets = 0;
        std::mem::take(&mut self.early)
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.take_early();
        self.waiting.clear();
        self.waiting_octets = 0;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let answer = match self.standing {
            Standing::Asked { until } => Some(until),
            Standing::Rejoins { at } => Some(at),
            _ => None,
        };
        let acks = self.acks.values().map(|awaited| awaited.until);
        acks.chain(answer).min()
    }
}
