//! Clients: they subscribe, have a log of what comes, hop from node to node, and are slow, some of them.

use super::node::Text;
use super::truth::{Logged, What};
use super::{Happening, KEEP, NODES, PLAIN, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use wireline::relay::hub::{Delivery, Entry, Member, Present, Resume, Subscription, Topic};

pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) is_slow: bool,
    /// Where it is.
    pub(crate) node: Option<usize>,
    /// The number of its connection.
    pub(crate) member: u64,
    pub(crate) subscriptions: BTreeMap<Topic, Held>,
    pub(crate) inbox: Arc<Inbox>,
    /// Where it was when it left its node, by topic.
    pub(crate) left: BTreeMap<Topic, Option<(u64, u64)>>,
}

#[derive(Default)]
pub(crate) struct Held {
    /// None as long as the topic is not attached.
    pub(crate) subscription: Option<Subscription<Text>>,
    /// The place in the node's log.
    pub(crate) cursor: usize,
    /// Where it began in that.
    start: usize,
    /// The messages it had.
    had: BTreeSet<u64>,
    /// The epoch and offset of what it had last.
    pub(crate) position: Option<(u64, u64)>,
}

/// The key, how many were missed, the messages.
type Delivered = (u32, u64, Vec<Entry<Text>>);

/// What was delivered: with which key, how many were missed, what.
pub(crate) struct Inbox {
    id: u64,
    pub(crate) all: Mutex<Vec<Delivered>>,
}

impl Member<Text> for Inbox {
    fn id(&self) -> u64 {
        self.id
    }

    fn deliver(&self, key: u32, delivery: &Delivery<'_, Text>) {
        let entries = delivery.entries().cloned().collect();
        let mut all = self.all.lock().expect("no panic");
        all.push((key, delivery.missed, entries));
    }
}

impl Client {
    pub(crate) fn new(id: usize, is_slow: bool) -> Self {
        Self {
            id,
            is_slow,
            node: None,
            member: 0,
            subscriptions: BTreeMap::new(),
            inbox: Arc::new(Inbox {
                id: 0,
                all: Mutex::default(),
            }),
            left: BTreeMap::new(),
        }
    }
}

impl World {
    /// A client comes to a node, with the topics it had elsewhere.
    pub(super) fn arrive(&mut self, id: usize, node: usize) {
        if self.clients[id].node.is_some() {
            return;
        }
        if !self.nodes[node].is_alive {
            self.later(500, Happening::Arrival(id));
            return;
        }
        self.nodes[node].members += 1;
        let member = self.nodes[node].number << 32 | self.nodes[node].members;
        let client = &mut self.clients[id];
        client.node = Some(node);
        client.member = member;
        client.inbox = Arc::new(Inbox {
            id: member,
            all: Mutex::default(),
        });
        let left = std::mem::take(&mut client.left);
        self.trace(&[1, id as u64, node as u64]);
        let present = Present {
            member,
            name: Some(format!("user-{}", id % 4).into()),
            meta: id.to_string().into(),
        };
        let now = self.nodes[node].clock(self.now);
        let topic = self.topics[0].clone();
        self.nodes[node]
            .hub
            .track(&topic, present.clone(), now, |_| Text::nothing());
        self.nodes[node].cluster.track(&topic, &present, now);
        if left.is_empty() {
            let first = self.random.index(self.topics.len());
            let topic = self.topics[first].clone();
            self.subscribe(id, &topic);
        }
        for (topic, position) in left {
            self.subscribe_at(id, &topic, position);
        }
        self.turn(node);
    }

    /// A client leaves its node, as it should or because its node is gone, and finds another one.
    pub(super) fn leave(&mut self, id: usize, in_order: bool) {
        let Some(node) = self.clients[id].node else {
            return;
        };
        if in_order {
            let is_slow = self.clients[id].is_slow;
            self.drain(node, is_slow);
        }
        self.report.hops += 1;
        let held = std::mem::take(&mut self.clients[id].subscriptions);
        let mut topics = Vec::new();
        for (topic, held) in held {
            if let Some(subscription) = held.subscription
                && in_order
            {
                self.nodes[node].hub.unsubscribe(subscription);
            }
            self.clients[id].left.insert(topic.clone(), held.position);
            topics.push(topic);
        }
        self.clients[id].node = None;
        if in_order {
            let now = self.nodes[node].clock(self.now);
            let topic = self.topics[0].clone();
            let member = self.clients[id].member;
            self.nodes[node]
                .hub
                .untrack(&topic, member, now, |_| Text::nothing());
            self.nodes[node].cluster.untrack(&topic, member, now);
            for topic in topics {
                self.forget_topic(node, &topic);
            }
            self.turn(node);
        }
        let delay = self.random.between(20, 2_500);
        self.later(delay, Happening::Arrival(id));
    }

