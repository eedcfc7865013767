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
    /// Those that can be sent.
    waiting: BTreeSet<u64>,
    /// Those that wait because the broker has refused something of the same topic; operations are of none.
    resting: BTreeMap<Option<Topic>, Rest>,
    /// When the first of them can be sent.
    wakes_at: u64,
    octets: usize,
    octets_most: usize,
}

#[derive(Debug, Default)]
struct Rest {
    until: u64,
    held: BTreeSet<u64>,
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
            resting: BTreeMap::new(),
            wakes_at: u64::MAX,
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
            let held = || self.resting.values().find_map(|rest| rest.held.first());
            let oldest = self.waiting.first().or_else(held);
            let oldest = oldest.or_else(|| self.items.keys().next());
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
    pub(super) fn next(&mut self, now: u64) -> Option<(u64, &Item)> {
        self.wake(now);
        loop {
            let id = self.waiting.pop_first()?;
            let topic = self.items.get(&id).and_then(Item::topic);
            match self.resting.get_mut(&topic.cloned()) {
                Some(rest) if now < rest.until => {
                    rest.held.insert(id);
                    self.wakes_at = self.wakes_at.min(rest.until);
                }
                _ => return self.items.get(&id).map(|item| (id, item)),
            }
        }
    }

    /// The broker has refused one: nothing of its topic is sent for a moment, so that it keeps its order, unless that was so just now:
    /// what is always refused must not hold up what is not. Gives until when.
    pub(super) fn rest(&mut self, id: u64, now: u64) -> Option<u64> {
        let topic = self.items.get(&id)?.topic().cloned();
        let rest = self.resting.entry(topic).or_default();
        if rest.until != 0 && now < rest.until + REST {
            return None;
        }
        rest.until = now + PAUSE;
        self.wakes_at = self.wakes_at.min(rest.until + REST);
        Some(rest.until)
    }

    /// What has rested can be sent.
    fn wake(&mut self, now: u64) {
        if now < self.wakes_at {
            return;
        }
        self.wakes_at = u64::MAX;
        let (waiting, wakes_at) = (&mut self.waiting, &mut self.wakes_at);
        self.resting.retain(|_, rest| {
            let is_over = rest.until <= now;
            if is_over {
                waiting.append(&mut rest.held);
            }
            let due = if is_over {
                rest.until + REST
            } else {
                rest.until
            };
            let is_remembered = now < due;
            if is_remembered {
                *wakes_at = due.min(*wakes_at);
            }
            is_remembered
        });
    }

    /// It is done, or given up.
    pub(super) fn remove(&mut self, id: u64) -> Option<Item> {
        let item = self.items.remove(&id)?;
        if !self.waiting.remove(&id)
            && let Some(rest) = self.resting.get_mut(&item.topic().cloned())
        {
            rest.held.remove(&id);
        }
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
        for mut rest in std::mem::take(&mut self.resting).into_values() {
            self.waiting.append(&mut rest.held);
        }
        self.wakes_at = u64::MAX;
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
    const fn topic(&self) -> Option<&Topic> {
        match &self.what {
            What::Message { topic, .. } => Some(topic),
            What::Tell { .. } => None,
        }
    }

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

/// Milliseconds before something that was refused is tried again.
const PAUSE: u64 = 100;

/// Milliseconds between two such pauses of a topic, at least.
const REST: u64 = 900;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn item(number: u64, len: usize) -> Item {
        of("t", number, len)
    }

    fn of(name: &str, number: u64, len: usize) -> Item {
        Item {
            at: number,
            refusals: 0,
            is_in_doubt: false,
            what: What::Message {
                topic: Topic::new(name).unwrap(),
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
        assert_eq!(outbox.next(0).unwrap().0, 1);
        assert_eq!(ids(outbox.push(4, item(4, 100))), [2]);
        assert_eq!(ids(outbox.push(5, item(5, 300))), [3, 4]);
        assert_eq!((outbox.octets(), outbox.octets_most()), (656, 684));
        outbox.reset();
        assert_eq!(outbox.next(0).unwrap().0, 1);
        assert_eq!(outbox.oldest(), Some(1));
        assert!(outbox.remove(1).is_some() && outbox.remove(1).is_none());
        assert_eq!(outbox.next(0).unwrap().0, 5);
        assert!(outbox.next(0).is_none());
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
        outbox.next(0);
        outbox.next(0);
        outbox.again(1);
        assert_eq!(outbox.next(0).unwrap().0, 1);
        assert_eq!(outbox.next(0).unwrap().0, 3);
    }

    #[test]
    fn what_is_refused_holds_up_its_own_topic_only() {
        let mut outbox = Outbox::new(10_000, OutboxPolicy::DropOldest);
        for (id, name) in [(1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "b")] {
            outbox.push(id, of(name, id, 1));
        }
        let next = |outbox: &mut Outbox, now| outbox.next(now).map(|(id, _)| id);
        assert_eq!(next(&mut outbox, 10), Some(1));
        assert_eq!(outbox.rest(1, 10), Some(110));
        outbox.again(1);
        assert_eq!(next(&mut outbox, 20), Some(3));
        assert_eq!(next(&mut outbox, 20), Some(5));
        assert_eq!(next(&mut outbox, 20), None);
        // They may be given up meanwhile, and have room then.
        assert!(outbox.remove(4).is_some());
        assert_eq!(next(&mut outbox, 110), Some(1));
        // It does not rest again at once.
        assert_eq!(outbox.rest(1, 110), None);
        outbox.again(1);
        assert_eq!(next(&mut outbox, 111), Some(1));
        assert_eq!(next(&mut outbox, 111), Some(2));
        assert_eq!(outbox.rest(2, 1_009), None);
        assert_eq!(outbox.rest(2, 1_010), Some(1_110));
        outbox.again(2);
        assert_eq!(next(&mut outbox, 1_050), None);
        // What has rested is not in doubt, what is under way is.
        outbox.reset();
        assert!(outbox.get(1).unwrap().is_in_doubt && !outbox.get(2).unwrap().is_in_doubt);
        assert_eq!(next(&mut outbox, 1_050), Some(1));
        assert_eq!(next(&mut outbox, 1_050), Some(2));
        assert!(outbox.resting.is_empty());
    }
}
