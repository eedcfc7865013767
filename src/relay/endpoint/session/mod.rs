//! One connection's half of the protocol.
//!
//! Requests that speak of a topic are done in order, one by one: while a handler has one, the next ones wait here, up to a
//! number above which they are refused. Everything else goes on meanwhile: pushes, pings, calls.

mod attach;
mod calls;
mod end;
mod incoming;
mod missing;
mod recovery;
mod serve;
mod subs;
mod subscribe;
mod work;

pub(crate) use self::serve::serve;

use self::calls::Calls;
use self::incoming::{Incoming, Queue};
use self::recovery::Recovery;
use self::subs::{Sub, Subs};
use self::subscribe::By;
use self::work::{Current, Waits};
use super::Relay;
use super::directory::Link;
use super::handler::SharedParts;
use super::outlet::Outlet;
use super::pace::Pace;
use crate::relay::hub::Topic;
use crate::relay::protocol::{
    Asked, ErrorCode, InvalidMessage, Reply, Request, read, reference_of,
};
use crate::ws::message::Text;
use crate::ws::prepared::Prepared;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What one connection has asked for, and what becomes of it.
pub(super) struct Session {
    link: Arc<Link>,
    subs: Subs,
    next_key: u32,
    messages: Pace,
    octets: Pace,
    subscriptions: Pace,
    /// Absent while there is nothing to do, and no handler extracts.
    work: Option<Box<Work>>,
    has_ended: bool,
}

/// What is to be done.
#[derive(Default)]
struct Work {
    /// For the extractors of handlers, if any has one: more than all of this.
    parts: Option<SharedParts>,
    /// In order; they go out before everything else.
    answers: VecDeque<Prepared>,
    /// What came before a subscription.
    recoveries: VecDeque<Recovery>,
    /// What waits for the handler before it.
    incoming: Queue,
    /// What a handler has.
    current: Option<Current>,
    calls: Calls,
    waits: Waits,
}

impl Work {
    fn keeping(parts: SharedParts) -> Box<Self> {
        let parts = Some(parts);
        Box::new(Self {
            parts,
            ..Self::default()
        })
    }
}

impl Session {
    pub(super) fn new(link: Arc<Link>, parts: Option<SharedParts>) -> Self {
        Self {
            link,
            subs: Subs::default(),
            next_key: 0,
            messages: Pace::default(),
            octets: Pace::default(),
            subscriptions: Pace::default(),
            work: parts.map(Work::keeping),
            has_ended: false,
        }
    }

    fn relay(&self) -> &Relay {
        self.link.outlet.relay()
    }

    fn parts(&self) -> Option<SharedParts> {
        self.work.as_ref().and_then(|work| work.parts.clone())
    }

    fn conn_id(&self) -> u64 {
        self.link.outlet.id()
    }

    /// Whether it takes one more message: not too much waits for the client.
    pub(super) fn has_room(&self) -> bool {
        self.work.as_ref().is_none_or(|work| {
            work.answers.len() < MOST_ANSWERS
                && work
                    .answers
                    .iter()
                    .map(|answer| answer.frame().len())
                    .sum::<usize>()
                    < MOST_ANSWERED
                && work.recoveries.iter().map(Recovery::len).sum::<usize>() < MOST_RECOVERED
        })
    }

