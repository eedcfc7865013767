//! Without the feature `tracing` there is no log.

use std::fmt::Display;

/// Does nothing.
pub(super) const fn connected(_: &str) {}

/// Does nothing.
pub(super) const fn lost(_: &str, _: &dyn Display, _: bool) {}
