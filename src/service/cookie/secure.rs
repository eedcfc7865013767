//! Cookies that a client cannot make, and those that it cannot read either.

use crate::service::cookie::{Cookie, CookieBuilder, CookieError, Cookies};
use crate::service::error::Error;
use crate::service::handler::{FromRequestParts, RouteCheck};
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use cookie::CookieJar;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

/// The secret behind [`SignedCookies`] and [`PrivateCookies`], which find it in a router's state, and behind sessions.
///
/// It is derived from at least 32 octets that nobody can guess (by HKDF with SHA-256): take them from the system's random
/// source once (`openssl rand -base64 48`), and keep them where the program's other secrets are. All servers of a site
/// share them. Cloning is cheap.
///
/// ```
/// use wireline::service::cookie::{Key, KeyError};
///
/// let key = Key::new("an example: thirty-two octets or more")?.with_old("the secret of last month, still read")?;
/// assert_eq!(Key::new("short").unwrap_err(), KeyError::TooShort(5));
/// # let _ = key;
/// # Ok::<(), KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    /// The newest first.
    keys: Arc<[cookie::Key]>,
}

/// Why there is no [`Key`].
///
/// ```
/// use wireline::service::cookie::{Key, KeyError};
///
/// assert_eq!(Key::new("short").unwrap_err(), KeyError::TooShort(5));
/// let missing = Key::from_env("NO_SUCH_VARIABLE").unwrap_err();
/// assert_eq!(missing, KeyError::Missing("NO_SUCH_VARIABLE".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret has so many octets: 32 at the least.
    TooShort(usize),
    /// The environment has no such variable, or it is not UTF-8.
    Missing(String),
    /// There are eight old secrets already.
    TooMany,
}

impl Key {
    /// A key from a secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`].
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Ok(Self {
            keys: Arc::new([derive(secret.as_ref())?]),
        })
    }

    /// A key from the secret in a variable of the environment.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`], [`KeyError::TooShort`].
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        match std::env::var(variable) {
            Ok(secret) => Self::new(secret),
            Err(_) => Err(KeyError::Missing(variable.to_owned())),
        }
    }

    /// A key from the system's random source, for development: what it has signed is worth nothing after a restart, and
    /// nothing to another server.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] when the system has no randomness.
    pub fn random() -> Result<Self, KeyError> {
        cookie::Key::try_generate()
            .map(|key| Self {
                keys: Arc::new([key]),
            })
            .ok_or_else(|| KeyError::Missing("the system's random source".to_owned()))
    }

    /// The same key, which still reads what was made with an older secret: for a secret that is replaced. At most eight.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`], [`KeyError::TooMany`].
    pub fn with_old(self, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        if self.keys.len() > MOST_OLD {
            return Err(KeyError::TooMany);
        }
        let mut keys = self.keys.to_vec();
        keys.push(derive(secret.as_ref())?);
        Ok(Self { keys: keys.into() })
    }

    /// `text`, sealed for a cookie of this name.
    pub(crate) fn seal(&self, name: &str, text: &str) -> String {
        let mut jar = CookieJar::new();
        if let Some(key) = self.keys.first() {
            jar.private_mut(key)
                .add(cookie::Cookie::new(name.to_owned(), text.to_owned()));
        }
        value_of(&jar, name)
    }

    /// What was sealed for a cookie of this name, with this key or an older one.
    pub(crate) fn unseal(&self, name: &str, sealed: &str) -> Option<String> {
        self.keys.iter().find_map(|key| {
            let cookie = cookie::Cookie::new(name.to_owned(), sealed.to_owned());
            let opened = CookieJar::new().private(key).decrypt(cookie)?;
            Some(opened.value().to_owned())
        })
    }

    /// `text` behind a signature of it and the name. The crate's signs the value alone: it would be as good in a cookie
    /// of another name.
    fn sign(&self, name: &str, text: &str) -> String {
        let mut jar = CookieJar::new();
        if let Some(key) = self.keys.first() {
            jar.signed_mut(key)
                .add(cookie::Cookie::new(name.to_owned(), bound(name, text)));
        }
        let signed = value_of(&jar, name);
        let (signature, _) = signed.split_at_checked(SIGNATURE).unwrap_or_default();
        format!("{signature}{text}")
    }

    fn verify<'text>(&self, name: &str, signed: &'text str) -> Option<&'text str> {
        let (signature, text) = signed.split_at_checked(SIGNATURE)?;
        let value = format!("{signature}{}", bound(name, text));
        let is_ours = |key: &cookie::Key| {
            let cookie = cookie::Cookie::new(name.to_owned(), value.clone());
            CookieJar::new().signed(key).verify(cookie).is_some()
        };
        self.keys.iter().any(is_ours).then_some(text)
    }
}

