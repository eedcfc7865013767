//! Which offsets the places of a channel have.
//!
//! Places go on for as long as the channel is there, and its subscribers count them. Offsets begin anew with each epoch, so whoever is told
//! which messages are missing is told in which epoch each of their places was.

use super::message::Message;
use super::{Hub, Topic};

/// A run of places that have offsets of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) epoch: u64,
    /// The place before the first one, and the offset before it.
    pub(super) place: u64,
    pub(super) offset: u64,
}

/// The epochs of a channel whose order is not its own from the beginning.
#[derive(Debug)]
pub(super) struct Lives {
    /// Those before, oldest first, as far as somebody may be told of their places.
    earlier: Vec<Life>,
    pub(super) now: Life,
}

/// Messages of a topic in one epoch, from the first offset to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Life {
    /// That of a channel whose order is its own from the beginning: there a place is an offset.
    pub(super) const fn own(epoch: u64) -> Self {
        Self {
            epoch,
            place: 0,
            offset: 0,
        }
    }

    /// The place of an offset.
    pub(super) const fn place_of(&self, offset: u64) -> u64 {
        self.place
            .saturating_add(offset.saturating_sub(self.offset))
    }

    const fn offset_of(&self, place: u64) -> u64 {
        self.offset.saturating_add(place.saturating_sub(self.place))
    }
}

impl Lives {
    pub(super) const fn new(now: Life) -> Self {
        Self {
            earlier: Vec::new(),
            now,
        }
    }

    /// Goes on with this one. Those before are kept if somebody may have places in them, the newest of them.
    pub(super) fn begin(&mut self, life: Life, is_counted: bool) {
        if !is_counted {
            self.earlier = Vec::new();
        } else if life.place > self.now.place {
            if self.earlier.len() >= EARLIER {
                self.earlier.remove(0);
            }
            self.earlier.push(self.now);
        }
        self.now = life;
    }

    /// What was at these places, from the first to the last, as far as that is known.
    pub(super) fn offsets(&self, first: u64, last: u64) -> Vec<Offsets> {
        let mut found = Vec::new();
        let mut lives = self.earlier.iter().chain([&self.now]).peekable();
        while let Some(life) = lives.next() {
            let end = lives.peek().map_or(u64::MAX, |next| next.place);
            let (first, last) = (first.max(life.place.saturating_add(1)), last.min(end));
            if first <= last {
                found.push(Offsets {
                    epoch: life.epoch,
                    first: life.offset_of(first),
                    last: life.offset_of(last),
                });
            }
        }
        found
    }
}

impl Offsets {
    /// How many there are.
    pub(crate) const fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl<M: Message> Hub<M> {
    /// Which messages of a topic were at these places, as [`Delivery::before`](super::Delivery::before) counts them: a run for each epoch,
    /// oldest first. What was in an epoch that is not known any more is left out. For somebody who subscribes to the topic.
    pub(crate) fn offsets(&self, topic: &Topic, first: u64, last: u64) -> Vec<Offsets> {
        let shard = self.shard(topic);
        let record = shard.get(topic);
        record.map_or_else(Vec::new, |record| record.messages.offsets(first, last))
    }
}

/// The epochs before the present one that are known of a topic: one more for each time that a broker has lost it.
const EARLIER: usize = 8;

#[cfg(all(test, not(wireline_loom)))]
mod tests {
    use super::*;

    fn run(epoch: u64, first: u64, last: u64) -> Offsets {
        Offsets { epoch, first, last }
    }

    #[test]
    fn each_place_has_the_offset_of_its_epoch() {
        let mut lives = Lives::new(Life::own(1));
        assert_eq!(lives.offsets(3, 9), [run(1, 3, 9)]);
        let begin = |lives: &mut Lives, epoch, place, offset| {
            let life = Life {
                epoch,
                place,
                offset,
            };
            lives.begin(life, true);
        };
        begin(&mut lives, 7, 5, 500);
        // Nothing came in this one.
        begin(&mut lives, 8, 7, 0);
        begin(&mut lives, 9, 7, 10);
        assert_eq!(
            lives.offsets(4, 8),
            [run(1, 4, 5), run(7, 501, 502), run(9, 11, 11)]
        );
        assert_eq!(lives.offsets(6, 6), [run(7, 501, 501)]);
        assert_eq!(lives.offsets(8, u64::MAX)[0].first, 11);
        assert_eq!(lives.now.place_of(12), 9);
        for round in 0..EARLIER as u64 {
            begin(&mut lives, 20 + round, 10 + round, 0);
        }
        // The first of them are not known any more.
        assert_eq!(lives.earlier.len(), EARLIER);
        assert_eq!(lives.offsets(1, 10), [run(9, 11, 13)]);
        lives.begin(Life::own(99), false);
        assert!(lives.earlier.is_empty());
    }
}
