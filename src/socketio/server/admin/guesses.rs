//! Wrong passwords of late: whoever guesses is not heard for a while.

use crate::wire::ip;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Counts attempts to sign in by where they come from: an address, of IPv6 the 64 bits that a client has to itself.
///
/// While very many come, those for whom there is no place are counted with their neighbours: so nobody guesses more often because of his many
/// addresses, and whoever has them all in some networks locks nobody out of others.
#[derive(Debug)]
pub(super) struct Guesses {
    most: u32,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    of: HashMap<Who, Attempts>,
    /// How many of them are clients.
    clients: usize,
    /// When it was last looked through for those that are over.
    swept: Option<Instant>,
}

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// All that have no address.
    Nobody,
    /// An IPv4 address, or 64 bits of IPv6.
    Client(IpAddr),
    /// The first 16 bits of an IPv4 address or 32 of IPv6, as a rule one provider's.
    Neighbours(IpAddr),
    /// Who is left.
    Others,
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
            table: Mutex::default(),
        }
    }

    /// With whom another attempt is counted, if it is heard. It counts until it turns out to be right: of several at a time no more are heard either.
    pub(super) fn may_try(&self, client: Option<IpAddr>) -> Option<Who> {
        let now = Instant::now();
        let mut table = self.lock();
        let who = table.place(client, now);
        let attempts = table.of.entry(who).or_insert(Attempts {
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
            return None;
        }
        attempts.count += 1;
        Some(who)
    }

    /// It was right: what was wrong before is forgotten, unless it may have been somebody else's.
    pub(super) fn was_right(&self, who: Who) {
        let mut table = self.lock();
        match who {
            Who::Client(_) | Who::Nobody => table.forget(who),
            Who::Neighbours(_) | Who::Others => {
                if let Some(shared) = table.of.get_mut(&who) {
                    shared.count = shared.count.saturating_sub(1);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn place(&mut self, client: Option<IpAddr>, now: Instant) -> Who {
        let Some(address) = client else {
            return Who::Nobody;
        };
        let own = Who::Client(ip::client(address));
        if self.of.contains_key(&own) {
            return own;
        }
        let is_due = |swept: Instant| now.duration_since(swept) >= SWEEP;
        if self.clients >= CLIENTS && self.swept.is_none_or(is_due) {
            self.swept = Some(now);
            self.of.retain(|_, attempts| !attempts.are_over(now));
            self.clients = self.of.keys().filter(|who| who.is_client()).count();
        }
        if self.clients < CLIENTS {
            self.clients += 1;
            return own;
        }
        let neighbours = Who::Neighbours(ip::beginning(address, 16, 32));
        if self.of.contains_key(&neighbours) || self.of.len() - self.clients < NETWORKS {
            neighbours
        } else {
            Who::Others
        }
    }

    fn forget(&mut self, who: Who) {
        if self.of.remove(&who).is_some() && who.is_client() {
            self.clients -= 1;
        }
    }
}

impl Who {
    const fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }
}

impl Attempts {
    fn are_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= MINUTE
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

/// How often a full table is looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// The clients that are kept apart.
const CLIENTS: usize = 10_000;

/// The networks that are kept apart beyond them.
const NETWORKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    impl Guesses {
        fn hears(&self, client: Option<IpAddr>) -> bool {
            self.may_try(client).is_some()
        }
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(ip::ip(text.as_bytes()).unwrap())
    }

    /// The IPv4 address of this number.
    fn numbered(number: u32) -> Option<IpAddr> {
        Some(number.to_be_bytes().into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_a_minute() {
        let guesses = Guesses::new(2);
        let (one, mapped) = (address("192.0.2.1"), address("::ffff:192.0.2.1"));
        let who = guesses.may_try(one);
        assert!(guesses.hears(one));
        assert!(!guesses.hears(one) && !guesses.hears(mapped));
        assert!(guesses.hears(address("192.0.2.2")) && guesses.hears(None));
        // A client of IPv6 has many addresses.
        assert!(guesses.hears(address("2001:db8::1")) && guesses.hears(address("2001:db8::2")));
        assert!(!guesses.hears(address("2001:db8::3")));
        assert!(guesses.hears(address("2001:db8:0:1::3")));
        tokio::time::advance(MINUTE).await;
        assert!(guesses.hears(one) && guesses.hears(one) && !guesses.hears(one));
        guesses.was_right(who.unwrap());
        assert!(guesses.hears(one));
        // So is whoever has no address.
        assert!(guesses.hears(None) && guesses.hears(None) && !guesses.hears(None));
        guesses.was_right(Who::Nobody);
        assert!(guesses.hears(None));
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_lock_out_no_more_than_their_networks() {
        let guesses = Guesses::new(2);
        // Of 0.0.0.0/16, all but two with a place of their own, which are counted together with those that come after them.
        for number in 0..10_002 {
            assert!(guesses.hears(numbered(number)), "{number}");
        }
        assert!(!guesses.hears(numbered(20_000)));
        assert!(guesses.hears(numbered(1)) && !guesses.hears(numbered(1)));
        // Who is elsewhere is heard, as often as anybody.
        let elsewhere = address("192.0.2.1");
        let who = guesses.may_try(elsewhere).unwrap();
        assert!(guesses.hears(elsewhere) && !guesses.hears(address("192.0.77.1")));
        guesses.was_right(who);
        assert!(guesses.hears(elsewhere) && !guesses.hears(elsewhere));
        assert!(guesses.hears(address("2001:db8::1")));
        tokio::time::advance(MINUTE).await;
        assert!(guesses.hears(numbered(20_000)));
        let table = guesses.lock();
        assert_eq!((table.of.len(), table.clients), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_networks_are_kept_than_there_is_room_for() {
        let guesses = Guesses::new(2);
        for number in 0..10_000 {
            guesses.may_try(numbered(number));
        }
        for number in 1..12_000_u32 {
            guesses.may_try(numbered(number << 16));
        }
        let table = guesses.lock();
        assert_eq!(table.clients, CLIENTS);
        assert_eq!(table.of.len(), CLIENTS + NETWORKS + 1);
        drop(table);
        assert!(!guesses.hears(numbered(13_000 << 16)));
        // A client that is forgotten leaves his place to another.
        guesses.was_right(Who::Client(numbered(1).unwrap()));
        assert!(matches!(
            guesses.may_try(numbered(13_000 << 16)),
            Some(Who::Client(_))
        ));
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
