//! A node: a cluster's core, a hub, and what stands between them.

use super::random::Random;
use super::truth::{Interest, Logged, What};
use super::{Happening, KEEP, Mutant, NODES, OUTBOX, World};
use bytes::BytesMut;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Waker};
use wireline::relay::backplane::{Channel, Event};
use wireline::relay::cluster::envelope::Envelope;
use wireline::relay::cluster::{
    Action, Cluster, ClusterConfig, Local, Operation, OutboxPolicy, Parcel, Place,
};
use wireline::relay::hub::{Count, Drain, Entry, Group, Hub, HubConfig, Message, Retention, Topic};

/// What clients get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) what: What,
    pub(crate) position: Option<(u64, u64)>,
    len: usize,
}

impl Text {
    pub(crate) const fn nothing() -> Self {
        Self {
            what: What::Skipped,
            position: None,
            len: 0,
        }
    }
}

impl Message for Text {
    type Run = ();

    fn octets(&self) -> usize {
        self.len
    }

    fn run(_: &[Entry<Self>]) {}
}

pub(crate) struct Node {
    pub(crate) is_alive: bool,
    pub(crate) number: u64,
    pub(crate) life: u64,
    pub(crate) cluster: Cluster,
    pub(crate) hub: Hub<Text>,
    pub(crate) fast: Arc<Group<Text>>,
    pub(crate) slow: Arc<Group<Text>>,
    drains: [Drain<Text>; 2],
    /// Where its clock began, and how many parts of a million it goes in a millionth of the time.
    offset: u64,
    rate: u64,
    pub(crate) woken_at: u64,
    pub(crate) connection: Option<u64>,
    pub(crate) members: u64,
    pub(crate) interests: BTreeMap<Topic, Interest>,
    /// Messages that wait for the broker's order, and until when they may.
    pub(crate) waits: BTreeMap<u64, (Topic, u64)>,
    /// Questions, and until when they may be open.
    questions: BTreeMap<u64, u64>,
    /// Whether the last question was answered by all.
    last_was_whole: bool,
    told: BTreeSet<String>,
}

impl Node {
    pub(crate) fn new(at: usize, random: &mut Random, keeps_history: bool) -> Self {
        let number = (at as u64 + 1) * 10 + random.below(10);
        // Far enough from others for the sequences of both.
        let life = random.next() & !0xFFFF;
        let config = ClusterConfig {
            outbox: OUTBOX,
            outbox_policy: if random.one_in(4) {
                OutboxPolicy::DropNewest
            } else {
                OutboxPolicy::DropOldest
            },
            ..ClusterConfig::default()
        };
        let hub = Hub::new(HubConfig {
            epoch: random.next() >> 2,
            retention: Box::new(move |topic| {
                let is_shared = keeps_history && topic.as_str().starts_with("shared");
                if is_shared { KEEP } else { Retention::NOTHING }
            }),
            ..HubConfig::default()
        });
        let (fast, slow) = (Group::new(), Group::with_room(2_000));
        Self {
            is_alive: true,
            number,
            life,
            cluster: Cluster::new(config, number, life, keeps_history),
            hub,
            drains: [Drain::new(fast.clone()), Drain::new(slow.clone())],
            fast,
            slow,
            offset: random.below(1 << 40),
            rate: random.between(990_000, 1_010_000),
            woken_at: u64::MAX,
            connection: None,
            members: 0,
            interests: BTreeMap::new(),
            waits: BTreeMap::new(),
            questions: BTreeMap::new(),
            last_was_whole: true,
            told: BTreeSet::new(),
        }
    }

    /// What its clock shows.
    pub(crate) const fn clock(&self, now: u64) -> u64 {
        self.offset + now * self.rate / 1_000_000
    }

    /// When its clock shows that.
    const fn when(&self, clock: u64) -> u64 {
        (clock.saturating_sub(self.offset) * 1_000_000).div_ceil(self.rate)
    }

    pub(crate) fn begin(&mut self, topic: &Topic, now: u64, peers: BTreeSet<(u64, u64)>) {
        if !self.interests.contains_key(topic) {
            let interest = Interest::new(now, peers);
            self.interests.insert(topic.clone(), interest);
        }
    }

    pub(crate) fn drain(&mut self, slow: bool) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = self.drains[usize::from(slow)].poll(&mut context, usize::MAX);
    }
}

