//! A topic in the broker's order.
//!
//! Messages come with their offset, each is delivered behind the one before it, and what is missing in between is read from the
//! broker's history first. What it does not have any more is told to be missing.

mod lost;

use super::envelope::Sender;
use super::runs::Runs;
use super::words::{Action, Parcel, Place};
use crate::relay::hub::{Retention, Topic};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Shared {
    topic: Topic,
    pub(super) keep: Retention,
    /// The epoch and the last offset that those who subscribe have had; none before the history was read, 0 and 0 when there was none.
    at: Option<(u64, u64)>,
    /// Whether something has to be read before anything is delivered.
    is_behind: bool,
    /// Whether that is under way.
    is_reading: bool,
    /// Whether something was found to be missing meanwhile.
    is_behind_again: bool,
    /// What has come meanwhile, by epoch and offset.
    pending: BTreeMap<(u64, u64), Ordered>,
    octets: usize,
    /// The last number of each sequence that has been delivered.
    seen: BTreeMap<Sender, (u64, u64)>,
    /// The last mark of each.
    marked: BTreeMap<Sender, (u64, u64)>,
    /// The last count of each of what it gave up, and how far that had come.
    lost: BTreeMap<Sender, (u64, u64)>,
    /// What was told of each without offsets.
    told: BTreeMap<Sender, Runs>,
    /// How many that was, since it was asked for.
    told_count: u64,
    /// Who has said something in the order before this one, and nothing new in this: what the broker had of him last may be forgotten.
    unsettled: BTreeSet<Sender>,
    /// Whether nothing of this order was told to be missing.
    is_whole: bool,
    /// Since when somebody wants it.
    since: u64,
    /// What was published here and has no offset: by sequence and number.
    own: BTreeMap<(u64, u64), Waits>,
}

/// A message that has an offset.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    pub(super) from: Sender,
    pub(super) sequence: u64,
    pub(super) number: u64,
    pub(super) parcel: Parcel,
}

/// A message of this node that has none.
#[derive(Debug)]
struct Waits {
    /// What is delivered when it has waited long enough; none if it was.
    parcel: Option<Parcel>,
}

impl Shared {
    pub(super) const fn new(topic: Topic, keep: Retention, since: u64) -> Self {
        Self {
            topic,
            keep,
            at: None,
            is_behind: true,
            is_reading: false,
            is_behind_again: false,
            pending: BTreeMap::new(),
            octets: 0,
            seen: BTreeMap::new(),
            marked: BTreeMap::new(),
            lost: BTreeMap::new(),
            told: BTreeMap::new(),
            told_count: 0,
            unsettled: BTreeSet::new(),
            is_whole: true,
            since,
            own: BTreeMap::new(),
        }
    }

    /// What has to be read, if that is not under way: behind which epoch and offset.
    pub(super) fn wants_read(&mut self) -> Option<Option<(u64, u64)>> {
        if !self.is_behind || self.is_reading {
            return None;
        }
        self.is_reading = true;
        Some(self.at)
    }

    /// The connection has ended; gives what waits here for its offset, oldest first: what is published from now on must not overtake it.
    pub(super) fn down(&mut self) -> impl Iterator<Item = Parcel> {
        self.is_behind = true;
        self.is_reading = false;
        self.forget_pending();
        self.own
            .values_mut()
            .filter_map(|waits| waits.parcel.take())
    }

    /// It could not be read.
    pub(super) const fn refused(&mut self) {
        self.is_reading = false;
    }

    /// A message of this node has been published; `parcel` is what is to be delivered if it gets no offset in time.
    pub(super) fn published(&mut self, sequence: u64, number: u64, parcel: Option<Parcel>) {
        self.own.insert((sequence, number), Waits { parcel });
        while self.own.len() > OWN {
            let told = self.own.iter().find(|(_, waits)| waits.parcel.is_none());
            let Some(oldest) = told.map(|(place, _)| *place) else {
                return;
            };
            self.own.remove(&oldest);
        }
    }

