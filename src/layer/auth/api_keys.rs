//! Keys of programs.

use crate::layer::auth::digest::Digest;
use crate::layer::auth::error::AuthError;
use crate::layer::auth::refusal::Refusal;
use crate::layer::auth::scheme::{Scheme, Verdict};
use crate::service::bearer::authorization;
use crate::service::request::Parts;
use crate::service::route::decode;
use crate::service::user::CurrentUser;
use http::HeaderName;
use std::fmt;

/// A fixed list of keys, one for each client: `X-API-Key: <key>`, or another field.
///
/// Only SHA-256 digests are kept. A key is compared with all of them, in a time that does not depend on which one fits or
/// how far. A digest needs no salt because a key is long and random: make it from 16 octets of the system's random source
/// at the least (`openssl rand -base64 24`).
///
/// ```
/// use wireline::layer::auth::{ApiKeys, Auth, AuthError};
///
/// let keys = ApiKeys::new().key("billing", "uhBq5FgQH2Y4sT0nWcJ7")?.key("backup", "Zr8LxK1vPp3mE6dAoVt9")?;
/// let auth = Auth::new(keys);
/// # let _ = auth;
/// # Ok::<(), AuthError>(())
/// ```
pub struct ApiKeys {
    field: HeaderName,
    parameter: Option<String>,
    takes_bearer: bool,
    keys: Vec<(Digest, CurrentUser)>,
    /// Whether the field was given a name that no field has.
    is_misnamed: bool,
}

impl ApiKeys {
    /// No keys, in the field `X-API-Key`.
    pub fn new() -> Self {
        Self {
            field: HeaderName::from_static("x-api-key"),
            parameter: None,
            takes_bearer: false,
            keys: Vec::new(),
            is_misnamed: false,
        }
    }

    /// Adds the key of a client, which is the id of its [`CurrentUser`].
    ///
    /// # Errors
    ///
    /// [`AuthError::SecretTooShort`] for a key of fewer than 16 octets.
    pub fn key(self, client: &str, key: &str) -> Result<Self, AuthError> {
        self.user_key(CurrentUser::new(client), key)
    }

    /// Adds a key of a user, who may have scopes.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn user_key(mut self, user: CurrentUser, key: &str) -> Result<Self, AuthError> {
        if key.len() < SHORTEST {
            return Err(AuthError::SecretTooShort {
                octets: key.len(),
                least: SHORTEST,
            });
        }
        self.keys.push((Digest::plain(key.as_bytes()), user));
        Ok(self)
    }

    /// Adds a key of a user by its SHA-256, so that no configuration has the key itself: `printf %s KEY | sha256sum` makes it.
    ///
    /// ```
    /// use wireline::layer::auth::ApiKeys;
    /// use wireline::service::user::CurrentUser;
    ///
    /// let keys = ApiKeys::new().digest(CurrentUser::new("billing"), [0x5a; 32]);
    /// # let _ = keys;
    /// ```
    #[must_use]
    pub fn digest(mut self, user: CurrentUser, sha256: [u8; 32]) -> Self {
        self.keys.push((Digest::made(sha256), user));
        self
    }

    /// Whether the key is also taken from `Authorization: Bearer <key>`, where the field is absent. Off by default.
    #[must_use]
    pub const fn bearer(mut self, on: bool) -> Self {
        self.takes_bearer = on;
        self
    }

    /// The field that the key stands in, in place of `X-API-Key`. [`Router::build`](crate::router::Router::build) refuses a
    /// name that no field has.
    #[must_use]
    pub fn header<N: TryInto<HeaderName>>(mut self, name: N) -> Self {
        match name.try_into() {
            Ok(name) => self.field = name,
            Err(_) => self.is_misnamed = true,
        }
        self
    }

    /// Takes the key from a parameter of the query, too, where the field is absent. Off by default: queries end up in logs. Give the
    /// name to [`AccessLog::redact`](crate::layer::access_log::AccessLog::redact) as well where that log has queries.
    #[must_use]
    pub fn query(mut self, name: &str) -> Self {
        self.parameter = Some(name.to_owned());
        self
    }

    /// The key's digest, wherever the key is.
    fn find(&self, parts: &Parts) -> Option<Result<Digest, Refusal>> {
        let mut fields = parts.headers().get_all(&self.field);
        if let Some(field) = fields.next() {
            return Some(match fields.next() {
                None => Ok(Digest::plain(field.as_bytes())),
                Some(_) => Err(Refusal::invalid("there is more than one API key")),
            });
        }
        if self.takes_bearer
            && let Some(key) = authorization(parts, "Bearer")
        {
            return Some(Ok(Digest::plain(key)));
        }
        let wanted = self.parameter.as_deref()?;
        let value = parts.query()?.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == wanted).then_some(value)
        })?;
        Some(Ok(match decode(value.as_bytes()) {
            Some(key) => Digest::plain(key.as_bytes()),
            None => Digest::plain(value.as_bytes()),
        }))
    }
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheme for ApiKeys {
    fn look(&self, parts: &Parts) -> Verdict {
        let key = match self.find(parts) {
            None => return Verdict::Absent,
            Some(Err(refusal)) => return Verdict::Refused(refusal),
            Some(Ok(key)) => key,
        };
        let place = key.find(self.keys.iter().map(|(digest, _)| digest));
        match place.and_then(|place| self.keys.get(place)) {
            Some((_, user)) => Verdict::User(user.clone()),
            None => Verdict::Refused(Refusal::invalid("nobody has this API key")),
        }
    }

    /// There is no registered scheme; this one says where the key goes.
    fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
        Some(format!("ApiKey header=\"{}\"", self.field))
    }

    fn check(&self) -> Result<(), String> {
        if self.is_misnamed {
            return Err("API keys: the field that they stand in has no such name".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for ApiKeys {
    /// The clients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|(_, user)| user))
            .finish()
    }
}

/// Octets of a key.
const SHORTEST: usize = 16;
