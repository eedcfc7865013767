//! What is asked of tokens.

use crate::layer::auth::error::AuthError;
use crate::layer::auth::jwt::jwks::{Fetched, Jwks};
use crate::layer::auth::jwt::key::{Algorithm, SigningKey, VerifyKey};
use crate::layer::auth::jwt::tokens::{Revoked, Tokens};
use crate::service::user::CurrentUser;
use jsonwebtoken::Validation;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which tokens are good, and how they are issued. [`build`](Self::build) makes [`Tokens`] of it.
///
/// A token has to have `exp` and `sub`; `nbf` counts when it is there. Without an [`audience`](Self::audience) a token that names one
/// is refused: it is for somebody else (RFC 7519 §4.1.3). With one, and with an [`issuer`](Self::issuer), a token has to name them.
///
/// ```
/// use std::time::Duration;
/// use wireline::layer::auth::{AuthConfig, AuthError};
///
/// let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600)
///     .issuer("https://id.example")
///     .audience("https://api.example")
///     .leeway(Duration::from_secs(5))
///     .build()?;
/// let token = tokens.issue("user-7")?;
/// assert_eq!(tokens.verify(&token).unwrap().id(), "user-7");
/// # Ok::<(), AuthError>(())
/// ```
#[must_use = "`build` makes tokens of it"]
pub struct AuthConfig {
    lifetime: u64,
    leeway: Duration,
    issuers: Vec<String>,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    signing: Option<Result<SigningKey, AuthError>>,
    keys: Vec<VerifyKey>,
    source: Option<Source>,
    refresh: Duration,
    revoked: Option<Revoked>,
}

enum Source {
    File(PathBuf),
    Fetch(Box<dyn Fn() -> Fetched + Send + Sync>),
}

impl AuthConfig {
    /// Tokens that are signed with this secret (HS256) and live for so many seconds.
    ///
    /// The secret needs 32 octets that nobody can guess (RFC 7518 §3.2), or [`build`](Self::build) refuses it: from one token a shorter
    /// one can be found by trying.
    pub fn new(secret: impl AsRef<[u8]>, lifetime_seconds: u64) -> Self {
        let mut config = Self::verifier();
        config.signing = Some(SigningKey::secret(secret.as_ref(), Algorithm::Hs256));
        config.lifetime = lifetime_seconds;
        config
    }

    /// Tokens that are signed with this key and live for so many seconds.
    pub fn signed_by(key: SigningKey, lifetime_seconds: u64) -> Self {
        let mut config = Self::verifier();
        config.signing = Some(Ok(key));
        config.lifetime = lifetime_seconds;
        config
    }

    /// Tokens that somebody else issues: add [`key`](Self::key), [`jwks_file`](Self::jwks_file) or [`jwks_fetch`](Self::jwks_fetch).
    pub fn verifier() -> Self {
        Self {
            lifetime: 3600,
            leeway: Duration::from_secs(30),
            issuers: Vec::new(),
            audiences: Vec::new(),
            algorithms: Algorithm::ASYMMETRIC.to_vec(),
            signing: None,
            keys: Vec::new(),
            source: None,
            refresh: Duration::from_secs(600),
            revoked: None,
        }
    }

    /// Adds a key that verifies: of somebody else who issues, or the last one of ours, for as long as its tokens live.
    pub fn key(mut self, key: VerifyKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Takes the keys of a file with a set of keys (JWKS, RFC 7517 §5). It is read when tokens are built, and from then on as
    /// [`jwks_fetch`](Self::jwks_fetch) would fetch it.
    pub fn jwks_file(mut self, path: impl AsRef<Path>) -> Self {
        self.source = Some(Source::File(path.as_ref().to_owned()));
        self
    }

    /// Takes the keys of a set (JWKS, RFC 7517 §5) that this function fetches, with whatever client you have: it gives the JSON.
    ///
    /// The set is fetched with the first token, or by [`Tokens::refresh`] before; again when it is ten minutes old
    /// ([`jwks_refresh`](Self::jwks_refresh)), while the last one is still used; and when a token names a key that is not in it, at most
    /// every 10 s. Such a token waits for the set, 5 s at the most. A fetch that fails, or takes more than 10 s, leaves the
    /// last set in use. A set has at most 64 keys and 256 KiB; keys that are not for signatures, secrets among them, are left out.
    ///
    /// ```
    /// use wireline::layer::auth::AuthConfig;
    ///
    /// async fn fetch() -> Result<Vec<u8>, std::io::Error> {
    ///     // a client of yours asks https://id.example/.well-known/jwks.json
    ///     Ok(br#"{"keys":[]}"#.to_vec())
    /// }
    /// let tokens = AuthConfig::verifier().jwks_fetch(fetch).issuer("https://id.example").audience("api").build();
    /// assert!(tokens.is_ok());
    /// ```
    pub fn jwks_fetch<F, Fut, E>(mut self, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<u8>, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.source = Some(Source::Fetch(Box::new(move || {
            let set = fetch();
            Box::pin(async move { set.await.map_err(|error| error.to_string()) })
        })));
        self
    }

    /// How old a fetched set of keys gets before it is fetched again. Default 10 minutes. A key that was taken out of the set is good
    /// for so long.
    pub const fn jwks_refresh(mut self, age: Duration) -> Self {
        self.refresh = age;
        self
    }

    /// The algorithms for which keys of a fetched set are used. Default [`Algorithm::ASYMMETRIC`]; a key that names its
    /// algorithm is used for that alone, and one that does not for all of these that fit.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Who has issued the token (`iss`); of several calls one is enough. The first is what issued tokens say. By default nobody asks.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuers.push(issuer.to_owned());
        self
    }

