//! What time brings, and what begins and ends with the connection.

use super::envelope::Envelope;
use super::words::{Action, Place};
use super::{
    Alarm, Cluster, GATHERING, IDLE, Order, QUIET, QUIETER, REMEMBERED, SETTLING, State, What,
};
use crate::relay::backplane::Channel;
use crate::relay::hub::Topic;

impl Cluster {
    /// Time has passed; gives when this has to be called at the latest.
    pub fn tick(&mut self, now: u64) -> u64 {
        let now = self.at(now);
        while let Some(alarm) = self.alarms.due(now) {
            self.ring(alarm, now);
        }
        self.say_last_words(now);
        self.alarms.next().unwrap_or(now + self.config.beat)
    }

    /// The connection to the broker has ended, or could not be made.
    pub fn down(&mut self, now: u64) {
        let now = self.at(now);
        self.link.down(now);
        self.own.down();
        self.asks.clear();
        self.outbox.reset();
        for (_, sequence) in self.sequences.iter_mut() {
            sequence.unsent.clear();
        }
        for item in self.outbox.waiting() {
            if let What::Message {
                topic,
                sequence,
                number,
                ..
            } = &item.what
                && let Some(sequence) = self.sequences.of(topic, *sequence)
            {
                sequence.unsent.insert(*number);
            }
        }
        for (topic, taken) in &mut self.topics {
            if let Order::Shared(shared) = &mut taken.order {
                let waiting = shared.down().map(|parcel| Action::Deliver {
                    topic: topic.clone(),
                    parcel,
                    place: Place::Uncounted,
                });
                self.actions.extend(waiting);
            }
        }
        while let Some(topic) = self.attaching.first().cloned() {
            self.attached(&topic);
        }
    }

    /// Everything that is wanted is taken: what waits can be sent.
    pub(super) fn up(&mut self, now: u64) {
        self.link.state = State::Up;
        self.link.since = now;
        self.settled_at.get_or_insert(now + SETTLING);
        self.absent = self.nodes.heard_since(now.saturating_sub(REMEMBERED));
        self.absent_until = now + GATHERING;
        self.alarms.set(self.absent_until, Alarm::Resume);
        self.beat();
        if !self.absent.is_empty() {
            // Who is there answers at once, though there is nothing to say.
            let (id, topics) = (0, Vec::new());
            self.link.say(Channel::All, Envelope::Ask { id, topics });
        }
        let topics: Vec<Topic> = self.topics.keys().cloned().collect();
        for topic in &topics {
            // What was taken since is looked after when that is known.
            if !self.link.is_taken(&Channel::Topic(topic.clone())) {
                continue;
            }
            match self.topics.get(topic).map(|taken| &taken.order) {
                Some(Order::Own(_)) => self.asks.add(topic),
                _ => self.read(topic),
            }
        }
        self.ask_more(now, true);
        self.say_losses_again(now);
        for (topic, sequence) in self.sequences.iter_mut() {
            sequence.used = now;
            sequence.marks = 0;
            sequence.is_alarmed = true;
            let alarm = Alarm::Mark(topic.clone(), sequence.sequence);
            self.alarms.set(now, alarm);
            if !sequence.is_shared && !sequence.unsent.is_empty() {
                // Who does not know where it stood sees what is missing of what waits.
                let place = sequence.place(sequence.sent(), now);
                let mark = Envelope::Mark { place };
                self.link.say(Channel::Topic(topic.clone()), mark);
            }
        }
    }

