//! One topic that a client subscribes to.

use crate::relay::client::core::outgoing::Outgoing;
use crate::relay::hub::{Offsets, Topic};
use serde_json::value::RawValue;
use std::time::{Duration, Instant};

/// What is asked for with a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Wants {
    pub(crate) payload: Option<Box<RawValue>>,
    pub(crate) rewind: Option<u32>,
    pub(crate) presence: bool,
    pub(crate) recover: bool,
    /// Whether there is a callback that gives tokens.
    pub(crate) token: bool,
}

/// A topic that the application subscribes to.
///
/// ```text
///            connection                answer `subscribed`
///   Parked ------------> Token -> Asked -------------------> Joined
///     ^                    ^        |                           |
///     |                    |        | may be asked again        | token_expired
///     | connection lost    +----- Retry <-----------------------+
///     +--- from any of them
/// ```
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) topic: Topic,
    pub(crate) wants: Wants,
    pub(crate) state: State,
    /// Names the present generation of the subscription to the server.
    pub(crate) join: u64,
    /// Epoch and offset of the last push that came.
    pub(crate) position: Option<(u64, u64)>,
    /// Whether it was joined once.
    pub(crate) joined_before: bool,
    /// How often in a row it was asked in vain.
    pub(crate) failures: u32,
    pub(crate) renewal: Renewal,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no connection.
    Parked,
    /// The callback was asked for a token; the number tells its answer from older ones.
    Token { round: u64 },
    /// The server was asked.
    Asked { reference: u64 },
    /// Pushes come, and count.
    Joined,
    /// It will be asked again then.
    Retry { at: Instant },
}

/// What is done to keep a subscription whose token ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The token does not end, or there is no callback.
    None,
    /// The callback is asked then.
    Due { at: Instant },
    /// It was asked.
    Token { round: u64 },
    /// The server was told the new one.
    Sent { reference: u64 },
}

impl Seat {
    pub(crate) const fn new(topic: Topic, wants: Wants) -> Self {
        Self {
            topic,
            wants,
            state: State::Parked,
            join: 0,
            position: None,
            joined_before: false,
            failures: 0,
            renewal: Renewal::None,
        }
    }

    /// The connection is gone; where the subscription stands is kept.
    pub(crate) fn park(&mut self) {
        self.state = State::Parked;
        self.renewal = Renewal::None;
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.state == State::Joined
    }

    /// The message that asks for it, in a new generation.
    pub(crate) fn ask(&mut self, reference: u64, token: Option<&str>) -> String {
        self.join = reference;
        self.state = State::Asked { reference };
        let since = self.position.filter(|_| self.wants.recover);
        Outgoing {
            kind: "subscribe",
            topic: Some(self.topic.as_str()),
            reference: Some(reference),
            join: Some(self.join),
            payload: self.wants.payload.as_deref(),
            epoch: since.map(|(epoch, _)| epoch),
            offset: since.map(|(_, offset)| offset),
            rewind: self.wants.rewind.filter(|_| since.is_none()),
            presence: self.wants.presence.then_some(true),
            token,
            ..Outgoing::default()
        }
        .text()
    }

    /// So many more pushes of the topic lie behind: which those were, if it is known where it stands.
    pub(crate) fn advance(&mut self, count: u64) -> Option<Offsets> {
        let (epoch, offset) = self.position.as_mut()?;
        let first = offset.saturating_add(1);
        *offset = offset.saturating_add(count);
        Some(Offsets {
            epoch: *epoch,
            first,
            last: *offset,
        })
    }

    /// When its token is to be renewed, if it lives so many seconds from now on.
    pub(crate) fn renew(&mut self, now: Instant, ttl: Option<u64>) {
        self.renewal = match ttl {
            Some(ttl) if self.wants.token => Renewal::Due {
                at: now + renewal_wait(ttl),
            },
            _ => Renewal::None,
        };
    }

    /// When something is to be done about it.
    pub(crate) fn due(&self) -> Option<Instant> {
        match (&self.state, &self.renewal) {
            (State::Retry { at }, _) | (State::Joined, Renewal::Due { at }) => Some(*at),
            _ => None,
        }
    }
}

/// Four fifths of a token's life, but half a minute before its end is early enough; half a second at the least, and a day at
/// the most.
fn renewal_wait(ttl: u64) -> Duration {
    let life = Duration::from_secs(ttl.min(2 * 86_400));
    let early = (life / 5).min(Duration::from_secs(30));
    (life - early).clamp(Duration::from_millis(500), Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_before_they_end() {
        for (ttl, millis) in [
            (0, 500),
            (1, 800),
            (3, 2400),
            (60, 48_000),
            (150, 120_000),
            (3600, 3_570_000),
            (u64::MAX, 86_400_000),
        ] {
            assert_eq!(renewal_wait(ttl), Duration::from_millis(millis), "{ttl}");
        }
    }
}
