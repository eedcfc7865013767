//! What waits for a socket that is slower than what is published.

use crate::ws::prepared::Prepared;
use std::collections::{HashMap, VecDeque};

/// What becomes of messages for a socket that has too many of a subscription waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest is dropped, and the socket is told how many were.
    #[default]
    DropOldest,
    /// The socket is closed with 1013 (try again later).
    Close,
}

/// Messages that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<(u32, Item)>,
    octets: usize,
    /// How many messages of a subscription wait.
    counts: HashMap<u32, usize>,
}

#[derive(Debug)]
pub(super) enum Item {
    Message(Prepared),
    /// So many messages of the subscription were here.
    Missed(u64),
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What all of it counts.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// How many messages of a subscription wait.
    pub(super) fn count(&self, key: u32) -> usize {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, key: u32, message: Prepared) {
        self.octets += weight(&message);
        *self.counts.entry(key).or_insert(0) += 1;
        self.queue.push_back((key, Item::Message(message)));
    }

    /// Says that messages are missing behind what waits.
    pub(super) fn miss(&mut self, key: u32, missed: u64) {
        let last = self.queue.iter_mut().rev().find(|(of, _)| *of == key);
        match last {
            Some((_, Item::Missed(count))) => *count += missed,
            _ => {
                self.octets += OVERHEAD;
                self.queue.push_back((key, Item::Missed(missed)));
            }
        }
    }

    /// Drops the oldest message of a subscription; what tells so stands in its place.
    pub(super) fn drop_oldest(&mut self, key: u32) {
        let mut of_key = (0..self.queue.len()).filter(|place| self.queue[*place].0 == key);
        let Some(first) = of_key.next() else {
            return;
        };
        let (told, dropped) = match self.queue[first].1 {
            Item::Missed(count) => {
                let Some(next) = of_key.next() else {
                    return;
                };
                (Some((first, count)), next)
            }
            Item::Message(_) => (None, first),
        };
        match told {
            Some((place, count)) => {
                if let Some((_, Item::Message(message))) = self.queue.remove(dropped) {
                    self.octets -= weight(&message);
                    self.queue[place].1 = Item::Missed(count + 1);
                    self.less(key);
                }
            }
            None => {
                let item = std::mem::replace(&mut self.queue[dropped].1, Item::Missed(1));
                if let Item::Message(message) = item {
                    self.octets -= weight(&message);
                    self.octets += OVERHEAD;
                    self.less(key);
                }
            }
        }
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&(u32, Item)> {
        self.queue.front()
    }

    /// Takes the oldest away.
    pub(super) fn pop(&mut self) {
        if let Some((key, item)) = self.queue.pop_front() {
            match item {
                Item::Message(message) => {
                    self.octets -= weight(&message);
                    self.less(key);
                }
                Item::Missed(_) => self.octets -= OVERHEAD,
            }
        }
    }

    /// Forgets what waits of a subscription that has ended.
    pub(super) fn forget(&mut self, key: u32) {
        self.counts.remove(&key);
        let octets = &mut self.octets;
        self.queue.retain(|(of, item)| {
            if *of == key {
                *octets -= match item {
                    Item::Message(message) => weight(message),
                    Item::Missed(_) => OVERHEAD,
                };
            }
            *of != key
        });
    }

    fn less(&mut self, key: u32) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

fn weight(message: &Prepared) -> usize {
    message.frame().len() + OVERHEAD
}

/// What an item costs beside its frame.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(waiting: &Waiting) -> String {
        let items = waiting.queue.iter().map(|(key, item)| match item {
            Item::Message(message) => {
                format!("{key}{}", str::from_utf8(&message.frame()[2..]).unwrap())
            }
            Item::Missed(count) => format!("{key}-{count}"),
        });
        items.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_dropped_is_told_where_it_was() {
        let mut waiting = Waiting::default();
        for (key, text) in [(1, "a"), (2, "b"), (1, "c"), (1, "d"), (2, "e")] {
            waiting.push(key, Prepared::text(text));
        }
        assert_eq!((waiting.count(1), waiting.count(2)), (3, 2));
        waiting.drop_oldest(1);
        assert_eq!(shown(&waiting), "1-1 2b 1c 1d 2e");
        waiting.drop_oldest(1);
        assert_eq!(shown(&waiting), "1-2 2b 1d 2e");
        waiting.miss(1, 3);
        waiting.miss(1, 1);
        waiting.drop_oldest(2);
        assert_eq!(shown(&waiting), "1-2 2-1 1d 2e 1-4");
        waiting.pop();
        assert_eq!((waiting.count(1), waiting.count(2)), (1, 1));
        waiting.forget(1);
        assert_eq!(shown(&waiting), "2-1 2e");
        waiting.forget(2);
        waiting.drop_oldest(2);
        assert_eq!((waiting.octets(), waiting.is_empty()), (0, true));
        assert!(waiting.counts.is_empty());
    }
}
