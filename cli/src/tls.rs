//! TLS as the command line asks for it.

use crate::args::Options;
use crate::serve::say;
use wireline::server::{TlsConfig, TlsError};
use wireline::wire::number;

/// The configuration of TLS, if there is to be any.
pub(crate) fn config(options: &Options) -> Result<Option<TlsConfig>, TlsError> {
    let mut tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => TlsConfig::from_pem(certificate, key)?,
        _ if options.tls_self_signed => TlsConfig::self_signed("localhost")?,
        _ if options.tls_client_ca.is_some() => {
            return Err(TlsError::Unusable(
                "--tls-client-ca needs --tls-cert and --tls-key, or --tls-self-signed".to_owned(),
            ));
        }
        _ => return Ok(None),
    };
    if let Some(authorities) = &options.tls_client_ca {
        tls = tls.client_ca(authorities)?;
    }
    Ok(Some(tls.on_reload(|outcome| match outcome {
        Ok(()) => say("wireline uses new certificates"),
        Err(error) => eprintln!("wireline: a certificate stays as it was: {error}"),
    })))
}

/// Where plain HTTP is redirected to: the port of the first place that has one.
pub(crate) fn redirect_port(options: &Options) -> Result<u16, String> {
    if options.tls_cert.is_none() && !options.tls_self_signed {
        return Err(
            "--redirect-http needs TLS: --tls-cert and --tls-key, or --tls-self-signed".to_owned(),
        );
    }
    let ports = options.addr.iter().filter_map(|place| {
        let (_, port) = place
            .rsplit_once(':')
            .filter(|_| !place.starts_with("unix:"))?;
        u16::try_from(number::decimal(port.as_bytes())?).ok()
    });
    ports.into_iter().find(|port| *port != 0).ok_or_else(|| {
        "--redirect-http needs an --addr with a port to send everybody to".to_owned()
    })
}
