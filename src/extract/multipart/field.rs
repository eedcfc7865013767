//! One part of a form.

use crate::extract::multipart::disk::{self, TempFile};
use crate::extract::multipart::disposition::Disposition;
use crate::extract::multipart::{Multipart, MultipartError};
use crate::service::media_type::MediaType;
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::path::Path;

/// One part of a [`Multipart`] form: what an input of it holds, or a file.
///
/// ```
/// use wireline::extract::{Multipart, MultipartError};
///
/// async fn keep(mut form: Multipart) -> Result<String, MultipartError> {
///     while let Some(mut field) = form.next().await? {
///         if field.name() == "picture" {
///             let file = field.save_temp(std::env::temp_dir()).await?;
///             return Ok(format!("{} octets in {}", file.len(), file.path().display()));
///         }
///     }
///     Ok("no picture".to_owned())
/// }
/// # let _ = wireline::Router::new().post("/keep", keep).build().unwrap();
/// ```
pub struct Field<'a> {
    form: &'a mut Multipart,
    name: String,
    file_name: Option<String>,
    content_type: Option<MediaType>,
}

impl<'a> Field<'a> {
    pub(super) fn new(
        form: &'a mut Multipart,
        disposition: Disposition,
        content_type: Option<MediaType>,
    ) -> Self {
        Self {
            form,
            name: disposition.name,
            file_name: disposition.file_name,
            content_type,
        }
    }

    /// The name of the input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the client calls the file, as it came: not a path, and not to be used as one. It may say `../../etc/passwd`. Inputs without
    /// a file have none.
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// The last segment of [`file_name`](Self::file_name), for showing it and for remembering it: what stands behind the last `/` or
    /// `\`. `None` when that is empty, `.`, `..`, longer than 255 octets, or has control characters. Two clients may use the same one.
    pub fn bare_file_name(&self) -> Option<&str> {
        let name = self.file_name()?.rsplit(['/', '\\']).next()?;
        let is_name = !matches!(name, "" | "." | "..")
            && name.len() <= LONGEST_NAME
            && !name.contains(char::is_control);
        is_name.then_some(name)
    }

    /// What the client says that the content is. Nothing is verified.
    pub const fn content_type(&self) -> Option<&MediaType> {
        self.content_type.as_ref()
    }

    /// Waits for the next piece, of a few KiB; `None` at the end of the part.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        self.form.chunk().await
    }

    /// Waits for the rest of the part and gives it at once. The limit `in_memory` bounds it, and the connection is charged for it.
    ///
    /// Giving it up drops what has come of the part.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn bytes(self) -> Result<Bytes, MultipartError> {
        let mut content = BytesMut::new();
        while let Some(chunk) = self.form.chunk().await? {
            if content.len() + chunk.len() > self.form.limits.in_memory {
                return self.form.note(Err(MultipartError::PartTooLarge));
            }
            self.form.meter.hold(chunk.len());
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }

    /// The same as text, which has to be UTF-8.
    ///
    /// Giving it up drops what has come of the part.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`], and when it is not UTF-8.
    pub async fn text(self) -> Result<String, MultipartError> {
        let content = self.bytes().await?;
        String::from_utf8(content.into()).map_err(|_| MultipartError::NotText)
    }

    /// Writes the rest of the part to a new file; gives its length. The path is yours: nothing of it may come from the client.
    ///
    /// Files are written on threads for blocking work, 256 KiB at a time: that is all that is held. When it fails, or is cancelled, the
    /// file is removed. The content is not forced to the disk (`fsync`).
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`]; when there is such a file already, and when it cannot be written.
    pub async fn save_to(&mut self, path: impl AsRef<Path>) -> Result<u64, MultipartError> {
        let file = disk::save(self, disk::Place::At(path.as_ref().to_owned())).await?;
        let len = file.len();
        file.leave();
        Ok(len)
    }

    /// Writes the rest of the part to a new file in `folder` that only this user can read, and that is removed when the [`TempFile`] is
    /// dropped; else as [`save_to`](Self::save_to). [`TempFile::persist`] keeps it: take a folder on the same file system.
    ///
    /// # Errors
    ///
    /// As [`save_to`](Self::save_to).
    pub async fn save_temp(
        &mut self,
        folder: impl AsRef<Path>,
    ) -> Result<TempFile, MultipartError> {
        disk::save(self, disk::Place::In(folder.as_ref().to_owned())).await
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name)
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

const LONGEST_NAME: usize = 255;