    pub(super) fn subscribe(&mut self, id: usize, topic: &Topic) {
        self.subscribe_at(id, topic, None);
    }

    fn subscribe_at(&mut self, id: usize, topic: &Topic, position: Option<(u64, u64)>) {
        let Some(node) = self.clients[id].node else {
            return;
        };
        if self.clients[id].subscriptions.contains_key(topic) {
            return;
        }
        let held = Held {
            position,
            ..Held::default()
        };
        self.clients[id].subscriptions.insert(topic.clone(), held);
        let keep = self.keep(topic);
        let now = self.nodes[node].clock(self.now);
        let peers = self.peers(node);
        self.nodes[node].begin(topic, self.now, peers);
        self.nodes[node].cluster.attach(topic, keep, now);
        self.turn(node);
    }

    pub(super) fn unsubscribe(&mut self, id: usize, topic: &Topic) {
        let Some(node) = self.clients[id].node else {
            return;
        };
        let is_slow = self.clients[id].is_slow;
        self.drain(node, is_slow);
        let Some(held) = self.clients[id].subscriptions.remove(topic) else {
            return;
        };
        if let Some(subscription) = held.subscription {
            self.nodes[node].hub.unsubscribe(subscription);
        }
        self.forget_topic(node, topic);
        self.turn(node);
    }

    /// Nobody on the node subscribes to the topic any more, perhaps.
    fn forget_topic(&mut self, node: usize, topic: &Topic) {
        let is_wanted = self
            .clients
            .iter()
            .any(|client| client.node == Some(node) && client.subscriptions.contains_key(topic));
        if !is_wanted {
            let now = self.nodes[node].clock(self.now);
            self.nodes[node].cluster.detach(topic, now);
            self.nodes[node].hub.release(topic);
            self.nodes[node].interests.remove(topic);
            self.nodes[node].waits.retain(|_, (of, _)| of != topic);
        }
    }

    /// A topic is attached: those who wait for it subscribe.
    pub(super) fn seat(&mut self, node: usize, topic: &Topic) {
        let now = self.nodes[node].clock(self.now);
        for id in 0..self.clients.len() {
            if self.clients[id].node != Some(node) {
                continue;
            }
            let is_slow = self.clients[id].is_slow;
            let inbox = self.clients[id].inbox.clone();
            let Some(held) = self.clients[id].subscriptions.get_mut(topic) else {
                continue;
            };
            if held.subscription.is_some() {
                continue;
            }
            let resume = match held.position {
                Some((epoch, offset)) => Resume::Since { epoch, offset },
                None => Resume::Live,
            };
            let key = self.topics.iter().position(|known| known == topic);
            let key = u32::try_from(key.unwrap_or_default()).unwrap_or_default();
            let of = &self.nodes[node];
            let group = if is_slow { &of.slow } else { &of.fast };
            let (subscription, recovered) = of.hub.subscribe(topic, group, inbox, key, resume, now);
            held.subscription = Some(subscription);
            held.cursor = of.interests.get(topic).map_or(0, |of| of.log.len());
            held.start = held.cursor;
            held.had.clear();
            let before = held.position.take();
            if self.keep(topic).is_none() {
                continue;
            }
            // From here on it knows the order of this node.
            let held = self.clients[id].subscriptions.get_mut(topic);
            let Some(held) = held else {
                continue;
            };
            if self.nodes[node]
                .interests
                .get(topic)
                .is_some_and(|of| of.at.is_some())
            {
                held.position = Some((recovered.epoch, recovered.offset));
            }
            let mut offsets = Vec::new();
            let mut failure = None;
            for entry in &recovered.entries {
                offsets.push(entry.offset);
                if let What::Message(message) = entry.message.what {
                    held.had.insert(message);
                    if !(self.truth).stands(topic, recovered.epoch, entry.offset, message) {
                        failure = Some(format!("{} is another message", entry.offset));
                    }
                }
            }
            if let (Some((epoch, offset)), true) = (before, recovered.complete)
                && (recovered.epoch != epoch
                    || !offsets.iter().copied().eq(offset + 1..=recovered.offset))
            {
                let (epoch_now, last) = (recovered.epoch, recovered.offset);
                failure = Some(format!(
                    "came with {epoch}:{offset}, and had {offsets:?} of {epoch_now}:{last}"
                ));
            }
            if let Some(failure) = failure {
                self.fail(format!("client {id} on node {node}, {topic}: {failure}"));
            }
        }
    }

