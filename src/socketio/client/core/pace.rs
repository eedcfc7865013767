//! When to come back.

use std::time::Duration;

/// Whether and when a client comes back after its connection was lost: after `delay`, twice as long after each failure, up to
/// `max`, each spread at random.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::client::Reconnection;
///
/// let quick = Reconnection { delay: Duration::from_millis(100), ..Reconnection::default() };
/// assert_eq!(quick.max, Duration::from_secs(5));
/// assert_eq!(Reconnection::NEVER.attempts, Some(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconnection {
    /// The first wait. Default 1 s.
    pub delay: Duration,
    /// The longest. Default 5 s.
    pub max: Duration,
    /// How far a wait is spread: by this part of it, up or down, between 0 and 1. Default 0.5.
    pub jitter: f64,
    /// How often in a row it is tried. Default `None`: for ever.
    pub attempts: Option<u32>,
}

impl Reconnection {
    /// The client does not come back.
    pub const NEVER: Self = Self {
        delay: Duration::ZERO,
        max: Duration::ZERO,
        jitter: 0.0,
        attempts: Some(0),
    };

    /// The wait after so many failures in a row, the first being 0; `None` when it was tried often enough.
    pub(crate) fn wait(&self, failures: u32, lots: &mut Lots) -> Option<Duration> {
        if self.attempts.is_some_and(|most| failures >= most) {
            return None;
        }
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let wait = self.delay.saturating_mul(factor).min(self.max);
        let jitter = if self.jitter.is_finite() {
            self.jitter.clamp(0.0, 1.0)
        } else {
            0.0
        };
        // Between `1 - jitter` and `1 + jitter`.
        let spread = (1.0 - jitter) + 2.0 * jitter * lots.draw();
        let seconds = (wait.as_secs_f64() * spread).min(self.max.as_secs_f64());
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.max))
    }
}

impl Default for Reconnection {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(1),
            max: Duration::from_secs(5),
            jitter: 0.5,
            attempts: None,
        }
    }
}

/// Lots drawn from a seed (SplitMix64): spread, not secret.
#[derive(Clone, Debug)]
pub(crate) struct Lots(u64);

impl Lots {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut lot = self.0;
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        lot ^= lot >> 31;
        f64::from(u32::try_from(lot >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_and_end() {
        let pace = Reconnection {
            delay: Duration::from_millis(100),
            max: Duration::from_millis(1000),
            jitter: 0.5,
            attempts: Some(10),
        };
        let mut lots = Lots::new(7);
        for (failures, least, most) in [(0, 50, 150), (1, 100, 300), (3, 400, 1000), (9, 500, 1000)]
        {
            let waits: Vec<u128> = (0..500)
                .map(|_| pace.wait(failures, &mut lots).unwrap().as_millis())
                .collect();
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)));
            let spread = waits.iter().max().unwrap() - waits.iter().min().unwrap();
            assert!(spread > (most - least) * 8 / 10, "{failures}: {spread}");
        }
        assert_eq!(pace.wait(10, &mut lots), None);
        assert_eq!(Reconnection::NEVER.wait(0, &mut lots), None);
    }

    #[test]
    fn strange_numbers_do_no_harm() {
        let mut lots = Lots::new(1);
        for jitter in [f64::NAN, f64::INFINITY, -1.0, 9.0] {
            let pace = Reconnection {
                delay: Duration::MAX,
                max: Duration::MAX,
                jitter,
                attempts: None,
            };
            assert!(pace.wait(u32::MAX, &mut lots).is_some());
        }
    }
}
