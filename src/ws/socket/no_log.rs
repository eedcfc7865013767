//! Without the `tracing` feature there is no log: errors of handlers are counted only.

use crate::service::error::Error;

/// Does nothing.
pub(super) const fn tell(_: &Error) {}

/// Does nothing.
pub(super) const fn tell_connected() {}

/// Does nothing.
pub(super) const fn tell_closed(_: bool) {}

/// Does nothing.
pub(super) const fn tell_completed() {}