macro_rules! jar {
    ($jar:ident, $get:expr, $put:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug)]
        pub struct $jar {
            cookies: Cookies,
            key: Key,
        }

        impl $jar {
            /// The jar of a request's cookies under a key.
            pub const fn new(cookies: Cookies, key: Key) -> Self {
                Self { cookies, key }
            }

            /// The value of a cookie, if it was made by [`seal`](Self::seal) under this name. Of several with one name the
            /// first that was.
            pub fn get(&self, name: &str) -> Option<String> {
                let open: fn(&Key, &str, &str) -> Option<String> = $get;
                self.cookies
                    .get_all(name)
                    .take(MOST_TRIED)
                    .find_map(|value| open(&self.key, name, value))
            }

            /// The cookie with its value sealed, for [`Response::set_cookie`].
            ///
            /// # Errors
            ///
            /// As [`CookieBuilder::build`].
            pub fn seal(&self, cookie: CookieBuilder) -> Result<Cookie, CookieError> {
                let close: fn(&Key, &str, &str) -> String = $put;
                let value = close(&self.key, cookie.name(), cookie.value());
                cookie.with_value(value).build()
            }
        }

        impl FromRequestParts for $jar {
            type Rejection = NoKey;

            async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoKey> {
                let facts = parts.route().facts();
                let key = facts.and_then(|facts| facts.state.get::<Key>());
                let key = key.ok_or(NoKey)?.clone();
                Ok(Self::new(parts.cookies(), key))
            }

            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                let key = route.state.get::<Key>();
                key.map(|_| ()).ok_or_else(|| NoKey.to_string())
            }
        }

        /// `None` where no router of the route has a [`Key`] in its state.
        impl OptionalFromRequestParts for $jar {
            type Rejection = Infallible;

            async fn optional_from_request_parts(
                parts: &mut Parts,
            ) -> Result<Option<Self>, Infallible> {
                Ok(Self::from_request_parts(parts).await.ok())
            }
        }
    };
}

jar!(
    SignedCookies,
    |key, name, value| key.verify(name, value).map(str::to_owned),
    |key, name, value| key.sign(name, value),
    "The cookies of a request that this site has signed (HMAC with SHA-256, over name and value): the client can read them, and cannot make or change one. An
argument of handlers, with the [`Key`] in the state of a router; without it the router is not built.

What is signed says nothing of when, or for whom: put that into the value where it matters.

```
use wireline::service::cookie::{CookieBuilder, CookieError, Key, SignedCookies};
use wireline::{Response, Router};

async fn visit(jar: SignedCookies) -> Result<Response, CookieError> {
    let visits = jar.get(\"visits\").map_or(1, |visits| visits.len() + 1);
    let cookie = jar.seal(CookieBuilder::new(\"visits\", \"x\".repeat(visits)).path(\"/\"))?;
    Ok(Response::text(format!(\"visit {visits}\")).set_cookie(cookie))
}

let router = Router::new().get(\"/\", visit);
assert!(router.build().unwrap_err().to_string().contains(\"Key\"));
let router = Router::new().get(\"/\", visit).state(Key::random().unwrap());
assert!(router.build().is_ok());
```"
);

jar!(
    PrivateCookies,
    |key, name, value| key.unseal(name, value),
    |key, name, value| key.seal(name, value),
    "The cookies of a request that this site has encrypted (AES-256-GCM, with the name as associated data): the client can neither read nor make nor change one. An
argument of handlers, with the [`Key`] in the state of a router; without it the router is not built. As [`SignedCookies`],
and the value may be any text: it is base64 when it leaves, a third longer and 38 octets.

```
use wireline::service::cookie::{CookieBuilder, CookieError, Key, PrivateCookies};
use wireline::{Response, Router};

async fn cart(jar: PrivateCookies) -> Result<Response, CookieError> {
    let cart = jar.get(\"cart\").unwrap_or_default() + \"one more; \";
    let cookie = jar.seal(CookieBuilder::new(\"cart\", cart.as_str()).path(\"/\").http_only().secure())?;
    Ok(Response::text(cart).set_cookie(cookie))
}

let router = Router::new().get(\"/cart\", cart).state(Key::random().unwrap());
assert!(router.build().is_ok());
```"
);

/// No router of the route has a [`Key`] in its state: 500.
///
/// Where `SignedCookies` or `PrivateCookies` are an argument a router says so when it is built; a service that is no router answers so.
///
/// ```
/// use wireline::Request;
/// use wireline::service::cookie::{NoKey, SignedCookies};
/// use wireline::service::handler::FromRequestParts;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (mut parts, _) = Request::get("/").into_parts();
/// assert_eq!(SignedCookies::from_request_parts(&mut parts).await.unwrap_err(), NoKey);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes signed or private cookies, but no `.state(..)` of a router around it gave a `Key`")
    }
}

impl std::error::Error for NoKey {}

impl IntoResponse for NoKey {
    fn into_response(self) -> Response {
        Error::internal(self).into_response()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(octets) => write!(
                f,
                "the secret of the cookie key has {octets} octets: it takes 32 random ones at the least (`openssl rand -base64 48`)"
            ),
            Self::Missing(name) => write!(f, "there is no secret for the cookie key in {name}"),
            Self::TooMany => write!(f, "the cookie key has {MOST_OLD} old secrets already"),
        }
    }
}

impl std::error::Error for KeyError {}

fn derive(secret: &[u8]) -> Result<cookie::Key, KeyError> {
    if secret.len() < SHORTEST {
        return Err(KeyError::TooShort(secret.len()));
    }
    Ok(cookie::Key::derive_from(secret))
}

/// A name has no `=` in it: no other name and value make the same text.
fn bound(name: &str, text: &str) -> String {
    format!("{name}={text}")
}

fn value_of(jar: &CookieJar, name: &str) -> String {
    jar.get(name)
        .map(|cookie| cookie.value().to_owned())
        .unwrap_or_default()
}

/// Octets of a secret.
const SHORTEST: usize = 32;

/// Octets of a signature in base64.
const SIGNATURE: usize = 44;

/// Old secrets of a key.
const MOST_OLD: usize = 8;

/// Cookies of one name that are tried: each costs a decryption for every secret.
const MOST_TRIED: usize = 4;
