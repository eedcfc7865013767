//! How many events of a kind are told in a second: whoever can make a server fail must not fill its log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The present second, and how many events it has had.
#[derive(Debug, Default)]
pub(super) struct Ceiling(AtomicU64);

impl Ceiling {
    /// Whether one more may be told. Further ones of the same second are left out.
    pub(super) fn allows(&self, most: u64) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.map_or(0, |since| since.as_secs()) & 0xffff_ffff;
        let before = (self.0).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            Some(if before >> 32 == second {
                before.saturating_add(1)
            } else {
                second << 32 | 1
            })
        });
        // What stood there before, so the first of a second sees another second.
        let before = before.unwrap_or_default();
        let earlier = if before >> 32 == second {
            before & 0xffff_ffff
        } else {
            0
        };
        earlier < most
    }
}
