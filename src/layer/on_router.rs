//! Layers that routers have a word of their own for.

use crate::layer::time_limit::TimeLimit;
use crate::router::Router;
use std::time::Duration;

impl Router {
    /// Gives the handlers of this router and its groups so long to answer; a group's own limit wins. By default there is none.
    ///
    /// It is [`TimeLimit::new`] as a layer: a handler that takes longer is dropped, and the client gets 503.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        self.layer(TimeLimit::new(limit))
    }
}
