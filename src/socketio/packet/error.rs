//! What is no packet.

use std::fmt;

/// What is no packet, or not one that may come now. Whoever sent it is not to be trusted with another: the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketError(pub(super) &'static str);

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for PacketError {}
