//! What has come of others' sequences, and what has not.

use super::envelope::{Place, Sender};
use std::collections::BTreeMap;

/// The sequences of a topic, from when its channel was taken.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// When it was.
    pub(super) since: u64,
    /// Which event that was.
    pub(super) index: u64,
    all: BTreeMap<Sender, Seen>,
    /// How many senders were forgotten since somebody asked: of one that comes again nobody can say what is missing.
    forgotten: u64,
}

#[derive(Debug)]
struct Seen {
    sequence: u64,
    /// The number that came last, or is known to be lost.
    last: u64,
    at: u64,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It came before, or it was told to be lost.
    Old,
    /// It is the next one.
    Next,
    /// These are lost: from here to there.
    Lost(u64, u64),
}

impl Received {
    pub(super) const fn new(since: u64, index: u64) -> Self {
        Self {
            since,
            index,
            all: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// A message has come. What is lost then is before it.
    pub(super) fn message(
        &mut self,
        from: Sender,
        place: Place,
        floor: Option<u64>,
        now: u64,
    ) -> News {
        let Some(first) = self.begin(from, place, floor, place.number, now) else {
            return News::Old;
        };
        match place.number {
            number if number < first => News::Old,
            number if number == first => News::Next,
            number => News::Lost(first, number - 1),
        }
    }

    /// All up to a number have been sent.
    pub(super) fn mark(
        &mut self,
        from: Sender,
        place: Place,
        floor: Option<u64>,
        now: u64,
    ) -> News {
        let after = place.number.saturating_add(1);
        match self.begin(from, place, floor, after, now) {
            Some(first) if first <= place.number => News::Lost(first, place.number),
            _ => News::Old,
        }
    }

    /// How many senders were forgotten since this was asked last.
    pub(super) const fn take_forgotten(&mut self) -> u64 {
        std::mem::replace(&mut self.forgotten, 0)
    }

    pub(super) fn knows(&self, from: Sender) -> bool {
        self.all.contains_key(&from)
    }

    /// The number that should have come next, which is `unknown` if nobody can say; then takes this place for the last one.
    ///
    /// `floor` is a number of sequences: those from it on have begun after the channel was taken, so that nothing of them came before.
    fn begin(
        &mut self,
        from: Sender,
        place: Place,
        floor: Option<u64>,
        unknown: u64,
        now: u64,
    ) -> Option<u64> {
        let first = match self.all.get(&from) {
            Some(seen) if place.sequence < seen.sequence => return None,
            Some(seen) if place.sequence == seen.sequence => seen.last.saturating_add(1),
            // It began after what is known, so after the channel was taken.
            Some(_) => 1,
            None if floor.is_some_and(|floor| floor <= place.sequence) => 1,
            None if self.is_younger(place.age, now) => 1,
            None => unknown,
        };
        if self.all.len() >= MOST && !self.all.contains_key(&from) {
            let oldest = self.all.iter().min_by_key(|(_, seen)| seen.at);
            if let Some(oldest) = oldest.map(|(sender, _)| *sender) {
                self.all.remove(&oldest);
                self.forgotten += 1;
            }
        }
        let seen = self.all.entry(from).or_insert(Seen {
            sequence: place.sequence,
            last: 0,
            at: now,
        });
        if seen.sequence != place.sequence {
            seen.sequence = place.sequence;
            seen.last = 0;
        }
        seen.last = seen.last.max(place.number);
        seen.at = now;
        Some(first)
    }

    /// Whether a sequence of that age began after the channel was taken, whatever its way took and however its clock goes.
    fn is_younger(&self, age: u32, now: u64) -> bool {
        let age = u64::from(age);
        age + age / 32 + WAY < now.saturating_sub(self.since)
    }
}

/// The senders that are held for a topic.
const MOST: usize = 1 << 10;

/// Milliseconds that a message may be under way: a broker that stands still for 5 s is taken for gone, on both ends.
const WAY: u64 = 12_000;

#[cfg(test)]
mod tests {
    use super::*;

    const A: Sender = Sender { node: 1, life: 10 };
    const B: Sender = Sender { node: 1, life: 11 };

    const fn at(sequence: u64, number: u64) -> Place {
        Place {
            sequence,
            number,
            age: u32::MAX,
        }
    }

    #[test]
    fn what_came_before_is_old_and_holes_have_their_range() {
        let mut received = Received::new(0, 0);
        // Nobody knows what came before.
        assert_eq!(received.message(A, at(0, 7), None, 0), News::Next);
        assert_eq!(received.message(A, at(0, 7), None, 0), News::Old);
        assert_eq!(received.message(A, at(0, 8), None, 0), News::Next);
        assert_eq!(received.message(A, at(0, 12), None, 0), News::Lost(9, 11));
        assert_eq!(received.message(A, at(0, 10), None, 0), News::Old);
        assert_eq!(received.mark(A, at(0, 12), None, 0), News::Old);
        assert_eq!(received.mark(A, at(0, 13), None, 0), News::Lost(13, 13));
        assert_eq!(received.mark(A, at(0, 13), None, 0), News::Old);
        assert_eq!(received.message(A, at(0, 13), None, 0), News::Old);
        // Another life of the node is another sender.
        assert_eq!(received.message(B, at(0, 1), None, 0), News::Next);
        assert_eq!(received.message(A, at(0, 14), None, 0), News::Next);
    }

    #[test]
    fn a_later_sequence_began_while_this_was_listening() {
        let mut received = Received::new(0, 0);
        assert_eq!(received.mark(A, at(2, 5), None, 0), News::Old);
        assert!(received.knows(A) && !received.knows(B));
        assert_eq!(received.message(A, at(3, 3), None, 0), News::Lost(1, 2));
        assert_eq!(received.message(A, at(2, 6), None, 0), News::Old);
        assert_eq!(received.mark(A, at(4, 1), None, 0), News::Lost(1, 1));
    }

    #[test]
    fn what_is_known_to_be_new_begins_at_one() {
        let mut received = Received::new(0, 0);
        assert_eq!(received.message(A, at(4, 2), Some(5), 0), News::Next);
        assert_eq!(received.message(B, at(5, 2), Some(5), 0), News::Lost(1, 1));
        let mut received = Received::new(1_000, 0);
        let young = Place {
            sequence: 0,
            number: 3,
            age: 3_200,
        };
        assert_eq!(received.mark(A, young, None, 16_300), News::Old);
        assert_eq!(received.mark(B, young, None, 16_301), News::Lost(1, 3));
    }

    #[test]
    fn the_sender_that_was_silent_longest_is_forgotten() {
        let mut received = Received::new(0, 0);
        for node in 0..=MOST as u64 {
            received.message(Sender { node, life: 0 }, at(0, 1), None, node);
        }
        assert_eq!(received.all.len(), MOST);
        let first = Sender { node: 0, life: 0 };
        assert!(!received.knows(first));
        // What was missing of it when it comes again is not known, which is counted, and nothing wrong is told.
        assert_eq!(
            (received.take_forgotten(), received.take_forgotten()),
            (1, 0)
        );
        assert_eq!(received.message(first, at(0, 9), None, 2_000), News::Next);
        assert_eq!(
            received.message(first, at(0, 11), None, 2_000),
            News::Lost(10, 10)
        );
        assert_eq!(received.take_forgotten(), 1);
    }
}
