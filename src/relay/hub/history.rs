//! What is kept of a topic, and what somebody gets of it who comes back.

use super::Held;
use super::message::{Entry, Message};
use std::collections::VecDeque;

/// How much is kept of a topic: the newest messages, as long as all three bounds hold.
///
/// ```
/// use wireline::relay::hub::Retention;
///
/// // The last hundred messages of ten minutes, and not more than a mebibyte of them.
/// let keep = Retention { messages: 100, octets: 1 << 20, age: 600_000 };
/// assert!(keep.is_some() && !Retention::NOTHING.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many messages.
    pub messages: usize,
    /// How many octets, each message with 64 besides its own.
    pub octets: usize,
    /// For how many milliseconds.
    pub age: u64,
}

impl Retention {
    /// Nothing is kept.
    pub const NOTHING: Self = Self {
        messages: 0,
        octets: 0,
        age: 0,
    };

    /// Whether anything is kept.
    pub const fn is_some(&self) -> bool {
        self.messages > 0 && self.octets > 0 && self.age > 0
    }
}

/// What somebody who subscribes wants of what came before.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Hub, HubConfig, Resume, Retention, Topic};
///
/// let keep = Retention { messages: 10, octets: 1 << 20, age: 60_000 };
/// let hub = Hub::new(HubConfig { retention: Box::new(move |_| keep), ..HubConfig::default() });
/// let topic = Topic::new("news").unwrap();
/// let epoch = ["one", "two", "three"].map(|text| hub.publish(&topic, Bytes::from(text), None, 0).epoch)[0];
///
/// let since = hub.history(&topic, Resume::Since { epoch, offset: 1 }, 0);
/// assert!(since.complete && since.entries.len() == 2);
/// let last = hub.history(&topic, Resume::Newest(1), 0);
/// assert_eq!(last.entries[0].message, "three");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing.
    Live,
    /// All that came after this offset of this epoch.
    Since {
        /// The epoch.
        epoch: u64,
        /// The offset of the last message that it has; 0 for none.
        offset: u64,
    },
    /// The newest messages, this many at most: 1 is the last value.
    Newest(usize),
}

/// What somebody gets of what came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered<M> {
    /// The epoch of the topic; 0 when there is none.
    pub epoch: u64,
    /// The offset of the last message that was published before; 0 for none.
    pub offset: u64,
    /// Whether nothing is missing of what was asked for with [`Resume::Since`]; `true` for anything else.
    pub complete: bool,
    /// The messages, oldest first.
    pub entries: Vec<Entry<M>>,
    /// How many places follow those messages, up to `offset`, when only so many were asked for; 0 otherwise.
    pub later: u64,
}

impl<M> Recovered<M> {
    /// The offset before the first of the messages.
    pub fn before(&self) -> u64 {
        let places: u64 = self.entries.iter().map(|entry| entry.span).sum();
        self.offset.saturating_sub(places + self.later)
    }

    /// What to ask for next, when only so many were asked for and more is kept behind them: `None` when that was all.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use wireline::relay::hub::{Hub, HubConfig, Resume, Retention, Topic};
    ///
    /// let keep = Retention { messages: 9, octets: 1 << 20, age: 60_000 };
    /// let hub = Hub::new(HubConfig { retention: Box::new(move |_| keep), ..HubConfig::default() });
    /// let topic = Topic::new("news").unwrap();
    /// for _ in 0..5 {
    ///     hub.publish(&topic, Bytes::from("hello"), None, 0);
    /// }
    /// // No epoch is 0, so that this is all there is.
    /// let all = Resume::Since { epoch: 0, offset: 0 };
    /// let (mut resume, mut pages) = (Some(all), Vec::new());
    /// while let Some(from) = resume {
    ///     let page = hub.history_page(&topic, from, 2, 0);
    ///     pages.push(page.entries.len());
    ///     resume = page.next();
    /// }
    /// assert_eq!(pages, [2, 2, 1]);
    /// ```
    pub fn next(&self) -> Option<Resume> {
        let before = self.offset.saturating_sub(self.later);
        let offset = self.entries.last().map_or(before, |last| last.offset);
        (self.later > 0).then_some(Resume::Since {
            epoch: self.epoch,
            offset,
        })
    }

