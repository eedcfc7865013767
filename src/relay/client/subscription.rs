//! A subscription, and what the server sends without being asked.

use crate::relay::client::core::event::{Event, Member};
use crate::relay::client::handle::Handle;
use crate::relay::client::inbox::Inbox;
use crate::relay::client::{BoxError, TokenCallback};
use crate::relay::hub::Topic;
use futures_core::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is asked for with a subscription; by default to go on, after a reconnection, where it stopped.
///
/// ```
/// use wireline::relay::client::SubscribeOptions;
///
/// let options = SubscribeOptions::new().rewind(10).presence(true);
/// # let _ = options;
/// ```
#[derive(Clone)]
#[must_use]
pub struct SubscribeOptions {
    pub(crate) payload: Result<Option<Box<RawValue>>, String>,
    pub(crate) rewind: Option<u32>,
    pub(crate) presence: bool,
    pub(crate) recover: bool,
    pub(crate) queue: usize,
    pub(crate) queue_octets: usize,
    pub(crate) token: Option<TokenCallback>,
}

impl SubscribeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            payload: Ok(None),
            rewind: None,
            presence: false,
            recover: true,
            queue: 1024,
            queue_octets: 4 * 1024 * 1024,
            token: None,
        }
    }

    /// What the channel's handler is given to decide with. Default nothing. A value that does not become JSON makes
    /// subscribing fail.
    pub fn payload<T: Serialize + ?Sized>(mut self, payload: &T) -> Self {
        self.payload = serde_json::value::to_raw_value(payload)
            .map(Some)
            .map_err(|error| error.to_string());
        self
    }

    /// The newest pushes that the server keeps, this many at most, are given first; 1 is the last value. Default none.
    pub const fn rewind(mut self, count: u32) -> Self {
        self.rewind = Some(count);
        self
    }

    /// Whether to be told who is present, and every change of that. Default no.
    pub const fn presence(mut self, on: bool) -> Self {
        self.presence = on;
        self
    }

    /// Whether to go on, after a reconnection, where it stopped, which is the default. Otherwise the subscription begins
    /// anew, with `rewind` if that was asked for.
    pub const fn recover(mut self, on: bool) -> Self {
        self.recover = on;
        self
    }

    /// The events that may wait to be read, 1 at the least; what comes beyond them is not kept but counted, and
    /// [`Event::Lagged`] stands in its place. Default 1,024.
    pub const fn queue(mut self, events: usize) -> Self {
        self.queue = if events == 0 { 1 } else { events };
        self
    }

    /// The octets that may wait to be read, beside the bound of [`queue`](Self::queue). Default 4 MiB.
    pub const fn queue_octets(mut self, octets: usize) -> Self {
        self.queue_octets = octets;
        self
    }

    /// Asks for a token before every subscription of this topic, and again before the token ends. It may take as long as
    /// [`Builder::callback_timeout`](crate::relay::client::Builder::callback_timeout) says; when it fails,
    /// [`Event::Error`] tells so and it is asked again later.
    pub fn token<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.token = Some(Arc::new(move || {
            let token = callback();
            Box::pin(async move { token.await.map_err(Into::into) })
        }));
        self
    }
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SubscribeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeOptions")
            .field("rewind", &self.rewind)
            .field("presence", &self.presence)
            .field("recover", &self.recover)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// A subscription to a topic. It lasts over reconnections; dropping it unsubscribes.
///
/// It is a [`Stream`] of [`Event`]s, too.
///
/// ```no_run
/// use wireline::relay::client::{Event, RelayClient};
///
/// # async fn run(client: RelayClient) -> Result<(), Box<dyn std::error::Error>> {
/// let mut room = client.subscribe("room:1")?;
/// while let Some(event) = room.next().await {
///     match event {
///         Event::Subscribed(subscribed) if !subscribed.recovered => println!("load everything anew"),
///         Event::Push(push) => println!("{}: {}", push.event, push.payload),
///         Event::Lagged(lagged) => println!("{} are missing", lagged.missed),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it unsubscribes"]
pub struct Subscription {
    pub(crate) id: u64,
    pub(crate) topic: Topic,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) handle: Arc<Handle>,
}

impl Subscription {
    /// The topic.
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Waits for the next event. `None` when the subscription has ended: it was refused, or the server ended it, which the
    /// event before says; or the client has ended, which [`RelayClient::closed`](crate::relay::client::RelayClient::closed)
    /// says.
    ///
    /// Cancel safe: an event that was not given stays where it was.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.inbox.poll_next(cx)).await
    }

    /// Who is present, as the server has told until now, by connection; [`next`](Self::next) may still have some of the
    /// changes to tell. Empty unless it was asked for; 10,000 members at most.
    pub fn members(&self) -> Vec<Member> {
        self.inbox.members()
    }

    /// The events that wait to be read.
    pub fn waiting(&self) -> usize {
        self.inbox.waiting()
    }

    /// Ends the subscription, as dropping it does.
    pub fn unsubscribe(self) {}
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let id = self.id;
        self.handle.with(|state, now| {
            state.inboxes.remove(&id);
            state.tokens.remove(&id);
            state.core.unsubscribe(now, id);
        });
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.inbox.poll_next(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("topic", &self.topic)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// What the server sends this client without having been asked: pushes to its user, and topics that the server has
/// subscribed it to. Events of topics that there is a [`Subscription`] to go there.
///
/// Its queue holds 1,024 events; pushes beyond them are counted, and [`Event::Lagged`] stands in their place, of any topic.
/// It is a [`Stream`], too.
///
/// ```
/// use wireline::relay::Relay;
/// use wireline::relay::client::{Event, RelayClient};
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::default();
/// # let server = TestClient::new(Router::new().relay(&relay).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let mut direct = client.direct().unwrap();
/// // The server subscribes this connection to a topic that it has not asked for.
/// let conn_id = client.hello().await.unwrap().conn_id;
/// relay.subscribe(conn_id, "news").unwrap();
/// assert!(matches!(direct.next().await, Some(Event::Subscribed(_))));
/// # }
/// ```
#[derive(Debug)]
pub struct Direct {
    pub(crate) inbox: Arc<Inbox>,
    /// The connection is kept as long as somebody listens.
    pub(crate) _handle: Arc<Handle>,
}

impl Direct {
    /// Waits for the next event; `None` when the client has ended. A subscription that the server made ends with its
    /// connection: [`Event::Unsubscribed`] with the code `disconnected`.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.inbox.poll_next(cx)).await
    }
}

impl Stream for Direct {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.inbox.poll_next(cx)
    }
}
