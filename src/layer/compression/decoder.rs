//! One decoder, whatever its coding, that a small input cannot make to give much.

use super::brotli::BrotliDecoder;
use super::gzip::Inflate;
use super::zstd::{self, ZstdDecoder};
use crate::service::body::BodyError;
use crate::wire::coding::Coding;
use http::StatusCode;
use std::fmt;

/// Takes coded octets and gives content, without ever giving more than it may.
///
/// It gives at most [`most`](Self::new) octets, and once it has given 64 KiB no more than a hundred for each that it took:
/// JSON rarely comes to twenty, and what was made to fill memory to a thousand and more.
///
/// A window holds up to 32 KiB of content for gzip and deflate, 8 MiB for zstd (RFC 9659) and 16 MiB for brotli, and for
/// brotli no more than the power of two (256 KiB at the least) above what it may give. Memory is touched only as far as
/// content was given. Windows beyond are refused with [`DecodeError::TooLarge`].
///
/// ```
/// use wireline::layer::compression::Decoder;
/// use wireline::wire::coding::Coding;
///
/// let coded = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 2, 0, 0xfd, 0xff, b'h', b'i', 0xac, 0x2a, 0x93, 0xd8, 2, 0, 0, 0];
/// let mut decoder = Decoder::new(Coding::Gzip, 1024).unwrap();
/// let mut content = [0; 16];
/// let step = decoder.decode(&coded, &mut content).unwrap();
/// assert_eq!(&content[..step.given], b"hi");
/// assert!(decoder.finish().is_ok());
/// ```
pub struct Decoder {
    inner: Inner,
    most: u64,
    taken: u64,
    given: u64,
    has_ended: bool,
    /// How many members or frames have ended.
    members: u64,
}

enum Inner {
    Brotli(Box<BrotliDecoder>),
    Inflate(Box<Inflate>),
    Zstd(ZstdDecoder),
}

/// What a call has moved.
///
/// ```
/// use wireline::layer::compression::Decoder;
/// use wireline::wire::coding::Coding;
///
/// let coded = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 2, 0, 0xfd, 0xff, b'h', b'i', 0xac, 0x2a, 0x93, 0xd8, 2, 0, 0, 0];
/// let mut decoder = Decoder::new(Coding::Gzip, 1024).unwrap();
/// let (mut content, mut at) = (Vec::new(), 0);
/// loop {
///     // A buffer that is too small is filled again and again.
///     let mut room = [0; 1];
///     let step = decoder.decode(&coded[at..], &mut room).unwrap();
///     at += step.taken;
///     content.extend_from_slice(&room[..step.given]);
///     if step.ended {
///         break;
///     }
/// }
/// assert_eq!((content.as_slice(), at), (&b"hi"[..], coded.len()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The octets that were taken of the input.
    pub taken: usize,
    /// The octets that were put into the output.
    pub given: usize,
    /// Whether the coding has ended. What follows is another member of gzip (RFC 1952 section 2.2) or another frame of zstd
    /// (RFC 8878 section 3), or nothing.
    pub ended: bool,
}

/// Why there is no more content.
///
/// ```
/// use wireline::layer::compression::{DecodeError, Decoder};
/// use wireline::wire::coding::Coding;
///
/// let mut decoder = Decoder::new(Coding::Gzip, 1024).unwrap();
/// assert_eq!(decoder.decode(b"plain text", &mut [0; 64]), Err(DecodeError::Malformed));
///
/// let decoder = Decoder::new(Coding::Gzip, 1024).unwrap();
/// assert_eq!(decoder.finish(), Err(DecodeError::Truncated));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// There would be more than there may be: of content, for each octet of input, of the window, or of members of less
    /// than 128 octets, of which there may be a hundred.
    TooLarge,
    /// It is not what it says it is.
    Malformed,
    /// It ends before its coding does.
    Truncated,
    /// Something follows the end of its coding.
    Trailing,
}

