//! Three nodes and a broker in virtual time: real [`Cluster`]s and [`Hub`]s, everything else made up from one number.
//!
//! For 40 s everything goes wrong that can: the broker crashes, forgets, freezes, is slow, refuses, loses, doubles, swaps and garbles;
//! connections are cut and go dark; nodes crash and come again; clients come, go, hop and are slow; clocks begin anywhere and do not
//! run at one rate. Then everything is well, and after a while all must be told, and agree:
//!
//! - a node has each message of another's sequence once, in order, or has told that it is lost, with its number;
//! - a client has what its node had from when it subscribed, in order, and each gap is told with its length;
//! - what never had a place in a shared order is told to all nodes but its own, with how many;
//! - what is published is delivered on its own node at once, or in time if it waits for the broker's order;
//! - an offset of a shared order is the same message everywhere, and who comes with an offset to another node misses nothing untold;
//! - the outbox keeps its bound, questions end in time, who is present is the same on all nodes.
//!
//! The same seed makes the same, which the hash of a run shows.

#![allow(dead_code, reason = "not everybody who includes this uses all of it")]

mod broker;
mod client;
mod node;
mod random;
mod truth;

use self::broker::{Broker, Faults};
use self::client::Client;
use self::node::Node;
use self::random::Random;
use self::truth::Truth;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use wireline::relay::backplane::{Channel, Command, Event};
use wireline::relay::cluster::envelope::Envelope;
use wireline::relay::cluster::{Answer, Operation, Target};
use wireline::relay::hub::{Retention, Topic};

/// Something that is done wrong, so that it is seen that it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Nothing.
    None,
    /// What came before is delivered again.
    NoDedupe,
    /// Nobody says what the last message was.
    NoMark,
    /// The last one of a range is left out.
    ShortRange,
    /// What was lost is passed over.
    Untold,
    /// What was given up before the broker had it is passed over.
    UntoldGivenUp,
    /// Who is gone stays present.
    NoUntrack,
}

/// What a run was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Over all that happened.
    pub(crate) hash: u64,
    /// Milliseconds of virtual time.
    pub(crate) simulated: u64,
    pub(crate) published: u64,
    /// Deliveries to clients.
    pub(crate) delivered: u64,
    /// Messages of other nodes that were told to be lost.
    pub(crate) lost: u64,
    /// Messages that were told to be given up before they had their place.
    pub(crate) given_up: u64,
    /// Messages that came again and were not delivered again.
    pub(crate) duplicates: u64,
    pub(crate) faults: u64,
    pub(crate) garbled: u64,
    pub(crate) hops: u64,
    pub(crate) missed: u64,
}

impl Report {
    /// Counts that one in. The hash is the same in whichever order they come.
    pub(crate) const fn add(&mut self, one: &Self) {
        self.hash = self.hash.wrapping_add(one.hash);
        self.simulated += one.simulated;
        self.published += one.published;
        self.delivered += one.delivered;
        self.lost += one.lost;
        self.given_up += one.given_up;
        self.duplicates += one.duplicates;
        self.faults += one.faults;
        self.garbled += one.garbled;
        self.hops += one.hops;
        self.missed += one.missed;
    }
}

/// Runs a seed.
///
/// # Errors
///
/// What did not hold first, and when.
pub(crate) fn run(seed: u64, mutant: Mutant) -> Result<Report, String> {
    let mut world = World::new(seed, mutant);
    world.run();
    match world.failure {
        Some(failure) => Err(format!("seed {seed}: {failure}")),
        None => Ok(world.report),
    }
}

enum Happening {
    /// A node's clock.
    Wake(usize),
    /// A command arrives at the broker.
    Arrive(u64, Command),
    /// An event arrives at a node.
    Come(u64, Event),
    /// A node tries to connect.
    Connect(usize),
    /// A node notices that its connection has ended.
    Detect(u64),
    /// The broker is back.
    Back,
    Thaw,
    /// The broker does well again.
    Well,
    /// A node can reach the broker again.
    Reach(usize),
    /// A node is started.
    Start(usize),
    /// A client finds a node.
    Arrival(usize),
    /// The slow clients of a node have time.
    Slow(usize),
    /// Somebody does something.
    Act,
    /// Something goes wrong.
    Fault,
    /// A node answers a question.
    Answer(u64, (u64, u64)),
    /// Everything is well from now on.
    Heal,
    /// All publish and ask once more.
    Last,
}

/// A connection of a node.
struct Connection {
    life: u64,
    /// Nothing gets through any more.
    is_dark: bool,
    /// The last arrivals in both directions.
    up: u64,
    down: u64,
}

