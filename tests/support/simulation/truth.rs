//! What was really published, and what a node has told of it.

use std::collections::{BTreeMap, BTreeSet};
use wireline::relay::hub::Topic;

/// All publications.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) messages: Vec<Published>,
    /// By the epoch of the sequence.
    pub(crate) sequences: BTreeMap<u64, Sequence>,
    /// The sequence of a life's topic.
    of: BTreeMap<(u64, Topic), u64>,
    /// How many sequences a life has begun.
    begun: BTreeMap<u64, u64>,
    /// What stands at an offset of a shared order.
    positions: BTreeMap<(Topic, u64, u64), u64>,
}

#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    pub(crate) number: u64,
    /// When the broker had it last: it may be sent again.
    pub(crate) reached: Option<u64>,
    /// Whether the broker has given it a place in its order.
    is_appended: bool,
}

#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) topic: Topic,
    pub(crate) life: u64,
    /// When each of its messages was published.
    pub(crate) times: Vec<u64>,
    ids: Vec<usize>,
}

impl Truth {
    /// A message is published; gives its id.
    pub(crate) fn publish(&mut self, life: u64, topic: &Topic, now: u64) -> u64 {
        let begun = &mut self.begun;
        let epoch = *self.of.entry((life, topic.clone())).or_insert_with(|| {
            let count = begun.entry(life).or_insert(0);
            *count += 1;
            life + *count - 1
        });
        let sequence = self.sequences.entry(epoch).or_insert_with(|| Sequence {
            topic: topic.clone(),
            life,
            times: Vec::new(),
            ids: Vec::new(),
        });
        sequence.times.push(now);
        self.messages.push(Published {
            sequence: epoch,
            number: sequence.times.len() as u64,
            reached: None,
            is_appended: false,
        });
        sequence.ids.push(self.messages.len() - 1);
        self.messages.len() as u64 - 1
    }

    /// The broker has a message.
    pub(crate) fn reach(&mut self, id: u64, now: u64) {
        let id = usize::try_from(id).ok();
        if let Some(message) = id.and_then(|id| self.messages.get_mut(id)) {
            message.reached = Some(now);
        }
    }

    /// The broker has given a message a place.
    pub(crate) fn append(&mut self, id: u64) {
        let id = usize::try_from(id).ok();
        if let Some(message) = id.and_then(|id| self.messages.get_mut(id)) {
            message.is_appended = true;
        }
    }

    /// How many messages of a life the broker never had, of those since this topic was attached.
    pub(crate) fn never_appended(&self, life: u64, topic: &Topic, interest: &Interest) -> u64 {
        let Some((attached, _)) = interest.attached else {
            return 0;
        };
        let sequences = self.sequences.values();
        let of_life = sequences.filter(|of| of.life == life && of.topic == *topic);
        let messages = of_life.flat_map(|of| of.times.iter().zip(&of.ids));
        let lost = messages.filter(|(at, id)| {
            let is_appended = self.messages.get(**id).is_some_and(|of| of.is_appended);
            **at > attached && !is_appended
        });
        lost.count() as u64
    }

    /// A message stands at an offset, on all nodes the same.
    pub(crate) fn stands(&mut self, topic: &Topic, epoch: u64, offset: u64, id: u64) -> bool {
        let place = (topic.clone(), epoch, offset);
        *self.positions.entry(place).or_insert(id) == id
    }
}

