//! How fast connections are accepted, over all listeners and workers of a server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many connections a second. After a pause [`BURST`] of them may come at once.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next connection would come, if all came evenly.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most `rate` connections a second, and one at least.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / rate.max(1),
            next: Mutex::new(None),
        }
    }

    /// Counts a connection; gives how long to wait before the next one is accepted.
    pub(super) fn accepted(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let due = next.map_or(earliest, |next| next.max(earliest)) + self.interval;
        *next = Some(due);
        due.checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }
}

/// How much time's worth of connections may come at once.
const BURST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// How many connections are accepted in ten seconds by so many loops that always have one waiting.
    async fn in_ten_seconds(rate: u32, loops: usize) -> usize {
        let pace = std::sync::Arc::new(Pace::new(rate));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..loops {
            let pace = pace.clone();
            tasks.spawn(async move {
                let mut count = 0;
                let end = Instant::now() + Duration::from_secs(10);
                while Instant::now() < end {
                    count += 1;
                    if let Some(wait) = pace.accepted() {
                        tokio::time::sleep(wait).await;
                    }
                }
                count
            });
        }
        tasks.join_all().await.into_iter().sum()
    }

    #[tokio::test(start_paused = true)]
    async fn all_loops_together_keep_the_pace() {
        for (rate, loops) in [(1, 1), (10, 1), (100, 1), (100, 4), (400, 4)] {
            let count = in_ten_seconds(rate, loops).await;
            let even = rate as usize * 10;
            // What may come at once, and what each loop accepts before it waits.
            let more = rate as usize / 10 + loops;
            assert!(
                (even * 9 / 10..=even + more).contains(&count),
                "{count} at {rate} a second in {loops} loops"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_some_come_at_once_and_no_more() {
        let pace = Pace::new(100);
        for _ in 0..3 {
            let at_once = (0..1000).take_while(|_| pace.accepted().is_none()).count();
            assert_eq!(at_once, 10);
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
}
