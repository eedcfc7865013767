//! Subscriptions: how they begin, change and end.

use super::recovery::{PAGE, Recovery};
use super::subs::Sub;
use super::work::{Current, Doing};
use super::{Incoming, Session};
use crate::relay::endpoint::config::Unmatched;
use crate::relay::endpoint::handler::RelayEvent;
use crate::relay::endpoint::log;
use crate::relay::endpoint::outlet::COUNTS;
use crate::relay::endpoint::payload::Payload;
use crate::relay::endpoint::token::{Grant, grant};
use crate::relay::hub::{Entry, Recovered, Resume, Subscription, Topic};
use crate::relay::protocol::{ErrorCode, Position, Reply, Wants};
use crate::ws::prepared::Prepared;
use serde_json::value::RawValue;
use tokio::time::Instant;

/// Whose wish a subscription is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A token may be wanted, and topics without a handler may be refused.
    Client,
    /// Only the handler is asked.
    Server,
}

/// A subscription that is registered, and waits for whoever decides.
pub(super) struct Joining {
    pub(super) topic: Topic,
    reference: Option<Box<RawValue>>,
    key: u32,
    /// Absent once the connection has ended.
    pub(super) subscription: Option<Subscription<Prepared>>,
    recovered: Recovered<Prepared>,
    /// What has no offset yet, behind that.
    early: Vec<Entry<Prepared>>,
    /// The payload, for whoever is present by itself.
    meta: Option<Payload>,
    is_tracked: bool,
    /// Whether the application had said that it is present before.
    was_tracked: bool,
    wants_presence: bool,
    join: Option<u64>,
}

impl Session {
    pub(super) fn subscribe(
        &mut self,
        topic: Topic,
        wants: Wants<'_>,
        reference: Option<&RawValue>,
        by: By,
    ) {
        let join = wants.join;
        if let Some(place) = self.place_of(&topic) {
            return self.subscribe_again(place, &wants, reference);
        }
        let inner = self.link.outlet.relay().inner.clone();
        let settings = &inner.settings;
        if self.subs.len() >= settings.max_subscriptions {
            let message = format!(
                "subscription limit reached (max {})",
                settings.max_subscriptions
            );
            let about = Some((&topic, join));
            return self.fail(reference, ErrorCode::SubscriptionLimit, about, &message);
        }
        let channel = settings.channels.of(&topic).cloned();
        let judge = match by {
            By::Client => settings.tokens.find(topic.as_str()).cloned(),
            By::Server => None,
        };
        if channel.is_none()
            && judge.is_none()
            && by == By::Client
            && settings.unmatched == Unmatched::Reject
        {
            return self.unknown(&topic, join, reference);
        }
        let is_tracked = settings.tracks.find(topic.as_str()).is_some();
        let mut joining = self.register(topic, &wants, reference);
        joining.is_tracked = is_tracked;
        if channel.is_none() && judge.is_none() {
            return self.join(joining, None, None);
        }
        let token = wants.token.map(String::from);
        let topic = joining.topic.clone();
        let payload = wants.payload.map(Payload::from).unwrap_or_default();
        let (conn_id, relay, parts) = (self.conn_id(), self.relay().clone(), self.parts());
        let user = self.link.user.clone();
        let deciding = async move {
            let granted = match &judge {
                Some(judge) => Some(grant(judge, token, user.as_deref(), &topic).await?),
                None => None,
            };
            let reply = match channel {
                Some(channel) => {
                    let event = RelayEvent::Join {
                        topic,
                        conn_id,
                        payload,
                    };
                    let handling = channel.handle(event, relay, parts);
                    handling.await.map_err(|error| {
                        log::tell(&error, "subscription");
                        let message = format!("join rejected: {}", error.message());
                        (ErrorCode::JoinRejected, message)
                    })?
                }
                None => None,
            };
            Ok((reply, granted))
        };
        let limit = settings.handler_timeout;
        self.begin(Current::new(
            Doing::Join(Box::new(joining)),
            limit,
            deciding,
        ));
    }

