//! Forms with files (`multipart/form-data`, RFC 7578).
//!
//! ```text
//!   Body ── source: counted, one piece at a time ── multer: boundaries, header sections ── Multipart ── Field ── handler, or a file
//! ```
//!
//! What `multer` holds is bounded by what the source gives it: it is asked to go on only when it could get somewhere, so that no
//! octet is searched for a boundary or for the end of a header section more than a few times, however a client cuts what it sends.

mod disk;
mod disposition;
mod error;
mod field;
mod limits;
mod source;

pub use self::disk::TempFile;
pub use self::error::{MultipartError, MultipartRejection};
pub use self::field::Field;
pub use self::limits::MultipartLimits;

use self::disposition::Disposition;
use self::source::{Meter, Source};
use crate::service::handler::FromRequest;
use crate::service::media_type::MediaType;
use crate::service::optional::OptionalFromRequest;
use crate::service::request::{Parts, Request};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

/// A form with files, part by part, as it comes.
///
/// Nothing is read ahead of the handler: a part streams through [`Field::chunk`], to a file by [`Field::save_to`], or into memory by
/// [`Field::bytes`] and [`Field::text`]. The limits are [`MultipartLimits`]; the body limit of the route (`max_body`) bounds everything
/// together.
///
/// Rejections: 415 when the request is no `multipart/form-data`, 400 when it names no boundary, or one that RFC 2046 §5.1.1 does
/// not allow.
///
/// ```
/// use wireline::extract::{Multipart, MultipartError, MultipartLimits};
/// use wireline::router::Router;
///
/// async fn upload(mut form: Multipart) -> Result<String, MultipartError> {
///     let mut report = String::new();
///     while let Some(mut field) = form.next().await? {
///         let name = field.name().to_owned();
///         let mut octets = 0;
///         while let Some(chunk) = field.chunk().await? {
///             octets += chunk.len();
///         }
///         report.push_str(&format!("{name}: {octets} octets\n"));
///     }
///     Ok(report)
/// }
///
/// let uploads = Router::new()
///     .post("/upload", upload)
///     .max_body(100 * 1024 * 1024)
///     .state(MultipartLimits::default().parts(10));
/// assert!(uploads.build().is_ok());
/// ```
pub struct Multipart {
    parser: multer::Multipart<'static>,
    /// The part that was given last, until all of it was read.
    current: Option<multer::Field<'static>>,
    /// How much of it was read.
    read: u64,
    meter: Arc<Meter>,
    limits: MultipartLimits,
    parts: usize,
    has_failed: bool,
}

impl Multipart {
    /// Waits for the next part; `None` at the end. What the handler did not read of the one before is read and thrown away.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Content that is malformed, that passes a limit, or that does not come. After an error there is nothing but errors.
    #[doc(alias = "next_field")]
    pub async fn next(&mut self) -> Result<Option<Field<'_>>, MultipartError> {
        while self.chunk().await?.is_some() {}
        self.meter.begin_head();
        let next = poll_fn(|cx| self.meter.drive(cx, |cx| self.parser.poll_next_field(cx))).await;
        let Some(part) = self.note(next)? else {
            return Ok(None);
        };
        self.meter.begin_content();
        self.parts += 1;
        let taken = self.take_head(&part);
        let (disposition, content_type) = self.note(taken)?;
        self.current = Some(part);
        self.read = 0;
        Ok(Some(Field::new(self, disposition, content_type)))
    }

    /// The next piece of the part that was given last; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if self.has_failed {
            return Err(MultipartError::Malformed("the content has failed before"));
        }
        while let Some(part) = &mut self.current {
            let next = poll_fn(|cx| {
                self.meter.drive(cx, |cx| {
                    futures_core::Stream::poll_next(std::pin::Pin::new(part), cx)
                        .map(Option::transpose)
                })
            });
            let next = next.await;
            let Some(chunk) = self.note(next)? else {
                self.current = None;
                return Ok(None);
            };
            self.read = self.read.saturating_add(chunk.len() as u64);
            if self.read > self.limits.part {
                return self.note(Err(MultipartError::PartTooLarge));
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The header section of the part that is the newest.
    fn take_head(
        &self,
        part: &multer::Field<'_>,
    ) -> Result<(Disposition, Option<MediaType>), MultipartError> {
        if self.parts > self.limits.parts {
            return Err(MultipartError::TooManyParts);
        }
        let headers = part.headers();
        let lines = headers.iter();
        let lengths = lines.map(|(name, value)| name.as_str().len() + value.len() + LINE);
        if lengths.sum::<usize>() > self.limits.header {
            return Err(MultipartError::HeaderTooLarge);
        }
        let disposition = headers.get(CONTENT_DISPOSITION);
        let disposition = disposition.and_then(|value| Disposition::parse(value.as_bytes()));
        let disposition = disposition.ok_or(MultipartError::Malformed(
            "a part has no name: `Content-Disposition: form-data; name=\"..\"` is expected",
        ))?;
        let content_type = headers.get(CONTENT_TYPE);
        Ok((
            disposition,
            content_type.and_then(|value| MediaType::parse(value.as_bytes())),
        ))
    }

    /// Remembers a failure.
    fn note<T, E: Into<MultipartError>>(
        &mut self,
        outcome: Result<T, E>,
    ) -> Result<T, MultipartError> {
        outcome.map_err(|error| {
            self.has_failed = true;
            self.current = None;
            error.into()
        })
    }
}

impl FromRequest for Multipart {
    type Rejection = MultipartRejection;

    async fn from_request(request: Request) -> Result<Self, MultipartRejection> {
        let content_type = request.header("content-type");
        let content_type = content_type.and_then(|value| MediaType::parse(value.as_bytes()));
        let content_type = content_type.ok_or(MultipartRejection::ContentType)?;
        if !content_type.is("multipart", "form-data") {
            return Err(MultipartRejection::ContentType);
        }
        let boundary = content_type
            .parameter("boundary")
            .filter(|text| is_boundary(text));
        let boundary = boundary.ok_or(MultipartRejection::Boundary)?.to_owned();
        let limits = limits_of(&request);
        let meter = Arc::new(Meter::default());
        let source = Source::new(request.into_parts().1, limits, meter.clone());
        Ok(Self {
            parser: multer::Multipart::new(source, boundary),
            current: None,
            read: 0,
            meter,
            limits,
            parts: 0,
            has_failed: false,
        })
    }
}

/// `None` for a request that has neither a content type nor content.
impl OptionalFromRequest for Multipart {
    type Rejection = MultipartRejection;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, MultipartRejection> {
        if request.headers().contains("content-type") || request.body().len() != Some(0) {
            return Self::from_request(request).await.map(Some);
        }
        Ok(None)
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("limits", &self.limits)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// The limits that middleware left, else those of the routers.
fn limits_of(parts: &Parts) -> MultipartLimits {
    let left = parts
        .extensions()
        .and_then(|extensions| extensions.get::<MultipartLimits>());
    let set = || parts.route().facts()?.state.get::<MultipartLimits>();
    left.or_else(set).copied().unwrap_or_default()
}

/// RFC 2046 §5.1.1: 1 to 70 characters of a small set, the last of them no space.
fn is_boundary(text: &str) -> bool {
    let is_inside = |octet: u8| octet.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&octet);
    (1..=70).contains(&text.len()) && text.bytes().all(is_inside) && !text.ends_with(' ')
}

/// What a field line has beside its name and its value.
const LINE: usize = ": \r\n".len();
