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
    queue: VecDeque<Slot>,
    octets: usize,
    /// How many messages of a subscription wait.
    counts: HashMap<u32, usize>,
}

/// What waits of a subscription, or stands where something did.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: u32,
    /// How many places of the subscription a message stands for: none if it is not counted.
    pub(super) span: u32,
    pub(super) item: Item,
}

#[derive(Debug)]
pub(super) enum Item {
    /// With its place in the topic, the last one if it stands for several.
    Message(Prepared, u64),
    /// Messages of the subscription were here.
    Missed(Box<Missed>),
    /// So many were here that are not counted.
    MissedUncounted(u64),
    /// So many were for everybody else.
    Skipped(u64),
    /// What the client is told of a gap that was here.
    Told(Prepared),
}

/// What is missing of a subscription where this stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Missed(Missed),
    /// Messages that do not count.
    MissedUncounted(u64),
    Skipped(u64),
}

/// Messages of a topic that are missing, and their places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    /// How many. Those between that were for everybody else are not among them, where the client is not told of such.
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Missed {
    /// So many, up to this place.
    pub(super) const fn up_to(last: u64, count: u64) -> Self {
        Self {
            count,
            first: last.saturating_sub(count).saturating_add(1),
            last,
        }
    }

    /// And these, which come behind them.
    const fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.last = more.last;
    }
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

    /// Lets a message wait, which stands for so many places up to this one.
    pub(super) fn push(&mut self, key: u32, message: Prepared, place: u64, span: u64) {
        let Ok(span) = u32::try_from(span) else {
            // It tells of billions that are missing: which those are is told without it.
            return self.miss(key, Missed::up_to(place, span));
        };
        self.octets += weight(&message);
        *self.counts.entry(key).or_insert(0) += 1;
        self.add(Slot {
            key,
            span,
            item: Item::Message(message, place),
        });
    }

    /// Whoever is slow has as much as may wait, as a rule, and there may be many: the queue grows by a half, and is not twice as long as it
    /// has to be.
    fn add(&mut self, slot: Slot) {
        if self.queue.len() == self.queue.capacity() {
            self.queue.reserve_exact(4 + self.queue.len() / 2);
        }
        self.queue.push_back(slot);
    }

    /// The same for what stands where something was.
    fn add_mark(&mut self, key: u32, item: Item) {
        self.octets += OVERHEAD;
        self.add(Slot { key, span: 0, item });
    }

    /// Says that messages are missing behind what waits.
    pub(super) fn miss(&mut self, key: u32, missed: Missed) {
        let last = self.queue.iter_mut().rev().find(|slot| slot.key == key);
        let is_added = last.is_some_and(|slot| slot.item.add(Gap::Missed(missed)));
        if !is_added {
            self.add_mark(key, Item::Missed(Box::new(missed)));
        }
    }

    /// Says that a message, or what stands for several, was for everybody else.
    pub(super) fn skip(&mut self, key: u32, span: u64) {
        match self.queue.back_mut() {
            Some(Slot {
                key: of,
                item: Item::Skipped(count),
                ..
            }) if *of == key => *count += span,
            _ => self.add_mark(key, Item::Skipped(span)),
        }
    }

    /// Puts what is told of a gap before everything else. It is no more than was there before, so it counts as little.
    pub(super) fn push_told(&mut self, key: u32, message: Prepared) {
        self.octets += OVERHEAD;
        self.queue.push_front(Slot {
            key,
            span: 0,
            item: Item::Told(message),
        });
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
        let mut slots = self.queue.iter().enumerate();
        let oldest = slots.find_map(|(place, slot)| {
            if slot.key != key {
                return None;
            }
            match &slot.item {
                // One that is not counted is missing nevertheless: the client has no other way to know.
                Item::Message(message, _) if slot.span == 0 => {
                    return Some((place, Gap::MissedUncounted(worth(message))));
                }
                Item::Message(_, last) => {
                    let missed = Missed::up_to(*last, slot.span.into());
                    return Some((place, Gap::Missed(missed)));
                }
                Item::Missed(_) => told = Some(place),
                Item::MissedUncounted(_) => told_uncounted = Some(place),
                // What was missed before it is told apart from what is missed behind it.
                Item::Skipped(_) | Item::Told(_) => (told, told_uncounted) = (None, None),
            }
            None
        });
        let Some((oldest, gap)) = oldest else {
            return;
        };
        let told = match gap {
            Gap::MissedUncounted(_) => told_uncounted,
            _ => told,
        };
        let told = told.and_then(|place| self.queue.get_mut(place));
        let dropped = if told.is_some_and(|slot| slot.item.add(gap)) {
            self.queue.remove(oldest).map(|slot| slot.item)
        } else {
            self.octets += OVERHEAD;
            self.queue.get_mut(oldest).map(|slot| {
                slot.span = 0;
                std::mem::replace(&mut slot.item, gap.into())
            })
        };
        if let Some(dropped) = dropped {
            self.let_go(key, &dropped);
        }
    }

    /// Drops the oldest message of any subscription; `false` when there is none.
    pub(super) fn drop_oldest_of_all(&mut self) -> bool {
        let oldest = self
            .queue
            .iter()
            .find(|slot| slot.key != NO_SUBSCRIPTION && matches!(slot.item, Item::Message(..)));
        let Some(key) = oldest.map(|slot| slot.key) else {
            return false;
        };
        self.drop_oldest(key);
        true
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Slot> {
        self.queue.front()
    }

    /// Takes the oldest away.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        let slot = self.queue.pop_front()?;
        self.let_go(slot.key, &slot.item);
        Some(slot)
    }

    /// Forgets what waits of a subscription that has ended.
    pub(super) fn forget(&mut self, key: u32) {
        self.counts.remove(&key);
        let octets = &mut self.octets;
        self.queue.retain(|slot| {
            if slot.key == key {
                *octets -= slot.item.weight();
            }
            slot.key != key
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

    /// Takes in what is missing behind it; `false` when it is of another kind.
    fn add(&mut self, gap: Gap) -> bool {
        match (self, gap) {
            (Self::Missed(missed), Gap::Missed(more)) => missed.add(more),
            (Self::MissedUncounted(count), Gap::MissedUncounted(more)) => {
                *count = count.saturating_add(more);
            }
            _ => return false,
        }
        true
    }
}

impl From<Gap> for Item {
    fn from(gap: Gap) -> Self {
        match gap {
            Gap::Missed(missed) => Self::Missed(Box::new(missed)),
            Gap::MissedUncounted(count) => Self::MissedUncounted(count),
            Gap::Skipped(count) => Self::Skipped(count),
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
mod tests;
