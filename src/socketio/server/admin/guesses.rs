//! Wrong passwords of late: whoever guesses is not heard for a while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Counts attempts to sign in by where they come from: an address, of IPv6 the 64 bits that a client has to itself.
#[derive(Debug)]
pub(super) struct Guesses {
    most: u32,
    of: Mutex<HashMap<Option<IpAddr>, Attempts>>,
}

#[derive(Debug)]
struct Attempts {
    count: u32,
    since: Instant,
}

impl Guesses {
    /// So many of an address within a minute.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            of: Mutex::default(),
        }
    }

    /// Whether another attempt is heard. It counts until it turns out to be right: of several at a time no more are heard either.
    pub(super) fn may_try(&self, client: Option<IpAddr>) -> bool {
        let now = Instant::now();
        let mut of = self.lock();
        let mut key = client.map(network);
        if !of.contains_key(&key) && of.len() >= CLIENTS {
            of.retain(|_, attempts| !attempts.are_over(now));
            // The rest have one place together.
            key = key.filter(|_| of.len() < CLIENTS);
        }
        let attempts = of.entry(key).or_insert(Attempts {
            count: 0,
            since: now,
        });
        if attempts.are_over(now) {
            *attempts = Attempts {
                count: 0,
                since: now,
            };
        }
        if attempts.count >= self.most {
            return false;
        }
        attempts.count += 1;
        true
    }

    /// It was right: what was wrong before is forgotten.
    pub(super) fn was_right(&self, client: Option<IpAddr>) {
        let mut of = self.lock();
        if of.remove(&client.map(network)).is_none()
            && let Some(shared) = of.get_mut(&None)
        {
            shared.count = shared.count.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Attempts>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempts {
    fn are_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= MINUTE
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

/// Whether both are the same, in a time that depends on the length of what was given alone.
pub(super) fn is_same(given: &str, expected: &str) -> bool {
    let (given, expected) = (given.as_bytes(), expected.as_bytes());
    let mut different = u8::from(given.len() != expected.len());
    for (at, octet) in given.iter().enumerate() {
        different |= octet ^ expected.get(at).copied().unwrap_or_default();
    }
    std::hint::black_box(different) == 0
}

const MINUTE: Duration = Duration::from_secs(60);

/// The addresses that are kept apart.
const CLIENTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of this number in a network of IPv6.
    fn within(network: u16, number: u16) -> Option<IpAddr> {
        Some(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, number).into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_a_minute() {
        let guesses = Guesses::new(2);
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        let mapped = Ipv6Addr::from_bits(0xffff_c000_0201).into();
        assert!(guesses.may_try(one) && guesses.may_try(one));
        assert!(!guesses.may_try(one) && !guesses.may_try(Some(mapped)));
        assert!(guesses.may_try(Some([192, 0, 2, 2].into())) && guesses.may_try(None));
        // A client of IPv6 has many addresses.
        assert!(guesses.may_try(within(0, 1)) && guesses.may_try(within(0, 2)));
        assert!(!guesses.may_try(within(0, 3)) && guesses.may_try(within(1, 3)));
        tokio::time::advance(MINUTE).await;
        assert!(guesses.may_try(one) && guesses.may_try(one) && !guesses.may_try(one));
        guesses.was_right(one);
        assert!(guesses.may_try(one));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_addresses_are_kept_than_there_is_room_for() {
        let guesses = Guesses::new(2);
        let of = |number: u32| Some(number.to_be_bytes().into());
        for number in 0..12_000 {
            guesses.may_try(of(number));
        }
        assert_eq!(guesses.lock().len(), CLIENTS + 1);
        assert!(!guesses.may_try(of(20_000)) && guesses.may_try(of(1)));
        tokio::time::advance(MINUTE).await;
        assert!(guesses.may_try(of(20_000)));
        assert_eq!(guesses.lock().len(), 1);
    }

    #[test]
    fn what_is_the_same() {
        for (given, expected, same) in [
            ("", "", true),
            ("ada", "ada", true),
            ("ada", "adb", false),
            ("ad", "ada", false),
            ("ada", "ad", false),
            ("", "a", false),
            ("a\0", "a", false),
        ] {
            assert_eq!(is_same(given, expected), same, "{given} {expected}");
        }
    }
}
