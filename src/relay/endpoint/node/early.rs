//! What was delivered before the broker had given it an offset: who comes later, and goes on from one, gets it as well.

use super::words;
use crate::relay::hub::{Entry, Topic};
use crate::ws::prepared::Prepared;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

#[derive(Debug)]
pub(super) struct Early {
    topics: HashMap<Topic, VecDeque<(Prepared, u64)>>,
    octets: usize,
    /// What the broker gets is bounded as well.
    most: usize,
}

impl Early {
    pub(super) fn new(most: usize) -> Self {
        Self {
            topics: HashMap::new(),
            octets: 0,
            most,
        }
    }

    pub(super) fn add(&mut self, topic: &Topic, message: &Prepared, except: Option<u64>) {
        let weight = weight(message);
        if self.octets + weight > self.most {
            return;
        }
        self.octets += weight;
        let messages = self.topics.entry(topic.clone()).or_default();
        messages.push_back((message.clone(), except.unwrap_or(0)));
    }

    /// A message has its offset now, and those before it have theirs or will have none.
    pub(super) fn settle(&mut self, topic: &Topic, payload: &Bytes) {
        let Some(messages) = self.topics.get_mut(topic) else {
            return;
        };
        let place = messages
            .iter()
            .position(|(message, _)| message.payload() == payload);
        let count = place.map_or(0, |place| place + 1);
        let settled = messages.drain(..count);
        self.octets -= settled.map(|(message, _)| weight(&message)).sum::<usize>();
        if messages.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(super) fn forget(&mut self, topic: &Topic) {
        let messages = self.topics.remove(topic).into_iter().flatten();
        self.octets -= messages.map(|(message, _)| weight(&message)).sum::<usize>();
    }

    /// Those of a topic, as they were delivered.
    pub(super) fn of(&self, topic: &Topic, now: u64) -> Vec<Entry<Prepared>> {
        let messages = self.topics.get(topic).into_iter().flatten();
        let entries = messages.map(|(message, except)| Entry {
            offset: 0,
            span: 0,
            at: now,
            except: *except,
            message: words::uncounted(message.clone()),
        });
        entries.collect()
    }
}

fn weight(message: &Prepared) -> usize {
    message.frame().len() + OVERHEAD
}

/// What a message costs beside its frame, as in the outbox.
const OVERHEAD: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_its_offset_is_early_no_more() {
        let (a, b) = (Topic::new("a").unwrap(), Topic::new("b").unwrap());
        let mut early = Early::new(1000);
        for text in ["1", "2", "3"] {
            early.add(&a, &Prepared::text(text), Some(7));
            early.add(&b, &Prepared::text(text), None);
        }
        assert_eq!(early.of(&a, 5).len(), 3);
        early.settle(&a, &Bytes::from_static(b"2"));
        let left = early.of(&a, 5);
        assert_eq!((left.len(), left[0].except, left[0].span), (1, 7, 0));
        assert_eq!(left[0].message.frame(), Prepared::text("3").frame());
        early.settle(&a, &Bytes::from_static(b"3"));
        early.settle(&a, &Bytes::from_static(b"3"));
        early.forget(&b);
        assert_eq!((early.octets, early.topics.len()), (0, 0));
        // There is an end to it.
        for _ in 0..100 {
            early.add(&a, &Prepared::text("1"), None);
        }
        assert!(early.octets <= 1000);
    }
}
