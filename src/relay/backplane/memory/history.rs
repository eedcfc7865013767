//! What is kept of topics, for all nodes in one order.

use crate::relay::hub::{Retention, Topic};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The histories of all topics.
pub(super) struct Histories {
    topics: HashMap<Topic, History>,
    octets: usize,
    most: usize,
    /// How many topics there are when the next look is taken for those that can be forgotten.
    sweep_at: usize,
    epochs: u64,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// It has this epoch and offset.
    At(u64, u64),
    /// It was appended before.
    Before,
    /// There is no room for one more topic.
    TooMany,
}

impl Default for Histories {
    fn default() -> Self {
        Self {
            topics: HashMap::new(),
            octets: 0,
            most: MOST_OCTETS,
            sweep_at: FIRST_SWEEP,
            // Positive, and below 2^53 for clients whose numbers are doubles: another process begins elsewhere.
            epochs: (getrandom::u64().unwrap_or(1) >> 12) | 1,
        }
    }
}

impl Histories {
    pub(super) fn append(
        &mut self,
        topic: &Topic,
        origin: (u64, u64),
        seq: u64,
        keep: Retention,
        message: &Bytes,
        now: Instant,
    ) -> Appended {
        self.make_room(topic, now);
        let Some(history) = self.topics.get_mut(topic) else {
            return Appended::TooMany;
        };
        history.age = Duration::from_millis(keep.age);
        if !history.is_new(origin, seq, now) {
            return Appended::Before;
        }
        history.last += 1;
        let position = (history.epoch, history.last);
        let before = history.octets;
        let room = self.most.saturating_sub(self.octets - before);
        history.push(message.clone(), keep, room, now);
        self.octets = self.octets - before + history.octets;
        Appended::At(position.0, position.1)
    }

    /// The epoch, the last offset and what is kept behind a place.
    pub(super) fn read(
        &mut self,
        topic: &Topic,
        after: Option<(u64, u64)>,
        most: usize,
        now: Instant,
    ) -> (u64, u64, Vec<(u64, u64, Bytes)>) {
        self.make_room(topic, now);
        let Some(history) = self.topics.get_mut(topic) else {
            return (0, 0, Vec::new());
        };
        let before = history.octets;
        history.expire(now);
        self.octets = self.octets - before + history.octets;
        let behind = after.map_or(
            0,
            |(epoch, offset)| {
                if epoch == history.epoch { offset } else { 0 }
            },
        );
        let newest = history.entries.iter().rev();
        let wanted = newest.take_while(|entry| entry.offset > behind).take(most);
        let mut entries: Vec<_> = wanted
            .map(|entry| {
                let age = now.saturating_duration_since(entry.at).as_millis();
                let age = u64::try_from(age).unwrap_or(u64::MAX);
                (entry.offset, age, entry.message.clone())
            })
            .collect();
        entries.reverse();
        (history.epoch, history.last, entries)
    }

    /// Sees to it that there is such a topic, unless there are too many.
    fn make_room(&mut self, topic: &Topic, now: Instant) {
        if let Some(history) = self.topics.get_mut(topic) {
            history.used = now;
            return;
        }
        if self.topics.len() >= self.sweep_at {
            self.sweep(now);
        }
        if self.topics.len() < MOST_TOPICS {
            self.epochs += 1;
            let history = History::new(self.epochs, now);
            self.topics.insert(topic.clone(), history);
        }
    }

    /// Forgets topics that nobody has used for long.
    fn sweep(&mut self, now: Instant) {
        let octets = &mut self.octets;
        self.topics.retain(|_, history| {
            let stays = now.saturating_duration_since(history.used) < history.age + FORGOTTEN_AFTER;
            if !stays {
                *octets -= history.octets;
            }
            stays
        });
        self.sweep_at = (self.topics.len() * 2).clamp(FIRST_SWEEP, MOST_TOPICS);
    }
}

