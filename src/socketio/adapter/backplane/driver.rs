//! The connection, and who else is there.

use super::frame::{Frame, Kind};
use crate::relay::backplane::{Backplane, BackplaneError, Channel, Command, Event, Link};
use crate::socketio::adapter::log;
use crate::socketio::adapter::nodes::{Carrier, Counting, Nodes, Others, Place};
use crate::socketio::adapter::outbox::Outbox;
use crate::socketio::adapter::running::{self, Running};
use bytes::Bytes;
use bytestring::ByteString;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// What the adapter and its connection have in common.
pub(super) struct Shared {
    backplane: Arc<dyn Backplane>,
    own: ByteString,
    outbox: Outbox<Bytes>,
    /// The other nodes, and when they were heard of.
    others: Mutex<BTreeMap<ByteString, Instant>>,
    is_up: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(backplane: Arc<dyn Backplane>, own: ByteString) -> Arc<Self> {
        Arc::new(Self {
            backplane,
            own,
            outbox: Outbox::new(),
            others: Mutex::default(),
            is_up: watch::Sender::new(false),
        })
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<ByteString, Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this node is there.
    fn about_itself(&self, kind: Kind) -> Option<Bytes> {
        let frame = Frame {
            kind,
            from: self.own.clone(),
            namespace: ByteString::default(),
            words: Bytes::new(),
        };
        frame.write()
    }

    /// Gives why the connection ended.
    async fn serve(self: &Arc<Self>, nodes: &Arc<Nodes>) -> BackplaneError {
        #[expect(
            clippy::disallowed_methods,
            reason = "what is under way is bounded by a semaphore"
        )]
        let (commands, wanted) = mpsc::unbounded_channel();
        let (happened, events) = mpsc::channel(64);
        let mut connection = JoinSet::new();
        connection.spawn(self.backplane.run(Link {
            commands: wanted,
            events: happened,
        }));
        let hearing = Hearing {
            shared: self.clone(),
            nodes: nodes.clone(),
            window: Arc::new(Semaphore::new(UNDER_WAY)),
            commands,
        };
        // It hears until the connection has ended.
        hearing.run(events).await;
        match connection.join_next().await {
            Some(Ok(why)) => why,
            Some(Err(error)) => BackplaneError::new(error),
            None => BackplaneError::new("there is nothing to do"),
        }
    }

    /// Sends what waits, and now and then that this node is there.
    async fn speak(
        self: Arc<Self>,
        window: Arc<Semaphore>,
        commands: mpsc::UnboundedSender<Command>,
        nodes: Arc<Nodes>,
    ) {
        let mut id = 0;
        let mut send = async |message: Bytes| {
            let room = window.acquire().await;
            // It is given back when the broker has done it.
            room.map(tokio::sync::SemaphorePermit::forget).is_ok() && {
                id += 1;
                let publish = Command::Publish {
                    id,
                    channel: Channel::All,
                    message,
                };
                commands.send(publish).is_ok()
            }
        };
        let mut due = Instant::now();
        let mut kind = Kind::Hello;
        loop {
            if due <= Instant::now() {
                let Some(beat) = self.about_itself(kind) else {
                    return;
                };
                if !send(beat).await {
                    return;
                }
                due = Instant::now() + BEAT;
                if kind == Kind::Hello {
                    kind = Kind::Here;
                    // Those who are there say so; others need a moment to come back.
                    let is_first = nodes.stats().connects == 0;
                    sleep(if is_first { MOMENT } else { PAUSE }).await;
                    self.is_up.send_replace(true);
                    nodes.connected(self.backplane.name());
                }
            }
            let waiting = timeout_at(due, self.outbox.take(BATCH)).await;
            for message in waiting.unwrap_or_default() {
                if !send(message).await {
                    return;
                }
            }
        }
    }
}

impl Carrier for Shared {
    fn send(&self, namespace: &str, place: Place<'_>, words: Bytes) -> bool {
        let frame = Frame {
            kind: match place {
                Place::Broadcast(_) => Kind::Broadcast,
                Place::Questions => Kind::Question,
                Place::Answers(_) => Kind::Answer,
            },
            from: self.own.clone(),
            namespace: namespace.into(),
            words,
        };
        let octets = frame.words.len();
        (frame.write()).is_some_and(|message| self.outbox.push(message, octets))
    }

    fn others(&self, _: &str) -> Option<Counting> {
        (*self.is_up.borrow()).then_some(())?;
        let now = Instant::now();
        let mut others = self.others();
        others.retain(|_, heard| now.duration_since(*heard) < SILENCE);
        let names = others
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>();
        let others = Others {
            count: names.len(),
            names,
        };
        Some(Box::pin(std::future::ready(Some(others))))
    }
}

