//! In the place of `zstd` without the feature: there is none.

use super::decoder::{DecodeError, Step};
use super::encoder::{Failed, Then};

/// Whether the feature is there.
pub(super) const IS_HERE: bool = false;

/// No decoder has one.
pub(super) const MOST_WINDOW: usize = 0;

pub(super) enum ZstdEncoder {}

impl ZstdEncoder {
    pub(super) const fn new(_: u8) -> Option<Self> {
        None
    }

    pub(super) const fn reset(&self) -> bool {
        match *self {}
    }

    pub(super) const fn expect(&self, _: usize) {
        match *self {}
    }

    pub(super) const fn write(&self, _: &[u8], _: Then, _: &mut Vec<u8>) -> Result<(), Failed> {
        match *self {}
    }
}

pub(super) enum ZstdDecoder {}

impl ZstdDecoder {
    pub(super) const fn new() -> Option<Self> {
        None
    }

    pub(super) const fn decode(&self, _: &[u8], _: &mut [u8]) -> Result<Step, DecodeError> {
        match *self {}
    }
}
