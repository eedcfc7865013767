//! What goes to the broker, and what it says of that.

use super::envelope::{Envelope, Place};
use super::link::Flight;
use super::outbox::{Item, What};
use super::sending::age;
use super::words::Action;
use super::{Alarm, Cluster, Order, TRIES};
use crate::relay::backplane::{Channel, Command};

impl Cluster {
    /// What the broker is to do next.
    pub fn next_command(&mut self) -> Option<Command> {
        if let Some(command) = self.link.next_command() {
            return Some(command);
        }
        if !self.link.is_up() || !self.link.has_room() {
            return None;
        }
        if let Some((channel, envelope)) = self.link.next_said() {
            return Some(self.say_now(channel, &envelope));
        }
        if let Some(envelope) = self.own.changes() {
            return Some(self.say_now(Channel::All, &envelope));
        }
        // Parts and messages take turns.
        self.was_part = !self.was_part && self.own.is_telling();
        if self.was_part
            && let Some(envelope) = self.own.part()
        {
            return Some(self.say_now(Channel::All, &envelope));
        }
        if let Some(command) = self.next_of_outbox() {
            return Some(command);
        }
        let envelope = self.own.part()?;
        Some(self.say_now(Channel::All, &envelope))
    }

    fn say_now(&mut self, channel: Channel, envelope: &Envelope) -> Command {
        let id = self.link.next_id();
        let flight = match (&channel, envelope) {
            (Channel::Topic(topic), Envelope::Mark { .. }) => Flight::Mark(topic.clone()),
            _ => Flight::Passing,
        };
        let message = envelope.encode(self.me, &channel);
        self.link.fly(id, flight, message.len());
        Command::Publish {
            id,
            channel,
            message,
        }
    }

    /// Whether what waits is held for nodes that are expected back.
    pub(super) fn is_gathering(&self) -> bool {
        self.now < self.absent_until && !self.absent.is_empty()
    }

    fn next_of_outbox(&mut self) -> Option<Command> {
        if self.is_gathering() {
            return None;
        }
        let (id, item) = self.outbox.next(self.now)?;
        let (command, octets) = match &item.what {
            What::Message {
                topic,
                sequence,
                number,
                born,
                keep,
                parcel,
            } => {
                let envelope = Envelope::Message {
                    place: Place {
                        sequence: *sequence,
                        number: *number,
                        age: age(*born, self.now),
                    },
                    parcel: parcel.clone(),
                };
                if let Some(sequence) = self.sequences.of(topic, *sequence) {
                    sequence.unsent.remove(number);
                }
                let channel = Channel::Topic(topic.clone());
                let message = envelope.encode(self.me, &channel);
                let octets = message.len();
                let command = match keep {
                    Some(keep) => Command::Append {
                        id,
                        topic: topic.clone(),
                        origin: (self.me.node, self.me.life.wrapping_add(*sequence)),
                        seq: *number,
                        keep: *keep,
                        message,
                    },
                    None => Command::Publish {
                        id,
                        channel,
                        message,
                    },
                };
                (command, octets)
            }
            What::Tell {
                id: told,
                operation,
            } => {
                let envelope = Envelope::Operation {
                    id: *told,
                    asks: false,
                    operation: operation.clone(),
                };
                let message = envelope.encode(self.me, &Channel::All);
                let octets = message.len();
                let command = Command::Publish {
                    id,
                    channel: Channel::All,
                    message,
                };
                (command, octets)
            }
        };
        self.link.fly(id, Flight::Outbox, octets);
        Some(command)
    }