    /// Those of a node that are slow, or the others, take what has come.
    pub(super) fn drain(&mut self, node: usize, slow: bool) {
        if !self.nodes[node].is_alive {
            return;
        }
        self.nodes[node].drain(slow);
        for id in 0..self.clients.len() {
            if self.clients[id].node != Some(node) || self.clients[id].is_slow != slow {
                continue;
            }
            let inbox = self.clients[id].inbox.clone();
            let all = std::mem::take(&mut *inbox.all.lock().expect("no panic"));
            for (key, missed, entries) in all {
                let topic = self.topics[key as usize].clone();
                self.take(id, node, &topic, missed, entries);
            }
        }
    }

    /// What comes must be what the node's log says, from where it was.
    fn take(
        &mut self,
        id: usize,
        node: usize,
        topic: &Topic,
        missed: u64,
        entries: Vec<Entry<Text>>,
    ) {
        self.trace(&[2, id as u64, missed, entries.len() as u64]);
        self.report.missed += missed;
        let is_slow = self.clients[id].is_slow;
        let Some(held) = self.clients[id].subscriptions.get_mut(topic) else {
            return;
        };
        let Some(interest) = self.nodes[node].interests.get(topic) else {
            return;
        };
        let mut left = missed;
        let mut failure = None;
        while left > 0 {
            let Some(passed) = interest.log.get(held.cursor) else {
                failure = Some(format!("{missed} are told to be missed that are not"));
                break;
            };
            held.cursor += 1;
            if passed.span > left {
                failure = Some(format!("{missed} missed, in the midst of {passed:?}"));
                break;
            }
            if !is_slow && passed.span > 0 && passed.what != What::Missing {
                failure = Some(format!("{passed:?} is missed by one that is not slow"));
            }
            left -= passed.span;
        }
        for entry in entries {
            let what = entry.message.what;
            let expected = Logged {
                what,
                span: entry.span,
            };
            if is_slow && entry.span == 0 {
                // It may come before what was missed before it is told, and to one who came after it.
                if !interest.log.contains(&expected) {
                    failure = Some(format!("{expected:?} came from nowhere"));
                }
            }
            // One that does not count comes to one as well who came after it, and had it.
            let is_late = entry.span == 0 && interest.log[..held.start].contains(&expected);
            if let What::Message(message) = what
                && !is_late
                && !held.had.insert(message)
            {
                failure = Some(format!("message {message} came again"));
            }
            if is_slow && entry.span == 0 {
                continue;
            }
            loop {
                let next = interest.log.get(held.cursor);
                held.cursor += 1;
                match next {
                    Some(next) if *next == expected => break,
                    // Nobody is told of one that does not count.
                    Some(next) if next.span == 0 && is_slow => {}
                    next => {
                        failure = Some(format!("{expected:?} came instead of {next:?}"));
                        break;
                    }
                }
                if failure.is_some() {
                    break;
                }
            }
            if let Some((epoch, offset)) = entry.message.position {
                held.position = Some((epoch, offset));
            }
            if let What::Message(message) = what {
                self.report.delivered += 1;
                let mixed = self.report.hash ^ message;
                self.report.hash = mixed.wrapping_mul(0x100_0000_01B3);
            }
        }
        if let Some(failure) = failure {
            self.fail(format!("client {id} on node {node}, {topic}: {failure}"));
        }
    }

    pub(super) fn check_clients(&mut self) {
        for id in 0..self.clients.len() {
            let client = &self.clients[id];
            let Some(node) = client.node else {
                return self.fail(format!("client {id} is nowhere"));
            };
            let mut failure = None;
            for (topic, held) in &client.subscriptions {
                let Some(interest) = self.nodes[node].interests.get(topic) else {
                    continue;
                };
                let rest = &interest.log[held.cursor.min(interest.log.len())..];
                if held.subscription.is_none() || rest.iter().any(|logged| logged.span > 0) {
                    failure = Some(format!("client {id}, {topic}: {rest:?} did not come"));
                }
            }
            if let Some(failure) = failure {
                self.fail(failure);
            }
        }
        for node in 0..NODES {
            let topic = &self.topics[0];
            let present = self.nodes[node].hub.present(topic);
            let members: Vec<u64> = present.iter().map(|present| present.member).collect();
            let mut expected: Vec<u64> = self.clients.iter().map(|client| client.member).collect();
            expected.sort_unstable();
            if members != expected {
                self.fail(format!(
                    "on node {node} {members:?} are present, not {expected:?}"
                ));
            }
        }
    }

    /// What is kept of a topic.
    pub(super) fn keep(&self, topic: &Topic) -> Option<wireline::relay::hub::Retention> {
        let at = self.topics.iter().position(|known| known == topic);
        (self.keeps_history && at.is_some_and(|at| at >= PLAIN)).then_some(KEEP)
    }
}
