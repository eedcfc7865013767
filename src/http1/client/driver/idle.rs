//! Connections that wait for another request.

use crate::http1::client::address::Address;
use crate::resource::io::{Io, Transport};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    pub(super) fn of(address: &Address) -> Self {
        Self {
            is_secure: address.is_secure(),
            host: address.host().to_ascii_lowercase(),
            port: address.port(),
        }
    }
}

/// The idle connections of a client: [`MOST`] of them, the youngest.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<VecDeque<(Origin, Io, Instant)>>);

impl Idle {
    /// A connection to there over which nothing has come since: neither its end nor an answer to nothing.
    pub(super) fn take(&self, origin: &Origin) -> Option<Io> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, _, since)| since.elapsed() < LONGEST);
        // The youngest is the likeliest to be alive.
        while let Some(place) = kept.iter().rposition(|(of, ..)| of == origin) {
            let (_, mut io, _) = kept.remove(place)?;
            // Whoever reads next says whom to wake.
            let mut cx = Context::from_waker(Waker::noop());
            if io.poll_readable(&mut cx).is_pending() {
                return Some(io);
            }
        }
        None
    }

    pub(super) fn put(&self, origin: Origin, io: Io) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back((origin, io, Instant::now()));
    }
}

/// The connections that are kept.
const MOST: usize = 4;

/// Servers close what is idle for longer; wireline's do after a minute.
const LONGEST: Duration = Duration::from_secs(15);
