//! What a relay has done since it was made.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a relay has done since it was made, and what it holds now: see [`Relay::stats`](super::Relay::stats).
///
/// ```
/// use wireline::relay::Relay;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let relay = Relay::default();
/// relay.push("news", "told", "hello").await.unwrap();
/// let stats = relay.stats();
/// assert_eq!((stats.pushes, stats.deliveries, stats.connections), (1, 0, 0));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Milliseconds since the relay was made.
    pub uptime_ms: u64,
    /// Connections now, event streams and long polls among them.
    pub connections: u64,
    /// Topics that anything is known of now.
    pub topics: u64,
    /// Subscriptions now.
    pub subscriptions: u64,
    /// The octets that histories hold now.
    pub history_octets: u64,
    /// What was published.
    pub pushes: u64,
    /// The subscribers that it was on its way to, all together.
    pub deliveries: u64,
    /// What clients sent, of any type.
    pub messages: u64,
    /// What was answered with an error.
    pub errors: u64,
    /// Messages of clients that were refused because there were too many, or too many of a connection waited for its handlers.
    pub rate_limited: u64,
    /// Subscriptions of clients that were refused because they came too often.
    pub subscriptions_limited: u64,
    /// Deliveries that were dropped because a connection had too many waiting.
    pub dropped: u64,
    /// How often a client was told so.
    pub lagged: u64,
    /// Connections that were closed because they were too slow.
    pub closed_slow: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pushes: AtomicU64,
    deliveries: AtomicU64,
    messages: AtomicU64,
    errors: AtomicU64,
    rate_limited: AtomicU64,
    subscriptions_limited: AtomicU64,
    dropped: AtomicU64,
    lagged: AtomicU64,
    closed_slow: AtomicU64,
    subscriptions: AtomicU64,
}

impl Counters {
    pub(super) fn published(&self, subscribers: usize) {
        add(&self.pushes, 1);
        add(&self.deliveries, subscribers as u64);
    }

    /// Something came from another node.
    pub(super) fn delivered(&self, subscribers: usize) {
        add(&self.deliveries, subscribers as u64);
    }

    pub(super) fn message(&self) {
        add(&self.messages, 1);
    }

    pub(super) fn error(&self) {
        add(&self.errors, 1);
    }

    pub(super) fn rate_limited(&self) {
        add(&self.rate_limited, 1);
    }

    pub(super) fn subscription_limited(&self) {
        add(&self.subscriptions_limited, 1);
    }

    pub(super) fn dropped(&self, count: u64) {
        if count > 0 {
            add(&self.dropped, count);
        }
    }

    pub(super) fn lagged(&self) {
        add(&self.lagged, 1);
    }

    pub(super) fn closed_slow(&self) {
        add(&self.closed_slow, 1);
    }

    pub(super) fn subscribed(&self) {
        add(&self.subscriptions, 1);
    }

    pub(super) fn unsubscribed(&self) {
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            subscriptions: get(&self.subscriptions),
            pushes: get(&self.pushes),
            deliveries: get(&self.deliveries),
            messages: get(&self.messages),
            errors: get(&self.errors),
            rate_limited: get(&self.rate_limited),
            subscriptions_limited: get(&self.subscriptions_limited),
            dropped: get(&self.dropped),
            lagged: get(&self.lagged),
            closed_slow: get(&self.closed_slow),
            ..Stats::default()
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
