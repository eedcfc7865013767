//! What a session does when it is woken.

use super::missing::lagged;
use super::subscribe::{By, Joining, present_state};
use super::{Incoming, Session, Work};
use crate::relay::endpoint::mailbox::{BATCH, Command};
use crate::relay::endpoint::outlet::{COUNTS, Outlet};
use crate::relay::endpoint::overflow::{Gap, NO_SUBSCRIPTION};
use crate::relay::endpoint::payload::Payload;
use crate::relay::endpoint::token::Grant;
use crate::relay::hub::Topic;
use crate::relay::protocol::{ErrorCode, Reply, Wants, read};
use crate::resource::panic::{forget, guarded};
use crate::ws::prepared::Prepared;
use crate::ws::socket::Delivered;
use serde_json::value::RawValue;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep, sleep_until, timeout};

/// Takes a message that goes to the client: a topic's with the key of its subscription, any other with [`NO_SUBSCRIPTION`].
pub(in crate::relay::endpoint) type Take<'a> =
    dyn FnMut(u32, &Prepared, &mut Context<'_>) -> Delivered + 'a;

/// What a handler has.
pub(super) struct Current {
    doing: Doing,
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// What becomes of it: a reply and what a token gives, or what the client is told.
pub(super) type Outcome = Result<(Option<Payload>, Option<Grant>), (ErrorCode, String)>;

/// What it is done for.
pub(super) enum Doing {
    /// It waits for the other nodes; what it then does is the next thing to do.
    Attach(Topic),
    Join(Box<Joining>),
    Message(Topic, Option<Box<RawValue>>),
    Refresh(Topic, Option<Box<RawValue>>),
    Leave,
}

impl Current {
    /// What takes longer than `limit` has failed.
    pub(super) fn new(
        doing: Doing,
        limit: Duration,
        future: impl Future<Output = Outcome> + Send + 'static,
    ) -> Self {
        let late = doing.failed("it took too long");
        let future = async move { timeout(limit, future).await.unwrap_or(Err(late)) };
        Self {
            doing,
            future: Box::pin(future),
        }
    }

    /// Whether it waits for others on behalf of a client, which need not go on when that has gone.
    pub(super) const fn is_attaching(&self) -> bool {
        matches!(self.doing, Doing::Attach(_))
    }

    /// What is registered for it.
    pub(super) fn joining(&mut self) -> Option<&mut Joining> {
        match &mut self.doing {
            Doing::Join(joining) => Some(joining),
            _ => None,
        }
    }

    /// Whether it tells a handler that a subscription has ended, which nothing puts an end to.
    pub(super) const fn is_leaving(&self) -> bool {
        matches!(self.doing, Doing::Leave)
    }

    /// Whether it may become a subscription to this topic.
    fn joins(&self, topic: &Topic) -> bool {
        match &self.doing {
            Doing::Join(joining) => joining.topic == *topic,
            Doing::Attach(of) => of == topic,
            _ => false,
        }
    }

    /// Runs it to its end, when nobody waits for it.
    pub(super) async fn run(mut self) {
        let _ = poll_fn(|cx| self.poll(cx)).await;
    }

    /// Polls the handler, whose panic is an error like any other.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match guarded(|| self.future.as_mut().poll(cx)) {
            Ok(polled) => polled,
            Err(payload) => {
                forget(payload);
                Poll::Ready(Err(self.doing.failed("internal server error")))
            }
        }
    }
}

impl Doing {
    /// What the client is told when its handler has no outcome of its own.
    fn failed(&self, why: &str) -> (ErrorCode, String) {
        match self {
            Self::Join(_) => (ErrorCode::JoinRejected, format!("join rejected: {why}")),
            _ => (
                ErrorCode::HandlerError,
                format!("message handler error: {why}"),
            ),
        }
    }
}

/// What it waits for by the clock.
#[derive(Default)]
pub(super) struct Waits {
    /// For how long pushes are gathered.
    delay: Duration,
    batch: Option<Pin<Box<Sleep>>>,
    /// The next token that ends.
    expiry: Option<Pin<Box<Sleep>>>,
    /// Whether another one may be the next.
    is_stale: bool,
}

impl Waits {
    pub(super) fn gather(&mut self, delay: Duration) {
        self.delay = delay;
        self.batch = None;
    }

    /// When tokens end has changed.
    pub(super) const fn look(&mut self) {
        self.is_stale = true;
    }

