//! How much a client may send.

/// So many each second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// `per_second` in the long run and `burst` at once, both at least 1.
    ///
    /// ```
    /// use wireline::relay::{Rate, RelayConfig};
    ///
    /// # let _ =
    /// RelayConfig::default().message_rate(Some(Rate::new(20, 100)))
    /// # ;
    /// ```
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: if per_second == 0 { 1 } else { per_second },
            burst: if burst == 0 { 1 } else { burst },
        }
    }

    /// The same with so many at once, if it allows fewer.
    pub(super) const fn with_room_for(mut self, burst: usize) -> Self {
        if burst > u32::MAX as usize {
            self.burst = u32::MAX;
        } else if burst > self.burst as usize {
            let [.., a, b, c, d] = burst.to_be_bytes();
            self.burst = u32::from_be_bytes([a, b, c, d]);
        }
        self
    }
}

/// What one client has used of a rate: the moment, in nanoseconds, at which it has used nothing any more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(u64);

impl Pace {
    /// Whether so much more is allowed; if it is, it counts (GCRA).
    pub(super) fn allows(&mut self, rate: Rate, cost: usize, now: u64) -> bool {
        let each = |count: u64| {
            let nanos = u128::from(count) * 1_000_000_000 / u128::from(rate.per_second);
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        let free = self.0.max(now).saturating_add(each(cost as u64));
        let allowed = free - now <= each(u64::from(rate.burst));
        if allowed {
            self.0 = free;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_there_is_a_burst_then_the_rate() {
        let rate = Rate::new(10, 3);
        let mut pace = Pace::default();
        let second = 1_000_000_000;
        let allowed = |pace: &mut Pace, now| (0..9).filter(|_| pace.allows(rate, 1, now)).count();
        assert_eq!(allowed(&mut pace, second), 3);
        assert_eq!(allowed(&mut pace, second + second / 10), 1);
        assert_eq!(allowed(&mut pace, second + second / 10), 0);
        assert_eq!(allowed(&mut pace, 9 * second), 3);
        assert!(!pace.allows(rate, 4, 99 * second));
        assert!(pace.allows(rate, 3, 99 * second));
        assert_eq!(rate.with_room_for(3), rate);
        assert_eq!(rate.with_room_for(7), Rate::new(10, 7));
        assert_eq!(rate.with_room_for(usize::MAX), Rate::new(10, u32::MAX));
    }
}
