//! What the nodes of a cluster say to each other, without a socket, a clock or a runtime: calls, events and times in, commands and
//! actions out.
//!
//! ```text
//!   relay  -- publish, attach, track, ask --> Cluster -- Command --> backplane
//!   relay  <-- Action ----------------------- Cluster <-- Event ---- backplane
//! ```
//!
//! Two kinds of topics. One that no history is shared of is in each node's own order: what is published here is delivered here at
//! once, what comes from others is delivered as it comes, and what is missing of another node's sequence is told where it is missing.
//! One whose history is shared is in the broker's order, which is the same on all nodes: epochs and offsets are the broker's, so that
//! a client goes on with another node where it was. What the broker does not order in time is delivered here without an offset.

mod alarms;
mod asks;
pub mod envelope;
mod incoming;
mod link;
mod losses;
mod neighbours;
mod nodes;
mod outbox;
mod outgoing;
mod presence;
mod questions;
mod receiving;
mod runs;
mod sending;
mod shared;
mod timely;
mod words;

pub use self::words::{
    Action, Answer, Answers, ClusterConfig, Local, Operation, OutboxPolicy, Parcel, Place,
    Standing, Target,
};

use self::alarms::{Alarm, Alarms};
use self::asks::Asks;
use self::envelope::{Change, Envelope, Sender};
use self::link::{Link, State};
use self::losses::Losses;
use self::nodes::Nodes;
use self::outbox::{Item, Outbox, What};
use self::presence::Own;
use self::questions::Questions;
use self::receiving::Received;
use self::sending::Sequences;
use self::shared::Shared;
use crate::relay::backplane::Channel;
use crate::relay::hub::{Elsewhere, Present, Retention, Topic};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A node's part in a cluster. Times are milliseconds since any moment that stays the same, and never go back; `node` is a number
/// that no other node has, not 0 and below 2^21.
///
/// After every call there may be [`commands`](Self::next_command) and [`actions`](Self::next_action), and the time at which
/// [`tick`](Self::tick) has to be called may be earlier than it was.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::backplane::{Channel, Command, Event};
/// use wireline::relay::cluster::{Cluster, ClusterConfig, Local, Parcel};
/// use wireline::relay::hub::Topic;
///
/// let mut cluster = Cluster::new(ClusterConfig::default(), 7, 0x5EED, false);
/// let topic = Topic::new("room:1").unwrap();
/// let parcel = Parcel { is_text: true, except: 0, payload: Bytes::from("hello") };
/// // Those who subscribe here get it now; the others when there is a broker.
/// assert_eq!(cluster.publish(&topic, parcel, None, 0), Local::Deliver);
/// assert_eq!(cluster.next_command(), None);
///
/// cluster.event(Event::Connected, 5);
/// for channel in [Channel::All, Channel::Node(7)] {
///     assert_eq!(cluster.next_command(), Some(Command::Subscribe(channel.clone())));
///     cluster.event(Event::Subscribed(channel), 6);
/// }
/// let message = std::iter::from_fn(|| cluster.next_command()).last().unwrap();
/// assert!(matches!(message, Command::Publish { channel: Channel::Topic(_), .. }));
/// ```
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    me: Sender,
    keeps_history: bool,
    /// The latest time that was told.
    now: u64,
    /// How many events there were, and topics to attach.
    index: u64,
    link: Link,
    outbox: Outbox,
    sequences: Sequences,
    losses: Losses,
    topics: BTreeMap<Topic, Taken>,
    /// Topics that somebody waits for.
    attaching: BTreeSet<Topic>,
    asks: Asks,
    nodes: Nodes,
    own: Own,
    questions: Questions,
    /// The last operation that wants no answer.
    told: u64,
    reaches: Elsewhere,
    alarms: Alarms,
    actions: VecDeque<Action>,
    counts: Standing,
    /// Before this, other nodes may be there that have not been heard of.
    settled_at: Option<u64>,
    /// Another node with the same number: since when it was heard of, and when it was last.
    double: Option<(u64, u64)>,
    has_left: bool,
    /// Whether a part of the presence was sent before the last message.
    was_part: bool,
    /// The nodes that were there before the connection and have not been heard of since, and until when what waits is held for them.
    absent: BTreeSet<Sender>,
    absent_until: u64,
}

