//! What is no packet.

use std::fmt;

/// What is no packet, or not one that may come now. Whoever sent it is not to be trusted with another: the session ends.
///
/// ```
/// use wireline::socketio::packet::{Decoder, Form};
///
/// let error = Decoder::new(Form::Text).binary("octets".into()).unwrap_err();
/// assert_eq!(error.to_string(), "an attachment that nothing announced");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketError(pub(super) &'static str);

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for PacketError {}

impl PacketError {
    /// A packet that cannot come now, as who knows the namespaces sees it.
    pub(crate) const fn of_server(what: &'static str) -> Self {
        Self(what)
    }
}