impl World {
    /// The lives that a node knows and that are connected, with their connections.
    pub(super) fn peers(&self, at: usize) -> BTreeSet<(u64, u64)> {
        let known = self.nodes[at].cluster.nodes(self.nodes[at].clock(self.now));
        let nodes = self.nodes.iter().filter(|node| {
            let standing = node.cluster.standing(node.clock(self.now));
            node.is_alive && standing.is_up && known.iter().any(|(_, life, _)| *life == node.life)
        });
        nodes
            .filter_map(|node| Some((node.life, node.connection?)))
            .collect()
    }

    /// Has a node do what there is to do.
    pub(super) fn turn(&mut self, at: usize) {
        if !self.nodes[at].is_alive {
            return;
        }
        let clock = self.nodes[at].clock(self.now);
        let due = self.nodes[at].cluster.tick(clock);
        while let Some(action) = self.nodes[at].cluster.next_action() {
            self.do_for(at, action);
        }
        while let Some(id) = self.nodes[at].connection
            && let Some(command) = self.nodes[at].cluster.next_command()
        {
            self.send_up(id, command);
        }
        self.drain(at, false);
        let standing = self.nodes[at].cluster.standing(clock);
        if standing.waiting_octets_most > OUTBOX as u64 {
            self.fail(format!("the outbox of node {at} had {standing:?}"));
        }
        if self.nodes[at].connection.is_none() && self.nodes[at].cluster.next_command().is_some() {
            self.fail(format!("node {at} has commands without a connection"));
        }
        let due = self.nodes[at].when(due).max(self.now + 1);
        if due < self.nodes[at].woken_at {
            self.nodes[at].woken_at = due;
            self.at(due, Happening::Wake(at));
        }
        let mut late = self.nodes[at].waits.iter();
        if let Some((id, _)) = late.find(|(_, (_, until))| *until < self.now) {
            let id = *id;
            self.fail(format!(
                "message {id} was not delivered in time on its own node {at}"
            ));
        }
        let mut late = self.nodes[at].questions.iter();
        if let Some((id, _)) = late.find(|(_, until)| **until < self.now) {
            let id = *id;
            self.fail(format!("question {id} of node {at} is open"));
        }
    }

    pub(super) fn crash(&mut self, at: usize) {
        self.trace(&[3, at as u64]);
        for id in 0..self.clients.len() {
            if self.clients[id].node == Some(at) {
                self.leave(id, false);
            }
        }
        let node = &mut self.nodes[at];
        node.is_alive = false;
        node.interests.clear();
        node.waits.clear();
        node.questions.clear();
        if let Some(id) = node.connection.take() {
            // What was sent may still arrive; the broker notices soon.
            let delay = self.random.below(40);
            self.later(delay, Happening::Detect(id));
        }
    }

    pub(super) fn start(&mut self, at: usize) {
        if self.nodes[at].is_alive {
            return;
        }
        let keeps_history = self.keeps_history;
        let keeps_number = self.random.one_in(2);
        let number = self.nodes[at].number;
        let mut node = Node::new(at, &mut self.random, keeps_history);
        if keeps_number && node.number != number {
            node = Node {
                number,
                cluster: Cluster::new(
                    ClusterConfig {
                        outbox: OUTBOX,
                        ..ClusterConfig::default()
                    },
                    number,
                    node.life,
                    keeps_history,
                ),
                ..node
            };
        }
        self.nodes[at] = node;
        self.later(5, Happening::Connect(at));
    }

    pub(super) fn publish(&mut self, at: usize, topic: &Topic) {
        if !self.nodes[at].is_alive {
            return;
        }
        self.report.published += 1;
        let id = self.truth.publish(self.nodes[at].life, topic, self.now);
        let len = usize::try_from(self.random.between(8, 300)).unwrap_or(8);
        let mut payload = BytesMut::zeroed(len);
        payload[..8].copy_from_slice(&id.to_be_bytes());
        let parcel = Parcel {
            is_text: true,
            except: 0,
            payload: payload.freeze(),
        };
        let keep = self.keep(topic);
        let clock = self.nodes[at].clock(self.now);
        let local = self.nodes[at]
            .cluster
            .publish(topic, parcel.clone(), keep, clock);
        self.trace(&[4, at as u64, id]);
        match local {
            Local::Deliver if keep.is_none() => self.give(at, topic, &parcel, Place::Next),
            Local::DeliverUncounted if keep.is_some() => {
                self.give(at, topic, &parcel, Place::Uncounted);
            }
            Local::Wait if keep.is_some() => {
                if self.nodes[at].interests.contains_key(topic) {
                    let until = self.nodes[at].when(clock + 50) + 2;
                    self.nodes[at].waits.insert(id, (topic.clone(), until));
                }
            }
            other => self.fail(format!("a message to {topic} is to be {other:?}")),
        }
        self.turn(at);
    }

