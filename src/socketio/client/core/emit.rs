//! Events on their way out: taken, kept until there is a connection, sent, taken back.

use crate::socketio::client::core::frame::Frame;
use crate::socketio::client::core::space::{Awaited, Standing};
use crate::socketio::client::core::{Core, Link, NoAnswer};
use crate::socketio::packet::{Args, Packet};
use bytestring::ByteString;
use std::time::{Duration, Instant};

/// An event to send.
#[derive(Debug)]
pub(crate) struct Emit {
    pub(crate) name: ByteString,
    pub(crate) args: Args,
    /// How long its answer is waited for, if one is wanted.
    pub(crate) ack: Option<Duration>,
    /// It is dropped when it cannot be sent at once.
    pub(crate) is_volatile: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is sent, or will be; with the id of its answer.
    Yes(Option<u64>),
    /// It was volatile, and could not be sent at once.
    Dropped,
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    TooLarge,
    Full,
    Disconnected,
}

impl Link {
    /// Whether the server takes what is as large as this, as far as that is known.
    fn takes(&self, frame: &Frame) -> bool {
        match self {
            Self::Open { terms, .. } => frame.fits(terms.max_payload, terms.is_text),
            _ => true,
        }
    }
}

impl Core {
    /// Takes an event. Its answer is waited for before it is sent.
    pub(crate) fn emit(&mut self, now: Instant, id: u32, emit: Emit) -> Result<Taken, NotTaken> {
        let Some(space) = self.spaces.get_mut(&id) else {
            return Err(NotTaken::Disconnected);
        };
        let is_connected = match space.standing {
            Standing::Away => return Err(NotTaken::Disconnected),
            Standing::Connected => true,
            Standing::Wanted
            | Standing::Rejoins { .. }
            | Standing::SignIn { .. }
            | Standing::Asked { .. } => false,
        };
        if emit.is_volatile && (!is_connected || !self.outgoing.is_empty()) {
            return Ok(Taken::Dropped);
        }
        if emit.ack.is_some() && space.acks.len() >= self.tuning.acks {
            return Err(NotTaken::Full);
        }
        let ack = emit.ack.map(|_| space.next_ack);
        let packet = Packet::event(space.name.clone(), ack, emit.name, emit.args);
        let frame = Frame::event(&packet, self.tuning.form, id, ack);
        if !self.link.takes(&frame) || frame.octets > self.tuning.buffer_octets {
            return Err(NotTaken::TooLarge);
        }
        let (count, octets) = if is_connected {
            (self.outgoing.len(), self.outgoing_octets)
        } else {
            (space.waiting.len(), space.waiting_octets)
        };
        if count >= self.tuning.buffer || octets + frame.octets > self.tuning.buffer_octets {
            return Err(NotTaken::Full);
        }
        if let (Some(ack), Some(limit)) = (ack, emit.ack) {
            space.next_ack += 1;
            let awaited = Awaited {
                until: now + limit,
                is_sent: is_connected,
            };
            space.acks.insert(ack, awaited);
        }
        if is_connected {
            self.push(frame);
        } else {
            space.waiting_octets += frame.octets;
            space.waiting.push_back(frame);
        }
        Ok(Taken::Yes(ack))
    }

    /// Answers an event of the server's, unless the namespace has another connection by now.
    pub(crate) fn reply(&mut self, id: u32, ack: u64, args: Args) {
        let Some(space) = self.spaces.get(&id) else {
            return;
        };
        if matches!(space.standing, Standing::Connected) {
            let packet = Packet::ack(space.name.clone(), ack, args);
            let frame = Frame::control(&packet, self.tuning.form);
            if self.link.takes(&frame) {
                self.push(frame);
            } else {
                self.ignored += 1;
            }
        }
    }

    /// Nobody waits for this answer any more; an event that was not sent is not sent either.
    pub(crate) fn forget(&mut self, id: u32, ack: u64) {
        if let Some(space) = self.spaces.get_mut(&id) {
            let awaited = space.acks.remove(&ack);
            if awaited.is_some_and(|awaited| !awaited.is_sent) {
                space.forget(ack);
            }
        }
    }

    /// The next packet to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Frame> {
        let frame = self.outgoing.pop_front()?;
        self.outgoing_octets -= frame.octets.min(self.outgoing_octets);
        Some(frame)
    }

    /// One for which there was no room.
    pub(crate) fn untransmit(&mut self, frame: Frame) {
        self.outgoing_octets += frame.octets;
        self.outgoing.push_front(frame);
    }

    /// Whether more may be read: answers do not pile up, nor do so many octets that wait for handlers.
    pub(crate) const fn has_room(&self, incoming_octets: usize) -> bool {
        let most = self.tuning.buffer_octets;
        self.outgoing_octets <= most && incoming_octets <= most
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.outgoing_octets += frame.octets;
        self.outgoing.push_back(frame);
    }

    /// Sends what has waited for a namespace to be connected, in its order.
    pub(super) fn flush(&mut self, id: u32) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let waiting = std::mem::take(&mut space.waiting);
        space.waiting_octets = 0;
        let mut refused = Vec::new();
        let mut sent = Vec::new();
        for frame in waiting {
            if !self.link.takes(&frame) {
                // What the server takes was not known before.
                refused.push(frame.ack);
                continue;
            }
            if let Some(awaited) = frame.ack.and_then(|ack| space.acks.get_mut(&ack)) {
                awaited.is_sent = true;
            }
            sent.push(frame);
        }
        for ack in refused.iter().flatten() {
            space.acks.remove(ack);
        }
        for frame in sent {
            self.push(frame);
        }
        for ack in refused {
            match ack {
                Some(ack) => self.answer(id, ack, Err(NoAnswer::TooLarge)),
                None => self.ignored += 1,
            }
        }
    }

    /// The connection is lost: events that were not sent over it wait for the next one, before those that wait already.
    /// Everything else was for this connection.
    pub(super) fn take_back(&mut self) {
        self.outgoing_octets = 0;
        for frame in std::mem::take(&mut self.outgoing).into_iter().rev() {
            let space = frame.space.and_then(|id| self.spaces.get_mut(&id));
            let Some(space) = space else {
                continue;
            };
            match frame.ack {
                None => {}
                Some(ack) => match space.acks.get_mut(&ack) {
                    Some(awaited) => awaited.is_sent = false,
                    // Nobody waits for it any more.
                    None => continue,
                },
            }
            space.waiting_octets += frame.octets;
            space.waiting.push_front(frame);
        }
    }

    /// The answers that were waited for will not come; `all`, or those of events that were sent.
    pub(super) fn fail_acks(&mut self, id: u32, all: bool) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let failed: Vec<u64> = (space.acks.iter())
            .filter(|(_, awaited)| all || awaited.is_sent)
            .map(|(ack, _)| *ack)
            .collect();
        for ack in failed {
            if let Some(space) = self.spaces.get_mut(&id) {
                space.acks.remove(&ack);
            }
            self.answer(id, ack, Err(NoAnswer::Disconnected));
        }
    }
}
