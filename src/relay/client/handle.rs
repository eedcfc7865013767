//! The handles of a client.

use crate::relay::client::Status;
use crate::relay::client::builder::Builder;
use crate::relay::client::core::event::{Hello, RequestError, SubscribeError};
use crate::relay::client::core::pace::Ended;
use crate::relay::client::core::seat::Wants;
use crate::relay::client::core::{Answer, Ask};
use crate::relay::client::inbox::{Inbox, Limits};
use crate::relay::client::shared::{Shared, State};
use crate::relay::client::subscription::{Direct, SubscribeOptions, Subscription};
use crate::relay::hub::Topic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A client of a relay: one connection, which comes back when it is lost, and the subscriptions that it carries. Cloning it
/// gives another handle to the same.
///
/// A task of its own drives it, spawned on the runtime that made it. It ends, after a Close with 1000, when the last
/// handle was dropped: clones, [`Subscription`]s and [`Direct`] all are.
///
/// ```no_run
/// use std::time::Duration;
/// use wireline::relay::client::{Event, RelayClient};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RelayClient::builder("ws://localhost:8000/ws").connect().await?;
/// let mut room = client.subscribe("room:1")?;
/// client.send("room:1", "say", &"hello").await?;
/// let sum: i64 = client.call("sum", &[1, 2], Duration::from_secs(2)).await?;
/// while let Some(event) = room.next().await {
///     if let Event::Push(push) = event {
///         println!("{}: {}", push.event, push.payload);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RelayClient {
    pub(crate) handle: Arc<Handle>,
}

/// What all handles hold. Dropping it ends the client.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    /// Until somebody takes it.
    direct: Mutex<Option<Arc<Inbox>>>,
}

impl RelayClient {
    /// Begins with a client of the relay at this URL: `ws://host:port/ws`, or `wss://` with the feature `tls`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    /// Subscribes to a topic, and goes on where it stopped after every reconnection. The server's answer is the first event.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: the topic is none, or this client has a subscription to it.
    pub fn subscribe(&self, topic: &str) -> Result<Subscription, SubscribeError> {
        self.subscribe_with(topic, SubscribeOptions::new())
    }

    /// Subscribes to a topic with these options.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe); [`SubscribeError::TooLarge`], [`SubscribeError::Payload`].
    pub fn subscribe_with(
        &self,
        topic: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let topic = Topic::new(topic).map_err(SubscribeError::Topic)?;
        let inbox = Arc::new(Inbox::new(Limits {
            events: options.queue,
            octets: options.queue_octets,
        }));
        let wants = Wants {
            payload: options.payload.map_err(SubscribeError::Payload)?,
            rewind: options.rewind,
            presence: options.presence,
            recover: options.recover,
            token: options.token.is_some(),
        };
        let id = self.handle.with(|state, now| {
            let id = state.core.subscribe(now, topic.clone(), wants)?;
            state.inboxes.insert(id, inbox.clone());
            if let Some(token) = options.token {
                state.tokens.insert(id, token);
            }
            Ok(id)
        })?;
        Ok(Subscription {
            id,
            topic,
            inbox,
            handle: self.handle.clone(),
        })
    }

