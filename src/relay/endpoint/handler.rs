//! Functions that take what happens in a topic, and calls.

use super::Relay;
use super::payload::Payload;
use crate::extract::Json;
use crate::relay::hub::Topic;
use crate::service::error::Error;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::request::Parts;
use crate::service::response::IntoResponse;
use serde::Serialize;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What happens in a topic, for the handler of its channel.
///
/// The events of a connection come one by one, in order; those of different connections beside each other.
///
/// ```
/// use wireline::Error;
/// use wireline::relay::{Relay, RelayConfig, RelayEvent};
///
/// async fn room(event: RelayEvent, relay: Relay) -> Result<(), Error> {
///     match event {
///         // `Ok` lets the client in.
///         RelayEvent::Join { topic, conn_id, .. } => {
///             relay.track(&topic, conn_id, "here").map_err(Error::internal)?;
///         }
///         RelayEvent::Message { topic, event, payload, conn_id } => {
///             relay.push_from(conn_id, &topic, &event, &payload).await.map_err(Error::internal)?;
///         }
///         RelayEvent::Leave { topic, .. } => println!("one less in {topic}"),
///         _ => {}
///     }
///     Ok(())
/// }
/// # let _ = RelayConfig::default().channel("room:*", room);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RelayEvent {
    /// A client wants to subscribe. An error rejects it; until it is decided nothing that is published reaches the client, and
    /// nothing is lost for it either.
    Join {
        /// The topic.
        topic: Topic,
        /// The connection.
        conn_id: u64,
        /// What the client says with it; `null` when it says nothing.
        payload: Payload,
    },
    /// A client that subscribes sends a message. Who gets it is for the handler to say.
    Message {
        /// The topic.
        topic: Topic,
        /// The event.
        event: String,
        /// What it carries.
        payload: Payload,
        /// The connection.
        conn_id: u64,
    },
    /// A subscription has ended, by the client's wish, the server's, or because the connection has. Nobody waits for the
    /// handler; the connection is no longer present in the topic. It comes once for every `Join` that was let in.
    Leave {
        /// The topic.
        topic: Topic,
        /// The connection.
        conn_id: u64,
    },
}

impl RelayEvent {
    /// The topic.
    pub const fn topic(&self) -> &Topic {
        match self {
            Self::Join { topic, .. } | Self::Message { topic, .. } | Self::Leave { topic, .. } => {
                topic
            }
        }
    }

    /// The connection.
    pub const fn conn_id(&self) -> u64 {
        match self {
            Self::Join { conn_id, .. }
            | Self::Message { conn_id, .. }
            | Self::Leave { conn_id, .. } => *conn_id,
        }
    }
}

/// A call of a client, for the handler of its method.
///
/// ```
/// use wireline::Error;
/// use wireline::extract::Json;
/// use wireline::relay::{Relay, RelayCall, RelayConfig};
///
/// async fn double(call: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
///     let number: i64 = call.payload.json().map_err(Error::internal)?;
///     Ok(Json(number * 2))
/// }
/// # let _ = RelayConfig::default().call("double", double);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayCall {
    /// The method.
    pub method: String,
    /// Its arguments.
    pub payload: Payload,
    /// The connection.
    pub conn_id: u64,
}

/// What a handler gives back: nothing, a value for the client as [`Json`] or [`Payload`], or an `Option` or a `Result` of those.
///
/// The value is `reply` in the answer to a subscription, and `payload` in that to a call; others are not told. Of an error the
/// client gets the message, as an HTTP client would.
///
/// ```
/// use wireline::extract::Json;
/// use wireline::relay::endpoint::IntoReply;
///
/// let reply = Some(Json([1, 2])).into_reply().unwrap();
/// assert_eq!(reply.unwrap().get(), "[1,2]");
/// assert!(().into_reply().unwrap().is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler of the relay gives back",
    note = "it is `()`, a `Json`, a `Payload`, an `Option` or a `Result` of those whose error becomes a `wireline::Error`"
)]
pub trait IntoReply {
    /// The value, if there is one.
    ///
    /// # Errors
    ///
    /// Why the event is rejected.
    fn into_reply(self) -> Result<Option<Payload>, Error>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Option<Payload>, Error> {
        Ok(None)
    }
}

impl IntoReply for Payload {
    fn into_reply(self) -> Result<Option<Payload>, Error> {
        Ok(Some(self))
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Option<Payload>, Error> {
        Payload::new(&self.0).map(Some).map_err(Error::internal)
    }
}

impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Result<Option<Payload>, Error> {
        self.map_or(Ok(None), T::into_reply)
    }
}

impl<T: IntoReply, E: Into<Error>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Option<Payload>, Error> {
        self.map_err(Into::into)?.into_reply()
    }
}

