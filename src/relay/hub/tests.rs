use super::shards::lock;
use super::*;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};

/// What came, by key: how many were missed before it, its offset, and the message.
#[derive(Default)]
struct Log {
    id: u64,
    came: Mutex<Vec<(u32, u64, u64, Bytes)>>,
    /// What was missed after the last that came.
    missed: Mutex<HashMap<u32, u64>>,
    /// The places that were missed.
    lost: Mutex<Vec<(u64, u64)>>,
}

impl Log {
    fn new(id: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            ..Self::default()
        })
    }

    fn texts(&self, key: u32) -> Vec<String> {
        let came = lock(&self.came);
        let came = came.iter().filter(|(of, ..)| *of == key);
        came.map(|(.., message)| String::from_utf8(message.to_vec()).unwrap())
            .collect()
    }
}

impl Member<Bytes> for Log {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Bytes>) {
        let mut missed = lock(&self.missed);
        let missed = missed.entry(key).or_insert(0);
        *missed += delivery.missed;
        let before = delivery.before();
        if delivery.missed > 0 {
            lock(&self.lost).push((before - delivery.missed + 1, before));
        }
        let mut joined = Vec::new();
        for entry in delivery.entries() {
            joined.extend_from_slice(&entry.message);
            let came = (
                key,
                std::mem::take(missed),
                entry.offset,
                entry.message.clone(),
            );
            lock(&self.came).push(came);
        }
        assert!(delivery.whole().is_none_or(|whole| **whole == *joined));
    }
}

fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

fn hub(retention: Retention) -> Hub<Bytes> {
    Hub::new(HubConfig {
        retention: Box::new(move |_| retention),
        ..HubConfig::default()
    })
}

