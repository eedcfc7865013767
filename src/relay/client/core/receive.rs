//! Every message of the server, and what it changes.

use crate::relay::client::core::event::{
    Event, Hello, Presence, Push, Refusal, RequestError, Subscribed, Unsubscribed,
};
use crate::relay::client::core::incoming::{Incoming, To, Told, each};
use crate::relay::client::core::pace::Ending;
use crate::relay::client::core::request::{Answer, Kind};
use crate::relay::client::core::seat::{Renewal, State};
use crate::relay::client::core::stream::Way;
use crate::relay::client::core::{Action, Core, DIRECT, Link};
use crate::relay::hub::Topic;
use serde_json::value::RawValue;
use std::time::Instant;

impl Core {
    /// Takes a text frame.
    pub(crate) fn received(&mut self, now: Instant, text: &str) {
        if !matches!(self.link, Link::Open { .. }) {
            return;
        }
        each(text, |told| {
            if told.and_then(|told| self.take(now, told)).is_none() {
                self.ignored = self.ignored.saturating_add(1);
            }
        });
    }

    /// `None` when nothing can be made of it.
    pub(super) fn take(&mut self, now: Instant, told: Told<'_>) -> Option<()> {
        let (reference, join) = (told.reference, told.join);
        match told.message {
            Incoming::Subscribed {
                topic,
                position,
                recovered,
                reply,
                ttl,
            } => {
                let begun = Begun {
                    position,
                    recovered,
                    reply,
                    ttl,
                };
                match reference {
                    Some(reference) => self.subscribed(now, reference, begun),
                    None => self.subscribed_by_server(now, &topic, begun),
                }
            }
            Incoming::Unsubscribed {
                topic,
                code,
                message,
            } => {
                if let Some(reference) = reference {
                    return self.requests.remove(&reference).map(drop);
                }
                let code = code.as_deref().unwrap_or("server");
                self.unsubscribed(now, &topic, join, code, &message)
            }
            Incoming::Push {
                topic,
                event,
                payload,
                to,
            } => self.push(&topic, &event, payload, to),
            Incoming::Lagged {
                topic,
                lagged,
                counts,
            } => {
                let id = self.joined(&topic)?;
                let offsets = match counts {
                    true => self.seats.get_mut(&id)?.advance(lagged.missed),
                    false => None,
                };
                self.tell_counted(id, Event::Lagged(lagged), offsets);
                Some(())
            }
            Incoming::Skipped { topic, count } => {
                let id = self.joined(&topic)?;
                self.seats.get_mut(&id)?.advance(count);
                Some(())
            }
            Incoming::PresenceState {
                topic,
                members,
                more,
            } => self.presence(&topic, Presence::State { members, more }),
            Incoming::PresenceDiff {
                topic,
                joined,
                left,
            } => self.presence(&topic, Presence::Diff { joined, left }),
            Incoming::Ok { ttl } => self.ok(now, reference?, ttl),
            Incoming::Pong => match reference {
                Some(reference) => self.answer(reference, Answer::Pong),
                None => Some(()),
            },
            Incoming::Result { payload } => {
                self.answer(reference?, Answer::Result(payload.to_owned()))
            }
            Incoming::Hello { conn_id, user } => {
                let user = user.map(Into::into);
                self.answer(reference?, Answer::Hello(Hello { conn_id, user }))
            }
            Incoming::Disconnect { code, reason } => {
                if self.way != Way::Stream {
                    return None;
                }
                self.actions.push_back(Action::Close);
                let reason = reason.into();
                self.lost(now, &Ending::Closed { code, reason });
                Some(())
            }
            Incoming::Error {
                code,
                message,
                topic,
            } => {
                let refusal = Refusal {
                    code: code.map_or_else(String::new, Into::into),
                    message: message.into(),
                };
                match (reference, topic) {
                    (Some(reference), _) => self.refused(now, reference, refusal),
                    (None, Some(topic)) => {
                        let id = self.current(&topic, join)?;
                        if self.way == Way::Stream && !self.seats.get(&id)?.is_joined() {
                            // In place of the `subscribed` that would be the answer.
                            self.refuse_seat(now, id, refusal);
                        } else {
                            self.tell(id, Event::Error(refusal));
                        }
                        Some(())
                    }
                    (None, None) => None,
                }
            }
        }
    }

