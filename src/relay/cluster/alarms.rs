//! What is to be done later.

use super::envelope::Sender;
use crate::relay::hub::Topic;
use std::collections::BTreeSet;

/// Something to do at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// Say that this node is there.
    Beat,
    /// Nobody waits any longer for a topic that was to be attached with this event.
    Attach(Topic, u64),
    /// Say what the last message of a sequence was.
    Mark(Topic, u64),
    /// Forget a sequence.
    Forget(Topic, u64),
    /// Say how many messages of a topic were given up, of this count.
    Lost(Topic, u64),
    /// Say again of all topics how many were given up.
    LostAgain,
    /// See whether a message of this node has its place: its topic, its sequence, its number in that.
    Order(Topic, u64, u64),
    /// Read a topic again.
    Read(Topic),
    /// See whether a node has been heard of.
    Expire(Sender),
    /// See what has become of an ask.
    Ask(u64),
    /// Ask for what has come together.
    AskMore,
    /// Give up waiting for answers.
    Question(u64),
    /// Say who is present.
    State,
    /// Try again what the broker refused.
    Resume,
    /// Look through what can be forgotten.
    Sweep,
}

#[derive(Debug, Default)]
pub(super) struct Alarms {
    all: BTreeSet<(u64, Alarm)>,
}

impl Alarms {
    pub(super) fn set(&mut self, at: u64, alarm: Alarm) {
        self.all.insert((at, alarm));
    }

    /// The next one whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Option<Alarm> {
        if self.all.first()?.0 > now {
            return None;
        }
        self.all.pop_first().map(|(_, alarm)| alarm)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.all.first().map(|(at, _)| *at)
    }
}