    pub(super) fn ask(&mut self, at: usize) {
        if !self.nodes[at].is_alive {
            return;
        }
        let operation = Operation::Subscribers {
            topic: self.topics[0].clone(),
        };
        let clock = self.nodes[at].clock(self.now);
        let id = self.nodes[at].cluster.ask(operation, clock);
        let until = self.nodes[at].when(clock + 1_000) + 2;
        self.nodes[at].questions.insert(id, until);
        self.turn(at);
    }

    /// Gives a message to the hub.
    fn give(&mut self, at: usize, topic: &Topic, parcel: &Parcel, place: Place) {
        let id = id_of(parcel);
        self.nodes[at].waits.remove(&id);
        let position = match place {
            Place::At { epoch, offset } => Some((epoch, offset)),
            _ => None,
        };
        let text = Text {
            what: What::Message(id),
            position,
            len: parcel.payload.len(),
        };
        let (count, span) = match place {
            Place::Next => (Count::Next(1), 1),
            Place::At { epoch, offset } => (Count::At { epoch, offset }, 1),
            Place::Uncounted => (Count::Nothing, 0),
        };
        self.hand(at, topic, text, count, span);
        if let Some(interest) = self.nodes[at].interests.get_mut(topic)
            && place != Place::Next
            && !interest.had.insert(id)
        {
            self.fail(format!("node {at} delivers message {id} of {topic} again"));
        }
    }

    fn hand(&mut self, at: usize, topic: &Topic, text: Text, count: Count, span: u64) {
        let clock = self.nodes[at].clock(self.now);
        let what = text.what;
        self.nodes[at]
            .hub
            .publish_as(topic, text, None, count, clock);
        if let Some(interest) = self.nodes[at].interests.get_mut(topic) {
            interest.log.push(Logged { what, span });
        }
    }

