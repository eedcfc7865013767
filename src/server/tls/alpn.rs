//! Which protocols are offered over TLS (ALPN, RFC 7301).

/// What is offered, the one we like most first. A client that offers protocols and none of these gets the alert
/// `no_application_protocol`; one that offers none gets HTTP/1.1.
pub(super) const OFFERED: &[&[u8]] = &[b"http/1.1"];

/// The list as rustls takes it.
pub(super) fn offered() -> Vec<Vec<u8>> {
    OFFERED.iter().map(|name| name.to_vec()).collect()
}
