//! A connection whose protocol is known.

use crate::http1::driver::Connection;
use crate::server::permit::Permit;
use std::pin::Pin;

/// Its future.
pub(super) enum Served {
    Http1(Connection<Permit>),
    Other(Pin<Box<dyn Future<Output = ()> + Send>>),
}
