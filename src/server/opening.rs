//! From what a server was told to its open listeners, and what all of them share.

use crate::resource::budget::Budget;
use crate::resource::counters::Counters;
use crate::server::bind::Listener;
use crate::server::builder::{Place, Server};
use crate::server::door::Door;
use crate::server::error::StartError;
use crate::server::handle::Handle;
use crate::server::in_flight::InFlight;
use crate::server::pace::Pace;
use crate::server::permit::Permits;
use crate::server::proxied::Proxied;
use crate::server::workers::Common;
use crate::wire::number;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Listeners in groups, each at one address, with the door that they lead to.
pub(super) type Opened = Vec<(Vec<Listener>, Door)>;

/// What is common to the workers, and how long the drain may take.
pub(super) struct Ready {
    pub(super) common: Common,
    pub(super) timeout: Duration,
}

impl Deref for Ready {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl Server {
    /// Opens every place, and makes what all workers serve with.
    pub(super) fn open(self, reuse_port: bool) -> Result<(Ready, Opened), StartError> {
        if self.places.is_empty() {
            return Err(StartError::from(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no place to listen at: call `bind`",
            )));
        }
        let mut opened = Vec::new();
        let mut secured = Vec::new();
        for Place { bind, open } in self.places {
            // What is wrong with certificates is told before anybody can connect.
            let door = match bind.proxy() {
                Some(proxy) => Door::Proxied(Arc::new(Proxied::new(proxy, open()?))),
                None => open()?,
            };
            secured.extend(door.secure().cloned());
            for group in bind.open(self.config.backlog, reuse_port)? {
                opened.push((group, door.clone()));
            }
        }
        let bound = opened
            .iter()
            .filter_map(|(group, door)| Some((group.first()?, door)))
            .map(|(listener, door)| Ok(door.bound(listener.socket.bound()?)))
            .collect::<io::Result<Vec<_>>>()?;
        let budget = self
            .budget
            .unwrap_or_else(|| Arc::new(Budget::new(self.config.memory_budget)));
        let permits = Permits::new(
            self.config.max_connections.min(descriptor_share()),
            self.config.max_connections_per_address,
            self.config.accept_rate.map(Pace::new),
        );
        let counted = permits.clone();
        let counters = Arc::new(Counters::default());
        let service = match self.config.max_in_flight {
            Some(limit) => Arc::new(InFlight::new(self.service, limit, counters.clone())),
            None => self.service,
        };
        let service = match self.trusted {
            Some(proxies) => Arc::new(proxies.around(service)),
            None => service,
        };
        let common = Common {
            service,
            config: Arc::new(self.connection.settled()),
            budget: budget.clone(),
            permits,
            full: self.config.when_full,
            handle: Handle::new(budget, bound, counters, secured, move || counted.live()),
        };
        Ok((
            Ready {
                common,
                timeout: self.config.shutdown_timeout,
            },
            opened,
        ))
    }
}

/// 90 % of the process's file descriptors.
fn descriptor_share() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?
            .split_whitespace()
            .next()
    });
    let soft = soft.and_then(|text| number::decimal(text.as_bytes()));
    soft.and_then(|limit| usize::try_from(limit / 10 * 9).ok())
        .unwrap_or(usize::MAX)
        .max(1)
}
