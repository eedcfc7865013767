//! Operations on the relay's hub, beside a plain model of what it promises.
//!
//! Octets are operations, four octets each, so that a fuzzer and a seeded test run the same. After each operation the
//! hub is asked what the model knows: what is held, how much waits, who was woken. At the end every subscription has
//! exactly the messages that were published while it was held, in order, and every gap was told with its length.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use wireline::relay::hub::{
    Change, Delivery, Drain, Entry, Group, Hub, HubConfig, Member, Present, Recovered, Resume,
    Retention, Subscription, Topic,
};

/// Runs the operations that the octets are.
///
/// # Panics
///
/// When the hub does something else than the model.
pub(crate) fn run(data: &[u8]) {
    let Some((first, operations)) = data.split_first() else {
        return;
    };
    let mut world = World::new(*first);
    for operation in operations.chunks(4).take(MOST) {
        let mut octets = [0; 4];
        octets[..operation.len()].copy_from_slice(operation);
        world.step(octets);
        world.agree();
    }
    world.end();
}

/// How many octets one operation is.
#[allow(dead_code, reason = "for the test that makes failing inputs small")]
pub(crate) const STEP: usize = 4;

/// Operations beyond this are not run.
const MOST: usize = 2_000;

/// How many topics, groups and members there are.
const TOPICS: usize = 4;
const GROUPS: usize = 3;
const MEMBERS: usize = 6;

/// What an entry counts beside its message, in a history and in an inbox.
const OVERHEAD: usize = 64;

/// What is kept of each topic.
const RETENTIONS: [Retention; TOPICS] = [
    Retention::NOTHING,
    Retention {
        messages: 3,
        octets: 1_000,
        age: 100,
    },
    Retention {
        messages: 100,
        octets: 300,
        age: 50,
    },
    Retention {
        messages: 5,
        octets: 10_000,
        age: u64::MAX,
    },
];

/// The octets that the inboxes hold.
const ROOMS: [usize; GROUPS] = [16 << 20, 1_000, 150];

struct World {
    hub: Hub<Bytes>,
    names: Vec<Topic>,
    topics: Vec<Option<Life>>,
    crews: Vec<Crew>,
    members: Vec<Arc<Log>>,
    held: Vec<Held>,
    /// The octets that histories may hold.
    budget: usize,
    now: u64,
    /// The largest epoch so far.
    epoch: u64,
    /// Names the orders of messages; never used again.
    stream: u64,
    key: u32,
    number: u64,
}

/// A topic for as long as the hub knows it.
struct Life {
    stream: u64,
    epoch: Option<u64>,
    last: u64,
    kept: Vec<Entry<Bytes>>,
    presence: Option<Presence>,
}

struct Presence {
    stream: u64,
    last: u64,
    members: BTreeMap<u64, Present>,
}

/// A subscription, and what is to come of it.
struct Held {
    subscription: Subscription<Bytes>,
    key: u32,
    who: usize,
    stream: u64,
    expected: Vec<(u64, What)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Lost,
    /// Published, and nothing of this subscriber's.
    Hidden,
    Came(Bytes),
}

/// A group and its task.
struct Crew {
    group: Arc<Group<Bytes>>,
    task: Drain<Bytes>,
    wakes: Arc<Wakes>,
    /// How often it must have been woken.
    woken: usize,
    rests: bool,
    is_closed: bool,
    /// What waits: the stream, the offset, what it counts.
    inbox: VecDeque<(u64, u64, usize)>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What came for a member, by key.
pub(crate) struct Log {
    id: u64,
    came: Mutex<BTreeMap<u32, Came>>,
}

#[derive(Default)]
struct Came {
    /// The offset up to which everything is accounted for.
    last: u64,
    events: Vec<What>,
}

impl Member<Bytes> for Log {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Bytes>) {
        let mut came = self.came.lock().unwrap();
        let came = came.entry(key).or_default();
        came.last += delivery.missed;
        for _ in 0..delivery.missed {
            came.events.push(What::Lost);
        }
        let mut joined = Vec::new();
        for entry in delivery.entries() {
            assert!(entry.offset > came.last, "out of order");
            assert_ne!(entry.except, self.id);
            joined.extend_from_slice(&entry.message);
            came.events.push(What::Came(entry.message.clone()));
        }
        if let Some(last) = delivery.last() {
            assert!(last > came.last);
            came.last = last;
        }
        if let Some(whole) = delivery.whole() {
            assert_eq!(**whole, *joined);
        }
        assert!(delivery.missed > 0 || delivery.last().is_some());
    }
}