    /// Registers a subscription: what is published from now on waits for it.
    fn register(
        &mut self,
        topic: Topic,
        wants: &Wants<'_>,
        reference: Option<&RawValue>,
    ) -> Joining {
        let resume = match (wants.since, wants.rewind) {
            (Some((epoch, offset)), _) => Resume::Since { epoch, offset },
            (None, Some(count)) => Resume::Newest(usize::try_from(count).unwrap_or(usize::MAX)),
            (None, None) => Resume::Live,
        };
        let counts = resume != Resume::Live || reference.is_some();
        let key = self.next_key() | if counts { COUNTS } else { 0 };
        let outlet = &self.link.outlet;
        outlet.mailbox.hold(key);
        let (subscription, recovered, early) =
            outlet.enter(self.link.clone(), &topic, key, (resume, PAGE));
        Joining {
            reference: reference.map(ToOwned::to_owned),
            key,
            subscription: Some(subscription),
            recovered,
            early,
            meta: wants.payload.map(Payload::from),
            is_tracked: false,
            was_tracked: self.link.is_tracked(&topic),
            topic,
            wants_presence: wants.presence,
            join: wants.join,
        }
    }

    /// A registered subscription is let in.
    pub(super) fn join(
        &mut self,
        joining: Joining,
        reply: Option<Payload>,
        granted: Option<Grant>,
    ) {
        let Joining {
            topic,
            reference,
            key,
            subscription,
            recovered,
            early,
            meta,
            is_tracked,
            wants_presence,
            join,
            ..
        } = joining;
        let Some(subscription) = subscription else {
            // The client has gone: its handler has let it in, and is to be told that it left.
            self.subs.push(Sub::ended(topic, key));
            return;
        };
        let reference = reference.as_deref();
        let until = granted.as_ref().and_then(|granted| granted.until);
        let position = (key & COUNTS != 0).then(|| Position {
            epoch: recovered.epoch,
            offset: recovered.before(),
            recovered: recovered.complete,
        });
        let subscribed = Reply::Subscribed {
            topic: &topic,
            position,
            reply: reply.as_ref().map(Payload::raw),
            ttl: until.map(seconds_to),
            join,
        };
        self.answer(&subscribed, reference);
        let recovery = Recovery::new(key, self.conn_id(), &topic, recovered, early);
        self.work().recoveries.push_back(recovery);
        self.link.outlet.count(true);
        self.relay().counters().subscribed();
        self.relay().keep_swept();
        let mut sub = Sub::new(subscription, key);
        if join.is_some() {
            sub.more().join = join;
        }
        if until.is_some() {
            sub.more().until = until;
            self.work().waits.look();
        }
        // What its handler has said of it is not overwritten by what the client says.
        if is_tracked && !self.link.is_tracked(&topic) {
            let meta = granted.and_then(|granted| granted.meta).or(meta);
            let meta = meta.filter(|meta| meta.get().len() <= LONGEST_META);
            let meta = meta.as_ref().map_or("{}", Payload::get);
            self.relay().track_link(&self.link, &topic, meta.into());
        }
        if wants_presence {
            self.watch(&mut sub);
        }
        self.subs.push(sub);
    }

    /// A registered subscription is not let in.
    pub(super) fn reject(&mut self, joining: Joining, code: ErrorCode, message: &str) {
        let reference = joining.reference.clone();
        let (topic, join) = (joining.topic.clone(), joining.join);
        self.withdraw(joining);
        self.fail(reference.as_deref(), code, Some((&topic, join)), message);
    }

    /// Gives back what a registered subscription holds.
    pub(super) fn withdraw(&self, joining: Joining) {
        if let Some(subscription) = joining.subscription {
            self.link.outlet.exit(subscription);
        }
        self.link.outlet.mailbox.forget(joining.key);
        // Its handler may have tracked it before it changed its mind.
        if !joining.was_tracked {
            self.relay().untrack_link(&self.link, &joining.topic);
        }
    }

    fn subscribe_again(&mut self, place: usize, wants: &Wants<'_>, reference: Option<&RawValue>) {
        let mut subs = std::mem::take(&mut self.subs);
        if let Some(sub) = subs.get_mut(place) {
            self.renew(sub, wants, reference);
        }
        self.subs = subs;
    }

    fn renew(&mut self, sub: &mut Sub, wants: &Wants<'_>, reference: Option<&RawValue>) {
        if wants.join.is_some() {
            sub.more().join = wants.join;
        }
        let subscribed = Reply::Subscribed {
            topic: sub.topic(),
            position: None,
            reply: None,
            ttl: sub
                .more
                .as_ref()
                .and_then(|more| more.until)
                .map(seconds_to),
            join: wants.join,
        };
        self.answer(&subscribed, reference);
        let watches = sub.more.as_ref().is_some_and(|more| more.watch.is_some());
        if wants.presence && !watches {
            self.watch(sub);
        } else if !wants.presence && watches {
            self.unwatch(sub);
        }
    }

