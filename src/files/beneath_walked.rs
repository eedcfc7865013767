//! Opening beneath a directory, name by name. Nothing tells here what is in memory, so everything may wait.

use crate::files::walk;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;

/// `None`: [`open`] may wait.
pub(super) const fn open_now(_: BorrowedFd<'_>, _: &str, _: bool) -> Option<io::Result<OwnedFd>> {
    None
}

/// Opens what `path` names beneath `root`.
pub(super) fn open(root: BorrowedFd<'_>, path: &str, links: bool) -> io::Result<OwnedFd> {
    walk::open(root, path, links)
}

/// Reads nothing: whatever there is may have to be waited for.
pub(super) fn read_now(_: impl AsFd, _: &mut [u8], _: u64) -> io::Result<usize> {
    Ok(0)
}