impl World {
    fn new(first: u8) -> Self {
        let budget = if first & 1 == 0 { 64 << 20 } else { 500 };
        let names: Vec<_> = (0..TOPICS)
            .map(|number| Topic::new(&format!("t{number}")).unwrap())
            .collect();
        let retentions: BTreeMap<_, _> = names.iter().cloned().zip(RETENTIONS).collect();
        let crews = ROOMS.map(|room| {
            let group = Group::with_room(room);
            Crew {
                task: Drain::new(group.clone()),
                group,
                wakes: Arc::default(),
                woken: 0,
                rests: false,
                is_closed: false,
                inbox: VecDeque::new(),
            }
        });
        let member = |id| {
            let came = Mutex::default();
            Arc::new(Log { id, came })
        };
        Self {
            hub: Hub::new(HubConfig {
                shards: 1 + usize::from(first >> 5),
                history: budget,
                epoch: 100,
                retention: Box::new(move |topic| retentions[topic]),
            }),
            names,
            topics: (0..TOPICS).map(|_| None).collect(),
            crews: crews.into_iter().collect(),
            members: (1..=MEMBERS as u64).map(member).collect(),
            held: Vec::new(),
            budget,
            now: 1_000,
            epoch: 0,
            stream: 0,
            key: 0,
            number: 0,
        }
    }

    fn step(&mut self, [kind, a, b, c]: [u8; 4]) {
        let at = usize::from(a) % TOPICS;
        let who = usize::from(b) % MEMBERS;
        match kind % 16 {
            0 | 1 => self.subscribe(at, who, c),
            2 if !self.held.is_empty() => {
                let place = usize::from(u16::from_be_bytes([a, b])) % self.held.len();
                self.unsubscribe(place);
            }
            3 => self.watch(at, who),
            4..=7 => self.publish(at, b, c),
            8 => self.history(at, c),
            9 => self.track(at, who, c),
            10 => self.untrack(at, who),
            11 => self.sweep(),
            12 => self.now += u64::from(a) / 4,
            13 => self.poll(usize::from(a) % GROUPS, 1 + usize::from(b) % 5),
            14 => self.drain(usize::from(a) % GROUPS),
            // Seldom: nothing comes of this group afterwards.
            15 if a.is_multiple_of(16) => self.close(usize::from(b) % GROUPS),
            _ => self.ask(usize::from(a)),
        }
    }

    fn subscribe(&mut self, at: usize, who: usize, c: u8) {
        self.expire(at);
        let resume = self.resume(at, c);
        let topic = self.names[at].clone();
        let group = self.crews[who % GROUPS].group.clone();
        let member = self.members[who].clone();
        self.life(at);
        let key = self.key;
        let (subscription, recovered) = self
            .hub
            .subscribe(&topic, &group, member, key, resume, self.now);
        assert_eq!(subscription.topic(), &topic);
        self.saw_epoch(at, subscription.channel());
        self.recovered(at, resume, &recovered);
        let life = self.topics[at].as_ref().unwrap();
        let (stream, last) = (life.stream, life.last);
        self.hold(subscription, who, stream, last);
    }

    fn watch(&mut self, at: usize, who: usize) {
        let topic = self.names[at].clone();
        let group = self.crews[who % GROUPS].group.clone();
        let member = self.members[who].clone();
        self.life(at);
        let presence = self.presence(at);
        let (stream, last) = (presence.stream, presence.last);
        let expected: Vec<_> = presence.members.values().cloned().collect();
        let (subscription, before) = self.hub.watch(&topic, &group, member, self.key);
        assert_eq!(before, expected);
        self.hold(subscription, who, stream, last);
    }

