//! The connection to the broker: what is taken there, what is under way, and what is said on it and forgotten with it.

use super::envelope::Envelope;
use crate::relay::backplane::{Channel, Command};
use crate::relay::hub::Topic;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Down,
    /// There is a connection, but not all that is wanted is taken.
    Taking,
    Up,
}

/// How far a channel is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    Wanted,
    UnderWay,
    /// Under way, and not wanted any more.
    Unwanted,
    Taken,
}

/// What is under way, by its id.
#[derive(Clone, Debug)]
pub(super) enum Flight {
    Outbox,
    Mark(Topic),
    Read(Topic),
    /// Something that comes again in some way.
    Passing,
}

/// Of which topic, behind which epoch and offset, how many at most.
type Reading = (Topic, Option<(u64, u64)>, usize);

#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    /// Since when it is up, or is not.
    pub(super) since: u64,
    pub(super) connects: u64,
    channels: BTreeMap<Channel, Taking>,
    /// Channels to take, or to leave.
    changes: VecDeque<(Channel, bool)>,
    /// The channels that were wanted when the connection was made, and are not taken yet.
    first: BTreeSet<Channel>,
    /// What is to be said.
    said: VecDeque<(Channel, Envelope)>,
    said_octets: usize,
    reads: VecDeque<Reading>,
    flights: BTreeMap<u64, (Flight, usize)>,
    octets: usize,
    taking: usize,
    next: u64,
}

impl Link {
    pub(super) fn new(node: u64) -> Self {
        let own = [Channel::All, Channel::Node(node)];
        Self {
            state: State::Down,
            since: 0,
            connects: 0,
            channels: own.map(|channel| (channel, Taking::Wanted)).into(),
            changes: VecDeque::new(),
            first: BTreeSet::new(),
            said: VecDeque::new(),
            said_octets: 0,
            reads: VecDeque::new(),
            flights: BTreeMap::new(),
            octets: 0,
            taking: 0,
            next: 1,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(super) const fn next_id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// Nothing is taken, nothing is under way.
    pub(super) fn down(&mut self, now: u64) {
        if self.is_up() {
            self.since = now;
        }
        self.state = State::Down;
        self.channels.retain(|_, taking| {
            let is_wanted = *taking != Taking::Unwanted;
            *taking = Taking::Wanted;
            is_wanted
        });
        self.changes.clear();
        self.first.clear();
        self.said.clear();
        self.said_octets = 0;
        self.reads.clear();
        self.flights.clear();
        self.octets = 0;
        self.taking = 0;
    }

    pub(super) fn connected(&mut self, now: u64) {
        self.down(now);
        self.connects += 1;
        self.state = State::Taking;
        // Its own channels first, then the topics by name.
        self.changes = self
            .channels
            .keys()
            .rev()
            .map(|channel| (channel.clone(), true))
            .collect();
        self.first = self.channels.keys().cloned().collect();
    }

    pub(super) fn want(&mut self, channel: Channel) {
        match self.channels.get_mut(&channel) {
            Some(taking @ Taking::Unwanted) => *taking = Taking::UnderWay,
            Some(_) => {}
            None => {
                self.channels.insert(channel.clone(), Taking::Wanted);
                if self.state != State::Down {
                    self.changes.push_back((channel, true));
                }
            }
        }
    }

    /// Takes a channel no longer; whether all that was wanted when the connection was made is taken with that.
    pub(super) fn unwant(&mut self, channel: &Channel) -> bool {
        match self.channels.get_mut(channel) {
            Some(taking @ (Taking::UnderWay | Taking::Unwanted)) => *taking = Taking::Unwanted,
            Some(Taking::Taken) => {
                self.channels.remove(channel);
                self.changes.push_back((channel.clone(), false));
            }
            Some(Taking::Wanted) => {
                self.channels.remove(channel);
            }
            None => {}
        }
        self.first.remove(channel);
        self.state == State::Taking && self.first.is_empty()
    }

    /// The broker sends what comes on this channel: whether that is wanted.
    pub(super) fn taken(&mut self, channel: &Channel) -> bool {
        let Some(taking) = self.channels.get_mut(channel) else {
            return false;
        };
        let was = *taking;
        if matches!(was, Taking::UnderWay | Taking::Unwanted) {
            self.taking = self.taking.saturating_sub(1);
        }
        match was {
            Taking::UnderWay => {
                *taking = Taking::Taken;
                self.first.remove(channel);
                true
            }
            Taking::Unwanted => {
                self.channels.remove(channel);
                self.changes.push_back((channel.clone(), false));
                false
            }
            Taking::Wanted | Taking::Taken => false,
        }
    }

    pub(super) fn is_taken(&self, channel: &Channel) -> bool {
        self.channels.get(channel) == Some(&Taking::Taken)
    }

    /// Whether all that was wanted when the connection was made is taken.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Taking && self.first.is_empty()
    }

    /// Says something as soon as there is room; nothing without a connection.
    pub(super) fn say(&mut self, channel: Channel, envelope: Envelope) {
        let is_full = self.said.len() >= SAID || self.said_octets >= SAID_OCTETS;
        if self.is_up() && !is_full {
            self.said_octets += envelope.octets();
            self.said.push_back((channel, envelope));
        }
    }

    pub(super) fn next_said(&mut self) -> Option<(Channel, Envelope)> {
        let said = self.said.pop_front()?;
        self.said_octets = self.said_octets.saturating_sub(said.1.octets());
        Some(said)
    }

    pub(super) fn read(&mut self, topic: Topic, after: Option<(u64, u64)>, most: usize) {
        self.reads.push_back((topic, after, most));
    }

    pub(super) fn has_room(&self) -> bool {
        self.flights.len() + self.taking < COMMANDS && self.octets < OCTETS
    }

    /// A change of what is taken, or something to be read.
    pub(super) fn next_command(&mut self) -> Option<Command> {
        while let Some((channel, is_wanted)) = self.changes.front() {
            if !is_wanted {
                let channel = channel.clone();
                self.changes.pop_front();
                return Some(Command::Unsubscribe(channel));
            }
            match self.channels.get_mut(channel) {
                Some(taking @ Taking::Wanted) => {
                    if self.flights.len() + self.taking >= COMMANDS {
                        return None;
                    }
                    *taking = Taking::UnderWay;
                    self.taking += 1;
                    let channel = channel.clone();
                    self.changes.pop_front();
                    return Some(Command::Subscribe(channel));
                }
                _ => {
                    self.changes.pop_front();
                }
            }
        }
        if !self.is_up() || !self.has_room() {
            return None;
        }
        let (topic, after, most) = self.reads.pop_front()?;
        let id = self.next_id();
        self.fly(id, Flight::Read(topic.clone()), 0);
        Some(Command::Read {
            id,
            topic,
            after,
            most,
        })
    }

    pub(super) fn fly(&mut self, id: u64, flight: Flight, octets: usize) {
        self.octets += octets;
        self.flights.insert(id, (flight, octets));
    }

    /// It is under way no longer.
    pub(super) fn landed(&mut self, id: u64) -> Option<Flight> {
        let (flight, octets) = self.flights.remove(&id)?;
        self.octets -= octets;
        Some(flight)
    }
}

/// What may wait to be said. More is said to nobody who means well, and comes again in some way.
const SAID: usize = 1 << 17;
const SAID_OCTETS: usize = 16 << 20;

/// The commands that may be under way, and their octets: one more than that is begun.
const COMMANDS: usize = 1_024;
const OCTETS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::cluster::Answer;

