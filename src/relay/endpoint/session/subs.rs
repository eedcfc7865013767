//! The subscriptions of a connection. Most have one, which needs no memory of its own.

use crate::relay::hub::{Subscription, Topic};
use crate::ws::prepared::Prepared;
use std::num::NonZero;
use std::ops::{Deref, DerefMut};
use std::slice;
use tokio::time::Instant;

/// A subscription of the connection: of its place in the hub as much as tells it from others in the connection's group.
pub(super) struct Sub {
    topic: Topic,
    /// Absent once the connection has ended, and only the handler is still to be told.
    seat: Option<NonZero<u32>>,
    pub(super) key: u32,
    pub(super) more: Option<Box<More>>,
}

/// What most subscriptions do not have.
#[derive(Default)]
pub(super) struct More {
    pub(super) join: Option<u64>,
    /// When its token ends.
    pub(super) until: Option<Instant>,
    /// To who is present, with the key of that.
    pub(super) watch: Option<Box<(Subscription<Prepared>, u32)>>,
}

/// All of them, in the order in which they began.
pub(super) enum Subs {
    One(Sub),
    /// Or none.
    Many(Vec<Sub>),
}

impl Sub {
    pub(super) fn new(subscription: Subscription<Prepared>, key: u32) -> Self {
        let (topic, seat) = subscription.into_seat();
        Self {
            topic,
            seat: Some(seat),
            key,
            more: None,
        }
    }

    /// One of a connection that has ended before it was let in.
    pub(super) const fn ended(topic: Topic, key: u32) -> Self {
        Self {
            topic,
            seat: None,
            key,
            more: None,
        }
    }

    pub(super) const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Takes its place in the hub away.
    pub(super) const fn end(&mut self) -> Option<NonZero<u32>> {
        self.seat.take()
    }

    pub(super) fn join(&self) -> Option<u64> {
        self.more.as_ref().and_then(|more| more.join)
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

impl Default for Subs {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Subs {
    pub(super) fn push(&mut self, sub: Sub) {
        *self = match std::mem::take(self) {
            Self::One(first) => Self::Many(vec![first, sub]),
            Self::Many(subs) if subs.is_empty() => Self::One(sub),
            Self::Many(mut subs) => {
                subs.push(sub);
                Self::Many(subs)
            }
        };
    }

    /// Takes one out; those behind it move up.
    pub(super) fn remove(&mut self, place: usize) -> Option<Sub> {
        if place >= self.len() {
            return None;
        }
        match std::mem::take(self) {
            Self::One(sub) => Some(sub),
            Self::Many(mut subs) => {
                let sub = subs.remove(place);
                if !subs.is_empty() {
                    *self = Self::Many(subs);
                }
                Some(sub)
            }
        }
    }
}

impl Deref for Subs {
    type Target = [Sub];

    fn deref(&self) -> &[Sub] {
        match self {
            Self::One(sub) => slice::from_ref(sub),
            Self::Many(subs) => subs,
        }
    }
}

impl DerefMut for Subs {
    fn deref_mut(&mut self) -> &mut [Sub] {
        match self {
            Self::One(sub) => slice::from_mut(sub),
            Self::Many(subs) => subs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(subs: &Subs) -> Vec<u32> {
        subs.iter().map(|sub| sub.key).collect()
    }

    #[test]
    fn they_keep_their_order_whether_one_or_many() {
        let sub = |key| Sub::ended(Topic::new("a").unwrap(), key);
        let mut subs = Subs::default();
        assert!(subs.is_empty() && subs.remove(0).is_none());
        subs.push(sub(1));
        assert_eq!(keys(&subs), [1]);
        assert!(subs.remove(1).is_none());
        assert_eq!(subs.remove(0).map(|sub| sub.key), Some(1));
        assert!(subs.is_empty());
        for key in 1..=4 {
            subs.push(sub(key));
        }
        assert_eq!(subs.remove(1).map(|sub| sub.key), Some(2));
        subs[0].key = 7;
        assert_eq!(keys(&subs), [7, 3, 4]);
        for _ in 0..3 {
            assert!(subs.remove(0).is_some());
        }
        assert!(subs.is_empty());
    }
}