    /// What the server sends without having been asked. `None` when somebody has taken it before.
    pub fn direct(&self) -> Option<Direct> {
        let taken = self.handle.direct.lock();
        let inbox = taken.unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Direct {
            inbox,
            _handle: self.handle.clone(),
        })
    }

    /// Sends a message to the handler of a topic, and waits for its answer. Without a connection it waits for one, as long
    /// as [`Builder::request_timeout`] says in all.
    ///
    /// Nothing is sent before this is polled. Not sent twice: when the connection is lost in between, it is
    /// [`RequestError::Disconnected`].
    ///
    /// Cancel safe in that nothing breaks: the message may have been sent, and its answer is dropped.
    ///
    /// # Errors
    ///
    /// [`RequestError`]
    pub async fn send<T: Serialize + ?Sized>(
        &self,
        topic: &str,
        event: &str,
        payload: &T,
    ) -> Result<(), RequestError> {
        let topic =
            Topic::new(topic).map_err(|_| RequestError::Invalid("the topic is no name of one"))?;
        let ask = Ask::Message {
            topic,
            event: event.to_owned(),
            payload: raw(payload)?,
        };
        match self.ask(ask).await? {
            Answer::Ok => Ok(()),
            _ => Err(STRANGE),
        }
    }

    /// Calls a method of the server, and gives its result. `deadline` counts from now, for a connection, if there is none,
    /// and the method together; 60 s at most. The server gives up at that time, too.
    ///
    /// Nothing is sent before this is polled. Dropping the future cancels the call at the server.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; [`RequestError::Json`] when the result is no `T`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        payload: &(impl Serialize + ?Sized),
        deadline: Duration,
    ) -> Result<T, RequestError> {
        let ask = Ask::Call {
            method: method.to_owned(),
            payload: raw(payload)?,
            within: deadline,
        };
        match self.ask(ask).await? {
            Answer::Result(payload) => {
                serde_json::from_str(payload.get()).map_err(RequestError::Json)
            }
            _ => Err(STRANGE),
        }
    }

    /// Asks the server who this connection is to it.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`RequestError`]
    pub async fn hello(&self) -> Result<Hello, RequestError> {
        match self.ask(Ask::Hello).await? {
            Answer::Hello(hello) => Ok(hello),
            _ => Err(STRANGE),
        }
    }

    /// Asks the relay for a sign of life; gives the time that it took. The connection itself is watched without this, by
    /// pings of WebSocket.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`RequestError`]
    pub async fn ping(&self) -> Result<Duration, RequestError> {
        let begun = Instant::now();
        match self.ask(Ask::Ping).await? {
            Answer::Pong => Ok(begun.elapsed()),
            _ => Err(STRANGE),
        }
    }

    /// Asks for pushes in batches, now and after every reconnection: what comes within `delay`, 1 s at most, comes as one
    /// frame. Zero turns it off. Subscriptions see no difference but the delay.
    pub fn batch(&self, delay: Duration) {
        let delay = delay.min(Duration::from_secs(1));
        self.handle.with(|state, now| state.core.batch(now, delay));
    }

    /// What the connection is like now.
    pub fn status(&self) -> Status {
        self.handle.shared.status.borrow().clone()
    }

    /// Waits until the status is another than this one; gives the new one. One that lasts for a moment only may be missed.
    ///
    /// Cancel safe.
    pub async fn changed(&self, known: &Status) -> Status {
        let mut status = self.handle.shared.status.subscribe();
        match status.wait_for(|status| status != known).await {
            Ok(status) => status.clone(),
            // The sender is held by this handle.
            Err(_) => Status::Ended(Ended::Local),
        }
    }

    /// Waits until the client has ended; gives the reason.
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> Ended {
        let mut status = self.status();
        loop {
            match status {
                Status::Ended(ended) => return ended,
                _ => status = self.changed(&status).await,
            }
        }
    }

    /// Ends the client: subscriptions end, requests fail, and the server gets a Close with 1000, behind what was sent. Waits
    /// until the server has answered it, or its time is over.
    ///
    /// Cancel safe: once it was polled, the client ends.
    pub async fn close(self) {
        self.handle.with(|state, _| state.core.shut_down());
        let shared = self.handle.shared.clone();
        drop(self);
        shared.finished().await;
    }

    /// The messages of the server that were left out because nobody could make anything of them: of a later version of the
    /// protocol, late ones, or garbage.
    pub fn ignored(&self) -> u64 {
        self.handle.with(|state, _| state.core.ignored())
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let reference = self.handle.with(|state, now| {
            let reference = state.core.request(now, ask)?;
            state.waiters.insert(reference, sender);
            Ok(reference)
        })?;
        let mut asked = Asked {
            handle: &self.handle,
            reference: Some(reference),
        };
        let answer = receiver.await;
        asked.reference = None;
        answer.unwrap_or(Err(RequestError::Ended))
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, direct: Arc<Inbox>) -> Self {
        Self {
            shared,
            direct: Mutex::new(Some(direct)),
        }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State, std::time::Instant) -> T) -> T {
        self.shared.with(Instant::now().into_std(), change)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.with(|state, _| state.core.shut_down());
    }
}

/// A question whose answer nobody waits for any more is forgotten.
struct Asked<'a> {
    handle: &'a Handle,
    reference: Option<u64>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(reference) = self.reference {
            self.handle.with(|state, _| {
                state.waiters.remove(&reference);
                state.core.forget(reference);
            });
        }
    }
}

fn raw<T: Serialize + ?Sized>(payload: &T) -> Result<Box<RawValue>, RequestError> {
    to_raw_value(payload).map_err(RequestError::Json)
}

/// The server answered another question than the one that was asked.
const STRANGE: RequestError = RequestError::Invalid("the answer is none to the question");
