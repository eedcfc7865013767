//! Certificates and keys: where they stand, and what has to be true of them before they are used.

use crate::server::tls::chains::ShortChains;
use crate::server::tls::error::TlsError;
use crate::server::tls::names::{Name, Names};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
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
    pub(super) fn given_authorities(pem: impl AsRef<[u8]>) -> Self {
        Self::Given(pem.as_ref().into(), "the given authorities")
    }

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
#[derive(Clone)]
pub(super) struct Loaded {
    default: Part<CertifiedKey>,
    /// In the order of [`Recipe::named`].
    named: Vec<Part<CertifiedKey>>,
    clients: Option<Part<dyn ClientCertVerifier>>,
}

/// One thing that was read, and what tells its contents apart from others.
struct Part<T: ?Sized> {
    made: Arc<T>,
    digest: u64,
}

impl Recipe {
    /// Reads and checks everything.
    pub(super) fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Loaded, TlsError> {
        let default = self.default.load(None, provider)?;
        let mut named = Vec::new();
        for (name, pair) in &self.named {
            named.push(pair.load(Some(name), provider)?);
        }
        let clients = self.clients.as_ref();
        Ok(Loaded {
            default,
            named,
            clients: clients.map(|clients| clients.load(provider)).transpose()?,
        })
    }

    /// Reads and checks everything again, and puts what can be used in the place of what was there `before`: each
    /// pair for itself, so that one name's certificate does not keep the others from being renewed. Gives what could
    /// not be used.
    pub(super) fn load_again(
        &self,
        provider: &Arc<CryptoProvider>,
        before: &mut Loaded,
    ) -> Vec<TlsError> {
        let mut failures = Vec::new();
        before
            .default
            .renew(self.default.load(None, provider), &mut failures);
        for ((name, pair), part) in self.named.iter().zip(&mut before.named) {
            part.renew(pair.load(Some(name), provider), &mut failures);
        }
        if let (Some(clients), Some(part)) = (&self.clients, &mut before.clients) {
            part.renew(clients.load(provider), &mut failures);
        }
        failures
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

impl Loaded {
    /// Which certificate answers to which name of the recipe that this was read by.
    pub(super) fn names(&self, recipe: &Recipe) -> Names {
        let names = recipe.named.iter().map(|(name, _)| name.clone());
        Names {
            default: self.default.made.clone(),
            named: names
                .zip(self.named.iter().map(|part| part.made.clone()))
                .collect(),
        }
    }

    pub(super) fn verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        Some(self.clients.as_ref()?.made.clone())
    }

    /// Whether the contents are those of `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let digests = |loaded: &Self| -> Vec<u64> {
            let pairs = std::iter::once(&loaded.default).chain(&loaded.named);
            pairs.map(|part| part.digest).collect()
        };
        digests(self) == digests(other) && self.has_authorities_of(other)
    }

    /// Whether the client authorities are those of `other`.
    pub(super) fn has_authorities_of(&self, other: &Self) -> bool {
        let digest = |loaded: &Self| loaded.clients.as_ref().map(|part| part.digest);
        digest(self) == digest(other)
    }
}

impl<T: ?Sized> Part<T> {
    fn renew(&mut self, read: Result<Self, TlsError>, failures: &mut Vec<TlsError>) {
        match read {
            Ok(part) => *self = part,
            Err(error) => failures.push(error),
        }
    }
}

impl<T: ?Sized> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self {
            made: self.made.clone(),
            digest: self.digest,
        }
    }
}

impl Pair {
    /// Reads the pair and checks it, as one for `name` if there is one.
    fn load(
        &self,
        name: Option<&Name>,
        provider: &CryptoProvider,
    ) -> Result<Part<CertifiedKey>, TlsError> {
        let mut digest = DefaultHasher::new();
        let pem = self.certificate.read(CERTIFICATE)?;
        pem.hash(&mut digest);
        let chain = certificates(&pem, CERTIFICATE, &self.certificate)?;
        let pem = self.key.read(PRIVATE_KEY)?;
        pem.hash(&mut digest);
        let key = private_key(&pem, &self.key)?;
        let parsed = ParsedCertificate::try_from(&chain[0])
            .map_err(|error| malformed(CERTIFICATE, &self.certificate, &words(&error)))?;
        self.check_validity(&parsed, provider)?;
        if let Some(name) = name {
            self.check_name(&parsed, name)?;
        }
        let certified =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch {
                    key: self.key.to_string(),
                    certificate: self.certificate.to_string(),
                },
                error => malformed(PRIVATE_KEY, &self.key, &error),
            })?;
        Ok(Part {
            made: Arc::new(certified),
            digest: digest.finish(),
        })
    }

    /// Looks at the time only: who vouches for the certificate is the clients' business.
    fn check_validity(
        &self,
        parsed: &ParsedCertificate<'_>,
        provider: &CryptoProvider,
    ) -> Result<(), TlsError> {
        // The time is what is looked at first; without authorities the rest always fails.
        let outcome = verify_server_cert_signed_by_trust_anchor(
            parsed,
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

    /// A client that asks for `name` would refuse any other certificate.
    fn check_name(&self, parsed: &ParsedCertificate<'_>, name: &Name) -> Result<(), TlsError> {
        let one = name.example();
        let is_covered = ServerName::try_from(one.as_str())
            .is_ok_and(|one| verify_server_name(parsed, &one).is_ok());
        if is_covered {
            return Ok(());
        }
        Err(TlsError::NameMismatch {
            certificate: self.certificate.to_string(),
            name: name.to_string(),
        })
    }
}

impl Clients {
    fn load(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Part<dyn ClientCertVerifier>, TlsError> {
        let pem = self.authorities.read(AUTHORITIES)?;
        let mut digest = DefaultHasher::new();
        pem.hash(&mut digest);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&pem, AUTHORITIES, &self.authorities)? {
            roots
                .add(certificate)
                .map_err(|error| malformed(AUTHORITIES, &self.authorities, &words(&error)))?;
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
        Ok(Part {
            made: Arc::new(ShortChains(verifier)),
            digest: digest.finish(),
        })
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

/// What rustls says of a peer's certificate, of one of our own.
fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "what the PEM has in it is no certificate, or a damaged one".to_owned()
        }
        error => error.to_string(),
    }
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