    /// It has another number now.
    pub(super) fn renumbered(&mut self, sequence: u64, number: u64, to: (u64, u64)) {
        if let Some(waits) = self.own.remove(&(sequence, number)) {
            self.own.insert(to, waits);
        }
    }

    /// What is to be delivered because it has waited long enough.
    pub(super) fn overdue(&mut self, sequence: u64, number: u64) -> Option<Parcel> {
        self.own.get_mut(&(sequence, number))?.parcel.take()
    }

    /// A message has come.
    pub(super) fn message(
        &mut self,
        (epoch, offset): (u64, u64),
        message: Ordered,
        me: Sender,
        actions: &mut impl Extend<Action>,
    ) {
        if let Some((of, last)) = self.at
            && of == epoch
            && offset <= last
        {
            return;
        }
        self.octets += message.parcel.payload.len() + OVERHEAD;
        self.pending.insert((epoch, offset), message);
        if self.octets > PENDING {
            // It is read again.
            self.forget_pending();
            self.is_behind = true;
            return;
        }
        if !self.is_behind {
            self.go_on(me, actions);
        }
    }

    /// A node says which of its messages was the last: one that has not come is read.
    pub(super) fn mark(&mut self, from: Sender, sequence: u64, number: u64) {
        let place = (sequence, number);
        let has_come = self.seen.get(&from).is_some_and(|seen| *seen >= place);
        if has_come || self.marked.get(&from) == Some(&place) {
            return;
        }
        if self.marked.len() >= SEEN {
            self.marked.pop_first();
        }
        self.marked.insert(from, place);
        self.is_behind_again = self.is_reading;
        self.is_behind = true;
    }

    /// What was to be read; `is_attached` if there may be somebody who subscribes.
    pub(super) fn history(
        &mut self,
        epoch: u64,
        last: u64,
        entries: Vec<(u64, u64, Ordered)>,
        (me, is_attached): (Sender, bool),
        actions: &mut impl Extend<Action>,
    ) {
        self.is_reading = false;
        self.is_behind = false;
        let is_behind_again = std::mem::take(&mut self.is_behind_again);
        match self.at {
            Some((of, have)) if of == epoch => {
                for (offset, _, message) in entries {
                    if offset > have {
                        self.pending.entry((epoch, offset)).or_insert(message);
                    }
                }
                self.catch_up(last, me, actions);
            }
            // The broker has forgotten everything, or has had nothing: the next message shows in which epoch it is.
            _ if epoch == 0 => {
                self.at.get_or_insert((0, 0));
            }
            // Another order, all of which is news to those who subscribe.
            Some(_) => {
                self.begin(epoch, actions);
                for (offset, _, message) in entries {
                    self.pending.entry((epoch, offset)).or_insert(message);
                }
                self.catch_up(last, me, actions);
            }
            None => {
                self.at = Some((epoch, last));
                for (_, _, message) in &entries {
                    self.is_new(message);
                    // Who comes has it from there.
                    if message.from == me && !is_attached {
                        self.own.remove(&(message.sequence, message.number));
                    }
                }
                actions.extend([Action::Adopt {
                    topic: self.topic.clone(),
                    epoch,
                    last,
                    entries: entries
                        .into_iter()
                        .map(|(offset, age, message)| (offset, age, message.parcel))
                        .collect(),
                }]);
            }
        }
        // What came of another epoch is older than what was read, or so new that it has to be read again.
        let before = self.pending.len();
        if epoch != 0 {
            self.pending.retain(|(of, _), _| *of == epoch);
        }
        let is_behind = self.pending.len() < before;
        self.go_on(me, actions);
        self.is_behind |= is_behind || is_behind_again;
        if !self.is_behind {
            self.settle_marked(me, actions);
        }
    }

    /// A new order, from its beginning.
    fn begin(&mut self, epoch: u64, actions: &mut impl Extend<Action>) {
        if self.at.is_some_and(|(of, _)| of != 0 && of != epoch) {
            self.unsettled = self.seen.keys().copied().collect();
        }
        self.is_whole = true;
        self.at = Some((epoch, 0));
        actions.extend([Action::Adopt {
            topic: self.topic.clone(),
            epoch,
            last: 0,
            entries: Vec::new(),
        }]);
    }

