//! What a client says, written.

use serde::Serialize;
use serde_json::value::RawValue;

/// Every field that any message has, in the order of the protocol's document; those that are `None` are left out.
#[derive(Default, Serialize)]
pub(crate) struct Outgoing<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) join: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rewind: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<u64>,
}

impl Outgoing<'_> {
    /// The text of the frame.
    pub(crate) fn text(&self) -> String {
        // Strings as keys, and no type that can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
