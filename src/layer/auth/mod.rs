//! Who sends a request: nobody passes unless a scheme knows them, or the route is public.
//!
//! ```text
//!   request ──> Auth ── the first scheme that finds its credentials decides ──> CurrentUser in the request
//!                │        Bearer   JSON Web Tokens, or a function of yours
//!                │        ApiKeys  a field of the header section
//!                │        Basic    a name and a password
//!                └─ 401 with a challenge of each scheme; 403 where more is asked than the credentials give
//! ```
//!
//! Authentication is on for every route of the router that has the layer, and for paths that have no route. Routes are
//! opened one by one: [`public`](crate::service::handler::public), [`Router::public_route`](crate::router::Router::public_route),
//! [`Router::public`](crate::router::Router::public). It is the same on HTTP/1.1, on HTTP/2, and before a WebSocket is opened, and
//! it stands inside CORS and the rate limit by address ([`Place`]).

#[cfg(feature = "auth")]
mod api_keys;
#[cfg(feature = "auth")]
mod basic;
mod bearer;
#[cfg(feature = "auth")]
mod digest;
mod error;
#[cfg(feature = "jwt")]
pub mod jwt;
mod refusal;
mod scheme;

#[cfg(feature = "auth")]
pub use self::api_keys::ApiKeys;
#[cfg(feature = "auth")]
pub use self::basic::Basic;
pub use self::bearer::{Bearer, VerifyToken};
pub use self::error::AuthError;
#[cfg(all(feature = "jwt", feature = "redis"))]
pub use self::jwt::RevokedTokens;
#[cfg(feature = "jwt")]
pub use self::jwt::{AuthConfig, Tokens};
pub use self::refusal::Refusal;
pub use self::scheme::{Scheme, Verdict, Verifying, by};

use crate::service::layer::{Before, Layer, Note, Place, Waiting};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::service::user::{CurrentUser, InsufficientScope};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use std::fmt;
use std::sync::Arc;

/// The layer that authenticates.
///
/// Of several schemes the first that finds credentials of its kind decides; one that finds none, or only
/// [`Refusal::missing`] after a while, leaves it to the next. A
/// refusal is 401 with the challenges of all schemes (RFC 9110 §11.6.1). On a public route nobody is refused: credentials
/// that are good give a [`CurrentUser`], others count as none.
///
/// In a group the layer stands in for that of the router around it.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::auth::{Auth, Bearer, Refusal};
/// use wireline::service::handler::public;
/// use wireline::service::user::CurrentUser;
///
/// async fn look_up(token: String) -> Result<CurrentUser, Refusal> {
///     if token == "open-sesame" {
///         return Ok(CurrentUser::new("ali").with_name("Ali Baba"));
///     }
///     Err(Refusal::invalid("nobody has this token"))
/// }
///
/// let routes = Router::new()
///     .layer(Auth::new(Bearer::by(look_up)))
///     .get("/me", async |user: CurrentUser| user.id().to_owned())
///     .get("/health", public(async || ()))
///     .build();
/// assert!(routes.is_ok());
/// ```
pub struct Auth {
    schemes: Vec<Arc<dyn Scheme>>,
    /// What they ask for.
    challenges: Vec<HeaderValue>,
}

impl Auth {
    /// Authenticates by one scheme.
    pub fn new(scheme: impl Scheme) -> Self {
        Self {
            schemes: Vec::new(),
            challenges: Vec::new(),
        }
        .or(scheme)
    }

    /// And, where those before find no credentials, by another.
    #[must_use]
    pub fn or(mut self, scheme: impl Scheme) -> Self {
        self.challenges
            .extend(scheme.challenge(None).and_then(value));
        self.schemes.push(Arc::new(scheme));
        self
    }

    /// What the schemes find: those that take a while to tell whether there is anything for them, and the one behind them
    /// that can tell now. Each with its place.
    fn judge(&self, parts: &Parts) -> (Vec<(Verifying, usize)>, Verdict, usize) {
        let mut waiting = Vec::new();
        for (place, scheme) in self.schemes.iter().enumerate() {
            match scheme.look(parts) {
                Verdict::Absent => {}
                Verdict::Wait(verdict) => waiting.push((verdict, place)),
                verdict => return (waiting, verdict, place),
            }
        }
        (waiting, Verdict::Absent, self.schemes.len())
    }

