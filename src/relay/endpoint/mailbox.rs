//! What waits for a connection while it cannot be written, and whether a message may go past it.
//!
//! Whoever has a message writes it himself when nothing waits ([`Mailbox::passes`]), and lets it wait otherwise
//! ([`Mailbox::put_off`]); the connection's task sends what waits ([`Mailbox::flush`]). The messages of a subscription come from
//! one task, so that none of them is written before one that waits.

use super::outlet::{COUNTS, Terms};
use super::overflow::{Gap, Item, Missed, NO_SUBSCRIPTION, Overflow, Slot, Waiting};
use crate::relay::hub::Topic;
use crate::sync::{Mutex, MutexGuard};
use crate::ws::close::CloseFrame;
use crate::ws::prepared::Prepared;
use crate::ws::socket::Delivered;
use std::sync::PoisonError;
use std::task::{Context, Waker};

/// What waits for a connection.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Contents>);

/// What became of messages that were to wait.
#[derive(Default)]
pub(super) struct PutOff {
    /// How many were dropped, those among them that did not come.
    pub(super) dropped: u64,
    /// Whether they were too many, so that the mailbox is closed, and the connection is to be.
    pub(super) is_over: bool,
    /// Whether the connection's task is to be woken.
    pub(super) is_news: bool,
    /// By whom, where its socket does not do that.
    pub(super) waker: Option<Waker>,
}

/// What is in a mailbox.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) rare: Option<Box<Rare>>,
}

/// What most mailboxes do not have.
#[derive(Default)]
pub(super) struct Rare {
    /// Absent while nothing waits.
    waiting: Option<Box<Waiting>>,
    /// Messages of subscriptions that are not confirmed yet.
    held: Vec<(u32, Waiting)>,
    pub(super) commands: Vec<Command>,
    /// Why it ends, for a reader that is no socket.
    close: Option<Box<CloseFrame>>,
    /// The topics that the connection is present in.
    tracked: Vec<Topic>,
    /// The connection's task, which sends what waits, where its socket does not know it.
    waker: Option<Waker>,
    is_closed: bool,
    /// Whether messages wait for others, to be sent with them.
    is_gathering: bool,
    /// Gathered messages are so many that they should be sent.
    is_pressed: bool,
}

/// What others want a connection to do.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Subscribe(Topic),
    Unsubscribe(Topic),
}

impl Rare {
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_none()
            && self.held.is_empty()
            && self.commands.is_empty()
            && self.close.is_none()
            && self.tracked.is_empty()
            && self.waker.is_none()
            && !(self.is_closed || self.is_gathering || self.is_pressed)
    }
}

impl Rare {
    /// Whether a message of a subscription may be written at once.
    fn is_free(&self, key: u32) -> bool {
        self.waiting.is_none()
            && !(self.is_gathering || self.is_closed)
            && self.held.iter().all(|(of, _)| *of != key)
    }
}

impl Mailbox {
    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `write` write messages of a subscription, unless something waits before them; `false` when they have to wait.
    pub(super) fn passes(&self, key: u32, write: impl FnOnce() -> Delivered) -> bool {
        let is_free = {
            let contents = self.lock();
            contents.rare.as_ref().is_none_or(|rare| rare.is_free(key))
        };
        is_free && write() != Delivered::Full
    }

    /// Lets messages of a subscription wait, each with how many places it stands for and whether it is for this
    /// subscriber, behind the place before them, and so many up to there that did not come.
    pub(super) fn put_off<'m>(
        &self,
        key: u32,
        (before, missed): (u64, u64),
        messages: impl Iterator<Item = (&'m Prepared, u64, bool)>,
        terms: &Terms,
    ) -> PutOff {
        let mut contents = self.lock();
        if contents.is_closed() {
            return PutOff::default();
        }
        let (waiting, knows) = contents.queue(key);
        if missed > 0 {
            waiting.miss(key, Missed::up_to(before, missed));
        }
        let (mut place, mut dropped) = (before, missed);
        for (message, span, is_for_it) in messages {
            place = place.saturating_add(span);
            if !is_for_it {
                if key & COUNTS != 0 && span > 0 {
                    waiting.skip(key, span);
                }
                continue;
            }
            waiting.push(key, message.clone(), place, span);
            while waiting.count(key) > terms.capacity {
                if terms.overflow == Overflow::Close {
                    return contents.give_up();
                }
                waiting.drop_oldest(key);
                dropped += 1;
            }
        }
        let is_much = waiting.octets() >= BATCH || waiting.count(key) > terms.capacity / 2;
        let Some(more) = contents.bound(terms) else {
            return contents.give_up();
        };
        // Gathered messages are sent early rather than dropped. Whoever is slow has no use for being woken more often.
        let gathering = contents.rare.as_mut().filter(|rare| rare.is_gathering);
        let gathering = gathering.filter(|_| is_much);
        let is_pressing = gathering.map(|rare| rare.is_pressed = true).is_some();
        let is_known = knows && !is_pressing;
        PutOff {
            dropped: dropped + more,
            is_over: false,
            is_news: !is_known,
            waker: contents.waker().filter(|_| !is_known),
        }
    }

