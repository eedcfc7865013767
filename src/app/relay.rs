//! A relay on the paved path.

use super::App;
use crate::relay::{Relay, RelayConfig};

impl App {
    /// Mounts a relay, as [`Router::with_relay`](crate::Router::with_relay) does.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::app::App;
    /// use wireline::relay::RelayConfig;
    ///
    /// let app = App::new(Router::new()).with_relay(RelayConfig::default().with_path("/realtime"));
    /// assert!(app.build().is_ok());
    /// ```
    #[must_use]
    pub fn with_relay(mut self, config: RelayConfig) -> Self {
        self.router = self.router.with_relay(config);
        self
    }

    /// The same with a relay that the program has already.
    #[must_use]
    pub fn relay(mut self, relay: &Relay) -> Self {
        self.router = self.router.relay(relay);
        self
    }
}
