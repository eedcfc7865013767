//! What was given up here of topics whose order is the broker's. It leaves no hole in that order: the others are told how many, and which.
//!
//! What is said is how many have been given up so far, so that a word that comes again, or does not come, changes nothing; the newest
//! of them are those that are said with their numbers.

use super::envelope::Envelope;
use super::runs::Runs;
use super::{Alarm, Cluster, QUIET, QUIETER, REMEMBERED};
use crate::relay::backplane::Channel;
use crate::relay::hub::Topic;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Losses {
    all: BTreeMap<Topic, Loss>,
    /// By their counts.
    order: BTreeMap<u64, Topic>,
    /// The last count.
    last: u64,
    /// When all were begun to be said again.
    again_at: Option<u64>,
}

#[derive(Debug)]
struct Loss {
    /// Which count of this node.
    id: u64,
    count: u64,
    /// The numbers of the last ones.
    runs: Runs,
    /// When the last one was given up.
    at: u64,
    /// How often it was said since.
    said: u32,
    /// When it is said next, with a connection.
    due: u64,
}

impl Losses {
    fn add(&mut self, topic: &Topic, (sequence, number): (u64, u64), now: u64) -> &mut Loss {
        if self.all.len() >= MOST
            && !self.all.contains_key(topic)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.all.remove(&oldest);
        }
        let (last, order) = (&mut self.last, &mut self.order);
        let loss = self.all.entry(topic.clone()).or_insert_with(|| {
            *last += 1;
            order.insert(*last, topic.clone());
            Loss {
                id: *last,
                count: 0,
                runs: Runs::default(),
                at: now,
                said: 0,
                due: u64::MAX,
            }
        });
        loss.count += 1;
        loss.runs.add(sequence, number);
        loss.at = now;
        loss.said = 0;
        loss
    }

    fn remove(&mut self, topic: &Topic) {
        if let Some(loss) = self.all.remove(topic) {
            self.order.remove(&loss.id);
        }
    }
}

impl Cluster {
    /// A message to a topic whose order is the broker's was given up, with its sequence and its number in that.
    pub(super) fn lose(&mut self, topic: &Topic, place: (u64, u64)) {
        let now = self.now;
        let loss = self.losses.add(topic, place, now);
        if loss.due > now + TOGETHER {
            // Others may follow.
            loss.due = now + TOGETHER;
            let alarm = Alarm::Lost(topic.clone(), loss.id);
            self.alarms.set(loss.due, alarm);
        }
    }

    /// Somebody who may have missed what was said of losses is there. However many are, all is said again once in a while.
    pub(super) fn say_losses_again(&mut self, now: u64) {
        if let Some(at) = self.losses.again_at
            && now < at + AGAIN
        {
            self.alarms.set(at + AGAIN, Alarm::LostAgain);
            return;
        }
        self.losses.again_at = Some(now);
        for (topic, loss) in &mut self.losses.all {
            loss.due = now;
            self.alarms.set(now, Alarm::Lost(topic.clone(), loss.id));
        }
    }

    /// Says how many messages of a topic were given up, several times; then it is forgotten.
    pub(super) fn say_lost(&mut self, topic: Topic, id: u64, now: u64) {
        let is_up = self.link.is_up();
        let Some(loss) = self.losses.all.get_mut(&topic) else {
            return;
        };
        if loss.id != id || now < loss.due {
            return;
        }
        loss.due = u64::MAX;
        if !is_up {
            // The next connection begins with it.
            return;
        }
        if loss.said > 0 && loss.at + REMEMBERED <= now {
            self.losses.remove(&topic);
            return;
        }
        let rest = if loss.said == 0 { QUIET } else { QUIETER };
        loss.said += 1;
        let word = Envelope::GivenUp {
            id,
            count: loss.count,
            age: super::sending::age(loss.at, now),
            runs: loss.runs.to_vec(),
        };
        loss.due = now + rest;
        self.alarms.set(loss.due, Alarm::Lost(topic.clone(), id));
        self.link.say(Channel::Topic(topic), word);
    }
}

/// Milliseconds that losses wait for others to be said with them.
const TOGETHER: u64 = 50;

/// Milliseconds before everything is said again.
const AGAIN: u64 = 1_000;

/// The topics whose losses are held: for more of them the oldest are not said any more.
const MOST: usize = 1 << 14;
