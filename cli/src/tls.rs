//! TLS as the configuration asks for it.

use crate::config::Tls;
use crate::tell::{complain, say};
use wireline::server::{TlsConfig, TlsError};
use wireline::wire::number;

/// The configuration of TLS.
pub(crate) fn config(asked: &Tls) -> Result<TlsConfig, TlsError> {
    let mut tls = match &asked.files {
        Some((certificate, key)) => TlsConfig::from_pem(certificate, key)?,
        None => TlsConfig::self_signed("localhost")?,
    };
    if let Some(authorities) = &asked.client_ca {
        tls = tls.client_ca(authorities)?;
    }
    Ok(tls.on_reload(|outcome| match outcome {
        Ok(()) => say("wireline uses new certificates"),
        Err(error) => complain(&format!("wireline: a certificate stays as it was: {error}")),
    }))
}

/// Where plain HTTP is redirected to: the port of the first place that has one.
pub(crate) fn redirect_port(places: &[String]) -> Option<u16> {
    let mut ports = places.iter().filter_map(|place| {
        let (_, port) = place
            .rsplit_once(':')
            .filter(|_| !place.starts_with("unix:"))?;
        u16::try_from(number::decimal(port.as_bytes())?).ok()
    });
    ports.find(|port| *port != 0)
}
