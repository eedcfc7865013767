//! `br` (RFC 7932), with nothing but safe code behind it.

use super::blocks::Blocks;
use super::decoder::{DecodeError, Step};
use super::encoder::{Failed, Then};
use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderOperation as Operation,
    BrotliEncoderParameter as Parameter, BrotliEncoderStateStruct,
};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

pub(super) struct BrotliEncoder {
    state: BrotliEncoderStateStruct<Blocks>,
    quality: u8,
}

impl BrotliEncoder {
    pub(super) fn new(quality: u8) -> Self {
        Self {
            state: begun(quality, Blocks::default()),
            quality,
        }
    }

    /// Makes it ready for other content. Its large blocks it uses again.
    pub(super) fn reset(&mut self) {
        BrotliEncoderDestroyInstance(&mut self.state);
        let blocks = std::mem::take(&mut self.state.m8);
        self.state = begun(self.quality, blocks);
    }

    /// How much content there will be, before any of it.
    pub(super) fn expect(&mut self, size: usize) {
        let hint = u32::try_from(size).unwrap_or(u32::MAX);
        let window = window(self.quality, size);
        self.state
            .set_parameter(Parameter::BROTLI_PARAM_SIZE_HINT, hint);
        self.state
            .set_parameter(Parameter::BROTLI_PARAM_LGWIN, window);
    }

    /// Adds octets that a decoder passes over: a block of metadata.
    pub(super) fn pad(&mut self, octets: usize, out: &mut Vec<u8>) -> Result<(), Failed> {
        // The encoder says of a block with one octet that it has none, and no decoder reads on from there.
        let octets = if octets == 1 { 2 } else { octets };
        let padding = vec![0; octets];
        self.run(Operation::BROTLI_OPERATION_EMIT_METADATA, &padding, out)
    }

    pub(super) fn write(
        &mut self,
        input: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        let operation = match then {
            Then::More => Operation::BROTLI_OPERATION_PROCESS,
            Then::Flush => Operation::BROTLI_OPERATION_FLUSH,
            Then::Finish => Operation::BROTLI_OPERATION_FINISH,
        };
        self.run(operation, input, out)
    }

    fn run(&mut self, operation: Operation, input: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        let (mut left, mut at) = (input.len(), 0);
        loop {
            let taken = self.state.compress_stream(
                operation,
                &mut left,
                input,
                &mut at,
                &mut 0,
                &mut [],
                &mut 0,
                &mut None,
                &mut |_, _, _, _| (),
            );
            if !taken {
                return Err(Failed);
            }
            let gave = self.state.has_more_output();
            while self.state.has_more_output() {
                let mut len = 0;
                let piece = self.state.take_output(&mut len);
                out.extend_from_slice(&piece[..len]);
            }
            // While output waits nothing is encoded, and what it was asked to do is put off: only a call that has nothing more
            // to say has done it.
            if left == 0 && !gave {
                let is_done =
                    operation != Operation::BROTLI_OPERATION_FINISH || self.state.is_finished();
                return if is_done { Ok(()) } else { Err(Failed) };
            }
        }
    }
}

fn begun(quality: u8, blocks: Blocks) -> BrotliEncoderStateStruct<Blocks> {
    let mut state = BrotliEncoderStateStruct::new(blocks);
    state.set_parameter(Parameter::BROTLI_PARAM_QUALITY, quality.into());
    state.set_parameter(Parameter::BROTLI_PARAM_LGWIN, WINDOW);
    state
}

/// The exponent of the window for content of that size: all of it can be looked back at, or [`WINDOW`].
fn window(quality: u8, size: usize) -> u32 {
    let least = if quality < 5 { 10 } else { LEAST_SEARCHED };
    // Sixteen octets of a window are not used (RFC 7932 section 9.1).
    let fits = |window: &u32| (1 << window) - 16 >= size;
    (least..WINDOW).find(fits).unwrap_or(WINDOW)
}

pub(super) struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    begun: bool,
    /// The exponent of the largest window there is need for.
    window: u8,
}

