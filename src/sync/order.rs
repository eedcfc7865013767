//! What is said before something is asked.

use super::fence;
use std::sync::atomic::Ordering;

/// Stands between what a thread says and what it asks, where another one says that and asks this: at least one of both hears of
/// the other. Without it a processor may ask first.
pub(crate) fn said_before_asked() {
    fence(Ordering::SeqCst);
}
