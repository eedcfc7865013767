//! What there is in a hub, for whoever looks at it from outside.

use super::message::Message;
use super::shards::lock;
use super::{Hub, Topic};
use std::fmt;
use std::sync::atomic::Ordering;

impl<M: Message> Hub<M> {
    /// How many subscribe to a topic.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        let shard = self.shard(topic);
        shard.get(topic).map_or(0, |record| record.messages.len())
    }

    /// Who subscribes to a topic: the id of each member, once for each of its subscriptions.
    pub fn members(&self, topic: &Topic) -> Vec<u64> {
        let shard = self.shard(topic);
        let record = shard.get(topic);
        record.map_or_else(Vec::new, |record| record.messages.members())
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).len()).sum()
    }

    /// Whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` topics with the number of their subscribers, those with most of them first.
    pub fn largest(&self, most: usize) -> Vec<(Topic, usize)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            all.extend(
                shard
                    .iter()
                    .map(|(topic, record)| (topic.clone(), record.messages.len())),
            );
            // What cannot be among them is given up shard by shard: a million topics are not listed for ten.
            if all.len() > most.saturating_mul(2) {
                shorten(&mut all, most);
            }
        }
        shorten(&mut all, most);
        all
    }

    /// The octets that all histories hold.
    pub fn held(&self) -> usize {
        self.held.octets.load(Ordering::Relaxed)
    }
}

impl<M: Message> fmt::Debug for Hub<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("topics", &self.len())
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

fn shorten(all: &mut Vec<(Topic, usize)>, most: usize) {
    all.sort_unstable_by(|(a, of_a), (b, of_b)| {
        of_b.cmp(of_a).then_with(|| a.as_str().cmp(b.as_str()))
    });
    all.truncate(most);
}
