//! Without the `tracing` feature there is no log: the mistake is the source of the error only.

use std::fmt;

/// Does nothing.
pub(super) fn tell(_: &dyn fmt::Display) {}
