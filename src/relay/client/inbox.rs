//! The queue of a subscription: bounded, and what does not fit is counted where it is missing.

use crate::relay::client::core::event::{Event, Lagged, Member, Missing, Presence, Subscribed};
use crate::relay::hub::Offsets;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What waits for whoever reads a subscription, and who is present.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Event>,
    octets: usize,
    /// What is missing behind those events.
    gap: Option<Gap>,
    ended: bool,
    limits: Limits,
    present: Present,
    reader: Option<Waker>,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: usize,
    pub(crate) octets: usize,
}

/// What did not fit, in the order in which it will be given.
#[derive(Debug, Default)]
struct Gap {
    /// Pushes that are missing.
    missed: u64,
    /// Which, when the server said so of all of them at once.
    which: Option<Missing>,
    /// Which, as far as this client counts.
    offsets: Option<Offsets>,
    /// The last word on whether the subscription goes on; nothing was recovered if any of them says so.
    subscribed: Option<Subscribed>,
    /// Changes of who is present are missing.
    presence: bool,
    /// The last refusal; there may have been more.
    error: Option<Event>,
}

#[derive(Debug, Default)]
struct Present {
    members: BTreeMap<u64, Member>,
    more: bool,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                octets: 0,
                gap: None,
                ended: false,
                limits,
                present: Present::default(),
                reader: None,
            }),
        }
    }

    /// Takes an event from the server, with the offsets of what it is about, if that has any.
    pub(crate) fn push(&self, event: Event, offsets: Option<Offsets>) {
        let mut queue = self.lock();
        if queue.ended {
            return;
        }
        if let Event::Presence(presence) = &event {
            queue.present.learn(presence);
        }
        queue.close_gap();
        if queue.gap.is_none() && queue.has_room() {
            queue.put(event);
        } else {
            queue
                .gap
                .get_or_insert_with(Gap::default)
                .add(event, offsets);
        }
        queue.wake();
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.wake();
    }

    /// The next event; `None` at the end.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut queue = self.lock();
        if queue.events.is_empty() {
            queue.close_gap();
        }
        if let Some(event) = queue.events.pop_front() {
            queue.octets = queue.octets.saturating_sub(weight(&event));
            return Poll::Ready(Some(event));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        match &mut queue.reader {
            Some(reader) if reader.will_wake(cx.waker()) => {}
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        self.lock().present.members.values().cloned().collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().events.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn has_room(&self) -> bool {
        self.events.len() < self.limits.events && self.octets < self.limits.octets
    }

    /// Puts what tells of the gap where it stands, once there is room for all of it.
    fn close_gap(&mut self) {
        let is_small = self.events.len() + GAP <= self.limits.events.max(GAP);
        if !is_small || self.octets >= self.limits.octets {
            return;
        }
        let Some(gap) = self.gap.take() else {
            return;
        };
        if gap.missed > 0 {
            self.put(Event::Lagged(Lagged {
                missed: gap.missed,
                which: gap.which(),
            }));
        }
        if let Some(subscribed) = gap.subscribed {
            self.put(Event::Subscribed(subscribed));
        }
        if gap.presence {
            self.put(Event::Presence(Presence::State {
                members: self.present.members.values().cloned().collect(),
                more: self.present.more,
            }));
        }
        if let Some(error) = gap.error {
            self.put(error);
        }
    }

    fn put(&mut self, event: Event) {
        self.octets += weight(&event);
        self.events.push_back(event);
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Gap {
    fn add(&mut self, event: Event, offsets: Option<Offsets>) {
        match event {
            Event::Push(_) => self.miss(1, None, offsets),
            Event::Lagged(lagged) => self.miss(lagged.missed, lagged.which, offsets),
            Event::Presence(_) => self.presence = true,
            Event::Subscribed(mut subscribed) => {
                if !subscribed.recovered {
                    // It goes on elsewhere: nobody knows how many are missing between.
                    self.offsets = None;
                }
                if let Some(before) = &self.subscribed {
                    subscribed.recovered &= before.recovered;
                }
                self.subscribed = Some(subscribed);
            }
            Event::Unsubscribed(_) | Event::Error(_) => self.error = Some(event),
        }
    }

    fn miss(&mut self, count: u64, which: Option<Missing>, offsets: Option<Offsets>) {
        let is_first = self.missed == 0;
        self.which = which.filter(|_| is_first);
        self.offsets = match (self.offsets, offsets) {
            (_, offsets) if is_first => offsets,
            (Some(all), Some(more)) if all.epoch == more.epoch => Some(Offsets {
                last: more.last,
                ..all
            }),
            _ => None,
        };
        self.missed = self.missed.saturating_add(count);
    }

    /// What the server said says more than what is counted here.
    fn which(&self) -> Option<Missing> {
        let counted = self.offsets.map(|offsets| Missing::OfEpoch {
            epoch: offsets.epoch,
            first: offsets.first,
            last: offsets.last,
        });
        self.which.or(counted)
    }
}

impl Present {
    fn learn(&mut self, presence: &Presence) {
        match presence {
            Presence::State { members, more } => {
                self.members = keyed(members).take(MEMBERS).collect();
                self.more = *more;
            }
            Presence::Diff { joined, left } => {
                for member in left {
                    self.members.remove(&member.conn_id);
                }
                for (id, member) in keyed(joined) {
                    if self.members.len() < MEMBERS || self.members.contains_key(&id) {
                        self.members.insert(id, member);
                    } else {
                        self.more = true;
                    }
                }
            }
        }
    }
}

fn keyed(members: &[Member]) -> impl Iterator<Item = (u64, Member)> {
    members
        .iter()
        .map(|member| (member.conn_id, member.clone()))
}

/// About what an event holds.
fn weight(event: &Event) -> usize {
    let members = |members: &[Member]| -> usize {
        let each = |member: &Member| 64 + member.meta.get().len();
        members.iter().map(each).sum()
    };
    64 + match event {
        Event::Push(push) => push.payload.get().len() + push.event.len(),
        Event::Presence(Presence::State { members: all, .. }) => members(all),
        Event::Presence(Presence::Diff { joined, left }) => members(joined) + members(left),
        Event::Subscribed(subscribed) => {
            (subscribed.reply.as_ref()).map_or(0, |reply| reply.get().len())
        }
        _ => 0,
    }
}

/// The most events that tell of a gap.
const GAP: usize = 4;

/// The members that are kept of a topic.
const MEMBERS: usize = 10_000;
