//! Without the `handover` feature listeners end with their server.

use crate::resource::worker::Worker;
use crate::server::accept::Accepting;
use crate::server::bind::Bind;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Nothing: nobody asks.
#[derive(Clone, Debug)]
pub(super) struct Asked;

impl Asked {
    pub(super) const fn of(_: &Bind) -> Self {
        Self
    }
}

/// Of no listener.
#[derive(Default)]
pub(super) struct Registry(());

impl Registry {
    pub(super) const fn expect(&self, _: usize) {}

    pub(super) const fn add(&self, _: Asked, _: &Arc<Accepting>) {}
}

/// Nobody has left anything.
pub(super) const fn take(_: &Asked) -> io::Result<Vec<OwnedFd>> {
    Ok(Vec::new())
}

/// It is always this process's turn.
pub(super) async fn turn() {}

/// No other process waits.
pub(super) const fn is_waiting() -> bool {
    false
}

/// Nobody wants to hear how it is.
pub(super) const fn look_after(_: &Arc<Worker>) {}

/// Nobody is told.
pub(super) const fn announce() {}
