//! Every order in which threads may come to the locks of a group and of a shard, tried by loom: `tests/loom.sh` runs these.
//!
//! A task that is never woken again is a deadlock here, which loom reports.

use super::*;
use crate::sync::model;
use bytes::Bytes;
use loom::future::block_on;
use loom::sync::atomic::AtomicBool;
use loom::thread;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// What came for one subscription: its offsets, and how many were missed at the end.
struct Log {
    id: u64,
    /// Loom's locks are for what is tested; this one is never waited for.
    came: std::sync::Mutex<Came>,
    /// Nothing may come any more.
    ended: AtomicBool,
}

#[derive(Default)]
struct Came {
    offsets: Vec<u64>,
    last: u64,
}

impl Log {
    fn new(id: u64, last: u64) -> Arc<Self> {
        let offsets = Vec::new();
        Arc::new(Self {
            id,
            came: std::sync::Mutex::new(Came { offsets, last }),
            ended: AtomicBool::new(false),
        })
    }

    fn offsets(&self) -> Vec<u64> {
        self.came.lock().unwrap().offsets.clone()
    }

    /// The offset up to which everything came, or was told to be missing.
    fn last(&self) -> u64 {
        self.came.lock().unwrap().last
    }
}

impl Member<Bytes> for Log {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, _: u32, delivery: &Delivery<'_, Bytes>) {
        assert!(!self.ended.load(Ordering::SeqCst), "after its end");
        let mut came = self.came.try_lock().unwrap();
        came.last += delivery.missed;
        for entry in delivery.entries() {
            came.last += 1;
            assert_eq!(came.last, entry.offset, "a gap that was not told");
            came.offsets.push(entry.offset);
        }
        assert!(delivery.last().is_none_or(|last| last == came.last));
    }
}

fn topic() -> Topic {
    Topic::new("t").unwrap()
}

/// One shard: where a topic stands is random otherwise, and loom wants the same every time.
fn hub(retention: Retention) -> Arc<Hub<Bytes>> {
    Arc::new(Hub::new(HubConfig {
        shards: 1,
        retention: Box::new(move |_| retention),
        ..HubConfig::default()
    }))
}

/// Runs the task of a group until `enough`.
fn run_until(task: &mut Drain<Bytes>, most: usize, mut enough: impl FnMut() -> bool) {
    block_on(poll_fn(|cx| {
        let polled = task.poll(cx, most);
        assert!(polled.is_pending());
        if enough() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
}

/// Publishes so many messages in a thread of its own.
fn publisher(hub: &Arc<Hub<Bytes>>, count: usize) -> thread::JoinHandle<()> {
    let hub = hub.clone();
    thread::spawn(move || {
        for _ in 0..count {
            hub.publish(&topic(), Bytes::from_static(b"x"), None, 0);
        }
    })
}

const KEPT: Retention = Retention {
    messages: 8,
    octets: 1_000,
    age: 1_000,
};

#[test]
fn a_task_that_rests_is_woken() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let (group, log) = (Group::new(), Log::new(1, 0));
        let (held, _) = hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
        let publishers = [publisher(&hub, 1), publisher(&hub, 1)];
        run_until(&mut Drain::new(group), 1, || log.last() == 2);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        assert_eq!(log.offsets(), [1, 2]);
        hub.unsubscribe(held);
        assert!(hub.is_empty());
    });
}

#[test]
fn what_an_inbox_gives_up_is_told() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        // Room for one message.
        let (group, log) = (Group::with_room(100), Log::new(1, 0));
        let (held, _) = hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
        let publishers = [publisher(&hub, 2), publisher(&hub, 1)];
        run_until(&mut Drain::new(group.clone()), 1, || log.last() == 3);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        // The newest is never given up.
        assert_eq!(log.offsets().last(), Some(&3));
        assert_eq!(group.waiting(), 0);
        hub.unsubscribe(held);
    });
}

#[test]
fn between_history_and_news_nothing_is_missing_or_double() {
    model(|| {
        let hub = hub(KEPT);
        let group = Group::new();
        let publisher = publisher(&hub, 2);
        let other = hub.clone();
        let of_group = group.clone();
        let subscriber = thread::spawn(move || {
            let log = Log::new(1, 0);
            let resume = Resume::Newest(usize::MAX);
            let (held, recovered) = other.subscribe(&topic(), &of_group, log.clone(), 0, resume, 0);
            let offsets: Vec<_> = recovered.entries.iter().map(|entry| entry.offset).collect();
            let wanted: Vec<_> = (1..=recovered.offset).collect();
            assert_eq!(offsets, wanted);
            // Nobody drains yet, so this comes before anything is delivered.
            log.came.lock().unwrap().last = recovered.offset;
            (held, log, offsets)
        });
        publisher.join().unwrap();
        let (held, log, mut offsets) = subscriber.join().unwrap();
        let mut task = Drain::new(group);
        let _ = task.poll(&mut Context::from_waker(Waker::noop()), 100);
        offsets.extend(log.offsets());
        assert_eq!(offsets, [1, 2]);
        hub.unsubscribe(held);
        hub.sweep(5_000);
        assert_eq!((hub.len(), hub.held()), (0, 0));
    });
}