/// Polls, a few deliveries at a time, until the task would rest.
fn drain(drain: &mut Drain<Bytes>) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    while drain.poll(&mut Context::from_waker(&waker), 3).is_pending() {
        if !woken.0.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const SOME: Retention = Retention {
    messages: 3,
    octets: 1000,
    age: 100,
};

#[test]
fn subscribers_get_what_is_published_after_they_came() {
    let hub = hub(Retention::NOTHING);
    let group = Group::new();
    let (a, b) = (Log::new(1), Log::new(2));
    let room = topic("room");
    assert_eq!(hub.publish(&room, "nobody".into(), None, 0).subscribers, 0);
    assert!(hub.is_empty());
    let (first, _) = hub.subscribe(&room, &group, a.clone(), 7, Resume::Live, 0);
    assert_eq!(hub.publish(&room, "one".into(), None, 0).offset, 1);
    // It subscribes while the first message still waits in the inbox.
    let (second, _) = hub.subscribe(&room, &group, b.clone(), 8, Resume::Live, 0);
    assert_eq!(hub.publish(&room, "two".into(), None, 0).subscribers, 2);
    hub.publish(&room, "but b".into(), Some(2), 0);
    let mut task = Drain::new(group);
    drain(&mut task);
    assert_eq!(a.texts(7), ["one", "two", "but b"]);
    assert_eq!(b.texts(8), ["two"]);
    hub.unsubscribe(first);
    hub.publish(&room, "three".into(), None, 0);
    drain(&mut task);
    assert_eq!(a.texts(7).len(), 3);
    assert_eq!(b.texts(8), ["two", "three"]);
    hub.unsubscribe(second);
    assert!(hub.is_empty());
}

#[test]
fn who_comes_back_gets_what_is_missing_or_is_told() {
    let hub = hub(SOME);
    let room = topic("room");
    for (text, at) in [("1", 0), ("2", 10), ("3", 20)] {
        hub.publish(&room, text.into(), None, at);
    }
    let texts = |resume, now| {
        let recovered = hub.history(&room, resume, now);
        let entries = recovered.entries.iter();
        let texts: Vec<_> = entries.map(|entry| entry.message.clone()).collect();
        (recovered.complete, texts)
    };
    let epoch = hub.history(&room, Resume::Live, 20).epoch;
    let since = |offset| Resume::Since { epoch, offset };
    assert_eq!(
        texts(since(0), 20),
        (true, vec!["1".into(), "2".into(), "3".into()])
    );
    assert_eq!(texts(since(2), 20), (true, vec!["3".into()]));
    assert_eq!(texts(since(3), 20), (true, vec![]));
    assert!(!texts(since(4), 20).0);
    assert_eq!(texts(Resume::Newest(1), 20), (true, vec!["3".into()]));
    hub.publish(&room, "4".into(), None, 30);
    assert_eq!(
        texts(since(0), 30),
        (false, vec!["2".into(), "3".into(), "4".into()])
    );
    let elsewhere = Resume::Since {
        epoch: epoch + 1,
        offset: 4,
    };
    assert!(!texts(elsewhere, 30).0);
    // By age.
    assert_eq!(texts(since(2), 111), (true, vec!["3".into(), "4".into()]));
    assert_eq!(texts(since(2), 125), (false, vec!["4".into()]));
    assert_eq!(texts(since(4), 129), (true, vec![]));
    assert_eq!(hub.len(), 1);
    hub.sweep(131);
    assert_eq!((hub.len(), hub.held()), (0, 0));
    // Another life has another epoch.
    assert!(!texts(since(4), 131).0);
    hub.publish(&room, "5".into(), None, 140);
    assert!(hub.history(&room, Resume::Live, 140).epoch > epoch);
}

#[test]
fn all_histories_together_are_bounded() {
    let hub = Hub::new(HubConfig {
        history: 10_000,
        retention: Box::new(|_| Retention {
            messages: 50,
            octets: 5_000,
            age: 1_000,
        }),
        ..HubConfig::default()
    });
    for number in 0..1_000 {
        let topic = topic(&format!("t{}", number % 100));
        hub.publish(&topic, Bytes::from(vec![b'x'; 100]), None, 0);
        assert!(hub.held() <= 10_000 + 164, "{}", hub.held());
    }
    hub.sweep(2_000);
    assert_eq!((hub.len(), hub.held()), (0, 0));
}

#[test]
fn topics_that_nobody_holds_are_forgotten() {
    let hub = hub(Retention::NOTHING);
    let group = Group::new();
    let member = Log::new(1);
    for number in 0..50_000 {
        let topic = topic(&format!("topic:{number}"));
        let (subscription, _) = hub.subscribe(&topic, &group, member.clone(), 0, Resume::Live, 0);
        if number % 100 != 0 {
            hub.publish(&topic, "x".into(), None, 0);
        }
        hub.unsubscribe(subscription);
    }
    assert!(hub.is_empty());
    assert!(format!("{group:?}").contains("channels: 0"));
    assert!(hub.shards.iter().all(|shard| lock(shard).capacity() < 200));
    assert_eq!(Arc::strong_count(&member), 1);
}

#[test]
fn a_full_inbox_gives_up_the_oldest_and_says_so() {
    let hub = hub(Retention::NOTHING);
    let group = Group::with_room(1_000);
    let (a, b) = (Log::new(1), Log::new(2));
    let (one, other) = (topic("one"), topic("other"));
    let (_held, _) = hub.subscribe(&one, &group, a.clone(), 0, Resume::Live, 0);
    let (_held, _) = hub.subscribe(&other, &group, b.clone(), 0, Resume::Live, 0);
    hub.publish(&other, "gone".into(), None, 0);
    for number in 1..=40 {
        hub.publish(&one, format!("{number:036}").into(), None, 0);
    }
    assert!(group.waiting() <= 1_000);
    let mut task = Drain::new(group);
    drain(&mut task);
    let came = lock(&a.came);
    assert_eq!(came.len(), 10);
    assert_eq!((came[0].1, came[0].2), (30, 31));
    assert!(came[1..].iter().all(|(_, missed, ..)| *missed == 0));
    // What was the last of its topic is told as well.
    assert_eq!(lock(&b.missed)[&0], 1);
}

#[test]
fn presence_counts_members_and_names_and_tells_who_watches() {
    let hub = hub(Retention::NOTHING);
    let (group, watcher) = (Group::new(), Log::new(9));
    let room = topic("room");
    let present = |member, name: Option<&str>| Present {
        member,
        name: name.map(Into::into),
        meta: "{}".into(),
    };
    let told = |change: &Change| match change {
        Change::Joined { present, is_first } => format!("+{}{is_first}", present.member).into(),
        Change::Updated(present) => format!("={}", present.member).into(),
        Change::Left { present, is_last } => format!("-{}{is_last}", present.member).into(),
    };
    hub.track(&room, present(1, Some("ann")), 0, told);
    let (watch, before) = hub.watch(&room, &group, watcher.clone(), 5);
    assert_eq!(before, [present(1, Some("ann"))]);
    hub.track(&room, present(2, Some("ann")), 0, told);
    hub.track(&room, present(2, Some("ann")), 0, told);
    hub.track(&room, present(3, None), 0, told);
    assert_eq!((hub.present_count(&room), hub.present_names(&room)), (3, 2));
    assert!(hub.untrack(&room, 1, 0, told));
    assert!(!hub.untrack(&room, 1, 0, told));
    hub.track(&room, present(2, Some("bob")), 0, told);
    assert!(hub.untrack(&room, 2, 0, told));
    drain(&mut Drain::new(group));
    assert_eq!(
        watcher.texts(5),
        ["+2false", "=2", "+3true", "-1false", "+2true", "-2true"]
    );
    assert_eq!(hub.present(&room), [present(3, None)]);
    hub.unsubscribe(watch);
    assert!(hub.untrack(&room, 3, 0, told));
    assert!(hub.is_empty());
}

#[test]
fn a_closed_group_takes_nothing() {
    let hub = hub(Retention::NOTHING);
    let (group, room) = (Group::new(), topic("room"));
    let (subscription, _) = hub.subscribe(&room, &group, Log::new(1), 0, Resume::Live, 0);
    drop(Drain::new(group.clone()));
    hub.publish(&room, "x".into(), None, 0);
    assert_eq!(group.waiting(), 0);
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(Drain::new(group).poll(&mut context, 1), Poll::Ready(()));
    hub.unsubscribe(subscription);
    assert!(hub.is_empty());
}

#[test]
fn the_largest_topics_come_first() {
    let hub = hub(Retention::NOTHING);
    let group = Group::new();
    let mut held = Vec::new();
    for number in 0_u64..200 {
        for member in 0..=(number % 7) {
            let topic = topic(&format!("t{number:03}"));
            held.push(
                hub.subscribe(&topic, &group, Log::new(member + 1), 0, Resume::Live, 0)
                    .0,
            );
        }
    }
    let largest = hub.largest(3);
    let names: Vec<_> = largest
        .iter()
        .map(|(topic, count)| (topic.as_str(), *count))
        .collect();
    assert_eq!(names, [("t006", 7), ("t013", 7), ("t020", 7)]);
}

/// What a subscriber saw: how many were missed before it, its offset, and the message.
fn seen(log: &Log) -> Vec<(u64, u64, String)> {
    let came = lock(&log.came);
    let text = |message: &Bytes| String::from_utf8(message.to_vec()).unwrap();
    came.iter()
        .map(|(_, missed, offset, message)| (*missed, *offset, text(message)))
        .collect()
}

fn was(missed: u64, offset: u64, text: &str) -> (u64, u64, String) {
    (missed, offset, text.to_owned())
}

#[test]
fn a_message_may_stand_for_several_or_for_none() {
    let hub = hub(SOME);
    let group = Group::new();
    let (a, room) = (Log::new(1), topic("room"));
    let (held, _) = hub.subscribe(&room, &group, a.clone(), 1, Resume::Live, 0);
    let publish = |text: &str, count| hub.publish_as(&room, text.to_owned().into(), None, count, 0);
    assert_eq!(publish("one", Count::Next(1)).offset, 1);
    assert_eq!(publish("two to four are lost", Count::Next(3)).offset, 4);
    assert_eq!(publish("not counted", Count::Nothing).offset, 4);
    assert_eq!(publish("five", Count::Next(1)).offset, 5);
    let mut task = Drain::new(group.clone());
    drain(&mut task);
    let all = [
        was(0, 1, "one"),
        was(0, 4, "two to four are lost"),
        was(0, 4, "not counted"),
        was(0, 5, "five"),
    ];
    assert_eq!(seen(&a), all);
    // What is not counted is not kept; who was in the midst of what is lost has missed something.
    let since = |offset| {
        let resume = Resume::Since {
            epoch: held.channel(),
            offset,
        };
        let found = hub.history(&room, resume, 0);
        (found.complete, found.before(), found.entries.len())
    };
    assert_eq!(since(0), (true, 0, 3));
    assert_eq!(since(1), (true, 1, 2));
    assert_eq!(since(2), (false, 1, 2));
    assert_eq!(since(4), (true, 4, 1));
    hub.unsubscribe(held);
}

#[test]
fn an_order_that_is_anothers_has_its_epoch_and_its_offsets() {
    let hub = hub(SOME);
    let group = Group::new();
    let (a, room) = (Log::new(1), topic("room"));
    let entry = |offset, text: &str| Entry {
        offset,
        span: 1,
        at: 0,
        except: 0,
        message: Bytes::from(text.to_owned()),
    };
    hub.adopt(
        &room,
        77,
        11,
        vec![entry(10, "ten"), entry(11, "eleven")],
        0,
    );
    let since = Resume::Since {
        epoch: 77,
        offset: 10,
    };
    let (held, found) = hub.subscribe(&room, &group, a.clone(), 1, since, 0);
    assert_eq!((found.epoch, found.offset, found.before()), (77, 11, 10));
    assert!(found.complete);
    let at = |epoch, offset| {
        let text = format!("{epoch}:{offset}");
        let published = hub.publish_as(&room, text.into(), None, Count::At { epoch, offset }, 0);
        (published.epoch, published.offset, published.subscribers)
    };
    assert_eq!(at(77, 12), (77, 12, 1));
    // It was there before.
    assert_eq!(at(77, 12), (77, 12, 0));
    // 13 and 14 are missing.
    assert_eq!(at(77, 15), (77, 15, 1));
    // The one whose order it is has lost what it knew.
    hub.adopt(&room, 99, 3, Vec::new(), 0);
    assert_eq!(at(99, 4), (99, 4, 1));
    let mut task = Drain::new(group.clone());
    drain(&mut task);
    let all = [was(0, 12, "77:12"), was(2, 15, "77:15"), was(0, 4, "99:4")];
    assert_eq!(seen(&a), all);
    let found = hub.history(&room, since, 0);
    assert_eq!((found.complete, found.entries.len()), (false, 1));
    // It stays without subscribers, until it is given back.
    hub.unsubscribe(held);
    assert_eq!(hub.len(), 1);
    hub.release(&room);
    assert!(hub.is_empty());
    assert_eq!(hub.held(), 0);
}

#[test]
fn what_was_missed_has_its_offsets_in_whichever_epoch() {
    let hub = hub(Retention::NOTHING);
    // Room for two messages.
    let group = Group::with_room(140);
    let (a, room) = (Log::new(1), topic("room"));
    hub.adopt(&room, 77, 11, Vec::new(), 0);
    let (held, _) = hub.subscribe(&room, &group, a.clone(), 1, Resume::Live, 0);
    let at = |epoch, offset| {
        let count = Count::At { epoch, offset };
        hub.publish_as(&room, "x".into(), None, count, 0)
    };
    let mut task = Drain::new(group.clone());
    let told = |task: &mut Drain<Bytes>| {
        drain(task);
        let lost = std::mem::take(&mut *lock(&a.lost));
        let runs = lost.iter().map(|(first, last)| {
            let offsets = hub.offsets(&room, *first, *last);
            assert_eq!(
                offsets.iter().map(Offsets::count).sum::<u64>(),
                last - first + 1
            );
            offsets
        });
        let runs = runs.flatten().map(|run| (run.epoch, run.first, run.last));
        runs.collect::<Vec<_>>()
    };
    // 13 and 14 were never there.
    at(77, 12);
    at(77, 15);
    assert_eq!(told(&mut task), [(77, 13, 14)]);
    // There is no room for all of them, and the order begins anew meanwhile, twice.
    for offset in 16..20 {
        at(77, offset);
    }
    hub.adopt(&room, 99, 3, Vec::new(), 0);
    at(99, 4);
    at(111, 1);
    at(111, 2);
    assert_eq!(told(&mut task), [(77, 16, 19), (99, 4, 4)]);
    assert_eq!(at(111, 3).offset, 3);
    assert!(told(&mut task).is_empty());
    let came: Vec<u64> = lock(&a.came).iter().map(|came| came.2).collect();
    assert_eq!(came, [12, 15, 1, 2, 3]);
    // Without subscribers a new life begins, at a place behind all others.
    hub.unsubscribe(held);
    hub.linger(&room, 9);
    hub.release(&room);
    let (held, begun) = hub.subscribe(&room, &group, a.clone(), 1, Resume::Live, 0);
    assert_eq!(begun.offset, 0);
    for _ in 0..4 {
        hub.publish(&room, "x".into(), None, 0);
    }
    assert_eq!(told(&mut task), [(begun.epoch, 1, 2)]);
    hub.unsubscribe(held);
}

#[test]
fn nobody_goes_on_in_a_life_that_was_given_back() {
    let hub = hub(SOME);
    let group = Group::new();
    let room = topic("room");
    let present = Present {
        member: 9,
        name: None,
        meta: "{}".into(),
    };
    // Somebody is present there, on another node perhaps, so that the topic stays.
    hub.track(&room, present, 0, |_| Bytes::new());
    let (held, _) = hub.subscribe(&room, &group, Log::new(1), 1, Resume::Live, 0);
    let first = hub.publish(&room, "one".into(), None, 0);
    let since = Resume::Since {
        epoch: first.epoch,
        offset: first.offset,
    };
    // Not while somebody subscribes.
    hub.release(&room);
    assert!(hub.history(&room, since, 0).complete);
    hub.unsubscribe(held);
    hub.release(&room);
    let found = hub.history(&room, since, 0);
    assert!(!found.complete && found.epoch != first.epoch);
    assert_eq!(hub.len(), 1);
}

#[test]
fn what_is_not_counted_is_not_told_when_it_is_lost() {
    let hub = hub(Retention::NOTHING);
    let group = Group::with_room(80);
    let (a, room) = (Log::new(1), topic("room"));
    let (held, _) = hub.subscribe(&room, &group, a.clone(), 1, Resume::Live, 0);
    for count in [Count::Next(1), Count::Nothing, Count::Next(1)] {
        hub.publish_as(&room, "x".into(), None, count, 0);
    }
    drain(&mut Drain::new(group));
    assert_eq!(seen(&a), [was(1, 2, "x")]);
    hub.unsubscribe(held);
}

#[test]
fn a_group_delivers_at_once_when_it_is_asked_to() {
    let hub = hub(Retention::NOTHING);
    let group = Group::new();
    let mut task = Drain::new(group.clone());
    let logs = [Log::new(1), Log::new(2)];
    let rooms = [topic("a"), topic("b")];
    let mut held = Vec::new();
    for room in &rooms {
        for log in &logs {
            held.push(
                hub.subscribe(room, &group, log.clone(), 0, Resume::Live, 0)
                    .0,
            );
        }
    }
    group.flush();
    for round in 0..3 {
        for room in &rooms {
            hub.publish(room, Bytes::from(format!("{room}{round}")), Some(2), 0);
        }
        // The task has had one delivery's turn, in the midst of a run.
        let waker = Waker::noop();
        if round == 1 {
            assert!(task.poll(&mut Context::from_waker(waker), 1).is_pending());
        }
        group.flush();
        assert_eq!(logs[0].texts(0).len(), 2 * (round + 1));
        assert_eq!(group.waiting(), 0);
    }
    assert_eq!(logs[0].texts(0), ["a0", "b0", "a1", "b1", "a2", "b2"]);
    assert!(logs[1].texts(0).is_empty());
    // The task finds nothing, and is woken for the next.
    drain(&mut task);
    hub.publish(&rooms[0], Bytes::from("a3"), None, 0);
    drain(&mut task);
    assert_eq!(logs[1].texts(0), ["a3"]);
    assert_eq!(hub.members(&rooms[0]), [1, 2]);
    group.close();
    group.flush();
    assert!(
        task.poll(&mut Context::from_waker(Waker::noop()), 1)
            .is_ready()
    );
    held.into_iter().for_each(|held| hub.unsubscribe(held));
    assert!(hub.members(&rooms[0]).is_empty());
}

#[test]
fn a_history_is_given_in_pages() {
    let hub = hub(Retention {
        messages: 10,
        octets: 1 << 20,
        age: 1_000,
    });
    let topic = topic("a");
    for number in 0..25_u8 {
        hub.publish(&topic, Bytes::copy_from_slice(&[number]), None, 0);
    }
    let page = |offset, most| {
        let epoch = hub.history(&topic, Resume::Live, 0).epoch;
        hub.history_page(&topic, Resume::Since { epoch, offset }, most, 0)
    };
    let offsets = |of: &Recovered<Bytes>| -> Vec<u64> {
        of.entries.iter().map(|entry| entry.offset).collect()
    };
    let first = page(15, 4);
    assert_eq!((offsets(&first), first.later), (vec![16, 17, 18, 19], 6));
    assert_eq!((first.before(), first.complete), (15, true));
    let last = page(19, 6);
    assert_eq!((last.entries.len(), last.later, last.before()), (6, 0, 19));
    // What is not kept any more is missing before the first page.
    let late = page(3, 1);
    assert_eq!((offsets(&late), late.later), (vec![16], 9));
    assert!(!late.complete);
    let newest = hub.history_page(&topic, Resume::Newest(3), 2, 0);
    assert_eq!((offsets(&newest), newest.later), (vec![23, 24], 1));
    assert_eq!(page(25, 5).later, 0);
}
