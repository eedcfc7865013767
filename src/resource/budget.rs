//! The budget of buffered octets: what all connections together may hold. Servers of one process may share
//! one ([`Server::budget`](crate::server::Server::budget)).
//!
//! A connection is charged for what it keeps while it waits: its read buffer, what it has not yet
//! written, the parts of a body that nobody took. A request that is answered in one go charges nothing,
//! because its buffer is back in the pool before anybody else runs. A large piece that others hold as well
//! is charged half.

use crate::sync::AtomicUsize;
use std::sync::atomic::Ordering;

/// How much of the budget is used.
///
/// ```
/// use wireline::resource::budget::{Budget, Pressure};
///
/// let budget = Budget::new(1000);
/// assert_eq!(budget.pressure(), Pressure::Low);
/// budget.adjust(0, 800);
/// assert_eq!(budget.pressure(), Pressure::High);
/// // They are in order: from here on new requests are refused.
/// assert!(Pressure::Critical > Pressure::Shedding);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Less than 80 %.
    Low,
    /// From 80 % on: connections that hold much stop reading.
    High,
    /// From 95 % on: the connections that hold most and wait for their peer are closed, and new requests
    /// are answered 503 when that is not enough, or when they bring more content.
    Shedding,
    /// From 98 % on: the connections that hold most are closed, whatever they wait for.
    Critical,
}

/// A byte budget shared by everything that buffers.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// From where on the pressure is high, and where it is shedding, and critical.
    high: usize,
    shedding: usize,
    critical: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` octets; the default of the server is 256 MiB.
    ///
    /// ```
    /// use wireline::resource::budget::{Budget, Pressure};
    ///
    /// let budget = Budget::new(1000);
    /// budget.adjust(0, 960);
    /// assert_eq!(budget.pressure(), Pressure::Shedding);
    /// budget.adjust(960, 0);
    /// assert_eq!(budget.pressure(), Pressure::Low);
    /// ```
    pub fn new(limit: usize) -> Self {
        let part = |percent: usize| limit / 100 * percent;
        Self {
            limit,
            high: part(80),
            shedding: part(95),
            critical: part(98),
            used: AtomicUsize::new(0),
        }
    }

    /// Replaces a charge of `before` octets by one of `after`.
    #[inline]
    pub fn adjust(&self, before: usize, after: usize) {
        if after > before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else if before > after {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// The octets that may be charged altogether.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The octets charged at present.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How much of the budget is used.
    #[inline]
    pub fn pressure(&self) -> Pressure {
        let used = self.used();
        if used < self.high {
            Pressure::Low
        } else if used < self.shedding {
            Pressure::High
        } else if used < self.critical {
            Pressure::Shedding
        } else {
            Pressure::Critical
        }
    }

    /// How many octets have to go for the pressure to fall below [`Pressure::Shedding`].
    pub(crate) fn excess(&self) -> usize {
        self.used().saturating_sub(self.limit / 100 * 90)
    }
}
