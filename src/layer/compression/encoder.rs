//! One encoder, whatever its coding.

use super::brotli::BrotliEncoder;
use super::gzip::GzipEncoder;
use super::zstd::ZstdEncoder;
use crate::wire::coding::Coding;

/// Takes content and gives it coded.
pub(super) enum Encoder {
    Brotli(Box<BrotliEncoder>),
    Gzip(Box<GzipEncoder>),
    Zstd(Box<ZstdEncoder>),
}

/// What follows what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More, and nobody waits for what was written so far.
    More,
    /// Perhaps nothing for a while: everything written so far comes out.
    Flush,
    /// Nothing.
    Finish,
}

/// The coding's library has refused to go on, which it has no reason for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

/// How hard each coding tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) brotli: u8,
    pub(super) gzip: u8,
    pub(super) zstd: u8,
}

impl Effort {
    /// How much content is compressed in less than 100 microseconds, with an encoder made for it: what may run on the
    /// event loop.
    ///
    /// Measured in microseconds on a core at 2.x GHz, JSON and noise, with a new encoder each time:
    ///
    /// | | 1 KiB | 2 KiB | 4 KiB | 8 KiB | 16 KiB |
    /// |---|---|---|---|---|---|
    /// | `br` 4 | 38 | 59 | 65 | 117 | 190 |
    /// | `br` 5 | 59 | 74 | 138 | 172 | 344 |
    /// | `gzip` 6 | 28 | 35 | 49 | 84 | 168 |
    /// | `zstd` 3 | 30 | 24 | 40 | 48 | 52 |
    ///
    /// The levels above do more for each octet, and the highest set up tables of megabytes first.
    pub(super) const fn inline(self, coding: Coding) -> usize {
        match coding {
            Coding::Brotli => match self.brotli {
                ..=4 => 4096,
                5 => 2048,
                6..=9 => 512,
                10.. => 0,
            },
            Coding::Gzip | Coding::Deflate => match self.gzip {
                ..=6 => 8192,
                7.. => 2048,
            },
            Coding::Zstd => match self.zstd {
                ..=3 => 16 * 1024,
                4..=6 => 2048,
                7.. => 0,
            },
        }
    }
}

impl Encoder {
    /// `None` when there is none for the coding.
    pub(super) fn new(coding: Coding, effort: Effort) -> Option<Self> {
        Some(match coding {
            Coding::Brotli => Self::Brotli(Box::new(BrotliEncoder::new(effort.brotli))),
            Coding::Gzip => Self::Gzip(Box::new(GzipEncoder::new(effort.gzip))),
            Coding::Zstd => Self::Zstd(Box::new(ZstdEncoder::new(effort.zstd)?)),
            Coding::Deflate => return None,
        })
    }

    pub(super) const fn coding(&self) -> Coding {
        match self {
            Self::Brotli(_) => Coding::Brotli,
            Self::Gzip(_) => Coding::Gzip,
            Self::Zstd(_) => Coding::Zstd,
        }
    }

    /// Whether it is ready for other content now.
    pub(super) fn reset(&mut self) -> bool {
        match self {
            Self::Brotli(brotli) => {
                brotli.reset();
                true
            }
            Self::Gzip(gzip) => {
                gzip.reset();
                true
            }
            Self::Zstd(zstd) => zstd.reset(),
        }
    }

    /// Tells a fresh one how much content there will be.
    pub(super) fn expect(&mut self, size: Option<usize>) {
        match (self, size) {
            (Self::Brotli(brotli), Some(size)) => brotli.expect(size),
            (Self::Zstd(zstd), Some(size)) => zstd.expect(size),
            _ => {}
        }
    }

    /// Adds octets that every decoder passes over, before anything else. Nothing for zstd.
    pub(super) fn pad(&mut self, octets: u16, out: &mut Vec<u8>) -> Result<(), Failed> {
        match self {
            Self::Brotli(brotli) => brotli.pad(octets.into(), out),
            Self::Gzip(gzip) => {
                gzip.pad(octets, out);
                Ok(())
            }
            Self::Zstd(_) => Ok(()),
        }
    }

    /// Takes all of the input.
    pub(super) fn write(
        &mut self,
        input: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        match self {
            Self::Brotli(brotli) => brotli.write(input, then, out),
            Self::Gzip(gzip) => gzip.write(input, then, out),
            Self::Zstd(zstd) => zstd.write(input, then, out),
        }
    }
}
