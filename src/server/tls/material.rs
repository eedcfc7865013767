//! Certificates and keys: where they stand, and what has to be true of them before they are used.

use crate::server::tls::chains::ShortChains;
use crate::server::tls::error::TlsError;
use crate::server::tls::names::{Name, Names};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where PEM stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    /// What was given as octets, and what it is called in errors.
    Given(Arc<[u8]>, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Given(_, called) => f.write_str(called),
        }
    }
}

/// Octets that were given may be a private key: they are not shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Place {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::Given(octets, _) => Ok(octets.to_vec()),
            Self::File(path) => fs::read(path).map_err(|source| TlsError::Read {
                what,
                path: path.clone(),
                source,
            }),
        }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Given(..) => None,
        }
    }
}

/// A certificate chain and its private key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: Place,
    pub(super) key: Place,
}

/// Who must show a certificate, and who may.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) authorities: Place,
    pub(super) required: bool,
}

/// Everything that a listener's certificates are made of.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) default: Pair,
    pub(super) named: Vec<(Name, Pair)>,
    pub(super) clients: Option<Clients>,
}

/// What a recipe came to.
pub(super) struct Loaded {
    pub(super) names: Names,
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Tells contents apart: of everything, and of the authorities alone.
    pub(super) digest: u64,
    pub(super) authorities_digest: u64,
}

impl Recipe {
    /// Reads and checks everything.
    pub(super) fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Loaded, TlsError> {
        let mut digest = DefaultHasher::new();
        let default = self.default.load(provider, &mut digest)?;
        let mut named = HashMap::new();
        for (name, pair) in &self.named {
            named.insert(name.clone(), pair.load(provider, &mut digest)?);
        }
        let mut authorities_digest = DefaultHasher::new();
        let verifier = match &self.clients {
            Some(clients) => Some(clients.load(provider, &mut authorities_digest)?),
            None => None,
        };
        let authorities_digest = authorities_digest.finish();
        authorities_digest.hash(&mut digest);
        Ok(Loaded {
            names: Names { default, named },
            verifier,
            digest: digest.finish(),
            authorities_digest,
        })
    }

    /// Every file that is read.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = std::iter::once(&self.default).chain(self.named.iter().map(|(_, pair)| pair));
        let places = pairs.flat_map(|pair| [&pair.certificate, &pair.key]);
        places
            .chain(self.clients.iter().map(|clients| &clients.authorities))
            .filter_map(Place::path)
    }
}

impl Pair {
    /// Reads and checks the pair.
    pub(super) fn load(
        &self,
        provider: &CryptoProvider,
        digest: &mut DefaultHasher,
    ) -> Result<Arc<CertifiedKey>, TlsError> {
        let pem = self.certificate.read(CERTIFICATE)?;
        pem.hash(digest);
        let chain = certificates(&pem, CERTIFICATE, &self.certificate)?;
        let pem = self.key.read(PRIVATE_KEY)?;
        pem.hash(digest);
        let key = private_key(&pem, &self.key)?;
        self.check_validity(&chain[0], provider)?;
        let certified =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch {
                    key: self.key.to_string(),
                    certificate: self.certificate.to_string(),
                },
                error => malformed(PRIVATE_KEY, &self.key, &error),
            })?;
        Ok(Arc::new(certified))
    }

    /// Looks at the time only: who vouches for the certificate is the clients' business.
    fn check_validity(
        &self,
        certificate: &CertificateDer<'_>,
        provider: &CryptoProvider,
    ) -> Result<(), TlsError> {
        let parsed = ParsedCertificate::try_from(certificate)
            .map_err(|error| malformed(CERTIFICATE, &self.certificate, &error))?;
        // The time is what is looked at first; without authorities the rest always fails.
        let outcome = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &RootCertStore::empty(),
            &[],
            UnixTime::now(),
            provider.signature_verification_algorithms.all,
        );
        let certificate = self.certificate.to_string();
        match outcome {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after,
                ..
            })) => Err(TlsError::Expired {
                certificate,
                not_after: time_of(not_after),
            }),
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            })) => Err(TlsError::NotYetValid {
                certificate,
                not_before: time_of(not_before),
            }),
            _ => Ok(()),
        }
    }
}

impl Clients {
    fn load(
        &self,
        provider: &Arc<CryptoProvider>,
        digest: &mut DefaultHasher,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let pem = self.authorities.read(AUTHORITIES)?;
        (&pem, self.required).hash(digest);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&pem, AUTHORITIES, &self.authorities)? {
            roots
                .add(certificate)
                .map_err(|error| malformed(AUTHORITIES, &self.authorities, &error))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let builder = if self.required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        let verifier = builder
            .build()
            .map_err(|error| malformed(AUTHORITIES, &self.authorities, &error))?;
        Ok(Arc::new(ShortChains(verifier)))
    }
}

/// All certificates of a PEM; there is at least one.
fn certificates(
    pem: &[u8],
    what: &'static str,
    place: &Place,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(what, place, &error))?;
    if chain.is_empty() {
        let hint = if PrivateKeyDer::from_pem_slice(pem).is_ok() {
            ", but a private key: are the two files mixed up?"
        } else {
            " (expected PEM, `-----BEGIN CERTIFICATE-----`)"
        };
        return Err(TlsError::Missing {
            what,
            place: place.to_string(),
            hint,
        });
    }
    Ok(chain)
}

fn private_key(pem: &[u8], place: &Place) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if matches!(error, pem::Error::NoItemsFound) || contains(pem, b"ENCRYPTED") => {
            TlsError::Missing {
                what: PRIVATE_KEY,
                place: place.to_string(),
                hint: if contains(pem, b"ENCRYPTED") {
                    ": it is encrypted, and has to be decrypted before (`openssl pkey`)"
                } else if contains(pem, b"BEGIN CERTIFICATE") {
                    ", but a certificate: are the two files mixed up?"
                } else {
                    " (expected PEM, `-----BEGIN PRIVATE KEY-----`)"
                },
            }
        }
        error => unreadable(PRIVATE_KEY, place, &error),
    })
}

/// PEM that is none, in words for people.
fn unreadable(what: &'static str, place: &Place, error: &pem::Error) -> TlsError {
    match error {
        pem::Error::MissingSectionEnd { .. } => malformed(what, place, &"it is cut off"),
        error => malformed(what, place, error),
    }
}

fn contains(octets: &[u8], wanted: &[u8]) -> bool {
    octets.windows(wanted.len()).any(|window| window == wanted)
}

fn malformed(what: &'static str, place: &Place, reason: &dyn fmt::Display) -> TlsError {
    // Reasons of other crates may have several lines.
    let reason = reason.to_string();
    TlsError::Malformed {
        what,
        place: place.to_string(),
        reason: reason.lines().collect::<Vec<_>>().join(" "),
    }
}

/// A time of a certificate; what is out of reach is as far as it goes.
fn time_of(time: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs().min(LAST_SECOND))
}

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private key";
const AUTHORITIES: &str = "certificate authorities";

/// The end of the year 9999, which certificates without an end say.
const LAST_SECOND: u64 = 253_402_300_799;
