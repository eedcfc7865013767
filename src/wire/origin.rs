//! The field Origin (RFC 6454 §7): which page a request comes from.

use crate::wire::grammar::split_port;

/// Whether a page of `origin` belongs to the host that it asks: host and port are compared, not the scheme, for TLS may
/// end at a proxy. A port that Host does not name is the default one of the origin's scheme. `null` is nobody's own.
///
/// ```
/// use wireline::wire::origin::is_own;
///
/// assert!(is_own(b"https://a.example", Some(b"a.example:443")));
/// assert!(!is_own(b"https://a.example.evil.example", Some(b"a.example")));
/// assert!(!is_own(b"null", Some(b"a.example")));
/// ```
pub fn is_own(origin: &[u8], host: Option<&[u8]>) -> bool {
    let (Some(host), Some((authority, default))) = (host, authority(origin)) else {
        return false;
    };
    let (origin_name, origin_port) = split_port(authority);
    let (host_name, host_port) = split_port(host);
    !origin_name.is_empty()
        && origin_name.eq_ignore_ascii_case(host_name)
        && origin_port.unwrap_or(default) == host_port.unwrap_or(default)
}

/// What stands behind the scheme, and the scheme's port; `None` for `null` and for anything that no page
/// of the web has.
fn authority(origin: &[u8]) -> Option<(&[u8], &[u8])> {
    for (scheme, port) in [(&b"http://"[..], &b"80"[..]), (b"https://", b"443")] {
        if let Some((start, authority)) = origin.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
            && !authority.iter().any(|octet| b"/@?#".contains(octet))
        {
            return Some((authority, port));
        }
    }
    None
}
