//! permessage-deflate left out: nothing of it can exist, so nothing of it can be offered, accepted or run.

#![expect(
    clippy::needless_pass_by_ref_mut,
    reason = "the signatures are those of `deflate`"
)]

use crate::ws::error::Error;
use crate::ws::extension::Extension;
use bytes::BytesMut;

/// Cannot be made: the feature `ws-deflate` is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {}

/// Cannot be made: the feature `ws-deflate` is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreed {}

impl Agreed {
    pub(crate) const fn accept(_: &[Extension<'_>], config: &Config) -> Option<Self> {
        match *config {}
    }

    pub(crate) const fn answer(&self) -> String {
        match *self {}
    }

    pub(crate) const fn offer(config: &Config) -> String {
        match *config {}
    }

    pub(crate) const fn confirm(_: &Extension<'_>, config: &Config) -> Option<Self> {
        match *config {}
    }
}

/// Cannot be made: the feature `ws-deflate` is off.
#[derive(Debug)]
pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) const fn push(&mut self, _: &[u8], _: &mut BytesMut, _: usize) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) const fn finish(&mut self) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) const fn held(&self) -> usize {
        match *self {}
    }
}

/// Cannot be made: the feature `ws-deflate` is off.
#[derive(Debug)]
pub(crate) enum Inflating {}

impl Inflating {
    pub(crate) const fn new(agreed: &Agreed) -> Self {
        match *agreed {}
    }

    pub(crate) const fn begin(&mut self) -> Inflater {
        match *self {}
    }

    pub(crate) fn end(&mut self, _: Inflater) {
        match *self {}
    }

    pub(crate) const fn held(&self) -> usize {
        match *self {}
    }
}

/// Cannot be made: the feature `ws-deflate` is off.
#[derive(Debug)]
pub(crate) enum Deflating {}

impl Deflating {
    pub(crate) const fn new(agreed: &Agreed) -> Self {
        match *agreed {}
    }

    pub(crate) const fn message(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub(crate) const fn takes(&self, _: u8) -> bool {
        match *self {}
    }

    pub(crate) const fn held(&self) -> usize {
        match *self {}
    }
}

pub(crate) const fn standalone(_: &[u8], config: &Config) -> Option<(u8, Vec<u8>)> {
    match *config {}
}
