//! How a hub is made.

use super::history::Retention;
use super::topic::Topic;
use std::fmt;

/// How a hub is made.
///
/// ```
/// use bytes::Bytes;
/// use wireline::relay::hub::{Hub, HubConfig, Retention, Topic};
///
/// let keep = Retention { messages: 100, octets: 1 << 20, age: 600_000 };
/// let hub: Hub<Bytes> = Hub::new(HubConfig {
///     retention: Box::new(move |topic| if topic.as_str().starts_with("room:") { keep } else { Retention::NOTHING }),
///     ..HubConfig::default()
/// });
/// hub.publish(&Topic::new("room:1").unwrap(), Bytes::from("hello"), None, 0);
/// hub.publish(&Topic::new("tick").unwrap(), Bytes::from("tock"), None, 0);
/// assert_eq!(hub.len(), 1, "of the other nothing is kept");
/// ```
pub struct HubConfig {
    /// How many locks the topics are spread over; 64 unless said otherwise.
    pub shards: usize,
    /// The octets that all histories together may hold: 64 MiB unless said otherwise. Above it a topic keeps nothing new
    /// before it has given up as much of its own.
    pub history: usize,
    /// Where epochs begin. With a random number nobody takes the offsets of an earlier process for those of this one;
    /// 1 unless said otherwise.
    pub epoch: u64,
    /// What is kept of a topic; nothing unless said otherwise. Asked without a lock when there is no such topic yet.
    pub retention: Box<dyn Fn(&Topic) -> Retention + Send + Sync>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            shards: 64,
            history: 64 << 20,
            epoch: 1,
            retention: Box::new(|_| Retention::NOTHING),
        }
    }
}

impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig")
            .field("shards", &self.shards)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}
