//! Keys, each with the algorithms that it is for.

use crate::layer::auth::error::AuthError;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use std::fmt;

/// How a token is signed (RFC 7518 §3.1, RFC 8037). There is no `none`.
///
/// ```
/// use wireline::layer::auth::AuthError;
/// use wireline::layer::auth::jwt::{Algorithm, VerifyKey};
///
/// let secret = [7; 48];
/// assert!(VerifyKey::secret(&secret, Algorithm::Hs384).is_ok());
/// // A secret is as long as its hash.
/// assert!(VerifyKey::secret(&secret, Algorithm::Hs512).is_err());
/// assert!(matches!(VerifyKey::secret(&secret, Algorithm::Es256), Err(AuthError::Key(_))));
/// assert!(!Algorithm::ASYMMETRIC.contains(&Algorithm::Hs256));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever verifies can also sign.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA (PKCS#1 v1.5) with SHA-256.
    Rs256,
    /// RSA (PKCS#1 v1.5) with SHA-384.
    Rs384,
    /// RSA (PKCS#1 v1.5) with SHA-512.
    Rs512,
    /// RSA (PSS) with SHA-256.
    Ps256,
    /// RSA (PSS) with SHA-384.
    Ps384,
    /// RSA (PSS) with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All that need no secret shared with who issues.
    pub const ASYMMETRIC: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    pub(super) const fn inner(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// Octets of the hash, which a secret has to have, too (RFC 7518 §3.2).
    const fn hash_len(self) -> usize {
        match self {
            Self::Hs384 | Self::Rs384 | Self::Ps384 | Self::Es384 => 48,
            Self::Hs512 | Self::Rs512 | Self::Ps512 => 64,
            _ => 32,
        }
    }

    const fn is_hmac(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

/// A key that tokens are verified with, for one algorithm.
///
/// ```
/// use wireline::layer::auth::AuthError;
/// use wireline::layer::auth::jwt::{Algorithm, VerifyKey};
///
/// fn partner(pem: &[u8]) -> Result<VerifyKey, AuthError> {
///     Ok(VerifyKey::pem(pem, Algorithm::Rs256)?.with_id("partner-1"))
/// }
/// assert!(partner(b"no key at all").is_err());
/// ```
#[derive(Clone)]
pub struct VerifyKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A key that tokens are signed with, for one algorithm.
///
/// ```
/// use wireline::layer::auth::jwt::{Algorithm, SigningKey};
/// use wireline::layer::auth::{AuthConfig, AuthError, Tokens};
///
/// /// `openssl genpkey -algorithm ed25519` makes such a key.
/// fn tokens(pem: &[u8]) -> Result<Tokens, AuthError> {
///     let key = SigningKey::pem(pem, Algorithm::EdDsa)?.with_id("2026-11");
///     AuthConfig::signed_by(key, 3600).build()
/// }
/// assert!(tokens(b"no key at all").is_err());
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
    verify: DecodingKey,
}

impl VerifyKey {
    /// A secret that is shared with who issues.
    ///
    /// # Errors
    ///
    /// [`AuthError::SecretTooShort`] when it has fewer octets than the hash; [`AuthError::Key`] for an algorithm that takes
    /// no secret.
    pub fn secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, AuthError> {
        check_secret(secret, algorithm)?;
        Ok(Self {
            id: None,
            algorithms: vec![algorithm],
            key: DecodingKey::from_secret(secret),
        })
    }

    /// A public key in PEM: of RSA, of the curve P-256 or P-384, or of Ed25519, as the algorithm says.
    ///
    /// # Errors
    ///
    /// [`AuthError::Key`].
    pub fn pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, AuthError> {
        let key = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => DecodingKey::from_ec_pem(pem)?,
            Algorithm::EdDsa => DecodingKey::from_ed_pem(pem)?,
            _ if algorithm.is_hmac() => return Err(no_secret(algorithm)),
            _ => DecodingKey::from_rsa_pem(pem)?,
        };
        Ok(Self {
            id: None,
            algorithms: vec![algorithm],
            key,
        })
    }

    /// The same key under an id: tokens that name a key (`kid`) are verified by that one alone.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// A key of a set, for those of these algorithms that it is for. `None` when there are none, or when it is no public key
    /// for signatures.
    pub(super) fn of_set(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Self> {
        let is_for_signatures = (jwk.common.public_key_use.as_ref())
            .is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && (jwk.common.key_operations.as_ref())
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let fits = |algorithm: &&Algorithm| match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => !matches!(
                algorithm,
                Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa
            ),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => **algorithm == Algorithm::Es256,
                EllipticCurve::P384 => **algorithm == Algorithm::Es384,
                _ => false,
            },
            AlgorithmParameters::OctetKeyPair(key) => {
                key.curve == EllipticCurve::Ed25519 && **algorithm == Algorithm::EdDsa
            }
            // A secret that is published is none.
            _ => false,
        };
        let named = jwk.common.key_algorithm;
        let algorithms: Vec<Algorithm> = allowed
            .iter()
            .filter(|algorithm| !algorithm.is_hmac())
            .filter(fits)
            .filter(|algorithm| named.is_none_or(|named| named == algorithm.inner().into()))
            .copied()
            .collect();
        if algorithms.is_empty() || !is_for_signatures {
            return None;
        }
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }

    /// Ready to verify under these terms.
    pub(super) fn ready(self, terms: &Validation) -> Ready {
        let algorithms = self.algorithms.iter().map(|algorithm| algorithm.inner());
        Ready {
            terms: Validation {
                algorithms: algorithms.collect(),
                ..terms.clone()
            },
            id: self.id,
            key: self.key,
        }
    }
}

