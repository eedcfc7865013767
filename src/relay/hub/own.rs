//! Names for those who have a grammar of their own.

use super::topic::Topic;

impl Topic {
    /// A name that means something in this process alone.
    pub(crate) fn of_own(name: &str) -> Self {
        Self(name.into())
    }
}
