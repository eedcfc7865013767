//! The relay's hub beside a plain model, and under threads: for every subscriber the stream is the published order, and
//! every gap is told with its length.

#[path = "support/hub_model.rs"]
mod hub_model;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use wireline::relay::hub::{
    Delivery, Drain, Group, Hub, HubConfig, Member, Resume, Retention, Subscription, Topic,
};

/// All operations, in any order, from 3,000 seeds. One that fails is made small before it is shown.
#[test]
fn operations_agree_with_a_plain_model() {
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        let steps = 20 + random.below(300);
        let input: Vec<u8> = (0..=steps * hub_model::STEP)
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        if catch_unwind(|| hub_model::run(&input)).is_err() {
            let small = smaller(input);
            let (first, operations) = small.split_first().unwrap();
            let operations: Vec<_> = operations.chunks(hub_model::STEP).collect();
            panic!("seed {seed}: first octet {first}, operations {operations:?}");
        }
    }
}

/// What is small shows what matters: the test of the model itself, with a model that is wrong.
#[test]
fn a_failing_input_is_made_small() {
    let fails = |input: &[u8]| input.contains(&7) && input.contains(&9);
    let input: Vec<u8> = (0..=40).collect();
    let small = shrink(input, fails);
    assert!(fails(&small));
    assert_eq!(small.len(), 1 + 2 * hub_model::STEP);
}

/// Leaves out what is not needed for the input to fail.
fn smaller(input: Vec<u8>) -> Vec<u8> {
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let small = shrink(input, |input| {
        catch_unwind(|| hub_model::run(input)).is_err()
    });
    set_hook(hook);
    small
}

/// Leaves out operations for as long as what is left fails: halves first, then single ones.
fn shrink(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut length = input.len();
    while length >= hub_model::STEP {
        length = (length / 2).next_multiple_of(hub_model::STEP);
        let mut at = 1;
        while at < input.len() {
            let mut without = input.clone();
            without.drain(at..input.len().min(at + length));
            if fails(&without) {
                input = without;
            } else {
                at += length;
            }
        }
        if length == hub_model::STEP {
            break;
        }
    }
    input
}

/// Threads that publish, a task for each group that drains at random, members that come and go: whoever held a
/// subscription has, from its first offset on, each message that was published at that offset, or was told that it is
/// missing; and none that was for everybody else.
#[test]
fn streams_are_what_was_published_with_every_gap_told() {
    let (mut gaps, mut came) = (0, 0);
    for seed in 1..=ROUNDS {
        let round = Round::new(seed);
        round.run();
        let (of_gaps, of_came) = round.check();
        gaps += of_gaps;
        came += of_came;
    }
    // Otherwise it has seen nothing of what it is about.
    println!("{came} messages, {gaps} missing");
    assert!(came > 10_000 && gaps > 1_000, "{came}, {gaps}");
}

struct Round {
    seed: u64,
    hub: Hub<Bytes>,
    topics: Vec<Topic>,
    groups: Vec<Arc<Group<Bytes>>>,
    /// What was published: topic and offset, then whom it was not for, and the message.
    published: Mutex<BTreeMap<(usize, u64), (u64, Bytes)>>,
    streams: Mutex<Vec<Stream>>,
    /// Held to the end.
    held: Mutex<Vec<Subscription<Bytes>>>,
    has_ended: AtomicBool,
}

/// A subscription: where it began, what came, and whether it was held to the end.
struct Stream {
    topic: usize,
    begin: u64,
    member: Arc<Log>,
    is_held: bool,
}

/// What came for one subscription.
struct Log {
    id: u64,
    came: Mutex<Vec<Came>>,
}

enum Came {
    Missed(u64),
    Message(u64, Bytes),
    /// Everything up to here is accounted for.
    Until(u64),
}

impl Member<Bytes> for Log {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, _: u32, delivery: &Delivery<'_, Bytes>) {
        let mut came = self.came.lock().unwrap();
        if delivery.missed > 0 {
            came.push(Came::Missed(delivery.missed));
        }
        for entry in delivery.entries() {
            came.push(Came::Message(entry.offset, entry.message.clone()));
        }
        came.extend(delivery.last().map(Came::Until));
    }
}

impl Round {
    fn new(seed: u64) -> Self {
        let retention = |topic: &Topic| Retention {
            messages: if topic.as_str() == "t0" { 0 } else { 20 },
            octets: 10_000,
            age: 1_000,
        };
        Self {
            seed,
            hub: Hub::new(HubConfig {
                shards: 2,
                retention: Box::new(retention),
                ..HubConfig::default()
            }),
            topics: (0..3)
                .map(|number| Topic::new(&format!("t{number}")).unwrap())
                .collect(),
            groups: [300, 3_000, 16 << 20].map(Group::with_room).into(),
            published: Mutex::default(),
            streams: Mutex::default(),
            held: Mutex::default(),
            has_ended: AtomicBool::new(false),
        }
    }

    fn run(&self) {
        // One of each topic that stays, so that the topics have one life.
        for (place, group) in self.groups.iter().enumerate() {
            for topic in 0..self.topics.len() {
                let id = 1 + (place * 3 + topic) as u64;
                let (_, subscription) = self.subscribe(topic, group, id);
                self.held.lock().unwrap().push(subscription);
            }
        }
        thread::scope(|scope| {
            for (place, group) in self.groups.iter().enumerate() {
                scope.spawn(move || self.drain(group, place as u64));
            }
            let publishers = (0..3).map(|publisher| scope.spawn(move || self.publish(publisher)));
            let visitors = (0..2).map(|visitor| scope.spawn(move || self.visit(visitor)));
            for thread in publishers.chain(visitors).collect::<Vec<_>>() {
                thread.join().unwrap();
            }
            self.has_ended.store(true, Ordering::Release);
        });
    }