    const fn is_idle(&self) -> bool {
        self.delay.is_zero() && self.expiry.is_none() && !self.is_stale
    }
}

impl Session {
    /// Does what there is to do, and gives `take` what goes to the client, as far as it takes it. When it takes nothing, it has
    /// to see to it that the task is woken.
    pub(in crate::relay::endpoint) fn poll(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) {
        self.link.outlet.listen(cx);
        self.obey();
        self.advance(cx);
        self.send(cx, take);
        if self.work.as_ref().is_some_and(|work| work.is_idle()) {
            self.work = None;
        }
    }

    /// Takes in what others want of this connection.
    fn obey(&mut self) {
        for command in self.link.outlet.commands() {
            match command {
                // Nothing that the client does holds this up, but a decision about the same topic.
                Command::Unsubscribe(topic) if !self.is_joining(&topic) => self.dismiss(&topic),
                command => self.work().incoming.push_back(Incoming::Command(command)),
            }
        }
    }

    fn is_joining(&self, topic: &Topic) -> bool {
        let current = self.work.as_ref().and_then(|work| work.current.as_ref());
        current.is_some_and(|current| current.joins(topic))
    }

    fn dismiss(&mut self, topic: &Topic) {
        self.revoke(topic, ("server", "unsubscribed by the server"));
    }

