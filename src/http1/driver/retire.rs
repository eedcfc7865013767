//! Connections that have had their time, or their number of requests (D41).

use crate::http1::driver::Link;
use crate::http1::driver::active::Active;
use crate::http1::state::Life;
use crate::resource::counters::Counter;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

impl Active {
    /// Counts the present request, and makes it the last one when it is. A connection that waits is left
    /// alone: closing it could cross a request on its way.
    #[cold]
    pub(super) fn retire_when_due(&mut self, link: &Link) {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let requests = link.slot.count_request();
        let is_last = link.slot.is_old(worker.now())
            || config.max_requests.is_some_and(|most| requests >= most);
        if is_last && self.protocol.state().life == Life::Persistent {
            worker.counters.add(Counter::ConnectionsRetired);
            self.protocol.last_request();
        }
    }
}

/// Between nine tenths of `longest` and all of it.
pub(super) fn spread(longest: Duration) -> Duration {
    // The standard library seeds its maps from the system, which is as much chance as this needs.
    let chance = RandomState::new().hash_one(()) % u64::from(STEPS + 1);
    let off = u32::try_from(chance).unwrap_or(0);
    longest - (longest / 10 / STEPS) * off
}

const STEPS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_the_last_tenth() {
        let longest = Duration::from_secs(1000);
        let ages: Vec<Duration> = (0..1000).map(|_| spread(longest)).collect();
        let (least, most) = (Duration::from_secs(900), longest);
        assert!(ages.iter().all(|age| (least..=most).contains(age)));
        for third in [(900, 933), (933, 966), (966, 1000)] {
            let third = Duration::from_secs(third.0)..Duration::from_secs(third.1);
            assert!(
                ages.iter().any(|age| third.contains(age)),
                "none in {third:?}"
            );
        }
        for longest in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            assert!(spread(longest) <= longest);
        }
    }
}