    /// Does what a node's cluster wants.
    pub(super) fn do_for(&mut self, at: usize, action: Action) {
        let clock = self.nodes[at].clock(self.now);
        match action {
            Action::Attached { topic } => {
                let peers = self.peers(at);
                let node = &mut self.nodes[at];
                let is_up = node.cluster.standing(clock).is_up;
                if let Some(interest) = node.interests.get_mut(&topic)
                    && interest.attached.is_none()
                {
                    // Who waits as long as for a question has not got all the answers.
                    let is_sure = is_up && self.now - interest.since < 900;
                    interest.attached = Some((self.now, is_sure));
                    interest.peers.retain(|peer| peers.contains(peer));
                }
                self.seat(at, &topic);
            }
            Action::Adopt {
                topic,
                epoch,
                last,
                entries,
            } => {
                self.trace(&[5, at as u64, epoch, last, entries.len() as u64]);
                let interest = self.nodes[at].interests.get(&topic);
                let is_attached = interest.is_some_and(|interest| interest.attached.is_some());
                for (offset, _, parcel) in &entries {
                    self.stands(at, &topic, epoch, *offset, id_of(parcel));
                    if !is_attached {
                        // Who comes has it from there.
                        self.nodes[at].waits.remove(&id_of(parcel));
                    }
                }
                let entries = entries
                    .into_iter()
                    .map(|(offset, age, parcel)| Entry {
                        offset,
                        at: clock.saturating_sub(age),
                        except: 0,
                        span: 1,
                        message: Text {
                            what: What::Message(id_of(&parcel)),
                            position: Some((epoch, offset)),
                            len: parcel.payload.len(),
                        },
                    })
                    .collect();
                self.nodes[at]
                    .hub
                    .adopt(&topic, epoch, last, entries, clock);
                if let Some(interest) = self.nodes[at].interests.get_mut(&topic) {
                    interest.at = Some((epoch, last));
                }
            }
            Action::Deliver {
                topic,
                parcel,
                place,
            } => {
                let id = id_of(&parcel);
                self.trace(&[6, at as u64, id]);
                match place {
                    Place::Next => self.account_message(at, &topic, id),
                    Place::At { epoch, offset } => {
                        self.stands(at, &topic, epoch, offset, id);
                        self.follows(at, &topic, epoch, offset);
                    }
                    Place::Uncounted => {}
                }
                self.give(at, &topic, &parcel, place);
            }
            Action::Lost { .. } if self.mutant == Mutant::Untold => {}
            Action::Lost {
                topic,
                epoch,
                first,
                last,
                ..
            } => {
                let last = match self.mutant {
                    Mutant::ShortRange if last > first => last - 1,
                    _ => last,
                };
                self.trace(&[7, at as u64, epoch, first, last]);
                self.report.lost += last - first + 1;
                self.account(at, &topic, epoch, first, last, true);
                let span = last - first + 1;
                let text = Text {
                    what: What::Lost(epoch, first, last),
                    position: None,
                    len: 40,
                };
                self.hand(at, &topic, text, Count::Next(span), span);
            }
            Action::Missing { topic, epoch, last } => {
                self.trace(&[8, at as u64, epoch, last]);
                let place = self.nodes[at].interests.get(&topic);
                match place.and_then(|interest| interest.at) {
                    Some((of, before)) if of == epoch && before < last => {
                        if let Some(interest) = self.nodes[at].interests.get_mut(&topic) {
                            interest.at = Some((epoch, last));
                            // The hub tells it with the next one that comes.
                            let gap = Logged {
                                what: What::Missing,
                                span: last - before - 1,
                            };
                            interest.log.extend((gap.span > 0).then_some(gap));
                        }
                        let text = Text {
                            what: What::Missing,
                            position: Some((epoch, last)),
                            len: 40,
                        };
                        let offset = last;
                        self.hand(at, &topic, text, Count::At { epoch, offset }, 1);
                    }
                    place => self.fail(format!("{epoch}:{last} is missing behind {place:?}")),
                }
            }
            Action::GivenUp { .. } if self.mutant == Mutant::UntoldGivenUp => {}
            Action::GivenUp {
                topic, node, count, ..
            } => {
                self.trace(&[13, at as u64, node, count]);
                self.report.given_up += count;
                let text = Text {
                    what: What::GivenUp(node, count),
                    position: None,
                    len: 40,
                };
                self.hand(at, &topic, text, Count::Nothing, 0);
                if let Some(interest) = self.nodes[at].interests.get_mut(&topic) {
                    *interest.given_up.entry(node).or_insert(0) += count;
                }
            }
            Action::Count {
                topic,
                epoch,
                offset,
                ..
            } => {
                self.trace(&[9, at as u64, epoch, offset]);
                self.follows(at, &topic, epoch, offset);
                let text = Text {
                    position: Some((epoch, offset)),
                    ..Text::nothing()
                };
                self.hand(at, &topic, text, Count::At { epoch, offset }, 1);
            }
            Action::Track { topic, present } => {
                let member = present.member;
                self.trace(&[10, at as u64, member]);
                self.nodes[at]
                    .hub
                    .track(&topic, present, clock, |_| Text::nothing());
            }
            Action::Untrack { topic, member } => {
                self.trace(&[11, at as u64, member]);
                if self.mutant != Mutant::NoUntrack
                    && !self.nodes[at]
                        .hub
                        .untrack(&topic, member, clock, |_| Text::nothing())
                {
                    self.fail(format!("{member} was not present on node {at}"));
                }
            }
            Action::Do { operation, asks } => {
                let life = self.nodes[at].life;
                match asks {
                    // Now and then nobody answers.
                    Some(_) if !self.is_well && self.random.one_in(20) => {}
                    Some(asks) => {
                        let delay = self.random.below(50);
                        self.later(delay, Happening::Answer(life, asks));
                    }
                    None => {
                        if let Operation::Disconnect { reason, .. } = operation
                            && !self.nodes[at].told.insert(reason.clone())
                        {
                            self.fail(format!("node {at} does {reason} again"));
                        }
                    }
                }
            }
            Action::Answered { id, answers } => {
                self.trace(&[12, at as u64, answers.answers.len() as u64]);
                let node = &mut self.nodes[at];
                node.last_was_whole =
                    answers.missing.is_empty() && answers.answers.len() == NODES - 1;
                if node.questions.remove(&id).is_none() {
                    self.fail(format!(
                        "node {at} has an answer to {id}, which it did not ask"
                    ));
                }
            }
        }
    }

    fn stands(&mut self, at: usize, topic: &Topic, epoch: u64, offset: u64, id: u64) {
        if !self.truth.stands(topic, epoch, offset, id) {
            self.fail(format!(
                "on node {at} {topic} {epoch}:{offset} is another message, {id}"
            ));
        }
    }

