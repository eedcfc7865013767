//! The target that a request had when it was routed.

use crate::service::request::Parts;
use http::Uri;

/// What middleware has replaced: the target as the router saw it.
#[derive(Clone)]
pub(crate) struct Original(Option<Uri>);

impl Original {
    /// Keeps the target before it is replaced, unless one is kept already or no router has seen the request.
    pub(super) fn keep(parts: &mut Parts) {
        let is_kept = (parts.extensions()).is_some_and(|kept| kept.get::<Self>().is_some());
        if parts.route().facts().is_some() && !is_kept {
            let target = Self(parts.to_uri());
            parts.extensions_mut().insert(target);
        }
    }

    /// The target as the router saw it; `None` when it is no URI.
    pub(crate) fn of(parts: &Parts) -> Option<Uri> {
        let kept = parts
            .extensions()
            .and_then(|extensions| extensions.get::<Self>());
        kept.map_or_else(|| parts.to_uri(), |original| original.0.clone())
    }
}
