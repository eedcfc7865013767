//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has done, and what it holds now.
///
/// ```
/// use wireline::socketio::server::SocketIo;
///
/// let stats = SocketIo::new().stats();
/// assert_eq!((stats.sockets, stats.events, stats.panics), (0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketIoStats {
    /// Sockets that are connected.
    pub sockets: u64,
    /// Sockets that were connected.
    pub connected: u64,
    /// Sockets that were connected again with what they had missed.
    pub recovered: u64,
    /// Events that came.
    pub events: u64,
    /// Events for which there was no handler.
    pub unhandled: u64,
    /// Sessions that were closed because of a packet that is none.
    pub malformed: u64,
    /// Connections to namespaces that were refused.
    pub refused: u64,
    /// Rooms that were not joined: their names are too long, or there would be too many of a socket.
    pub unjoined: u64,
    /// Sessions that were closed because their client connected to no namespace in time, or did not send its attachments.
    pub late: u64,
    /// Answers of clients that are waited for now.
    pub acks: u64,
    /// Answers that nobody waits for.
    pub stray_acks: u64,
    /// Volatile events that were dropped, of each socket that would have had them.
    pub dropped: u64,
    /// Wrong names or passwords for the page of [`SocketIo::admin`](super::SocketIo::admin).
    pub wrong_passwords: u64,
    /// Attempts to sign in there that were refused unheard, because there had been too many wrong ones.
    pub throttled: u64,
    /// Handlers that gave an error, or did not get their arguments.
    pub failed: u64,
    /// Handlers that panicked.
    pub panics: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> SocketIoStats {
                SocketIoStats {
                    sockets: 0,
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

counters!(
    connected,
    recovered,
    events,
    unhandled,
    malformed,
    refused,
    unjoined,
    late,
    acks,
    stray_acks,
    dropped,
    wrong_passwords,
    throttled,
    failed,
    panics
);

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
