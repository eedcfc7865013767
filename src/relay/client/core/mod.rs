//! The sans-I/O core of the client: messages, time and endings in; frames, events and wishes out.
//!
//! ```text
//!   received, opened, lost, token, request, subscribe ... (each with the time)
//!        |
//!      Core: link (is there a connection, when is the next tried) | seats (one for each topic) | requests (by `ref`)
//!        |
//!   poll_transmit: frames | poll_action: events, answers, connect, close, a token is wanted | poll_timeout
//! ```
//!
//! Nothing that a server says can make it panic or hold more than its bounds: what it does not understand is counted and
//! left out.

pub(crate) mod event;
pub(crate) mod events;
mod incoming;
mod outgoing;
pub(crate) mod pace;
mod receive;
mod request;
pub(crate) mod seat;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use crate::relay::client::core::event::{
    Event, Refusal, RequestError, SubscribeError, Unsubscribed,
};
use crate::relay::client::core::outgoing::Outgoing;
use crate::relay::client::core::pace::{Backoff, Course, Ended, Ending, Lots, course};
use crate::relay::client::core::request::{Kind, Request};
use crate::relay::client::core::seat::{Renewal, Seat, State, Wants};
use crate::relay::client::core::stream::{Detour, Way, Ways};
use crate::relay::hub::{Offsets, Topic};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

pub(crate) use crate::relay::client::core::request::{Answer, Ask};

/// How the core is run.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) backoff: Backoff,
    /// How long a request waits for its answer.
    pub(crate) request_timeout: Duration,
    /// How long a subscription waits for its answer before the connection is taken for dead.
    pub(crate) join_timeout: Duration,
    /// The requests that may wait.
    pub(crate) max_requests: usize,
    /// The octets of a message to the server.
    pub(crate) max_message: usize,
    /// The subscriptions.
    pub(crate) max_subscriptions: usize,
    /// Whether each connection signs in anew.
    pub(crate) can_sign_in: bool,
    /// The pushes come in batches, so long apart.
    pub(crate) batch: Option<Duration>,
    /// What may be opened.
    pub(crate) ways: Ways,
    /// How long a stream stays before a socket is tried beside it.
    pub(crate) probe: Duration,
}

/// Something for the driver to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Open a socket; while there is a stream, beside it.
    Connect,
    /// Open a stream for the topics there are.
    Stream,
    /// Close whatever is open or being opened, as a client that has no more use for it.
    Close,
    /// Ask the callback of a subscription for a token.
    Token { seat: u64, round: u64 },
    /// Give this to a subscription, or to [`DIRECT`].
    Event {
        seat: u64,
        event: Event,
        /// Those of the push, or of those that are missing, if it is known where the subscription stands.
        offsets: Option<Offsets>,
    },
    /// The subscription has ended.
    End { seat: u64 },
    /// A request has its answer.
    Answer {
        reference: u64,
        outcome: Result<Answer, RequestError>,
    },
}

/// The number of nobody's subscription: what the server sends to this client without being asked.
pub(crate) const DIRECT: u64 = 0;

/// The connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is being opened.
    Opening,
    Open {
        since: Instant,
    },
    /// The next one is tried then.
    Waiting {
        until: Instant,
        /// How the last one ended.
        why: String,
    },
    /// There will be none any more.
    Ended(Ended),
}

#[derive(Debug)]
pub(crate) struct Core {
    tuning: Tuning,
    link: Link,
    /// What the link is, or will be.
    way: Way,
    detour: Detour,
    seats: HashMap<u64, Seat>,
    topics: HashMap<Topic, u64>,
    /// Topics that the server subscribed this client to.
    guests: HashSet<Topic>,
    /// In the order in which they were made.
    requests: BTreeMap<u64, Request>,
    outgoing: VecDeque<String>,
    actions: VecDeque<Action>,
    /// The last number that was given, to a subscription, a generation of one, a request or a round.
    last: u64,
    /// The connections in a row that came to nothing.
    failures: u32,
    /// The sign-ins in a row that were refused.
    sign_ins: u32,
    lots: Lots,
    ignored: u64,
}

