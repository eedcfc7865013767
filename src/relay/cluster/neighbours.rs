//! What the nodes say to each other beside messages: that they are there, who is present, questions.

use super::envelope::{Change, Envelope, Sender};
use super::nodes::Heard;
use super::presence::Outcome;
use super::words::Action;
use super::{Alarm, Cluster, Order, TRIES};
use crate::relay::backplane::Channel;
use crate::relay::hub::Topic;

impl Cluster {
    pub(super) fn neighbour(&mut self, from: Sender, envelope: Envelope, now: u64) {
        if from.node == self.me.node {
            let before = self.double.filter(|(_, last)| now < last + self.ttl());
            self.double = Some((before.map_or(now, |(since, _)| since), now));
        }
        self.absent.remove(&from);
        match self.nodes.hear(from, now) {
            Heard::Known => {}
            Heard::Nobody => return,
            Heard::New(lives) => {
                lives.into_iter().for_each(|life| self.depart(life, true));
                self.alarms.set(now + self.ttl(), Alarm::Expire(from));
                // So that it hears of this one.
                self.beat();
                self.say_losses_again(now);
            }
        }
        match envelope {
            Envelope::Beat {
                version,
                digest,
                next,
            } => {
                if let Some(node) = self.nodes.get_mut(from) {
                    node.floor(self.index, next);
                    let outcome = node.theirs.beat(version, digest, now);
                    self.come_of(from, outcome);
                }
            }
            Envelope::Changes { ref changes, .. }
                if !changes
                    .iter()
                    .all(|(_, change)| is_of(from, change.member())) =>
            {
                self.counts.garbled += 1;
            }
            Envelope::State { ref present, .. }
                if !present
                    .iter()
                    .all(|(_, present)| is_of(from, present.member)) =>
            {
                self.counts.garbled += 1;
            }
            Envelope::Changes { version, changes } => {
                let most = self.config.presence;
                let outcome = self.nodes.with_present(from, most, |theirs, most| {
                    theirs.changes(version, changes, (now, most))
                });
                self.come_of(from, outcome.unwrap_or_default());
            }
            Envelope::State {
                version,
                part,
                is_last,
                present,
            } => {
                let most = self.config.presence;
                let outcome = self.nodes.with_present(from, most, |theirs, most| {
                    theirs.state(version, part, is_last, present, (now, most))
                });
                self.come_of(from, outcome.unwrap_or_default());
            }
            Envelope::Resync => {
                self.own.is_wanted = true;
                self.tell_state(now);
            }
            Envelope::Ask { id, topics } => self.answer_ask(from, id, &topics, now),
            Envelope::Asked { id, next, marked } => {
                if let Some(node) = self.nodes.get_mut(from) {
                    node.floor(self.index, next);
                }
                self.asked(from, id, &marked, now);
            }
            Envelope::Operation {
                id,
                asks,
                operation,
            } => {
                let node = self.nodes.get_mut(from);
                if node.is_some_and(|node| node.is_new(asks, id)) {
                    self.actions.push_back(Action::Do {
                        operation,
                        asks: asks.then_some((from.node, id)),
                    });
                } else {
                    self.counts.duplicates += 1;
                }
            }
            Envelope::Answer { id, answer } => {
                if let Some(answers) = self.questions.answered(id, from, answer) {
                    self.actions.push_back(Action::Answered { id, answers });
                }
            }
            Envelope::Leave => self.depart(from, true),
            Envelope::Message { .. } | Envelope::Mark { .. } | Envelope::GivenUp { .. } => {
                self.counts.garbled += 1;
            }
        }
    }

    /// Says that this node is there, behind what it says of who is present.
    pub(super) fn beat(&mut self) {
        if self.has_left || !self.link.is_up() {
            return;
        }
        while let Some(changes) = self.own.changes() {
            self.link.say(Channel::All, changes);
        }
        let beat = Envelope::Beat {
            version: self.own.version(),
            digest: self.own.digest(),
            next: self.sequences.next(),
        };
        self.link.say(Channel::All, beat);
    }

    /// A node is gone, and with it all that are present there.
    pub(super) fn depart(&mut self, node: Sender, is_over: bool) {
        if !self.nodes.depart(node, is_over) {
            return;
        }
        self.counts.departed += 1;
        let changes = (self.nodes).with_present(node, 0, |theirs, _| theirs.clear());
        self.apply(changes.unwrap_or_default());
        for id in self.asks.depart(node) {
            self.settle(id);
        }
    }

    fn come_of(&mut self, from: Sender, outcome: Outcome) {
        self.apply(outcome.changes);
        if outcome.wants_all {
            self.link.say(Channel::Node(from.node), Envelope::Resync);
        }
    }

