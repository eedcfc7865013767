//! The functions that a namespace has for what happens.

use crate::socketio::client::BoxError;
use crate::socketio::client::error::{ConnectError, DisconnectReason};
use crate::socketio::client::handle::SocketIoClient;
use crate::socketio::client::handler::{Call, EventHandler, Handling};
use crate::socketio::packet::Args;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A handler of events whose type is forgotten.
type OfEvent = Arc<dyn Fn(&Call) -> Result<Handling, BoxError> + Send + Sync>;

/// A function of something that happened.
type Of<T> = Arc<dyn Fn(SocketIoClient, T) -> Running + Send + Sync>;

/// A handler while it runs.
pub(super) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A function of events that go out.
type OfOutgoing = Arc<dyn Fn(&str, &Args) + Send + Sync>;

/// Which handler it is, for [`SocketIoClient::remove`].
///
/// ```
/// use wireline::socketio::client::{Data, SocketIoClient};
///
/// /// Takes events until they are said to be enough.
/// fn listen(client: &SocketIoClient) {
///     let id = client.on("news", async |Data(text): Data<String>| println!("{text}"));
///     client.on("enough", move |client: SocketIoClient| async move {
///         client.remove(id);
///     });
/// }
/// # let _ = listen;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// The functions of a namespace. They can be added at any time.
#[derive(Default)]
pub(super) struct Handlers(RwLock<Lists>);

#[derive(Default)]
struct Lists {
    /// How many handlers of events there have been.
    count: u64,
    on: HashMap<String, Vec<Listed<OfEvent>>>,
    any: Vec<Listed<OfEvent>>,
    outgoing: Vec<Listed<OfOutgoing>>,
    connect: Vec<Of<()>>,
    connect_error: Vec<Of<ConnectError>>,
    disconnect: Vec<Of<DisconnectReason>>,
}

struct Listed<T> {
    id: HandlerId,
    run: T,
    /// Whether it goes with the first event.
    is_once: bool,
}

impl Lists {
    fn listed<T>(&mut self, run: T, is_once: bool) -> Listed<T> {
        self.count += 1;
        Listed {
            id: HandlerId(self.count),
            run,
            is_once,
        }
    }

    fn of(&self, event: &str) -> Vec<OfEvent> {
        let own = self.on.get(event).into_iter().flatten();
        let all = self.any.iter().chain(own);
        all.map(|listed| listed.run.clone()).collect()
    }

    /// An event without handlers takes no room.
    fn tidy(&mut self) {
        self.on.retain(|_, own| !own.is_empty());
    }
}

impl Handlers {
    pub(super) fn on<P, H: EventHandler<P>>(
        &self,
        event: &str,
        handler: H,
        is_once: bool,
    ) -> HandlerId {
        let handler: OfEvent = Arc::new(move |call| handler.handle(call));
        self.with(|lists| {
            let listed = lists.listed(handler, is_once);
            let id = listed.id;
            lists.on.entry(event.to_owned()).or_default().push(listed);
            id
        })
    }

    pub(super) fn on_any<P, H: EventHandler<P>>(&self, handler: H) -> HandlerId {
        let handler: OfEvent = Arc::new(move |call| handler.handle(call));
        self.with(|lists| {
            let listed = lists.listed(handler, false);
            let id = listed.id;
            lists.any.push(listed);
            id
        })
    }

    pub(super) fn on_any_outgoing(
        &self,
        function: impl Fn(&str, &Args) + Send + Sync + 'static,
    ) -> HandlerId {
        self.with(|lists| {
            let function: OfOutgoing = Arc::new(function);
            let listed = lists.listed(function, false);
            let id = listed.id;
            lists.outgoing.push(listed);
            id
        })
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

    pub(super) fn off_any(&self) {
        self.with(|lists| lists.any.clear());
    }

    pub(super) fn off_any_outgoing(&self) {
        self.with(|lists| lists.outgoing.clear());
    }

    /// Says whether it was there.
    pub(super) fn remove(&self, id: HandlerId) -> bool {
        self.with(|lists| {
            let was_listed = lists
                .on
                .values_mut()
                .any(|own| take_out(own, |listed| listed.id == id))
                || take_out(&mut lists.any, |listed| listed.id == id)
                || take_out(&mut lists.outgoing, |listed| listed.id == id);
            lists.tidy();
            was_listed
        })
    }

    /// Those of an event that has come: the ones of any event first. Those that run once are there no longer.
    pub(super) fn take(&self, event: &str) -> Vec<OfEvent> {
        let lists = self.lists();
        let has_once = |own: &Vec<Listed<OfEvent>>| own.iter().any(|listed| listed.is_once);
        if !lists.on.get(event).is_some_and(has_once) {
            return lists.of(event);
        }
        drop(lists);
        self.with(|lists| {
            let all = lists.of(event);
            if let Some(own) = lists.on.get_mut(event) {
                own.retain(|listed| !listed.is_once);
            }
            lists.tidy();
            all
        })
    }

    pub(super) fn of_outgoing(&self) -> Vec<OfOutgoing> {
        let lists = self.lists();
        lists
            .outgoing
            .iter()
            .map(|listed| listed.run.clone())
            .collect()
    }

    pub(super) fn of_connect(&self) -> Vec<Of<()>> {
        let lists = self.lists();
        lists.connect.clone()
    }

    pub(super) fn of_connect_error(&self) -> Vec<Of<ConnectError>> {
        let lists = self.lists();
        lists.connect_error.clone()
    }

    pub(super) fn of_disconnect(&self) -> Vec<Of<DisconnectReason>> {
        let lists = self.lists();
        lists.disconnect.clone()
    }

    fn lists(&self) -> RwLockReadGuard<'_, Lists> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Lists) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says whether one was there.
fn take_out<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    let place = list.iter().position(is_it);
    place.map(|place| list.remove(place)).is_some()
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.lists();
        f.debug_struct("Handlers")
            .field("events", &lists.on.len())
            .finish_non_exhaustive()
    }
}
