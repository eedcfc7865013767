//! The connections: one for what others say, one for what is said to them.

use super::names::Names;
use crate::resource::redis::{Connection, Pushes, RedisError, RedisServer};
use crate::socketio::adapter::log;
use crate::socketio::adapter::nodes::{Carrier, Counting, Nodes, Others, Place};
use crate::socketio::adapter::outbox::Outbox;
use crate::socketio::adapter::running::{self, Running};
use bytes::Bytes;
use bytestring::ByteString;
use redis::{Pipeline, PushInfo, PushKind, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What the adapter and its connections have in common.
pub(super) struct Shared {
    server: RedisServer,
    names: Names,
    answers_apart: bool,
    outbox: Outbox<Item>,
    wanted: Mutex<BTreeSet<ByteString>>,
    wants: Notify,
    /// The namespaces that are taken; nothing without a connection.
    taken: watch::Sender<Option<BTreeSet<ByteString>>>,
}

/// What is to be done on the connection for what is said.
enum Item {
    Publish(String, Bytes),
    /// How many subscribers does a channel have?
    Count(String, oneshot::Sender<usize>),
}

impl Shared {
    pub(super) fn new(server: RedisServer, names: Names, answers_apart: bool) -> Arc<Self> {
        Arc::new(Self {
            server,
            names,
            answers_apart,
            outbox: Outbox::new(),
            wanted: Mutex::default(),
            wants: Notify::new(),
            taken: watch::Sender::new(None),
        })
    }

    pub(super) fn want(&self, namespace: ByteString) {
        if self.wanted().insert(namespace) {
            self.wants.notify_one();
        }
    }

    pub(super) fn unwant(&self, namespace: &str) {
        if self.wanted().remove(namespace) {
            self.wants.notify_one();
        }
    }

    fn wanted(&self) -> MutexGuard<'_, BTreeSet<ByteString>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: &Arc<Self>, nodes: &Arc<Nodes>) -> Result<RedisError, RedisError> {
        let (subscriber, pushes) = self.server.connect().await?;
        let (publisher, mut other) = self.server.connect().await?;
        let is_first = nodes.stats().connects == 0;
        let mut parts = JoinSet::new();
        let (shared, heard, taking) = (self.clone(), nodes.clone(), nodes.clone());
        let routes = Arc::<Mutex<Routes>>::default();
        parts.spawn(receive(pushes, routes.clone(), heard));
        parts.spawn(async move { shared.subscribe(subscriber, routes, taking).await });
        parts.spawn(async move {
            other.end().await;
            RedisError::new("the connection has ended")
        });
        let (shared, nodes) = (self.clone(), nodes.clone());
        parts.spawn(async move { shared.publish(publisher, nodes, is_first).await });
        match parts.join_next().await {
            Some(ended) => ended.map_err(RedisError::new),
            None => Err(RedisError::new("there is nothing to do")),
        }
    }

    /// Takes what is wanted, and asks again and again whether the server is there.
    async fn subscribe(
        &self,
        connection: Connection,
        routes: Arc<Mutex<Routes>>,
        nodes: Arc<Nodes>,
    ) -> RedisError {
        let mut taken = BTreeSet::new();
        loop {
            let wanted = self.wanted().clone();
            let mut all = redis::pipe();
            for namespace in wanted.difference(&taken) {
                self.route(&routes, namespace, true);
                all.cmd("PSUBSCRIBE").arg(self.names.pattern(namespace));
                all.cmd("SUBSCRIBE").arg(&self.names.known(namespace));
            }
            for namespace in taken.difference(&wanted) {
                all.cmd("PUNSUBSCRIBE").arg(self.names.pattern(namespace));
                all.cmd("UNSUBSCRIBE").arg(&self.names.known(namespace));
                self.route(&routes, namespace, false);
            }
            all.cmd("PING");
            if let Err(why) = ask(&connection, &all).await {
                return why;
            }
            if self.taken.borrow().is_none() {
                nodes.connected("redis");
            }
            if self.taken.borrow().as_ref() != Some(&wanted) {
                self.taken.send_replace(Some(wanted.clone()));
            }
            taken = wanted;
            let _ = timeout(PAUSE, self.wants.notified()).await;
        }
    }

    fn route(&self, routes: &Mutex<Routes>, namespace: &ByteString, is_taken: bool) {
        let [questions, answers, own] = self.names.known(namespace);
        let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, route) in [
            (self.names.pattern(namespace), Route::Broadcast),
            (questions, Route::Questions),
            (answers, Route::Answers),
            (own, Route::Answers),
        ] {
            if is_taken {
                routes.insert(name.into(), (namespace.clone(), route));
            } else {
                routes.remove(name.as_bytes());
            }
        }
    }

    /// Sends what waits, in order.
    async fn publish(
        &self,
        connection: Connection,
        nodes: Arc<Nodes>,
        is_first: bool,
    ) -> RedisError {
        // Nobody hears what is sent before he has come back himself.
        if !is_first {
            sleep(PAUSE).await;
        }
        loop {
            let items = timeout(PAUSE, self.outbox.take(BATCH)).await;
            let items = items.unwrap_or_default();
            let mut all = redis::pipe();
            let mut asked = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Item::Publish(channel, words) => {
                        all.cmd("PUBLISH").arg(channel).arg(&*words);
                        asked.push(None);
                    }
                    Item::Count(channel, answer) => {
                        all.cmd("PUBSUB").arg("NUMSUB").arg(channel);
                        asked.push(Some(answer));
                    }
                }
            }
            if asked.is_empty() {
                all.cmd("PING");
            }
            let answers = match connection.ask(&all).await {
                Ok(answers) => answers,
                Err(why) => {
                    let lost = asked.iter().filter(|asked| asked.is_none()).count();
                    nodes.dropped(lost.try_into().unwrap_or(u64::MAX));
                    return why;
                }
            };
            for (asked, answer) in asked.into_iter().zip(answers) {
                match (asked, answer) {
                    (Some(asked), answer) => {
                        if let Some(count) = count(&answer) {
                            let _ = asked.send(count);
                        }
                    }
                    (None, Value::ServerError(_)) => nodes.dropped(1),
                    (None, _) => {}
                }
            }
        }
    }
}