impl BrotliDecoder {
    /// For content of up to `most` octets: nothing can look back further.
    pub(super) fn new(most: u64) -> Self {
        // Sixteen octets of a window are not used (RFC 7932 section 9.1), and one more than `most` is looked for.
        let fits = |window: &u8| (1 << window) - 16 > most;
        Self {
            window: (LEAST_WINDOW..MOST_WINDOW)
                .find(fits)
                .unwrap_or(MOST_WINDOW),
            // Strict: without the large windows of up to a gigabyte that are no part of RFC 7932.
            state: BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ),
            begun: false,
        }
    }

    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        if !self.begun
            && let Some(first) = input.first()
        {
            self.begun = true;
            // The bits with which RFC 7932 section 9.1 begins no stream, and large windows theirs.
            if first & 0x7f == LARGE_WINDOW {
                return Err(DecodeError::TooLarge);
            }
            if let Some(narrowed) = narrowed(*first, self.window) {
                let begun = self.run(&[narrowed], out)?;
                if begun.ended {
                    return Ok(begun);
                }
                let mut step = self.run(&input[1..], out)?;
                step.taken += 1;
                return Ok(step);
            }
        }
        self.run(input, out)
    }

    /// The most octets that its window has.
    pub(super) const fn window(&self) -> usize {
        1 << self.window
    }

    fn run(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        let (mut left, mut taken) = (input.len(), 0);
        let (mut room, mut given) = (out.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            input,
            &mut room,
            &mut given,
            out,
            &mut 0,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => Err(DecodeError::Malformed),
            result => Ok(Step {
                taken,
                given,
                ended: matches!(result, BrotliResult::ResultSuccess),
            }),
        }
    }
}

/// 256 KiB. A larger one takes memory.
const WINDOW: u32 = 18;

/// 128 KiB. From quality 5 on a smaller one takes another way of searching, which is ten times slower.
const LEAST_SEARCHED: u32 = 17;

const LARGE_WINDOW: u8 = 0x11;

/// The windows that RFC 7932 section 9.1 writes in four bits: the lowest is set, and the others are its exponent less 17.
const LEAST_WINDOW: u8 = 18;
const MOST_WINDOW: u8 = 24;