/// A topic that is to come from the broker.
#[derive(Debug)]
struct Taken {
    /// Which event it was.
    wanted: u64,
    is_attached: bool,
    order: Order,
}

#[derive(Debug)]
enum Order {
    /// Each node's own; nothing before the channel was taken.
    Own(Option<Received>),
    /// The broker's.
    Shared(Box<Shared>),
}

impl Cluster {
    /// A node that has not been connected. `life` tells it from an earlier one with the same number.
    pub fn new(config: ClusterConfig, node: u64, life: u64, keeps_history: bool) -> Self {
        let mut alarms = Alarms::default();
        alarms.set(0, Alarm::Beat);
        alarms.set(0, Alarm::Sweep);
        Self {
            me: Sender { node, life },
            keeps_history,
            now: 0,
            index: 0,
            link: Link::new(node),
            outbox: Outbox::new(config.outbox, config.outbox_policy),
            sequences: Sequences::default(),
            losses: Losses::default(),
            topics: BTreeMap::new(),
            attaching: BTreeSet::new(),
            asks: Asks::default(),
            nodes: Nodes::new(),
            own: Own::default(),
            // Far from its end, and not where another life began.
            questions: Questions::new((life >> 1) + 1),
            told: 0,
            reaches: Elsewhere::Nobody,
            alarms,
            actions: VecDeque::new(),
            counts: Standing::default(),
            settled_at: None,
            double: None,
            has_left: false,
            was_part: false,
            absent: BTreeSet::new(),
            absent_until: 0,
            config,
        }
    }

    /// Somebody here subscribes, or reads: everything that is published to the topic is to come; `keep` is what is kept of it, if its
    /// history is shared. Leads to [`Action::Attached`] in any case. Harmless when it is attached.
    pub fn attach(&mut self, topic: &Topic, keep: Option<Retention>, now: u64) {
        let now = self.at(now);
        let is_up = self.link.state != State::Down;
        if let Some(taken) = self.topics.get(topic) {
            if taken.is_attached {
                self.actions.push_back(Action::Attached {
                    topic: topic.clone(),
                });
            }
            return;
        }
        let order = match keep.filter(|keep| self.keeps_history && keep.is_some()) {
            Some(keep) => Order::Shared(Box::new(Shared::new(topic.clone(), keep, now))),
            None => Order::Own(None),
        };
        self.index += 1;
        let taken = Taken {
            wanted: self.index,
            is_attached: false,
            order,
        };
        self.topics.insert(topic.clone(), taken);
        self.attaching.insert(topic.clone());
        self.link.want(Channel::Topic(topic.clone()));
        if is_up {
            self.alarms.set(
                now + self.config.question_wait,
                Alarm::Attach(topic.clone(), self.index),
            );
        } else {
            self.attached(topic);
        }
    }

    /// Whether nothing more has to come for it.
    pub fn is_attached(&self, topic: &Topic) -> bool {
        self.topics
            .get(topic)
            .is_some_and(|taken| taken.is_attached)
    }

    /// Nobody here subscribes any more.
    pub fn detach(&mut self, topic: &Topic, now: u64) {
        let now = self.at(now);
        if self.topics.remove(topic).is_none() {
            return;
        }
        self.attaching.remove(topic);
        self.asks.remove(topic);
        self.link.unwant(&Channel::Topic(topic.clone()));
        if self.link.is_complete() {
            self.up(now);
        }
    }

