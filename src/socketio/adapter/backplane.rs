//! Rooms that span servers of this kind, over whatever carries a relay's messages.

mod driver;
mod frame;

use self::driver::Shared;
use super::nodes::{self, AdapterStats};
use super::running::{Started, through_nodes};
use super::words::Asks;
use super::{Adapter, Asked, Event, Local, RemoteSocket, Target};
use crate::relay::backplane::Backplane;
use crate::socketio::packet::Args;
use bytestring::ByteString;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Rooms that span servers of this kind over a [`Backplane`]: NATS, Redis, or one process.
///
/// Every node is heard of every 2 s, and one that is silent for 7 s is gone: so a question waits for those that are there, and whoever
/// has not answered after 5 s, or what [`timeout`](Self::timeout) says, is named in
/// [`missing_nodes`](super::Answers::missing_nodes). Everything goes to all nodes. The backplane has a prefix of its own: a relay that
/// uses the same one would hear what is not for it.
///
/// ```
/// use wireline::relay::backplane::memory::MemoryBackplane;
/// use wireline::socketio::adapter::{Adapter, BackplaneAdapter};
///
/// let backplane = MemoryBackplane::new();
/// let adapters = [0, 1].map(|_| BackplaneAdapter::new(backplane.clone()));
/// assert_eq!(adapters[0].name(), "memory");
/// ```
pub struct BackplaneAdapter {
    backplane: Arc<dyn Backplane>,
    wait: Duration,
    started: Started<Shared>,
}

impl BackplaneAdapter {
    /// The adapter for a broker. Nothing is connected yet.
    pub fn new(backplane: impl Backplane) -> Self {
        Self {
            backplane: Arc::new(backplane),
            wait: Duration::from_secs(5),
            started: Started::new(),
        }
    }

    /// How long a question waits for answers: 5 s unless said otherwise.
    #[must_use]
    pub const fn timeout(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

impl Adapter for BackplaneAdapter {
    fn name(&self) -> &'static str {
        self.backplane.name()
    }

    fn start(&self, local: Weak<dyn Local>) {
        let connection = |own: &ByteString| Shared::new(self.backplane.clone(), own.clone());
        self.started.start(self.wait, local, connection);
    }

    // Every node hears of every namespace.
    fn take(&self, _: &str) {
        self.started.connection();
    }

    fn give_up(&self, _: &str) {}

    through_nodes!();
}

impl fmt::Debug for BackplaneAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneAdapter")
            .field("backplane", &self.backplane.name())
            .field("is_started", &self.started.has_begun())
            .finish_non_exhaustive()
    }
}
