//! What waits for a socket that is slower than what is published.

use super::node::worth;
use crate::ws::prepared::Prepared;
use std::collections::{HashMap, VecDeque};

/// What becomes of messages for a client for which too much is waiting.
///
/// ```
/// use wireline::relay::{Overflow, RelayConfig};
///
/// let config = RelayConfig::default().overflow(Overflow::Close).waiting_overflow(Overflow::DropOldest);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest is dropped. A client of the relay is told how many were.
    #[default]
    DropOldest,
    /// Its socket is closed with 1013 (try again later).
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
    /// With how many places of the subscription it stands for: none if it is not counted.
    Message(Prepared, u64),
    /// So many messages of the subscription were here.
    Missed(u64),
    /// So many were here that are not counted.
    MissedUncounted(u64),
    /// So many were for everybody else.
    Skipped(u64),
    /// What the client is told of a gap that was here.
    Told(Prepared),
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

    pub(super) fn push(&mut self, key: u32, message: Prepared, span: u64) {
        self.octets += weight(&message);
        *self.counts.entry(key).or_insert(0) += 1;
        self.add(key, Item::Message(message, span));
    }

    /// Whoever is slow has as much as may wait, as a rule, and there may be many: the queue grows by a half, and is not twice as long as it
    /// has to be.
    fn add(&mut self, key: u32, item: Item) {
        if self.queue.len() == self.queue.capacity() {
            self.queue.reserve_exact(4 + self.queue.len() / 2);
        }
        self.queue.push_back((key, item));
    }

    /// Says that messages are missing behind what waits.
    pub(super) fn miss(&mut self, key: u32, missed: u64) {
        let last = self.queue.iter_mut().rev().find(|(of, _)| *of == key);
        match last {
            Some((_, Item::Missed(count))) => *count += missed,
            _ => {
                self.octets += OVERHEAD;
                self.add(key, Item::Missed(missed));
            }
        }
    }

    /// Says that a message, or what stands for several, was for everybody else.
    pub(super) fn skip(&mut self, key: u32, span: u64) {
        match self.queue.back_mut() {
            Some((of, Item::Skipped(count))) if *of == key => *count += span,
            _ => {
                self.octets += OVERHEAD;
                self.add(key, Item::Skipped(span));
            }
        }
    }

    /// Puts what is told of a gap before everything else. It is no more than was there before, so it counts as little.
    pub(super) fn push_told(&mut self, key: u32, message: Prepared) {
        self.octets += OVERHEAD;
        self.queue.push_front((key, Item::Told(message)));
    }

    /// Takes what waits there over.
    pub(super) fn append(&mut self, mut other: Self) {
        self.octets += other.octets;
        self.queue.append(&mut other.queue);
        for (key, count) in other.counts {
            *self.counts.entry(key).or_insert(0) += count;
        }
    }

    /// Drops the oldest message of a subscription; what tells so stands in its place.
    pub(super) fn drop_oldest(&mut self, key: u32) {
        let (mut told, mut told_uncounted) = (None, None);
        let mut of_key = self.queue.iter_mut().enumerate();
        let oldest = of_key.find_map(|(place, (of, item))| {
            if *of != key {
                return None;
            }
            match item {
                Item::Message(_, span) => Some((place, *span)),
                Item::Missed(_) => {
                    told = Some(place);
                    None
                }
                Item::MissedUncounted(_) => {
                    told_uncounted = Some(place);
                    None
                }
                // What was missed before it is told apart from what is missed behind it.
                Item::Skipped(_) | Item::Told(_) => {
                    (told, told_uncounted) = (None, None);
                    None
                }
            }
        });
        let Some((oldest, span)) = oldest else {
            return;
        };
        let Some((_, item)) = self.queue.get_mut(oldest) else {
            return;
        };
        // One that is not counted is missing nevertheless: the client has no other way to know.
        let (gap, told) = match item {
            Item::Message(message, 0) => (Item::MissedUncounted(worth(message)), told_uncounted),
            _ => (Item::Missed(span), told),
        };
        let missed = gap.missed();
        let item = std::mem::replace(item, gap);
        self.octets += OVERHEAD;
        self.let_go(key, &item);
        if let Some(place) = told
            && let Some((_, Item::Missed(count) | Item::MissedUncounted(count))) =
                self.queue.get_mut(place)
        {
            *count = count.saturating_add(missed);
            self.queue.remove(oldest);
            self.octets -= OVERHEAD;
        }
    }

    /// Drops the oldest message of any subscription; `false` when there is none.
    pub(super) fn drop_oldest_of_all(&mut self) -> bool {
        let oldest = self
            .queue
            .iter()
            .find(|(key, item)| *key != NO_SUBSCRIPTION && matches!(item, Item::Message(..)));
        let Some(key) = oldest.map(|(key, _)| *key) else {
            return false;
        };
        self.drop_oldest(key);
        true
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&(u32, Item)> {
        self.queue.front()
    }

    /// Takes the oldest away.
    pub(super) fn pop(&mut self) -> Option<(u32, Item)> {
        let (key, item) = self.queue.pop_front()?;
        self.let_go(key, &item);
        Some((key, item))
    }

    /// Forgets what waits of a subscription that has ended.
    pub(super) fn forget(&mut self, key: u32) {
        self.counts.remove(&key);
        let octets = &mut self.octets;
        self.queue.retain(|(of, item)| {
            if *of == key {
                *octets -= item.weight();
            }
            *of != key
        });
    }

    fn let_go(&mut self, key: u32, item: &Item) {
        self.octets -= item.weight();
        if matches!(item, Item::Message(..))
            && let Some(count) = self.counts.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

impl Item {
    fn weight(&self) -> usize {
        match self {
            Self::Message(message, _) => weight(message),
            Self::Missed(_) | Self::MissedUncounted(_) | Self::Skipped(_) | Self::Told(_) => {
                OVERHEAD
            }
        }
    }

    /// How many are missing where it stands.
    const fn missed(&self) -> u64 {
        match self {
            Self::Missed(count) | Self::MissedUncounted(count) => *count,
            Self::Message(..) | Self::Skipped(_) | Self::Told(_) => 0,
        }
    }
}

fn weight(message: &Prepared) -> usize {
    message.frame().len() + OVERHEAD
}

/// The key of messages that no subscription counts.
pub(super) const NO_SUBSCRIPTION: u32 = u32::MAX;

/// What an item costs beside its frame.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(waiting: &Waiting) -> String {
        let items = waiting.queue.iter().map(|(key, item)| match item {
            Item::Message(message, _) => {
                format!("{key}{}", str::from_utf8(&message.frame()[2..]).unwrap())
            }
            Item::Missed(count) => format!("{key}-{count}"),
            Item::MissedUncounted(count) => format!("{key}={count}"),
            Item::Skipped(count) => format!("{key}~{count}"),
            Item::Told(message) => {
                format!("{key}!{}", str::from_utf8(&message.frame()[2..]).unwrap())
            }
        });
        items.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_dropped_is_told_where_it_was() {
        let mut waiting = Waiting::default();
        for (key, text) in [(1, "a"), (2, "b"), (1, "c"), (1, "d"), (2, "e")] {
            waiting.push(key, Prepared::text(text), 1);
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

    /// As many as may wait, for as many as are slow.
    #[test]
    fn what_waits_takes_little_more_than_it_is() {
        let mut waiting = Waiting::default();
        let message = Prepared::text("a");
        for _ in 0..1000 {
            waiting.push(1, message.clone(), 1);
            while waiting.count(1) > 128 {
                waiting.drop_oldest(1);
            }
        }
        let item = size_of::<(u32, Item)>();
        assert!(item <= 32, "{item} octets");
        let places = waiting.queue.capacity();
        assert!((129..200).contains(&places), "{places} places");
    }

    #[test]
    fn what_was_for_others_keeps_its_place() {
        let mut waiting = Waiting::default();
        waiting.push(1, Prepared::text("a"), 1);
        waiting.skip(1, 1);
        waiting.skip(1, 1);
        waiting.push(1, Prepared::text("b"), 1);
        waiting.push(1, Prepared::text("c"), 1);
        assert_eq!(shown(&waiting), "1a 1~2 1b 1c");
        waiting.drop_oldest(1);
        waiting.drop_oldest(1);
        waiting.drop_oldest(1);
        assert_eq!(shown(&waiting), "1-1 1~2 1-2");
        let mut first = Waiting::default();
        first.push(2, Prepared::text("x"), 1);
        first.append(waiting);
        first.push_told(1, Prepared::text("y"));
        assert_eq!(first.count(1), 0);
        assert_eq!(shown(&first), "1!y 2x 1-1 1~2 1-2");
        assert_eq!(first.pop().map(|(key, _)| key), Some(1));
        assert_eq!(shown(&first), "2x 1-1 1~2 1-2");
        assert!(first.drop_oldest_of_all());
        assert_eq!(shown(&first), "2-1 1-1 1~2 1-2");
        assert!(!first.drop_oldest_of_all());
        first.forget(1);
        first.forget(2);
        assert_eq!(first.octets(), 0);
    }

    #[test]
    fn what_is_dropped_counts_for_what_it_stood_for() {
        let mut waiting = Waiting::default();
        for (text, span) in [("a", 1), ("b", 0), ("c", 5), ("d", 0), ("e", 1)] {
            waiting.push(1, Prepared::text(text), span);
        }
        waiting.drop_oldest(1);
        waiting.drop_oldest(1);
        // What is not counted is told, and apart from what is.
        assert_eq!(shown(&waiting), "1-1 1=1 1c 1d 1e");
        waiting.drop_oldest(1);
        assert_eq!(shown(&waiting), "1-6 1=1 1d 1e");
        waiting.drop_oldest(1);
        assert_eq!(
            (waiting.count(1), shown(&waiting)),
            (1, "1-6 1=2 1e".to_owned())
        );
        waiting.skip(1, 1);
        let gap = r#"{"type":"lagged","topic":"a","missed":4,"to":"all"}"#;
        waiting.push(1, Prepared::text(gap), 0);
        waiting.drop_oldest(1);
        waiting.drop_oldest(1);
        assert_eq!(shown(&waiting), "1-7 1=2 1~1 1=4");
        waiting.forget(1);
        assert_eq!(waiting.octets(), 0);
    }
}
