//! Opening beneath a directory where the system cannot do it in one call: name by name, each relative to a directory
//! that is open already.
//!
//! No name is ever given to the system that has a slash in it, and no symbolic link is ever followed by it: a link is
//! read, and its target walked like the rest. `..` goes back to the directory that was open before, never through the
//! file system. So whatever is renamed meanwhile, what is opened was reached from the root downwards.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use std::io;

/// Opens what `path` names beneath `root`, for reading. Links that lead out of it are refused, absolute ones among
/// them; with `links` unset all of them are.
pub(super) fn open(root: BorrowedFd<'_>, path: &str, links: bool) -> io::Result<OwnedFd> {
    let mut open: Vec<OwnedFd> = Vec::new();
    // The next name is the last.
    let mut names: Vec<Vec<u8>> = split(path.as_bytes());
    let (mut steps, mut hops) = (0, 0);
    while let Some(name) = names.pop() {
        steps += 1;
        if steps > MAX_STEPS || open.len() > MAX_STEPS {
            return Err(Errno::LOOP.into());
        }
        if name == b".." {
            open.pop().ok_or(Errno::XDEV)?;
            continue;
        }
        let at = open.last().map_or(root, AsFd::as_fd);
        let is_last = names.is_empty();
        let flags = if is_last {
            FILE
        } else {
            FILE.union(OFlags::DIRECTORY)
        };
        match openat(at, &name[..], flags.union(OFlags::NOFOLLOW), Mode::empty()) {
            Ok(file) if is_last => return Ok(file),
            Ok(directory) => open.push(directory),
            // What a link gives here differs between systems, and is ENOTDIR where a directory is asked for.
            Err(error @ (Errno::LOOP | Errno::MLINK | Errno::NOTDIR)) => {
                let target = readlinkat(at, &name[..], Vec::new()).map_err(|_| error)?;
                hops += 1;
                if !links || hops > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                if target.as_bytes().starts_with(b"/") {
                    return Err(Errno::XDEV.into());
                }
                names.extend(split(target.as_bytes()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let at = open.last().map_or(root, AsFd::as_fd);
    Ok(openat(
        at,
        c".",
        FILE.union(OFlags::DIRECTORY),
        Mode::empty(),
    )?)
}

/// The names of a path, the last one first.
fn split(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|octet| *octet == b'/')
        .filter(|name| !matches!(name, [] | [b'.']))
        .map(<[u8]>::to_vec)
        .collect()
}

/// A FIFO or a device is opened without waiting, and never becomes a terminal of ours.
pub(super) const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The most links on one path, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// The most names that are walked, and directories that are open at the same time.
const MAX_STEPS: usize = 512;