#[test]
fn nothing_comes_after_unsubscribe() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let (group, log) = (Group::new(), Log::new(1, 0));
        let (held, _) = hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
        let publisher = publisher(&hub, 2);
        let (other, of) = (hub.clone(), log.clone());
        let leaver = thread::spawn(move || {
            other.unsubscribe(held);
            of.ended.store(true, Ordering::SeqCst);
        });
        let mut task = Drain::new(group);
        let mut context = Context::from_waker(Waker::noop());
        let _ = task.poll(&mut context, 1);
        let _ = task.poll(&mut context, 1);
        leaver.join().unwrap();
        publisher.join().unwrap();
        let _ = task.poll(&mut context, 100);
        assert!(hub.is_empty());
        // The hub, the group and the task hold it no more.
        assert_eq!(Arc::strong_count(&log), 1);
    });
}

#[test]
fn who_comes_first_makes_the_topic_and_who_goes_last_takes_it() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let group = Group::new();
        let come_and_go = |id| {
            let (hub, group) = (hub.clone(), group.clone());
            thread::spawn(move || {
                let log = Log::new(id, 0);
                let (held, recovered) =
                    hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
                log.came.lock().unwrap().last = recovered.offset;
                assert_eq!(held.channel(), recovered.epoch);
                let published = hub.publish(&topic(), Bytes::from_static(b"x"), None, 0);
                assert_eq!(published.epoch, held.channel());
                assert!((1..=2).contains(&published.subscribers));
                hub.unsubscribe(held);
                assert_eq!(Arc::strong_count(&log), 1);
            })
        };
        let others = [come_and_go(1), come_and_go(2)];
        for other in others {
            other.join().unwrap();
        }
        assert!(hub.is_empty());
        let mut task = Drain::new(group.clone());
        let _ = task.poll(&mut Context::from_waker(Waker::noop()), 100);
        assert_eq!(group.waiting(), 0);
    });
}

#[test]
fn a_group_that_is_closed_ends_its_task() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let (group, log) = (Group::new(), Log::new(1, 0));
        let (held, _) = hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
        let publisher = publisher(&hub, 2);
        let closed = group.clone();
        let closer = thread::spawn(move || closed.close());
        let mut task = Drain::new(group.clone());
        block_on(poll_fn(|cx| task.poll(cx, 100)));
        closer.join().unwrap();
        publisher.join().unwrap();
        assert!(log.last() <= 2);
        assert_eq!(group.waiting(), 0);
        hub.unsubscribe(held);
        assert!(hub.is_empty());
    });
}

#[test]
fn who_watches_knows_who_is_present() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let (group, log) = (Group::new(), Log::new(9, 0));
        let change = |change: &Change| match change {
            Change::Joined { .. } => Bytes::from_static(b"+"),
            Change::Updated(_) => Bytes::from_static(b"="),
            Change::Left { .. } => Bytes::from_static(b"-"),
        };
        let other = hub.clone();
        let member = thread::spawn(move || {
            let (name, meta) = (Some("ann".into()), "{}".into());
            let present = Present {
                member: 1,
                name,
                meta,
            };
            other.track(&topic(), present, 0, change);
            assert!(other.untrack(&topic(), 1, 0, change));
        });
        let (watch, before) = hub.watch(&topic(), &group, log.clone(), 0);
        member.join().unwrap();
        let mut task = Drain::new(group);
        let _ = task.poll(&mut Context::from_waker(Waker::noop()), 100);
        // It came and went afterwards, or was there and went, or all of it was before.
        assert!(log.last() <= 2 && before.len() <= 1);
        assert_eq!(log.last() % 2, before.len() as u64);
        assert_eq!(hub.present_count(&topic()), 0);
        hub.unsubscribe(watch);
        assert!(hub.is_empty());
    });
}

/// Who flushes has what he published himself behind him, whatever the task is at; and the task still delivers everything else.
#[test]
fn who_flushes_has_what_was_published_before() {
    model(|| {
        let hub = hub(Retention::NOTHING);
        let (group, log) = (Group::new(), Log::new(1, 0));
        let (held, _) = hub.subscribe(&topic(), &group, log.clone(), 0, Resume::Live, 0);
        let flushes = {
            let (hub, group, log) = (hub.clone(), group.clone(), log.clone());
            thread::spawn(move || {
                let published = hub.publish(&topic(), Bytes::from_static(b"x"), None, 0);
                group.flush();
                assert!(log.last() >= published.offset);
            })
        };
        let publisher = publisher(&hub, 1);
        run_until(&mut Drain::new(group), 1, || log.last() == 2);
        flushes.join().unwrap();
        publisher.join().unwrap();
        assert_eq!(log.offsets(), [1, 2]);
        hub.unsubscribe(held);
    });
}
