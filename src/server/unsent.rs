//! How much the kernel takes from a connection for a client that does not.

use crate::resource::io::unsent;
use std::os::fd::AsFd;

/// Bounds what waits unsent in each connection that comes to this listener from now on: connections inherit it, when they are made and
/// not when they are accepted.
///
/// Left alone the kernel takes up to 4 MiB for a connection, so that a few thousand clients that do not read take all the memory
/// that it has for TCP, from those that do as well. What was sent and not acknowledged is not in it: a fast client is not slowed down.
pub(super) fn limit(listener: &impl AsFd) {
    unsent::limit(listener, unsent::USUAL);
}
