use super::*;
use crate::relay::backplane::{Command, Event};
use bytes::Bytes;
use std::collections::BTreeMap;

mod bounds;
mod losses;

/// Nodes and a broker that does at once what it is told, as long as nothing is taken away.
struct World {
    now: u64,
    nodes: Vec<Cluster>,
    connected: Vec<bool>,
    taken: Vec<BTreeSet<Channel>>,
    history: BTreeMap<Topic, Vec<Bytes>>,
    epoch: u64,
    /// Publications of messages of topics that get lost, and what the broker refuses.
    loses: bool,
    refuses: bool,
    actions: Vec<Vec<Action>>,
}

impl World {
    fn new(count: u64, keeps_history: bool) -> Self {
        let nodes = 1..=count;
        let mut world = Self {
            now: 1_000,
            nodes: nodes
                .map(|node| Cluster::new(ClusterConfig::default(), node, node * 100, keeps_history))
                .collect(),
            connected: vec![true; usize::try_from(count).unwrap()],
            taken: vec![BTreeSet::new(); usize::try_from(count).unwrap()],
            history: BTreeMap::new(),
            epoch: 77,
            loses: false,
            refuses: false,
            actions: vec![Vec::new(); usize::try_from(count).unwrap()],
        };
        for at in 0..world.nodes.len() {
            world.connect(at);
        }
        world.pass(400);
        world
    }

    fn connect(&mut self, at: usize) {
        self.connected[at] = true;
        self.taken[at].clear();
        self.nodes[at].event(Event::Connected, self.now);
    }

    fn disconnect(&mut self, at: usize) {
        self.connected[at] = false;
        self.taken[at].clear();
        self.nodes[at].down(self.now);
    }

    /// Lets time pass, in steps of 10 ms.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        loop {
            self.settle();
            if self.now >= end {
                return;
            }
            self.now += 10;
        }
    }

    fn settle(&mut self) {
        let mut is_busy = true;
        while is_busy {
            is_busy = false;
            for at in 0..self.nodes.len() {
                self.nodes[at].tick(self.now);
                while self.connected[at]
                    && let Some(command) = self.nodes[at].next_command()
                {
                    is_busy = true;
                    self.carry_out(at, command);
                }
                while let Some(action) = self.nodes[at].next_action() {
                    self.actions[at].push(action);
                }
            }
        }
    }

    fn carry_out(&mut self, at: usize, command: Command) {
        let now = self.now;
        match command {
            Command::Subscribe(channel) => {
                self.taken[at].insert(channel.clone());
                self.nodes[at].event(Event::Subscribed(channel), now);
            }
            Command::Unsubscribe(channel) => {
                self.taken[at].remove(&channel);
            }
            Command::Publish { id, .. } | Command::Append { id, .. } if self.refuses => {
                let why = String::from("out of memory");
                self.nodes[at].event(Event::Refused { id, why }, now);
            }
            Command::Publish {
                id,
                channel,
                message,
            } => {
                let is_lost = self.loses && matches!(channel, Channel::Topic(_));
                if !is_lost {
                    self.send(&channel, None, &message);
                }
                self.nodes[at].event(Event::Done { id }, now);
            }
            Command::Append {
                id, topic, message, ..
            } => {
                let kept = self.history.entry(topic.clone()).or_default();
                kept.push(message.clone());
                let position = Some((self.epoch, kept.len() as u64));
                self.send(&Channel::Topic(topic), position, &message);
                self.nodes[at].event(Event::Done { id }, now);
            }
            Command::Read { id, topic, .. } => {
                let kept = self.history.get(&topic).cloned().unwrap_or_default();
                let last = kept.len() as u64;
                let event = Event::History {
                    id,
                    epoch: if last == 0 { 0 } else { self.epoch },
                    last,
                    entries: (1..)
                        .zip(kept)
                        .map(|(offset, message)| (offset, 0, message))
                        .collect(),
                };
                self.nodes[at].event(event, now);
            }
        }
    }

    fn send(&mut self, channel: &Channel, position: Option<(u64, u64)>, message: &Bytes) {
        for at in 0..self.nodes.len() {
            if self.taken[at].contains(channel) {
                let event = Event::Message {
                    channel: channel.clone(),
                    position,
                    message: message.clone(),
                };
                self.nodes[at].event(event, self.now);
            }
        }
    }

    fn publish(&mut self, at: usize, text: &str, keep: Option<Retention>) -> Local {
        let local = self.nodes[at].publish(&topic(), parcel(text), keep, self.now);
        self.settle();
        local
    }

    fn attach(&mut self, at: usize, keep: Option<Retention>) {
        self.nodes[at].attach(&topic(), keep, self.now);
        self.pass(50);
        assert!(self.nodes[at].is_attached(&topic()));
        let told = self.take(at);
        assert!(told.contains(&Action::Attached { topic: topic() }));
    }

    fn take(&mut self, at: usize) -> Vec<Action> {
        std::mem::take(&mut self.actions[at])
    }
}