    fn ring(&mut self, alarm: Alarm, now: u64) {
        match alarm {
            Alarm::Beat => {
                self.beat();
                self.alarms.set(now + self.config.beat.max(1), Alarm::Beat);
            }
            Alarm::Attach(topic, wanted) => {
                let taken = self.topics.get(&topic);
                if taken.is_some_and(|taken| taken.wanted == wanted) {
                    self.attached(&topic);
                }
            }
            Alarm::Mark(topic, sequence) => self.mark(topic, sequence, now),
            Alarm::Lost(topic, id) => self.say_lost(topic, id, now),
            Alarm::LostAgain => self.say_losses_again(now),
            Alarm::Forget(topic, sequence) => self.forget(topic, sequence, now),
            Alarm::Order(topic, sequence, number) => {
                if let Some(Order::Shared(shared)) =
                    self.topics.get_mut(&topic).map(|taken| &mut taken.order)
                    && let Some(parcel) = shared.overdue(sequence, number)
                {
                    self.actions.push_back(Action::Deliver {
                        topic,
                        parcel,
                        place: Place::Uncounted,
                    });
                }
            }
            Alarm::Read(topic) => self.read(&topic),
            Alarm::Expire(node) => {
                let ttl = self.ttl();
                if let Some(heard) = self.nodes.get(node).map(|node| node.heard)
                    && self.nodes.is_here(node)
                {
                    if heard + ttl <= now {
                        self.depart(node, false);
                    } else {
                        self.alarms.set(heard + ttl, Alarm::Expire(node));
                    }
                }
            }
            Alarm::Ask(id) => self.see_ask(id, now),
            Alarm::AskMore => self.ask_more(now, true),
            Alarm::Question(id) => {
                if let Some(answers) = self.questions.close(id) {
                    self.actions.push_back(Action::Answered { id, answers });
                }
            }
            Alarm::State => self.tell_state(now),
            // There is a command now.
            Alarm::Resume => {}
            Alarm::Sweep => {
                self.nodes.sweep(now);
                self.alarms.set(now + SWEEP, Alarm::Sweep);
            }
        }
    }

    /// Says what the last message of a sequence was, if that is some time ago.
    fn mark(&mut self, topic: Topic, of: u64, now: u64) {
        let is_up = self.link.is_up();
        let Some(sequence) = self.sequences.of(&topic, of) else {
            return;
        };
        sequence.is_alarmed = false;
        if !is_up {
            // The next connection begins with marks.
            return;
        }
        let rest = match sequence.marks {
            0 if sequence.used > self.link.since => QUIET,
            0 => 0,
            _ => QUIETER,
        };
        let due = sequence.used + rest;
        if due > now || !sequence.unsent.is_empty() {
            sequence.is_alarmed = true;
            let again = due.max(now + LATER);
            self.alarms.set(again, Alarm::Mark(topic, of));
            return;
        }
        sequence.marks += 1;
        let place = sequence.place(sequence.last, now);
        if sequence.marks == 1 {
            sequence.is_alarmed = true;
            let again = sequence.used + QUIETER;
            self.alarms
                .set(again.max(now + LATER), Alarm::Mark(topic.clone(), of));
        }
        let mark = Envelope::Mark { place };
        self.link.say(Channel::Topic(topic), mark);
    }

    /// What is said of sequences that made room for others.
    pub(super) fn say_last_words(&mut self, now: u64) {
        while self.link.is_up()
            && let Some((topic, place)) = self.sequences.last_word(now)
        {
            let mark = Envelope::Mark { place };
            self.link.say(Channel::Topic(topic), mark);
        }
    }

    /// Forgets a sequence that is not used, with a last word.
    fn forget(&mut self, topic: Topic, of: u64, now: u64) {
        let is_up = self.link.is_up();
        let Some(sequence) = self.sequences.of(&topic, of) else {
            return;
        };
        let due = sequence.used + IDLE;
        if due > now || !is_up || !sequence.unsent.is_empty() {
            self.alarms
                .set(due.max(now + SWEEP), Alarm::Forget(topic, of));
            return;
        }
        let place = sequence.place(sequence.last, now);
        let mark = Envelope::Mark { place };
        self.link.say(Channel::Topic(topic.clone()), mark);
        self.sequences.forget(&topic);
    }
}

/// Milliseconds between two looks at what can be forgotten.
const SWEEP: u64 = 60_000;

/// Milliseconds before a mark is tried again whose messages have not been sent.
const LATER: u64 = 200;
