//! Tokens, issued and verified.

use crate::layer::auth::bearer::VerifyToken;
use crate::layer::auth::error::AuthError;
use crate::layer::auth::jwt::jwks::Jwks;
use crate::layer::auth::jwt::key::{Ready, SigningKey};
use crate::layer::auth::refusal::Refusal;
use crate::layer::auth::scheme::{Verdict, Verifying};
use crate::service::user::CurrentUser;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use jsonwebtoken::errors::ErrorKind;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// JSON Web Tokens under one configuration: what an [`AuthConfig`](crate::layer::auth::AuthConfig) builds. Cloning is cheap; put one
/// into the state for the handlers that issue.
///
/// ```
/// use wireline::layer::auth::{AuthConfig, AuthError};
///
/// let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600).build()?;
/// let token = tokens.issue("user-7")?;
/// assert_eq!(tokens.verify(&token).unwrap().id(), "user-7");
/// assert!(tokens.verify("something else").is_err());
/// # Ok::<(), AuthError>(())
/// ```
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    signing: Option<SigningKey>,
    keys: Vec<Ready>,
    set: Option<Arc<Jwks>>,
    revoked: Option<Revoked>,
    leeway: Duration,
    lifetime: u64,
    issuer: Option<String>,
    audience: Option<String>,
}

/// Whether a token was taken back.
pub(super) enum Revoked {
    Known(Box<dyn Fn(&CurrentUser) -> bool + Send + Sync>),
    Asked(Box<dyn Fn(CurrentUser) -> Answer + Send + Sync>),
}

type Answer = Pin<Box<dyn Future<Output = bool> + Send>>;

/// What is known of a token without waiting.
enum Checked {
    User(CurrentUser),
    Refused(Refusal),
    /// It names a key that nobody has, yet.
    UnknownKey,
}

