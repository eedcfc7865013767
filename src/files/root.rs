//! The directory that a mount serves, and the files that are opened in it.

use crate::files::beneath;
use crate::files::walk;
use bytes::Bytes;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// A directory, and how to open what is in it.
pub(super) struct Root {
    path: PathBuf,
    directory: RwLock<Arc<OwnedFd>>,
    /// The second in which the path was looked at last.
    looked: AtomicU64,
    links: bool,
    /// How many may wait for disks at the same time.
    pool: Arc<Semaphore>,
}

impl Root {
    /// Opens the directory.
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let told = |error: io::Error| format!("files: {}: {error}", path.display());
        let path = std::path::absolute(path).map_err(told)?;
        Ok(Self {
            directory: RwLock::new(Arc::new(directory(&path).map_err(told)?)),
            path,
            looked: AtomicU64::new(0),
            links: true,
            pool: Arc::new(Semaphore::new(MAX_WAITING)),
        })
    }

    /// The same that follows no symbolic links.
    pub(super) fn without_links(&self) -> Result<Self, String> {
        Ok(Self {
            links: false,
            ..Self::new(&self.path)?
        })
    }

    /// Opens a file, or a directory, without keeping the thread waiting.
    pub(super) async fn open(&self, path: &str, now: SystemTime) -> Result<Found, Miss> {
        let root = self.directory(now).await;
        let opened = match beneath::open_now(root.as_fd(), path, self.links) {
            Some(opened) => opened,
            None => {
                let (path, links) = (path.to_owned(), self.links);
                self.wait_for(move || beneath::open(root.as_fd(), &path, links))
                    .await
            }
        };
        let file = File::from(opened?);
        let state = State::of(&file.metadata()?);
        Ok(Found {
            disk: Disk {
                file: Arc::new(file),
                pool: self.pool.clone(),
            },
            state,
        })
    }

    /// Runs what may wait for a disk where it may.
    pub(super) async fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        wait_for(self.pool.clone(), work).await
    }

    /// The directory that has the path now, looked at once a second: it may have been put in place of another.
    async fn directory(&self, now: SystemTime) -> Arc<OwnedFd> {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.looked.swap(second, Ordering::Relaxed) != second {
            let path = self.path.clone();
            // While there is none, the one before stays.
            if let Ok(opened) = self.wait_for(move || directory(&path)).await {
                let mut place = self
                    .directory
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *place = Arc::new(opened);
            }
        }
        let place = self
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.fmt(f)
    }
}

/// What was opened.
pub(super) struct Found {
    pub(super) disk: Disk,
    pub(super) state: State,
}

/// What a file was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// Since 1970, in seconds and nanoseconds.
    seconds: i64,
    nanos: u32,
    /// When anything of it was changed, in the same way. No program can set it.
    changed: (i64, i64),
    /// How many names it has.
    names: u64,
    /// Its number in its file system.
    inode: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A FIFO, a device, a socket.
    Other,
}

impl State {
    fn of(facts: &Metadata) -> Self {
        Self {
            kind: if facts.is_file() {
                Kind::File
            } else if facts.is_dir() {
                Kind::Directory
            } else {
                Kind::Other
            },
            size: facts.len(),
            seconds: facts.mtime(),
            nanos: u32::try_from(facts.mtime_nsec()).unwrap_or_default(),
            changed: (facts.ctime(), facts.ctime_nsec()),
            names: facts.nlink(),
            inode: facts.ino(),
        }
    }

    /// When it was last changed.
    pub(super) fn modified(self) -> SystemTime {
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let whole = if self.seconds < 0 {
            UNIX_EPOCH.checked_sub(seconds)
        } else {
            UNIX_EPOCH.checked_add(seconds)
        };
        let exact =
            whole.and_then(|time| time.checked_add(Duration::from_nanos(self.nanos.into())));
        exact.unwrap_or(UNIX_EPOCH)
    }

