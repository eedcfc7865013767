//! Events whose data is JSON.

use crate::sse::Event;
use serde::Serialize;

impl Event {
    /// An event with a value as JSON, in one line.
    ///
    /// # Errors
    ///
    /// When the value cannot be written.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self::data)
    }
}
