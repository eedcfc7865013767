//! The functions that a namespace has for what happens.

use crate::socketio::client::BoxError;
use crate::socketio::client::error::{ConnectError, DisconnectReason};
use crate::socketio::client::handle::SocketIoClient;
use crate::socketio::client::handler::{Call, EventHandler, Handling};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

/// A handler of events whose type is forgotten.
type OfEvent = Arc<dyn Fn(&Call) -> Result<Handling, BoxError> + Send + Sync>;

/// A function of something that happened.
type Of<T> = Arc<dyn Fn(SocketIoClient, T) -> Running + Send + Sync>;

/// A handler while it runs.
pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The functions of a namespace. They can be added at any time.
#[derive(Default)]
pub(super) struct Handlers(RwLock<Lists>);

#[derive(Clone, Default)]
struct Lists {
    on: HashMap<String, Vec<OfEvent>>,
    any: Vec<OfEvent>,
    connect: Vec<Of<()>>,
    connect_error: Vec<Of<ConnectError>>,
    disconnect: Vec<Of<DisconnectReason>>,
}

impl Handlers {
    pub(super) fn on<P, H: EventHandler<P>>(&self, event: &str, handler: H) {
        let handler: OfEvent = Arc::new(move |call| handler.handle(call));
        self.with(|lists| lists.on.entry(event.to_owned()).or_default().push(handler));
    }

    pub(super) fn on_any<P, H: EventHandler<P>>(&self, handler: H) {
        self.with(|lists| lists.any.push(Arc::new(move |call| handler.handle(call))));
    }

    pub(super) fn on_connect<F, Fut>(&self, run: F)
    where
        F: Fn(SocketIoClient) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run: Of<()> = Arc::new(move |client, ()| -> Running { Box::pin(run(client)) });
        self.with(|lists| lists.connect.push(run));
    }

    pub(super) fn on_connect_error<F, Fut>(&self, run: F)
    where
        F: Fn(SocketIoClient, ConnectError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run: Of<ConnectError> =
            Arc::new(move |client, error| -> Running { Box::pin(run(client, error)) });
        self.with(|lists| lists.connect_error.push(run));
    }

    pub(super) fn on_disconnect<F, Fut>(&self, run: F)
    where
        F: Fn(SocketIoClient, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run: Of<DisconnectReason> =
            Arc::new(move |client, reason| -> Running { Box::pin(run(client, reason)) });
        self.with(|lists| lists.disconnect.push(run));
    }

    pub(super) fn off(&self, event: &str) {
        self.with(|lists| lists.on.remove(event));
    }

    /// Those of an event: the ones of any event first.
    pub(super) fn of(&self, event: &str) -> Vec<OfEvent> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let own = lists.on.get(event).into_iter().flatten();
        lists.any.iter().chain(own).cloned().collect()
    }

    pub(super) fn of_connect(&self) -> Vec<Of<()>> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.connect.clone()
    }

    pub(super) fn of_connect_error(&self) -> Vec<Of<ConnectError>> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.connect_error.clone()
    }

    pub(super) fn of_disconnect(&self) -> Vec<Of<DisconnectReason>> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.disconnect.clone()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Lists) -> T) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Handlers")
            .field("events", &lists.on.len())
            .finish_non_exhaustive()
    }
}
