//! The span of a connection, made when a request of it is traced for the first time.

use crate::resource::addr::ConnInfo;
use std::sync::OnceLock;
use tracing::Span;

/// Lasts as long as its connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionSpan(OnceLock<Span>);

impl ConnectionSpan {
    /// The span, of which requests are children. It is nobody's child itself: which request came first says nothing.
    #[allow(dead_code, reason = "only `App` traces requests, and it is optional")]
    pub(crate) fn get(&self, info: &ConnInfo) -> &Span {
        self.0.get_or_init(
            || tracing::info_span!(parent: None, "http.connection", peer.addr = %info.peer),
        )
    }
}