    /// An offset must be the one behind the last.
    fn follows(&mut self, at: usize, topic: &Topic, epoch: u64, offset: u64) {
        let Some(interest) = self.nodes[at].interests.get_mut(topic) else {
            return;
        };
        let before = interest.at.replace((epoch, offset));
        if before != Some((epoch, offset - 1)) {
            self.fail(format!(
                "on node {at} {topic} {epoch}:{offset} follows {before:?}"
            ));
        }
    }

    fn account_message(&mut self, at: usize, topic: &Topic, id: u64) {
        let message = usize::try_from(id).ok();
        let Some(message) = message.and_then(|id| self.truth.messages.get(id)) else {
            return self.fail(format!("nobody published {id}"));
        };
        let (sequence, number) = (message.sequence, message.number);
        self.account(at, topic, sequence, number, number, false);
    }

    fn account(
        &mut self,
        at: usize,
        topic: &Topic,
        epoch: u64,
        first: u64,
        last: u64,
        is_lost: bool,
    ) {
        let Some(interest) = self.nodes[at].interests.get_mut(topic) else {
            return;
        };
        let of = self.truth.sequences.get(&epoch).map(|of| &of.topic);
        if of != Some(topic) {
            return self.fail(format!("{epoch} is no sequence of {topic} but of {of:?}"));
        }
        if let Err(why) = interest.account(&self.truth, epoch, first, last, is_lost) {
            self.fail(format!("node {at}, {topic}: {why}"));
        }
    }

    /// What the mutant that does not look for what came before would do.
    pub(super) fn again(&self, at: usize, event: &Event) -> Option<(u64, Action)> {
        let Event::Message {
            channel: channel @ Channel::Topic(topic),
            position: None,
            message,
        } = event
        else {
            return None;
        };
        if self.mutant != Mutant::NoDedupe {
            return None;
        }
        let clock = self.nodes[at].clock(self.now);
        match Envelope::decode(message, channel) {
            Some((_, Envelope::Message { parcel, .. })) => Some((
                self.nodes[at].cluster.standing(clock).duplicates,
                Action::Deliver {
                    topic: topic.clone(),
                    parcel,
                    place: Place::Next,
                },
            )),
            _ => None,
        }
    }

    pub(super) fn check_nodes(&mut self) {
        let mut failures = Vec::new();
        let lives: Vec<u64> = self.nodes.iter().map(|node| node.life).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let standing = node.cluster.standing(node.clock(self.now));
            self.report.duplicates += standing.duplicates;
            self.report.garbled += standing.garbled;
            if !standing.is_up || standing.waiting > 0 || standing.nodes != NODES as u64 - 1 {
                failures.push(format!("node {at} stands as {standing:?}"));
            }
            if !node.last_was_whole || !node.questions.is_empty() {
                failures.push(format!(
                    "the last question of node {at} was answered in part"
                ));
            }
            for (topic, interest) in &node.interests {
                if self.keep(topic).is_some() {
                    let is_there = self.broker.at(topic);
                    if is_there.is_some() && interest.at != is_there {
                        failures.push(format!(
                            "node {at}, {topic}: {:?} where the broker has {is_there:?}",
                            interest.at
                        ));
                    }
                    for other in self.nodes.iter().filter(|other| other.life != node.life) {
                        let told = interest.given_up.get(&other.number).copied();
                        let lost = self.truth.never_appended(other.life, topic, interest);
                        if told.unwrap_or(0) < lost {
                            failures.push(format!(
                                "node {at}, {topic}: {lost} of {} never came, and {told:?} were told",
                                other.number
                            ));
                        }
                    }
                    continue;
                }
                let others = self.truth.sequences.iter().filter(|(_, sequence)| {
                    sequence.topic == *topic
                        && sequence.life != node.life
                        && lives.contains(&sequence.life)
                });
                for (epoch, _) in others {
                    if let Err(why) = interest.is_complete(&self.truth, *epoch) {
                        failures.push(format!("node {at}, {topic}: {why}"));
                    }
                }
            }
        }
        failures.into_iter().for_each(|failure| self.fail(failure));
    }
}

pub(crate) fn id_of(parcel: &Parcel) -> u64 {
    let id = parcel.payload.first_chunk();
    id.map_or(u64::MAX, |id| u64::from_be_bytes(*id))
}