    fn hold(&mut self, subscription: Subscription<Bytes>, who: usize, stream: u64, last: u64) {
        let events = Vec::new();
        let came = Came { last, events };
        let before = self.members[who]
            .came
            .lock()
            .unwrap()
            .insert(self.key, came);
        assert!(before.is_none());
        self.held.push(Held {
            subscription,
            key: self.key,
            who,
            stream,
            expected: Vec::new(),
        });
        self.key += 1;
    }

    /// What came is a beginning of what was to come, and nothing comes any more.
    fn unsubscribe(&mut self, place: usize) {
        let held = self.held.swap_remove(place);
        let at = self.place(held.subscription.topic());
        self.hub.unsubscribe(held.subscription);
        let came = self.members[held.who]
            .came
            .lock()
            .unwrap()
            .remove(&held.key)
            .unwrap();
        let expected = shown(&held.expected);
        assert!(expected.starts_with(&came.events));
        self.forget_idle(at);
    }

    fn publish(&mut self, at: usize, b: u8, c: u8) {
        self.expire(at);
        self.number += 1;
        let number = self.number;
        let message = Bytes::from(format!(
            "{number:0width$} ",
            width = usize::from(c) % 80 + 1
        ));
        let except = u64::from(b) % 9;
        let given = (except > 0).then_some(except);
        if self.topics[at].is_none() && RETENTIONS[at].is_some() {
            self.life(at);
        }
        let topic = self.names[at].clone();
        let published = self.hub.publish(&topic, message.clone(), given, self.now);
        let Some(life) = &mut self.topics[at] else {
            assert_eq!(
                (published.epoch, published.offset, published.subscribers),
                (0, 0, 0)
            );
            return;
        };
        life.last += 1;
        let (stream, offset) = (life.stream, life.last);
        assert_eq!(published.offset, offset);
        let held = self.held.iter().filter(|held| held.stream == stream);
        assert_eq!(published.subscribers, held.count());
        self.saw_epoch(at, published.epoch);
        self.keep(
            at,
            Entry {
                offset,
                span: 1,
                at: self.now,
                except,
                message: message.clone(),
            },
        );
        self.send(stream, offset, except, &message);
        self.forget_idle(at);
    }

    /// A message goes to each group that has subscribers of this stream.
    fn send(&mut self, stream: u64, offset: u64, except: u64, message: &Bytes) {
        let mut groups = [false; GROUPS];
        for held in self.held.iter_mut().filter(|held| held.stream == stream) {
            groups[held.who % GROUPS] = true;
            let what = if self.members[held.who].id == except {
                What::Hidden
            } else {
                What::Came(message.clone())
            };
            held.expected.push((offset, what));
        }
        for (place, crew) in self.crews.iter_mut().enumerate() {
            if !groups[place] || crew.is_closed {
                continue;
            }
            if std::mem::take(&mut crew.rests) {
                crew.woken += 1;
            }
            crew.inbox
                .push_back((stream, offset, message.len() + OVERHEAD));
            while crew.waiting() > ROOMS[place] {
                let (stream, offset, _) = crew.inbox.pop_front().unwrap();
                let here = self
                    .held
                    .iter_mut()
                    .filter(|held| held.stream == stream && held.who % GROUPS == place);
                for held in here {
                    for (of, what) in &mut held.expected {
                        if *of == offset {
                            *what = What::Lost;
                        }
                    }
                }
            }
        }
    }

    /// The history of a topic, as its bounds say.
    fn keep(&mut self, at: usize, entry: Entry<Bytes>) {
        let retention = RETENTIONS[at];
        if !retention.is_some() {
            return;
        }
        let is_full = self.octets() > self.budget;
        let kept = &mut self.topics[at].as_mut().unwrap().kept;
        if is_full {
            let mut freed = 0;
            while freed < weight(&entry) {
                if kept.is_empty() {
                    return;
                }
                freed += weight(&kept.remove(0));
            }
        }
        kept.push(entry);
        while kept.len() > retention.messages
            || kept.iter().map(weight).sum::<usize>() > retention.octets
        {
            kept.remove(0);
        }
    }

