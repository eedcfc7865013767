//! Dates of header sections.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An `HTTP-date` (RFC 9110 §5.6.7) of the clock's time. It knows the years 1970 to 9999; a clock that is set to another one gives the first or
/// the last of their seconds.
pub(crate) fn http_date(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs().min(LAST_SECOND);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second))
}

/// That of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_is_too_wrong() {
        let year = Duration::from_secs(365 * 86_400);
        let now = UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        for (time, expected) in [
            (now, "Wed, 21 Oct 2015 07:28:00 GMT"),
            (UNIX_EPOCH - year * 10, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (UNIX_EPOCH + year * 9000, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(time), expected);
        }
    }
}
