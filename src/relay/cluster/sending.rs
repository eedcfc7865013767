//! The sequences of what is published here.

use super::envelope::Place;
use crate::relay::hub::Topic;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A sequence for each topic that has been published to of late.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    all: BTreeMap<Topic, Sequence>,
    /// About since when they are idle: it may be later than it says here.
    idle: BTreeSet<(u64, Topic)>,
    /// The number of the next one.
    next: u64,
    /// Where those stood that made room: to be said.
    last_words: VecDeque<(Topic, (u64, u64, u64))>,
}

/// The messages of this node to one topic.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Which one.
    pub(super) sequence: u64,
    /// The number of its last message.
    pub(super) last: u64,
    /// When it began.
    pub(super) born: u64,
    /// When it was last published to, or the connection was made.
    pub(super) used: u64,
    /// Where it stands among the idle ones.
    idle: u64,
    /// The numbers that are still to be sent.
    pub(super) unsent: BTreeSet<u64>,
    /// The highest number that is known to have been sent.
    pub(super) done: u64,
    /// Whether the broker orders it: then nobody has to be told where it stands before he reads.
    pub(super) is_shared: bool,
    /// Whether there is an alarm for its next mark.
    pub(super) is_alarmed: bool,
    /// How many marks there were since it was used.
    pub(super) marks: u32,
}

impl Sequences {
    /// Takes the next number of a topic.
    pub(super) fn take(&mut self, topic: &Topic, now: u64) -> &mut Sequence {
        if !self.all.contains_key(topic) && self.all.len() >= MOST {
            self.make_room();
        }
        let next = &mut self.next;
        let idle = &mut self.idle;
        let sequence = self.all.entry(topic.clone()).or_insert_with(|| {
            idle.insert((now, topic.clone()));
            let sequence = *next;
            *next = next.saturating_add(1);
            Sequence {
                sequence,
                last: 0,
                born: now,
                used: now,
                idle: now,
                unsent: BTreeSet::new(),
                done: 0,
                is_shared: false,
                is_alarmed: false,
                marks: 0,
            }
        });
        sequence.last += 1;
        sequence.used = now;
        sequence.marks = 0;
        sequence
    }

    pub(super) fn get_mut(&mut self, topic: &Topic) -> Option<&mut Sequence> {
        self.all.get_mut(topic)
    }

    /// That one of a topic, unless it was forgotten since.
    pub(super) fn of(&mut self, topic: &Topic, sequence: u64) -> Option<&mut Sequence> {
        let found = self.all.get_mut(topic);
        found.filter(|found| found.sequence == sequence)
    }

    /// The number of the sequence that begins next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Topic, &mut Sequence)> {
        self.all.iter_mut()
    }

    /// Forgets a sequence: the next message to the topic begins another.
    pub(super) fn forget(&mut self, topic: &Topic) {
        if let Some(sequence) = self.all.remove(topic) {
            self.idle.remove(&(sequence.idle, topic.clone()));
        }
    }

    /// Forgets one that has long been idle.
    fn make_room(&mut self) {
        // Each is looked at again once at most, as its time is put right then.
        while let Some((at, topic)) = self.idle.pop_first() {
            let Some(sequence) = self.all.get_mut(&topic) else {
                continue;
            };
            if sequence.used > at {
                sequence.idle = sequence.used;
                self.idle.insert((sequence.used, topic));
                continue;
            }
            if let Some(sequence) = self.all.remove(&topic) {
                if self.last_words.len() >= LAST_WORDS {
                    self.last_words.pop_front();
                }
                let place = (sequence.sequence, sequence.sent(), sequence.born);
                self.last_words.push_back((topic, place));
            }
            return;
        }
    }

    /// The topic of a sequence that made room, and where it stood: what was lost of its end is told with that.
    pub(super) fn last_word(&mut self, now: u64) -> Option<(Topic, Place)> {
        let (topic, (sequence, number, born)) = self.last_words.pop_front()?;
        let place = Place {
            sequence,
            number,
            age: age(born, now),
        };
        Some((topic, place))
    }
}

impl Sequence {
    /// Up to which number all has been sent, or given up.
    pub(super) fn sent(&self) -> u64 {
        self.unsent.first().map_or(self.last, |first| first - 1)
    }

    pub(super) fn place(&self, number: u64, now: u64) -> Place {
        Place {
            sequence: self.sequence,
            number,
            age: age(self.born, now),
        }
    }
}

pub(super) fn age(born: u64, now: u64) -> u32 {
    u32::try_from(now.saturating_sub(born)).unwrap_or(u32::MAX)
}

/// The last words that wait for a connection.
const LAST_WORDS: usize = 1 << 14;

/// The sequences that are held.
const MOST: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_comes_again_begins_another_sequence() {
        let mut sequences = Sequences::default();
        let (a, b) = (Topic::new("a").unwrap(), Topic::new("b").unwrap());
        let of = |sequence: &mut Sequence| (sequence.sequence, sequence.last);
        assert_eq!(of(sequences.take(&a, 0)), (0, 1));
        assert_eq!(of(sequences.take(&a, 0)), (0, 2));
        assert_eq!(of(sequences.take(&b, 0)), (1, 1));
        sequences.forget(&a);
        assert!(sequences.of(&a, 0).is_none());
        assert_eq!(of(sequences.take(&a, 9)), (2, 1));
        assert!(sequences.of(&a, 0).is_none() && sequences.of(&a, 2).is_some());
        assert_eq!(sequences.next(), 3);
        // What is forgotten leaves nothing behind.
        sequences.forget(&a);
        sequences.forget(&b);
        assert!(sequences.idle.is_empty());
    }

    #[test]
    fn the_one_that_was_idle_longest_makes_room() {
        let mut sequences = Sequences::default();
        let topic = |number: usize| Topic::new(&format!("t{number}")).unwrap();
        for number in 0..MOST {
            sequences.take(&topic(number), number as u64);
        }
        sequences.take(&topic(0), MOST as u64);
        sequences.take(&topic(MOST), MOST as u64);
        assert_eq!(sequences.all.len(), MOST);
        assert!(sequences.get_mut(&topic(0)).is_some());
        assert!(sequences.get_mut(&topic(1)).is_none());
        let word = sequences.last_word(9);
        let place = Place {
            sequence: 1,
            number: 1,
            age: 8,
        };
        assert_eq!(word, Some((topic(1), place)));
        assert_eq!(sequences.last_word(9), None);
    }
}