fn topic() -> Topic {
    Topic::new("room:1").unwrap()
}

fn parcel(text: &str) -> Parcel {
    Parcel {
        is_text: true,
        except: 0,
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn deliver(text: &str, place: Place) -> Action {
    Action::Deliver {
        topic: topic(),
        parcel: parcel(text),
        place,
    }
}

const fn keep() -> Option<Retention> {
    Some(Retention {
        messages: 10,
        octets: 1 << 20,
        age: 60_000,
    })
}

fn lost(first: u64, last: u64) -> Action {
    Action::Lost {
        topic: topic(),
        node: 1,
        epoch: 100,
        first,
        last,
    }
}

#[test]
fn what_is_published_here_is_delivered_there_once() {
    let mut world = World::new(2, false);
    world.attach(1, None);
    assert_eq!(world.publish(0, "a", None), Local::Deliver);
    assert_eq!(world.take(1), [deliver("a", Place::Next)]);
    // It is not known there whether it arrived, and sent again: not delivered again.
    world.nodes[0].publish(&topic(), parcel("b"), None, world.now);
    while let Some(Command::Publish {
        channel, message, ..
    }) = world.nodes[0].next_command()
    {
        world.send(&channel, None, &message);
    }
    world.disconnect(0);
    assert_eq!(world.nodes[0].standing(world.now).waiting, 1);
    world.connect(0);
    world.settle();
    assert_eq!(world.take(1), [deliver("b", Place::Next)]);
    let standing = world.nodes[1].standing(world.now);
    assert_eq!((standing.received, standing.duplicates), (2, 1));
    assert_eq!(world.nodes[0].standing(world.now).sent, 2);
    assert!(world.take(0).is_empty());
}

#[test]
fn a_hole_is_told_with_its_range_and_a_tail_by_its_mark() {
    let mut world = World::new(2, false);
    world.attach(1, None);
    world.loses = true;
    world.publish(0, "a", None);
    world.publish(0, "b", None);
    world.loses = false;
    world.publish(0, "c", None);
    assert_eq!(world.take(1), [lost(1, 2), deliver("c", Place::Next)]);
    world.loses = true;
    world.publish(0, "d", None);
    world.loses = false;
    world.pass(1_200);
    assert_eq!(world.take(1), [lost(4, 4)]);
    assert_eq!(world.nodes[1].standing(world.now).lost, 3);
}

#[test]
fn who_was_away_is_told_what_he_missed() {
    let mut world = World::new(2, false);
    world.attach(1, None);
    world.disconnect(1);
    for text in ["a", "b", "c"] {
        world.publish(0, text, None);
    }
    world.connect(1);
    world.pass(20);
    assert_eq!(world.take(1), [lost(1, 3)]);
    // Who comes only now has missed nothing.
    world.nodes[1].detach(&topic(), world.now);
    world.attach(1, None);
    world.publish(0, "d", None);
    assert_eq!(world.take(1), [deliver("d", Place::Next)]);
}

#[test]
fn what_waits_is_sent_when_there_is_a_broker_and_what_is_dropped_is_told() {
    let mut world = World::new(2, false);
    world.attach(1, None);
    world.disconnect(0);
    world.nodes[0].outbox = Outbox::new(3 * 129, OutboxPolicy::DropOldest);
    for text in ["a", "b", "c", "d", "e"] {
        assert_eq!(world.publish(0, text, None), Local::Deliver);
    }
    world.pass(1_000);
    let standing = world.nodes[0].standing(world.now);
    assert_eq!((standing.waiting, standing.dropped), (3, 2));
    assert!(standing.lag >= 1_000 && standing.waiting_octets_most <= 3 * 129);
    world.connect(0);
    world.settle();
    let expected = [
        lost(1, 2),
        deliver("c", Place::Next),
        deliver("d", Place::Next),
        deliver("e", Place::Next),
    ];
    assert_eq!(world.take(1), expected);
}

#[test]
fn what_the_broker_refuses_is_tried_again_and_then_given_up() {
    let mut world = World::new(2, true);
    world.attach(1, None);
    world.refuses = true;
    world.publish(0, "a", None);
    world.refuses = false;
    world.pass(200);
    assert_eq!(world.take(1), [deliver("a", Place::Next)]);
    world.refuses = true;
    world.publish(0, "b", None);
    world.pass(3_000);
    assert_eq!(world.nodes[0].standing(world.now).dropped, 1);
    world.refuses = false;
    world.pass(3_000);
    assert_eq!(world.take(1), [lost(2, 2)]);
    // One that was to be ordered is delivered here meanwhile.
    world.nodes[1].detach(&topic(), world.now);
    world.attach(1, keep());
    world.refuses = true;
    assert_eq!(world.publish(1, "c", keep()), Local::Wait);
    assert_eq!(world.take(1), [deliver("c", Place::Uncounted)]);
    world.refuses = false;
    world.pass(500);
    let told = world.take(1);
    assert!(
        matches!(
            told[..],
            [
                Action::Adopt { last: 0, .. },
                Action::Count { offset: 1, .. }
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn all_nodes_have_the_brokers_order_and_what_waits_too_long_only_counts_later() {
    let mut world = World::new(2, true);
    world.attach(0, keep());
    world.attach(1, keep());
    assert_eq!(world.publish(0, "a", keep()), Local::Wait);
    for at in 0..2 {
        let told = world.take(at);
        let place = Place::At {
            epoch: 77,
            offset: 1,
        };
        assert_eq!(told.last(), Some(&deliver("a", place)), "{told:?}");
    }
    world.disconnect(0);
    assert_eq!(world.publish(0, "b", keep()), Local::DeliverUncounted);
    world.publish(1, "c", keep());
    world.take(1);
    world.connect(0);
    world.settle();
    let place = Place::At {
        epoch: 77,
        offset: 2,
    };
    let count = Action::Count {
        topic: topic(),
        epoch: 77,
        offset: 3,
        parcel: parcel("b"),
    };
    assert_eq!(world.take(0), [deliver("c", place), count]);
    // The broker is there, and does nothing.
    world.connected[0] = false;
    assert_eq!(world.publish(0, "d", keep()), Local::Wait);
    world.pass(60);
    assert_eq!(world.take(0), [deliver("d", Place::Uncounted)]);
}

#[test]
fn nobody_waits_for_a_place_while_other_nodes_are_expected_back() {
    let mut world = World::new(2, true);
    world.attach(0, keep());
    world.attach(1, keep());
    world.publish(0, "a", keep());
    for at in 0..2 {
        world.take(at);
        world.disconnect(at);
    }
    assert_eq!(world.publish(0, "b", keep()), Local::DeliverUncounted);
    world.connect(0);
    world.settle();
    // The other one has lost its connection as well: what it would miss is held for it.
    assert_eq!(world.publish(0, "c", keep()), Local::DeliverUncounted);
    assert_eq!(world.history[&topic()].len(), 1);
    world.connect(1);
    world.settle();
    assert_eq!(world.publish(0, "d", keep()), Local::Wait);
    let at = |offset| Place::At { epoch: 77, offset };
    let count = |text, offset| Action::Count {
        topic: topic(),
        epoch: 77,
        offset,
        parcel: parcel(text),
    };
    assert_eq!(
        world.take(0),
        [count("b", 2), count("c", 3), deliver("d", at(4))]
    );
    assert_eq!(
        world.take(1),
        [
            deliver("b", at(2)),
            deliver("c", at(3)),
            deliver("d", at(4))
        ]
    );
    // Of one that does not come back nobody waits for longer than a second.
    world.disconnect(0);
    world.disconnect(1);
    world.connect(0);
    world.settle();
    assert_eq!(world.publish(0, "e", keep()), Local::DeliverUncounted);
    world.pass(1_010);
    assert_eq!(world.publish(0, "f", keep()), Local::Wait);
    assert_eq!(world.take(0), [count("e", 5), deliver("f", at(6))]);
}

#[test]
fn who_is_present_is_known_everywhere_until_his_node_is_gone() {
    let mut world = World::new(2, false);
    let present = Present {
        member: 1 << 32 | 1,
        name: Some("ada".into()),
        meta: "{}".into(),
    };
    let track = Action::Track {
        topic: topic(),
        present: present.clone(),
    };
    let untrack = Action::Untrack {
        topic: topic(),
        member: present.member,
    };
    world.nodes[0].track(&topic(), &present, world.now);
    world.settle();
    assert_eq!(world.take(1), std::slice::from_ref(&track));
    assert_eq!(world.nodes[1].nodes(world.now).len(), 1);
    world.disconnect(0);
    world.pass(7_100);
    assert_eq!(world.take(1), std::slice::from_ref(&untrack));
    assert_eq!(world.nodes[1].standing(world.now).departed, 1);
    assert!(world.nodes[1].nodes(world.now).is_empty());
    world.connect(0);
    world.pass(100);
    assert_eq!(world.take(1), [track]);
    world.nodes[0].leave(world.now);
    world.settle();
    assert_eq!(world.take(1), [untrack]);
    world.pass(5_000);
    assert_eq!(world.nodes[1].standing(world.now).nodes, 0);
}

#[test]
fn a_question_is_answered_by_all_or_in_part() {
    let mut world = World::new(3, false);
    let operation = Operation::Subscribers { topic: topic() };
    let id = world.nodes[0].ask(operation.clone(), world.now);
    world.settle();
    for at in 1..3 {
        let Some(Action::Do {
            asks: Some(asks), ..
        }) = world.take(at).pop()
        else {
            panic!("node {at} was not asked");
        };
        let answer = Answer {
            count: at as u64,
            text: Bytes::new(),
        };
        if at == 1 {
            world.nodes[at].answer(asks, answer, world.now);
        }
    }
    world.pass(900);
    assert!(world.take(0).is_empty());
    world.pass(200);
    let Some(Action::Answered { id: of, answers }) = world.take(0).pop() else {
        panic!("no answer");
    };
    assert_eq!((of, answers.missing), (id, vec![3]));
    assert_eq!(answers.answers.len(), 1);
    // Without a broker there is nobody to ask, and what is only told waits.
    world.disconnect(0);
    world.nodes[0].ask(operation.clone(), world.now);
    world.nodes[0].tell(operation.clone(), world.now);
    world.settle();
    assert!(matches!(
        world.take(0)[..],
        [Action::Answered { ref answers, .. }] if answers.missing == [2, 3]
    ));
    world.connect(0);
    world.settle();
    let asks = None;
    assert_eq!(world.take(1), [Action::Do { operation, asks }]);
}

#[test]
fn what_is_no_envelope_is_counted() {
    let mut world = World::new(2, false);
    world.attach(1, None);
    for text in ["", "0", "\u{b5}", "nonsense"] {
        let message = Bytes::copy_from_slice(text.as_bytes());
        world.send(&Channel::Topic(topic()), None, &message);
        world.send(&Channel::All, None, &message);
    }
    assert_eq!(world.nodes[1].standing(world.now).garbled, 8);
    assert!(world.take(1).is_empty());
}

#[test]
fn a_number_that_two_nodes_have_is_noticed() {
    let mut world = World::new(2, false);
    world.nodes[1] = Cluster::new(ClusterConfig::default(), 1, 999, false);
    world.connect(1);
    world.pass(3_000);
    for node in &world.nodes {
        assert!(node.standing(world.now).is_double);
    }
    world.disconnect(1);
    world.pass(8_000);
    assert!(!world.nodes[0].standing(world.now).is_double);
}

#[test]
fn without_a_broker_nobody_waits() {
    let mut cluster = Cluster::new(ClusterConfig::default(), 1, 1, true);
    cluster.attach(&topic(), keep(), 0);
    assert!(cluster.is_attached(&topic()));
    assert_eq!(
        cluster.next_action(),
        Some(Action::Attached { topic: topic() })
    );
    assert_eq!(cluster.next_command(), None);
    // One that takes nothing of what is wanted of it.
    cluster.event(Event::Connected, 10);
    let other = Topic::new("other").unwrap();
    cluster.attach(&other, None, 20);
    assert!(!cluster.is_attached(&other));
    cluster.tick(1_020);
    assert!(cluster.is_attached(&other));
}

#[test]
fn the_same_calls_have_the_same_outcome() {
    let run = || {
        let mut world = World::new(3, true);
        for at in 0..3 {
            world.attach(at, None);
            world.publish(at, "x", None);
        }
        world.disconnect(1);
        world.pass(9_000);
        world.connect(1);
        world.pass(1_000);
        format!("{:?} {:?}", world.actions, world.nodes[1])
    };
    assert_eq!(run(), run());
}
