//! Without the `tracing` feature there is no log: errors of handlers are counted only.

use crate::relay::backplane::BackplaneError;
use crate::service::error::Error;

/// Does nothing.
pub(super) const fn tell(_: &Error, _: &str) {}

/// Does nothing.
pub(super) const fn connected(_: &str) {}

/// Does nothing.
pub(super) const fn double(_: u64) {}

/// Does nothing.
pub(super) const fn lost(_: &str, _: &BackplaneError, _: bool) {}
