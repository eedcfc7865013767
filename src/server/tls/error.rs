//! What keeps a TLS configuration from being used.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// Why certificates, keys or names cannot be used. The text names the culprit, in one line.
///
/// ```
/// use wireline::server::{TlsConfig, TlsError};
///
/// let error = TlsConfig::from_pem("missing.pem", "missing.key").unwrap_err();
/// assert!(matches!(error, TlsError::Read { what: "certificate", .. }));
/// assert!(error.to_string().starts_with("cannot read the certificate missing.pem: "));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// What should have been in it: `certificate`, `private key` or `certificate authorities`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no such thing in the PEM.
    Missing {
        /// What should have been there.
        what: &'static str,
        /// Where it was looked for.
        place: String,
        /// What was there instead, if that says more.
        hint: &'static str,
    },
    /// What stands in the PEM cannot be understood.
    Malformed {
        /// What it should be.
        what: &'static str,
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The private key belongs to another certificate.
    KeyMismatch {
        /// Where the key stands.
        key: String,
        /// Where the certificate stands.
        certificate: String,
    },
    /// The certificate is no longer valid.
    Expired {
        /// Where the certificate stands.
        certificate: String,
        /// Until when it was valid.
        not_after: SystemTime,
    },
    /// The certificate is not valid yet.
    NotYetValid {
        /// Where the certificate stands.
        certificate: String,
        /// From when on it is.
        not_before: SystemTime,
    },
    /// The certificate is not for the name that it was given for.
    NameMismatch {
        /// Where the certificate stands.
        certificate: String,
        /// The name.
        name: String,
    },
    /// A name that no client can ask for.
    InvalidName(String),
    /// A name that has a certificate already.
    RepeatedName(String),
    /// What was asked for cannot be had.
    Unusable(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { what, path, source } => {
                write!(f, "cannot read the {what} {}: {source}", path.display())
            }
            Self::Missing { what, place, hint } => write!(f, "no {what} in {place}{hint}"),
            Self::Malformed {
                what,
                place,
                reason,
            } => write!(f, "the {what} in {place} cannot be used: {reason}"),
            Self::KeyMismatch { key, certificate } => write!(
                f,
                "the private key in {key} does not belong to the certificate in {certificate}"
            ),
            Self::Expired {
                certificate,
                not_after,
            } => write!(
                f,
                "the certificate in {certificate} expired on {}",
                httpdate::fmt_http_date(*not_after)
            ),
            Self::NotYetValid {
                certificate,
                not_before,
            } => write!(
                f,
                "the certificate in {certificate} is not valid before {}",
                httpdate::fmt_http_date(*not_before)
            ),
            Self::NameMismatch { certificate, name } => {
                write!(f, "the certificate in {certificate} is not for `{name}`")
            }
            Self::RepeatedName(name) => write!(f, "`{name}` was given two certificates"),
            Self::InvalidName(name) => write!(
                f,
                "`{name}` is no server name (expected a host name, or `*.` and a host name)"
            ),
            Self::Unusable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match &error {
            TlsError::Read { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