    fn topic(name: &str) -> Channel {
        Channel::Topic(Topic::new(name).unwrap())
    }

    fn commands(link: &mut Link) -> Vec<Command> {
        std::iter::from_fn(|| link.next_command()).collect()
    }

    fn up() -> Link {
        let mut link = Link::new(1);
        link.connected(0);
        assert_eq!(commands(&mut link).len(), 2);
        assert!(link.taken(&Channel::All) && !link.is_complete());
        assert!(link.taken(&Channel::Node(1)) && link.is_complete());
        link.state = State::Up;
        link
    }

    #[test]
    fn a_channel_is_taken_once_and_left_once() {
        let (mut link, a) = (up(), topic("a"));
        link.want(a.clone());
        link.want(a.clone());
        assert_eq!(commands(&mut link), [Command::Subscribe(a.clone())]);
        // Left and wanted again while it is under way: nothing has to be said.
        link.unwant(&a);
        link.want(a.clone());
        assert!(commands(&mut link).is_empty());
        assert!(link.taken(&a) && link.is_taken(&a));
        link.unwant(&a);
        link.want(a.clone());
        assert_eq!(
            commands(&mut link),
            [
                Command::Unsubscribe(a.clone()),
                Command::Subscribe(a.clone())
            ]
        );
        link.unwant(&a);
        assert!(!link.taken(&a));
        assert_eq!(commands(&mut link), [Command::Unsubscribe(a)]);
    }

    #[test]
    fn everything_is_taken_again_on_the_next_connection() {
        let mut link = up();
        link.want(topic("a"));
        link.want(topic("b"));
        assert_eq!(commands(&mut link).len(), 2);
        link.taken(&topic("a"));
        link.unwant(&topic("b"));
        link.connected(5);
        assert_eq!(commands(&mut link).len(), 3);
        for channel in [topic("a"), Channel::All, Channel::Node(1)] {
            assert!(!link.is_complete());
            assert!(link.taken(&channel));
        }
        assert!(link.is_complete());
        assert_eq!(link.connects, 2);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut link = up();
        // Whoever asks again and again does not fill the memory with answers.
        let text = vec![0; SAID_OCTETS / 4].into();
        let answer = Answer { count: 1, text };
        for id in 0..100 {
            let answer = answer.clone();
            link.say(topic("a"), Envelope::Answer { id, answer });
        }
        assert_eq!(std::iter::from_fn(|| link.next_said()).count(), 4);
        assert_eq!(link.said_octets, 0);
        let room = |link: &Link| link.has_room();
        link.fly(1, Flight::Passing, OCTETS - 1);
        assert!(room(&link));
        link.fly(2, Flight::Passing, 1);
        assert!(!room(&link));
        link.landed(1);
        link.landed(1);
        assert!(room(&link));
        for id in 3..=COMMANDS as u64 {
            assert!(room(&link));
            link.fly(id, Flight::Passing, 0);
        }
        link.fly(9_999, Flight::Passing, 0);
        assert!(!room(&link));
        link.want(topic("a"));
        assert!(commands(&mut link).is_empty());
    }
}
