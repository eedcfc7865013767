//! How many connections there may be, altogether and of one address, and how fast they may come.

use crate::resource::addr::PeerAddr;
use crate::resource::waking::Notify;
use crate::server::pace::Pace;
use crate::sync::{AtomicUsize, Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The count of live connections of a server, and its limits.
#[derive(Debug)]
pub(super) struct Permits {
    limit: usize,
    live: AtomicUsize,
    released: Notify,
    addresses: Option<Addresses>,
    pace: Option<Pace>,
}

/// One connection's place; dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Arc<Permits>,
    /// Whose connection it is, where that is counted.
    address: Option<Address>,
}

impl Permits {
    /// At most `limit` connections, at most `of_address` of one address and no faster than `pace`, if
    /// those are limited.
    pub(super) fn new(limit: usize, of_address: Option<usize>, pace: Option<Pace>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            live: AtomicUsize::new(0),
            released: Notify::new(),
            addresses: of_address.map(|limit| Addresses {
                limit,
                live: Mutex::default(),
            }),
            pace,
        })
    }

    /// A place, if there is one.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        let taken = self
            .live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
                (live < self.limit).then_some(live + 1)
            });
        taken.is_ok().then(|| Permit {
            permits: self.clone(),
            address: None,
        })
    }

    /// Waits for a place.
    pub(super) async fn take(self: &Arc<Self>) -> Permit {
        loop {
            let mut released = pin!(self.released.notified());
            // In line before it looks: of two places that become free meanwhile, before anybody waits, one would be told of.
            released.as_mut().enable();
            if let Some(permit) = self.try_take() {
                return permit;
            }
            released.await;
        }
    }

    /// A place beyond the limit.
    pub(super) fn exceed(self: &Arc<Self>) -> Permit {
        self.live.fetch_add(1, Ordering::AcqRel);
        Permit {
            permits: self.clone(),
            address: None,
        }
    }

    /// A connection was accepted: how long to wait before the next one, if at all.
    pub(super) fn accepted(&self) -> Option<Duration> {
        self.pace.as_ref()?.accepted()
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }
}

impl Permit {
    /// The same place, counted for its peer as well; `None`, and the place is free again, when the peer
    /// has as many as one may have.
    pub(super) fn of(mut self, peer: PeerAddr) -> Option<Self> {
        if let Some(addresses) = &self.permits.addresses
            && let Some(address) = Address::of(peer)
        {
            let mut live = addresses.live();
            let count = live.entry(address).or_default();
            if *count >= addresses.limit {
                return None;
            }
            *count += 1;
            drop(live);
            self.address = Some(address);
        }
        Some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let (Some(addresses), Some(address)) = (&self.permits.addresses, self.address) {
            addresses.give_back(address);
        }
        self.permits.live.fetch_sub(1, Ordering::AcqRel);
        self.permits.released.notify_one();
    }
}

/// How many connections each address has. There are never more entries than connections.
#[derive(Debug)]
struct Addresses {
    limit: usize,
    live: Mutex<HashMap<Address, usize>>,
}

impl Addresses {
    fn live(&self) -> MutexGuard<'_, HashMap<Address, usize>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, address: Address) {
        let mut live = self.live();
        match live.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(live.remove(&address)),
        }
    }
}

/// What counts as one client: an IPv4 address, or the 64 bits of an IPv6 network, of which a host may use
/// all addresses. Every idle connection holds one, so it is one word: IPv4 stands where the reserved
/// networks of `::/32` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Address(NonZeroU64);

impl Address {
    /// `None` for who is not counted: the own machine, where proxies and probes are, and Unix sockets.
    fn of(peer: PeerAddr) -> Option<Self> {
        // A listener for both versions sees IPv4 as mapped addresses.
        let ip = peer.ip()?.to_canonical();
        if ip.is_loopback() {
            return None;
        }
        NonZeroU64::new(network(ip)).map(Self)
    }
}

/// What counts as one client, as a number: an IPv4 address, or the first 64 bits of an IPv6 address.
pub(super) fn network(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.segments()[..4]
            .iter()
            .fold(0, |bits, segment| bits << 16 | u64::from(*segment)),
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn peer(ip: &str) -> PeerAddr {
        #[expect(clippy::disallowed_methods, reason = "it is written in this file")]
        let ip: IpAddr = ip.parse().unwrap();
        SocketAddr::new(ip, 4711).into()
    }

    fn take(permits: &Arc<Permits>, ip: &str) -> Option<Permit> {
        permits.try_take()?.of(peer(ip))
    }

    #[test]
    fn one_address_has_its_share_and_leaves_the_others_theirs() {
        let permits = Permits::new(5, Some(2), None);
        let (first, second) = (take(&permits, "192.0.2.1"), take(&permits, "192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(take(&permits, "192.0.2.1").is_none());
        assert_eq!(permits.live(), 2, "a place that was refused is free");
        let others = (take(&permits, "192.0.2.2"), take(&permits, "192.0.2.3"));
        assert!(others.0.is_some() && others.1.is_some());
        drop(first);
        let again = take(&permits, "192.0.2.1");
        assert!(again.is_some() && take(&permits, "192.0.2.1").is_none());
        let fifth = take(&permits, "192.0.2.4");
        assert!(fifth.is_some());
        assert!(take(&permits, "192.0.2.5").is_none(), "all are taken");
        drop((second, others, again, fifth));
        assert_eq!(permits.live(), 0);
        let addresses = permits.addresses.as_ref().unwrap();
        assert!(
            addresses.live().is_empty(),
            "nothing is kept of who is gone"
        );
    }

    #[test]
    fn the_addresses_of_one_network_are_one_client() {
        let permits = Permits::new(100, Some(1), None);
        for (ip, other) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
        ] {
            let first = take(&permits, ip);
            assert!(first.is_some(), "{ip}");
            assert!(take(&permits, other).is_none(), "{other}");
        }
        let _first = take(&permits, "2001:db8:1:2::1");
        assert!(take(&permits, "2001:db8:1:3::1").is_some());
    }

    #[test]
    fn the_own_machine_is_not_counted_and_nobody_is_without_a_limit() {
        let permits = Permits::new(100, Some(0), None);
        for ip in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(take(&permits, ip).is_some(), "{ip}");
        }
        assert!(
            permits
                .try_take()
                .and_then(|it| it.of(PeerAddr::Unix))
                .is_some()
        );
        assert!(take(&permits, "192.0.2.1").is_none());
        let unlimited = Permits::new(100, None, None);
        let all: Vec<_> = (0..100).map(|_| take(&unlimited, "192.0.2.1")).collect();
        assert!(all.iter().all(Option::is_some));
    }
}
