//! What was asked of the server and has no answer yet.

use crate::relay::client::core::event::{Hello, RequestError};
use crate::relay::client::core::outgoing::Outgoing;
use crate::relay::client::core::{Action, Core, Link};
use crate::relay::hub::Topic;
use serde_json::value::RawValue;
use std::time::{Duration, Instant};

/// What an application asks of the server.
#[derive(Debug)]
pub(crate) enum Ask {
    Message {
        topic: Topic,
        event: String,
        payload: Box<RawValue>,
    },
    Call {
        method: String,
        payload: Box<RawValue>,
        /// How long it may take from now on.
        within: Duration,
    },
    Hello,
    Ping,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Ok,
    Result(Box<RawValue>),
    Hello(Hello),
    Pong,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) deadline: Instant,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// An application's, not sent yet.
    Waiting(Ask),
    /// An application's, sent.
    Sent {
        is_call: bool,
    },
    /// Of the subscription with this number.
    Subscribe(u64),
    Refresh(u64),
    Unsubscribe,
    Batch,
}

impl Request {
    /// The frame of one that waits; from then on it was sent.
    pub(crate) fn frame(&mut self, reference: u64, now: Instant) -> Option<String> {
        let Kind::Waiting(ask) = &self.kind else {
            return None;
        };
        let left = self
            .deadline
            .saturating_duration_since(now)
            .saturating_sub(GRACE);
        let frame = ask.frame(reference, left);
        let is_call = matches!(ask, Ask::Call { .. });
        self.kind = Kind::Sent { is_call };
        Some(frame)
    }

    pub(crate) const fn is_sent(&self) -> bool {
        !matches!(self.kind, Kind::Waiting(_))
    }

    /// The subscription that it belongs to.
    pub(crate) const fn seat(&self) -> Option<u64> {
        match self.kind {
            Kind::Subscribe(id) | Kind::Refresh(id) => Some(id),
            _ => None,
        }
    }

    /// Whether an application waits for its answer.
    const fn is_asked_for(&self) -> bool {
        matches!(self.kind, Kind::Waiting(_) | Kind::Sent { .. })
    }
}

impl Ask {
    fn frame(&self, reference: u64, left: Duration) -> String {
        let reference = Some(reference);
        let outgoing = match self {
            Self::Message {
                topic,
                event,
                payload,
            } => Outgoing {
                kind: "message",
                topic: Some(topic.as_str()),
                event: Some(event),
                payload: Some(payload),
                reference,
                ..Outgoing::default()
            },
            Self::Call {
                method, payload, ..
            } => Outgoing {
                kind: "call",
                method: Some(method),
                payload: Some(payload),
                deadline: Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1)),
                reference,
                ..Outgoing::default()
            },
            Self::Hello => Outgoing {
                kind: "hello",
                reference,
                ..Outgoing::default()
            },
            Self::Ping => Outgoing {
                kind: "ping",
                reference,
                ..Outgoing::default()
            },
        };
        outgoing.text()
    }
}

impl Core {
    /// Asks the server; gives the number under which the answer will come.
    pub(crate) fn request(&mut self, now: Instant, ask: Ask) -> Result<u64, RequestError> {
        if matches!(self.link, Link::Ended(_)) {
            return Err(RequestError::Ended);
        }
        if self.is_streaming() {
            return Err(RequestError::ReadOnly);
        }
        let within = match &ask {
            Ask::Call { within, .. } if *within > LONGEST_CALL => {
                return Err(RequestError::Invalid("a call may take 60 s at most"));
            }
            Ask::Call { within, .. } => within.saturating_add(GRACE),
            _ => self.tuning.request_timeout,
        };
        let waiting = self.requests.values().filter(|one| one.is_asked_for());
        if waiting.count() >= self.tuning.max_requests
            || self.outgoing.len() >= self.tuning.max_requests.saturating_mul(2)
        {
            return Err(RequestError::Full);
        }
        let frame = ask.frame(u64::MAX, within);
        if frame.len() > self.tuning.max_message {
            return Err(RequestError::TooLarge);
        }
        let reference = self.expect(Kind::Waiting(ask), now + within);
        if self.is_writable()
            && let Some(request) = self.requests.get_mut(&reference)
            && let Some(frame) = request.frame(reference, now)
        {
            self.outgoing.push_back(frame);
        }
        Ok(reference)
    }

    /// Nobody waits for the answer any more; a call is cancelled.
    pub(crate) fn forget(&mut self, reference: u64) {
        if !(self.requests.get(&reference)).is_some_and(Request::is_asked_for) {
            return;
        }
        if let Some(request) = self.requests.remove(&reference)
            && matches!(request.kind, Kind::Sent { is_call: true })
        {
            let cancel = Outgoing {
                kind: "cancel",
                reference: Some(reference),
                ..Outgoing::default()
            };
            self.outgoing.push_back(cancel.text());
        }
    }

    /// Expects an answer until then; gives the `ref` of the question.
    pub(super) fn expect(&mut self, kind: Kind, deadline: Instant) -> u64 {
        let reference = self.number();
        self.requests.insert(reference, Request { kind, deadline });
        reference
    }

    /// Whether all that is overdue could be dropped; a subscription's cannot.
    pub(super) fn expire_requests(&mut self, now: Instant) -> bool {
        let is_overdue = |request: &Request| request.deadline <= now;
        let renewals: Vec<u64> = self
            .requests
            .values()
            .filter(|request| is_overdue(request))
            .filter_map(|request| match request.kind {
                Kind::Refresh(id) => Some(id),
                _ => None,
            })
            .collect();
        let is_alive = !self
            .requests
            .values()
            .any(|request| is_overdue(request) && matches!(request.kind, Kind::Subscribe(_)));
        self.fail_requests(is_overdue, || RequestError::Timeout);
        for id in renewals {
            self.token_failed(now, id, "no answer to the new token".to_owned());
        }
        is_alive
    }

    /// Drops requests, and tells who waits for them.
    pub(super) fn fail_requests(
        &mut self,
        which: impl Fn(&Request) -> bool,
        error: impl Fn() -> RequestError,
    ) {
        let actions = &mut self.actions;
        self.requests.retain(|reference, request| {
            let stays = !which(request);
            if !stays && request.is_asked_for() {
                actions.push_back(Action::Answer {
                    reference: *reference,
                    outcome: Err(error()),
                });
            }
            stays
        });
    }
}

/// What a call's answer may take on its way beyond the deadline that the server keeps.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The longest deadline of a call.
const LONGEST_CALL: Duration = Duration::from_secs(60);