    /// Tells the client who is present, and every change of that.
    fn watch(&mut self, sub: &mut Sub) {
        let key = self.next_key();
        let link = &self.link;
        link.outlet.mailbox.hold(key);
        let hub = self.relay().hub();
        let (subscription, present) =
            hub.watch(sub.topic(), link.outlet.group(), link.clone(), key);
        sub.more().watch = Some(Box::new((subscription, key)));
        let state = present_state(sub.topic(), &present);
        let work = self.work();
        work.answers.push_back(state);
        work.recoveries.push_back(Recovery::nothing(key));
    }

    fn unwatch(&mut self, sub: &mut Sub) {
        let watch = sub.more.as_mut().and_then(|more| more.watch.take());
        if let Some((subscription, key)) = watch.map(|watch| *watch) {
            self.link.outlet.exit(subscription);
            self.forget(key);
        }
    }

    /// Nothing is sent any more of what waits for a subscription.
    fn forget(&mut self, key: u32) {
        self.link.outlet.mailbox.forget(key);
        if let Some(work) = &mut self.work {
            work.recoveries.retain(|recovery| recovery.key() != key);
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        topic: &Topic,
        join: Option<u64>,
        reference: Option<&RawValue>,
    ) {
        let place = self.place_of(topic);
        let own = place.and_then(|place| self.subs[place].join());
        let answer = Reply::Unsubscribed {
            topic,
            join: join.or(own),
            reason: None,
        };
        match self.place_meant(topic, join) {
            Some(place) => self.leave(place, &answer, reference),
            None => self.answer(&answer, reference),
        }
    }

    /// Ends a subscription that the client did not want to end.
    pub(super) fn revoke(&mut self, topic: &Topic, reason: (&str, &str)) {
        if let Some(place) = self.place_of(topic) {
            let answer = Reply::Unsubscribed {
                topic,
                join: self.subs[place].join(),
                reason: Some(reason),
            };
            self.leave(place, &answer, None);
        }
    }

    fn leave(&mut self, place: usize, answer: &Reply<'_>, reference: Option<&RawValue>) {
        let Some(mut sub) = self.subs.remove(place) else {
            return;
        };
        self.give_back(&mut sub);
        self.answer(answer, reference);
        if self.is_busy() {
            // Before the next request of the client, which may be to subscribe again.
            self.work()
                .incoming
                .push_front(Incoming::Left(sub.topic().clone()));
        } else if let Some(leaving) = self.leaving(sub.topic().clone()) {
            self.begin(leaving);
        }
    }

    /// Gives back what a subscription holds: afterwards nothing comes for it, and the connection is not present in its topic.
    pub(super) fn give_back(&mut self, sub: &mut Sub) {
        if let Some(seat) = sub.end() {
            self.link.outlet.leave(sub.topic(), seat);
            self.forget(sub.key);
            self.link.outlet.count(false);
            self.relay().counters().unsubscribed();
        }
        self.unwatch(sub);
        self.relay().untrack_link(&self.link, sub.topic());
    }

    /// What tells the handler of a topic that a subscription has ended.
    pub(super) fn leaving(&self, topic: Topic) -> Option<Current> {
        let channel = self.relay().inner.settings.channels.of(&topic)?.clone();
        let event = RelayEvent::Leave {
            topic,
            conn_id: self.conn_id(),
        };
        let handling = channel.handle(event, self.relay().clone(), self.parts());
        let limit = self.relay().inner.settings.handler_timeout;
        Some(Current::new(Doing::Leave, limit, async move {
            if let Err(error) = handling.await {
                log::tell(&error, "departure");
            }
            Ok((None, None))
        }))
    }

    pub(super) fn refresh(&mut self, topic: &Topic, token: &str, reference: Option<&RawValue>) {
        if self.place_of(topic).is_none() {
            return self.not_subscribed(topic, reference);
        }
        let judge = self.relay().inner.settings.tokens.find(topic.as_str());
        let Some(judge) = judge.cloned() else {
            return self.confirm(None, reference);
        };
        let (token, wanted) = (token.to_owned(), topic.clone());
        let user = self.link.user.clone();
        let refreshing = async move {
            let granted = grant(&judge, Some(token), user.as_deref(), &wanted).await?;
            Ok((None, Some(granted)))
        };
        let doing = Doing::Refresh(topic.clone(), reference.map(ToOwned::to_owned));
        let limit = self.relay().inner.settings.handler_timeout;
        self.begin(Current::new(doing, limit, refreshing));
    }

    pub(super) fn refreshed(
        &mut self,
        topic: &Topic,
        granted: Option<Grant>,
        reference: Option<&RawValue>,
    ) {
        let until = granted.and_then(|granted| granted.until);
        if let Some(place) = self.place_of(topic) {
            self.subs[place].more().until = until;
            self.work().waits.look();
        }
        self.confirm(until.map(seconds_to), reference);
    }

    pub(super) fn message(
        &mut self,
        topic: Topic,
        event: &str,
        payload: &RawValue,
        reference: Option<&RawValue>,
    ) {
        if self.place_of(&topic).is_none() {
            return self.not_subscribed(&topic, reference);
        }
        let settings = &self.relay().inner.settings;
        let Some(channel) = settings.channels.of(&topic).cloned() else {
            if settings.unmatched == Unmatched::Reject {
                return self.unknown(&topic, None, reference);
            }
            // A `RawValue` always becomes JSON.
            let _ = self.relay().push_except(&topic, event, payload, None);
            return self.confirm(None, reference);
        };
        let (wanted, conn_id) = (topic.clone(), self.conn_id());
        let message = RelayEvent::Message {
            topic,
            event: event.to_owned(),
            payload: payload.into(),
            conn_id,
        };
        let handling = channel.handle(message, self.relay().clone(), self.parts());
        let handled = async move {
            handling.await.map_err(|error| {
                log::tell(&error, "message");
                let message = format!("message handler error: {}", error.message());
                (ErrorCode::HandlerError, message)
            })?;
            Ok((None, None))
        };
        let doing = Doing::Message(wanted, reference.map(ToOwned::to_owned));
        let limit = self.relay().inner.settings.handler_timeout;
        self.begin(Current::new(doing, limit, handled));
    }

    /// Ends what has a token that has ended; gives when the next one does.
    pub(super) fn expire(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let ends = |sub: &Sub| sub.more.as_ref().and_then(|more| more.until);
        let expired: Vec<Topic> = (self.subs.iter())
            .filter(|sub| ends(sub).is_some_and(|until| until <= now))
            .map(|sub| sub.topic().clone())
            .collect();
        for topic in expired {
            self.revoke(&topic, ("token_expired", "token expired"));
        }
        let later = self.subs.iter().filter_map(ends);
        later.filter(|until| *until > now).min()
    }

    pub(super) fn not_subscribed(&mut self, topic: &Topic, reference: Option<&RawValue>) {
        let message = format!("not subscribed to {topic}");
        let about = Some((topic, None));
        self.fail(reference, ErrorCode::NotSubscribed, about, &message);
    }

    fn unknown(&mut self, topic: &Topic, join: Option<u64>, reference: Option<&RawValue>) {
        let message = format!("unknown topic {topic}");
        self.fail(
            reference,
            ErrorCode::UnknownTopic,
            Some((topic, join)),
            &message,
        );
    }

    pub(super) fn place_of(&self, topic: &Topic) -> Option<usize> {
        self.subs.iter().position(|sub| sub.topic() == topic)
    }

    /// That of a subscription which `join` means: an older one of the topic has ended.
    pub(super) fn place_meant(&self, topic: &Topic, join: Option<u64>) -> Option<usize> {
        let place = self.place_of(topic)?;
        (join.is_none() || join == self.subs[place].join()).then_some(place)
    }

    fn next_key(&mut self) -> u32 {
        // Subscriptions of one connection that live at the same time have different ones.
        self.next_key = (self.next_key + 1) & LARGEST_KEY;
        self.next_key
    }
}

/// The message that says who is present.
pub(super) fn present_state(topic: &Topic, present: &[crate::relay::hub::Present]) -> Prepared {
    let shown = present.len().min(MOST_PRESENT);
    let state = Reply::PresenceState {
        topic,
        members: &present[..shown],
        more: present.len() > shown,
    };
    Prepared::text(&state.text(None))
}

/// Rounded up: it is there for so long at least.
fn seconds_to(until: Instant) -> u64 {
    let left = until.saturating_duration_since(Instant::now());
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// The most members in one message.
const MOST_PRESENT: usize = 1000;

/// How much a client may say of itself to all others.
const LONGEST_META: usize = 1 << 10;

/// Keys have two bits for marks.
const LARGEST_KEY: u32 = (1 << 30) - 1;
