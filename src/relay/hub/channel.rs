//! One order of messages: offsets, what is kept, and the groups that have subscribers.

use super::group::Group;
use super::history::{History, Recovered, Resume, Retention};
use super::lives::{Life, Lives, Offsets};
use super::message::{Count, Entry, Member, Message};
use super::{Held, Published};
use std::sync::Arc;
use std::task::Waker;

pub(super) struct Channel<M: Message> {
    /// Tells it from every other channel of the hub, earlier ones of the same topic as well. It is the epoch of an order of its own.
    id: u64,
    /// The offset of the last message.
    last: u64,
    /// The epochs of an order that is another's, or was begun anew. Most have none.
    lives: Option<Box<Lives>>,
    history: History<M>,
    /// Each with the number of its subscribers.
    groups: Vec<(Arc<Group<M>>, usize)>,
}

impl<M: Message> Channel<M> {
    pub(super) const fn new(id: u64, retention: Retention) -> Self {
        Self {
            id,
            last: 0,
            lives: None,
            history: History::new(retention),
            groups: Vec::new(),
        }
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// What offsets mean something in now.
    fn life(&self) -> Life {
        self.lives
            .as_ref()
            .map_or_else(|| Life::own(self.id), |lives| lives.now)
    }

    fn epoch(&self) -> u64 {
        self.life().epoch
    }

    /// How many places there were in it, whatever their epoch: what its subscribers count by.
    fn count(&self) -> u64 {
        self.life().place_of(self.last)
    }

    /// What was at these places, from the first to the last, as far as that is known.
    pub(super) fn offsets(&self, first: u64, last: u64) -> Vec<Offsets> {
        match &self.lives {
            Some(lives) => lives.offsets(first, last),
            None => Lives::new(Life::own(self.id)).offsets(first, last),
        }
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
        group.sit(self.id, member, key, self.count())
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
                epoch: self.epoch(),
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
        let (subscribers, place) = (self.len(), self.count());
        if let Some(((last, _), others)) = self.groups.split_last() {
            for (group, _) in others {
                wakes.extend(group.push(self.id, place, entry.clone()));
            }
            wakes.extend(last.push(self.id, place, entry));
        }
        Published {
            epoch: self.epoch(),
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
                Some(span)
            }
            Count::At { epoch, offset } => {
                if self.epoch() != epoch {
                    self.adopt(epoch, offset.saturating_sub(1), Vec::new(), held);
                }
                // What is between this and the last one is missing, and its subscribers see that by what they count.
                (offset > self.last).then(|| {
                    self.last = offset;
                    1
                })
            }
            Count::Nothing => Some(0),
        }
    }

    /// Goes on in this order, of which these messages are kept.
    pub(super) fn adopt(&mut self, epoch: u64, last: u64, entries: Vec<Entry<M>>, held: &Held) {
        if self.epoch() == epoch && last >= self.last {
            self.last = last;
        } else {
            self.begin(epoch, last);
        }
        self.history.clear(held);
        for entry in &entries {
            self.history.push(entry, held);
        }
    }

    /// Begins a new life, of which nothing is kept, unless somebody subscribes: what comes elsewhere meanwhile is not known here.
    pub(super) fn renew(&mut self, epoch: u64, held: &Held) {
        if self.groups.is_empty() {
            self.history.clear(held);
            self.begin(epoch, 0);
        }
    }

    /// Goes on behind this offset of an epoch; places go on where they are.
    fn begin(&mut self, epoch: u64, offset: u64) {
        let place = self.count();
        let (own, is_counted) = (Life::own(self.id), !self.groups.is_empty());
        let lives = self.lives.get_or_insert_with(|| Box::new(Lives::new(own)));
        lives.begin(
            Life {
                epoch,
                place,
                offset,
            },
            is_counted,
        );
        self.last = offset;
    }

    pub(super) fn expire(&mut self, now: u64, held: &Held) {
        self.history.expire(now, held);
    }

    pub(super) fn recover(&self, resume: Resume, most: usize) -> Recovered<M> {
        self.history.recover(resume, most, self.epoch(), self.last)
    }
}
