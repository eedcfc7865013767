//! The limiter that counts in this process.

use crate::layer::rate_limit::key::Key;
use crate::layer::rate_limit::limiter::{Quota, QuotaLimiter, Spending, Verdict};
use crate::layer::rate_limit::window::Window;
use crate::sync::{Mutex, MutexGuard};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Counts in memory, in sliding windows, for one process. Clones share what they count.
///
/// It remembers at most 2,097,152 keys, in 48 MiB; [`with_capacity`](Self::with_capacity) changes that. It begins with
/// little and grows as keys come. When there is no place for a key where it belongs, which begins to happen when the
/// table is half full, the one goes whose time is up first: it is counted from nothing when it comes again. A minute behind a flood of keys the memory is given back.
///
/// Keys are kept as 64 bits of a hash with a seed of its own, so that nobody can choose keys that share a place. The
/// clock is monotonic: a change of the time of day changes nothing.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::rate_limit::{InMemoryRateLimiter, RateLimit};
///
/// let limiter = InMemoryRateLimiter::with_capacity(100_000);
/// let minute = Duration::from_secs(60);
/// let routes = Router::new()
///     .layer(RateLimit::new(100, minute).limiter(limiter.clone()))
///     .nest("/login", Router::new().layer(RateLimit::new(5, minute).name("login").limiter(limiter)))
///     .build()?;
/// # Ok::<(), wireline::router::BuildError>(())
/// ```
#[derive(Clone)]
pub struct InMemoryRateLimiter(Arc<Table>);

struct Table {
    shards: Box<[Mutex<Shard>]>,
    /// The most places of a shard.
    most: usize,
    hash: RandomState,
    begun: Instant,
}

/// A part of the table with a lock of its own: buckets of a few places each.
#[derive(Default)]
struct Shard {
    places: Vec<Place>,
    /// When it is looked through again, in nanoseconds.
    sweep: u64,
}

/// A key and what it has spent. The tag 0 is nobody's.
#[derive(Clone, Copy, Default)]
struct Place {
    tag: u64,
    window: Window,
}

impl InMemoryRateLimiter {
    /// For 2,097,152 keys.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// For about so many keys: at least 4,096 and at most 16,777,216, rounded up to a power of two. Each costs 24 octets.
    pub fn with_capacity(keys: usize) -> Self {
        let most = keys.clamp(WAYS * SHARDS, LARGEST).div_ceil(SHARDS);
        Self(Arc::new(Table {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: most.next_power_of_two(),
            hash: RandomState::new(),
            begun: Instant::now(),
        }))
    }

    /// How many keys have spent something that still counts. It looks at each of them.
    pub fn keys(&self) -> usize {
        let now = self.0.now();
        let shards = self.0.shards.iter().map(lock);
        shards.map(|shard| shard.count(now)).sum()
    }

    /// How many octets the table has.
    pub fn memory(&self) -> usize {
        let shards = self.0.shards.iter().map(lock);
        let places: usize = shards.map(|shard| shard.places.capacity()).sum();
        places * size_of::<Place>() + SHARDS * size_of::<Mutex<Shard>>()
    }
}

impl Table {
    fn now(&self) -> u64 {
        nanos(self.begun.elapsed())
    }

    fn spend(&self, key: &Key, cost: u32, quota: &Quota) -> Verdict {
        let window = nanos(quota.window);
        let tag = self.hash.hash_one((key, window, &*quota.name)).max(1);
        // The highest bits choose the shard, the lowest ones the bucket in it.
        let shard = usize::from(tag.to_be_bytes()[0]) % SHARDS;
        let mut shard = lock(&self.shards[shard]);
        let now = self.now();
        let place = shard.place(tag, now, self.most);
        let spent = place.window.spend(
            Duration::from_nanos(now),
            cost,
            quota.max_requests,
            quota.window,
        );
        Verdict {
            allowed: spent.allowed,
            remaining: Some(spent.remaining),
            reset: Some(spent.reset),
        }
    }
}

impl Shard {
    /// The place of a tag: its own, or one whose window is at its end.
    fn place(&mut self, tag: u64, now: u64, most: usize) -> &mut Place {
        if now >= self.sweep {
            self.sweep = now.saturating_add(SWEEP);
            // A quarter full is what a table grows to; half of that is reason enough to do with less.
            let enough = (self.count(now) * 4).next_power_of_two().max(WAYS);
            if self.places.len() > enough * 2 || self.places.is_empty() {
                self.resize(enough, now);
            }
        }
        let mut at = self.find(tag);
        if self.places[at].tag != tag {
            while self.places[at].window.ends() > now && self.places.len() < most {
                self.resize(self.places.len() * 2, now);
                at = self.find(tag);
            }
            self.places[at] = Place {
                tag,
                window: Window::default(),
            };
        }
        &mut self.places[at]
    }

