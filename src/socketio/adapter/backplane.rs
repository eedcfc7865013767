//! Rooms that span servers of this kind, over whatever carries a relay's messages.

mod driver;
mod frame;

use self::driver::Shared;
use super::keeper::Keeper;
use super::nodes::{self, AdapterStats, Nodes, through_nodes};
use super::words::Asks;
use super::{Adapter, Asked, Event, Local, RemoteSocket, Target};
use crate::relay::backplane::Backplane;
use crate::socketio::packet::Args;
use bytestring::ByteString;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Rooms that span servers of this kind over a [`Backplane`]: NATS, Redis, or one process.
///
/// Every node is heard of every 2 s, and one that is silent for 7 s is gone: so a question waits for those that are there, and whoever
/// has not answered after 5 s, or what [`wait`](Self::wait) says, is named in
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
    running: OnceLock<Running>,
}

struct Running {
    nodes: Arc<Nodes>,
    shared: Arc<Shared>,
    keeper: Keeper,
}

impl Running {
    fn keep(&self) -> &Self {
        let keeper = &self.keeper;
        keeper.keep(|| Box::pin(driver::run(self.shared.clone(), self.nodes.clone())));
        self
    }
}

impl BackplaneAdapter {
    /// The adapter for a broker. Nothing is connected yet.
    pub fn new(backplane: impl Backplane) -> Self {
        Self {
            backplane: Arc::new(backplane),
            wait: Duration::from_secs(5),
            running: OnceLock::new(),
        }
    }

    /// How long a question waits for answers: 5 s unless said otherwise.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    fn running(&self) -> Option<&Running> {
        self.running.get().map(Running::keep)
    }
}

impl Adapter for BackplaneAdapter {
    fn name(&self) -> &'static str {
        self.backplane.name()
    }

    fn start(&self, local: Weak<dyn Local>) {
        let running = self.running.get_or_init(|| {
            let own = nodes::name();
            let shared = Shared::new(self.backplane.clone(), own.clone());
            Running {
                nodes: Nodes::new(own, self.wait, shared.clone(), local),
                shared,
                keeper: Keeper::default(),
            }
        });
        running.keep();
    }

    // Every node hears of every namespace.
    fn take(&self, _: &str) {
        self.running();
    }

    fn give_up(&self, _: &str) {}

    fn up(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match self.running() {
            Some(running) => Box::pin(running.shared.up()),
            None => Box::pin(std::future::pending()),
        }
    }

    fn stats(&self) -> AdapterStats {
        let nodes = self.running().map(|running| &running.nodes);
        nodes.map(|nodes| nodes.stats()).unwrap_or_default()
    }

    through_nodes!();
}

impl fmt::Debug for BackplaneAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneAdapter")
            .field("backplane", &self.backplane.name())
            .field("is_started", &self.running.get().is_some())
            .finish_non_exhaustive()
    }
}
