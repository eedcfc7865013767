//! For how long topics stay.

use super::history::Retention;
use super::message::Message;
use super::shards::lock;
use super::{Hub, Topic};
use std::sync::atomic::Ordering;

impl<M: Message> Hub<M> {
    /// Has a topic stay until [`release`](Self::release) takes that back, with what was asked of what is kept of it: nobody is asked
    /// about it meanwhile, whoever holds which lock.
    pub(crate) fn keep(&self, topic: &Topic, keep: Retention) {
        self.with_messages(topic, Some(keep), |record| record.is_kept = true);
    }

    /// Has a topic that is there stay until then, though nothing may hold it: it goes on counting, so that somebody who comes again is
    /// told what he has missed. Nothing happens when too many do.
    pub(crate) fn linger(&self, topic: &Topic, until: u64) {
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
    pub(crate) fn is_lingering(&self, topic: &Topic) -> bool {
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

#[cfg(all(test, not(wireline_loom)))]
mod tests {
    use super::*;
    use crate::relay::hub::{Count, HubConfig, Present, Published};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    fn topic(number: usize) -> Topic {
        Topic::new(&format!("t:{number}")).unwrap()
    }

    #[test]
    fn a_topic_that_lingers_goes_on_counting_until_its_time_is_over() {
        let hub = Hub::<Bytes>::new(HubConfig::default());
        let publish = |at| hub.publish(&topic(1), "*".into(), None, at);
        // Nothing makes it stay that is not there.
        hub.linger(&topic(1), 100);
        assert_eq!((publish(0), hub.len()), (Published::default(), 0));
        hub.keep(&topic(1), Retention::NOTHING);
        hub.linger(&topic(1), 100);
        hub.linger(&topic(1), 50);
        hub.release(&topic(1));
        let (first, second) = (publish(1), publish(99));
        assert_eq!((first.offset, second.offset), (1, 2));
        assert_eq!(first.epoch, second.epoch);
        hub.sweep(99);
        assert!(hub.is_lingering(&topic(1)));
        hub.sweep(100);
        assert!(!hub.is_lingering(&topic(1)) && hub.is_empty());
        assert_eq!(publish(101), Published::default());
    }

    #[test]
    fn so_many_linger_and_no_more() {
        let hub = Hub::<Bytes>::new(HubConfig::default());
        for _ in 0..2 {
            for number in 0..MOST_LINGERING + 10 {
                hub.keep(&topic(number), Retention::NOTHING);
                hub.linger(&topic(number), 5);
                hub.release(&topic(number));
            }
            assert_eq!(hub.len(), MOST_LINGERING);
            hub.sweep(5);
            assert!(hub.is_empty());
        }
    }

    #[test]
    fn what_is_kept_is_asked_once_and_not_for_who_is_present() {
        let asked = Arc::new(AtomicUsize::new(0));
        let keep = Retention {
            messages: 9,
            octets: 999,
            age: 999,
        };
        let asking = {
            let asked = asked.clone();
            move |_: &Topic| {
                asked.fetch_add(1, Ordering::Relaxed);
                keep
            }
        };
        let hub = Hub::<Bytes>::new(HubConfig {
            retention: Box::new(asking),
            ..HubConfig::default()
        });
        let asked = || asked.load(Ordering::Relaxed);
        let present = Present {
            member: 1,
            name: None,
            meta: "{}".into(),
        };
        hub.track(&topic(1), present, 0, |_| "*".into());
        assert_eq!((hub.len(), asked()), (1, 0));
        // It is there, and still what is kept of it is what the application says.
        assert_eq!(hub.publish(&topic(1), "*".into(), None, 0).offset, 1);
        assert_eq!(hub.publish(&topic(1), "*".into(), None, 0).offset, 2);
        assert_eq!((asked(), hub.held() > 0), (1, true));
        // Who has asked says it.
        let (next, keep) = (Count::Next(1), Some(keep));
        hub.publish_kept(&topic(2), "*".into(), None, next, (keep, 0));
        hub.publish_as(&topic(3), "*".into(), None, Count::Nothing, 0);
        assert_eq!((asked(), hub.len()), (1, 2));
    }
}
