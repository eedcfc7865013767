//! JSON Web Tokens (RFC 7519), verified and issued.
//!
//! ```text
//!   AuthConfig ──build──> Tokens ── issue ──> "eyJ…"          signed with one key
//!                           └────── verify ─> CurrentUser     by the key that fits: a secret, PEM, or a set that is fetched
//! ```
//!
//! What is decided once, in the configuration, is never asked of a token: which algorithms there are, and which key goes
//! with which. A token names its algorithm and its key; that is compared with the list, and only then is a signature looked at.
//! `none` is no algorithm here; a public key is never a secret; `jku`, `jwk`, `x5u` and `x5c` are not read; a `kid` is compared
//! and nothing else; a token with `crit` is refused, for no extension is understood (RFC 7515 §4.1.11, RFC 8725 §3).

mod config;
mod jwks;
mod key;
#[cfg(feature = "redis")]
mod revoked;
mod tokens;

pub use self::config::AuthConfig;
pub use self::key::{Algorithm, SigningKey, VerifyKey};
#[cfg(feature = "redis")]
pub use self::revoked::RevokedTokens;
pub use self::tokens::Tokens;

use crate::layer::auth::bearer::Bearer;
use crate::layer::auth::{Auth, AuthError};

impl Auth {
    /// Authenticates by JSON Web Tokens: every route needs one, but public ones.
    ///
    /// ```
    /// use wireline::extract::State;
    /// use wireline::layer::auth::{Auth, AuthConfig, AuthError, Tokens};
    /// use wireline::service::handler::public;
    /// use wireline::service::user::CurrentUser;
    /// use wireline::{Error, Router};
    ///
    /// async fn log_in(State(tokens): State<Tokens>, name: String) -> Result<String, Error> {
    ///     Ok(tokens.issue(&name)?)
    /// }
    ///
    /// let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600).build()?;
    /// let routes = Router::new()
    ///     .layer(Auth::jwt(tokens.clone()))
    ///     .state(tokens)
    ///     .post("/login", public(log_in))
    ///     .get("/me", async |user: CurrentUser| user.id().to_owned())
    ///     .build();
    /// assert!(routes.is_ok());
    /// # Ok::<(), AuthError>(())
    /// ```
    pub fn jwt(tokens: Tokens) -> Self {
        Self::new(Bearer::new(tokens))
    }
}

impl From<jsonwebtoken::errors::Error> for AuthError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Key(error.to_string())
    }
}
