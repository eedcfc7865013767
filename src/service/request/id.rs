//! The id of a request as text.

use crate::service::request::Parts;
use std::fmt::Write;
use std::sync::Arc;

/// An id that somebody else has given the request, in its extensions.
#[allow(dead_code, reason = "only `RequestIds` makes them, and it is optional")]
#[derive(Clone)]
pub(crate) struct ForeignId(pub(crate) Arc<str>);

impl Parts {
    /// The request's id as it is written, when it was given one: a UUID, or what a trusted proxy has said.
    pub fn id_text(&self) -> Option<String> {
        if let Some(id) = self.id() {
            let mut text = String::with_capacity(36);
            for (place, octet) in id.into_iter().enumerate() {
                if matches!(place, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                let _ = write!(text, "{octet:02x}");
            }
            return Some(text);
        }
        let id = self.extensions()?.get::<ForeignId>()?;
        Some(id.0.as_ref().to_owned())
    }
}
