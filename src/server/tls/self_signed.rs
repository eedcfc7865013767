//! A certificate that nobody vouches for, for development.

use crate::server::tls::error::TlsError;
use crate::server::tls::names::Name;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Makes a certificate for `names` and its private key, as PEM. It is valid from yesterday on, for a year.
pub(super) fn make(names: Vec<String>) -> Result<(String, String), TlsError> {
    let unusable = |error: rcgen::Error| {
        TlsError::Unusable(format!("no certificate for {}: {error}", names.join(", ")))
    };
    for name in &names {
        #[expect(
            clippy::disallowed_methods,
            reason = "an address, and of our own program"
        )]
        let is_address = name.parse::<IpAddr>().is_ok();
        if !is_address {
            Name::read(name)?;
        }
    }
    let mut params = CertificateParams::new(names.clone()).map_err(unusable)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "wireline self-signed");
    let today = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + today.saturating_sub(DAY);
    params.not_after = params.not_before + DAY * 365;
    let key = KeyPair::generate().map_err(unusable)?;
    let certificate = params.self_signed(&key).map_err(unusable)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