    /// Takes a message of the client.
    pub(super) fn receive(&mut self, text: Text) {
        self.relay().counters().message();
        let asked = read(&text);
        let cost = asked.as_ref().map_or(1, |asked| asked.request.cost());
        let keeps_pace = self.keeps_pace(cost, text.len());
        if !keeps_pace && !asked.as_ref().is_ok_and(|asked| self.has_to_hear(asked)) {
            self.relay().counters().rate_limited();
            let reference = asked.as_ref().ok().and_then(|asked| asked.reference);
            return self.fail(reference, ErrorCode::RateLimited, None, "too many messages");
        }
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return self.refuse_message(&text, &error),
        };
        if asked.request.is_ordered() && self.is_full(&asked.request) {
            self.relay().counters().rate_limited();
            let (code, about) = (ErrorCode::RateLimited, asked.request.about());
            let message = "too many messages are waiting";
            return self.fail(asked.reference, code, about, message);
        }
        if let Request::Subscribe { topic, wants } = &asked.request
            && !self.may_subscribe()
        {
            self.relay().counters().subscription_limited();
            let about = Some((topic, wants.join));
            let code = ErrorCode::RateLimited;
            return self.fail(asked.reference, code, about, "too many subscriptions");
        }
        if asked.request.is_ordered() && self.is_busy() {
            // What counts the octets that wait counts these, and not a buffer that they may be a slice of.
            let text = text.alone();
            self.work().incoming.push_back(Incoming::Text(text));
        } else if let Some(attaching) = self.attaching(&asked.request) {
            self.attach(attaching, Incoming::Text(text));
        } else {
            self.take(asked);
        }
    }

    /// Takes a request that was made for the client, which does not count for what it sends. It is done in its turn.
    pub(super) fn ask(&mut self, text: Text) {
        self.work().incoming.push_back(Incoming::Text(text));
    }

    /// Its place in the hub.
    pub(super) fn outlet(&self) -> &Outlet {
        &self.link.outlet
    }

    /// The topic of the subscription with this key.
    pub(super) fn topic_of(&self, key: u32) -> Option<&Topic> {
        let mut subs = self.subs.iter();
        subs.find(|sub| sub.key == key).map(Sub::topic)
    }

    /// Does what a client asks for.
    fn take(&mut self, asked: Asked<'_>) {
        let Asked { request, reference } = asked;
        match request {
            Request::Subscribe { topic, wants } => {
                self.subscribe(topic, wants, reference, By::Client);
            }
            Request::Unsubscribe { topic, join } => self.unsubscribe(&topic, join, reference),
            Request::Message {
                topic,
                event,
                payload,
            } => self.message(topic, &event, payload, reference),
            Request::Refresh { topic, token } => self.refresh(&topic, &token, reference),
            Request::Ping => self.answer(&Reply::Pong, reference),
            Request::Hello => self.hello(reference),
            Request::Batch { delay } => {
                let delay = Duration::from_millis(delay).min(LONGEST_DELAY);
                self.link.outlet.mailbox.gather(!delay.is_zero());
                self.work().waits.gather(delay);
                self.confirm(None, reference);
            }
            Request::Call {
                method,
                payload,
                deadline,
            } => self.call(&method, payload, deadline, reference),
            Request::Cancel => self.cancel(reference),
        }
    }

    fn hello(&mut self, reference: Option<&RawValue>) {
        let user = self.link.user.clone();
        let reply = Reply::Hello {
            conn_id: self.conn_id(),
            user: user.as_deref(),
        };
        self.answer(&reply, reference);
    }

    fn refuse_message(&mut self, text: &str, error: &InvalidMessage) {
        let reference = reference_of(text);
        let code = ErrorCode::InvalidMessage;
        self.fail(reference, code, None, &error.to_string());
    }

    fn keeps_pace(&mut self, messages: usize, octets: usize) -> bool {
        let inner = &self.link.outlet.relay().inner;
        let settings = &inner.settings;
        if settings.messages.is_none() && settings.octets.is_none() {
            return true;
        }
        let now = inner.nanos();
        settings
            .messages
            .is_none_or(|rate| self.messages.allows(rate, messages, now))
            && settings
                .octets
                .is_none_or(|rate| self.octets.allows(rate, octets, now))
    }

    /// Whether it may subscribe once more, which counts.
    fn may_subscribe(&mut self) -> bool {
        let inner = &self.link.outlet.relay().inner;
        let rate = inner.settings.subscriptions;
        rate.is_none_or(|rate| self.subscriptions.allows(rate, 1, inner.nanos()))
    }

    /// Whether a request that speaks of a topic has to wait.
    fn is_busy(&self) -> bool {
        self.work
            .as_ref()
            .is_some_and(|work| work.current.is_some() || !work.incoming.is_empty())
    }

    /// Whether so much has to wait that a request is refused. Behind messages there is room for subscriptions, and behind those for their ends.
    fn is_full(&self, request: &Request<'_>) -> bool {
        let most = self.relay().inner.settings.max_subscriptions;
        let spare = match request {
            Request::Subscribe { .. } => most,
            Request::Unsubscribe { .. } => most.saturating_mul(2),
            _ => 0,
        };
        let work = self.work.as_ref();
        work.is_some_and(|work| work.incoming.is_full(spare))
    }

    /// Whether it is taken from a client that says too much as well: it ends a subscription, or may end one that waits. A client that has ended
    /// one does not look for an answer, and would be subscribed, and present, until its connection ends.
    fn has_to_hear(&self, asked: &Asked<'_>) -> bool {
        let Request::Unsubscribe { topic, join } = &asked.request else {
            return false;
        };
        self.is_busy() || self.place_meant(topic, *join).is_some()
    }

    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    fn answer(&mut self, reply: &Reply<'_>, reference: Option<&RawValue>) {
        let message = Prepared::text(&reply.text(reference));
        self.work().answers.push_back(message);
    }

    /// `ok`, to a client that wants to know.
    fn confirm(&mut self, ttl: Option<u64>, reference: Option<&RawValue>) {
        if reference.is_some() {
            self.answer(&Reply::Ok { ttl }, reference);
        }
    }

    fn fail(
        &mut self,
        reference: Option<&RawValue>,
        code: ErrorCode,
        about: Option<(&Topic, Option<u64>)>,
        message: &str,
    ) {
        self.relay().counters().error();
        let reply = Reply::Error {
            code,
            topic: about.map(|(topic, _)| topic),
            join: about.and_then(|(_, join)| join),
            message,
        };
        self.answer(&reply, reference);
    }
}

