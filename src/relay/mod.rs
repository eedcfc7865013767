//! Topics: what is published to one reaches everybody who subscribes to it, in order.

pub mod endpoint;
pub mod hub;
pub mod protocol;
pub mod service;