impl Core {
    /// A client that is about to open its first connection.
    pub(crate) fn new(tuning: Tuning, seed: u64) -> Self {
        let way = tuning.ways.first();
        // A stream waits for a topic.
        let connects = (way == Way::Socket).then_some(Action::Connect);
        Self {
            tuning,
            link: Link::Opening,
            way,
            detour: Detour::default(),
            seats: HashMap::new(),
            topics: HashMap::new(),
            guests: HashSet::new(),
            requests: BTreeMap::new(),
            outgoing: VecDeque::new(),
            actions: connects.into_iter().collect(),
            last: 0,
            failures: 0,
            sign_ins: 0,
            lots: Lots::new(seed),
            ignored: 0,
        }
    }

    pub(crate) const fn link(&self) -> &Link {
        &self.link
    }

    /// The messages that were left out because nobody could make anything of them.
    pub(crate) const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// There is a connection: a socket may take the place of a stream.
    pub(crate) fn opened(&mut self, now: Instant, way: Way) {
        match self.link {
            Link::Opening if way == self.way => {}
            Link::Open { .. } if way == Way::Socket && self.way == Way::Stream => self.disconnect(),
            _ => return,
        }
        self.link = Link::Open { since: now };
        self.way = way;
        self.detour.opened();
        if way == Way::Stream {
            return self.schedule_probe(now);
        }
        if let Some(delay) = self.tuning.batch {
            self.ask_for_batches(now, delay);
        }
        let mut parked: Vec<u64> = self.seats.keys().copied().collect();
        parked.sort_unstable();
        for id in parked {
            self.ask(now, id);
        }
        let mut waiting = std::mem::take(&mut self.requests);
        for (reference, request) in &mut waiting {
            if let Some(frame) = request.frame(*reference, now) {
                self.outgoing.push_back(frame);
            }
        }
        self.requests.append(&mut waiting);
    }

    /// The connection has ended, or could not be opened.
    pub(crate) fn lost(&mut self, now: Instant, ending: &Ending) {
        let lived = match self.link {
            Link::Open { since } => now.saturating_duration_since(since),
            Link::Opening => Duration::ZERO,
            Link::Waiting { .. } | Link::Ended(_) => return,
        };
        self.note_refusal(ending);
        self.disconnect();
        // A server that takes a connection only to close it is no better than one that does not.
        if lived >= STABLE {
            (self.failures, self.sign_ins) = (0, 0);
        }
        let mut least = Duration::ZERO;
        match course(ending, self.tuning.can_sign_in) {
            Course::Soon => {}
            // A stream may be had where a socket may not.
            Course::Later(_) if self.detours_from(ending) => {}
            Course::Later(wait) => least = wait,
            Course::SignIn => {
                self.sign_ins += 1;
                if self.sign_ins > SIGN_INS {
                    return self.end(match ending {
                        Ending::Refused { status, .. } => Ended::Refused(*status),
                        _ => Ended::SignedOut,
                    });
                }
            }
            Course::Stop(ended) => return self.end(ended),
        }
        let wait = self.tuning.backoff.wait(self.failures, &mut self.lots);
        self.failures = self.failures.saturating_add(1);
        self.way = self.next_way();
        self.link = Link::Waiting {
            until: now + least.saturating_add(wait),
            why: ending.to_string(),
        };
    }

    /// Ends the client from this side. What waits is told so.
    pub(crate) fn shut_down(&mut self) {
        if !matches!(self.link, Link::Ended(_)) {
            self.disconnect();
            self.end(Ended::Local);
        }
    }

    /// Subscribes to a topic; gives the subscription's number.
    pub(crate) fn subscribe(
        &mut self,
        now: Instant,
        topic: Topic,
        wants: Wants,
    ) -> Result<u64, SubscribeError> {
        if let Link::Ended(ended) = &self.link {
            return Err(SubscribeError::Ended(ended.clone()));
        }
        if self.topics.contains_key(&topic) {
            return Err(SubscribeError::Taken);
        }
        // Those that were ended and are not answered yet count, too.
        if self.seats.len() >= self.tuning.max_subscriptions || !self.has_room() {
            return Err(SubscribeError::TooMany);
        }
        let payload = wants
            .payload
            .as_ref()
            .map_or(0, |payload| payload.get().len());
        if payload > self.tuning.max_message.saturating_sub(FRAME) {
            return Err(SubscribeError::TooLarge);
        }
        let id = self.number();
        self.topics.insert(topic.clone(), id);
        self.guests.remove(&topic);
        self.seats.insert(id, Seat::new(topic, wants));
        self.ask(now, id);
        Ok(id)
    }