impl Tokens {
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, which has them all apart"
    )]
    pub(super) fn new(
        signing: Option<SigningKey>,
        keys: Vec<Ready>,
        set: Option<Arc<Jwks>>,
        revoked: Option<Revoked>,
        leeway: Duration,
        lifetime: u64,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            signing,
            keys,
            set,
            revoked,
            leeway,
            lifetime,
            issuer,
            audience,
        }))
    }

    /// A token for the user of this id, which lives as long as the configuration says.
    ///
    /// It says `sub`, `iat`, `exp`, a random `jti` by which it can be [taken back](crate::layer::auth::AuthConfig::revoked), and `iss`
    /// and `aud` where they are configured.
    ///
    /// # Errors
    ///
    /// [`AuthError::NoSigningKey`] when somebody else issues the tokens, [`AuthError::NoRandomness`] when the system has none.
    pub fn issue(&self, id: &str) -> Result<String, AuthError> {
        self.issue_with(id, &Map::new())
    }

    /// A token for a user: with the name and the scopes.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue).
    ///
    /// ```
    /// use wireline::layer::auth::{AuthConfig, AuthError};
    /// use wireline::service::user::CurrentUser;
    ///
    /// let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600).build()?;
    /// let ada = CurrentUser::new("7").with_name("Ada").with_scopes(["read", "write"]);
    /// let user = tokens.verify(&tokens.issue_for(&ada)?).unwrap();
    /// assert_eq!((user.id(), user.name(), user.has_scope("write")), ("7", Some("Ada"), true));
    /// # Ok::<(), AuthError>(())
    /// ```
    pub fn issue_for(&self, user: &CurrentUser) -> Result<String, AuthError> {
        let mut claims = Map::new();
        if let Some(name) = user.name() {
            claims.insert("name".to_owned(), name.into());
        }
        if user.scopes().len() > 0 {
            let scopes: Vec<&str> = user.scopes().collect();
            claims.insert("scope".to_owned(), scopes.join(" ").into());
        }
        self.issue_with(user.id(), &claims)
    }

    /// A token with claims of yours. What [`issue`](Self::issue) says wins over them, but for a `jti`, which is yours where you
    /// give one.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue); [`AuthError::Claims`] when they are no JSON object.
    pub fn issue_with(&self, id: &str, claims: &impl Serialize) -> Result<String, AuthError> {
        let key = self.0.signing.as_ref().ok_or(AuthError::NoSigningKey)?;
        let mut claims = match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => claims,
            Ok(_) => return Err(AuthError::Claims("they are no JSON object".to_owned())),
            Err(error) => return Err(AuthError::Claims(error.to_string())),
        };
        let now = since_epoch().as_secs();
        claims.insert("sub".to_owned(), id.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), (now + self.0.lifetime).into());
        if let Some(issuer) = &self.0.issuer {
            claims.insert("iss".to_owned(), issuer.as_str().into());
        }
        if let Some(audience) = &self.0.audience {
            claims.insert("aud".to_owned(), audience.as_str().into());
        }
        if claims.get("jti").is_none_or(Value::is_null) {
            claims.insert("jti".to_owned(), random_id()?.into());
        }
        let mut header = Header::new(key.algorithm.inner());
        header.kid.clone_from(&key.id);
        Ok(jsonwebtoken::encode(&header, &claims, &key.key)?)
    }

    /// How long an issued token lives.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.0.lifetime)
    }

    /// Who a token is for, by the keys that are here; whether it was revoked is asked only of a function that need not wait.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn verify(&self, token: &str) -> Result<CurrentUser, Refusal> {
        match self.check(token) {
            Checked::User(user) => Ok(user),
            Checked::Refused(refusal) => Err(refusal),
            Checked::UnknownKey => Err(unknown_key()),
        }
    }

    /// Who a token is for, as the layer asks: for a token that comes in the first message of a WebSocket.
    ///
    /// It waits for a set of keys that is being fetched, and for the function that knows what was revoked.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub async fn authenticate(&self, token: &str) -> Result<CurrentUser, Refusal> {
        match VerifyToken::verify(self, token) {
            Verdict::User(user) => Ok(user),
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Wait(waiting) => waiting.await,
            Verdict::Absent => Err(Refusal::missing()),
        }
    }

    /// Fetches the set of keys now, for a start that fails when it cannot be had. It waits for it 5 s at the most, and
    /// asks at most every 10 s. Without a set there is nothing to fetch.
    ///
    /// Cancel safe: the fetch goes on.
    ///
    /// # Errors
    ///
    /// [`AuthError::Jwks`] says why it is not there, or what was wrong with the last fetch.
    pub async fn refresh(&self) -> Result<(), AuthError> {
        let Some(set) = &self.0.set else {
            return Ok(());
        };
        set.wait().await;
        match set.error() {
            Some(why) => Err(AuthError::Jwks(why)),
            None if set.is_there() => Ok(()),
            // It is still under way, or has panicked.
            None => Err(AuthError::Jwks("it has not come in time".to_owned())),
        }
    }

    /// What was wrong with the last fetch of the set of keys; `None` when it went well.
    pub fn jwks_error(&self) -> Option<String> {
        self.0.set.as_ref()?.error()
    }

    /// Signs and verifies once: a key that does not fit its algorithm is found out when the program starts.
    pub(super) fn try_itself(&self) -> Result<(), AuthError> {
        if self.0.signing.is_none() {
            return Ok(());
        }
        let token = self.issue("nobody")?;
        let own = self.0.keys.first().ok_or(AuthError::NoKey)?;
        jsonwebtoken::decode::<Value>(&token, &own.key, &own.terms)?;
        Ok(())
    }

    fn check(&self, token: &str) -> Checked {
        let Ok(header) = jsonwebtoken::decode_header(token) else {
            return Checked::Refused(Refusal::invalid("the token is malformed"));
        };
        if header.crit.is_some() {
            return Checked::Refused(Refusal::invalid("the token asks for an extension"));
        }
        let mut fetched: Option<Arc<[Ready]>> = None;
        if let Some(set) = &self.0.set {
            set.keep_fresh();
            fetched = Some(set.keys());
        }
        let keys = self
            .0
            .keys
            .iter()
            .chain(fetched.iter().flat_map(|keys| keys.iter()));
        // A key without an id is for every token, as one with an id is for tokens that name none.
        let fits = |key: &&Ready| {
            key.terms.algorithms.contains(&header.alg)
                && match (&header.kid, &key.id) {
                    (Some(named), Some(id)) => named == id,
                    _ => true,
                }
        };
        let is_named = |key: &Ready| header.kid.is_some() && header.kid == key.id;
        let awaits_key =
            self.0.set.is_some() && header.kid.is_some() && !keys.clone().any(is_named);
        let mut refusal = None;
        for key in keys.filter(fits).take(MOST_TRIED) {
            match jsonwebtoken::decode::<Value>(token, &key.key, &key.terms) {
                Ok(token) => return self.user(token.claims),
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                    refusal.get_or_insert_with(|| Refusal::invalid("the signature is wrong"));
                }
                Err(error) => refusal = Some(why(error.kind())),
            }
        }
        match refusal {
            Some(refusal) if !awaits_key => Checked::Refused(refusal),
            _ => Checked::UnknownKey,
        }
    }

    fn user(&self, claims: Value) -> Checked {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let Some(id) = text("sub").filter(|id| !id.is_empty()) else {
            return Checked::Refused(Refusal::invalid("the token is for nobody"));
        };
        let mut user = CurrentUser::new(id);
        if let Some(name) = text("name").or_else(|| text("preferred_username")) {
            user = user.with_name(name);
        }
        let scopes: Vec<&str> = match (text("scope"), claims.get("scp")) {
            (Some(words), _) => words.split_ascii_whitespace().take(MOST_SCOPES).collect(),
            (None, Some(Value::Array(list))) => {
                let words = list.iter().filter_map(Value::as_str);
                words.take(MOST_SCOPES).collect()
            }
            (None, Some(Value::String(words))) => {
                words.split_ascii_whitespace().take(MOST_SCOPES).collect()
            }
            _ => Vec::new(),
        };
        if !scopes.is_empty() {
            user = user.with_scopes(scopes);
        }
        if let Some(expires) = claims.get("exp").and_then(seconds) {
            let good_until = expires.saturating_add(self.0.leeway);
            user = user.valid_for(good_until.saturating_sub(since_epoch()));
        }
        let user = user.with_details(claims);
        match &self.0.revoked {
            Some(Revoked::Known(is_revoked)) if is_revoked(&user) => {
                Checked::Refused(Refusal::revoked())
            }
            _ => Checked::User(user),
        }
    }

    /// The last question.
    async fn settle(&self, checked: Checked) -> Result<CurrentUser, Refusal> {
        match checked {
            Checked::User(user) => match &self.0.revoked {
                Some(Revoked::Asked(is_revoked)) if is_revoked(user.clone()).await => {
                    Err(Refusal::revoked())
                }
                _ => Ok(user),
            },
            Checked::Refused(refusal) => Err(refusal),
            Checked::UnknownKey => Err(match &self.0.set {
                Some(set) if !set.is_there() => Refusal::unavailable(),
                _ => unknown_key(),
            }),
        }
    }
}

