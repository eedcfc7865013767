//! A session as it is kept: its content, and until when it is good.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is kept of a session, as JSON.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    /// When it ends, in seconds since 1970: a cookie's age is for the browser, which may keep it for longer.
    #[serde(rename = "e")]
    pub(super) ends: u64,
    #[serde(rename = "d")]
    pub(super) data: BTreeMap<String, Value>,
}

impl Record {
    /// A record that was written here, unless its time is over.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(text).ok()?;
        (record.ends > now()).then_some(record)
    }

    pub(super) fn write(&self) -> String {
        // Keys are text and values are JSON already: there is nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// How long it is good.
    pub(super) fn left(&self) -> Duration {
        Duration::from_secs(self.ends.saturating_sub(now()))
    }

    pub(super) fn end_in(&mut self, lifetime: Duration) {
        self.ends = now().saturating_add(lifetime.as_secs());
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
