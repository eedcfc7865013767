//! What every subscriber has got, and how late.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// What each message carries.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stamp {
    #[serde(rename = "r")]
    pub(crate) run: u64,
    /// Which publisher.
    #[serde(rename = "p")]
    pub(crate) stream: u64,
    /// Counts from 0, by publisher and topic.
    #[serde(rename = "n")]
    pub(crate) number: u64,
    /// When it was due: microseconds since the bench began.
    pub(crate) at: u64,
}

/// The number of a subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Track(usize);

#[derive(Debug, Default)]
pub(crate) struct Tally {
    subscribers: Vec<Subscriber>,
    pub(crate) delivered: u64,
    pub(crate) lagged: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    pub(crate) reconnections: u64,
    pub(crate) unrecovered: u64,
    pub(crate) foreign: u64,
    pub(crate) latency: Histogram,
    pub(crate) last: Option<Instant>,
}

#[derive(Debug, Default)]
struct Subscriber {
    topic: u64,
    lagged: u64,
    streams: HashMap<u64, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// What comes next if nothing is amiss.
    next: u64,
    /// What was passed over.
    missing: BTreeSet<u64>,
}

impl Tally {
    pub(crate) fn subscriber(&mut self, topic: u64) -> Track {
        self.subscribers.push(Subscriber {
            topic,
            ..Subscriber::default()
        });
        Track(self.subscribers.len() - 1)
    }

    pub(crate) fn delivered(&mut self, track: Track, stamp: &Stamp, now: Instant, late: Duration) {
        let stream = self.subscribers[track.0]
            .streams
            .entry(stamp.stream)
            .or_default();
        if stamp.number >= stream.next {
            stream.missing.extend(stream.next..stamp.number);
            stream.next = stamp.number + 1;
        } else if stream.missing.remove(&stamp.number) {
            self.reordered += 1;
        } else {
            self.doubled += 1;
            return;
        }
        self.delivered += 1;
        self.latency.record(late);
        self.last = Some(now);
    }

    pub(crate) fn lagged(&mut self, track: Track, missed: u64) {
        self.subscribers[track.0].lagged += missed;
        self.lagged += missed;
    }

    /// What is missing without anybody having said so, when so many numbers were given of each stream and topic, some of them in vain.
    pub(crate) fn lost(&self, given: &[Vec<u64>], is_void: impl Fn(u64, u64, u64) -> bool) -> u64 {
        let mut lost = 0;
        for subscriber in &self.subscribers {
            let mut missing = 0;
            for (stream, topics) in (0..).zip(given) {
                let topic = subscriber.topic;
                let count = usize::try_from(topic)
                    .ok()
                    .and_then(|topic| topics.get(topic));
                let count = count.copied().unwrap_or_default();
                let real = |number: &u64| !is_void(stream, topic, *number);
                missing += match subscriber.streams.get(&stream) {
                    None => (0..count).filter(real).count(),
                    Some(seen) => {
                        let passed = seen.missing.iter().copied().filter(real).count();
                        passed + (seen.next..count).filter(real).count()
                    }
                } as u64;
            }
            lost += missing.saturating_sub(subscriber.lagged);
        }
        lost
    }
}

/// Latencies in microseconds, in buckets that are exact to 1.6 %.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; bucket(u64::MAX) + 1],
            count: 0,
            most: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += 1;
        self.count += 1;
        self.most = self.most.max(micros);
    }

    /// The microseconds that so many thousandths of all latencies do not pass.
    pub(crate) fn at(&self, thousandths: u64) -> u64 {
        let wanted = (self.count * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return ceiling(index).min(self.most);
            }
        }
        self.most
    }

    pub(crate) const fn most(&self) -> u64 {
        self.most
    }
}

/// Below 64 each number has its own; above, each doubling has 64.
fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let shift = u64::from(micros.ilog2()) - STEPS.ilog2() as u64;
    (STEPS + shift * STEPS + (micros >> shift) - STEPS) as usize
}

/// The largest number of a bucket.
fn ceiling(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = (index - STEPS) / STEPS;
    let mantissa = STEPS + (index - STEPS) % STEPS;
    (((u128::from(mantissa) + 1) << shift) - 1)
        .try_into()
        .unwrap_or(u64::MAX)
}

const STEPS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_enough_and_in_order() {
        for micros in (0..100_000).chain([1 << 40, u64::MAX - 1, u64::MAX]) {
            let ceiling = ceiling(bucket(micros));
            assert!(ceiling >= micros, "{micros}");
            assert!(ceiling - micros <= micros / 64, "{micros}: {ceiling}");
        }
        assert!((1..100_000).all(|micros| bucket(micros) - bucket(micros - 1) <= 1));
    }

    #[test]
    fn percentiles() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.at(500), histogram.most()), (0, 0));
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (thousandths, exact) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            let found = histogram.at(thousandths);
            assert!(
                (exact..=exact + exact / 64).contains(&found),
                "{thousandths}: {found}"
            );
        }
        assert_eq!(histogram.most(), 1000);
    }

    #[test]
    fn what_is_amiss_is_counted() {
        for (numbers, lagged, expected) in [
            // Delivered, doubled, out of order, lost; of 6 numbers, of which 4 was given in vain.
            (&[0, 1, 2, 3, 5][..], 0, (5, 0, 0, 0)),
            (&[0, 1, 1, 2, 3, 5], 0, (5, 1, 0, 0)),
            (&[0, 2, 1, 3, 5], 0, (5, 0, 1, 0)),
            (&[0, 2, 1, 1, 3, 5], 0, (5, 1, 1, 0)),
            (&[0, 3], 0, (2, 0, 0, 3)),
            (&[0, 3, 5], 2, (3, 0, 0, 0)),
            (&[0, 3, 5], 1, (3, 0, 0, 1)),
            (&[], 0, (0, 0, 0, 5)),
        ] {
            let mut tally = Tally::default();
            let track = tally.subscriber(1);
            for number in numbers {
                let stamp = Stamp {
                    run: 0,
                    stream: 0,
                    number: *number,
                    at: 0,
                };
                tally.delivered(track, &stamp, Instant::now(), Duration::ZERO);
            }
            tally.lagged(track, lagged);
            let lost = tally.lost(&[vec![9, 6]], |_, topic, number| (topic, number) == (1, 4));
            let found = (tally.delivered, tally.doubled, tally.reordered, lost);
            assert_eq!(found, expected, "{numbers:?}");
        }
    }
}
