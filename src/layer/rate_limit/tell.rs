//! Limiters that fail go to the log.

use crate::layer::rate_limit::OnFailure;
use std::fmt::Display;

/// One event at level WARN, inside the request's span.
#[cold]
pub(super) fn failure(name: &str, what: OnFailure, error: &dyn Display) {
    let becomes = match what {
        OnFailure::Allow => "requests pass uncounted",
        OnFailure::Refuse => "requests are refused",
    };
    tracing::warn!(
        limit = name,
        error = display(error),
        "a rate limit cannot be asked: {becomes}"
    );
}
