//! What comes from the broker: connections, and messages of topics.

use super::envelope::{Envelope, Place, Sender};
use super::link::Flight;
use super::receiving::{News, Received};
use super::shared::Ordered;
use super::words::{Action, Parcel, Place as At};
use super::{Alarm, Cluster, Order, State};
use crate::relay::backplane::{Channel, Event};
use crate::relay::hub::Topic;
use bytes::Bytes;

impl Cluster {
    /// Something came from the broker.
    pub fn event(&mut self, event: Event, now: u64) {
        let now = self.at(now);
        self.index += 1;
        match event {
            Event::Connected => {
                if self.link.state != State::Down {
                    self.down(now);
                }
                self.link.connected(now);
            }
            Event::Subscribed(channel) => self.subscribed(&channel, now),
            // Nobody has so many: epochs and offsets are counted on.
            Event::Message {
                position: Some((epoch, offset)),
                ..
            } if epoch.max(offset) >= FAR => self.counts.garbled += 1,
            Event::History {
                id, epoch, last, ..
            } if epoch.max(last) >= FAR => self.refused(id, now),
            Event::Message {
                channel,
                position,
                message,
            } => match Envelope::decode(&message, &channel) {
                Some((from, envelope)) => self.message(channel, position, from, envelope, now),
                None => self.counts.garbled += 1,
            },
            Event::Done { id } => self.done(id),
            Event::Refused { id, .. } => self.refused(id, now),
            Event::History {
                id,
                epoch,
                last,
                entries,
            } => {
                if let Some(Flight::Read(topic)) = self.link.landed(id) {
                    self.history(&topic, epoch, last, entries, now);
                }
            }
        }
    }

    fn subscribed(&mut self, channel: &Channel, now: u64) {
        if !self.link.taken(channel) {
            return;
        }
        let index = self.index;
        if let Channel::Topic(topic) = channel
            && let Some(taken) = self.topics.get_mut(topic)
        {
            if let Order::Own(received) = &mut taken.order {
                received.get_or_insert_with(|| Received::new(now, index));
            }
            if self.link.is_up() {
                self.take_up(topic, now);
            }
        }
        if self.link.is_complete() {
            self.up(now);
        }
    }

    /// What comes of the topic comes: where it stands is to be known.
    pub(super) fn take_up(&mut self, topic: &Topic, now: u64) {
        match self.topics.get(topic).map(|taken| &taken.order) {
            Some(Order::Own(_)) => {
                self.asks.add(topic);
                self.ask_more(now, false);
            }
            Some(Order::Shared(_)) => self.read(topic),
            None => {}
        }
    }

    /// Reads what is missing of a topic, if anything is.
    pub(super) fn read(&mut self, topic: &Topic) {
        if let Some(Order::Shared(shared)) =
            self.topics.get_mut(topic).map(|taken| &mut taken.order)
            && self.link.is_up()
            && self.link.is_taken(&Channel::Topic(topic.clone()))
            && let Some(after) = shared.wants_read()
        {
            let most = shared.keep.messages.clamp(1, READ);
            self.link.read(topic.clone(), after, most);
        }
    }

    fn history(
        &mut self,
        topic: &Topic,
        epoch: u64,
        last: u64,
        entries: Vec<(u64, u64, Bytes)>,
        now: u64,
    ) {
        let Some(taken) = self.topics.get_mut(topic) else {
            return;
        };
        let is_attached = taken.is_attached;
        let Order::Shared(shared) = &mut taken.order else {
            return;
        };
        let channel = Channel::Topic(topic.clone());
        let mut ordered = Vec::with_capacity(entries.len());
        for (offset, age, octets) in entries {
            match Envelope::decode(&octets, &channel) {
                Some((from, Envelope::Message { place, parcel })) => {
                    ordered.push((offset, age, in_order(from, place, parcel)));
                }
                // It is missing then.
                _ => self.counts.garbled += 1,
            }
        }
        shared.history(
            epoch,
            last,
            ordered,
            (self.me, is_attached),
            &mut self.actions,
        );
        self.counts.lost = self.counts.lost.saturating_add(shared.take_told());
        self.attached(topic);
        self.alarms.set(now + SOON, Alarm::Read(topic.clone()));
    }