    /// Ends a subscription from this side.
    pub(crate) fn unsubscribe(&mut self, now: Instant, id: u64) {
        let Some(seat) = self.seats.remove(&id) else {
            return;
        };
        self.topics.remove(&seat.topic);
        let is_known_there = matches!(seat.state, State::Asked { .. } | State::Joined);
        if !self.is_writable() {
            return self.restream(now);
        }
        if !is_known_there {
            return;
        }
        self.requests
            .retain(|_, request| request.seat() != Some(id));
        let reference = self.expect(Kind::Unsubscribe, now + self.tuning.request_timeout);
        self.outgoing.push_back(
            Outgoing {
                kind: "unsubscribe",
                topic: Some(seat.topic.as_str()),
                reference: Some(reference),
                join: Some(seat.join),
                ..Outgoing::default()
            }
            .text(),
        );
    }

    /// What a callback said. An answer to an older question is none.
    pub(crate) fn token(
        &mut self,
        now: Instant,
        id: u64,
        round: u64,
        token: Result<String, String>,
    ) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let is_first = seat.state == State::Token { round };
        if !is_first && seat.renewal != (Renewal::Token { round }) {
            return;
        }
        let token = match token {
            Ok(token) if token.len() <= self.tuning.max_message / 2 => token,
            Ok(_) => return self.token_failed(now, id, "the token is too long".to_owned()),
            Err(error) => return self.token_failed(now, id, error),
        };
        if is_first {
            return self.ask_with(now, id, Some(&token));
        }
        let reference = self.expect(Kind::Refresh(id), now + self.tuning.request_timeout);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.renewal = Renewal::Sent { reference };
            let refresh = Outgoing {
                kind: "refresh",
                topic: Some(seat.topic.as_str()),
                reference: Some(reference),
                join: Some(seat.join),
                token: Some(&token),
                ..Outgoing::default()
            };
            self.outgoing.push_back(refresh.text());
        }
    }

    /// From now on, and after every reconnection, pushes come in batches.
    pub(crate) fn batch(&mut self, now: Instant, delay: Duration) {
        self.tuning.batch = Some(delay);
        if self.is_writable() && self.has_room() {
            self.ask_for_batches(now, delay);
        }
    }

    /// Whether there is room for what is said beside requests.
    fn has_room(&self) -> bool {
        let most = WAITING + self.tuning.max_requests.saturating_mul(2);
        self.outgoing.len() < most && self.requests.len() < most
    }

    /// The next frame to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<String> {
        self.outgoing.pop_front()
    }

    /// A frame that could not be sent yet, back where it was.
    pub(crate) fn untransmit(&mut self, frame: String) {
        self.outgoing.push_front(frame);
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let link = match self.link {
            Link::Waiting { until, .. } => Some(until),
            _ => None,
        };
        let requests = self.requests.values().map(|request| request.deadline);
        let seats = self.seats.values().filter_map(Seat::due);
        let stream = self.detour.due();
        let all = link.into_iter().chain(requests).chain(seats);
        all.chain(stream).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.link, Link::Waiting { until, .. } if until <= now) {
            self.connect();
        }
        if !self.expire_requests(now) {
            // The server does not answer: it is not there any more, whatever the transport says.
            self.actions.push_back(Action::Close);
            return self.lost(
                now,
                &Ending::Failed("no answer to a subscription".to_owned()),
            );
        }
        let mut due: Vec<u64> = self
            .seats
            .iter()
            .filter(|(_, seat)| seat.due().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        due.sort_unstable();
        for id in due {
            let round = self.number();
            match self.seats.get_mut(&id) {
                Some(seat) if seat.is_joined() && self.way == Way::Stream => {
                    // A token is given with the stream.
                    seat.renewal = Renewal::None;
                    self.restream(now);
                }
                Some(seat) if seat.is_joined() => {
                    seat.renewal = Renewal::Token { round };
                    self.actions.push_back(Action::Token { seat: id, round });
                }
                _ => self.ask(now, id),
            }
        }
        self.handle_stream_timeout(now);
    }

    /// Asks the server, or first the callback, for a subscription that is not joined.
    fn ask(&mut self, now: Instant, id: u64) {
        if !self.is_writable() {
            if let Some(seat) = self.seats.get_mut(&id) {
                seat.park();
            }
            return self.restream(now);
        }
        let round = self.number();
        match self.seats.get_mut(&id) {
            Some(seat) if seat.wants.token => {
                seat.state = State::Token { round };
                self.actions.push_back(Action::Token { seat: id, round });
            }
            Some(_) => self.ask_with(now, id, None),
            None => {}
        }
    }

    fn ask_with(&mut self, now: Instant, id: u64, token: Option<&str>) {
        let reference = self.expect(Kind::Subscribe(id), now + self.tuning.join_timeout);
        if let Some(seat) = self.seats.get_mut(&id) {
            let frame = seat.ask(reference, token);
            self.outgoing.push_back(frame);
        }
    }

    fn ask_for_batches(&mut self, now: Instant, delay: Duration) {
        let reference = self.expect(Kind::Batch, now + self.tuning.request_timeout);
        let batch = Outgoing {
            kind: "batch",
            delay: Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            reference: Some(reference),
            ..Outgoing::default()
        };
        self.outgoing.push_back(batch.text());
    }

    /// A token was not to be had, or not taken: again later, as long as the subscription lasts.
    fn token_failed(&mut self, now: Instant, id: u64, message: String) {
        self.tell(
            id,
            Event::Error(Refusal {
                code: "token".to_owned(),
                message,
            }),
        );
        self.retry(now, id);
    }

    /// Asks again after a wait: for the subscription, or for its new token.
    fn retry(&mut self, now: Instant, id: u64) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let wait = self.tuning.backoff.wait(seat.failures, &mut self.lots);
        seat.failures = seat.failures.saturating_add(1);
        let at = now + wait.max(RETRY);
        if seat.is_joined() {
            seat.renewal = Renewal::Due { at };
        } else {
            seat.state = State::Retry { at };
        }
    }

    /// There is no connection any more. What was sent over it and has no answer is told so; subscriptions wait.
    fn disconnect(&mut self) {
        self.outgoing.clear();
        self.detour.clear();
        self.fail_requests(|request| request.is_sent(), || RequestError::Disconnected);
        for seat in self.seats.values_mut() {
            seat.park();
        }
        let guests = std::mem::take(&mut self.guests);
        for topic in guests {
            self.tell(
                DIRECT,
                Event::Unsubscribed(Unsubscribed {
                    topic,
                    code: "disconnected".to_owned(),
                    message: "the connection has ended".to_owned(),
                }),
            );
        }
    }

    fn end(&mut self, ended: Ended) {
        self.link = Link::Ended(ended);
        self.fail_requests(|_| true, || RequestError::Ended);
        self.topics.clear();
        let mut ids: Vec<u64> = self.seats.drain().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.push(DIRECT);
        let ends = ids.into_iter().map(|seat| Action::End { seat });
        self.actions.extend(ends);
        self.actions.push_back(Action::Close);
    }

    /// Ends a subscription from the other side.
    fn dismiss(&mut self, id: u64, last: Event) {
        if let Some(seat) = self.seats.remove(&id) {
            self.topics.remove(&seat.topic);
            self.requests
                .retain(|_, request| request.seat() != Some(id));
            self.tell(id, last);
            self.actions.push_back(Action::End { seat: id });
        }
    }

    fn tell(&mut self, seat: u64, event: Event) {
        self.tell_counted(seat, event, None);
    }

    /// The same of what has offsets.
    fn tell_counted(&mut self, seat: u64, event: Event, offsets: Option<Offsets>) {
        self.actions.push_back(Action::Event {
            seat,
            event,
            offsets,
        });
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// A connection that lived for this long was a good one.
const STABLE: Duration = Duration::from_secs(10);

/// How often in a row signing in is tried.
const SIGN_INS: u32 = 3;

/// The least wait before something that was refused is asked for again.
const RETRY: Duration = Duration::from_millis(200);

/// What may wait beside requests: to be sent, or answered.
const WAITING: usize = 4096;

/// What a message has around its payload, at the most: its fields, a topic, numbers.
pub(crate) const FRAME: usize = 1024;