    /// Who the token is for (`aud`); of several calls one is enough. The first is what issued tokens say. By default a token that
    /// says who it is for is refused, as it is for somebody else (RFC 7519 §4.1.3).
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }

    /// How much clocks may differ: `exp` and `nbf` are taken so much more kindly. Default 30 s, at most 10 minutes.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Asks a function about the user of every token that is good otherwise: `true` means that it was revoked. `jti` is in
    /// the [`claims`](CurrentUser::claims). For what is known in memory.
    pub fn revoked(
        mut self,
        is_revoked: impl Fn(&CurrentUser) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.revoked = Some(Revoked::Known(Box::new(is_revoked)));
        self
    }

    /// Asks an async function about the user of every token that is good otherwise: `true` means that it was revoked. When it
    /// cannot tell, let it say so.
    ///
    /// ```
    /// use wireline::layer::auth::AuthConfig;
    /// use wireline::service::user::CurrentUser;
    ///
    /// let config = AuthConfig::new("an example: thirty-two octets or more", 3600)
    ///     .revoked_by(async |user: CurrentUser| user.claims()["jti"] == "stolen");
    /// # let _ = config;
    /// ```
    pub fn revoked_by<F, Fut>(mut self, is_revoked: F) -> Self
    where
        F: Fn(CurrentUser) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.revoked = Some(Revoked::Asked(Box::new(move |user| {
            Box::pin(is_revoked(user))
        })));
        self
    }

    /// Checks everything, and makes tokens of it.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: keys that are none, secrets that are too short, a file that cannot be read.
    pub fn build(self) -> Result<Tokens, AuthError> {
        let signing = self.signing.transpose()?;
        if self.leeway > LONGEST_LEEWAY {
            return Err(AuthError::Leeway);
        }
        if !(1..=LONGEST_LIFETIME).contains(&self.lifetime) {
            return Err(AuthError::Lifetime);
        }
        let mut terms = Validation {
            leeway: self.leeway.as_secs(),
            validate_nbf: true,
            ..Validation::default()
        };
        // What is named has to be there, and to be of the right type.
        let mut required = vec!["exp", "sub"];
        if !self.issuers.is_empty() {
            terms.set_issuer(&self.issuers);
            required.push("iss");
        }
        if !self.audiences.is_empty() {
            terms.set_audience(&self.audiences);
            required.push("aud");
        }
        terms.set_required_spec_claims(&required);

        let own = signing.as_ref().map(SigningKey::verify_key);
        let keys: Vec<_> = own
            .into_iter()
            .chain(self.keys)
            .map(|key| key.ready(&terms))
            .collect();
        let (algorithms, refresh) = (self.algorithms, self.refresh);
        let set = match self.source {
            None if keys.is_empty() => return Err(AuthError::NoKey),
            None => None,
            Some(Source::Fetch(fetch)) => Some(Jwks::new(fetch, terms, algorithms, refresh)),
            Some(Source::File(path)) => {
                let shown = path.display().to_string();
                let text = std::fs::read(&path)
                    .map_err(|error| AuthError::Jwks(format!("{shown}: {error}")))?;
                let set = Jwks::new(
                    Box::new(move || read(path.clone())),
                    terms,
                    algorithms,
                    refresh,
                );
                set.take(&text)
                    .map_err(|why| AuthError::Jwks(format!("{shown}: {why}")))?;
                Some(set)
            }
        };
        let tokens = Tokens::new(
            signing,
            keys,
            set,
            self.revoked,
            self.leeway,
            self.lifetime,
            self.issuers.into_iter().next(),
            self.audiences.into_iter().next(),
        );
        tokens.try_itself()?;
        Ok(tokens)
    }
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("lifetime", &self.lifetime)
            .field("leeway", &self.leeway)
            .field("issuers", &self.issuers)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

/// Reads a file on a thread that may wait.
fn read(path: PathBuf) -> Fetched {
    Box::pin(async move {
        let text = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        match text {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
}

const LONGEST_LEEWAY: Duration = Duration::from_secs(600);

/// 400 days, in seconds.
const LONGEST_LIFETIME: u64 = 400 * 24 * 3600;
