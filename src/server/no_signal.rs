//! Without the `signal` feature nobody watches signals: the embedder does.

use crate::server::handle::Handle;
use std::io;

/// Whether signals can be watched.
pub(super) const AVAILABLE: bool = false;

/// Does nothing.
pub(super) fn watch(_: Handle) -> io::Result<()> {
    Ok(())
}
