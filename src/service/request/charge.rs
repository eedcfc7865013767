//! Content that is coded and here whole becomes longer: who is charged for what it becomes.

use crate::service::feed::Feed;
use crate::service::request::Request;
use http::header::CONTENT_ENCODING;
use std::sync::Arc;

/// What a connection looks at to see how much its handler keeps. Whoever decodes the content takes it.
#[derive(Clone)]
pub(crate) struct Charge(
    #[allow(dead_code, reason = "only decompression looks, and it is optional")]
    pub(crate)  Arc<Feed>,
);

impl Charge {
    /// For a request whose content has come whole: what its connection shall look at, if the content may become longer or
    /// is in a feed that nobody writes to any more.
    pub(crate) fn of(request: &mut Request) -> Option<Arc<Feed>> {
        if request.body().is_empty() {
            return None;
        }
        let feed = request.body().feed();
        if feed.is_some() || !request.headers().contains(CONTENT_ENCODING) {
            return feed;
        }
        let feed = Arc::new(Feed::default());
        request.extensions_mut().insert(Self(feed.clone()));
        Some(feed)
    }
}
