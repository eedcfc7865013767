//! How long a node waits before it tries its broker again.

use super::random;
use std::time::Duration;

/// The pauses between tries. From the beginning of one to that of the next it is a second at least, and 100 ms more after each of the
/// next three that came to nothing; with up to 200 ms at random, so that not all nodes come at once. That is 1.5 s at most: whoever
/// waits longer is not back within 2 s of the broker's return.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// How many tries in a row came to nothing.
    failed: u32,
}

impl Pauses {
    /// A connection has ended, `lasted` after it was made; or none could be made. Gives the time from the beginning of that try to the
    /// next one.
    pub(super) fn after(&mut self, lasted: Option<Duration>) -> Duration {
        self.after_with(lasted, random())
    }

    fn after_with(&mut self, lasted: Option<Duration>, chance: u64) -> Duration {
        // A broker that takes a connection and ends it is no better than one that takes none.
        if lasted.is_some_and(|lasted| lasted >= LASTS) {
            self.failed = 0;
        }
        let pause = FIRST + STEP * self.failed + Duration::from_millis(chance % SPREAD);
        self.failed = (self.failed + 1).min(STEPS);
        pause
    }
}

const FIRST: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 3;

/// The part that is left to chance, in milliseconds.
const SPREAD: u64 = 201;

/// How long a connection lasts that was a good one.
const LASTS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_ceiling_and_begin_anew_after_a_connection_that_lasted() {
        let mut pauses = Pauses::default();
        let mut after = |lasted, chance| pauses.after_with(lasted, chance).as_millis();
        let grown = [1000, 1100, 1200, 1300, 1300, 1300];
        for millis in grown {
            assert_eq!(after(None, 0), millis);
        }
        // One that ended at once was none.
        assert_eq!(after(Some(Duration::from_millis(20)), 200), 1500);
        assert_eq!(after(Some(LASTS), 200), 1200);
        assert_eq!(after(None, 201), 1100);
        for _ in 0..1_000 {
            let pause = pauses.after(None);
            assert!((1_000..=1_500).contains(&pause.as_millis()), "{pause:?}");
        }
    }
}