    /// Delivers all up to an offset; what is not there has been given up by the broker.
    fn catch_up(&mut self, last: u64, me: Sender, actions: &mut impl Extend<Action>) {
        let Some((epoch, _)) = self.at else {
            return;
        };
        while let Some((&(_, offset), _)) = self.pending.range((epoch, 0)..=(epoch, last)).next() {
            self.miss(offset.saturating_sub(1), actions);
            if let Some(message) = self.pending.remove(&(epoch, offset)) {
                self.deliver(epoch, offset, message, me, actions);
            }
        }
        self.miss(last, actions);
        self.count_pending();
    }

    /// Delivers what follows.
    fn go_on(&mut self, me: Sender, actions: &mut impl Extend<Action>) {
        while let Some((&(epoch, offset), _)) = self.pending.first_key_value() {
            let follows = match self.at {
                Some((of, last)) if of == epoch => {
                    if offset <= last {
                        self.pending.pop_first();
                        continue;
                    }
                    offset == last + 1
                }
                _ if offset == 1 => {
                    self.begin(epoch, actions);
                    true
                }
                _ => false,
            };
            if !follows {
                self.is_behind = true;
                break;
            }
            if let Some(message) = self.pending.remove(&(epoch, offset)) {
                self.deliver(epoch, offset, message, me, actions);
            }
        }
        self.count_pending();
    }

    fn deliver(
        &mut self,
        epoch: u64,
        offset: u64,
        message: Ordered,
        me: Sender,
        actions: &mut impl Extend<Action>,
    ) {
        self.at = Some((epoch, offset));
        if message.from != me {
            let next = (message.sequence, message.number);
            self.settle(message.from, next, actions);
        }
        let had_it = !self.is_new(&message)
            || (message.from == me
                && self
                    .own
                    .remove(&(message.sequence, message.number))
                    .is_some_and(|waits| waits.parcel.is_none()));
        let topic = self.topic.clone();
        actions.extend([if had_it {
            Action::Count {
                topic,
                epoch,
                offset,
                parcel: message.parcel,
            }
        } else {
            Action::Deliver {
                topic,
                parcel: message.parcel,
                place: Place::At { epoch, offset },
            }
        }]);
    }

    fn miss(&mut self, last: u64, actions: &mut impl Extend<Action>) {
        let Some((epoch, have)) = self.at else {
            return;
        };
        if have < last {
            self.is_whole = false;
            self.at = Some((epoch, last));
            actions.extend([Action::Missing {
                topic: self.topic.clone(),
                epoch,
                last,
            }]);
        }
    }

    /// Whether it was not delivered before; a broker that forgot it has given it another offset.
    fn is_new(&mut self, message: &Ordered) -> bool {
        if self.seen.len() >= SEEN && !self.seen.contains_key(&message.from) {
            self.seen.pop_first();
        }
        let place = (message.sequence, message.number);
        let seen = self.seen.entry(message.from).or_insert((0, 0));
        let is_new = place > *seen;
        if is_new {
            *seen = place;
        }
        is_new
    }

    fn forget_pending(&mut self) {
        self.pending = BTreeMap::new();
        self.octets = 0;
    }

    /// There is hardly ever more than one.
    fn count_pending(&mut self) {
        let octets = self.pending.values();
        self.octets = octets
            .map(|message| message.parcel.payload.len() + OVERHEAD)
            .sum();
    }
}

/// The octets that wait for what is read.
const PENDING: usize = 1 << 20;

/// What a message costs beside its octets.
const OVERHEAD: usize = 128;

/// The messages of this node that may wait for their offset after they were delivered.
const OWN: usize = 1 << 12;

/// The senders that are held for a topic.
const SEEN: usize = 1 << 10;

#[cfg(test)]
mod tests;