    /// A message is published here; `keep` as for [`attach`](Self::attach). It is for the relay to deliver it here as this says.
    pub fn publish(
        &mut self,
        topic: &Topic,
        parcel: Parcel,
        keep: Option<Retention>,
        now: u64,
    ) -> Local {
        let now = self.at(now);
        let keep = keep.filter(|keep| self.keeps_history && keep.is_some());
        let sequence = self.sequences.take(topic, now);
        sequence.is_shared = keep.is_some();
        let (of, number, born) = (sequence.sequence, sequence.last, sequence.born);
        sequence.unsent.insert(number);
        if number == 1 {
            self.alarms
                .set(now + IDLE, Alarm::Forget(topic.clone(), of));
        }
        if !std::mem::replace(&mut sequence.is_alarmed, true) {
            self.alarms.set(now + QUIET, Alarm::Mark(topic.clone(), of));
        }
        let what = What::Message {
            topic: topic.clone(),
            sequence: of,
            number,
            born,
            keep,
            parcel: parcel.clone(),
        };
        self.reaches = match (self.put(what, now, 0), self.link.is_up()) {
            (false, _) => Elsewhere::GivenUp,
            (true, false) => Elsewhere::Waits,
            (true, true) => Elsewhere::OnItsWay,
        };
        if keep.is_none() {
            return Local::Deliver;
        }
        // What is held for other nodes has no place soon: it does not wait here for one, as it would not without a connection.
        let is_ordered = self.link.is_up() && !self.is_gathering();
        if let Some(Order::Shared(shared)) =
            self.topics.get_mut(topic).map(|taken| &mut taken.order)
        {
            shared.published(of, number, is_ordered.then_some(parcel));
            if is_ordered {
                let alarm = Alarm::Order(topic.clone(), of, number);
                self.alarms.set(now + self.config.order_wait, alarm);
            }
        }
        if is_ordered {
            Local::Wait
        } else {
            Local::DeliverUncounted
        }
    }

    /// What becomes of the last message that was published here, on the other nodes.
    pub const fn elsewhere(&self) -> Elsewhere {
        self.reaches
    }

    /// A connection of this node is present in a topic, or what others should know of it has changed.
    pub fn track(&mut self, topic: &Topic, present: &Present, now: u64) {
        self.at(now);
        let is_up = self.link.is_up();
        self.own.change(topic, Change::Here(present.clone()), is_up);
    }

    /// It is not any more.
    pub fn untrack(&mut self, topic: &Topic, member: u64, now: u64) {
        self.at(now);
        let is_up = self.link.is_up();
        self.own.change(topic, Change::Gone(member), is_up);
    }

    /// Has all other nodes do something; [`Action::Answered`] tells what came of it.
    pub fn ask(&mut self, operation: Operation, now: u64) -> u64 {
        let now = self.at(now);
        let id = self.questions.next_id();
        let others = self.nodes.senders();
        let is_open =
            self.link.is_up() && !others.is_empty() && self.questions.open(id, others.clone());
        if is_open {
            let asks = true;
            let envelope = Envelope::Operation {
                id,
                asks,
                operation,
            };
            self.link.say(Channel::All, envelope);
            self.alarms
                .set(now + self.config.question_wait, Alarm::Question(id));
        } else {
            // Those that nothing was heard of for want of a broker have not answered either.
            let mut missing = others;
            if !self.link.is_up() {
                missing.extend(self.nodes.heard_since(now.saturating_sub(REMEMBERED)));
            }
            let answers = Answers {
                answers: Vec::new(),
                missing: missing.iter().map(|sender| sender.node).collect(),
            };
            self.actions.push_back(Action::Answered { id, answers });
        }
        id
    }

    /// Has all other nodes do something, of which nobody wants to hear.
    pub fn tell(&mut self, operation: Operation, now: u64) {
        let now = self.at(now);
        self.told += 1;
        let id = self.told;
        self.put(What::Tell { id, operation }, now, 0);
    }