    fn message(
        &mut self,
        channel: Channel,
        position: Option<(u64, u64)>,
        from: Sender,
        envelope: Envelope,
        now: u64,
    ) {
        let is_own = from == self.me;
        match (channel, envelope) {
            (Channel::Topic(topic), Envelope::Message { place, parcel }) => {
                match (
                    self.topics.get_mut(&topic).map(|taken| &mut taken.order),
                    position,
                ) {
                    (Some(Order::Shared(shared)), Some(position)) => {
                        self.counts.received += u64::from(!is_own);
                        let ordered = in_order(from, place, parcel);
                        shared.message(position, ordered, self.me, &mut self.actions);
                        self.counts.lost = self.counts.lost.saturating_add(shared.take_told());
                        self.read(&topic);
                    }
                    // Of a node that does not take the topic's history for shared.
                    (Some(Order::Shared(_)), None) if !is_own => {
                        self.counts.received += 1;
                        self.actions.push_back(Action::Deliver {
                            topic,
                            parcel,
                            place: At::Uncounted,
                        });
                    }
                    (Some(Order::Own(Some(received))), _) if !is_own => {
                        let floor = self.nodes.floor(from, received.index);
                        let news = received.message(from, place, floor, now);
                        self.counts.forgotten += received.take_forgotten();
                        self.tell_lost(&topic, from, place, news);
                        if news == News::Old {
                            self.counts.duplicates += 1;
                            return;
                        }
                        self.counts.received += 1;
                        self.actions.push_back(Action::Deliver {
                            topic,
                            parcel,
                            place: At::Next,
                        });
                    }
                    _ => {}
                }
            }
            (Channel::Topic(topic), Envelope::Mark { place }) => {
                match self.topics.get_mut(&topic).map(|taken| &mut taken.order) {
                    Some(Order::Own(Some(received))) if !is_own => {
                        let floor = self.nodes.floor(from, received.index);
                        let news = received.mark(from, place, floor, now);
                        self.counts.forgotten += received.take_forgotten();
                        self.tell_lost(&topic, from, place, news);
                    }
                    // It may have lost messages of its own on their way back.
                    Some(Order::Shared(shared)) => {
                        shared.mark(from, place.sequence, place.number);
                        self.read(&topic);
                    }
                    _ => {}
                }
            }
            (
                Channel::Topic(topic),
                Envelope::GivenUp {
                    id,
                    count,
                    age,
                    runs,
                },
            ) => {
                // Who takes the order for each node's own sees the hole in that.
                if let Some(Order::Shared(shared)) =
                    self.topics.get_mut(&topic).map(|taken| &mut taken.order)
                    && !is_own
                {
                    let age = (age, now);
                    shared.given_up(from, (id, count), age, &runs, &mut self.actions);
                    self.counts.lost = self.counts.lost.saturating_add(shared.take_told());
                }
            }
            (Channel::Topic(_), _) => self.counts.garbled += 1,
            _ if is_own => {}
            (_, envelope) => self.neighbour(from, envelope, now),
        }
    }

    fn tell_lost(&mut self, topic: &Topic, from: Sender, place: Place, news: News) {
        let News::Lost(first, last) = news else {
            return;
        };
        self.counts.lost = self.counts.lost.saturating_add(last - first + 1);
        self.actions.push_back(Action::Lost {
            topic: topic.clone(),
            node: from.node,
            epoch: from.life.wrapping_add(place.sequence),
            first,
            last,
        });
    }
}

const fn in_order(from: Sender, place: Place, parcel: Parcel) -> Ordered {
    Ordered {
        from,
        sequence: place.sequence,
        number: place.number,
        parcel,
    }
}

/// The messages that are read at once.
const READ: usize = 1 << 16;

/// Milliseconds before a topic is read again that is behind after it was read.
const SOON: u64 = 20;

/// Epochs and offsets are below it, so that everybody counts them exactly.
const FAR: u64 = 1 << 53;