/// The first octet of a stream with a window of no more than `most` in it, where it has more.
fn narrowed(first: u8, most: u8) -> Option<u8> {
    let window = 17 + (first >> 1 & 7);
    let is_wider = first & 1 == 1 && window > most;
    is_wider.then(|| first & 0xf0 | (most - 17) << 1 | 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::compression::{Coding, Decoder, blocks};

    /// Octets of 64 values without matches: as many literals as can be, which is what ends meta-blocks early.
    fn literals(octets: usize) -> Vec<u8> {
        let mut number = 7u64;
        let mut next = || {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number.to_le_bytes()[3] % 64 + 32
        };
        (0..octets).map(|_| next()).collect()
    }

    /// As many commands as can be, which is what ends those of the qualities up to 3 early.
    fn commands(octets: usize) -> Vec<u8> {
        let pieces = literals(octets);
        let mut text: Vec<u8> = pieces
            .chunks(7)
            .flat_map(|piece| [piece, b"the same "].concat())
            .collect();
        text.truncate(octets);
        text
    }

    fn content_for(quality: u8, octets: usize) -> Vec<u8> {
        match quality {
            ..=3 => commands(octets),
            4.. => literals(octets),
        }
    }

    /// What comes out of what was written so far, and whether the coding has ended.
    fn decoded(coded: &[u8]) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::new(Coding::Brotli, u64::MAX).unwrap();
        let (mut content, mut at, mut out) = (Vec::new(), 0, vec![0; 1 << 16]);
        loop {
            let step = decoder.decode(&coded[at..], &mut out).unwrap();
            at += step.taken;
            content.extend_from_slice(&out[..step.given]);
            if step.ended || step.given == 0 && at == coded.len() {
                return (content, step.ended);
            }
        }
    }

    const KIB: usize = 1024;

    #[test]
    fn whatever_the_length_all_of_it_comes_out_at_every_quality() {
        for quality in 0..=11 {
            let content = content_for(quality, 260 * KIB);
            let blocks: &[usize] = match quality {
                ..=3 => &[16, 48, 64, 256],
                4..=9 => &[16, 64],
                // They take their time.
                10.. => &[16],
            };
            for len in blocks
                .iter()
                .flat_map(|k| [k * KIB - 1, k * KIB, k * KIB + 1, k * KIB + 1700])
            {
                // In one piece, and as a job does it.
                for step in [usize::MAX, 64 * KIB] {
                    let mut encoder = BrotliEncoder::new(quality);
                    encoder.expect(len);
                    let (mut out, mut rest) = (Vec::new(), &content[..len]);
                    while !rest.is_empty() {
                        let (piece, behind) = rest.split_at(rest.len().min(step));
                        let then = if behind.is_empty() {
                            Then::Finish
                        } else {
                            Then::More
                        };
                        encoder.write(piece, then, &mut out).unwrap();
                        rest = behind;
                    }
                    let (clear, ended) = decoded(&out);
                    assert!(ended, "quality {quality}, {len} octets end");
                    assert!(clear == content[..len], "quality {quality}, {len} octets");
                }
            }
        }
    }

    /// Every length that one octet or two say of a block of metadata, and some more.
    #[test]
    fn a_decoder_passes_over_whatever_was_added() {
        let content = literals(300);
        let mut encoder = BrotliEncoder::new(4);
        for octets in (0..=1025).chain([65_534, 65_535]) {
            encoder.expect(content.len());
            let mut out = Vec::new();
            encoder.pad(octets, &mut out).unwrap();
            encoder.write(&content, Then::Finish, &mut out).unwrap();
            encoder.reset();
            assert!(out.len() >= octets, "{octets}");
            let mut clear = Vec::new();
            let mut independent = brotli::Decompressor::new(&out[..], 4096);
            std::io::Read::read_to_end(&mut independent, &mut clear)
                .unwrap_or_else(|error| panic!("{octets}: {error}"));
            assert!(clear == content, "{octets}");
            assert!(decoded(&out) == (clear, true), "{octets}");
        }
    }

    /// All of the content, as a job does it.
    fn encoded(encoder: &mut BrotliEncoder, content: &[u8]) -> Vec<u8> {
        encoder.expect(content.len());
        let mut out = Vec::new();
        for piece in content.chunks(64 * KIB) {
            encoder.write(piece, Then::More, &mut out).unwrap();
        }
        encoder.write(&[], Then::Finish, &mut out).unwrap();
        out
    }

    #[test]
    fn an_encoder_that_is_used_again_gives_what_a_new_one_gives() {
        for quality in [0, 1, 2, 3, 4, 5, 7, 9, 10] {
            let content = content_for(quality, 130 * KIB);
            let mut again = BrotliEncoder::new(quality);
            for len in [
                1,
                700,
                4096,
                100_000,
                130 * KIB,
                5000,
                64 * KIB,
                1000,
                100_000,
            ] {
                // Other content each time.
                let content = &content[(130 * KIB - len) / 2..][..len];
                let new = encoded(&mut BrotliEncoder::new(quality), content);
                assert!(encoded(&mut again, content) == new, "{quality}, {len}");
                assert!(decoded(&new).0 == content, "{quality}, {len}");
                again.reset();
                assert!(again.state.m8.kept() <= blocks::MOST, "{quality}, {len}");
            }
        }
    }

    #[test]
    fn the_second_response_takes_the_blocks_of_the_first() {
        let content = literals(100_000);
        let mut encoder = BrotliEncoder::new(4);
        let mut after = || {
            encoded(&mut encoder, &content);
            encoder.reset();
            (encoder.state.m8.kept(), encoder.state.m8.places())
        };
        let first = after();
        // Its table alone has half a mebibyte, its commands as much.
        assert!(
            first.0 > KIB * KIB && first.0 <= blocks::MOST,
            "{}",
            first.0
        );
        assert!(first.1.len() >= 4, "{first:?}");
        for _ in 0..3 {
            assert_eq!(after(), first);
        }
    }

    #[test]
    fn a_window_is_no_larger_than_its_content() {
        for (quality, size, exponent) in [
            (4, 0, 10),
            (4, 1008, 10),
            (4, 1009, 11),
            (4, 100_000, 17),
            (4, 131_056, 17),
            (4, 131_057, 18),
            (4, usize::MAX, 18),
            (5, 1000, 17),
            (11, 200_000, 18),
        ] {
            assert_eq!(window(quality, size), exponent, "{quality}, {size}");
        }
    }

    #[test]
    fn a_flush_leaves_nothing_behind() {
        // Those above take seconds, and differ from 9 in how long they look for matches.
        for quality in 0..=9 {
            let content = content_for(quality, 400 * KIB);
            // Pieces as they are written; what stands before a flush comes out with it.
            let pieces: &[(usize, Then)] = &[
                (3000, Then::More),
                (64 * KIB, Then::More),
                (64 * KIB, Then::Flush),
                (1, Then::Flush),
                (0, Then::Flush),
                (16 * KIB - 1, Then::Flush),
                (4095, Then::More),
                (32 * KIB, Then::Flush),
                (48 * KIB + 1, Then::More),
                (0, Then::Flush),
                (100, Then::More),
                (20 * KIB, Then::More),
                (0, Then::Finish),
            ];
            let mut encoder = BrotliEncoder::new(quality);
            let (mut out, mut at) = (Vec::new(), 0);
            for (len, then) in pieces {
                let piece = &content[at..at + len];
                encoder.write(piece, *then, &mut out).unwrap();
                at += len;
                if *then != Then::More {
                    let (clear, ended) = decoded(&out);
                    assert_eq!(clear.len(), at, "quality {quality}");
                    assert!(clear == content[..at], "quality {quality}");
                    assert_eq!(ended, *then == Then::Finish);
                }
            }
        }
    }
}
