//! `br` (RFC 7932), with nothing but safe code behind it.

use super::decoder::{DecodeError, Step};
use super::encoder::{Failed, Then};
use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderOperation as Operation, BrotliEncoderParameter as Parameter,
    BrotliEncoderStateStruct,
};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

pub(super) struct BrotliEncoder(BrotliEncoderStateStruct<StandardAlloc>);

impl BrotliEncoder {
    /// `size` is that of the whole content, when it is known.
    pub(super) fn new(quality: u8, size: Option<usize>) -> Self {
        let mut state = BrotliEncoderStateStruct::new(StandardAlloc::default());
        state.set_parameter(Parameter::BROTLI_PARAM_QUALITY, quality.into());
        state.set_parameter(Parameter::BROTLI_PARAM_LGWIN, WINDOW);
        let size = size.map_or(0, |size| u32::try_from(size).unwrap_or(u32::MAX));
        state.set_parameter(Parameter::BROTLI_PARAM_SIZE_HINT, size);
        Self(state)
    }

    /// Adds octets that a decoder passes over: a block of metadata.
    pub(super) fn pad(&mut self, octets: usize, out: &mut Vec<u8>) -> Result<(), Failed> {
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
            let taken = self.0.compress_stream(
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
            let gave = self.0.has_more_output();
            while self.0.has_more_output() {
                let mut len = 0;
                let piece = self.0.take_output(&mut len);
                out.extend_from_slice(&piece[..len]);
            }
            // Metadata are over when a call has nothing more to say of them.
            let is_metadata = operation == Operation::BROTLI_OPERATION_EMIT_METADATA;
            if left == 0 && !(is_metadata && gave) {
                return Ok(());
            }
        }
    }
}

pub(super) struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    begun: bool,
}

impl BrotliDecoder {
    pub(super) fn new() -> Self {
        Self {
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
        }
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

/// 256 KiB. A larger one takes memory, a smaller one than 128 KiB another way of searching, which is ten times slower.
const WINDOW: u32 = 18;

const LARGE_WINDOW: u8 = 0x11;