    /// Whether octets that were read after `self` was seen and before `later` may be of another content than the one
    /// announced. Nothing tells what was added to from what was written anew and became longer, so both are.
    ///
    /// What sets the time back after a change leaves the other one, which no program sets. But a file that is replaced
    /// by a rename or removed has a name less, which is a change of that time and of no octet.
    fn is_spoilt(self, later: Self) -> bool {
        let written = |state: Self| (state.size, state.seconds, state.nanos);
        written(self) != written(later)
            || (self.changed != later.changed && self.names == later.names)
    }

    /// The name of this state on this server: time to the nanosecond, and size, so that a file that was rolled back has
    /// another; and for builds that give all files the same time what no program sets, the time of the last change and
    /// the inode. These two as a hash, because they are nobody's business.
    pub(super) fn tag(self, suffix: &str) -> String {
        let mut own = DefaultHasher::new();
        (self.changed, self.inode).hash(&mut own);
        format!("{}-{:x}{suffix}", self.shared_tag(""), own.finish())
    }

    /// The same on every server that has a file of this size and time.
    pub(super) fn shared_tag(self, suffix: &str) -> String {
        format!(
            "{:x}.{:x}-{:x}{suffix}",
            self.seconds, self.nanos, self.size
        )
    }
}

/// An open file, read from wherever it is asked to.
#[derive(Clone)]
pub(super) struct Disk {
    file: Arc<File>,
    pool: Arc<Semaphore>,
}

impl Disk {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Reads some octets from a place on, at the most `count`, if they are in memory.
    pub(super) fn read_now(
        &self,
        state: State,
        from: u64,
        count: usize,
    ) -> io::Result<Option<Bytes>> {
        let mut octets = vec![0; count];
        let read = beneath::read_now(&*self.file, &mut octets, from)?;
        if read == 0 {
            return Ok(None);
        }
        octets.truncate(read);
        self.check(state)?;
        Ok(Some(octets.into()))
    }

    /// Reads some octets from a place on, one at the least and at the most `count`, where it may wait.
    pub(super) fn read(
        &self,
        state: State,
        from: u64,
        count: usize,
    ) -> impl Future<Output = io::Result<Bytes>> + Send + 'static {
        let me = self.clone();
        wait_for(self.pool.clone(), move || {
            let mut octets = vec![0; count];
            let read = me.file.read_at(&mut octets, from)?;
            octets.truncate(read);
            me.check(state)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(octets.into())
        })
    }

    /// After a read: whether the file is still what was announced.
    fn check(&self, state: State) -> io::Result<()> {
        if state.is_spoilt(State::of(&self.file.metadata()?)) {
            return Err(io::Error::other("the file was changed while it was read"));
        }
        Ok(())
    }
}

/// Why there is nothing to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// It is not there, or nobody is to know that it is.
    Absent,
    /// Descriptors or memory have run out for now, or another program has a lease on the file.
    Busy,
    /// It was changed while it was read.
    Changed,
    /// The disk, or whatever is in its place, has failed.
    Broken,
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::XDEV
                | Errno::ACCESS
                | Errno::PERM
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::NODEV
                | Errno::ISDIR
                | Errno::INVAL,
            ) => Self::Absent,
            // AGAIN: a lease that is being given back (Samba, an NFS server), or names that move too fast.
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => Self::Busy,
            _ => Self::Broken,
        }
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = walk::FILE.union(rustix::fs::OFlags::DIRECTORY);
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
}

/// Whoever is not waited for any more leaves no work behind but what has begun.
async fn wait_for<T: Send + 'static>(
    pool: Arc<Semaphore>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let permit = pool.acquire_owned().await.map_err(io::Error::other)?;
    let work = move || {
        let done = work();
        drop(permit);
        done
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// The most reads and opens of a mount that wait for disks at the same time; the others wait for them.
const MAX_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_request_may_get_is_told_from_what_has_failed() {
        for (errno, miss) in [
            // What an open without waiting gives while another program has a lease on the file.
            (Errno::AGAIN, Miss::Busy),
            (Errno::MFILE, Miss::Busy),
            (Errno::NOENT, Miss::Absent),
            (Errno::ACCESS, Miss::Absent),
            (Errno::IO, Miss::Broken),
        ] {
            assert_eq!(Miss::from(io::Error::from(errno)), miss, "{errno}");
        }
    }
}
