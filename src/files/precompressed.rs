//! Files that lie beside others in compressed form, and which of them a client wants (RFC 9110 §12.5.3).

use crate::service::headers::Headers;
use crate::wire::coding::{Coding, ranked};
use http::header::ACCEPT_ENCODING;

/// The codings that a client takes rather than none, the one it likes best first, of equals the smaller one.
pub(super) fn accepted(headers: &Headers) -> Vec<Coding> {
    let lines = headers.get_all(ACCEPT_ENCODING);
    ranked(lines.map(|line| line.as_bytes()), &CODINGS)
}

/// What a file's name has behind it in that coding.
pub(super) const fn suffix(coding: Coding) -> &'static str {
    match coding {
        Coding::Brotli => ".br",
        Coding::Zstd => ".zst",
        Coding::Gzip => ".gz",
        Coding::Deflate => ".zz",
    }
}

/// Of codings with the same weight the first one that there is.
const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];