impl SigningKey {
    /// A secret, which verifies, too.
    ///
    /// # Errors
    ///
    /// As [`VerifyKey::secret`].
    pub fn secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, AuthError> {
        check_secret(secret, algorithm)?;
        Ok(Self {
            id: None,
            algorithm,
            key: EncodingKey::from_secret(secret),
            verify: DecodingKey::from_secret(secret),
        })
    }

    /// A private key in PEM (PKCS#8; of RSA also PKCS#1): of RSA, of the curve P-256 or P-384, or of Ed25519, as the
    /// algorithm says. Its public half verifies.
    ///
    /// # Errors
    ///
    /// [`AuthError::Key`].
    pub fn pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, AuthError> {
        let key = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => EncodingKey::from_ec_pem(pem)?,
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem)?,
            _ if algorithm.is_hmac() => return Err(no_secret(algorithm)),
            _ => EncodingKey::from_rsa_pem(pem)?,
        };
        let public = Jwk::from_encoding_key(&key, algorithm.inner())?;
        Ok(Self {
            id: None,
            algorithm,
            verify: DecodingKey::from_jwk(&public)?,
            key,
        })
    }

    /// The same key under an id, which its tokens name (`kid`).
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub(super) fn verify_key(&self) -> VerifyKey {
        VerifyKey {
            id: self.id.clone(),
            algorithms: vec![self.algorithm],
            key: self.verify.clone(),
        }
    }
}

/// A key, and what it asks of a token.
pub(super) struct Ready {
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
    pub(super) terms: Validation,
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn check_secret(secret: &[u8], algorithm: Algorithm) -> Result<(), AuthError> {
    if !algorithm.is_hmac() {
        return Err(AuthError::Key(format!(
            "{algorithm:?} takes a pair of keys, not a secret"
        )));
    }
    if secret.len() < algorithm.hash_len() {
        return Err(AuthError::SecretTooShort {
            octets: secret.len(),
            least: algorithm.hash_len(),
        });
    }
    Ok(())
}

fn no_secret(algorithm: Algorithm) -> AuthError {
    AuthError::Key(format!("{algorithm:?} takes a secret, not PEM"))
}
