//! What is counted.

use crate::socketio::engine::CloseReason;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened at a path, and what is there now.
///
/// ```
/// use wireline::socketio::server::SocketIo;
///
/// let stats = SocketIo::new().engine_stats();
/// assert_eq!((stats.sessions, stats.polling, stats.upgraded), (0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStats {
    /// Sessions that are open.
    pub sessions: u64,
    /// Of those, the ones that poll.
    pub polling: u64,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that have gone from polling to a WebSocket.
    pub upgraded: u64,
    /// WebSockets that were opened for a session that polls and did not become its transport.
    pub upgrades_failed: u64,
    /// Sessions whose client did not answer a ping.
    pub ping_timeouts: u64,
    /// Sessions that were closed for what their client sent.
    pub protocol_errors: u64,
    /// Sessions that were closed because more waited for them than may.
    pub too_slow: u64,
    /// Requests for sessions that are not there, or are somebody else's.
    pub unknown_sid: u64,
    /// Those of them whose connection was closed: their address had named too many.
    pub guesses: u64,
    /// Other requests that were refused.
    pub refused: u64,
    /// Sessions that were not opened because there were too many.
    pub too_many: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> EngineStats {
                EngineStats {
                    sessions: 0,
                    polling: 0,
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

counters!(
    opened,
    upgraded,
    upgrades_failed,
    ping_timeouts,
    protocol_errors,
    too_slow,
    unknown_sid,
    guesses,
    refused,
    too_many
);

impl Counters {
    pub(super) fn closed(&self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::PingTimeout => &self.ping_timeouts,
            CloseReason::ParseError
            | CloseReason::TransportError
            | CloseReason::PayloadTooLarge => &self.protocol_errors,
            CloseReason::TooSlow => &self.too_slow,
            _ => return,
        };
        add(counter);
    }
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