/// What is kept of a topic.
struct History {
    epoch: u64,
    last: u64,
    entries: VecDeque<Entry>,
    octets: usize,
    age: Duration,
    used: Instant,
    /// The last of each sequence, and when it was.
    origins: HashMap<(u64, u64), (u64, Instant)>,
}

struct Entry {
    offset: u64,
    at: Instant,
    message: Bytes,
}

impl History {
    fn new(epoch: u64, now: Instant) -> Self {
        Self {
            epoch,
            last: 0,
            entries: VecDeque::new(),
            octets: 0,
            age: Duration::ZERO,
            used: now,
            origins: HashMap::new(),
        }
    }

    fn is_new(&mut self, origin: (u64, u64), seq: u64, now: Instant) -> bool {
        if let Some((last, at)) = self.origins.get_mut(&origin) {
            let is_new = seq > *last;
            *last = seq.max(*last);
            *at = now;
            return is_new;
        }
        if self.origins.len() >= MOST_ORIGINS {
            let oldest = self.origins.iter().min_by_key(|(_, (_, at))| *at);
            if let Some(oldest) = oldest.map(|(origin, _)| *origin) {
                self.origins.remove(&oldest);
            }
        }
        self.origins.insert(origin, (seq, now));
        true
    }

    /// Keeps a message, in so many octets for the whole history.
    fn push(&mut self, message: Bytes, keep: Retention, room: usize, now: Instant) {
        self.expire(now);
        self.octets += message.len() + OVERHEAD;
        self.entries.push_back(Entry {
            offset: self.last,
            at: now,
            message,
        });
        let octets = keep.octets.min(room);
        while self.entries.len() > keep.messages || self.octets > octets {
            if !self.pop() {
                return;
            }
        }
    }

    /// Gives up what is too old.
    fn expire(&mut self, now: Instant) {
        while self
            .entries
            .front()
            .is_some_and(|entry| now.saturating_duration_since(entry.at) > self.age)
        {
            self.pop();
        }
    }

    fn pop(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else {
            return false;
        };
        self.octets -= entry.message.len() + OVERHEAD;
        true
    }
}

/// What all histories hold at the most.
const MOST_OCTETS: usize = 64 << 20;

/// How many topics there are at the most.
const MOST_TOPICS: usize = 65_536;

/// With how many the first look is taken for those that can be forgotten.
const FIRST_SWEEP: usize = 1_024;

/// How long a topic whose messages are all too old keeps its epoch.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The sequences that are known of a topic.
const MOST_ORIGINS: usize = 1_024;