struct World {
    random: Random,
    mutant: Mutant,
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    topics: Vec<Topic>,
    keeps_history: bool,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    broker: Broker,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    can_reach: Vec<bool>,
    truth: Truth,
    /// Appends that the broker has refused, whose node has not heard so, by connection and command.
    refusals: BTreeMap<(u64, u64), u64>,
    is_well: bool,
    /// From when on nobody does anything.
    silence: u64,
    failure: Option<String>,
    report: Report,
}

impl World {
    fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = Random::new(seed);
        let keeps_history = !random.one_in(4);
        let topics = (0..TOPICS).map(topic).collect();
        let mut world = Self {
            mutant,
            now: 0,
            queue: BTreeMap::new(),
            order: 0,
            topics,
            keeps_history,
            nodes: Vec::new(),
            clients: Vec::new(),
            broker: Broker::new(mutant == Mutant::NoMark),
            connections: BTreeMap::new(),
            next_connection: 0,
            can_reach: vec![true; NODES],
            truth: Truth::default(),
            refusals: BTreeMap::new(),
            is_well: false,
            silence: random.between(CHAOS - 8_000, CHAOS + 5_000),
            failure: None,
            report: Report {
                hash: 0xCBF2_9CE4_8422_2325,
                ..Report::default()
            },
            random,
        };
        for at in 0..NODES {
            let node = Node::new(at, &mut world.random, keeps_history);
            world.nodes.push(node);
            world.later(0, Happening::Connect(at));
            world.later(500, Happening::Slow(at));
        }
        for id in 0..CLIENTS {
            let node = world.random.index(NODES);
            world.clients.push(Client::new(id, id % 3 == 2));
            world.arrive(id, node);
        }
        world.later(300, Happening::Act);
        world.later(2_000, Happening::Fault);
        world.later(CHAOS, Happening::Heal);
        world.later(CHAOS + 10_000, Happening::Last);
        world
    }

    fn later(&mut self, delay: u64, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at, self.order), happening);
    }

    fn run(&mut self) {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > CHAOS + CALM || self.failure.is_some() {
                break;
            }
            self.now = at;
            self.happen(happening);
        }
        self.report.simulated = self.now;
        if self.failure.is_none() {
            self.check_end();
        }
    }

    fn fail(&mut self, why: impl Into<String>) {
        if self.failure.is_none() {
            self.failure = Some(format!("after {} ms: {}", self.now, why.into()));
        }
    }

    /// Into the hash of the run.
    fn trace(&mut self, numbers: &[u64]) {
        for number in numbers {
            let mixed = self.report.hash ^ number;
            self.report.hash = mixed.wrapping_mul(0x100_0000_01B3).rotate_left(23);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(node) => {
                if self.nodes[node].woken_at <= self.now {
                    self.nodes[node].woken_at = u64::MAX;
                    self.turn(node);
                }
            }
            Happening::Arrive(connection, command) => {
                if self.broker.is_frozen {
                    self.broker.backlog.push_back((connection, command));
                } else {
                    self.carry_out(connection, command);
                }
            }
            Happening::Come(connection, event) => self.come(connection, event),
            Happening::Connect(node) => self.connect(node),
            Happening::Detect(connection) => self.detect(connection),
            Happening::Back => self.broker.is_down = false,
            Happening::Thaw => {
                self.broker.is_frozen = false;
                while let Some((connection, command)) = self.broker.backlog.pop_front() {
                    self.carry_out(connection, command);
                }
            }
            Happening::Well => self.broker.faults = Faults::default(),
            Happening::Reach(node) => self.can_reach[node] = true,
            Happening::Start(node) => self.start(node),
            Happening::Arrival(client) => {
                let node = self.random.index(NODES);
                self.arrive(client, node);
            }
            Happening::Slow(node) => {
                self.drain(node, true);
                let delay = if self.is_well {
                    500
                } else {
                    self.random.between(300, 4_000)
                };
                self.later(delay, Happening::Slow(node));
            }
            Happening::Act => {
                self.act();
                if self.now < self.silence {
                    let delay = self.random.between(5, 90);
                    self.later(delay, Happening::Act);
                }
            }
            Happening::Fault => {
                if !self.is_well {
                    self.fault();
                    let delay = self.random.between(500, 6_000);
                    self.later(delay, Happening::Fault);
                }
            }
            Happening::Answer(life, asks) => {
                if let Some(node) = self.alive(life) {
                    let now = self.nodes[node].clock(self.now);
                    let answer = Answer {
                        count: life,
                        text: Bytes::new(),
                    };
                    self.nodes[node].cluster.answer(asks, answer, now);
                    self.turn(node);
                }
            }
            Happening::Heal => self.heal(),
            Happening::Last => {
                // Not in every topic: the last one that was lost may be the last.
                for node in 0..NODES {
                    for topic in self.topics.clone() {
                        if self.random.one_in(2) {
                            self.publish(node, &topic);
                        }
                    }
                    self.ask(node);
                }
            }
        }
    }

    fn act(&mut self) {
        let node = self.random.index(NODES);
        let client = self.random.index(CLIENTS);
        let at = self.random.index(TOPICS);
        let topic = self.topics[at].clone();
        match self.random.below(40) {
            0 => self.leave(client, true),
            1 | 2 => self.subscribe(client, &topic),
            3 => self.unsubscribe(client, &topic),
            4 => self.ask(node),
            5 => {
                if self.nodes[node].is_alive {
                    let now = self.nodes[node].clock(self.now);
                    let operation = Operation::Disconnect {
                        whom: Target::User("ada".to_owned()),
                        code: 4000,
                        reason: self.order.to_string(),
                    };
                    self.nodes[node].cluster.tell(operation, now);
                    self.turn(node);
                }
            }
            6 => {
                // Many at once, so that an outbox or an inbox is full.
                for _ in 0..self.random.between(5, 40) {
                    self.publish(node, &topic);
                }
            }
            _ => self.publish(node, &topic),
        }
    }

    fn fault(&mut self) {
        self.report.faults += 1;
        let node = self.random.index(NODES);
        match self.random.below(10) {
            0 | 1 => {
                let forgets = self.random.one_in(2);
                self.broker.crash(forgets);
                let all: Vec<u64> = self.connections.keys().copied().collect();
                for connection in all {
                    let delay = self.random.below(60);
                    self.later(delay, Happening::Detect(connection));
                }
                let delay = self.random.between(200, 9_000);
                self.later(delay, Happening::Back);
            }
            2 => {
                if !self.broker.is_down && !self.broker.is_frozen {
                    self.broker.is_frozen = true;
                    let long = self.random.between(100, 9_000);
                    self.later(long, Happening::Thaw);
                    if long > 5_000 {
                        // The drivers take it for gone.
                        let all: Vec<u64> = self.connections.keys().copied().collect();
                        for connection in all {
                            self.later(5_000, Happening::Detect(connection));
                        }
                    }
                }
            }
            3 | 4 => {
                // The node's connection goes dark.
                self.can_reach[node] = false;
                let delay = self.random.between(100, 10_000);
                self.later(delay, Happening::Reach(node));
                let dark: Vec<u64> = self
                    .connections
                    .iter()
                    .filter(|(_, connection)| connection.life == self.nodes[node].life)
                    .map(|(id, _)| *id)
                    .collect();
                for id in dark {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.is_dark = true;
                    }
                    let delay = self.random.between(10, 5_000);
                    self.later(delay, Happening::Detect(id));
                }
            }
            5 => {
                if self.nodes[node].is_alive {
                    self.crash(node);
                    let delay = self.random.between(300, 12_000);
                    self.later(delay, Happening::Start(node));
                }
            }
            6 => {
                let delay = self.random.below(3_000);
                let id = self.connections.keys().next().copied();
                if let Some(id) = id {
                    self.later(delay, Happening::Detect(id));
                }
            }
            _ => {
                let mut one_in = || {
                    if self.random.one_in(2) {
                        self.random.between(3, 60)
                    } else {
                        0
                    }
                };
                self.broker.faults = Faults {
                    refuses: one_in(),
                    loses: one_in(),
                    doubles: one_in(),
                    swaps: one_in(),
                    garbles: one_in(),
                    slow: one_in() * 10,
                };
                let delay = self.random.between(500, 6_000);
                self.later(delay, Happening::Well);
            }
        }
    }

    fn heal(&mut self) {
        self.is_well = true;
        self.broker.is_down = false;
        self.broker.faults = Faults::default();
        self.happen(Happening::Thaw);
        for node in 0..NODES {
            self.can_reach[node] = true;
            if !self.nodes[node].is_alive {
                self.start(node);
            }
        }
    }

    fn connect(&mut self, node: usize) {
        if !self.nodes[node].is_alive || self.nodes[node].connection.is_some() {
            return;
        }
        if self.broker.is_down || self.broker.is_frozen || !self.can_reach[node] {
            let now = self.nodes[node].clock(self.now);
            self.nodes[node].cluster.down(now);
            self.turn(node);
            let delay = self.random.between(700, 1_000);
            self.later(delay, Happening::Connect(node));
            return;
        }
        self.next_connection += 1;
        let id = self.next_connection;
        let connection = Connection {
            life: self.nodes[node].life,
            is_dark: false,
            up: self.now,
            down: self.now,
        };
        self.connections.insert(id, connection);
        self.broker.connections.insert(id, BTreeSet::new());
        self.nodes[node].connection = Some(id);
        let now = self.nodes[node].clock(self.now);
        self.nodes[node].cluster.event(Event::Connected, now);
        self.turn(node);
    }

    /// The end of a connection is noticed, on both sides.
    fn detect(&mut self, id: u64) {
        self.broker.connections.remove(&id);
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        let Some(node) = self.alive(connection.life) else {
            return;
        };
        self.nodes[node].connection = None;
        let now = self.nodes[node].clock(self.now);
        self.nodes[node].cluster.down(now);
        self.turn(node);
        let delay = self.random.between(20, 1_000);
        self.later(delay, Happening::Connect(node));
    }

    fn alive(&self, life: u64) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| node.is_alive && node.life == life)
    }

    fn latency(&mut self) -> u64 {
        self.random.below(6) + self.random.below(self.broker.faults.slow + 1)
    }

    fn send_up(&mut self, id: u64, command: Command) {
        let latency = self.latency();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_dark {
            return;
        }
        connection.up = connection.up.max(self.now + latency);
        let at = connection.up;
        self.at(at, Happening::Arrive(id, command));
    }

    fn carry_out(&mut self, connection: u64, command: Command) {
        if self
            .connections
            .get(&connection)
            .is_some_and(|of| of.is_dark)
        {
            return;
        }
        if let Command::Publish {
            channel, message, ..
        } = &command
            && let Some((_, Envelope::Message { parcel, .. })) = Envelope::decode(message, channel)
        {
            self.truth.reach(node::id_of(&parcel), self.now);
        }
        let appends = match &command {
            Command::Append { topic, message, .. } => {
                let channel = Channel::Topic(topic.clone());
                match Envelope::decode(message, &channel) {
                    Some((_, Envelope::Message { parcel, .. })) => {
                        Some((topic.clone(), node::id_of(&parcel), self.broker.at(topic)))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let said = self
            .broker
            .carry_out(connection, command, self.now, &mut self.random);
        if let Some((topic, id, before)) = appends {
            if self.broker.at(&topic) != before {
                self.truth.append(id);
            }
            let refused = said.iter().find_map(|(_, event)| match event {
                Event::Refused { id, .. } => Some(*id),
                _ => None,
            });
            if let Some(command) = refused {
                self.refusals.insert((connection, command), id);
            }
        }
        for (to, event) in said {
            let latency = self.latency();
            if let Some(connection) = self.connections.get_mut(&to) {
                connection.down = connection.down.max(self.now + latency);
                let at = connection.down;
                self.at(at, Happening::Come(to, event));
            }
        }
    }

    fn come(&mut self, id: u64, event: Event) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let Some(node) = self.alive(connection.life) else {
            return;
        };
        if connection.is_dark || self.nodes[node].connection != Some(id) {
            return;
        }
        if let Event::Refused { id: command, .. } = &event {
            self.refusals.remove(&(id, *command));
        }
        let again = self.again(node, &event);
        let now = self.nodes[node].clock(self.now);
        self.nodes[node].cluster.event(event, now);
        self.turn(node);
        if let Some((before, action)) = again
            && self.nodes[node].cluster.standing(now).duplicates > before
        {
            self.do_for(node, action);
        }
    }

    fn check_end(&mut self) {
        for node in 0..NODES {
            self.drain(node, false);
            self.drain(node, true);
        }
        // Who has not heard of it cannot tell it from one that was taken, when a later one was.
        for message in std::mem::take(&mut self.refusals).into_values() {
            self.truth.append(message);
        }
        self.check_nodes();
        self.check_clients();
    }
}

fn topic(at: usize) -> Topic {
    let name = if at < PLAIN { "plain" } else { "shared" };
    Topic::new(&format!("{name}:{at}")).expect("a topic")
}

const NODES: usize = 3;
const CLIENTS: usize = 9;
const TOPICS: usize = 5;
/// Topics whose order is each node's own; the others are the broker's, if it keeps history.
const PLAIN: usize = 3;
/// What is kept of those.
const KEEP: Retention = Retention {
    messages: 40,
    octets: 1 << 20,
    age: 600_000,
};
/// Milliseconds of trouble, and of calm.
const CHAOS: u64 = 40_000;
const CALM: u64 = 40_000;
/// The octets of an outbox.
const OUTBOX: usize = 20_000;
