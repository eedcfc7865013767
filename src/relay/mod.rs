//! Topics: what is published to one reaches everybody who subscribes to it, in order.
//!
//! ```text
//!   hub        the registry of topics: order, history, presence; knows no socket and no runtime
//!   groups     which members a task delivers to
//!   protocol   what clients and the server say to each other, as text
//!   endpoint   connections: their sessions, their place in the hub, what the application does with them
//!   cluster    what several nodes say to each other, so that they are one relay; knows no socket and no runtime
//!   backplane  what carries that: Redis, NATS, or memory
//!   client     a client of the relay, which comes back where it stopped
//!   api        the relay over HTTP, for programs
//!   route      the endpoint in a router, the relay as an argument of handlers
//!   service    the register/publish service, a protocol of its own
//! ```

pub mod api;
pub mod backplane;
#[cfg(feature = "client")]
pub mod client;
pub mod cluster;
#[cfg(feature = "macros")]
pub mod discover;
pub mod endpoint;
pub(crate) mod groups;
pub mod hub;
pub mod protocol;
pub mod route;
pub mod service;

pub use self::api::RelayApi;
pub use self::endpoint::{
    ClusterHandle, ClusterNode, Overflow, Partial, Payload, PresenceEntry, PushError, Rate, Relay,
    RelayCall, RelayConfig, RelayEvent, Stats, Unmatched, Whom,
};
