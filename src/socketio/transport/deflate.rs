//! With permessage-deflate.

use crate::ws::deflate::Config;

/// How WebSockets are compressed: each message by itself, so that one that goes to many is compressed once.
pub(super) fn terms(from: usize) -> Option<Config> {
    Some(Config {
        send_window_bits: WINDOW,
        threshold: from,
        ..Config::default()
    })
}

/// The window, as a power of two.
pub(super) const WINDOW: u8 = 12;
