//! What waits for the handler before it.

use crate::relay::endpoint::mailbox::Command;
use crate::relay::hub::Topic;
use crate::ws::message::Text;
use std::collections::VecDeque;

pub(super) enum Incoming {
    /// A message of the client.
    Text(Text),
    /// What wants to subscribe to a topic that other nodes have been told of.
    Attached(Box<Self>),
    /// What the server wants.
    Command(Command),
    /// A subscription has ended, and its handler is to be told.
    Left(Topic),
}

impl Incoming {
    /// The octets of what the client has sent.
    fn octets(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Attached(incoming) => incoming.octets(),
            Self::Command(_) | Self::Left(_) => 0,
        }
    }
}

/// All of it, in order.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Incoming>,
    octets: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one more has to be refused: there is room for [`MOST`] of them, and behind those for so many `spare` ones.
    pub(super) fn is_full(&self, spare: usize) -> bool {
        self.waiting.len() >= MOST.saturating_add(spare)
            || self.octets >= MOST_OCTETS.saturating_add(spare.saturating_mul(SPARE_OCTETS))
    }

    pub(super) fn push_back(&mut self, incoming: Incoming) {
        self.octets += incoming.octets();
        self.waiting.push_back(incoming);
    }

    pub(super) fn push_front(&mut self, incoming: Incoming) {
        self.octets += incoming.octets();
        self.waiting.push_front(incoming);
    }

    pub(super) fn pop_front(&mut self) -> Option<Incoming> {
        let incoming = self.waiting.pop_front()?;
        self.octets -= incoming.octets();
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = VecDeque::new();
        }
        Some(incoming)
    }

    pub(super) fn retain(&mut self, is_kept: impl FnMut(&Incoming) -> bool) {
        self.waiting.retain(is_kept);
        self.octets = self.waiting.iter().map(Incoming::octets).sum();
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Incoming> {
        self.octets = 0;
        std::mem::take(&mut self.waiting)
    }
}

/// How many wait, whatever they are: as many as a client of ours has unanswered at most.
const MOST: usize = 1024;

/// The octets of those, beyond which there is room for none: what a client may say at once, unless configured otherwise.
const MOST_OCTETS: usize = 4 << 20;

/// The octets of a spare one: a topic, and what is said with it.
const SPARE_OCTETS: usize = 1024;

/// The room for so many is kept by a connection that goes on.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: usize) -> Incoming {
        Incoming::Text("x".repeat(octets).into())
    }

    #[test]
    fn what_has_waited_leaves_little_behind() {
        let mut queue = Queue::default();
        for _ in 0..MOST {
            queue.push_back(text(1));
        }
        while queue.pop_front().is_some() {}
        assert!(queue.waiting.capacity() <= KEPT);
    }

    #[test]
    fn it_is_full_by_number_and_by_octets() {
        let mut queue = Queue::default();
        for _ in 0..MOST + 2 {
            assert!(!queue.is_full(2));
            queue.push_back(text(1));
        }
        assert!(queue.is_full(2) && !queue.is_full(3));
        assert!(queue.pop_front().is_some() && !queue.is_full(2));
        queue.take_all();
        // By octets; what stands in front of it counts as well, and what is wrapped.
        queue.push_back(text(MOST_OCTETS));
        assert!(queue.is_full(0) && !queue.is_full(1));
        queue.push_front(Incoming::Attached(Box::new(text(SPARE_OCTETS))));
        assert!(queue.is_full(1) && !queue.is_full(2));
        let mut is_first = true;
        queue.retain(|_| !std::mem::take(&mut is_first));
        assert!(queue.is_full(0) && !queue.is_full(1));
        assert_eq!(queue.take_all().len(), 1);
        assert!(queue.is_empty() && !queue.is_full(0));
    }
}
