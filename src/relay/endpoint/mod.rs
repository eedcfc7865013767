//! Sockets as members of a hub.
//!
//! A [`Relay`] is a hub whose messages are frames of WebSocket, and the tasks that deliver them: one for each worker, so
//! that a message is written to all sockets of a worker in one go, without waking the task of any. An [`Outlet`] is one
//! socket's place in it, with the room for what the socket does not take at once.

mod groups;
mod outlet;
mod overflow;

pub use self::outlet::{Missed, Outlet, Terms};
pub use self::overflow::Overflow;

use self::groups::Groups;
use crate::relay::hub::{Entry, Hub, HubConfig, Message, Published, Topic};
use crate::ws::prepared::Prepared;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// Topics for the sockets of a process. Cloning it gives another handle to the same.
///
/// ```
/// use std::sync::Arc;
/// use wireline::Router;
/// use wireline::extract::State;
/// use wireline::relay::endpoint::{Relay, Terms};
/// use wireline::relay::hub::{Resume, Topic};
/// use wireline::ws::prelude::*;
///
/// #[derive(Clone)]
/// struct News(Relay, Topic);
///
/// async fn read(socket: WebSocket, State(News(relay, topic)): State<News>) {
///     let outlet = relay.outlet(&socket, Arc::new(Terms::default()));
///     let subscription = outlet.subscribe(&topic, 0, Resume::Live).0;
///     outlet.serve(socket, async |_message| {}).await;
///     outlet.unsubscribe(subscription);
/// }
///
/// async fn write(State(News(relay, topic)): State<News>, text: String) -> String {
///     relay.publish(&topic, Prepared::text(&text)).subscribers.to_string()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let news = News(Relay::default(), Topic::new("news").unwrap());
/// let routes = Router::new().websocket("/news", read).post("/news", write).state(news).build();
/// # assert!(routes.is_ok());
/// # }
/// ```
#[derive(Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Hub<Prepared>,
    groups: Groups,
    begun: Instant,
    ids: AtomicU64,
}

impl Relay {
    /// Topics with these settings.
    pub fn new(config: HubConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                hub: Hub::new(config),
                groups: Groups::new(),
                begun: Instant::now(),
                ids: AtomicU64::new(1),
            }),
        }
    }

    /// Publishes a message to everybody who subscribes to the topic.
    pub fn publish(&self, topic: &Topic, message: Prepared) -> Published {
        self.inner.hub.publish(topic, message, None, self.now())
    }

    /// The same, to everybody but this socket.
    pub fn publish_from(&self, outlet: &Outlet, topic: &Topic, message: Prepared) -> Published {
        let except = Some(outlet.id());
        self.inner.hub.publish(topic, message, except, self.now())
    }

    /// The topics themselves.
    pub fn hub(&self) -> &Hub<Prepared> {
        &self.inner.hub
    }

    /// The time that the hub knows: milliseconds since this was made.
    pub fn now(&self) -> u64 {
        u64::try_from(self.inner.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_id(&self) -> u64 {
        self.inner.ids.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("hub", &self.inner.hub)
            .finish_non_exhaustive()
    }
}

/// A run is its frames, one behind the other.
impl Message for Prepared {
    type Run = Bytes;

    fn octets(&self) -> usize {
        self.frame().len()
    }

    fn run(entries: &[Entry<Self>]) -> Bytes {
        if let [only] = entries {
            return only.message.shared().clone();
        }
        let len = entries
            .iter()
            .map(|entry| entry.message.frame().len())
            .sum();
        let mut joined = BytesMut::with_capacity(len);
        for entry in entries {
            joined.extend_from_slice(entry.message.frame());
        }
        joined.freeze()
    }
}
