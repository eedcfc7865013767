//! Whatever is done to the relay's hub, it does what a plain model does.

use super::hub_model;

/// Input: an octet that chooses how the hub is made, then operations of four octets each.
///
/// # Panics
///
/// When the hub and the model differ.
pub fn hub_ops(data: &[u8]) {
    hub_model::run(data);
}