    /// Lets handlers, calls and clocks go on.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        loop {
            self.poll_expiry(cx);
            self.poll_calls(cx);
            self.handle(cx);
            let is_stale = self.work.as_ref().is_some_and(|work| work.waits.is_stale);
            if !is_stale {
                return;
            }
        }
    }

    /// Lets the handler go on, then gives it what waits for it.
    fn handle(&mut self, cx: &mut Context<'_>) {
        while let Some(work) = &mut self.work {
            if let Some(current) = &mut work.current {
                let Poll::Ready(outcome) = current.poll(cx) else {
                    return;
                };
                if let Some(current) = work.current.take() {
                    self.finish(current.doing, outcome);
                }
            } else if let Some(incoming) = work.incoming.pop_front() {
                self.do_next(incoming);
            } else {
                return;
            }
        }
    }

    /// Has something done; it is polled soon.
    pub(super) fn begin(&mut self, current: Current) {
        self.work().current = Some(current);
    }

    fn do_next(&mut self, incoming: Incoming) {
        let attaching = match &incoming {
            _ if !self.relay().is_clustered() => None,
            Incoming::Text(text) => {
                let asked = read(text).ok();
                asked.and_then(|asked| self.attaching(&asked.request))
            }
            Incoming::Command(Command::Subscribe(topic)) => self.attaching_to(topic),
            _ => None,
        };
        match attaching {
            Some(attaching) => self.attach(attaching, incoming),
            None => self.do_now(incoming),
        }
    }

    fn do_now(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Attached(incoming) => self.do_now(*incoming),
            Incoming::Text(text) => {
                // It was read once; only what can be read waits.
                if let Ok(asked) = read(&text) {
                    self.take(asked);
                }
            }
            Incoming::Command(Command::Subscribe(topic)) => {
                if self.place_of(&topic).is_none() {
                    // Whoever is subscribed by the server has not asked, and is told where the topic stands.
                    let wants = Wants {
                        rewind: Some(0),
                        ..Wants::default()
                    };
                    self.subscribe(topic, wants, None, By::Server);
                }
            }
            Incoming::Command(Command::Unsubscribe(topic)) => self.dismiss(&topic),
            Incoming::Left(topic) => {
                if let Some(leaving) = self.leaving(topic) {
                    self.begin(leaving);
                }
            }
        }
    }

    fn finish(&mut self, doing: Doing, outcome: Outcome) {
        match (doing, outcome) {
            (Doing::Join(joining), Ok((reply, granted))) => self.join(*joining, reply, granted),
            (Doing::Join(joining), Err((code, message))) => self.reject(*joining, code, &message),
            (Doing::Message(_, reference), Ok(_)) => self.confirm(None, reference.as_deref()),
            (Doing::Refresh(topic, reference), Ok((_, granted))) => {
                self.refreshed(&topic, granted, reference.as_deref());
            }
            (
                Doing::Message(topic, reference) | Doing::Refresh(topic, reference),
                Err((code, message)),
            ) => {
                let about = Some((&topic, None));
                self.fail(reference.as_deref(), code, about, &message);
            }
            (Doing::Leave | Doing::Attach(_), _) => {}
        }
    }

    fn poll_expiry(&mut self, cx: &mut Context<'_>) {
        while let Some(work) = &mut self.work {
            let waits = &mut work.waits;
            let is_due = match &mut waits.expiry {
                Some(expiry) => expiry.as_mut().poll(cx).is_ready(),
                None => false,
            };
            if !is_due && !waits.is_stale {
                return;
            }
            waits.is_stale = false;
            let next = self.expire();
            let waits = &mut self.work().waits;
            waits.expiry = next.map(|until| Box::pin(sleep_until(until)));
            if waits.expiry.is_none() {
                return;
            }
        }
    }

    /// Sends answers first, then what came before subscriptions, then what waits.
    fn send(&mut self, cx: &mut Context<'_>, take: &mut Take<'_>) {
        let link = self.link.clone();
        let outlet = &link.outlet;
        if let Some(work) = &mut self.work
            && work.send(outlet, cx, take) != Delivered::Taken
        {
            return;
        }
        if self.is_gathering() {
            self.send_batches(outlet, cx, take);
        } else {
            outlet.mailbox.flush(
                |key, message| take(key, message, cx),
                |key, gap| self.tell(key, gap),
            );
        }
    }

    fn is_gathering(&self) -> bool {
        let work = self.work.as_ref();
        work.is_some_and(|work| !work.waits.delay.is_zero())
    }

    /// Sends what was gathered for long enough, or is enough.
    fn send_batches(&mut self, outlet: &Outlet, cx: &mut Context<'_>, take: &mut Take<'_>) {
        let (waiting, is_pressed) = (outlet.mailbox.gathered(), outlet.mailbox.is_pressed());
        let Some(work) = &mut self.work else {
            return;
        };
        if waiting == 0 {
            work.waits.batch = None;
            return;
        }
        let delay = work.waits.delay;
        let timer = work
            .waits
            .batch
            .get_or_insert_with(|| Box::pin(sleep(delay)));
        let is_due = is_pressed || timer.as_mut().poll(cx).is_ready();
        if !is_due {
            return;
        }
        work.waits.batch = None;
        while let Some(batch) = outlet.batch(BATCH, |key, gap| self.tell(key, gap)) {
            match take(NO_SUBSCRIPTION, &batch, cx) {
                Delivered::Taken => {}
                Delivered::Full => {
                    // It is an answer now: those never wait for others.
                    self.work().answers.push_back(batch);
                    return;
                }
                Delivered::Closed => return,
            }
        }
    }

    /// What the client is told of a gap.
    fn tell(&self, key: u32, gap: Gap) -> Vec<Prepared> {
        for sub in &*self.subs {
            let topic = sub.topic();
            if sub.key == key {
                return match gap {
                    Gap::Skipped(count) if key & COUNTS != 0 => {
                        let skipped = Reply::Skipped { topic, count };
                        vec![Prepared::text(&skipped.text(None))]
                    }
                    gap => {
                        let told = lagged(self.relay().hub(), topic, gap);
                        told.iter().for_each(|_| self.relay().counters().lagged());
                        told
                    }
                };
            }
            let watch = sub.more.as_ref().and_then(|more| more.watch.as_ref());
            if watch.is_some_and(|watch| watch.1 == key) {
                // Changes are missing: all of it tells more than how many.
                let present = self.relay().hub().present(topic);
                return vec![present_state(topic, &present)];
            }
        }
        Vec::new()
    }
}

impl Work {
    fn is_idle(&self) -> bool {
        self.parts.is_none()
            && self.answers.is_empty()
            && self.recoveries.is_empty()
            && self.incoming.is_empty()
            && self.current.is_none()
            && self.calls.is_empty()
            && self.waits.is_idle()
    }

    fn send(&mut self, outlet: &Outlet, cx: &mut Context<'_>, take: &mut Take<'_>) -> Delivered {
        while let Some(answer) = self.answers.front() {
            match take(NO_SUBSCRIPTION, answer, cx) {
                Delivered::Taken => {}
                other => return other,
            }
            self.answers.pop_front();
        }
        while let Some(recovery) = self.recoveries.front_mut() {
            loop {
                while let Some(entry) = recovery.entries.as_slice().first() {
                    match take(recovery.key(), &entry.message, cx) {
                        Delivered::Taken => {}
                        other => return other,
                    }
                    recovery.entries.next();
                }
                if !recovery.turn(outlet) {
                    break;
                }
            }
            outlet.mailbox.release(recovery.key());
            self.recoveries.pop_front();
        }
        Delivered::Taken
    }
}