    fn history(&mut self, at: usize, c: u8) {
        self.expire(at);
        let resume = self.resume(at, c);
        let recovered = self.hub.history(&self.names[at], resume, self.now);
        if self.topics[at].is_some() {
            self.saw_epoch(at, recovered.epoch);
        }
        self.recovered(at, resume, &recovered);
        self.forget_idle(at);
    }

    /// What is asked for of what came before: any offset, of this life or another.
    fn resume(&self, at: usize, c: u8) -> Resume {
        let life = self.topics[at].as_ref();
        let epoch = life.and_then(|life| life.epoch).unwrap_or(77);
        let last = life.map_or(0, |life| life.last);
        let back = u64::from(c >> 2) % 8;
        match c % 4 {
            0 => Resume::Live,
            1 => Resume::Newest(usize::from(c >> 2) % 8),
            2 if c >= 0xc0 => Resume::Since {
                epoch,
                offset: last + back,
            },
            2 => Resume::Since {
                epoch,
                offset: last.saturating_sub(back),
            },
            _ => Resume::Since {
                epoch: epoch.wrapping_sub(1 + back),
                offset: back,
            },
        }
    }

    fn recovered(&self, at: usize, resume: Resume, recovered: &Recovered<Bytes>) {
        let life = self.topics[at].as_ref();
        let last = life.map_or(0, |life| life.last);
        let kept = life.map(|life| life.kept.clone()).unwrap_or_default();
        let (entries, complete) = match resume {
            Resume::Live => (Vec::new(), true),
            Resume::Newest(count) => (kept[kept.len().saturating_sub(count)..].to_vec(), true),
            Resume::Since { epoch, offset } => {
                let is_this = life.and_then(|life| life.epoch) == Some(epoch) && offset <= last;
                let entries: Vec<_> = kept
                    .into_iter()
                    .filter(|entry| !is_this || entry.offset > offset)
                    .collect();
                let complete = is_this
                    && entries
                        .iter()
                        .map(|entry| entry.offset)
                        .eq(offset + 1..=last);
                (entries, complete)
            }
        };
        assert_eq!(
            (&recovered.entries, recovered.complete, recovered.offset),
            (&entries, complete, last)
        );
        if life.is_none() {
            assert_eq!(recovered.epoch, 0);
        }
    }

    fn track(&mut self, at: usize, who: usize, c: u8) {
        let name = [None, Some("ann"), Some("bob")][usize::from(c) % 3];
        let present = Present {
            member: self.members[who].id,
            name: name.map(Into::into),
            meta: format!("{c}").into(),
        };
        self.life(at);
        let members = &mut self.presence(at).members;
        let before = members.insert(present.member, present.clone());
        let change = match before {
            Some(before) if before.name == present.name => format!("={present:?}"),
            _ => {
                let others = members
                    .values()
                    .filter(|other| other.member != present.member);
                let is_first = present.name.is_none()
                    || others.clone().all(|other| other.name != present.name);
                format!("+{present:?}{is_first}")
            }
        };
        let mut told = None;
        let topic = self.names[at].clone();
        self.hub
            .track(&topic, present, self.now, |change| tell(change, &mut told));
        self.changed(at, &change, told);
    }

    fn untrack(&mut self, at: usize, who: usize) {
        let id = self.members[who].id;
        let life = self.topics[at].as_mut();
        let presence = life.and_then(|life| life.presence.as_mut());
        let gone = presence.and_then(|presence| {
            let present = presence.members.remove(&id)?;
            let is_last = present.name.is_none()
                || presence
                    .members
                    .values()
                    .all(|other| other.name != present.name);
            Some(format!("-{present:?}{is_last}"))
        });
        let mut told = None;
        let topic = self.names[at].clone();
        let was_present = self
            .hub
            .untrack(&topic, id, self.now, |change| tell(change, &mut told));
        assert_eq!(was_present, gone.is_some());
        match gone {
            Some(change) => self.changed(at, &change, told),
            None => assert_eq!(told, None),
        }
        self.forget_idle(at);
    }