impl Carrier for Shared {
    fn send(&self, namespace: &str, place: Place<'_>, words: Bytes) -> bool {
        let place = match place {
            Place::Answers(_) if !self.answers_apart => Place::Answers(None),
            place => place,
        };
        let channel = self.names.channel(namespace, place);
        let octets = channel.len() + words.len();
        self.outbox.push(Item::Publish(channel, words), octets)
    }

    fn others(&self, namespace: &str) -> Option<Counting> {
        let own = self.taken.borrow().as_ref()?.contains(namespace);
        let channel = self.names.channel(namespace, Place::Questions);
        let (answer, answered) = oneshot::channel();
        let octets = channel.len();
        (self.outbox.push(Item::Count(channel, answer), octets)).then_some(())?;
        Some(Box::pin(async move {
            let count = answered.await.ok()?;
            Some(Others {
                // This node is one of them, once it has taken the namespace.
                count: count.saturating_sub(usize::from(own)),
                ..Others::default()
            })
        }))
    }
}

/// What comes where, by the names of channels and patterns.
type Routes = HashMap<Vec<u8>, (ByteString, Route)>;

#[derive(Clone, Copy)]
enum Route {
    Broadcast,
    Questions,
    Answers,
}

/// Passes on what is pushed until the connection ends.
async fn receive(mut pushes: Pushes, routes: Arc<Mutex<Routes>>, nodes: Arc<Nodes>) -> RedisError {
    while let Some(PushInfo { kind, data }) = pushes.next().await {
        let mut parts = data.into_iter().map(|part| match part {
            Value::BulkString(octets) => octets,
            _ => Vec::new(),
        });
        // The pattern, or the channel.
        let Some(name) = parts.next() else { continue };
        match kind {
            PushKind::PMessage => parts.next(),
            PushKind::Message => None,
            _ => continue,
        };
        let Some(words) = parts.next() else { continue };
        let route = routes.lock().unwrap_or_else(PoisonError::into_inner);
        let route = route.get(&name).cloned();
        match route {
            Some((namespace, Route::Broadcast)) => nodes.heard_broadcast(&namespace, &words),
            Some((namespace, Route::Questions)) => nodes.heard_question(&namespace, &words),
            Some((_, Route::Answers)) => nodes.heard_answer(&words),
            // Of a namespace that was given up meanwhile.
            None => {}
        }
    }
    RedisError::new("the connection for subscriptions has ended")
}

/// Has all of it done, or fails.
async fn ask(connection: &Connection, all: &Pipeline) -> Result<(), RedisError> {
    for answer in connection.ask(all).await? {
        if let Value::ServerError(error) = answer {
            return Err(RedisError::new(redis::RedisError::from(error)));
        }
    }
    Ok(())
}

/// The number behind the one channel that was asked for.
fn count(answer: &Value) -> Option<usize> {
    let number = match answer {
        Value::Array(parts) => parts.get(1)?,
        Value::Map(parts) => &parts.first()?.1,
        _ => return None,
    };
    match number {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

impl running::Connection for Shared {
    fn up(&self) -> Running<'_> {
        let wanted = self.wanted().clone();
        Box::pin(async move {
            let has_all = |taken: &Option<BTreeSet<ByteString>>| {
                (taken.as_ref()).is_some_and(|taken| taken.is_superset(&wanted))
            };
            // The sender lives as long as this.
            let _ = self.taken.subscribe().wait_for(has_all).await;
        })
    }

    fn run(self: Arc<Self>, nodes: Arc<Nodes>) -> Running<'static> {
        Box::pin(async move {
            loop {
                let begun = Instant::now();
                let (Ok(why) | Err(why)) = self.serve(&nodes).await;
                let was_connected = self.taken.send_replace(None).is_some();
                log::lost("redis", &why, was_connected);
                // Whoever counts is told at once that nobody can.
                self.outbox.retain(|item| matches!(item, Item::Publish(..)));
                sleep_until(begun + PAUSE).await;
            }
        })
    }
}

/// Between two tries to connect, and between two questions whether the server is there.
const PAUSE: Duration = Duration::from_secs(1);

/// The octets that are sent before an answer is waited for.
const BATCH: usize = 1 << 20;
