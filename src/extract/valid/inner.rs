//! The extractors whose value can be checked.

#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;

use crate::extract::path::Path;

/// An extractor that holds one value.
pub trait Inner {
    /// What it holds.
    type Value;

    /// The value.
    fn value(&self) -> &Self::Value;
}

impl<T> Inner for Path<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }
}
