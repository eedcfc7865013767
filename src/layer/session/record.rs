//! A session as it is kept: its content, and until when it is good.

use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is kept of a session, as JSON: `{"d":{..},"e":1234567890}`.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// When it ends, in seconds since 1970: a cookie's age is for the browser, which may keep it for longer.
    pub(super) ends: u64,
    pub(super) data: Map<String, Value>,
}

impl Record {
    /// A record that was written here, unless its time is over.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut record: Value = serde_json::from_slice(text).ok()?;
        let ends = record.get("e")?.as_u64()?;
        let Value::Object(data) = record.get_mut("d")?.take() else {
            return None;
        };
        (ends > now()).then_some(Self { ends, data })
    }

    pub(super) fn write(&self) -> String {
        json!({ "d": self.data, "e": self.ends }).to_string()
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