    /// Keeps no more of the messages than have so many octets together, but one in any case: the newest, or else the oldest, with the
    /// others for the next page.
    pub(crate) fn shorten(&mut self, most: usize, newest: bool)
    where
        M: Message,
    {
        let (mut octets, len) = (0, self.entries.len());
        let mut fits = |entry: &&Entry<M>| {
            octets += entry.message.octets();
            octets <= most
        };
        if newest {
            let fitting = self.entries.iter().rev().take_while(&mut fits).count();
            self.entries.drain(..len.saturating_sub(fitting.max(1)));
            return;
        }
        let count = self.entries.iter().take_while(&mut fits).count().max(1);
        if let Some(next) = self.entries.get(count) {
            let before = next.offset.saturating_sub(next.span);
            self.later = self.offset.saturating_sub(before);
            self.entries.truncate(count);
        }
    }

    /// Of a topic that is not there.
    pub(super) fn of_nothing(resume: Resume) -> Self {
        Self {
            epoch: 0,
            offset: 0,
            complete: !matches!(resume, Resume::Since { .. }),
            entries: Vec::new(),
            later: 0,
        }
    }
}

/// The newest messages of a channel.
#[derive(Debug)]
pub(super) struct History<M> {
    retention: Retention,
    entries: VecDeque<Entry<M>>,
    octets: usize,
}

impl<M: Message> History<M> {
    pub(super) const fn new(retention: Retention) -> Self {
        Self {
            retention,
            entries: VecDeque::new(),
            octets: 0,
        }
    }

    pub(super) const fn retain(&mut self, retention: Retention) {
        self.retention = retention;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps a message, and gives up what there is no room for any more.
    pub(super) fn push(&mut self, entry: &Entry<M>, held: &Held) {
        if !self.retention.is_some() {
            return;
        }
        let weight = weight(entry);
        if held.is_full() {
            let before = self.octets;
            while before - self.octets < weight {
                if !self.pop(held) {
                    return;
                }
            }
        }
        self.entries.push_back(entry.clone());
        self.octets += weight;
        held.add(weight);
        while self.entries.len() > self.retention.messages || self.octets > self.retention.octets {
            self.pop(held);
        }
    }

    /// Gives up what is too old.
    pub(super) fn expire(&mut self, now: u64, held: &Held) {
        let oldest = now.saturating_sub(self.retention.age);
        while self.entries.front().is_some_and(|entry| entry.at < oldest) {
            self.pop(held);
        }
    }

    /// What somebody gets who wants that, the oldest of it if it is more than `most`, of a channel whose last message had this offset.
    pub(super) fn recover(
        &self,
        resume: Resume,
        most: usize,
        epoch: u64,
        last: u64,
    ) -> Recovered<M> {
        let (skipped, complete) = match resume {
            Resume::Live => (self.entries.len(), true),
            Resume::Newest(count) => (self.entries.len().saturating_sub(count), true),
            Resume::Since { epoch: of, offset } if of == epoch && offset <= last => {
                let skipped = self.entries.partition_point(|entry| entry.offset <= offset);
                let next = self
                    .entries
                    .get(skipped)
                    .map_or(last, |entry| entry.offset - entry.span);
                (skipped, next == offset)
            }
            // Another life of the topic: what is kept of this one is all news.
            Resume::Since { .. } => (0, false),
        };
        let end = skipped.saturating_add(most).min(self.entries.len());
        let next = self.entries.get(end);
        let later = next.map_or(0, |next| last - (next.offset - next.span));
        Recovered {
            epoch,
            offset: last,
            complete,
            entries: self.entries.range(skipped..end).cloned().collect(),
            later,
        }
    }

    /// Gives up everything.
    pub(super) fn clear(&mut self, held: &Held) {
        while self.pop(held) {}
    }

    fn pop(&mut self, held: &Held) -> bool {
        let Some(entry) = self.entries.pop_front() else {
            return false;
        };
        let weight = weight(&entry);
        self.octets -= weight;
        held.sub(weight);
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        true
    }
}

fn weight<M: Message>(entry: &Entry<M>) -> usize {
    entry.message.octets() + OVERHEAD
}

/// What an entry costs beside its message.
const OVERHEAD: usize = 64;
