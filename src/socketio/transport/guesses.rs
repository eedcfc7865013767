//! Who names sessions that there are not.

use crate::layer::rate_limit::{InMemoryRateLimiter, Key, Quota, QuotaLimiter, Spending};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

/// How many unknown sessions each address has named.
pub(super) struct Guesses {
    table: InMemoryRateLimiter,
    quota: Quota,
}

impl Guesses {
    /// So many of one address are harmless in a minute.
    pub(super) fn new(harmless: u32) -> Self {
        Self {
            table: InMemoryRateLimiter::with_capacity(ADDRESSES),
            quota: Quota {
                name: Cow::Borrowed("unknown sessions"),
                max_requests: harmless,
                window: Duration::from_secs(60),
            },
        }
    }

    /// Whether this one is beyond that. Whoever has no address shares with all others that have none.
    pub(super) fn is_one_too_many(&self, address: Option<IpAddr>) -> bool {
        let key = address.map_or_else(|| Key::text("local"), Key::address);
        match self.table.spend(&key, 1, &self.quota) {
            Spending::Now(verdict) => !verdict.allowed,
            // A table in memory does not have to ask.
            Spending::Later(_) => false,
        }
    }
}

/// How many addresses are remembered, at 24 octets each: beyond them the oldest is forgotten.
const ADDRESSES: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_for_themselves() {
        let guesses = Guesses::new(2);
        let address = |text: &str| crate::wire::ip::ip(text.as_bytes());
        for (who, is_one_too_many) in [
            (address("192.0.2.1"), false),
            (address("192.0.2.1"), false),
            (address("192.0.2.1"), true),
            (address("192.0.2.2"), false),
            (address("::ffff:192.0.2.1"), true),
            (address("2001:db8::1"), false),
            (address("2001:db8::2"), false),
            (address("2001:db8::3"), true),
            (None, false),
        ] {
            assert_eq!(guesses.is_one_too_many(who), is_one_too_many, "{who:?}");
        }
        assert!(Guesses::new(0).is_one_too_many(None));
        let never = Guesses::new(u32::MAX);
        assert!((0..10_000).all(|_| !never.is_one_too_many(None)));
    }
}