/// What a message costs beside itself, as [`Retention::octets`] counts it.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Appended, FORGOTTEN_AFTER, Histories, MOST_ORIGINS};
    use crate::relay::hub::{Retention, Topic};
    use bytes::Bytes;
    use std::time::Duration;
    use tokio::time::Instant;

    const KEEP: Retention = Retention {
        messages: 3,
        octets: 1_000,
        age: 1_000,
    };

    fn start() -> Instant {
        Instant::from_std(
            #[expect(clippy::disallowed_methods, reason = "times are counted from here")]
            std::time::Instant::now(),
        )
    }

    fn offsets(histories: &mut Histories, after: Option<(u64, u64)>, now: Instant) -> Vec<u64> {
        let topic = Topic::new("t").unwrap();
        let (.., entries) = histories.read(&topic, after, 100, now);
        entries.iter().map(|(offset, ..)| *offset).collect()
    }

    #[test]
    fn bounds_of_a_topic() {
        let (mut histories, topic, start) =
            (Histories::default(), Topic::new("t").unwrap(), start());
        let message = Bytes::from(vec![0; 200]);
        let mut epochs = Vec::new();
        for seq in 1..=5 {
            let now = start + Duration::from_millis(seq * 100);
            let Appended::At(epoch, offset) =
                histories.append(&topic, (1, 1), seq, KEEP, &message, now)
            else {
                panic!("{seq} was not appended");
            };
            assert_eq!(offset, seq);
            epochs.push(epoch);
        }
        epochs.dedup();
        let [epoch] = epochs[..] else {
            panic!("{epochs:?}");
        };
        assert!(epoch > 0 && epoch < 1 << 53);
        let now = start + Duration::from_millis(500);
        assert_eq!(offsets(&mut histories, None, now), [3, 4, 5]);
        assert_eq!(offsets(&mut histories, Some((epoch, 4)), now), [5]);
        assert!(offsets(&mut histories, Some((epoch, 9)), now).is_empty());
        assert_eq!(
            offsets(&mut histories, Some((epoch + 1, 4)), now),
            [3, 4, 5]
        );
        let newest = histories.read(&topic, None, 1, now);
        assert_eq!(newest, (epoch, 5, vec![(5, 0, message)]));
        // By octets: 800 and its own 64 leave no room for the others.
        let large = Bytes::from(vec![0; 800]);
        let appended = histories.append(&topic, (1, 1), 6, KEEP, &large, now);
        assert_eq!(appended, Appended::At(epoch, 6));
        assert_eq!(offsets(&mut histories, None, now), [6]);
        // By age.
        let later = now + Duration::from_millis(1_001);
        assert!(offsets(&mut histories, None, later).is_empty());
        assert_eq!(
            histories.read(&topic, None, 9, later),
            (epoch, 6, Vec::new())
        );
        assert_eq!(histories.octets, 0);
        // One that is too large for the topic counts, and is not kept.
        let huge = Bytes::from(vec![0; 1_000]);
        let appended = histories.append(&topic, (1, 1), 7, KEEP, &huge, later);
        assert_eq!(appended, Appended::At(epoch, 7));
        assert!(offsets(&mut histories, None, later).is_empty());
    }

    #[test]
    fn doubles_are_of_one_life_of_one_node() {
        let (mut histories, topic, now) = (Histories::default(), Topic::new("t").unwrap(), start());
        let one = Bytes::from_static(b"1");
        let mut append = |origin, seq| histories.append(&topic, origin, seq, KEEP, &one, now);
        assert!(matches!(append((1, 1), 5), Appended::At(_, 1)));
        assert_eq!(append((1, 1), 5), Appended::Before);
        assert_eq!(append((1, 1), 4), Appended::Before);
        assert!(matches!(append((1, 2), 5), Appended::At(_, 2)));
        assert!(matches!(append((2, 1), 5), Appended::At(_, 3)));
        assert!(matches!(append((1, 1), 6), Appended::At(_, 4)));
        for node in 0..2 * MOST_ORIGINS as u64 {
            append((node, 9), 1);
        }
        assert_eq!(histories.topics[&topic].origins.len(), MOST_ORIGINS);
    }

    #[test]
    fn bounds_of_all() {
        let (mut histories, start) = (Histories::default(), start());
        histories.most = 500;
        let message = Bytes::from(vec![0; 100]);
        for number in 0..10 {
            let topic = Topic::new(&format!("t:{number}")).unwrap();
            for seq in 1..4 {
                histories.append(&topic, (1, 1), seq, KEEP, &message, start);
            }
            assert!(histories.octets <= 500, "{}", histories.octets);
        }
        // Those that are idle are forgotten, the others are not.
        let later = start + FORGOTTEN_AFTER;
        let used = Topic::new("t:0").unwrap();
        histories.append(&used, (1, 1), 9, KEEP, &message, later);
        histories.sweep(later + Duration::from_secs(1));
        assert_eq!(histories.topics.len(), 1);
        assert_eq!(histories.octets, histories.topics[&used].octets);
        // Whoever reads one that is not there is told where it begins.
        let (epoch, last, entries) = histories.read(&Topic::new("t:1").unwrap(), None, 9, later);
        assert_eq!((epoch, last, entries), (histories.epochs, 0, Vec::new()));
    }
}