impl Request<'_> {
    /// How many messages it counts as: a list of all who are present is more work than others.
    const fn cost(&self) -> usize {
        match self {
            Self::Subscribe { wants, .. } if wants.presence => 10,
            _ => 1,
        }
    }

    /// Whether it has to wait for those before it.
    const fn is_ordered(&self) -> bool {
        matches!(
            self,
            Self::Subscribe { .. }
                | Self::Unsubscribe { .. }
                | Self::Message { .. }
                | Self::Refresh { .. }
        )
    }

    /// The topic that it speaks of, and the `join` of the subscription that it asks for.
    const fn about(&self) -> Option<(&Topic, Option<u64>)> {
        match self {
            Self::Subscribe { topic, wants } => Some((topic, wants.join)),
            Self::Unsubscribe { topic, .. }
            | Self::Message { topic, .. }
            | Self::Refresh { topic, .. } => Some((topic, None)),
            _ => None,
        }
    }
}

/// How many answers wait for the client before nothing more is read.
const MOST_ANSWERS: usize = 64;

/// The octets of those, beyond which nothing more is read either.
const MOST_ANSWERED: usize = 256 << 10;

/// How many messages of before wait for the client before nothing more is read.
const MOST_RECOVERED: usize = 4096;

/// The longest delay of batches.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::endpoint::outlet::Outlet;

    #[test]
    fn what_an_idle_connection_keeps_is_small() {
        let kept = |name: &str, found: usize, most: usize| {
            assert!(found <= most, "{name}: {found} octets, {most} at most");
        };
        kept("a session", size_of::<Session>(), 80);
        kept("an outlet", size_of::<Outlet>(), 48);
        kept("a link with its outlet", size_of::<Link>(), 72);
        kept("a subscription", size_of::<Sub>(), 32);
    }
}
