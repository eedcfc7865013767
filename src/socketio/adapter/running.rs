//! What the adapters over a broker have in common: an adapter that was started asks the others through its [`Nodes`], and a task of its
//! own keeps the connection.

use super::keeper::Keeper;
use super::nodes::{self, AdapterStats, Carrier, Nodes};
use super::words::{Asks, Says};
use super::{Answers, Asked, Event, Local, Target};
use bytestring::ByteString;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A future of an adapter's.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The connection of an adapter.
pub(super) trait Connection: Carrier {
    /// Waits until there is one, and everything is taken on it.
    fn up(&self) -> Running<'_>;

    /// Connects, again and again.
    fn run(self: Arc<Self>, nodes: Arc<Nodes>) -> Running<'static>;
}

/// What there is of an adapter once it was started.
pub(super) struct Started<C>(OnceLock<Parts<C>>);

struct Parts<C> {
    nodes: Arc<Nodes>,
    connection: Arc<C>,
    keeper: Keeper,
}

impl<C: Connection> Started<C> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Begins, with a connection for the name that this node has from now on.
    pub(super) fn start(
        &self,
        wait: Duration,
        local: Weak<dyn Local>,
        connection: impl FnOnce(&ByteString) -> Arc<C>,
    ) {
        self.0.get_or_init(|| {
            let own = nodes::name();
            let connection = connection(&own);
            Parts {
                nodes: Nodes::new(own, wait, connection.clone(), local),
                connection,
                keeper: Keeper::default(),
            }
        });
        self.parts();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.get().is_some()
    }

    /// The connection, which is kept from now on if there is a runtime.
    pub(super) fn connection(&self) -> Option<&Arc<C>> {
        self.parts().map(|parts| &parts.connection)
    }

    pub(super) fn nodes(&self) -> Option<&Arc<Nodes>> {
        self.parts().map(|parts| &parts.nodes)
    }

    pub(super) fn up(&self) -> Running<'_> {
        match self.connection() {
            Some(connection) => connection.up(),
            None => Box::pin(std::future::pending()),
        }
    }

    pub(super) fn stats(&self) -> AdapterStats {
        self.nodes().map(|nodes| nodes.stats()).unwrap_or_default()
    }

    pub(super) fn broadcast(&self, to: &Target, event: &Event) {
        if let Some(nodes) = self.nodes() {
            nodes.broadcast(to, event);
        }
    }

    pub(super) fn tell(&self, namespace: &str, asks: impl FnOnce() -> Asks) {
        if let Some(nodes) = self.nodes() {
            nodes.tell(namespace, asks());
        }
    }

    pub(super) fn ask<T: Send + 'static>(
        &self,
        namespace: &str,
        asks: Asks,
        wait: Option<Duration>,
        pick: fn(Says) -> Vec<T>,
    ) -> Asked<T> {
        match self.nodes() {
            Some(nodes) => nodes::ask(nodes, namespace, asks, wait, pick),
            None => Box::pin(std::future::ready(Answers::default())),
        }
    }

    fn parts(&self) -> Option<&Parts<C>> {
        let parts = self.0.get()?;
        let run = || parts.connection.clone().run(parts.nodes.clone());
        parts.keeper.keep(run);
        Some(parts)
    }
}

/// The methods of an adapter whose field `started` is a [`Started`].
macro_rules! through_nodes {
    () => {
        fn up(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.started.up()
        }

        fn stats(&self) -> AdapterStats {
            self.started.stats()
        }

        fn broadcast(&self, to: &Target, event: &Event) {
            self.started.broadcast(to, event);
        }

        fn broadcast_with_acks(&self, to: &Target, event: &Event, wait: Duration) -> Asked<Args> {
            let milliseconds = wait.as_millis().try_into().unwrap_or(u64::MAX);
            let asks = Asks::BroadcastWithAcks(to.clone(), event.clone(), milliseconds);
            let started = &self.started;
            started.ask(&to.namespace, asks, Some(wait), nodes::args)
        }

        fn join(&self, who: &Target, rooms: &[ByteString]) {
            let asks = || Asks::Join(who.clone(), rooms.to_vec());
            self.started.tell(&who.namespace, asks);
        }

        fn leave(&self, who: &Target, rooms: &[ByteString]) {
            let asks = || Asks::Leave(who.clone(), rooms.to_vec());
            self.started.tell(&who.namespace, asks);
        }

        fn disconnect(&self, who: &Target, close: bool) {
            let asks = || Asks::Disconnect(who.clone(), close);
            self.started.tell(&who.namespace, asks);
        }

        fn sockets(&self, who: &Target) -> Asked<RemoteSocket> {
            let asks = Asks::Sockets(who.clone());
            let started = &self.started;
            started.ask(&who.namespace, asks, None, nodes::sockets)
        }

        fn rooms(&self, namespace: &str) -> Asked<ByteString> {
            self.started.ask(namespace, Asks::Rooms, None, nodes::rooms)
        }

        fn emit(&self, namespace: &str, event: &Event) {
            self.started.tell(namespace, || Asks::Emit(event.clone()));
        }

        fn emit_with_ack(&self, namespace: &str, event: &Event) -> Asked<Args> {
            let asks = Asks::Emit(event.clone());
            self.started.ask(namespace, asks, None, nodes::args)
        }
    };
}

pub(super) use through_nodes;
