//! What a client knows and wants, without I/O: time is passed in, packets and actions come out.
//!
//! ```text
//!   Idle --open--> Opening --opened--> Open --lost--> Waiting --timeout--> Opening
//!    ^                 '---dial_failed-----------------^   |
//!    '-- no namespace wants a connection, or it was tried often enough
//!   any --shut_down--> Ended
//! ```
//!
//! Each namespace is a [`Space`] with a state of its own; the connection is theirs together.

pub(super) mod emit;
pub(super) mod frame;
mod incoming;
pub(super) mod pace;
mod space;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use self::words::{Action, Event, Left, Link, Lost, NoAnswer, SignIn, Terms, Tuning};

use crate::socketio::client::core::frame::{Content, Frame};
use crate::socketio::client::core::pace::Lots;
use crate::socketio::client::core::space::{Space, Standing};
use crate::socketio::packet::{Args, Body, Decoder, Packet};
use bytestring::ByteString;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Core {
    tuning: Tuning,
    link: Link,
    spaces: BTreeMap<u32, Space>,
    /// How often in a row there was no connection.
    failures: u32,
    lots: Lots,
    decoder: Decoder,
    outgoing: VecDeque<Frame>,
    outgoing_octets: usize,
    actions: VecDeque<Action>,
    last: u64,
    last_space: u32,
    ignored: u64,
    /// The namespaces that were left over this connection a moment ago, and when they may be asked for again.
    left: Vec<(ByteString, Instant)>,
    /// The connections until now: what came over one is not answered over another.
    connections: u64,
}

impl Core {
    pub(crate) fn new(tuning: Tuning, seed: u64) -> Self {
        Self {
            decoder: Decoder::with_limits(tuning.form, tuning.limits),
            tuning,
            link: Link::Idle,
            spaces: BTreeMap::new(),
            failures: 0,
            lots: Lots::new(seed),
            outgoing: VecDeque::new(),
            outgoing_octets: 0,
            actions: VecDeque::new(),
            last: 0,
            last_space: 0,
            ignored: 0,
            left: Vec::new(),
            connections: 0,
        }
    }

    /// The number of the connection.
    pub(crate) const fn connections(&self) -> u64 {
        self.connections
    }

    pub(crate) const fn link(&self) -> &Link {
        &self.link
    }

    /// What came and means nothing: answers that nobody waits for, events of namespaces that were left.
    pub(crate) const fn ignored(&self) -> u64 {
        self.ignored
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A namespace that is not wanted yet; `None` when there is a handle to it, or no room.
    pub(crate) fn add(&mut self, name: ByteString, sign_in: SignIn) -> Option<u32> {
        let is_known = self.spaces.values().any(|space| space.name == name);
        if is_known || self.spaces.len() >= self.tuning.spaces || self.link == Link::Ended {
            return None;
        }
        self.last_space += 1;
        self.spaces
            .insert(self.last_space, Space::new(name, sign_in));
        Some(self.last_space)
    }

    /// The namespace is wanted; what is wanted or connected already stays so.
    pub(crate) fn open(&mut self, now: Instant, id: u32) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !matches!(space.standing, Standing::Away) {
            return;
        }
        space.standing = Standing::Wanted;
        match self.link {
            Link::Idle => self.dial(),
            Link::Open { .. } => self.ask(now, id),
            Link::Opening | Link::Waiting { .. } | Link::Ended => {}
        }
    }