    /// Who watches is told of a change; nobody makes a message for nobody.
    fn changed(&mut self, at: usize, change: &str, told: Option<Bytes>) {
        let presence = self.presence(at);
        let stream = presence.stream;
        let has_watchers = self.held.iter().any(|held| held.stream == stream);
        assert_eq!(told.is_some(), has_watchers);
        if let Some(message) = told {
            assert_eq!(message, change);
            let presence = self.presence(at);
            presence.last += 1;
            let offset = presence.last;
            self.send(stream, offset, 0, &message);
        }
    }

    fn sweep(&mut self) {
        self.hub.sweep(self.now);
        for at in 0..TOPICS {
            self.expire(at);
            self.forget_idle(at);
        }
    }

    fn poll(&mut self, place: usize, most: usize) {
        let crew = &mut self.crews[place];
        let before = crew.wakes.0.load(Ordering::Relaxed);
        let waker = Waker::from(crew.wakes.clone());
        let polled = crew.task.poll(&mut Context::from_waker(&waker), most);
        let again = crew.wakes.0.load(Ordering::Relaxed) - before;
        assert!(again <= 1);
        crew.woken += again;
        match polled {
            Poll::Ready(()) => assert!(crew.is_closed),
            Poll::Pending => crew.rests = again == 0,
        }
        // Whether it has taken what waits, or is still at what it took before.
        if crew.group.waiting() == 0 {
            crew.inbox.clear();
        }
        assert!(!crew.rests || crew.inbox.is_empty());
    }

    fn drain(&mut self, place: usize) {
        let mut rounds = 0;
        loop {
            self.poll(place, 3);
            let crew = &self.crews[place];
            if crew.rests || crew.is_closed {
                return;
            }
            rounds += 1;
            assert!(rounds < 100_000, "it never rests");
        }
    }

    fn close(&mut self, place: usize) {
        let crew = &mut self.crews[place];
        crew.group.close();
        if !crew.is_closed && crew.rests {
            // Its task is to see that.
            crew.woken += 1;
        }
        crew.rests = false;
        crew.is_closed = true;
        crew.inbox.clear();
    }

    /// What the hub says when it is asked.
    fn ask(&self, most: usize) {
        for (topic, life) in self.names.iter().zip(&self.topics) {
            let stream = life.as_ref().map(|life| life.stream);
            let held = self.held.iter().filter(|held| Some(held.stream) == stream);
            assert_eq!(self.hub.subscribers(topic), held.count());
            let presence = life.as_ref().and_then(|life| life.presence.as_ref());
            let present: Vec<_> = presence
                .map(|presence| presence.members.values().cloned().collect())
                .unwrap_or_default();
            assert_eq!(self.hub.present(topic), present);
            assert_eq!(self.hub.present_count(topic), present.len());
            let mut names: Vec<_> = present.iter().filter_map(|of| of.name.clone()).collect();
            let unnamed = present.len() - names.len();
            names.sort();
            names.dedup();
            assert_eq!(self.hub.present_names(topic), names.len() + unnamed);
        }
        let mut largest: Vec<_> = self
            .names
            .iter()
            .zip(&self.topics)
            .filter(|(_, life)| life.is_some())
            .map(|(topic, _)| (topic.clone(), self.hub.subscribers(topic)))
            .collect();
        largest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        largest.truncate(most % 6);
        assert_eq!(self.hub.largest(most % 6), largest);
    }

    /// What holds after each operation.
    fn agree(&self) {
        assert_eq!(self.hub.held(), self.octets());
        let topics = self.topics.iter().flatten().count();
        assert_eq!(self.hub.len(), topics);
        for crew in &self.crews {
            assert_eq!(crew.group.waiting(), crew.waiting());
            assert_eq!(crew.group.is_closed(), crew.is_closed);
            assert_eq!(crew.wakes.0.load(Ordering::Relaxed), crew.woken, "wakes");
        }
    }