impl VerifyToken for Tokens {
    fn verify(&self, token: &str) -> Verdict {
        let checked = self.check(token);
        let asks = matches!(self.0.revoked, Some(Revoked::Asked(_)));
        match checked {
            Checked::User(user) if !asks => Verdict::User(user),
            Checked::Refused(refusal) => Verdict::Refused(refusal),
            Checked::UnknownKey if self.0.set.is_none() => Verdict::Refused(unknown_key()),
            checked => {
                let (this, token) = (self.clone(), token.to_owned());
                Verdict::Wait(Verifying::new(async move {
                    let checked = match (checked, &this.0.set) {
                        (Checked::UnknownKey, Some(set)) => {
                            set.wait().await;
                            this.check(&token)
                        }
                        (checked, _) => checked,
                    };
                    this.settle(checked).await
                }))
            }
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("signing", &self.0.signing)
            .field("lifetime", &self.0.lifetime)
            .finish_non_exhaustive()
    }
}

/// The id of a token: 128 bits that no other token has (RFC 7519 §4.1.7), as 22 characters.
fn random_id() -> Result<String, AuthError> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|_| AuthError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(octets))
}

fn unknown_key() -> Refusal {
    Refusal::invalid("the token is signed with a key that is not known here")
}

/// What the client is told of a token whose signature is right, or that has none.
fn why(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::ExpiredSignature => Refusal::expired(),
        ErrorKind::ImmatureSignature => Refusal::invalid("the token is not valid yet"),
        ErrorKind::InvalidAudience => Refusal::invalid("the token is for another audience"),
        ErrorKind::InvalidIssuer => Refusal::invalid("the token is from another issuer"),
        ErrorKind::MissingRequiredClaim(_) => Refusal::invalid("the token lacks a claim"),
        _ => Refusal::invalid("the token is malformed"),
    }
}

/// A NumericDate (RFC 7519 §2), which may have a fraction.
fn seconds(value: &Value) -> Option<Duration> {
    match value.as_u64() {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => Duration::try_from_secs_f64(value.as_f64()?).ok(),
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Keys of which a token that names none may try: each costs the check of a signature.
const MOST_TRIED: usize = 8;

const MOST_SCOPES: usize = 256;
