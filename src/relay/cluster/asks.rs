//! What was asked of others' sequences: where they stand when a channel is taken.

use super::envelope::Sender;
use crate::relay::hub::Topic;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Asks {
    /// Topics to ask for.
    waiting: BTreeSet<Topic>,
    open: BTreeMap<u64, Ask>,
    last: u64,
}

#[derive(Debug)]
pub(super) struct Ask {
    pub(super) topics: Vec<Topic>,
    /// Those of them that nobody has wanted all the time.
    given_up: BTreeSet<Topic>,
    /// Who has not answered, or of whom a mark is missing.
    pub(super) missing: BTreeSet<Sender>,
    /// When it is tried again.
    pub(super) due: u64,
    pub(super) tries: u32,
}

impl Asks {
    pub(super) fn add(&mut self, topic: &Topic) {
        self.waiting.insert(topic.clone());
    }

    pub(super) fn remove(&mut self, topic: &Topic) {
        self.waiting.remove(topic);
        for ask in self.open.values_mut() {
            if ask.topics.contains(topic) {
                ask.given_up.insert(topic.clone());
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.open.clear();
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Asks for some of what waits, these nodes.
    pub(super) fn begin(&mut self, missing: BTreeSet<Sender>, due: u64) -> (u64, Vec<Topic>) {
        let mut topics = Vec::new();
        while topics.len() < TOPICS
            && let Some(topic) = self.waiting.pop_first()
        {
            topics.push(topic);
        }
        self.last += 1;
        let ask = Ask {
            topics: topics.clone(),
            given_up: BTreeSet::new(),
            missing,
            due,
            tries: 1,
        };
        self.open.insert(self.last, ask);
        (self.last, topics)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Ask> {
        self.open.get_mut(&id)
    }

    pub(super) fn close(&mut self, id: u64) -> Option<Ask> {
        self.open.remove(&id)
    }

    /// A node is gone: gives what nobody else has to answer.
    pub(super) fn depart(&mut self, node: Sender) -> Vec<u64> {
        let mut settled = Vec::new();
        for (id, ask) in &mut self.open {
            if ask.missing.remove(&node) && ask.missing.is_empty() {
                settled.push(*id);
            }
        }
        settled
    }
}

impl Ask {
    /// Those that are still wanted. One that was left and taken again is asked for again.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Topic> {
        let topics = self.topics.iter();
        topics.filter(|topic| !self.given_up.contains(*topic))
    }
}

/// The topics that are asked for at once.
const TOPICS: usize = 512;