    /// Where a tag stands, or else where it may: whose time is up first has to go. A free place has none.
    fn find(&self, tag: u64) -> usize {
        let buckets = self.places.len() / WAYS;
        // The remainder is less than the number of buckets.
        let first = usize::try_from(tag % buckets.max(1) as u64).unwrap_or_default() * WAYS;
        let bucket = &self.places[first..first + WAYS];
        let own = bucket.iter().position(|place| place.tag == tag);
        let oldest = || {
            let places = bucket.iter().enumerate();
            places.min_by_key(|(_, place)| place.window.ends())
        };
        first + own.unwrap_or_else(|| oldest().map_or(0, |(at, _)| at))
    }

    /// Moves everybody whose time is not up to a table of another size: a few thousand places at the most.
    fn resize(&mut self, size: usize, now: u64) {
        let before = std::mem::replace(&mut self.places, vec![Place::default(); size]);
        for place in before {
            if place.window.ends() > now {
                let at = self.find(place.tag);
                // Where a smaller table has no room, whoever's time lasts longer stays.
                if self.places[at].window.ends() < place.window.ends() {
                    self.places[at] = place;
                }
            }
        }
    }

    fn count(&self, now: u64) -> usize {
        let counts = |place: &&Place| place.window.ends() > now;
        self.places.iter().filter(counts).count()
    }
}

impl QuotaLimiter for InMemoryRateLimiter {
    fn spend(&self, key: &Key, cost: u32, quota: &Quota) -> Spending {
        Spending::Now(self.0.spend(key, cost, quota))
    }
}

impl Default for InMemoryRateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InMemoryRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryRateLimiter")
            .field("capacity", &(self.0.most * SHARDS))
            .finish_non_exhaustive()
    }
}

/// Nothing under the lock can leave a shard half done.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// As many parts as an octet has values: two cores rarely meet in one, and none takes long to move.
const SHARDS: usize = 256;

/// The places of a bucket, which are looked at one by one.
const WAYS: usize = 16;

const CAPACITY: usize = 2 * 1024 * 1024;
const LARGEST: usize = 16 * 1024 * 1024;

/// A minute.
const SWEEP: u64 = 60_000_000_000;

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;

    fn quota(max_requests: u32) -> Quota {
        Quota {
            name: "default".into(),
            max_requests,
            window: Duration::from_secs(60),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn s112_a_table_grows_stays_within_its_bounds_and_is_swept() {
        let limiter = InMemoryRateLimiter::with_capacity(20_000);
        let before = limiter.memory();
        let flood = |keys: std::ops::Range<u32>| {
            for key in keys {
                assert!(
                    limiter
                        .0
                        .spend(&Key::text(key.to_string()), 1, &quota(1))
                        .allowed
                );
            }
        };
        flood(0..2000);
        assert_eq!(limiter.keys(), 2000);
        flood(2000..200_000);
        let most = before + 32_768 * size_of::<Place>();
        assert!(limiter.memory() <= most, "{} of {most}", limiter.memory());
        assert!(limiter.keys() > 20_000);
        // What is over goes when its shard is used next.
        tokio::time::advance(Duration::from_secs(121)).await;
        assert_eq!(limiter.keys(), 0);
        flood(0..2000);
        assert!(limiter.memory() < most / 2, "{}", limiter.memory());
    }

    #[tokio::test(start_paused = true)]
    async fn the_key_whose_time_is_up_first_makes_room() {
        let mut shard = Shard::default();
        let mut tags = Vec::new();
        for tag in 1..=WAYS as u64 {
            let now = tag * 1000;
            let place = shard.place(tag, now, WAYS);
            place
                .window
                .spend(Duration::from_nanos(now), 1, 9, Duration::from_secs(60));
            tags.push(tag);
        }
        shard.place(99, 10_000, WAYS);
        let left: Vec<u64> = shard.places.iter().map(|place| place.tag).collect();
        assert!(left.contains(&99) && !left.contains(&1), "{left:?}");
        assert!(tags[1..].iter().all(|tag| left.contains(tag)), "{left:?}");
    }
}
