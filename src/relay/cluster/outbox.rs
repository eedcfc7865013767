//! What waits for the broker, or for its word that it has it.

use super::words::{Operation, OutboxPolicy, Parcel};
use crate::relay::hub::{Retention, Topic};
use std::collections::{BTreeMap, BTreeSet};

/// Messages and operations, in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Outbox {
    most: usize,
    policy: OutboxPolicy,
    /// By id, which is the order.
    items: BTreeMap<u64, Item>,
    /// Those that are not under way.
    waiting: BTreeSet<u64>,
    octets: usize,
    octets_most: usize,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Since when it has waited.
    pub(super) at: u64,
    /// How often the broker has refused it.
    pub(super) refusals: u32,
    /// Whether it was under way when a connection ended: the broker may have it.
    pub(super) is_in_doubt: bool,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A message; with what is kept of its topic if the broker orders it.
    Message {
        topic: Topic,
        sequence: u64,
        number: u64,
        /// When its sequence began.
        born: u64,
        keep: Option<Retention>,
        parcel: Parcel,
    },
    Tell {
        id: u64,
        operation: Operation,
    },
}

impl Outbox {
    pub(super) const fn new(most: usize, policy: OutboxPolicy) -> Self {
        Self {
            most,
            policy,
            items: BTreeMap::new(),
            waiting: BTreeSet::new(),
            octets: 0,
            octets_most: 0,
        }
    }

    /// Takes something, whose id is above all before; gives what there is no room for then.
    pub(super) fn push(&mut self, id: u64, item: Item) -> Vec<Item> {
        let weight = item.weight();
        let mut given_up = Vec::new();
        let is_full = self.octets + weight > self.most;
        if weight > self.most || (is_full && self.policy == OutboxPolicy::DropNewest) {
            given_up.push(item);
            return given_up;
        }
        while self.octets + weight > self.most {
            // What is under way is sent again only if the connection ends.
            let oldest = self.waiting.first().or_else(|| self.items.keys().next());
            let Some(oldest) = oldest.copied() else {
                break;
            };
            given_up.extend(self.remove(oldest));
        }
        self.octets += weight;
        self.octets_most = self.octets_most.max(self.octets);
        self.items.insert(id, item);
        self.waiting.insert(id);
        given_up
    }

    /// The next one to be sent: from now on it is under way.
    pub(super) fn next(&mut self) -> Option<(u64, &Item)> {
        let id = self.waiting.pop_first()?;
        self.items.get(&id).map(|item| (id, item))
    }

    /// It is done, or given up.
    pub(super) fn remove(&mut self, id: u64) -> Option<Item> {
        let item = self.items.remove(&id)?;
        self.waiting.remove(&id);
        self.octets -= item.weight();
        Some(item)
    }

    /// The broker has refused it: it has to be sent again, before what came later.
    pub(super) fn again(&mut self, id: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            item.refusals += 1;
            self.waiting.insert(id);
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&Item> {
        self.items.get(&id)
    }

    /// Nothing is under way any more.
    pub(super) fn reset(&mut self) {
        for (id, item) in &mut self.items {
            item.is_in_doubt |= self.waiting.insert(*id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    pub(super) const fn octets_most(&self) -> usize {
        self.octets_most
    }

    /// Since when the oldest one has waited.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.items.values().next().map(|item| item.at)
    }

    /// Those that are not under way.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Item> {
        self.waiting.iter().filter_map(|id| self.items.get(id))
    }
}

impl Item {
    pub(super) fn weight(&self) -> usize {
        let own = match &self.what {
            What::Message { parcel, .. } => parcel.payload.len(),
            What::Tell { operation, .. } => match operation {
                Operation::PushToUser { user, parcel } => user.len() + parcel.payload.len(),
                Operation::Disconnect { reason, .. } => reason.len(),
                _ => 0,
            },
        };
        own + OVERHEAD
    }
}

/// What an item costs beside its octets.
const OVERHEAD: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn item(number: u64, len: usize) -> Item {
        Item {
            at: number,
            refusals: 0,
            is_in_doubt: false,
            what: What::Message {
                topic: Topic::new("t").unwrap(),
                sequence: 0,
                number,
                born: 0,
                keep: None,
                parcel: Parcel {
                    is_text: true,
                    except: 0,
                    payload: Bytes::from(vec![0; len]),
                },
            },
        }
    }

    fn ids(given_up: Vec<Item>) -> Vec<u64> {
        given_up.into_iter().map(|item| item.at).collect()
    }

    #[test]
    fn the_oldest_that_are_not_under_way_make_room() {
        let mut outbox = Outbox::new(3 * 228, OutboxPolicy::DropOldest);
        for id in 1..=3 {
            assert!(outbox.push(id, item(id, 100)).is_empty());
        }
        assert_eq!(outbox.next().unwrap().0, 1);
        assert_eq!(ids(outbox.push(4, item(4, 100))), [2]);
        assert_eq!(ids(outbox.push(5, item(5, 300))), [3, 4]);
        assert_eq!((outbox.octets(), outbox.octets_most()), (656, 684));
        outbox.reset();
        assert_eq!(outbox.next().unwrap().0, 1);
        assert_eq!(outbox.oldest(), Some(1));
        assert!(outbox.remove(1).is_some() && outbox.remove(1).is_none());
        assert_eq!(outbox.next().unwrap().0, 5);
        assert!(outbox.next().is_none());
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn the_newest_goes_where_the_policy_says_so_and_what_never_fits_always() {
        let mut outbox = Outbox::new(300, OutboxPolicy::DropNewest);
        assert!(outbox.push(1, item(1, 100)).is_empty());
        assert_eq!(ids(outbox.push(2, item(2, 100))), [2]);
        let mut outbox = Outbox::new(300, OutboxPolicy::DropOldest);
        assert!(outbox.push(1, item(1, 100)).is_empty());
        assert_eq!(ids(outbox.push(2, item(2, 1_000))), [2]);
        assert_eq!(outbox.waiting().count(), 1);
    }

    #[test]
    fn what_is_sent_again_comes_before_what_is_later() {
        let mut outbox = Outbox::new(3_000, OutboxPolicy::DropOldest);
        for id in 1..=3 {
            outbox.push(id, item(id, 1));
        }
        outbox.next();
        outbox.next();
        outbox.again(1);
        assert_eq!(outbox.next().unwrap().0, 1);
        assert_eq!(outbox.next().unwrap().0, 3);
    }
}
