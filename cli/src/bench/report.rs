//! What the bench has found.

use crate::bench::track::Tally;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) subscribers: u64,
    pub(crate) topics: u64,
    pub(crate) rate: u64,
    pub(crate) size: u64,
    pub(crate) seconds: u64,
    pub(crate) publishers: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    plan: Plan,
    published: u64,
    /// The server said no.
    refused: u64,
    /// There was no answer.
    failed: u64,
    /// How far publishing was behind at the most, in microseconds.
    late_us: u64,
    expected: u64,
    delivered: u64,
    deliveries_per_second: u64,
    lost: u64,
    lagged: u64,
    doubled: u64,
    reordered: u64,
    reconnections: u64,
    unrecovered: u64,
    /// Messages of somebody else on the same topics.
    foreign: u64,
    latency_us: Latency,
}

/// From when a message was due to when it came, in microseconds.
#[derive(Debug, Serialize)]
struct Latency {
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl Report {
    pub(crate) fn new(
        plan: Plan,
        tally: &Tally,
        lost: u64,
        expected: u64,
        elapsed: Duration,
    ) -> Self {
        let millis = u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        Self {
            plan,
            published: 0,
            refused: 0,
            failed: 0,
            late_us: 0,
            expected,
            delivered: tally.delivered,
            deliveries_per_second: tally.delivered.saturating_mul(1000) / millis,
            lost,
            lagged: tally.lagged,
            doubled: tally.doubled,
            reordered: tally.reordered,
            reconnections: tally.reconnections,
            unrecovered: tally.unrecovered,
            foreign: tally.foreign,
            latency_us: Latency {
                p50: tally.latency.at(500),
                p99: tally.latency.at(990),
                p999: tally.latency.at(999),
                max: tally.latency.most(),
            },
        }
    }

    pub(crate) fn published(
        mut self,
        published: u64,
        refused: u64,
        failed: u64,
        late: Duration,
    ) -> Self {
        (self.published, self.refused, self.failed) = (published, refused, failed);
        self.late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self
    }

    /// What must not be, in words.
    pub(crate) fn complaint(&self) -> Option<String> {
        let Self {
            lost,
            doubled,
            reordered,
            ..
        } = self;
        (lost + doubled + reordered > 0)
            .then(|| format!("{lost} lost, {doubled} doubled, {reordered} out of order"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            subscribers,
            topics,
            rate,
            size,
            seconds,
            publishers,
        } = &self.plan;
        writeln!(
            f,
            "{subscribers} subscribers, {topics} topics, {rate} messages/s of {size} octets for {seconds} s, {publishers} publishers"
        )?;
        writeln!(
            f,
            "published   {} ({} refused, {} failed), {} ms late at the most",
            self.published,
            self.refused,
            self.failed,
            Millis(self.late_us)
        )?;
        writeln!(
            f,
            "delivered   {} of {}, {}/s",
            self.delivered, self.expected, self.deliveries_per_second
        )?;
        writeln!(
            f,
            "amiss       {} lost, {} lagged, {} doubled, {} out of order, {} reconnections",
            self.lost, self.lagged, self.doubled, self.reordered, self.reconnections
        )?;
        let Latency {
            p50,
            p99,
            p999,
            max,
        } = self.latency_us;
        write!(
            f,
            "latency ms  p50 {}  p99 {}  p99.9 {}  max {}",
            Millis(p50),
            Millis(p99),
            Millis(p999),
            Millis(max)
        )
    }
}

/// Microseconds, shown as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
