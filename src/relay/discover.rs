//! Channel handlers that are found where they are written: `#[relay("room:*")]` leaves them,
//! [`RelayConfig::discover`](crate::relay::RelayConfig::discover) takes them in.
//!
//! What the entries are made of is no part of the interface: `wireline-macros` of the same version writes them.

use crate::discover::is_within;
use crate::relay::endpoint::RelayConfig;

#[doc(hidden)]
pub use inventory;

impl RelayConfig {
    /// Adds every handler of the program that is marked with [`relay`](macro@crate::relay), in whatever crate it is written.
    ///
    /// Two for one pattern are an error when the router is built, which says where both are written.
    ///
    /// ```standalone_crate
    /// use wireline::relay::{Relay, RelayConfig, RelayEvent};
    /// use wireline::{Error, Router, relay};
    ///
    /// #[relay("room:*")]
    /// async fn room(event: RelayEvent, relay: Relay) -> Result<(), Error> {
    ///     if let RelayEvent::Message { topic, event, payload, .. } = event {
    ///         relay.push(&topic, &event, &payload).await.map_err(Error::internal)?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # fn main() {
    /// let routes = Router::new().with_relay(RelayConfig::default().discover()).build();
    /// assert!(routes.is_ok());
    /// # }
    /// ```
    #[must_use]
    pub fn discover(self) -> Self {
        self.take_in(|_| true)
    }

    /// As [`discover`](Self::discover), for the handlers of one module and those in it. `module` is a path with its crate, as
    /// `module_path!()` gives it.
    #[must_use]
    pub fn discover_in(self, module: &str) -> Self {
        self.take_in(|found| is_within(module, found.place.0))
    }

    fn take_in(self, is_wanted: impl Fn(&Found) -> bool) -> Self {
        let mut found: Vec<&Found> = inventory::iter::<Found>()
            .filter(|found| is_wanted(found))
            .collect();
        // The linker's order is its own.
        found.sort_by_key(|found| (found.pattern, found.place));
        found
            .into_iter()
            .fold(self, |config, found| (found.add)(config))
    }
}

/// What an attribute leaves.
#[doc(hidden)]
#[derive(Debug)]
pub struct Found {
    pattern: &'static str,
    add: fn(RelayConfig) -> RelayConfig,
    /// Module, file and line.
    place: (&'static str, &'static str, u32),
}

impl Found {
    /// A channel.
    pub const fn new(
        pattern: &'static str,
        add: fn(RelayConfig) -> RelayConfig,
        place: (&'static str, &'static str, u32),
    ) -> Self {
        Self {
            pattern,
            add,
            place,
        }
    }
}

inventory::collect!(Found);