    /// The namespace is not wanted any more.
    pub(crate) fn leave(&mut self, now: Instant, id: u32) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let namespace = space.name.clone();
        let standing = std::mem::replace(&mut space.standing, Standing::Away);
        // The server may have let it in where it was only asked.
        if matches!(standing, Standing::Connected | Standing::Asked { .. }) {
            self.left.retain(|(_, until)| *until > now);
            self.left.push((namespace.clone(), now + REJOIN));
            let body = Body::Disconnect;
            // Behind what was sent before.
            self.push(Frame::control(
                &Packet { namespace, body },
                self.tuning.form,
            ));
        }
        if matches!(standing, Standing::Connected) {
            self.tell(id, Event::Disconnected(Left::Client));
        }
        if let Some(space) = self.spaces.get_mut(&id) {
            space.clear();
        }
        self.fail_acks(id, true);
        self.rest();
    }

    /// The last handle of a namespace is gone.
    pub(crate) fn remove(&mut self, now: Instant, id: u32) {
        self.leave(now, id);
        self.spaces.remove(&id);
    }

    /// The client ends.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        if self.link == Link::Ended {
            return;
        }
        let ids: Vec<u32> = self.spaces.keys().copied().collect();
        for id in ids {
            self.leave(now, id);
        }
        self.link = Link::Ended;
        self.actions.push_back(Action::Close);
    }

    /// There is a connection, with these words of the server's.
    pub(crate) fn opened(&mut self, now: Instant, terms: Terms) {
        if self.link != Link::Opening {
            return;
        }
        self.failures = 0;
        self.connections += 1;
        self.left.clear();
        self.decoder = Decoder::with_limits(self.tuning.form, self.tuning.limits);
        self.link = Link::Open {
            silent_at: now + terms.patience,
            terms,
        };
        let ids: Vec<u32> = self.spaces.keys().copied().collect();
        for id in ids {
            self.ask(now, id);
        }
    }

    /// The connection is a WebSocket from now on.
    pub(crate) const fn upgraded(&mut self) {
        if let Link::Open { terms, .. } = &mut self.link {
            terms.is_text = false;
        }
    }

    /// There is none.
    pub(crate) fn dial_failed(&mut self, now: Instant, is_final: bool) {
        if self.link != Link::Opening {
            return;
        }
        let goes_on = !is_final && self.wait(now);
        let wanted: Vec<u32> = self.wanted().collect();
        for id in wanted {
            self.tell(id, Event::NoConnection { last: !goes_on });
            if !goes_on {
                self.give_up(id);
            }
        }
    }

    /// The connection has ended.
    pub(crate) fn lost(&mut self, now: Instant, lost: Lost) {
        if !matches!(self.link, Link::Open { .. }) {
            return;
        }
        self.take_back();
        let ids: Vec<u32> = self.spaces.keys().copied().collect();
        for id in &ids {
            self.lose(*id, lost);
        }
        self.link = Link::Idle;
        if self.wanted().next().is_none() || self.wait(now) {
            return;
        }
        for id in ids {
            if self
                .spaces
                .get(&id)
                .is_some_and(|space| !matches!(space.standing, Standing::Away))
            {
                self.give_up(id);
                self.tell(id, Event::NoConnection { last: true });
            }
        }
    }

    /// A ping of the server's: it is alive.
    pub(crate) fn pinged(&mut self, now: Instant) {
        if let Link::Open { silent_at, terms } = &mut self.link {
            *silent_at = now + terms.patience;
            // One that waits is the first, and answers for all.
            if (self.outgoing.front()).is_none_or(|frame| frame.content != Content::Pong) {
                self.untransmit(Frame::pong());
            }
        }
    }

    /// The callback gave what to sign in with, or did not.
    pub(crate) fn signed_in(
        &mut self,
        now: Instant,
        id: u32,
        round: u64,
        with: Option<Map<String, Value>>,
    ) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !matches!(space.standing, Standing::SignIn { round: asked } if asked == round) {
            return;
        }
        match with {
            Some(with) => self.connect(now, id, with),
            None => {
                self.give_up(id);
                self.tell(id, Event::NoAuth);
                self.rest();
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let link = match self.link {
            Link::Waiting { at } => Some(at),
            Link::Open { silent_at, .. } => Some(silent_at),
            Link::Idle | Link::Opening | Link::Ended => None,
        };
        let spaces = self.spaces.values().filter_map(Space::deadline);
        spaces.chain(link).min()
    }

    /// What is due. An error ends the connection, and [`lost`](Self::lost) is to be told of it.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Lost> {
        let ids: Vec<u32> = self.spaces.keys().copied().collect();
        let mut is_unanswered = false;
        for id in ids {
            let Some(space) = self.spaces.get_mut(&id) else {
                continue;
            };
            let expired = space.expired(now);
            let rejoins = matches!(space.standing, Standing::Rejoins { at } if at <= now);
            let is_silent = matches!(space.standing, Standing::Asked { until } if until <= now);
            if is_silent {
                space.standing = Standing::Wanted;
                is_unanswered = true;
                self.tell(id, Event::Unanswered(None));
            }
            for ack in expired {
                self.answer(id, ack, Err(NoAnswer::Timeout));
            }
            if rejoins {
                self.ask(now, id);
            }
        }
        match self.link {
            Link::Waiting { at } if at <= now => {
                self.dial();
                Ok(())
            }
            Link::Open { silent_at, .. } if silent_at <= now => Err(Lost::PingTimeout),
            // Whoever says nothing about a namespace may be a proxy before nobody.
            _ if is_unanswered => Err(Lost::Close),
            _ => Ok(()),
        }
    }

    /// The connection of a namespace is lost, and it wants another.
    fn lose(&mut self, id: u32, lost: Lost) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        let event = match space.standing {
            Standing::Connected => Event::Disconnected(Left::Lost(lost)),
            Standing::Asked { .. } | Standing::SignIn { .. } => Event::Unanswered(Some(lost)),
            Standing::Rejoins { .. } => {
                space.standing = Standing::Wanted;
                return;
            }
            Standing::Wanted | Standing::Away => return,
        };
        space.standing = Standing::Wanted;
        self.fail_acks(id, false);
        self.tell(id, event);
    }

    /// There will be no connection for a namespace.
    fn give_up(&mut self, id: u32) {
        if let Some(space) = self.spaces.get_mut(&id) {
            space.standing = Standing::Away;
            space.clear();
        }
        self.fail_acks(id, true);
    }

    /// Asks for a namespace, or first for what to sign in with.
    fn ask(&mut self, now: Instant, id: u32) {
        self.last += 1;
        let round = self.last;
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !matches!(space.standing, Standing::Wanted | Standing::Rejoins { .. }) {
            return;
        }
        let left = self
            .left
            .iter()
            .find(|(name, until)| *name == space.name && *until > now);
        if let Some((_, at)) = left {
            space.standing = Standing::Rejoins { at: *at };
            return;
        }
        match &space.sign_in {
            SignIn::With(with) => {
                let with = with.clone();
                self.connect(now, id, with);
            }
            SignIn::Asked => {
                space.standing = Standing::SignIn { round };
                self.actions.push_back(Action::SignIn { space: id, round });
            }
        }
    }

    fn connect(&mut self, now: Instant, id: u32, with: Map<String, Value>) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        space.take_early();
        space.standing = Standing::Asked {
            until: now + self.tuning.connect_timeout,
        };
        let auth = space.auth(with);
        let body = Body::Connect(auth.map(|auth| Value::Object(auth).to_string().into()));
        let packet = Packet {
            namespace: space.name.clone(),
            body,
        };
        self.push(Frame::control(&packet, self.tuning.form));
    }

    /// Without a namespace that wants it there is no connection.
    fn rest(&mut self) {
        if self.wanted().next().is_some() || self.link == Link::Ended {
            return;
        }
        if matches!(self.link, Link::Opening | Link::Open { .. }) {
            self.actions.push_back(Action::Close);
        }
        self.failures = 0;
        self.link = Link::Idle;
    }

    fn dial(&mut self) {
        self.link = Link::Opening;
        self.actions.push_back(Action::Dial);
    }

    /// Comes back later, unless it was tried often enough.
    fn wait(&mut self, now: Instant) -> bool {
        let wait = self.tuning.pace.wait(self.failures, &mut self.lots);
        self.failures = self.failures.saturating_add(1);
        self.link = match wait {
            Some(wait) => Link::Waiting { at: now + wait },
            None => Link::Idle,
        };
        wait.is_some()
    }

    fn wanted(&self) -> impl Iterator<Item = u32> {
        (self.spaces.iter())
            .filter(|(_, space)| !matches!(space.standing, Standing::Away))
            .map(|(id, _)| *id)
    }

    fn tell(&mut self, space: u32, event: Event) {
        self.actions.push_back(Action::Event { space, event });
    }

    fn answer(&mut self, space: u32, id: u64, outcome: Result<Args, NoAnswer>) {
        self.actions
            .push_back(Action::Answer { space, id, outcome });
    }
}

/// Servers close the connection of whoever asks for a namespace while they still see to its leaving.
const REJOIN: Duration = Duration::from_millis(100);