    fn apply(&mut self, changes: Vec<(Topic, Change)>) {
        let actions = changes.into_iter().map(|(topic, change)| match change {
            Change::Here(present) => Action::Track { topic, present },
            Change::Gone(member) => Action::Untrack { topic, member },
        });
        self.actions.extend(actions);
    }

    /// Tells all who is present here, if somebody has asked and it was not done just now.
    pub(super) fn tell_state(&mut self, now: u64) {
        match self.own.told_at {
            Some(at) if now < at + STATE => self.alarms.set(at + STATE, Alarm::State),
            _ if self.own.is_telling() => self.alarms.set(now + STATE, Alarm::State),
            _ => self.own.begin(now),
        }
    }

    /// Marks on the topics' channels, and behind them an answer.
    fn answer_ask(&mut self, from: Sender, id: u64, topics: &[Topic], now: u64) {
        if topics.is_empty() {
            // It has had no connection for a while.
            self.say_losses_again(now);
        }
        let mut marked = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            let Some(sequence) = self.sequences.get_mut(topic) else {
                continue;
            };
            // What has not been sent comes to who asks, as he has taken the channel.
            let number = sequence.sent();
            if let Ok(index) = u16::try_from(index)
                && !sequence.is_shared
            {
                marked.push(index);
                let place = sequence.place(number, now);
                let mark = Envelope::Mark { place };
                self.link.say(Channel::Topic(topic.clone()), mark);
            }
        }
        let next = self.sequences.next();
        let asked = Envelope::Asked { id, next, marked };
        self.link.say(Channel::Node(from.node), asked);
    }

    fn asked(&mut self, from: Sender, id: u64, marked: &[u16], now: u64) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        let has_all = marked.iter().all(|index| {
            let topic = ask.topics.get(usize::from(*index));
            let taken = topic.and_then(|topic| self.topics.get(topic));
            match taken.map(|taken| &taken.order) {
                Some(Order::Own(Some(received))) => received.knows(from),
                _ => true,
            }
        });
        // Of whom a mark is missing is asked again.
        if has_all
            && ask.missing.remove(&from)
            && ask.missing.is_empty()
            && self.settled_at.is_some_and(|at| at <= now)
        {
            self.settle(id);
        }
    }

    /// Asks for topics that have come together, at once if nothing is being asked for.
    pub(super) fn ask_more(&mut self, now: u64, is_due: bool) {
        while self.asks.has_waiting() {
            if !is_due && !self.asks.is_idle() {
                self.alarms.set(now + TOGETHER, Alarm::AskMore);
                return;
            }
            let settled_at = self.settled_at.unwrap_or(now);
            let due = now + self.config.question_wait;
            let missing = self.nodes.senders();
            let is_alone = missing.is_empty();
            let (id, topics) = self.asks.begin(missing, due);
            self.link.say(Channel::All, Envelope::Ask { id, topics });
            self.alarms.set(due, Alarm::Ask(id));
            if now < settled_at {
                self.alarms.set(settled_at, Alarm::Ask(id));
            } else if is_alone {
                self.settle(id);
            }
        }
    }

    /// Looks at what is being asked for.
    pub(super) fn see_ask(&mut self, id: u64, now: u64) {
        let Some(ask) = self.asks.get_mut(id) else {
            return;
        };
        if ask.missing.is_empty() {
            self.settle(id);
            return;
        }
        if now < ask.due {
            return;
        }
        let topics = ask.topics.clone();
        if ask.tries >= TRIES {
            self.settle(id);
            return;
        }
        ask.tries += 1;
        ask.due = now + self.config.question_wait;
        self.alarms.set(ask.due, Alarm::Ask(id));
        for sender in &ask.missing {
            let topics = topics.clone();
            let again = Envelope::Ask { id, topics };
            self.link.say(Channel::Node(sender.node), again);
        }
        let wanted: Vec<Topic> = ask.wanted().cloned().collect();
        for topic in wanted {
            self.attached(&topic);
        }
    }

    /// All have answered, or need not.
    fn settle(&mut self, id: u64) {
        if let Some(ask) = self.asks.close(id) {
            for topic in ask.wanted() {
                self.attached(topic);
            }
        }
    }
}

/// Whether a connection is that node's, which alone has the word for it.
const fn is_of(node: Sender, member: u64) -> bool {
    member >> 32 == node.node
}

/// Milliseconds that topics wait for others to be asked for with them.
const TOGETHER: u64 = 20;

/// Milliseconds before everybody is told again who is present.
const STATE: u64 = 200;
