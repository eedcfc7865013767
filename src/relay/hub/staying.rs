//! For how long topics stay.

use super::history::Retention;
use super::message::Message;
use super::{Hub, Topic, lock};
use std::sync::atomic::Ordering;

impl<M: Message> Hub<M> {
    /// Has a topic stay until [`release`](Self::release) takes that back, with what was asked of what is kept of it: nobody is asked
    /// about it meanwhile, whoever holds which lock.
    pub(in crate::relay) fn keep(&self, topic: &Topic, keep: Retention) {
        self.with_messages(topic, Some(keep), |record| record.is_kept = true);
    }

    /// Has a topic that is there stay until then, though nothing may hold it: it goes on counting, so that somebody who comes again is
    /// told what he has missed. Nothing happens when too many do.
    pub(in crate::relay) fn linger(&self, topic: &Topic, until: u64) {
        let _ = self.change(topic, |record| {
            let is_new = record.lingers == 0;
            if is_new && self.lingering.fetch_add(1, Ordering::Relaxed) >= MOST_LINGERING {
                self.lingering.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            record.lingers = record.lingers.max(until).max(1);
        });
    }

    /// Whether a topic stays for a while.
    pub(in crate::relay) fn is_lingering(&self, topic: &Topic) -> bool {
        let shard = self.shard(topic);
        shard.get(topic).is_some_and(|record| record.lingers != 0)
    }

    /// A topic's order is no longer another's, and what is published to it elsewhere does not come any more: unless somebody subscribes
    /// nothing is kept of it, and it begins a new life, so that nobody goes on in the old one.
    pub fn release(&self, topic: &Topic) {
        let epoch = self.next_epoch();
        let _ = self.change(topic, |record| {
            record.is_kept = false;
            record.messages.renew(epoch, &self.held);
        });
    }

    /// Forgets what has become too old, and the topics that nothing holds any more. Call it every few seconds: a topic that
    /// is published to, or subscribed to, looks after itself.
    pub fn sweep(&self, now: u64) {
        if self.held() == 0 && self.lingering.load(Ordering::Relaxed) == 0 {
            // Only what is kept becomes too old.
            return;
        }
        for shard in &self.shards {
            lock(shard).retain(|_, record| {
                record.messages.expire(now, &self.held);
                if record.lingers != 0 && record.lingers <= now {
                    record.lingers = 0;
                    self.lingering.fetch_sub(1, Ordering::Relaxed);
                }
                !record.is_idle()
            });
        }
    }
}

/// The topics that stay for a while at most, some hundred octets each.
const MOST_LINGERING: usize = 1 << 14;
