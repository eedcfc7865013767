//! The words that both sides of a handler use: requests, responses, headers, bodies, errors, and the
//! traits that turn functions into handlers.
//!
//! Nothing here knows how a request came or which route it took to its handler.

pub mod accept;
pub(crate) mod arguments;
pub mod attachment;
pub mod bearer;
pub mod body;
pub mod client_addr;
pub mod conditional;
pub mod controller;
#[cfg(feature = "cookies")]
pub mod cookie;
pub mod error;
pub(crate) mod feed;
pub mod handler;
pub mod headers;
#[cfg(any(all(feature = "client", feature = "socketio"), feature = "test"))]
pub(crate) mod jar;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "json")]
pub mod json_lines;
pub mod layer;
pub(crate) mod layered;
pub mod link;
pub mod media_type;
pub mod middleware;
pub mod optional;
pub mod problem;
pub mod range;
pub mod redirect;
pub mod representation;
pub mod request;
pub mod response;
pub mod route;
pub(crate) mod short;
pub mod trusted;
pub mod upgrade;
pub mod user;