/// A topic on a node from when it was attached until it is detached.
#[derive(Debug)]
pub(crate) struct Interest {
    pub(crate) since: u64,
    /// When it was attached, and whether nothing was in doubt then.
    pub(crate) attached: Option<(u64, bool)>,
    /// The lives that were known and connected all the time until then, with their connections.
    pub(crate) peers: BTreeSet<(u64, u64)>,
    /// By the epoch of a sequence: the first number that was accounted for, and the next one.
    coverage: BTreeMap<u64, (u64, u64)>,
    /// What was given to the hub.
    pub(crate) log: Vec<Logged>,
    /// The place in the shared order.
    pub(crate) at: Option<(u64, u64)>,
    /// Messages of the shared order that were delivered.
    pub(crate) had: BTreeSet<u64>,
    /// How many messages each node was told to have given up.
    pub(crate) given_up: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) what: What,
    pub(crate) span: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Message(u64),
    /// Of another node's sequence.
    Lost(u64, u64, u64),
    /// So many that have no place in the shared order.
    GivenUp(u64, u64),
    Skipped,
    Missing,
}

impl Interest {
    pub(crate) const fn new(since: u64, peers: BTreeSet<(u64, u64)>) -> Self {
        Self {
            since,
            attached: None,
            peers,
            coverage: BTreeMap::new(),
            log: Vec::new(),
            at: None,
            had: BTreeSet::new(),
            given_up: BTreeMap::new(),
        }
    }

    /// Numbers of a sequence were delivered, or told to be lost.
    pub(crate) fn account(
        &mut self,
        truth: &Truth,
        epoch: u64,
        first: u64,
        last: u64,
        is_lost: bool,
    ) -> Result<(), String> {
        let Some(sequence) = truth.sequences.get(&epoch) else {
            return Err(format!("there is no sequence {epoch}"));
        };
        if first == 0 || first > last || last > sequence.times.len() as u64 {
            return Err(format!(
                "{first} to {last} of sequence {epoch}, which has {}",
                sequence.times.len()
            ));
        }
        if let Some((_, next)) = self.coverage.get_mut(&epoch) {
            if *next != first {
                return Err(format!(
                    "{first} to {last} of sequence {epoch} where {next} was next, lost: {is_lost}"
                ));
            }
            *next = last + 1;
            return Ok(());
        }
        let id = sequence.ids[usize::try_from(first - 1).unwrap_or_default()];
        let reached = truth.messages[id].reached;
        // What the broker had just before may have to be sent again, and be lost then.
        if is_lost && reached.is_some_and(|at| at + AGAIN < self.since) {
            return Err(format!("{first} of sequence {epoch} was before its time"));
        }
        if let Some(wanted) = self.first_that_counts(sequence)
            && first > wanted
        {
            return Err(format!(
                "sequence {epoch} begins with {first} where {wanted} was not accounted for"
            ));
        }
        self.coverage.insert(epoch, (first, last + 1));
        Ok(())
    }

    /// The first number that has to be accounted for, if anybody could know.
    fn first_that_counts(&self, sequence: &Sequence) -> Option<u64> {
        let (attached, is_sure) = self.attached?;
        let begun = *sequence.times.first()?;
        let is_peer = self.peers.iter().any(|(life, _)| *life == sequence.life);
        if !is_sure || !(is_peer || begun > self.since + YOUNG) {
            return None;
        }
        let before = sequence.times.iter().filter(|time| **time <= attached);
        let first = before.count() as u64 + 1;
        (first <= sequence.times.len() as u64).then_some(first)
    }

    /// At the end, for a sequence of a node that is there.
    pub(crate) fn is_complete(&self, truth: &Truth, epoch: u64) -> Result<(), String> {
        let Some(sequence) = truth.sequences.get(&epoch) else {
            return Ok(());
        };
        let count = sequence.times.len() as u64;
        match self.coverage.get(&epoch) {
            Some((_, next)) if *next == count + 1 => Ok(()),
            Some((_, next)) => Err(format!("sequence {epoch}: {next} of {count} never came")),
            None => match self.first_that_counts(sequence) {
                Some(first) => Err(format!("sequence {epoch}: none of {first} to {count} came")),
                None => Ok(()),
            },
        }
    }
}

/// Milliseconds after which a sequence that begins is known to be younger than an interest.
const YOUNG: u64 = 20_000;

/// Milliseconds in which a node sends again what the broker may have.
const AGAIN: u64 = 15_000;
