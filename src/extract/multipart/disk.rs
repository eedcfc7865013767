//! Parts that go to the disk, without a blocked event loop.

use crate::extract::multipart::{Field, MultipartError};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// A file that is removed when this is dropped, unless it was kept.
///
/// ```
/// use wireline::Error;
/// use wireline::Router;
/// use wireline::extract::Multipart;
///
/// async fn upload(mut form: Multipart) -> Result<String, Error> {
///     let mut octets = 0;
///     while let Some(mut part) = form.next().await? {
///         let file = part.save_temp("/srv/uploads").await?;
///         octets += file.len();
///         if !file.is_empty() {
///             file.persist("/srv/uploads/latest").await?;
///         }
///     }
///     Ok(format!("{octets} octets"))
/// }
/// assert!(Router::new().post("/upload", upload).build().is_ok());
/// ```
#[derive(Debug)]
pub struct TempFile {
    path: PathBuf,
    len: u64,
    is_kept: bool,
}

impl TempFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is, in octets.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps it, under this path on the same file system. A file that is there already is replaced.
    ///
    /// Not cancel safe: given up, it stands under the new path, or is removed.
    ///
    /// # Errors
    ///
    /// When it cannot be moved; then it is removed.
    pub async fn persist(mut self, path: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (self.path.clone(), path.as_ref().to_owned());
        blocking(move || std::fs::rename(from, to)).await?;
        self.is_kept = true;
        Ok(())
    }

    /// Leaves the file where it is.
    pub(super) fn leave(mut self) {
        self.is_kept = true;
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // To give back the blocks of a large file takes a while.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || std::fs::remove_file(path))),
            Err(_) => drop(std::fs::remove_file(path)),
        }
    }
}

/// Where a file is made.
pub(super) enum Place {
    At(PathBuf),
    In(PathBuf),
}

/// Writes the rest of a part to a new file.
pub(super) async fn save(field: &mut Field<'_>, place: Place) -> Result<TempFile, MultipartError> {
    let made = blocking(move || match place {
        Place::At(path) => create(path),
        Place::In(folder) => create_in(&folder),
    });
    let (mut file, mut temp) = made.await.map_err(MultipartError::Io)?;
    let mut block = Vec::new();
    loop {
        let chunk = field.chunk().await?;
        if let Some(chunk) = &chunk {
            block.extend_from_slice(chunk);
            temp.len += chunk.len() as u64;
        }
        if block.len() >= BLOCK || (chunk.is_none() && !block.is_empty()) {
            let written = blocking(move || {
                file.write_all(&block)?;
                block.clear();
                Ok((file, block))
            });
            (file, block) = written.await.map_err(MultipartError::Io)?;
        }
        if chunk.is_none() {
            return Ok(temp);
        }
    }
}

/// A new file with a name that nobody can guess.
fn create_in(folder: &Path) -> io::Result<(File, TempFile)> {
    for _ in 0..TRIES {
        let name = format!("upload-{:016x}{:016x}", random(), random());
        match create(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A new file: neither one that is there nor the end of a link.
fn create(path: PathBuf) -> io::Result<(File, TempFile)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let file = options.open(&path)?;
    let temp = TempFile {
        path,
        len: 0,
        is_kept: false,
    };
    Ok((file, temp))
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

/// From the seeds of the standard library's hash maps, which are random for each process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What is written at a time.
const BLOCK: usize = 256 * 1024;

const TRIES: usize = 16;
