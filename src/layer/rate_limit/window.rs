//! The arithmetic of a sliding window: two counts and a time.

use std::time::Duration;

/// How much one key has spent, in the present window and in the one before it.
///
/// The window before counts as far as it still overlaps the time that ends now: a quarter into the present window,
/// three quarters of it. That is rounded up, so that in no span of time `t` more is allowed than the quota and, for
/// `t`, as much as the quota gives in that time. A window begins with the first request of a key, not with the clock's
/// minute.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::window::Window;
///
/// let second = Duration::from_secs(1);
/// let mut window = Window::default();
/// assert!(window.spend(Duration::ZERO, 1, 2, 10 * second).allowed);
/// assert!(window.spend(Duration::ZERO, 1, 2, 10 * second).allowed);
/// let refused = window.spend(second, 1, 2, 10 * second);
/// assert!(!refused.allowed);
/// // At 15 s half of the first window is gone, and with it one of the two.
/// assert_eq!(refused.reset, 14 * second);
/// assert!(window.spend(15 * second, 1, 2, 10 * second).allowed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// In nanoseconds: when nothing of it counts any more, two lengths behind its start. 0 before the first request.
    ends: u64,
    previous: u32,
    current: u32,
}

/// What came of a request.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::rate_limit::window::{Spent, Window};
///
/// let minute = Duration::from_secs(60);
/// let spent = Window::default().spend(Duration::ZERO, 1, 10, minute);
/// assert_eq!(spent, Spent { allowed: true, remaining: 9, reset: minute });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whether it is allowed. What is refused is not counted.
    pub allowed: bool,
    /// What is left, behind this request.
    pub remaining: u32,
    /// When it was allowed, how long the present window lasts; else when the same would be allowed if nothing came
    /// in between. What costs more than the whole quota never is: then it is the window's length.
    pub reset: Duration,
}

impl Window {
    /// Spends `cost` of `quota` in each window of this `length`, if that much is left. `now` is the time since whatever
    /// moment; one that lies before the start of the present window counts as that.
    ///
    /// Times are whole nanoseconds up to 292 years, a length at least one.
    pub fn spend(&mut self, now: Duration, cost: u32, quota: u32, length: Duration) -> Spent {
        let (now, length) = (nanos(now), nanos(length).clamp(1, LONGEST));
        let left = length - self.turn(now, length);
        let used = share(self.previous, left, length) + u64::from(self.current);
        let room = u64::from(quota).saturating_sub(used);
        let left_behind = room.checked_sub(cost.into());
        let reset = match left_behind {
            Some(_) => {
                self.current = self.current.saturating_add(cost);
                left
            }
            None => self.wait(cost, quota, left, length),
        };
        Spent {
            allowed: left_behind.is_some(),
            // It is no more than the quota.
            remaining: u32::try_from(left_behind.unwrap_or(room)).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(reset),
        }
    }

    /// When nothing of it counts any more, in nanoseconds; 0 when nothing was ever spent.
    pub(super) const fn ends(&self) -> u64 {
        self.ends
    }

    /// Goes on to the window of this moment; gives how much of it has passed.
    const fn turn(&mut self, now: u64, length: u64) -> u64 {
        if now >= self.ends {
            *self = Self {
                ends: now.saturating_add(length).saturating_add(length),
                previous: 0,
                current: 0,
            };
            return 0;
        }
        let middle = self.ends.saturating_sub(length);
        if now < middle {
            return now.saturating_sub(middle.saturating_sub(length));
        }
        *self = Self {
            ends: self.ends.saturating_add(length),
            previous: self.current,
            current: 0,
        };
        now - middle
    }

    /// How long until `cost` would be allowed, when it is not now and nothing comes in between.
    fn wait(&self, cost: u32, quota: u32, left: u64, length: u64) -> u64 {
        let Some(free) = quota.checked_sub(cost) else {
            return length;
        };
        match free.checked_sub(self.current) {
            // As soon as less of the previous window counts.
            Some(room) => left.saturating_sub(lasting(room, self.previous, length)),
            // In the next window, as soon as less of this one counts.
            None => {
                let rest = length.saturating_sub(lasting(free, self.current, length));
                left.saturating_add(rest)
            }
        }
    }
}

/// What `left` of `length` counts of a window with so many, rounded up.
fn share(count: u32, left: u64, length: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let whole = u128::from(count) * u128::from(left);
    // It is at most `count`.
    u64::try_from(whole.div_ceil(u128::from(length))).unwrap_or(u64::MAX)
}

/// The most of `length` that may be left so that a window with so many counts as no more than `room`.
fn lasting(room: u32, count: u32, length: u64) -> u64 {
    if count <= room {
        return length;
    }
    let left = u128::from(room) * u128::from(length) / u128::from(count);
    u64::try_from(left).unwrap_or(length)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos())
        .unwrap_or(u64::MAX)
        .min(LONGEST)
}

/// 292 years: two of them can be added.
const LONGEST: u64 = u64::MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rl5_a_burst_and_then_as_fast_as_the_quota_allows() {
        let mut window = Window::default();
        let mut allowed = Vec::new();
        // Twenty tries in each tenth of a second, for four windows of 10 s.
        for tenth in 0..400u32 {
            let now = SECOND * tenth / 10;
            for _ in 0..20 {
                if window.spend(now, 1, 100, 10 * SECOND).allowed {
                    allowed.push(tenth);
                }
            }
        }
        assert!(allowed[..100].iter().all(|tenth| *tenth < 5), "the burst");
        for (place, from) in allowed.iter().enumerate() {
            for (count, to) in (1..).zip(&allowed[place..]) {
                // 100, and ten a second.
                assert!(count <= 100 + (to - from), "{count} from {from} to {to}");
            }
        }
        // And not much less than that is allowed: each later window is left before its last one is due.
        assert_eq!(allowed.len(), 100 + 3 * 99);
    }

    #[test]
    fn what_is_told_of_a_refusal_comes_true() {
        for (quota, cost, spent) in [
            (10, 1, 10),
            (10, 10, 1),
            (3, 2, 2),
            (7, 7, 7),
            (100, 30, 80),
        ] {
            for late in [0u32, 1, 3, 9, 11, 15, 19] {
                let length = 10 * SECOND;
                let mut window = Window::default();
                assert!(window.spend(Duration::ZERO, spent, quota, length).allowed);
                let now = SECOND * late;
                let refused = window.spend(now, cost, quota, length);
                if refused.allowed {
                    continue;
                }
                let nano = Duration::from_nanos(1);
                let due = now + refused.reset;
                let mut early = window;
                assert!(!early.spend(due - nano, cost, quota, length).allowed);
                assert!(window.spend(due, cost, quota, length).allowed);
            }
        }
        let refused = Window::default().spend(SECOND, 11, 10, SECOND);
        assert!(!refused.allowed && refused.reset == SECOND && refused.remaining == 10);
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let mut window = Window::default();
        for now in [Duration::ZERO, Duration::MAX, Duration::ZERO, SECOND] {
            for length in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
                let spent = window.spend(now, u32::MAX, u32::MAX, length);
                assert!(spent.remaining == 0 || !spent.allowed);
            }
        }
    }
}
