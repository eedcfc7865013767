//! The fields that a server adds to its responses.

use crate::resource::date::http_date;
use crate::service::link::Link;
use crate::service::link::config::Config;
use http::HeaderValue;
use std::time::{SystemTime, UNIX_EPOCH};

/// `Server` and `Date` as a protocol writes them, made again when the second changes. One for each thread
/// and protocol.
#[derive(Default)]
pub(crate) struct Cached<T> {
    tick: u32,
    config: u64,
    second: u64,
    stamp: T,
}

impl<T> Cached<T> {
    /// Those of this second. `make` gets the server's name, which may be empty, and the date.
    #[inline]
    pub(crate) fn now(&mut self, link: &Link, make: fn(&HeaderValue, &HeaderValue) -> T) -> &mut T {
        let tick = link.shared.worker.now();
        if self.tick != tick || self.config != link.shared.config.id {
            self.refresh(tick, &link.shared.config, make);
        }
        &mut self.stamp
    }

    #[cold]
    fn refresh(&mut self, tick: u32, config: &Config, make: fn(&HeaderValue, &HeaderValue) -> T) {
        let now = SystemTime::now();
        let second = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second != self.second || self.config != config.id {
            let date = HeaderValue::try_from(http_date(now))
                .unwrap_or_else(|_| HeaderValue::from_static(""));
            self.stamp = make(&config.server, &date);
        }
        (self.tick, self.second, self.config) = (tick, second, config.id);
    }
}
