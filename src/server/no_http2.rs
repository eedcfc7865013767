//! Without feature `http2` there is nothing to choose.

use crate::http1::driver::Connection;
use crate::resource::addr::ConnInfo;
use crate::resource::io::Io;
use crate::server::permit::Permit;
use crate::server::served::Served;
use crate::service::link::{Link, Shared};
use std::sync::Arc;

/// What is offered by ALPN (RFC 7301).
pub(super) const OFFERED: &[&[u8]] = &[b"http/1.1"];

/// The protocol that ALPN chose.
pub(super) fn chosen(_: Option<&[u8]>, io: Io, link: Link, permit: Permit) -> Served {
    Served::Http1(Connection::begin(io, link, permit))
}

/// Serves a plain connection as a task of the present runtime.
#[inline]
pub(super) fn serve_plain(io: Io, info: ConnInfo, shared: Arc<Shared>, permit: Permit) {
    tokio::spawn(Connection::new(io, info, shared, permit));
}
