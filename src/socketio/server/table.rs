//! The handlers of a namespace.

use super::call::Call;
use super::error::ConnectError;
use super::handler::{Erased, Handling};
use crate::service::handler::RouteCheck;
use crate::socketio::packet::Args;
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

/// What decides who may connect, by what the client says, and by where it is where that is kept.
pub(super) type Authenticate = dyn Fn(Value, Option<IpAddr>) -> Pin<Box<dyn Future<Output = Result<Value, ConnectError>> + Send>>
    + Send
    + Sync;

/// What takes an event of another server.
pub(super) type TakeServerEvent = dyn Fn(Args) -> Handling + Send + Sync;

/// The handlers of a namespace. Sockets have those that were there when they connected.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) authenticate: Option<Arc<Authenticate>>,
    /// Whether that looks at where the client is.
    pub(super) authenticates_addresses: bool,
    pub(super) on_connect: Vec<Arc<Erased>>,
    pub(super) on_event: Vec<Arc<Erased>>,
    pub(super) connection: Vec<Arc<Erased>>,
    pub(super) disconnect: Vec<Arc<Erased>>,
    pub(super) any: Vec<Arc<Erased>>,
    pub(super) events: HashMap<Box<str>, Vec<Arc<Erased>>>,
    pub(super) server_events: HashMap<Box<str>, Arc<TakeServerEvent>>,
}

impl Table {
    fn all(&self) -> impl Iterator<Item = &Arc<Erased>> {
        let lists = [
            &self.on_connect,
            &self.on_event,
            &self.connection,
            &self.disconnect,
            &self.any,
        ];
        let events = self.events.values().flatten();
        lists.into_iter().flatten().chain(events)
    }

    pub(super) fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
        self.all().try_for_each(|handler| (handler.check)(route))
    }

    pub(super) fn needs_parts(&self) -> bool {
        self.all().any(|handler| handler.needs_parts)
    }
}

/// The handlers that the next socket gets; those of namespaces that one pattern has made are the same.
#[derive(Clone, Default)]
pub(super) struct Terms(Arc<RwLock<Arc<Table>>>);

impl Terms {
    pub(super) fn now(&self) -> Arc<Table> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Table)) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut table));
    }
}

/// The handlers of one socket.
#[derive(Default)]
pub(super) struct Listeners {
    pub(super) disconnect: Vec<Arc<Erased>>,
    pub(super) any: Vec<Arc<Erased>>,
    pub(super) events: HashMap<Box<str>, Vec<Arc<Erased>>>,
    pub(super) outgoing: Vec<Arc<Outgoing>>,
}

/// What is told of every event that goes out.
pub(super) type Outgoing = dyn Fn(&str, &Args) + Send + Sync;

/// What is to be called for an event.
pub(super) fn of_event<'a>(
    any: &'a [Arc<Erased>],
    events: &'a HashMap<Box<str>, Vec<Arc<Erased>>>,
    name: &str,
) -> impl Iterator<Item = &'a Arc<Erased>> {
    any.iter().chain(events.get(name).into_iter().flatten())
}

/// Calls one handler after the other, once everybody who is asked before has agreed.
pub(super) fn in_turn(
    before: Vec<Arc<Erased>>,
    handlers: Vec<Arc<Erased>>,
    call: Call,
) -> Handling {
    Box::pin(async move {
        for handler in before {
            handler
                .handle(Call {
                    ack: None,
                    ..call.clone()
                })
                .await?;
        }
        let mut answer = None;
        for handler in handlers {
            let given = handler.handle(call.clone()).await?;
            answer = answer.or(given);
        }
        Ok(answer)
    })
}