    /// The same of a message that belongs to no subscription.
    pub(super) fn put_off_one(&self, message: &Prepared, terms: &Terms) -> PutOff {
        let mut contents = self.lock();
        if contents.is_closed() {
            return PutOff::default();
        }
        let waiting = contents.begin_waiting();
        waiting.push(NO_SUBSCRIPTION, message.clone(), 0, 0);
        let Some(dropped) = contents.bound(terms) else {
            return contents.give_up();
        };
        PutOff {
            dropped,
            is_over: false,
            is_news: true,
            waker: contents.waker(),
        }
    }

    /// Lets everything of a subscription wait until [`release`](Self::release).
    pub(super) fn hold(&self, key: u32) {
        let mut contents = self.lock();
        let rare = contents.rare.get_or_insert_default();
        rare.held.push((key, Waiting::default()));
    }

    /// What has waited is sent now, in its turn.
    pub(super) fn release(&self, key: u32) {
        let mut contents = self.lock();
        if let Some(held) = contents.take_held(key)
            && !held.is_empty()
        {
            contents.begin_waiting().append(held);
        }
    }

    /// Forgets what waits of a subscription that has ended.
    pub(super) fn forget(&self, key: u32) {
        let mut contents = self.lock();
        contents.take_held(key);
        if let Some(waiting) = contents.waiting_mut() {
            waiting.forget(key);
        }
    }

    /// Whether messages are to wait for others, to be sent with them.
    pub(super) fn gather(&self, on: bool) {
        let mut contents = self.lock();
        contents.rare.get_or_insert_default().is_gathering = on;
        contents.tidy();
    }

    /// How many octets wait here.
    pub(super) fn gathered(&self) -> usize {
        self.lock().waiting().map_or(0, Waiting::octets)
    }

    /// Whether the connection is present in the topic.
    pub(super) fn is_tracked(&self, topic: &Topic) -> bool {
        let contents = self.lock();
        let rare = contents.rare.as_ref();
        rare.is_some_and(|rare| rare.tracked.contains(topic))
    }

    /// Remembers that the connection is present in the topic.
    pub(super) fn track(&self, topic: &Topic) {
        let mut contents = self.lock();
        let tracked = &mut contents.rare.get_or_insert_default().tracked;
        if !tracked.contains(topic) {
            if tracked.is_empty() {
                // Most are present in one.
                tracked.reserve_exact(1);
            }
            tracked.push(topic.clone());
        }
    }

    /// Forgets that the connection is present in the topic; whether it was.
    pub(super) fn untrack(&self, topic: &Topic) -> bool {
        let mut contents = self.lock();
        let Some(rare) = &mut contents.rare else {
            return false;
        };
        let place = rare.tracked.iter().position(|known| known == topic);
        if let Some(place) = place {
            rare.tracked.swap_remove(place);
            contents.tidy();
        }
        place.is_some()
    }

    /// Forgets all topics that the connection is present in.
    pub(super) fn untrack_all(&self) -> Vec<Topic> {
        let mut contents = self.lock();
        let rare = contents.rare.as_mut();
        rare.map_or_else(Vec::new, |rare| std::mem::take(&mut rare.tracked))
    }

    /// Why a reader that is no socket is to end, once nothing waits for it any more.
    pub(super) fn closing(&self) -> Option<CloseFrame> {
        let contents = self.lock();
        let rare = contents.rare.as_ref();
        let rare = rare.filter(|rare| rare.waiting.is_none());
        rare.and_then(|rare| rare.close.as_deref().cloned())
    }

    /// Has the task of the context woken when something waits. `is_known` says that its socket does that, so that nothing is kept here.
    pub(super) fn listen(&self, cx: &Context<'_>, is_known: bool) {
        let mut contents = self.lock();
        if is_known {
            contents.take_waker();
            return;
        }
        match &mut contents.rare.get_or_insert_default().waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Gives what waits to `take`, with the key of its subscription, for as long as that takes it, and what `tell` says where
    /// something is missing.
    pub(super) fn flush(
        &self,
        mut take: impl FnMut(u32, &Prepared) -> Delivered,
        mut tell: impl FnMut(u32, Gap) -> Vec<Prepared>,
    ) -> Delivered {
        loop {
            let (key, gap) = {
                let mut contents = self.lock();
                let Some(waiting) = contents.waiting_mut() else {
                    return Delivered::Taken;
                };
                loop {
                    let Some(slot) = waiting.front() else {
                        contents.end_waiting();
                        return Delivered::Taken;
                    };
                    let key = slot.key;
                    let gap = match &slot.item {
                        Item::Message(message, _) => match take(key, message) {
                            Delivered::Taken => {
                                waiting.pop();
                                continue;
                            }
                            Delivered::Full => return Delivered::Full,
                            Delivered::Closed => {
                                contents.end_waiting();
                                return Delivered::Closed;
                            }
                        },
                        Item::Told(message) => match take(NO_SUBSCRIPTION, message) {
                            Delivered::Taken => {
                                waiting.pop();
                                continue;
                            }
                            other => return other,
                        },
                        Item::Missed(missed) => Gap::Missed(**missed),
                        Item::MissedUncounted(count) => Gap::MissedUncounted(*count),
                        Item::Skipped(count) => Gap::Skipped(*count),
                    };
                    waiting.pop();
                    break (key, gap);
                }
            };
            // Here the mailbox is open: who is told may want to look at the hub.
            let told = tell(key, gap);
            if !told.is_empty() {
                let mut contents = self.lock();
                let waiting = contents.begin_waiting();
                for message in told.into_iter().rev() {
                    waiting.push_told(key, message);
                }
            }
        }
    }

    pub(super) fn pop(&self) -> Option<Slot> {
        let mut contents = self.lock();
        let popped = contents.waiting_mut().and_then(Waiting::pop);
        if popped.is_none() {
            contents.end_waiting();
        }
        popped
    }

    /// Whether gathered messages are to be sent now, because there are many.
    pub(super) fn is_pressed(&self) -> bool {
        let mut contents = self.lock();
        let rare = contents.rare.as_mut();
        let is_pressed = rare.is_some_and(|rare| std::mem::take(&mut rare.is_pressed));
        contents.tidy();
        is_pressed
    }
}

impl Contents {
    pub(super) fn waiting(&self) -> Option<&Waiting> {
        let rare = self.rare.as_ref();
        rare.and_then(|rare| rare.waiting.as_deref())
    }

    fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        let rare = self.rare.as_mut();
        rare.and_then(|rare| rare.waiting.as_deref_mut())
    }

    fn begin_waiting(&mut self) -> &mut Waiting {
        let rare = self.rare.get_or_insert_default();
        rare.waiting.get_or_insert_default()
    }

    fn end_waiting(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.waiting = None;
        }
        self.tidy();
    }

    /// Whom to wake, where the socket does not do that.
    pub(super) fn waker(&self) -> Option<Waker> {
        let rare = self.rare.as_ref();
        rare.and_then(|rare| rare.waker.clone())
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        let waker = self.rare.as_mut()?.waker.take();
        self.tidy();
        waker
    }

    pub(super) fn is_closed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_closed)
    }

    /// Nothing is taken any more.
    pub(super) fn close(&mut self) {
        self.rare.get_or_insert_default().is_closed = true;
    }

    /// The same, and what waits is forgotten, and what was to be done.
    pub(super) fn end(&mut self) {
        self.rare = None;
        self.close();
    }

    /// What waits is all that there is, and then the connection ends with this.
    pub(super) fn end_with(&mut self, close: Option<CloseFrame>) {
        if let Some(rare) = &mut self.rare {
            rare.held = Vec::new();
            rare.commands = Vec::new();
        }
        if close.is_some() {
            self.rare.get_or_insert_default().close = close.map(Box::new);
        }
        self.tidy();
    }

    /// Where messages of a subscription wait, and whether the connection's task need not be woken for them.
    fn queue(&mut self, key: u32) -> (&mut Waiting, bool) {
        let rare = self.rare.get_or_insert_default();
        if let Some((_, held)) = rare.held.iter_mut().find(|(of, _)| *of == key) {
            return (held, true);
        }
        let waiting = rare.waiting.get_or_insert_default();
        // Whoever empties it need not take it away: the task that is awake does.
        let knows = !waiting.is_empty();
        (waiting, knows)
    }

    fn take_held(&mut self, key: u32) -> Option<Waiting> {
        let rare = self.rare.as_mut()?;
        let place = rare.held.iter().position(|(of, _)| *of == key)?;
        let held = rare.held.swap_remove(place).1;
        self.tidy();
        Some(held)
    }

    /// What all of it counts.
    fn octets(&self) -> usize {
        let waiting = self.waiting().map_or(0, Waiting::octets);
        let held = self.rare.iter().flat_map(|rare| &rare.held);
        waiting + held.map(|(_, held)| held.octets()).sum::<usize>()
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(rare) = &mut self.rare else {
            return false;
        };
        let held = rare.held.iter_mut().map(|(_, held)| held);
        let waiting = rare.waiting.as_deref_mut();
        let mut all = waiting.into_iter().chain(held);
        all.any(Waiting::drop_oldest_of_all)
    }

    /// Keeps what waits under its octets; gives how many messages were dropped for that, or nothing when the connection has to be
    /// closed for it.
    fn bound(&mut self, terms: &Terms) -> Option<u64> {
        let mut dropped = 0;
        while self.octets() > terms.octets {
            let is_dropped = match terms.octets_overflow {
                Overflow::DropOldest => self.drop_oldest(),
                Overflow::Close => false,
            };
            if !is_dropped {
                return None;
            }
            dropped += 1;
        }
        Some(dropped)
    }

    /// Takes nothing any more: the connection is too slow.
    fn give_up(&mut self) -> PutOff {
        self.close();
        self.end_waiting();
        self.end_with(None);
        PutOff {
            dropped: 0,
            is_over: true,
            is_news: true,
            waker: self.waker(),
        }
    }

    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }
}

/// The octets of a batch that does not wait for more.
pub(super) const BATCH: usize = 64 << 10;