/// Takes what comes.
struct Hearing {
    shared: Arc<Shared>,
    nodes: Arc<Nodes>,
    window: Arc<Semaphore>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Hearing {
    async fn run(self, mut events: mpsc::Receiver<Event>) {
        // It ends with this.
        let mut speaking = JoinSet::new();
        while let Some(event) = events.recv().await {
            match event {
                Event::Connected => {
                    let _ = self.commands.send(Command::Subscribe(Channel::All));
                }
                Event::Subscribed(_) if speaking.is_empty() => {
                    let (window, commands) = (self.window.clone(), self.commands.clone());
                    speaking.spawn(
                        self.shared
                            .clone()
                            .speak(window, commands, self.nodes.clone()),
                    );
                }
                Event::Message { message, .. } => self.hear(&message),
                Event::Done { .. } => self.window.add_permits(1),
                Event::Refused { .. } => {
                    self.window.add_permits(1);
                    self.nodes.dropped(1);
                }
                Event::Subscribed(_) | Event::History { .. } => {}
            }
        }
        // What was under way may have come or not.
        let under_way = UNDER_WAY.saturating_sub(self.window.available_permits());
        self.nodes.dropped(under_way.try_into().unwrap_or(u64::MAX));
    }

    fn hear(&self, message: &Bytes) {
        let Some(frame) = Frame::read(message) else {
            return self.nodes.garbled();
        };
        if frame.from == self.shared.own {
            return;
        }
        if frame.from.len() > NAME {
            return self.nodes.garbled();
        }
        note(&mut self.shared.others(), frame.from, Instant::now());
        match frame.kind {
            Kind::Broadcast => self.nodes.heard_broadcast(&frame.namespace, &frame.words),
            Kind::Question => self.nodes.heard_question(&frame.namespace, &frame.words),
            Kind::Answer => self.nodes.heard_answer(&frame.words),
            Kind::Hello => {
                if let Some(here) = self.shared.about_itself(Kind::Here) {
                    self.shared.outbox.push(here, 0);
                }
            }
            Kind::Here => {}
        }
    }
}

/// A node has been heard of. For new ones there is room where others are silent, or they are not waited for.
fn note(others: &mut BTreeMap<ByteString, Instant>, name: ByteString, now: Instant) {
    if let Some(heard) = others.get_mut(&name) {
        *heard = now;
        return;
    }
    if others.len() >= NODES {
        others.retain(|_, heard| now.duration_since(*heard) < SILENCE);
    }
    if others.len() < NODES {
        others.insert(name, now);
    }
}

impl running::Connection for Shared {
    fn up(&self) -> Running<'_> {
        Box::pin(async {
            // The sender lives as long as this.
            let _ = self.is_up.subscribe().wait_for(|is_up| *is_up).await;
        })
    }

    fn run(self: Arc<Self>, nodes: Arc<Nodes>) -> Running<'static> {
        Box::pin(async move {
            loop {
                let begun = Instant::now();
                let why = self.serve(&nodes).await;
                let was_connected = self.is_up.send_replace(false);
                log::lost(self.backplane.name(), &why, was_connected);
                // What was to be said to who had come is said on the next connection anyway.
                self.outbox.retain(|message| !Frame::is_here(message));
                sleep_until(begun + PAUSE).await;
            }
        })
    }
}

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_secs(1);

/// How often this node is heard of, and the silence after which another one is gone.
const BEAT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(7);

/// The most nodes that are known, and the octets of a name.
const NODES: usize = 4096;
const NAME: usize = 64;

/// What others have to say that they are there.
const MOMENT: Duration = Duration::from_millis(250);

/// The messages that may be under way, and the octets that are taken at once.
const UNDER_WAY: usize = 256;
const BATCH: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_nodes_are_known_than_there_is_room_for() {
        let (mut others, begin) = (BTreeMap::new(), Instant::now());
        note(&mut others, "first".into(), begin);
        let later = begin + Duration::from_secs(5);
        for number in 0..NODES {
            note(&mut others, number.to_string().into(), later);
        }
        assert_eq!(others.len(), NODES);
        assert!(others.contains_key("first") && !others.contains_key("4095"));
        // Who is known is heard of again, and who is silent makes room.
        note(&mut others, "7".into(), later + Duration::from_secs(5));
        note(&mut others, "new".into(), later + SILENCE);
        assert_eq!(
            others.keys().map(|name| &**name).collect::<Vec<_>>(),
            ["7", "new"]
        );
    }
}
