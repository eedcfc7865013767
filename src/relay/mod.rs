//! Topics: what is published to one reaches everybody who subscribes to it, in order.

#[cfg(feature = "client")]
pub mod client;
pub mod endpoint;
pub mod hub;
pub mod protocol;
