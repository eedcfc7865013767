//! wireline
pub mod extract;
pub mod http1;
pub mod resource;
pub mod router;
pub mod server;
pub mod service;
pub mod wire;