    fn end(mut self) {
        for place in 0..GROUPS {
            self.drain(place);
        }
        self.agree();
        self.ask(5);
        for held in &self.held {
            let came = self.members[held.who].came.lock().unwrap();
            let came = &came[&held.key];
            let expected = shown(&held.expected);
            if self.crews[held.who % GROUPS].is_closed {
                assert!(expected.starts_with(&came.events));
            } else {
                assert_eq!(came.events, expected);
                let last = held.expected.last().map(|(offset, _)| *offset);
                assert!(last.is_none_or(|last| last == came.last));
            }
        }
        while !self.held.is_empty() {
            self.unsubscribe(self.held.len() - 1);
        }
        for at in 0..TOPICS {
            for who in 0..MEMBERS {
                self.untrack(at, who);
            }
        }
        // Older than anything is kept, but for what is kept for ever.
        self.now += 1_000;
        self.sweep();
        self.agree();
        for (retention, life) in RETENTIONS.iter().zip(&self.topics) {
            assert!(retention.age == u64::MAX || life.is_none());
        }
        // Nothing holds them any more.
        let Self { hub, crews, .. } = &self;
        assert!(crews.iter().all(|crew| crew.group.waiting() == 0));
        assert!(hub.len() <= 1);
        for member in &self.members {
            assert_eq!(Arc::strong_count(member), 1);
        }
    }

    /// The life of a topic, which begins now if there is none.
    fn life(&mut self, at: usize) {
        if self.topics[at].is_none() {
            self.stream += 1;
            self.topics[at] = Some(Life {
                stream: self.stream,
                epoch: None,
                last: 0,
                kept: Vec::new(),
                presence: None,
            });
        }
    }

    fn presence(&mut self, at: usize) -> &mut Presence {
        let life = self.topics[at].as_mut().unwrap();
        life.presence.get_or_insert_with(|| {
            self.stream += 1;
            Presence {
                stream: self.stream,
                last: 0,
                members: BTreeMap::new(),
            }
        })
    }

    /// An epoch is one life's alone, and larger than all before it.
    fn saw_epoch(&mut self, at: usize, epoch: u64) {
        let life = self.topics[at].as_mut().unwrap();
        match life.epoch {
            Some(known) => assert_eq!(known, epoch),
            None => {
                let mut others = self.topics.iter().flatten().filter_map(|life| life.epoch);
                assert!(others.all(|other| other != epoch) && epoch >= 100);
                self.epoch = self.epoch.max(epoch);
                self.topics[at].as_mut().unwrap().epoch = Some(epoch);
            }
        }
    }

    fn expire(&mut self, at: usize) {
        let oldest = self.now.saturating_sub(RETENTIONS[at].age);
        if let Some(life) = &mut self.topics[at] {
            while life.kept.first().is_some_and(|entry| entry.at < oldest) {
                life.kept.remove(0);
            }
        }
    }

    /// A topic without subscribers, history, anybody present and anybody who watches is none.
    fn forget_idle(&mut self, at: usize) {
        let Some(life) = &mut self.topics[at] else {
            return;
        };
        let holds = |stream| self.held.iter().any(|held| held.stream == stream);
        if let Some(presence) = &life.presence
            && presence.members.is_empty()
            && !holds(presence.stream)
        {
            life.presence = None;
        }
        if life.presence.is_none() && life.kept.is_empty() && !holds(life.stream) {
            self.topics[at] = None;
        }
    }

    fn place(&self, topic: &Topic) -> usize {
        self.names.iter().position(|name| name == topic).unwrap()
    }

    /// What all histories hold.
    fn octets(&self) -> usize {
        let kept = self.topics.iter().flatten().flat_map(|life| &life.kept);
        kept.map(weight).sum()
    }
}

impl Crew {
    fn waiting(&self) -> usize {
        self.inbox.iter().map(|(.., weight)| weight).sum()
    }
}

fn weight(entry: &Entry<Bytes>) -> usize {
    entry.message.len() + OVERHEAD
}

/// What a subscriber sees of it.
fn shown(expected: &[(u64, What)]) -> Vec<What> {
    let seen = expected.iter().map(|(_, what)| what);
    seen.filter(|what| **what != What::Hidden)
        .cloned()
        .collect()
}

fn tell(change: &Change, told: &mut Option<Bytes>) -> Bytes {
    let text = match change {
        Change::Joined { present, is_first } => format!("+{present:?}{is_first}"),
        Change::Updated(present) => format!("={present:?}"),
        Change::Left { present, is_last } => format!("-{present:?}{is_last}"),
    };
    let message = Bytes::from(text);
    *told = Some(message.clone());
    message
}
