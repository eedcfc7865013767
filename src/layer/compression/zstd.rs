//! `zstd` (RFC 8878).

use super::decoder::{DecodeError, Step};
use super::encoder::{Failed, Then};
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective as Directive;
use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
};

/// Whether the feature is there.
pub(super) const IS_HERE: bool = true;

pub(super) struct ZstdEncoder(CCtx<'static>);

impl ZstdEncoder {
    pub(super) fn new(level: u8) -> Option<Self> {
        let mut context = CCtx::try_create()?;
        let level = CParameter::CompressionLevel(level.into());
        context.set_parameter(level).ok()?;
        let window = CParameter::WindowLog(ENCODER_WINDOW);
        context.set_parameter(window).ok()?;
        Some(Self(context))
    }

    /// Makes it ready for other content.
    pub(super) fn reset(&mut self) -> bool {
        self.0.reset(ResetDirective::SessionOnly).is_ok()
    }

    /// How much content there will be, before any of it: tables of that size are enough.
    pub(super) fn expect(&mut self, size: usize) {
        let _ = self.0.set_pledged_src_size(Some(size as u64));
    }

    pub(super) fn write(
        &mut self,
        input: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        let directive = match then {
            Then::More => Directive::ZSTD_e_continue,
            Then::Flush => Directive::ZSTD_e_flush,
            Then::Finish => Directive::ZSTD_e_end,
        };
        let mut input = InBuffer::around(input);
        loop {
            out.reserve((input.src.len() - input.pos()) / 4 + ROOM);
            let len = out.len();
            let mut room = OutBuffer::around_pos(out, len);
            let left = self
                .0
                .compress_stream2(&mut room, &mut input, directive)
                .map_err(|_| Failed)?;
            let taken = input.pos() == input.src.len();
            if taken && (left == 0 || then == Then::More) {
                return Ok(());
            }
        }
    }
}

pub(super) struct ZstdDecoder(DCtx<'static>);

impl ZstdDecoder {
    pub(super) fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW))
            .ok()?;
        Some(Self(context))
    }

    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        let mut input = InBuffer::around(input);
        let mut room = OutBuffer::around(out);
        let left = self
            .0
            .decompress_stream(&mut room, &mut input)
            .map_err(|code| match get_error_name(code) {
                WINDOW_TOO_LARGE => DecodeError::TooLarge,
                _ => DecodeError::Malformed,
            })?;
        Ok(Step {
            taken: input.pos(),
            given: room.pos(),
            ended: left == 0,
        })
    }
}

/// 256 KiB instead of the level's own 2 to 8 MiB: half of what level 3 would take. An encoder lives as long as its client is slow.
const ENCODER_WINDOW: u32 = 18;

/// 8 MiB, the most that RFC 9659 allows in content.
const WINDOW: u32 = 23;

/// The same in octets.
pub(super) const MOST_WINDOW: usize = 1 << WINDOW;

/// How the library says so.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// What there is room for at the least when the compressor is called.
const ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_of_a_stream_takes_little_memory() {
        let content: Vec<u8> = (0..3_000_000u32)
            .map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3])
            .collect();
        for (level, most) in [(1, 5 << 18), (3, 2 << 20), (6, 4 << 20)] {
            let mut encoder = ZstdEncoder::new(level).unwrap();
            let mut out = Vec::new();
            for piece in content.chunks(200_000) {
                encoder.write(piece, Then::Flush, &mut out).unwrap();
            }
            let held = encoder.0.sizeof();
            assert!(held <= most, "level {level}: {held}");
        }
    }
}
