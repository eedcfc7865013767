//! How fast a peer sends and takes. Only time in which we wait for the peer counts.

use crate::resource::worker::ticks;
use crate::service::link::config::Config;
use std::time::Duration;

/// One direction of a connection or of a stream.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flow {
    pub(crate) octets: u64,
    /// Ticks waited before the present wait.
    pub(crate) waited: u32,
    /// The tick in which the present wait began; 0 when there is none.
    pub(crate) since: u32,
}

impl Flow {
    pub(crate) fn wait(&mut self, now: u32) {
        if self.since == 0 {
            self.since = now;
        }
    }

    pub(crate) fn moved(&mut self, octets: usize, now: u32) {
        self.octets += octets as u64;
        if self.since != 0 {
            self.waited += now.saturating_sub(self.since);
            self.since = 0;
        }
    }

    pub(crate) fn is_stalled(&self, now: u32, longest: Duration) -> bool {
        self.since != 0 && now.saturating_sub(self.since) > ticks(longest)
    }

    /// The ticks waited, with the present wait.
    pub(crate) fn waited(&self, now: u32) -> u32 {
        self.waited
            + if self.since == 0 {
                0
            } else {
                now.saturating_sub(self.since)
            }
    }

    pub(crate) fn is_slow(&self, waited: u32, config: &Config) -> bool {
        waited > ticks(config.rate_grace)
            && self.octets * TICKS_A_SECOND < config.min_rate * u64::from(waited)
    }
}

/// How often the clock of a worker moves.
pub(crate) const TICKS_A_SECOND: u64 = 4;
