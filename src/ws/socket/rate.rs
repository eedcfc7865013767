//! How many messages one socket may send.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// So many messages in any span of time of this length: a sliding window.
///
/// ```
/// use std::time::Duration;
/// use wireline::ws::socket::rate::RateLimit;
///
/// let limit = RateLimit { messages: 2, window: Duration::from_secs(1) };
/// let mut limiter = limit.limiter();
/// assert!(limiter.allows() && limiter.allows() && !limiter.allows());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many. Each costs up to 16 octets of memory for as long as the window. Default 10.
    pub messages: usize,
    /// In any span of this length. Default 60 s.
    pub window: Duration,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            messages: 10,
            window: Duration::from_secs(60),
        }
    }
}

impl RateLimit {
    /// A count for one socket.
    pub const fn limiter(self) -> Limiter {
        Limiter {
            limit: self,
            taken: VecDeque::new(),
        }
    }
}

/// The count of one socket.
///
/// ```
/// use std::time::Duration;
/// use wireline::ws::socket::rate::RateLimit;
///
/// let limit = RateLimit { messages: 1, window: Duration::from_secs(60) };
/// let (mut ann, mut bob) = (limit.limiter(), limit.limiter());
/// assert!(ann.allows() && bob.allows(), "each socket has its own count");
/// assert!(!ann.allows(), "and none for the rest of the minute");
/// ```
#[derive(Clone, Debug)]
pub struct Limiter {
    limit: RateLimit,
    /// When those were taken that still count.
    taken: VecDeque<Instant>,
}

impl Limiter {
    /// Whether one more is allowed now; if it is, it counts. What was refused does not.
    pub fn allows(&mut self) -> bool {
        let now = Instant::now();
        while let Some(first) = self.taken.front()
            && now.duration_since(*first) >= self.limit.window
        {
            self.taken.pop_front();
        }
        let allowed = self.taken.len() < self.limit.messages;
        if allowed {
            self.taken.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s116_in_no_span_of_the_window_there_are_more() {
        let second = Duration::from_secs(1);
        let mut limiter = RateLimit {
            messages: 3,
            window: 10 * second,
        }
        .limiter();
        let mut allowed = Vec::new();
        for at in 0..30u32 {
            if limiter.allows() {
                allowed.push(at);
            }
            tokio::time::advance(second).await;
        }
        assert_eq!(allowed, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
        assert!(limiter.taken.len() <= 3);
    }
}
