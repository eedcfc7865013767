//! A client of a relay: subscribes, publishes, calls, and comes back by itself.
//!
//! ```text
//!   RelayClient, Subscription, Direct  (handles; dropping the last one ends the client)
//!        |  one lock
//!   core (no I/O): messages, where each subscription stands, waits  <---> driver: the client's task
//!        |                                                                  socket, timer, callbacks
//!   inbox of each subscription: bounded; what does not fit is counted where it is missing
//! ```
//!
//! Between two connections nothing is lost that the server still keeps, and nothing is given twice: every subscription
//! counts where it stands and goes on from there. Where something is missing, it is said: [`Event::Lagged`] with the
//! number, or [`Subscribed::recovered`] when nobody knows it.

mod builder;
mod core;
mod dial;
mod driver;
mod handle;
mod inbox;
#[cfg(test)]
mod inbox_tests;
mod shared;
mod stream;
mod subscription;
#[cfg(feature = "tls")]
mod tls;

pub use self::builder::Builder;
pub use self::core::event::{
    Event, Hello, Lagged, Member, Missing, Presence, Push, Refusal, RequestError, SubscribeError,
    Subscribed, Unsubscribed,
};
pub use self::core::pace::{Backoff, Ended};
pub use self::dial::DialError;
pub use self::handle::RelayClient;
pub use self::subscription::{Direct, SubscribeOptions, Subscription};

use crate::relay::client::dial::Later;
use std::sync::Arc;

/// Whatever a callback fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives the token of a subscription.
pub(crate) type TokenCallback = Arc<dyn Fn() -> Later<Result<String, BoxError>> + Send + Sync>;

/// What a client's connection is like.
///
/// ```
/// use wireline::relay::client::{RelayClient, Status};
///
/// /// Tells what becomes of the connection, until it has ended for good.
/// async fn watch(client: &RelayClient) {
///     let mut status = client.status();
///     while !matches!(status, Status::Ended(_)) {
///         println!("{status:?}");
///         status = client.changed(&status).await;
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being opened.
    Connecting,
    /// There is a connection.
    Connected,
    /// There is an event stream, because no WebSocket could be opened: pushes come, and nothing can be sent. A WebSocket
    /// takes its place as soon as there is one.
    Reading,
    /// The connection was lost, for this reason; the next one is tried after a wait.
    Waiting(String),
    /// There will be none any more.
    Ended(Ended),
}
