//! How memory grows.

/// What a process held at a time.
pub(super) struct Sample {
    pub(super) process: u32,
    pub(super) seconds: f64,
    pub(super) kib: u64,
}

/// What became of it.
pub(super) struct Grown {
    pub(super) mib_an_hour: f64,
    pub(super) first_mib: f64,
    pub(super) last_mib: f64,
}

/// The slope of what the last process held from `from` on. What counts is the least in each of twenty parts of that time: what an attack
/// takes for as long as it lasts is no growth.
pub(super) fn slope(samples: &[Sample], from: f64) -> Option<Grown> {
    let last = samples.last()?;
    let counted = || {
        samples
            .iter()
            .filter(|sample| sample.process == last.process && sample.seconds >= from)
    };
    let first = counted().next()?.seconds;
    let part = (last.seconds - first) / PARTS;
    if part <= 0.0 {
        return None;
    }
    let mut least: Vec<(f64, f64)> = Vec::new();
    let mut end = first;
    for sample in counted() {
        let now = (sample.seconds, sample.kib as f64 / 1024.0);
        match least.last_mut() {
            Some(lowest) if sample.seconds < end => {
                if now.1 < lowest.1 {
                    *lowest = now;
                }
            }
            _ => {
                least.push(now);
                end += part;
            }
        }
    }
    let count = least.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| least.iter().map(of).sum::<f64>() / count;
    let (when, held) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = least.iter().map(|point| (point.0 - when).powi(2)).sum();
    let both = |point: &(f64, f64)| (point.0 - when) * (point.1 - held);
    let each_second = least.iter().map(both).sum::<f64>() / spread;
    Some(Grown {
        mib_an_hour: if spread > 0.0 {
            each_second * 3600.0
        } else {
            0.0
        },
        first_mib: least.first()?.1,
        last_mib: least.last()?.1,
    })
}

const PARTS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_a_while_is_no_growth() {
        // One octet in a second for one process; the other, which came first, has much more.
        let samples: Vec<Sample> = (0..3_600_u64)
            .map(|second| Sample {
                process: if second < 1_000 { 1 } else { 2 },
                seconds: second as f64,
                kib: match second {
                    0..1_000 => 1_000_000,
                    _ => 20_480 + second + if second % 100 < 50 { 50_000 } else { 0 },
                },
            })
            .collect();
        let grown = slope(&samples, 500.0).unwrap();
        assert!(
            (grown.mib_an_hour - 3_600.0 / 1_024.0).abs() < 0.2,
            "{}",
            grown.mib_an_hour
        );
        assert!(grown.first_mib < 22.0 && grown.last_mib > grown.first_mib);
        assert!(slope(&samples[..1], 0.0).is_none());
        assert!(slope(&[], 0.0).is_none());
    }
}
