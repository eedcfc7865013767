//! Opening beneath a directory, and reading what is in memory already: Linux does both in one call each.

use crate::files::walk;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, ResolveFlags, openat2};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::io::{self, IoSliceMut};

/// Opens what `path` names beneath `root`, if that needs nothing from a disk. `None`: try [`open`] where it may wait.
pub(super) fn open_now(
    root: BorrowedFd<'_>,
    path: &str,
    links: bool,
) -> Option<io::Result<OwnedFd>> {
    let how = beneath(links).union(ResolveFlags::CACHED);
    match openat2(root, or_dot(path), walk::FILE, Mode::empty(), how) {
        // AGAIN: not in memory. The others: a kernel before 5.12, 5.6, or one that is told not to (seccomp).
        Err(Errno::AGAIN | Errno::INVAL | Errno::NOSYS | Errno::PERM) => None,
        opened => Some(opened.map_err(Into::into)),
    }
}

/// Opens what `path` names beneath `root`: the kernel refuses whatever leads out of it, and so do we where it cannot.
pub(super) fn open(root: BorrowedFd<'_>, path: &str, links: bool) -> io::Result<OwnedFd> {
    for _ in 0..RACES {
        match openat2(
            root,
            or_dot(path),
            walk::FILE,
            Mode::empty(),
            beneath(links),
        ) {
            // Something was renamed while a `..` in a link was followed, or another program has a lease on the file: that
            // is for a client to try again, because it may take its holder a minute to give it back.
            Err(Errno::AGAIN) => {}
            Err(Errno::NOSYS | Errno::PERM) => break,
            opened => return opened.map_err(Into::into),
        }
    }
    walk::open(root, path, links)
}

/// Reads what is in memory of these octets: a beginning of them, and none when all have to be waited for.
pub(super) fn read_now(file: impl AsFd, into: &mut [u8], from: u64) -> io::Result<usize> {
    let mut into = [IoSliceMut::new(into)];
    match preadv2(file, &mut into, from, ReadWriteFlags::NOWAIT) {
        // Some file systems cannot tell.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(0),
        read => Ok(read?),
    }
}

fn or_dot(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

fn beneath(links: bool) -> ResolveFlags {
    let how = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    if links {
        how
    } else {
        how.union(ResolveFlags::NO_SYMLINKS)
    }
}

/// How often an open is tried anew that met a rename.
const RACES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// The kernel's way and ours open the same, or nothing.
    #[test]
    fn the_walk_finds_what_the_kernel_finds() {
        let folder = std::env::temp_dir().join(format!("wireline-walk-{}", std::process::id()));
        let root = folder.join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(folder.join("outside"), "outside").unwrap();
        fs::write(root.join("file"), "file").unwrap();
        fs::write(root.join("a/b/deep"), "deep").unwrap();
        for (target, link) in [
            ("file", "to-file"),
            ("a/b", "to-b"),
            ("../../file", "a/b/up"),
            ("../outside", "out"),
            ("a/../../root/file", "out-and-in"),
            ("/etc/passwd", "absolute"),
            ("/proc/self/root/etc/passwd", "magic"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
            ("to-b/../to-b/up", "chain"),
            ("./a//b/.", "odd"),
            ("..", "a/up"),
            ("../..", "a/out"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let at = fs::File::open(&root).unwrap();
        let read = |opened: io::Result<OwnedFd>| {
            opened.ok().and_then(|file| {
                let file = fs::File::from(file);
                let facts = file.metadata().ok()?;
                let is_file = facts.is_file();
                Some((
                    is_file,
                    is_file.then(|| io::read_to_string(file).unwrap_or_default()),
                ))
            })
        };
        let mut found = 0;
        for path in [
            "",
            "file",
            "file/",
            "a",
            "a/b",
            "a/b/deep",
            "to-file",
            "to-b",
            "to-b/deep",
            "a/b/up",
            "to-b/up",
            "out",
            "out-and-in",
            "absolute",
            "magic",
            "loop",
            "dangling",
            "chain",
            "odd",
            "odd/deep",
            "a/up",
            "a/up/file",
            "a/out",
            "a/out/outside",
            "file/file",
            "missing",
            "a/missing",
        ] {
            for links in [true, false] {
                let kernel = read(open(at.as_fd(), path, links));
                // Without a slash at its end: `path::resolve` takes that off.
                if !path.ends_with('/') {
                    let walked = read(walk::open(at.as_fd(), path, links));
                    assert_eq!(walked, kernel, "{path}, links {links}");
                }
                assert!(!format!("{kernel:?}").contains("outside"));
                found += usize::from(kernel.is_some());
            }
        }
        assert!(found > 15, "only {found} were opened");
        fs::remove_dir_all(&folder).unwrap();
    }
}
