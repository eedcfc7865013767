//! Which protocols are offered over TLS (ALPN, RFC 7301).

use crate::server::http2::OFFERED;

/// The list as rustls takes it. A client that offers protocols and none of these gets the alert
/// `no_application_protocol`; one that offers none gets HTTP/1.1.
pub(super) fn offered() -> Vec<Vec<u8>> {
    OFFERED.iter().map(|name| name.to_vec()).collect()
}