    /// The task of a group: it delivers a few, rests, goes on; at the end everything.
    fn drain(&self, group: &Arc<Group<Bytes>>, place: u64) {
        let mut random = Random(self.seed * 100 + 50 + place);
        let mut task = Drain::new(group.clone());
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let has_ended = self.has_ended.load(Ordering::Acquire);
            if has_ended {
                break;
            }
            for _ in 0..random.below(4) {
                assert!(task.poll(&mut context, 1 + random.below(6)).is_pending());
            }
            for _ in 0..random.below(20) {
                thread::yield_now();
            }
        }
        for _ in 0..ENOUGH {
            assert!(task.poll(&mut context, 1_000).is_pending());
        }
        assert_eq!(group.waiting(), 0);
    }

    fn publish(&self, publisher: u64) {
        let mut random = Random(self.seed * 100 + 1 + publisher);
        for number in 0..MESSAGES {
            let topic = random.below(self.topics.len());
            let except = random.below(20) as u64;
            let message = Bytes::from(format!("{publisher} {number}"));
            let given = (except > 0).then_some(except);
            let published = self
                .hub
                .publish(&self.topics[topic], message.clone(), given, 0);
            let before = self
                .published
                .lock()
                .unwrap()
                .insert((topic, published.offset), (except, message));
            assert!(before.is_none(), "an offset twice");
            if random.below(30) == 0 {
                thread::yield_now();
            }
        }
    }

    /// Members that come, with what is kept, and go.
    fn visit(&self, visitor: u64) {
        let mut random = Random(self.seed * 100 + 20 + visitor);
        let mut staying = Vec::new();
        for number in 0..60 {
            let group = &self.groups[random.below(self.groups.len())];
            let topic = random.below(self.topics.len());
            let id = 10 + visitor + 2 * (number % 5);
            staying.push(self.subscribe(topic, group, id));
            if staying.len() > 3 {
                let (place, subscription) = staying.swap_remove(random.below(staying.len()));
                self.hub.unsubscribe(subscription);
                let log = {
                    let stream = &mut self.streams.lock().unwrap()[place];
                    stream.is_held = false;
                    stream.member.clone()
                };
                let before = log.came.lock().unwrap().len();
                thread::yield_now();
                // Nothing comes any more.
                assert_eq!(log.came.lock().unwrap().len(), before);
            }
            for _ in 0..random.below(30) {
                thread::yield_now();
            }
        }
        let staying = staying.into_iter().map(|(_, subscription)| subscription);
        self.held.lock().unwrap().extend(staying);
    }

    fn subscribe(
        &self,
        topic: usize,
        group: &Arc<Group<Bytes>>,
        id: u64,
    ) -> (usize, Subscription<Bytes>) {
        let came = Mutex::default();
        let member = Arc::new(Log { id, came });
        let mut streams = self.streams.lock().unwrap();
        let name = &self.topics[topic];
        let resume = Resume::Newest(5);
        let (subscription, recovered) =
            self.hub
                .subscribe(name, group, member.clone(), 0, resume, 0);
        // What is kept ends where the news begins.
        let kept = recovered.entries.len() as u64;
        let offsets = recovered.entries.iter().map(|entry| entry.offset);
        assert!(offsets.eq(recovered.offset - kept + 1..=recovered.offset));
        streams.push(Stream {
            topic,
            begin: recovered.offset,
            member,
            is_held: true,
        });
        (streams.len() - 1, subscription)
    }

    /// How many messages were missing, and how many came.
    fn check(self) -> (u64, u64) {
        let published = self.published.into_inner().unwrap();
        let last = |topic| {
            let of_topic = published.range((topic, 0)..=(topic, u64::MAX));
            of_topic.last().map_or(0, |((_, offset), _)| *offset)
        };
        let (mut gaps, mut messages) = (0, 0);
        let seed = self.seed;
        for stream in self.streams.into_inner().unwrap() {
            let Stream { topic, member, .. } = stream;
            let mut at = stream.begin;
            // What was published from the last that is accounted for up to `end`, none of it for this member.
            let hidden = |from: u64, end: u64| {
                (from + 1..end).all(|offset| published[&(topic, offset)].0 == member.id)
            };
            for came in &*member.came.lock().unwrap() {
                match came {
                    Came::Missed(missed) => {
                        at += missed;
                        gaps += missed;
                    }
                    Came::Message(offset, message) => {
                        assert!(*offset > at, "seed {seed}: {offset} after {at}");
                        assert!(hidden(at, *offset), "seed {seed}: a gap before {offset}");
                        let (except, expected) = &published[&(topic, *offset)];
                        assert_eq!(message, expected);
                        assert_ne!(*except, member.id);
                        at = *offset;
                        messages += 1;
                    }
                    Came::Until(offset) => {
                        assert!(hidden(at, offset + 1), "seed {seed}: a gap before {offset}");
                        at = *offset;
                    }
                }
            }
            if stream.is_held {
                assert_eq!(at, last(topic), "seed {seed}: not told to the end");
            }
        }
        for subscription in self.held.into_inner().unwrap() {
            self.hub.unsubscribe(subscription);
        }
        self.hub.sweep(10_000);
        assert_eq!((self.hub.len(), self.hub.held()), (0, 0));
        (gaps, messages)
    }
}

/// Numbers that repeat (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % bound
    }
}

const SEEDS: u64 = 3_000;
const ROUNDS: u64 = 10;
/// Of each publisher.
const MESSAGES: u64 = 700;
/// Polls after which a task has nothing left.
const ENOUGH: usize = 20_000;