    /// The answer to a subscription.
    fn subscribed(&mut self, now: Instant, reference: u64, begun: Begun<'_>) -> Option<()> {
        let Kind::Subscribe(id) = self.requests.get(&reference)?.kind else {
            return None;
        };
        self.requests.remove(&reference);
        if self.seats.get(&id)?.state != (State::Asked { reference }) {
            return None;
        }
        self.begin(now, id, begun)
    }

    /// The server subscribes this client, or takes over where its subscription stands.
    fn subscribed_by_server(&mut self, now: Instant, topic: &str, begun: Begun<'_>) -> Option<()> {
        if let Some(id) = self.topics.get(topic).copied() {
            let seat = self.seats.get_mut(&id)?;
            if seat.is_joined() {
                // A token that is not spoken of ends when it did.
                let renewal = std::mem::replace(&mut seat.renewal, Renewal::None);
                let has_ttl = begun.ttl.is_some();
                self.begin(now, id, begun)?;
                if !has_ttl {
                    self.seats.get_mut(&id)?.renewal = renewal;
                }
                return Some(());
            }
            if self.way == Way::Stream {
                // The answer itself: a stream has no `ref`.
                return self.begin(now, id, begun);
            }
            // The answer to what this client has asked for is on its way.
            return Some(());
        }
        if self.way == Way::Stream {
            return None;
        }
        let topic = Topic::new(topic).ok()?;
        if self.guests.len() >= GUESTS && !self.guests.contains(&topic) {
            return None;
        }
        self.guests.insert(topic.clone());
        self.tell(
            DIRECT,
            Event::Subscribed(Subscribed {
                topic,
                recovered: begun.recovered.unwrap_or(true),
                resumed: false,
                reply: begun.reply.map(ToOwned::to_owned),
            }),
        );
        Some(())
    }

    fn begin(&mut self, now: Instant, id: u64, begun: Begun<'_>) -> Option<()> {
        let seat = self.seats.get_mut(&id)?;
        let resumed = seat.joined_before;
        // A server that does not say so has kept nothing.
        let recovered = begun.recovered.unwrap_or(!resumed);
        seat.position = begun
            .position
            .or_else(|| seat.position.filter(|_| resumed && recovered));
        seat.state = State::Joined;
        seat.joined_before = true;
        seat.failures = 0;
        seat.renew(now, begun.ttl);
        let topic = seat.topic.clone();
        self.tell(
            id,
            Event::Subscribed(Subscribed {
                topic,
                recovered,
                resumed,
                reply: begun.reply.map(ToOwned::to_owned),
            }),
        );
        Some(())
    }

    fn unsubscribed(
        &mut self,
        now: Instant,
        topic: &str,
        join: Option<u64>,
        code: &str,
        message: &str,
    ) -> Option<()> {
        if let Some(topic) = self.guests.take(topic) {
            let event = Event::Unsubscribed(Unsubscribed {
                topic,
                code: code.to_owned(),
                message: message.to_owned(),
            });
            self.tell(DIRECT, event);
            return Some(());
        }
        let id = self.current(topic, join)?;
        let seat = self.seats.get_mut(&id)?;
        if !seat.is_joined() {
            return None;
        }
        let event = Event::Unsubscribed(Unsubscribed {
            topic: seat.topic.clone(),
            code: code.to_owned(),
            message: message.to_owned(),
        });
        if code == "token_expired" && seat.wants.token {
            seat.park();
            self.requests
                .retain(|_, request| request.seat() != Some(id));
            self.tell(id, event);
            self.retry(now, id);
        } else {
            self.dismiss(id, event);
        }
        Some(())
    }

