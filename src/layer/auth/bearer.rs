//! Bearer tokens (RFC 6750).

use crate::layer::auth::refusal::{Refusal, quotable};
use crate::layer::auth::scheme::{Scheme, Verdict, Verifying};
use crate::layer::cross_site::{is_foreign, is_safe};
use crate::service::bearer::{authorization, of_upgrade, opens_websocket, token};
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use crate::wire::cookie::pairs;
use http::header::{AUTHORIZATION, COOKIE};
use std::fmt;

/// Tokens in `Authorization: Bearer <token>`, and where else a browser can put one.
///
/// A request that opens a WebSocket may bring it as a subprotocol `bearer.<token>` or as a parameter `token` of the query,
/// as [`Token`](crate::ws::route::token::Token) says; no other request may. A [`cookie`](Self::cookie) is looked at only when it
/// is named here. What a page sends on purpose goes before the cookie, which its browser sends by itself.
///
/// ```
/// use wireline::layer::auth::{Auth, Bearer, Refusal};
/// use wireline::service::user::CurrentUser;
///
/// let bearer = Bearer::by(async |token: String| match token.as_str() {
///     "open-sesame" => Ok(CurrentUser::new("ali")),
///     _ => Err(Refusal::invalid("nobody has this token")),
/// });
/// let auth = Auth::new(bearer.cookie("__Host-token").origins(["https://app.example"]));
/// # let _ = auth;
/// ```
pub struct Bearer {
    verify: Box<dyn VerifyToken>,
    realm: Option<String>,
    cookie: Option<String>,
    origins: Vec<String>,
}

/// Who a token is for. [`Tokens`](https://docs.rs/wireline/latest/wireline/layer/auth/struct.Tokens.html) is one; what has to ask
/// somebody gives back [`Verdict::Wait`], or is a function for [`Bearer::by`].
///
/// ```
/// use wireline::layer::auth::{Auth, Bearer, Refusal, Verdict, VerifyToken};
/// use wireline::service::user::CurrentUser;
///
/// struct Sesame;
///
/// impl VerifyToken for Sesame {
///     fn verify(&self, token: &str) -> Verdict {
///         match token {
///             "open-sesame" => Verdict::User(CurrentUser::new("ali")),
///             _ => Verdict::Refused(Refusal::invalid("nobody has this token")),
///         }
///     }
/// }
/// let auth = Auth::new(Bearer::new(Sesame));
/// # let _ = auth;
/// ```
pub trait VerifyToken: Send + Sync + 'static {
    /// Judges a token, which has the octets that RFC 6750 §2.1 allows and at most 8 KiB.
    fn verify(&self, token: &str) -> Verdict;
}

impl Bearer {
    /// Tokens that this verifies.
    pub fn new(verify: impl VerifyToken) -> Self {
        Self {
            verify: Box::new(verify),
            realm: None,
            cookie: None,
            origins: Vec::new(),
        }
    }

    /// Tokens that an async function verifies.
    pub fn by<F, Fut>(function: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<CurrentUser, Refusal>> + Send + 'static,
    {
        struct By<F>(F);

        impl<F, Fut> VerifyToken for By<F>
        where
            F: Fn(String) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<CurrentUser, Refusal>> + Send + 'static,
        {
            fn verify(&self, token: &str) -> Verdict {
                Verdict::Wait(Verifying::new((self.0)(token.to_owned())))
            }
        }

        Self::new(By(function))
    }

    /// The realm that the challenge names. None by default.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(quotable(realm));
        self
    }

    /// Takes the token from a cookie, too, where the request has it nowhere else.
    ///
    /// A browser sends cookies whatever page asks for it. So with the cookie alone, a request that opens a WebSocket, and one
    /// whose method is not safe (RFC 9110 §9.2.1), are 403 when they come from a foreign page, as
    /// [`SameOrigin`](crate::layer::cross_site::SameOrigin) finds out: when `Sec-Fetch-Site` says so, or, without that field, when
    /// Origin is not the host's own; unless Origin is one of [`origins`](Self::origins). Set the cookie with `SameSite` all the same.
    #[must_use]
    pub fn cookie(mut self, name: &str) -> Self {
        self.cookie = Some(name.to_owned());
        self
    }

    /// The pages that may use the cookie beside those of the host itself, as browsers write them: `https://app.example`.
    #[must_use]
    pub fn origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    fn cookie_of<'parts>(&self, parts: &'parts Parts) -> Option<&'parts [u8]> {
        let wanted = self.cookie.as_ref()?.as_bytes();
        parts.headers().get_all(COOKIE).find_map(|field| {
            let mut pairs = pairs(field.as_bytes());
            pairs
                .find(|(name, value)| *name == wanted && !value.is_empty())
                .map(|(_, value)| value)
        })
    }
}

impl Scheme for Bearer {
    fn look(&self, parts: &Parts) -> Verdict {
        let opens = opens_websocket(parts);
        if parts.headers().get_all(AUTHORIZATION).nth(1).is_some() {
            return Verdict::Refused(Refusal::invalid("there is more than one Authorization"));
        }
        let explicit =
            authorization(parts, "Bearer").or_else(|| opens.then(|| of_upgrade(parts)).flatten());
        let Some(found) = explicit.or_else(|| self.cookie_of(parts)) else {
            return Verdict::Absent;
        };
        let is_asked = opens || !is_safe(parts.method());
        if explicit.is_none() && is_asked && is_foreign(parts, &self.origins) {
            return Verdict::Refused(Refusal::forbidden(
                "a page of another site may not use the cookie",
            ));
        }
        match token(found) {
            Some(token) if token.len() <= LONGEST => self.verify.verify(token),
            _ => Verdict::Refused(Refusal::invalid("the token is malformed")),
        }
    }

    fn challenge(&self, refusal: Option<&Refusal>) -> Option<String> {
        let realm = self
            .realm
            .as_ref()
            .map(|realm| format!("realm=\"{realm}\""));
        let error = refusal.map(Refusal::bearer);
        let parameters: Vec<String> = [realm, error]
            .into_iter()
            .flatten()
            .filter(|parameter| !parameter.is_empty())
            .collect();
        let challenge = format!("Bearer {}", parameters.join(", "));
        Some(challenge.trim_end().to_owned())
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("cookie", &self.cookie)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// Octets of a token.
const LONGEST: usize = 8 * 1024;
