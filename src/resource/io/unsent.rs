//! How much the kernel takes from a connection for a peer that does not.

use std::os::fd::AsFd;

/// Bounds what waits unsent in a connection, or in each that comes to a listener. A kernel that cannot serves as before.
#[cfg(target_os = "linux")]
pub(crate) fn limit(socket: &impl AsFd, most: usize) {
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(most);
}

/// Other systems keep less on their own.
#[cfg(not(target_os = "linux"))]
pub(crate) fn limit(_socket: &impl AsFd, _most: usize) {}

/// The bound as a rule: twice what a connection lets wait before it makes no further response.
pub(crate) const USUAL: usize = 128 * 1024;
