//! Secrets as what they hash to, compared in constant time.

use sha2::{Digest as _, Sha256};
use std::hint::black_box;

/// The SHA-256 of a secret. Secrets of any length take the same time to compare.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The length first, so that no other parts make the same octets.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Of one secret, as other tools make it.
    pub(super) fn plain(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// One that somebody has made.
    pub(super) const fn made(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Whether both are the same, in a time that says nothing of where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        let differ = (self.0.iter())
            .zip(&other.0)
            .fold(0, |differ, (one, other)| black_box(differ | (one ^ other)));
        black_box(differ) == 0
    }

    /// The place of this digest, after a look at every one.
    pub(super) fn find<'all>(&self, all: impl Iterator<Item = &'all Self>) -> Option<usize> {
        let mut found = None;
        for (place, digest) in all.enumerate() {
            if black_box(digest.is(self)) {
                found = Some(place);
            }
        }
        found
    }
}
