//! `gzip` (RFC 1952) and, to decode, `deflate` (RFC 1950).

use super::decoder::{DecodeError, Step};
use super::encoder::{Failed, Then};
use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

pub(super) struct GzipEncoder {
    deflate: Compress,
    crc: Crc,
    begun: bool,
}

impl GzipEncoder {
    pub(super) fn new(level: u8) -> Self {
        Self {
            deflate: Compress::new(Compression::new(level.into()), false),
            crc: Crc::new(),
            begun: false,
        }
    }

    /// Makes it ready for other content.
    pub(super) fn reset(&mut self) {
        self.deflate.reset();
        self.crc.reset();
        self.begun = false;
    }

    /// Adds octets that a decoder passes over, before anything else: an extra field of the header.
    pub(super) fn pad(&mut self, octets: u16, out: &mut Vec<u8>) {
        self.begun = true;
        let octets = octets.min(u16::MAX - 4);
        out.extend_from_slice(&header(EXTRA));
        out.extend_from_slice(&(octets + 4).to_le_bytes());
        out.extend_from_slice(b"WL");
        out.extend_from_slice(&octets.to_le_bytes());
        out.resize(out.len() + usize::from(octets), 0);
    }

    pub(super) fn write(
        &mut self,
        input: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(&header(0));
        }
        self.crc.update(input);
        let flush = match then {
            Then::More => FlushCompress::None,
            Then::Flush => FlushCompress::Sync,
            Then::Finish => FlushCompress::Finish,
        };
        let end = self.deflate.total_in() + input.len() as u64;
        let mut rest = input;
        loop {
            out.reserve(rest.len() / 4 + ROOM);
            let status = self
                .deflate
                .compress_vec(rest, out, flush)
                .map_err(|_| Failed)?;
            let left = usize::try_from(end - self.deflate.total_in()).map_err(|_| Failed)?;
            rest = &input[input.len() - left..];
            let done = match then {
                Then::More => rest.is_empty(),
                Then::Flush => rest.is_empty() && out.len() < out.capacity(),
                Then::Finish => status == Status::StreamEnd,
            };
            if done {
                break;
            }
        }
        if then == Then::Finish {
            out.extend_from_slice(&self.crc.sum().to_le_bytes());
            out.extend_from_slice(&self.crc.amount().to_le_bytes());
        }
        Ok(())
    }
}

pub(super) struct Inflate {
    inner: Decompress,
    is_gzip: bool,
}

impl Inflate {
    pub(super) fn gzip() -> Self {
        Self {
            inner: Decompress::new_gzip(WINDOW),
            is_gzip: true,
        }
    }

    pub(super) fn zlib() -> Self {
        Self {
            inner: Decompress::new(true),
            is_gzip: false,
        }
    }

    /// Whether another member may follow the one that has ended.
    pub(super) const fn is_gzip(&self) -> bool {
        self.is_gzip
    }

    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        let before = (self.inner.total_in(), self.inner.total_out());
        let status = self
            .inner
            .decompress(input, out, FlushDecompress::None)
            .map_err(|_| DecodeError::Malformed)?;
        let moved = |now: u64, before| usize::try_from(now - before).unwrap_or_default();
        Ok(Step {
            taken: moved(self.inner.total_in(), before.0),
            given: moved(self.inner.total_out(), before.1),
            ended: status == Status::StreamEnd,
        })
    }
}

/// A header without a time, of an unknown system.
const fn header(flags: u8) -> [u8; 10] {
    [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255]
}

const EXTRA: u8 = 4;

/// What there is room for at the least when the compressor is called.
const ROOM: usize = 512;

/// 32 KiB, which is all that the format knows.
const WINDOW: u8 = 15;