    pub(super) fn done(&mut self, id: u64) {
        if !matches!(self.link.landed(id), Some(Flight::Outbox)) {
            return;
        }
        let Some(item) = self.outbox.remove(id) else {
            return;
        };
        self.counts.sent += 1;
        if let What::Message {
            topic,
            sequence,
            number,
            keep,
            ..
        } = item.what
        {
            if let Some(sequence) = self.sequences.of(&topic, sequence) {
                sequence.done = sequence.done.max(number);
            }
            if keep.is_some() && item.is_in_doubt && item.refusals > 0 {
                // A later one may have been taken between: then the broker takes this one for had, and may never have had it.
                self.lose(&topic, (sequence, number));
            }
        }
    }

    pub(super) fn refused(&mut self, id: u64, now: u64) {
        match self.link.landed(id) {
            Some(Flight::Outbox) => self.refused_of_outbox(id, now),
            Some(Flight::Mark(topic)) => {
                if let Some(sequence) = self.sequences.get_mut(&topic) {
                    sequence.marks = 0;
                    sequence.is_alarmed = true;
                    let alarm = Alarm::Mark(topic, sequence.sequence);
                    self.alarms.set(now + super::QUIET, alarm);
                }
            }
            Some(Flight::Read(topic)) => {
                if let Some(Order::Shared(shared)) =
                    self.topics.get_mut(&topic).map(|taken| &mut taken.order)
                {
                    shared.refused();
                    self.alarms.set(now + PAUSE, Alarm::Read(topic));
                }
            }
            Some(Flight::Passing) | None => {}
        }
    }

    fn refused_of_outbox(&mut self, id: u64, now: u64) {
        if let Some(until) = self.outbox.rest(id, now) {
            self.alarms.set(until, Alarm::Resume);
        }
        let Some(item) = self.outbox.get(id) else {
            return;
        };
        let refusals = item.refusals + 1;
        if refusals >= TRIES {
            self.give_up_one(id);
            return;
        }
        match &item.what {
            What::Message {
                topic,
                sequence,
                number,
                keep,
                ..
            } if keep.is_none() || item.is_in_doubt => {
                let (topic, number) = (topic.clone(), *number);
                let Some(sequence) = self.sequences.of(&topic, *sequence) else {
                    self.give_up_one(id);
                    return;
                };
                if number < sequence.done {
                    // A later one was taken: this one is lost already.
                    self.give_up_one(id);
                    return;
                }
                sequence.unsent.insert(number);
                self.outbox.again(id);
            }
            What::Tell { .. } if item.is_in_doubt => self.outbox.again(id),
            // What came later may be in its place: it gets another.
            What::Message { .. } | What::Tell { .. } => {
                if let Some(item) = self.outbox.remove(id) {
                    self.put_behind(item, now, refusals);
                }
            }
        }
    }

    fn give_up_one(&mut self, id: u64) {
        if let Some(item) = self.outbox.remove(id) {
            self.give_up(&item);
        }
    }

    fn put_behind(&mut self, item: Item, now: u64, refusals: u32) {
        let what = match item.what {
            What::Message {
                topic,
                sequence: of,
                number,
                keep,
                parcel,
                ..
            } => {
                let sequence = self.sequences.take(&topic, now);
                sequence.is_shared = true;
                sequence.unsent.insert(sequence.last);
                let place = (sequence.sequence, sequence.last);
                let born = sequence.born;
                if let Some(Order::Shared(shared)) =
                    self.topics.get_mut(&topic).map(|taken| &mut taken.order)
                {
                    if let Some(parcel) = shared.overdue(of, number) {
                        self.actions.push_back(Action::Deliver {
                            topic: topic.clone(),
                            parcel,
                            place: super::words::Place::Uncounted,
                        });
                    }
                    shared.renumbered(of, number, place);
                }
                What::Message {
                    topic,
                    sequence: place.0,
                    number: place.1,
                    born,
                    keep,
                    parcel,
                }
            }
            What::Tell { operation, .. } => {
                self.told += 1;
                What::Tell {
                    id: self.told,
                    operation,
                }
            }
        };
        self.put(what, item.at, refusals);
    }
}

/// Milliseconds before something that could not be read is tried again.
const PAUSE: u64 = 100;