impl Decoder {
    /// A decoder that gives at most `most` octets. `None` for zstd without the feature.
    pub fn new(coding: Coding, most: u64) -> Option<Self> {
        let inner = match coding {
            Coding::Brotli => Inner::Brotli(Box::new(BrotliDecoder::new(most))),
            Coding::Gzip => Inner::Inflate(Box::new(Inflate::gzip())),
            Coding::Deflate => Inner::Inflate(Box::new(Inflate::zlib())),
            Coding::Zstd => Inner::Zstd(ZstdDecoder::new()?),
        };
        Some(Self {
            inner,
            most,
            taken: 0,
            given: 0,
            has_ended: false,
            members: 0,
        })
    }

    /// Decodes as much as there is room for. Output that filled the room may have more behind it: call again, with no
    /// input if there is none.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`]; what was put into `out` by this call counts for nothing then.
    pub fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        if self.has_ended {
            let nothing = Step {
                taken: 0,
                given: 0,
                ended: true,
            };
            let Some(first) = input.first() else {
                return Ok(nothing);
            };
            self.go_on(*first)?;
        }
        // One more than there may be, to see that there is more.
        let left = usize::try_from(self.most - self.given).unwrap_or(usize::MAX);
        let room = out.len().min(left.saturating_add(1));
        let out = &mut out[..room];
        let step = match &mut self.inner {
            Inner::Brotli(brotli) => brotli.decode(input, out)?,
            Inner::Inflate(inflate) => inflate.decode(input, out)?,
            Inner::Zstd(zstd) => zstd.decode(input, out)?,
        };
        self.taken += step.taken as u64;
        let given = self.given + step.given as u64;
        if given > self.most || (given > FREE && given / RATIO > self.taken) {
            return Err(DecodeError::TooLarge);
        }
        self.given = given;
        self.has_ended = step.ended;
        self.members += u64::from(step.ended);
        let is_stuck = step.taken == 0 && step.given == 0 && !step.ended;
        if is_stuck && !input.is_empty() && !out.is_empty() {
            return Err(DecodeError::Malformed);
        }
        Ok(step)
    }

    /// Begins with another member of gzip, or frame of zstd, if an octet is the first of one.
    fn go_on(&mut self, first: u8) -> Result<(), DecodeError> {
        match (&mut self.inner, first) {
            // Another one is set up for each, which takes longer than so few octets should.
            _ if self.members > FREE_MEMBERS && self.taken / self.members < LEAST_MEMBER => {
                return Err(DecodeError::TooLarge);
            }
            (Inner::Inflate(inflate), 0x1f) if inflate.is_gzip() => **inflate = Inflate::gzip(),
            // It begins anew by itself. The others are frames to be passed over.
            (Inner::Zstd(_), 0x28 | 0x50..=0x5f) => {}
            _ => return Err(DecodeError::Trailing),
        }
        self.has_ended = false;
        Ok(())
    }

    /// Whether everything has come.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] when not.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.has_ended {
            Ok(())
        } else {
            Err(DecodeError::Truncated)
        }
    }
}

impl Decoder {
    /// About how many octets it keeps: what it always needs, and the part of its window that has content.
    pub(super) fn held(&self) -> usize {
        let (always, window) = match &self.inner {
            Inner::Brotli(brotli) => (64 * 1024, brotli.window()),
            Inner::Inflate(_) => (48 * 1024, 0),
            Inner::Zstd(_) => (256 * 1024, zstd::MOST_WINDOW),
        };
        always + usize::try_from(self.given).map_or(window, |given| given.min(window))
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("taken", &self.taken)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    const fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "the content decompresses to more than is allowed",
            Self::Malformed => "the content is not in its Content-Encoding",
            Self::Truncated => "the content ends before its Content-Encoding does",
            Self::Trailing => "something follows the end of the Content-Encoding",
        }
    }
}

/// 413 for what is too large, 400 for what is wrong.
impl From<DecodeError> for BodyError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge => Self::TooLarge,
            error => Self::Malformed(StatusCode::BAD_REQUEST, error.text()),
        }
    }
}

/// Up to here the ratio does not matter.
const FREE: u64 = 64 * 1024;

/// The most octets that are given for one that was taken.
const RATIO: u64 = 100;

/// Up to here the length of members does not matter.
const FREE_MEMBERS: u64 = 100;

/// The fewest octets that members have on average.
const LEAST_MEMBER: u64 = 128;
