//! Who is present in a topic.

use super::message::{Member, Message};
use super::presence::{Change, Presence, Present};
use super::{Group, Hub, Subscription, To, Topic};
use std::sync::Arc;
use std::task::Waker;

impl<M: Message> Hub<M> {
    /// Subscribes a member to who is present: gives everybody who is now, then every change comes as a message with `key`,
    /// as [`track`](Self::track) and [`untrack`](Self::untrack) make them.
    pub fn watch(
        &self,
        topic: &Topic,
        group: &Arc<Group<M>>,
        member: Arc<dyn Member<M>>,
        key: u32,
    ) -> (Subscription<M>, Vec<Present>) {
        let epoch = self.next_epoch();
        self.with_record(topic, |record| {
            let presence = record.presence(epoch);
            let seat = presence.changes.sit(group, member, key);
            let subscription = Subscription {
                topic: topic.clone(),
                channel: presence.changes.id(),
                group: group.clone(),
                seat,
                to: To::Presence,
            };
            (subscription, presence.list())
        })
    }

    /// Says that a member is present in a topic, under a name that may be several members' (a user with several devices),
    /// with what others should know of it. A second call for the same member changes what they know.
    ///
    /// `message` makes of the change what those get who [`watch`](Self::watch); it is called when there are any, under the
    /// lock of the topic's shard: it must not call the hub.
    pub fn track(
        &self,
        topic: &Topic,
        present: Present,
        now: u64,
        message: impl FnOnce(&Change) -> M,
    ) {
        let mut wakes = Vec::new();
        let epoch = self.next_epoch();
        self.with_record(topic, |record| {
            let presence = record.presence(epoch);
            let change = presence.track(present);
            presence.tell(&change, message, now, &self.held, &mut wakes);
        });
        wakes.into_iter().for_each(Waker::wake);
    }

    /// Says that a member is no longer present. `false` when it was not.
    pub fn untrack(
        &self,
        topic: &Topic,
        member: u64,
        now: u64,
        message: impl FnOnce(&Change) -> M,
    ) -> bool {
        let mut wakes = Vec::new();
        let was_present = self.change(topic, |record| {
            let Some(presence) = &mut record.presence else {
                return false;
            };
            let Some(change) = presence.untrack(member) else {
                return false;
            };
            presence.tell(&change, message, now, &self.held, &mut wakes);
            true
        });
        let was_present = was_present.unwrap_or(false);
        wakes.into_iter().for_each(Waker::wake);
        was_present
    }

    /// Who is present, by member.
    pub fn present(&self, topic: &Topic) -> Vec<Present> {
        self.presence(topic, Presence::list)
    }

    /// How many members are present.
    pub fn present_count(&self, topic: &Topic) -> usize {
        self.presence(topic, Presence::len)
    }

    /// How many names are present: a user with several devices counts once.
    pub fn present_names(&self, topic: &Topic) -> usize {
        self.presence(topic, Presence::names)
    }

    fn presence<T: Default>(&self, topic: &Topic, read: impl FnOnce(&Presence<M>) -> T) -> T {
        let shard = self.shard(topic);
        let presence = shard
            .get(topic)
            .and_then(|record| record.presence.as_deref());
        presence.map(read).unwrap_or_default()
    }
}
