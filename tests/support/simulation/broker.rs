//! A broker: channels, histories, one connection for each node. It can crash, forget, freeze, be slow, refuse, lose, double, swap and garble.

use super::random::Random;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wireline::relay::backplane::{Channel, Command, Event};
use wireline::relay::cluster::envelope::Envelope;
use wireline::relay::hub::Topic;

#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) is_down: bool,
    pub(crate) is_frozen: bool,
    /// What has come while it was frozen.
    pub(crate) backlog: VecDeque<(u64, Command)>,
    pub(crate) connections: BTreeMap<u64, BTreeSet<Channel>>,
    histories: BTreeMap<Topic, History>,
    next_epoch: u64,
    pub(crate) faults: Faults,
    /// Messages that are swapped with the next one of their channel.
    held: BTreeMap<(u64, Channel), Event>,
    /// Marks go nowhere.
    loses_marks: bool,
}

/// How often something goes wrong: one time in so many, never for 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) refuses: u64,
    pub(crate) loses: u64,
    pub(crate) doubles: u64,
    pub(crate) swaps: u64,
    pub(crate) garbles: u64,
    /// Milliseconds more for everything.
    pub(crate) slow: u64,
}

#[derive(Debug, Default)]
struct History {
    epoch: u64,
    last: u64,
    entries: VecDeque<(u64, u64, Bytes)>,
    origins: BTreeMap<(u64, u64), u64>,
}

impl Broker {
    pub(crate) fn new(loses_marks: bool) -> Self {
        Self {
            loses_marks,
            ..Self::default()
        }
    }

    /// Everybody is disconnected, and all is forgotten unless histories are on a disk.
    pub(crate) fn crash(&mut self, forgets: bool) {
        self.is_down = true;
        self.is_frozen = false;
        self.backlog.clear();
        self.connections.clear();
        self.held.clear();
        if forgets {
            self.histories.clear();
        }
    }

    /// The epoch and last offset of a topic.
    pub(crate) fn at(&self, topic: &Topic) -> Option<(u64, u64)> {
        let history = self.histories.get(topic)?;
        Some((history.epoch, history.last))
    }

    /// Does what a connection wants; gives what is to be said, and to whom.
    pub(crate) fn carry_out(
        &mut self,
        from: u64,
        command: Command,
        now: u64,
        random: &mut Random,
    ) -> Vec<(u64, Event)> {
        let mut said = Vec::new();
        let Some(taken) = self.connections.get_mut(&from) else {
            return said;
        };
        match command {
            Command::Subscribe(channel) => {
                taken.insert(channel.clone());
                said.push((from, Event::Subscribed(channel)));
            }
            Command::Unsubscribe(channel) => {
                taken.remove(&channel);
            }
            Command::Publish { id, .. } | Command::Append { id, .. }
                if random.one_in(self.faults.refuses) =>
            {
                let why = String::from("out of memory");
                said.push((from, Event::Refused { id, why }));
            }
            Command::Publish {
                id,
                channel,
                message,
            } => {
                let is_mark = matches!(
                    Envelope::decode(&message, &channel),
                    Some((_, Envelope::Mark { .. }))
                );
                if !(is_mark && self.loses_marks) {
                    self.send(&channel, None, &message, random, &mut said);
                }
                said.push((from, Event::Done { id }));
            }
            Command::Append {
                id,
                topic,
                origin,
                seq,
                keep,
                message,
            } => {
                let next_epoch = &mut self.next_epoch;
                let history = self.histories.entry(topic.clone()).or_insert_with(|| {
                    *next_epoch += 1;
                    History {
                        // In no order, as those of real brokers.
                        epoch: (next_epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) | 1,
                        ..History::default()
                    }
                });
                let last = history.origins.entry(origin).or_insert(0);
                if seq > *last {
                    *last = seq;
                    history.last += 1;
                    let entry = (history.last, now, message.clone());
                    history.entries.push_back(entry);
                    while history.entries.len() > keep.messages {
                        history.entries.pop_front();
                    }
                    let position = Some((history.epoch, history.last));
                    let channel = Channel::Topic(topic);
                    self.send(&channel, position, &message, random, &mut said);
                }
                said.push((from, Event::Done { id }));
            }
            Command::Read {
                id,
                topic,
                after,
                most,
            } => {
                let event = match self.histories.get(&topic) {
                    None => Event::History {
                        id,
                        epoch: 0,
                        last: 0,
                        entries: Vec::new(),
                    },
                    Some(history) => {
                        let after = after.filter(|(epoch, _)| *epoch == history.epoch);
                        let after = after.map_or(0, |(_, offset)| offset);
                        let all = history.entries.iter();
                        let mut entries: Vec<_> = all
                            .filter(|(offset, ..)| *offset > after)
                            .map(|(offset, at, message)| (*offset, now - at, message.clone()))
                            .collect();
                        entries.drain(..entries.len().saturating_sub(most));
                        Event::History {
                            id,
                            epoch: history.epoch,
                            last: history.last,
                            entries,
                        }
                    }
                };
                said.push((from, event));
            }
        }
        said
    }

    fn send(
        &mut self,
        channel: &Channel,
        position: Option<(u64, u64)>,
        message: &Bytes,
        random: &mut Random,
        said: &mut Vec<(u64, Event)>,
    ) {
        let faults = self.faults;
        let is_topic = matches!(channel, Channel::Topic(_));
        for (connection, taken) in &self.connections {
            if !taken.contains(channel) || random.one_in(faults.loses) {
                continue;
            }
            let mut message = message.clone();
            if random.one_in(faults.garbles) && !message.is_empty() {
                let mut garbled = message.to_vec();
                let place = random.index(garbled.len());
                garbled[place] ^= 1 << random.below(8);
                message = garbled.into();
            }
            let event = Event::Message {
                channel: channel.clone(),
                position,
                message,
            };
            let place = (*connection, channel.clone());
            if is_topic && !self.held.contains_key(&place) && random.one_in(faults.swaps) {
                self.held.insert(place, event);
                continue;
            }
            if random.one_in(faults.doubles) {
                said.push((*connection, event.clone()));
            }
            said.push((*connection, event));
            said.extend(self.held.remove(&place).map(|held| (*connection, held)));
        }
    }
}
