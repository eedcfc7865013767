//! One order of messages: offsets, what is kept, and the groups that have subscribers.

use super::group::Group;
use super::history::{History, Recovered, Resume, Retention};
use super::message::{Count, Entry, Member, Message};
use super::{Held, Published};
use std::sync::Arc;
use std::task::Waker;

pub(super) struct Channel<M: Message> {
    /// Tells it from every other channel of the hub, earlier ones of the same topic as well.
    id: u64,
    /// What offsets mean something in: its id, unless its order is another's.
    epoch: u64,
    /// The offset of the last message.
    last: u64,
    /// How many places there were in it, whatever their epoch: what its subscribers count by.
    count: u64,
    history: History<M>,
    /// Each with the number of its subscribers.
    groups: Vec<(Arc<Group<M>>, usize)>,
}

impl<M: Message> Channel<M> {
    pub(super) const fn new(id: u64, retention: Retention) -> Self {
        Self {
            id,
            epoch: id,
            last: 0,
            count: 0,
            history: History::new(retention),
            groups: Vec::new(),
        }
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Says what is kept, before anything is.
    pub(super) const fn retain(&mut self, retention: Retention) {
        self.history.retain(retention);
    }

    /// How many subscribe.
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|(_, count)| count).sum()
    }

    /// Who subscribes.
    pub(super) fn members(&self) -> Vec<u64> {
        let mut members = Vec::with_capacity(self.len());
        for (group, _) in &self.groups {
            group.members(self.id, &mut members);
        }
        members
    }

    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty() && self.history.is_empty()
    }

    /// A place for a member, which gets everything that is published from now on.
    pub(super) fn sit(
        &mut self,
        group: &Arc<Group<M>>,
        member: Arc<dyn Member<M>>,
        key: u32,
    ) -> u32 {
        match self
            .groups
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, group))
        {
            Some((_, count)) => *count += 1,
            None => self.groups.push((group.clone(), 1)),
        }
        group.sit(self.id, member, key, self.count)
    }

    pub(super) fn leave(&mut self, group: &Arc<Group<M>>, seat: u32) -> Option<Arc<dyn Member<M>>> {
        let member = group.leave(self.id, seat)?;
        if let Some(place) = self
            .groups
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, group))
        {
            self.groups[place].1 -= 1;
            if self.groups[place].1 == 0 {
                self.groups.swap_remove(place);
            }
        }
        Some(member)
    }

    /// Gives the message its place, keeps it, and pushes it to each group; who has to be woken goes into `wakes`.
    pub(super) fn publish(
        &mut self,
        message: M,
        except: Option<u64>,
        count: Count,
        now: u64,
        held: &Held,
        wakes: &mut Vec<Waker>,
    ) -> Published {
        let Some(span) = self.advance(count, held) else {
            return Published {
                epoch: self.epoch,
                offset: self.last,
                ..Published::default()
            };
        };
        let entry = Entry {
            offset: self.last,
            span,
            at: now,
            except: except.unwrap_or(0),
            message,
        };
        if span > 0 {
            self.history.push(&entry, held);
        }
        let subscribers = self.len();
        if let Some(((last, _), others)) = self.groups.split_last() {
            for (group, _) in others {
                wakes.extend(group.push(self.id, self.count, entry.clone()));
            }
            wakes.extend(last.push(self.id, self.count, entry));
        }
        Published {
            epoch: self.epoch,
            offset: self.last,
            subscribers,
            ..Published::default()
        }
    }

    /// Goes on to the place of the next message; gives how many places it stands for, and `None` for one that was there before.
    fn advance(&mut self, count: Count, held: &Held) -> Option<u64> {
        match count {
            Count::Next(span) => {
                self.last = self.last.saturating_add(span);
                self.count = self.count.saturating_add(span);
                Some(span)
            }
            Count::At { epoch, offset } => {
                if self.epoch != epoch {
                    self.adopt(epoch, offset.saturating_sub(1), Vec::new(), held);
                }
                // What is between this and the last one is missing, and its subscribers see that by what they count.
                let places = offset.checked_sub(self.last).filter(|places| *places > 0)?;
                self.last = offset;
                self.count = self.count.saturating_add(places);
                Some(1)
            }
            Count::Nothing => Some(0),
        }
    }

    /// Goes on in this order, of which these messages are kept.
    pub(super) fn adopt(&mut self, epoch: u64, last: u64, entries: Vec<Entry<M>>, held: &Held) {
        if self.epoch == epoch {
            self.count = self.count.saturating_add(last.saturating_sub(self.last));
        }
        self.epoch = epoch;
        self.last = last;
        self.history.clear(held);
        for entry in &entries {
            self.history.push(entry, held);
        }
    }

    /// Begins a new life, of which nothing is kept, unless somebody subscribes: what comes elsewhere meanwhile is not known here.
    pub(super) fn renew(&mut self, epoch: u64, held: &Held) {
        if self.groups.is_empty() {
            self.history.clear(held);
            self.epoch = epoch;
            self.last = 0;
        }
    }

    pub(super) fn expire(&mut self, now: u64, held: &Held) {
        self.history.expire(now, held);
    }

    pub(super) fn recover(&self, resume: Resume, most: usize) -> Recovered<M> {
        self.history.recover(resume, most, self.epoch, self.last)
    }
}
