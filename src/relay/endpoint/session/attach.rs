//! A topic is taken from the other nodes before anybody here subscribes to it.

use super::work::{Current, Doing};
use super::{Incoming, Session};
use crate::relay::endpoint::config::Unmatched;
use crate::relay::hub::Topic;
use crate::relay::protocol::Request;
use std::pin::Pin;

/// A topic that the other nodes are being told of.
pub(super) struct Attaching {
    topic: Topic,
    attached: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Session {
    /// What a request has to wait for, if it will make this connection a subscriber of a topic that is not taken yet.
    pub(super) fn attaching(&self, request: &Request<'_>) -> Option<Attaching> {
        let Request::Subscribe { topic, .. } = request else {
            return None;
        };
        let settings = &self.relay().inner.settings;
        let is_known = settings.unmatched == Unmatched::Broadcast
            || settings.channels.of(topic).is_some()
            || settings.tokens.find(topic.as_str()).is_some();
        if !is_known {
            return None;
        }
        self.attaching_to(topic)
    }

    pub(super) fn attaching_to(&self, topic: &Topic) -> Option<Attaching> {
        let settings = &self.relay().inner.settings;
        if self.place_of(topic).is_some() || self.subs.len() >= settings.max_subscriptions {
            return None;
        }
        let attached = self.relay().attaching(topic)?;
        Some(Attaching {
            topic: topic.clone(),
            attached: Box::pin(attached),
        })
    }

    /// Waits for it, then does what has come.
    pub(super) fn attach(&mut self, attaching: Attaching, then: Incoming) {
        let Attaching { topic, attached } = attaching;
        let then = Incoming::Attached(Box::new(then));
        self.work().incoming.push_front(then);
        let limit = self.relay().inner.settings.handler_timeout;
        self.begin(Current::new(Doing::Attach(topic), limit, async move {
            attached.await;
            Ok((None, None))
        }));
    }
}