    /// The user whom the first that found anything names; `None` for nobody on a public route.
    #[allow(
        clippy::result_large_err,
        reason = "a refusal is the rare outcome, and is moved once"
    )]
    #[expect(clippy::result_large_err, reason = "the response is moved once")]
    fn conclude(
        &self,
        verdict: Verdict,
        place: usize,
        is_public: bool,
    ) -> Result<Option<CurrentUser>, Response> {
        match verdict {
            Verdict::User(user) => Ok(Some(user)),
            _ if is_public => Ok(None),
            Verdict::Refused(refusal) => Err(self.refuse(&refusal, place)),
            Verdict::Absent | Verdict::Wait(_) => Err(self.refuse(&Refusal::missing(), place)),
        }
    }

    /// The answer to credentials that the scheme at `place` refuses, or to none at all.
    fn refuse(&self, refusal: &Refusal, place: usize) -> Response {
        let mut response = refusal.answer();
        if refusal.status() == StatusCode::UNAUTHORIZED {
            for (at, scheme) in self.schemes.iter().enumerate() {
                let refusal = (at == place).then_some(refusal);
                let challenge = scheme.challenge(refusal).and_then(value);
                if let Some(challenge) = challenge {
                    response.headers_mut().append(WWW_AUTHENTICATE, challenge);
                }
            }
        }
        response
    }
}

impl Layer for Auth {
    fn place(&self) -> Place {
        Place::Auth
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        self.schemes.iter().try_for_each(|scheme| scheme.check())
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        let is_public = request.is_public();
        let (waiting, last, last_place) = self.judge(request);
        if waiting.is_empty() {
            return match self.conclude(last, last_place, is_public) {
                Ok(user) => {
                    if let Some(user) = user {
                        user.put_into(request);
                    }
                    Before::Go
                }
                Err(response) => Before::Answer(response),
            };
        }
        let this = self.clone();
        Before::Wait(Waiting::new(async move {
            let (mut verdict, mut place) = (last, last_place);
            for (waiting, at) in waiting {
                match waiting.await {
                    Ok(user) => verdict = Verdict::User(user),
                    Err(refusal) if refusal.is_missing() => continue,
                    Err(refusal) => verdict = Verdict::Refused(refusal),
                }
                place = at;
                break;
            }
            let user = this.conclude(verdict, place, is_public)?;
            Ok(user.map_or(Note::Empty, Note::any))
        }))
    }

    fn resume(&self, request: &mut Request, note: &mut Note) {
        if let Some(user) = note.get::<CurrentUser>() {
            user.clone().put_into(request);
        }
    }

    /// Whoever answers 401 further in, too, says what is asked for (RFC 9110 §15.5.2).
    fn after(&self, _: &mut Note, response: &mut Response) {
        if response.status() == StatusCode::UNAUTHORIZED
            && !response.headers().contains(WWW_AUTHENTICATE)
        {
            for challenge in &self.challenges {
                response
                    .headers_mut()
                    .append(WWW_AUTHENTICATE, challenge.clone());
            }
        }
    }
}

impl Clone for Auth {
    fn clone(&self) -> Self {
        Self {
            schemes: self.schemes.clone(),
            challenges: self.challenges.clone(),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("challenges", &self.challenges)
            .finish_non_exhaustive()
    }
}

/// A layer that asks for a scope, of a group of routes: 403 for users without it, 401 for nobody. Public routes are left
/// out. It stands inside [`Auth`] wherever that is ([`Place::Scope`]): in the same router, in one around it or in a group.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::auth::RequireScope;
///
/// let admin = Router::new().layer(RequireScope::new("admin")).delete("/everything", async || ());
/// # let _ = Router::new().nest("/admin", admin);
/// ```
#[derive(Clone, Debug)]
pub struct RequireScope(InsufficientScope);

impl RequireScope {
    /// Asks for this scope.
    pub fn new(scope: &str) -> Self {
        Self(InsufficientScope::new(scope))
    }
}

impl Layer for RequireScope {
    fn place(&self) -> Place {
        Place::Scope
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        match CurrentUser::of(request) {
            _ if request.is_public() => Before::Go,
            Some(user) if user.has_scope(self.0.scope()) => Before::Go,
            Some(_) => Before::Answer(self.0.clone().into_response()),
            None => Before::Answer(Refusal::missing().into_response()),
        }
    }
}

/// A challenge as a field value; one that cannot be is left out.
fn value(challenge: String) -> Option<HeaderValue> {
    HeaderValue::try_from(challenge).ok()
}
