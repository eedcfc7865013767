//! Sizes and times as people write them.

use std::time::Duration;
use wireline::wire::number;

/// `1048576`, `64 KiB`, `1 MiB`, `2 GiB`; a number alone is octets.
pub(super) fn size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZES).ok_or_else(|| {
        format!("`{text}` is no size: write octets, or a number with KiB, MiB or GiB")
    })
}

/// `250 ms`, `30 s`, `10 min`, `1 h`, `7 d`; a number alone is seconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let millis = match number::decimal(text.as_bytes()) {
        Some(seconds) => seconds.checked_mul(1000),
        None => scaled(text, &TIMES),
    };
    millis.map(Duration::from_millis).ok_or_else(|| {
        format!("`{text}` is no time: write seconds, or a number with ms, s, min, h or d")
    })
}

/// The shortest form of a size that has no fraction.
pub(super) fn show_size(octets: u64) -> String {
    show(octets, &SIZES)
}

/// The shortest form of a time that has no fraction.
pub(super) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIMES)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count = number::decimal(count.as_bytes())?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let scale = match unit {
        "" => 1,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    count.checked_mul(scale)
}

fn show(count: u64, units: &[(&str, u64)]) -> String {
    let fits = |scale: u64| count.is_multiple_of(scale) && count > 0;
    let (unit, scale) = units
        .iter()
        .rev()
        .find(|(_, scale)| fits(*scale))
        .unwrap_or(&units[0]);
    format!("{} {unit}", count / scale)
}

const SIZES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_octets_or_have_a_unit() {
        for (text, octets, shown) in [
            ("0", 0, "0 B"),
            ("1000", 1000, "1000 B"),
            ("64 KiB", 65_536, "64 KiB"),
            ("64KiB", 65_536, "64 KiB"),
            ("1024 KiB", 1 << 20, "1 MiB"),
            ("3 GiB", 3 << 30, "3 GiB"),
            ("1536", 1536, "1536 B"),
        ] {
            assert_eq!(size(text), Ok(octets));
            assert_eq!(show_size(octets), shown);
            assert_eq!(size(shown), Ok(octets));
        }
        for text in [
            "",
            "KiB",
            "1 kb",
            "1  KiB",
            "-1",
            "+1",
            "1.5 MiB",
            "99999999999999 GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, millis, shown) in [
            ("0", 0, "0 ms"),
            ("30", 30_000, "30 s"),
            ("90 s", 90_000, "90 s"),
            ("120 s", 120_000, "2 min"),
            ("10 min", 600_000, "10 min"),
            ("24h", 86_400_000, "1 d"),
            ("250 ms", 250, "250 ms"),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)));
            assert_eq!(show_time(Duration::from_millis(millis)), shown);
            assert_eq!(time(shown), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "s", "1 m", "1 hour", "-1 s", "18446744073709551615"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
