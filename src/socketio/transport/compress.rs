//! Answers to polls, compressed.

use crate::layer::compression::{Coding, Compression, NoCompression};
use crate::router::Router;
use crate::service::response::Response;

/// Around routes whose answers are compressed from so many octets on. In `gzip`, which is there for every client: of `deflate` half of
/// them think otherwise, and what is said once is not worth the effort of the others.
pub(super) fn around(routes: Router, from: usize) -> Router {
    let from = u64::try_from(from).unwrap_or(u64::MAX);
    routes.layer(Compression::new().codings([Coding::Gzip]).min_size(from))
}

/// An answer that is left as it is.
pub(super) fn spare(mut response: Response) -> Response {
    response.extensions_mut().insert(NoCompression);
    response
}