/// The head of the request that opened a connection, for the extractors of handlers.
pub(super) type SharedParts = Arc<Mutex<Parts>>;

/// What a handler makes of an event.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<Option<Payload>, Error>> + Send>>;

/// An async function of an event, a [`Relay`] and up to six extractors, which read the request that opened the connection.
///
/// An extractor that has nothing to give rejects the event.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::State;
/// use wireline::relay::{Relay, RelayConfig, RelayEvent};
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// async fn room(event: RelayEvent, relay: Relay, State(greeting): State<Greeting>) {
///     if let RelayEvent::Join { topic, .. } = event {
///         let _ = relay.push(topic, "joined", greeting.0).await;
///     }
/// }
///
/// let config = RelayConfig::default().channel("room:*", room);
/// let routes = Router::new().with_relay(config);
/// assert!(routes.state(Greeting("hello")).build().is_ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{E}`s",
    note = "it is an async function of the event, a `Relay`, and at most 6 extractors that do not take the body",
    note = "its future is `Send`: what is not, such as an `Rc` or the guard of a lock, does not live across an `await`",
    note = "it gives back `()`, a `Json`, a `Payload`, an `Option` or a `Result` of those whose error becomes a `wireline::Error`"
)]
pub trait EventHandler<E, Args>: Clone + Send + Sync + 'static {
    /// Whether it has extractors: then connections keep the head of their request.
    const EXTRACTS: bool;

    /// Takes an event. `parts` are there if it extracts.
    ///
    /// The future is dropped when it takes longer than [`RelayConfig::handler_timeout`](super::RelayConfig::handler_timeout), or a call
    /// longer than its deadline; that of a call as well when the client cancels it, and when its connection ends. What it has done by
    /// then stays done.
    ///
    /// # Errors
    ///
    /// Why the event is rejected, or the call has no result.
    fn handle(
        self,
        event: E,
        relay: Relay,
        parts: Option<Arc<Mutex<Parts>>>,
    ) -> impl Future<Output = Result<Option<Payload>, Error>> + Send + 'static;

    /// As [`Handler::check`](crate::service::handler::Handler::check).
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String>;
}

macro_rules! event_handler {
    ($($part:ident)*) => {
        impl<Event, Fun, Fut, $($part,)*> EventHandler<Event, ($($part,)*)> for Fun
        where
            Event: Send + 'static,
            Fun: Fn(Event, Relay, $($part,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoReply,
            $($part: FromRequestParts + 'static,)*
        {
            const EXTRACTS: bool = [$(stringify!($part),)* ""].len() > 1;

            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for every number of arguments")]
            async fn handle(self, event: Event, relay: Relay, parts: Option<SharedParts>) -> Result<Option<Payload>, Error> {
                event_handler!(@extract parts $($part)*);
                self(event, relay, $($part,)*).await.into_reply()
            }

            #[allow(unused_variables, reason = "a handler without extractors asks nothing")]
            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                Ok(())
            }
        }
    };
    (@extract $parts:ident) => {};
    (@extract $parts:ident $($part:ident)+) => {
        let Some($parts) = $parts else {
            return Err(Error::internal("the connection has not kept its request"));
        };
        let mut $parts = $parts.lock().await;
        $(let $part = $part::from_request_parts(&mut $parts).await.map_err(rejected)?;)+
        drop($parts);
    };
}

event_handler!();
event_handler!(A);
event_handler!(A B);
event_handler!(A B C);
event_handler!(A B C D);
event_handler!(A B C D F);
event_handler!(A B C D F G);

/// What an extractor's rejection is to a client that is not asking over HTTP.
fn rejected(rejection: impl IntoResponse) -> Error {
    let status = rejection.into_response().status();
    Error::new(status, status.canonical_reason().unwrap_or("refused"))
}

/// A handler whose type is forgotten.
pub(super) struct Erased<E> {
    handle: Box<dyn Fn(E, Relay, Option<SharedParts>) -> Handling + Send + Sync>,
    pub(super) extracts: bool,
    pub(super) check: fn(&RouteCheck<'_>) -> Result<(), String>,
}

impl<E: Send + 'static> Erased<E> {
    pub(super) fn new<H: EventHandler<E, Args>, Args: 'static>(handler: H) -> Self {
        Self {
            handle: Box::new(move |event, relay, parts| {
                Box::pin(handler.clone().handle(event, relay, parts))
            }),
            extracts: H::EXTRACTS,
            check: H::check,
        }
    }

    pub(super) fn handle(&self, event: E, relay: Relay, parts: Option<SharedParts>) -> Handling {
        (self.handle)(event, relay, parts)
    }
}

impl<E> fmt::Debug for Erased<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Erased")
    }
}
