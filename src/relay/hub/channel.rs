//! One order of messages: offsets, what is kept, and the groups that have subscribers.

use super::group::Group;
use super::history::{History, Recovered, Resume, Retention};
use super::message::{Entry, Member, Message};
use super::{Held, Published};
use std::sync::Arc;
use std::task::Waker;

pub(super) struct Channel<M: Message> {
    /// Tells it from every other channel of the hub, earlier ones of the same topic as well.
    epoch: u64,
    /// The offset of the last message.
    last: u64,
    history: History<M>,
    /// Each with the number of its subscribers.
    groups: Vec<(Arc<Group<M>>, usize)>,
}

impl<M: Message> Channel<M> {
    pub(super) const fn new(epoch: u64, retention: Retention) -> Self {
        Self {
            epoch,
            last: 0,
            history: History::new(retention),
            groups: Vec::new(),
        }
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many subscribe.
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|(_, count)| count).sum()
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
        group.sit(self.epoch, member, key, self.last)
    }

    pub(super) fn leave(&mut self, group: &Arc<Group<M>>, seat: u32) -> Option<Arc<dyn Member<M>>> {
        let member = group.leave(self.epoch, seat)?;
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

    /// Gives the message its offset, keeps it, and pushes it to each group; who has to be woken goes into `wakes`.
    pub(super) fn publish(
        &mut self,
        message: M,
        except: Option<u64>,
        now: u64,
        held: &Held,
        wakes: &mut Vec<Waker>,
    ) -> Published {
        self.last += 1;
        let entry = Entry {
            offset: self.last,
            at: now,
            except: except.unwrap_or(0),
            message,
        };
        self.history.push(&entry, held);
        let subscribers = self.len();
        if let Some(((last, _), others)) = self.groups.split_last() {
            for (group, _) in others {
                wakes.extend(group.push(self.epoch, entry.clone()));
            }
            wakes.extend(last.push(self.epoch, entry));
        }
        Published {
            epoch: self.epoch,
            offset: self.last,
            subscribers,
        }
    }

    pub(super) fn expire(&mut self, now: u64, held: &Held) {
        self.history.expire(now, held);
    }

    pub(super) fn recover(&self, resume: Resume) -> Recovered<M> {
        self.history.recover(resume, self.epoch, self.last)
    }
}
