//! How much the kernel takes from a connection for a client that does not.

use std::os::fd::AsFd;

/// Bounds what waits unsent in each connection that comes to this listener from now on: connections inherit it, when they are made and
/// not when they are accepted.
///
/// Left alone the kernel takes up to 4 MiB for a connection, so that a few thousand clients that do not read take all the memory
/// that it has for TCP, from those that do as well. What was sent and not acknowledged is not in it: a fast client is not slowed down.
#[cfg(target_os = "linux")]
pub(super) fn limit(listener: &impl AsFd) {
    // A kernel that cannot serves as before.
    let _ = socket2::SockRef::from(listener).set_tcp_notsent_lowat(MOST);
}

/// Other systems keep less on their own.
#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_listener: &impl AsFd) {}

/// Twice what a connection lets wait before it makes no further response.
#[cfg(target_os = "linux")]
const MOST: u32 = 128 * 1024;