    /// What came of something that another node wanted to know.
    pub fn answer(&mut self, asks: (u64, u64), answer: Answer, now: u64) {
        self.at(now);
        let (node, id) = asks;
        self.link
            .say(Channel::Node(node), Envelope::Answer { id, answer });
    }

    /// The node goes: others need not wait for its time to run out.
    pub fn leave(&mut self, now: u64) {
        self.at(now);
        self.has_left = true;
        self.link.say(Channel::All, Envelope::Leave);
    }

    /// What the relay is to do next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How it stands.
    pub fn standing(&self, now: u64) -> Standing {
        let now = now.max(self.now);
        let octets = |octets: usize| u64::try_from(octets).unwrap_or(u64::MAX);
        let is_double = self
            .double
            .is_some_and(|(since, last)| since < last && now < last + self.ttl());
        Standing {
            is_up: self.link.is_up(),
            since: now - self.link.since.min(now),
            nodes: self.nodes.len(),
            waiting: octets(self.outbox.len()),
            waiting_octets: octets(self.outbox.octets()),
            waiting_octets_most: octets(self.outbox.octets_most()),
            lag: self.outbox.oldest().map_or(0, |at| now.saturating_sub(at)),
            topics: octets(self.topics.len()),
            connects: self.link.connects,
            is_double,
            ..self.counts
        }
    }

    /// The other nodes that are known: number, life, milliseconds since they were heard of.
    pub fn nodes(&self, now: u64) -> Vec<(u64, u64, u64)> {
        let now = now.max(self.now);
        let here = self.nodes.here();
        here.map(|(sender, node)| (sender.node, sender.life, now.saturating_sub(node.heard)))
            .collect()
    }

    /// The time, which does not go back.
    fn at(&mut self, now: u64) -> u64 {
        self.now = self.now.max(now);
        self.now
    }

    fn ttl(&self) -> u64 {
        self.config.ttl.max(self.config.beat.saturating_mul(3))
    }

    /// Into the outbox; what makes room for it is given up. `false` when there is no room for it.
    fn put(&mut self, what: What, at: u64, refusals: u32) -> bool {
        let id = self.link.next_id();
        let item = Item {
            at,
            refusals,
            is_in_doubt: false,
            what,
        };
        for item in self.outbox.push(id, item) {
            self.give_up(&item);
        }
        self.outbox.get(id).is_some()
    }

    fn give_up(&mut self, item: &Item) {
        self.counts.dropped += 1;
        if let What::Message {
            topic,
            sequence,
            number,
            keep,
            ..
        } = &item.what
        {
            if let Some(sequence) = self.sequences.of(topic, *sequence) {
                sequence.unsent.remove(number);
            }
            if keep.is_some() {
                self.lose(topic, (*sequence, *number));
            }
        }
    }

    /// Nobody has to wait for a topic any longer.
    fn attached(&mut self, topic: &Topic) {
        if !self.attaching.remove(topic) {
            return;
        }
        if let Some(taken) = self.topics.get_mut(topic) {
            taken.is_attached = true;
            let topic = topic.clone();
            self.actions.push_back(Action::Attached { topic });
        }
    }
}

/// Milliseconds after which a sequence that is not used is forgotten.
const IDLE: u64 = 300_000;

/// Milliseconds after its last message that a sequence is marked, and again after the first mark.
const QUIET: u64 = 1_000;
const QUIETER: u64 = 10_000;

/// Milliseconds in which a node hears of the others after its first connection.
const SETTLING: u64 = 300;

/// For how many milliseconds a node that is not heard of may be expected back.
const REMEMBERED: u64 = 60_000;

/// Milliseconds that what waits is held after another connection, for nodes that have lost theirs as well: what is sent before they are
/// back is lost to them.
const GATHERING: u64 = 1_000;

/// How often something is tried.
const TRIES: u32 = 4;

#[cfg(test)]
mod tests;