    fn push(&mut self, topic: &str, event: &str, payload: &RawValue, to: To) -> Option<()> {
        let (mut id, mut offsets) = (DIRECT, None);
        let topic = if let Some(joined) = self.joined(topic) {
            id = joined;
            let seat = self.seats.get_mut(&id)?;
            if to == To::Subscribers {
                offsets = seat.advance(1);
            }
            seat.topic.clone()
        } else if let Some(topic) = self.guests.get(topic) {
            topic.clone()
        } else if to == To::User {
            Topic::new(topic).ok()?
        } else {
            // Late, behind the end of a subscription.
            return None;
        };
        let push = Push {
            topic,
            event: event.to_owned(),
            payload: payload.to_owned(),
            to_user: to == To::User,
        };
        self.tell_counted(id, Event::Push(push), offsets);
        Some(())
    }

    fn presence(&mut self, topic: &str, presence: Presence) -> Option<()> {
        let id = self.joined(topic)?;
        if !self.seats.get(&id)?.wants.presence {
            return None;
        }
        self.tell(id, Event::Presence(presence));
        Some(())
    }

    fn ok(&mut self, now: Instant, reference: u64, ttl: Option<u64>) -> Option<()> {
        match self.requests.get(&reference)?.kind {
            Kind::Sent { is_call: false } => self.answer(reference, Answer::Ok),
            Kind::Refresh(id) => {
                self.requests.remove(&reference);
                let seat = self.seats.get_mut(&id)?;
                seat.failures = 0;
                seat.renew(now, ttl);
                Some(())
            }
            Kind::Batch | Kind::Unsubscribe => self.requests.remove(&reference).map(drop),
            _ => None,
        }
    }

    fn answer(&mut self, reference: u64, answer: Answer) -> Option<()> {
        match self.requests.get(&reference)?.kind {
            Kind::Sent { .. } => {}
            _ => return None,
        }
        self.requests.remove(&reference);
        self.actions.push_back(Action::Answer {
            reference,
            outcome: Ok(answer),
        });
        Some(())
    }

    /// An error that answers.
    fn refused(&mut self, now: Instant, reference: u64, refusal: Refusal) -> Option<()> {
        if !self.requests.get(&reference)?.is_sent() {
            return None;
        }
        match self.requests.remove(&reference)?.kind {
            Kind::Sent { .. } => self.actions.push_back(Action::Answer {
                reference,
                outcome: Err(RequestError::Refused(refusal)),
            }),
            Kind::Subscribe(id) => {
                self.seats.get(&id)?;
                self.refuse_seat(now, id, refusal);
            }
            Kind::Refresh(id) => {
                self.tell(id, Event::Error(refusal));
                self.retry(now, id);
            }
            // Pushes come one by one, then; a subscription has ended anyway.
            Kind::Batch | Kind::Unsubscribe | Kind::Waiting(_) => {}
        }
        Some(())
    }

    /// The server refuses a subscription: for good, or for now.
    pub(super) fn refuse_seat(&mut self, now: Instant, id: u64, refusal: Refusal) {
        let Some(seat) = self.seats.get(&id) else {
            return;
        };
        let is_for_now = match refusal.code.as_str() {
            "rate_limited" => true,
            "token_expired" | "invalid_token" => seat.wants.token && seat.failures < TOKENS,
            _ => false,
        };
        if is_for_now {
            self.tell(id, Event::Error(refusal));
            self.retry(now, id);
        } else {
            self.dismiss(id, Event::Error(refusal));
        }
    }

    /// The subscription to a topic that counts what comes.
    pub(super) fn joined(&self, topic: &str) -> Option<u64> {
        let id = *self.topics.get(topic)?;
        self.seats.get(&id)?.is_joined().then_some(id)
    }

    /// The subscription to a topic, if the message speaks of its present generation.
    fn current(&self, topic: &str, join: Option<u64>) -> Option<u64> {
        let id = *self.topics.get(topic)?;
        let seat = self.seats.get(&id)?;
        join.is_none_or(|join| join == seat.join).then_some(id)
    }
}

/// What `subscribed` says.
struct Begun<'a> {
    position: Option<(u64, u64)>,
    recovered: Option<bool>,
    reply: Option<&'a RawValue>,
    ttl: Option<u64>,
}

/// The topics that a server may subscribe a client to.
const GUESTS: usize = 1024;

/// The tokens in a row that are tried for one subscription.
const TOKENS: u32 = 5;
