//! The task of a node: the connection to its broker, again and again, and the times of its cluster.

use super::bell::Bell;
use super::pause::Pauses;
use super::{Inner, Node, Relay, log};
use crate::relay::backplane::{BackplaneError, Event, Link};
use crate::resource::panic::{forget, guarded};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

impl Relay {
    /// Has the task of its node, for as long as there is the relay and the runtime. Outside a runtime it does nothing.
    pub(super) fn keep_joined(&self, node: &Node) {
        if node.is_running.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !node.is_running.swap(true, Ordering::Relaxed) {
            let running = Running {
                relay: Arc::downgrade(&self.inner),
                bell: node.bell.clone(),
            };
            runtime.spawn(running.run());
        }
    }
}

struct Running {
    relay: Weak<Inner>,
    bell: Arc<Bell>,
}

/// A connection, or the attempt to make one.
struct Connection {
    running: Pin<Box<dyn Future<Output = BackplaneError> + Send>>,
    events: mpsc::Receiver<Event>,
    /// Since when it is one.
    connected: Option<Instant>,
}

/// Why a turn is over.
enum Over {
    /// The connection has ended, or could not be made.
    Ended(BackplaneError),
    /// It is time for the next one.
    Due,
    /// The relay has gone.
    Gone,
}

impl Running {
    async fn run(self) {
        let mut timer = Box::pin(sleep_until(Instant::now()));
        let mut pauses = Pauses::default();
        loop {
            let begun = Instant::now();
            let Some(mut connection) = self.connect() else {
                return;
            };
            let over = poll_fn(|cx| self.poll(cx, timer.as_mut(), Some(&mut connection), None));
            let Over::Ended(why) = over.await else {
                return;
            };
            let lasted = connection.connected.map(|since| since.elapsed());
            // Nothing of it is left when the next one begins.
            drop(connection);
            let Some(relay) = self.relay() else {
                return;
            };
            if let Some(node) = &relay.inner.node {
                log::lost(node.backplane.name(), &why, lasted.is_some());
                relay.with_core(node, |core, now| relay.down(core, &why, now));
            }
            drop(relay);
            let next = begun + pauses.after(lasted);
            let over = poll_fn(|cx| self.poll(cx, timer.as_mut(), None, Some(next)));
            if !matches!(over.await, Over::Due) {
                return;
            }
        }
    }

    fn relay(&self) -> Option<Relay> {
        let inner = self.relay.upgrade()?;
        Some(Relay { inner })
    }

    fn connect(&self) -> Option<Connection> {
        let relay = self.relay()?;
        let node = relay.inner.node.as_ref()?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the cluster has a window of what is under way"
        )]
        let (commands, taken) = mpsc::unbounded_channel();
        let (given, events) = mpsc::channel(MOST_EVENTS);
        node.core().commands = Some(commands);
        let link = Link {
            commands: taken,
            events: given,
        };
        Some(Connection {
            running: node.backplane.run(link),
            events,
            connected: None,
        })
    }

    /// Takes what comes, and keeps time, until the connection ends or it is time for the next one.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        connection: Option<&mut Connection>,
        until: Option<Instant>,
    ) -> Poll<Over> {
        let Some(relay) = self.relay() else {
            return Poll::Ready(Over::Gone);
        };
        let Some(node) = &relay.inner.node else {
            return Poll::Ready(Over::Gone);
        };
        let mut over = None;
        if let Some(connection) = connection {
            over = connection.poll(cx, &relay, node).map(Over::Ended);
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            over = over.or(Some(Over::Due));
        }
        if let Some(over) = over {
            return Poll::Ready(over);
        }
        // What is said to the cluster changes when it wants to be called.
        loop {
            let is_told = self.bell.poll(cx).is_ready();
            if !is_told && timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let next = relay.tick(node);
            let next = until.map_or(next, |until| next.min(until));
            timer.as_mut().reset(next);
            if until.is_some_and(|until| until <= Instant::now()) {
                return Poll::Ready(Over::Due);
            }
        }
    }
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>, relay: &Relay, node: &Node) -> Option<BackplaneError> {
        let mut events = Vec::new();
        let taken = self.events.poll_recv_many(cx, &mut events, AT_ONCE);
        self.take(relay, node, events);
        let why = match guarded(|| self.running.as_mut().poll(cx)) {
            Ok(Poll::Ready(why)) => why,
            Ok(Poll::Pending) => {
                if matches!(taken, Poll::Ready(1..)) {
                    // There may be more; meanwhile others have their turn.
                    cx.waker().wake_by_ref();
                }
                return None;
            }
            Err(payload) => {
                forget(payload);
                BackplaneError::new("it has panicked")
            }
        };
        // What came before its end still counts.
        let mut events = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            events.push(event);
        }
        self.take(relay, node, events);
        Some(why)
    }

    fn take(&mut self, relay: &Relay, node: &Node, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        if events.contains(&Event::Connected) {
            self.connected = Some(Instant::now());
            node.core().trouble = None;
            log::connected(node.backplane.name());
        }
        for event in events {
            relay.with_core(node, |core, now| core.cluster.event(event, now));
        }
    }
}

impl Relay {
    /// Time has passed; gives when this is to be called next.
    fn tick(&self, node: &Node) -> Instant {
        let mut core = node.core();
        let now = core.now.max(self.now());
        core.now = now;
        self.detach_idle(&mut core, now);
        let next = core.cluster.tick(now);
        self.settle(&mut core, now);
        let is_double = core.cluster.standing(now).is_double;
        if is_double && !std::mem::replace(&mut core.is_double, is_double) {
            log::double(node.number);
        }
        let next = (core.idle.front()).map_or(next, |(since, _)| next.min(since + super::LINGER));
        drop(core);
        let wait = next.saturating_sub(now).clamp(1, LONGEST_WAIT);
        Instant::now() + Duration::from_millis(wait)
    }
}

/// Its runtime has ended: whoever comes next begins again.
impl Drop for Running {
    fn drop(&mut self) {
        let Some(relay) = self.relay() else {
            return;
        };
        if let Some(node) = &relay.inner.node {
            let mut core = node.core();
            let now = core.now;
            relay.down(
                &mut core,
                &BackplaneError::new("its runtime has ended"),
                now,
            );
            relay.settle(&mut core, now);
            drop(core);
            node.is_running.store(false, Ordering::Relaxed);
        }
    }
}

/// How many events may wait.
const MOST_EVENTS: usize = 256;

/// How many are taken at once. Whoever was cut off has a lot to hear, and those who are served by the same thread do not wait for all of
/// it; one write to a subscriber should have several of them all the same.
const AT_ONCE: usize = 64;

/// Milliseconds after which time passes in any case.
const LONGEST_WAIT: u64 = 60_000;
