//! What the hub knows of one topic.

use super::Topic;
use super::channel::Channel;
use super::history::Retention;
use super::message::Message;
use super::presence::Presence;
use crate::sync::AtomicUsize;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// What is known of a topic. It is there for as long as there is a subscriber, a message to keep, or somebody present, or its order is
/// another's.
pub(super) struct Record<M: Message> {
    pub(super) messages: Channel<M>,
    pub(super) presence: Option<Box<Presence<M>>>,
    /// Whether it stays without any of them.
    pub(super) is_kept: bool,
    /// Whether it is known what is kept of it: a topic where somebody is present, and no more, needs no such thing.
    is_asked: bool,
    /// Until when it stays without any of them; 0 for no longer.
    pub(super) lingers: u64,
}

/// The octets that all histories hold, and the most that they may.
pub(crate) struct Held {
    pub(super) octets: AtomicUsize,
    pub(super) most: usize,
}

impl<M: Message> Record<M> {
    /// One of which nobody has asked what is kept.
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            messages: Channel::new(epoch, Retention::NOTHING),
            presence: None,
            is_kept: false,
            is_asked: false,
            lingers: 0,
        }
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Says what is kept of it, unless somebody was faster.
    pub(super) const fn answer(&mut self, keep: Retention) {
        if !self.is_asked {
            self.is_asked = true;
            self.messages.retain(keep);
        }
    }

    pub(super) fn presence(&mut self, epoch: u64) -> &mut Presence<M> {
        self.presence
            .get_or_insert_with(|| Box::new(Presence::new(epoch)))
    }

    /// Whether nothing holds the topic any more; gives up a presence that nothing holds.
    pub(super) fn is_idle(&mut self) -> bool {
        if self
            .presence
            .as_ref()
            .is_some_and(|presence| presence.is_idle())
        {
            self.presence = None;
        }
        !self.is_kept && self.lingers == 0 && self.presence.is_none() && self.messages.is_idle()
    }
}

impl Held {
    pub(crate) fn add(&self, octets: usize) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, octets: usize) {
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.octets.load(Ordering::Relaxed) > self.most
    }
}

/// Forgets a topic that nothing holds any more.
pub(super) fn forget_idle<M: Message>(shard: &mut HashMap<Topic, Record<M>>, topic: &Topic) {
    if shard.get_mut(topic).is_some_and(Record::is_idle) {
        shard.remove(topic);
        if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
            shard.shrink_to(shard.len() * 2);
        }
    }
}
