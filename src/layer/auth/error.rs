//! What is wrong with a configuration.

use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use std::fmt;

/// Why authentication cannot be configured so. It is told when the program starts, to the person who starts it.
///
/// ```
/// use wireline::layer::auth::{AuthConfig, AuthError};
///
/// let error = AuthConfig::new("secret", 3600).build().unwrap_err();
/// assert!(matches!(error, AuthError::SecretTooShort { octets: 6, least: 32 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// A secret has fewer octets than it needs not to be guessed.
    SecretTooShort {
        /// Its octets.
        octets: usize,
        /// What it needs.
        least: usize,
    },
    /// A key cannot be read, or is of another kind than the algorithm needs.
    Key(String),
    /// There is no key to verify tokens with.
    NoKey,
    /// There is no key to sign tokens with.
    NoSigningKey,
    /// A set of keys (JWKS, RFC 7517 §5) cannot be read.
    Jwks(String),
    /// Tokens live for a second at the least, and for 400 days at the most.
    Lifetime,
    /// Clocks differ by ten minutes at the most.
    Leeway,
    /// The claims of a token are no JSON object, or cannot be written.
    Claims(String),
    /// The system has no randomness for the id of a token.
    NoRandomness,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretTooShort { octets, least } => write!(
                f,
                "the secret has {octets} octets: it takes {least} random ones at the least (`openssl rand -base64 48`)"
            ),
            Self::Key(why) => write!(f, "the key of the tokens cannot be used: {why}"),
            Self::NoKey => f.write_str("there is no key to verify tokens with"),
            Self::NoSigningKey => f.write_str("there is no key to sign tokens with"),
            Self::Jwks(why) => write!(f, "the set of keys cannot be used: {why}"),
            Self::Lifetime => {
                f.write_str("tokens live for a second at the least, and for 400 days at the most")
            }
            Self::Leeway => f.write_str("the leeway of tokens is ten minutes at the most"),
            Self::NoRandomness => f.write_str("the system has no randomness for the id of a token"),
            Self::Claims(why) => write!(f, "the claims of the token cannot be used: {why}"),
        }
    }
}

impl std::error::Error for AuthError {}

/// The program's fault: 500.
impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
