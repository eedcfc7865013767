//! Who sends a request, once a layer has found out.

#[cfg(feature = "json")]
mod claims;

use crate::service::error::Error;
use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use http::{Extensions, HeaderValue, StatusCode};
use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The user whom [`Auth`](crate::layer::auth::Auth), or middleware of your own, has authenticated: an argument of handlers.
///
/// A WebSocket keeps the user it was opened by; when the user's deadline passes, it is closed with 4401. Without a user the
/// answer is 401; `Option<CurrentUser>` is for public routes. Cloning is cheap.
///
/// ```
/// use wireline::Router;
/// use wireline::service::user::CurrentUser;
///
/// async fn whoami(user: CurrentUser) -> String {
///     format!("{} ({})", user.name().unwrap_or("somebody"), user.id())
/// }
///
/// async fn home(user: Option<CurrentUser>) -> String {
///     user.map_or("sign in".to_owned(), |user| format!("hello, {}", user.id()))
/// }
/// assert!(Router::new().get("/me", whoami).get("/", home).build().is_ok());
/// ```
///
/// Middleware that authenticates by itself leaves one in the request:
///
/// ```
/// use wireline::service::user::CurrentUser;
/// use wireline::service::{middleware::Next, request::Request, response::Response};
///
/// async fn by_certificate(mut request: Request, next: Next) -> Response {
///     CurrentUser::new("the holder of the certificate").put_into(&mut request);
///     next.run(request).await
/// }
/// # let _ = wireline::Router::new().middleware(by_certificate);
/// ```
#[derive(Clone)]
pub struct CurrentUser(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    id: String,
    name: Option<String>,
    scopes: Vec<String>,
    deadline: Option<Instant>,
    details: Option<Arc<dyn Any + Send + Sync>>,
}

/// A request without a user: 401.
///
/// ```
/// use wireline::Router;
/// use wireline::service::user::CurrentUser;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // Nothing authenticates anybody here.
/// let routes = Router::new().get("/me", async |user: CurrentUser| user.id().to_owned()).build().unwrap();
/// assert_eq!(TestClient::new(routes).get("/me").await.status, 401);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoUser;

/// A user without a scope that is asked for: 403, with the challenge of RFC 6750 §3.1.
///
/// ```
/// use wireline::service::user::{CurrentUser, InsufficientScope};
///
/// async fn remove(user: CurrentUser) -> Result<&'static str, InsufficientScope> {
///     user.require_scope("books:write")?;
///     Ok("gone")
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let reader = CurrentUser::new("ada").with_scopes(["books:read"]);
/// assert_eq!(remove(reader).await.unwrap_err().scope(), "books:write");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsufficientScope {
    scope: String,
}

impl CurrentUser {
    /// A user with an id that never changes and belongs to nobody else.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            id: id.into(),
            name: None,
            scopes: Vec::new(),
            deadline: None,
            details: None,
        }))
    }

    /// The same user with a name for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).name = Some(name.into());
        self
    }

    /// The same user with these scopes: what the credentials are good for.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        Arc::make_mut(&mut self.0).scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The same user, for this long: WebSockets that are opened by then are closed when it has passed. What is longer than
    /// a clock can tell is for ever.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        Arc::make_mut(&mut self.0).deadline = Instant::now().checked_add(time);
        self
    }

    /// The same user with a value of yours, for [`details`](Self::details).
    #[must_use]
    pub fn with_details<T: Any + Send + Sync>(mut self, details: T) -> Self {
        Arc::make_mut(&mut self.0).details = Some(Arc::new(details));
        self
    }

    /// The id: of a JSON Web Token its `sub`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name, if there is one: of a JSON Web Token its `name`, else its `preferred_username`.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// What the credentials are good for: of a JSON Web Token the words of `scope`, or the list `scp`.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.scopes.iter().map(String::as_str)
    }

    /// Whether a scope is among them.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// Asks for a scope.
    ///
    /// # Errors
    ///
    /// [`InsufficientScope`], which answers 403 with a challenge, by itself and as an [`Error`].
    ///
    /// ```
    /// use wireline::Error;
    /// use wireline::service::user::CurrentUser;
    ///
    /// async fn delete_all(user: CurrentUser) -> Result<&'static str, Error> {
    ///     user.require_scope("admin")?;
    ///     Ok("all gone")
    /// }
    /// # let _ = wireline::Router::new().delete("/", delete_all);
    /// ```
    pub fn require_scope(&self, scope: &str) -> Result<(), InsufficientScope> {
        self.has_scope(scope)
            .then_some(())
            .ok_or_else(|| InsufficientScope {
                scope: scope.to_owned(),
            })
    }

    /// Until when the credentials are good; `None` is for ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// The value of that type that [`with_details`](Self::with_details) was given. Of a JSON Web Token it is a
    /// `serde_json::Value` with all claims.
    pub fn details<T: Any>(&self) -> Option<&T> {
        self.0.details.as_ref()?.downcast_ref()
    }

    /// Leaves the user in a request: for handlers, for what stands further in, and for the
    /// [access log](crate::layer::access_log::AccessLog), which stands outside and does not see what only lies in the extensions.
    ///
    /// ```
    /// use wireline::Request;
    /// use wireline::service::user::CurrentUser;
    ///
    /// let mut request = Request::get("/");
    /// CurrentUser::new("ada").put_into(&mut request);
    /// assert_eq!(CurrentUser::of(&request).map(CurrentUser::id), Some("ada"));
    /// ```
    pub fn put_into(self, parts: &mut Parts) {
        self.note(parts);
        parts.extensions_mut().insert(self);
    }

    /// Tells whoever wants to know outside.
    fn note(&self, parts: &Parts) {
        if let Some(slot) = parts.extensions().and_then(Extensions::get::<UserSlot>) {
            *slot.lock() = Some(self.clone());
        }
    }

    /// The user of a request, if a layer or middleware has left one.
    pub fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions()?.get()
    }
}

impl FromRequestParts for CurrentUser {
    type Rejection = NoUser;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoUser> {
        let user = Self::of(parts).cloned().ok_or(NoUser)?;
        user.note(parts);
        Ok(user)
    }
}

/// Where a layer that stands outside of authentication learns who it was. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct UserSlot(Arc<Mutex<Option<CurrentUser>>>);

impl UserSlot {
    /// That of a request.
    pub(crate) fn of(parts: &mut Parts) -> Self {
        let slot: &mut Self = parts.extensions_mut().get_or_insert_default();
        slot.clone()
    }

    /// The user who was found since.
    pub(crate) fn get(&self) -> Option<CurrentUser> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<CurrentUser>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CurrentUser {
    /// The id: the rest is for handlers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurrentUser({:?})", self.id())
    }
}

impl fmt::Display for NoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("authentication is required")
    }
}

impl std::error::Error for NoUser {}

impl From<NoUser> for Error {
    fn from(error: NoUser) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

impl IntoResponse for NoUser {
    /// The challenges are added by the layer that asks for authentication.
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

impl InsufficientScope {
    /// That this scope is asked for. Of its octets those count that a scope may have (RFC 6749 §3.3).
    pub fn new(scope: &str) -> Self {
        Self {
            scope: scope.to_owned(),
        }
    }

    /// The scope that is asked for.
    pub fn scope(&self) -> &str {
        &self.scope
    }
}

impl fmt::Display for InsufficientScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this takes the scope {}", self.scope)
    }
}

impl std::error::Error for InsufficientScope {}

impl From<InsufficientScope> for Error {
    /// With the challenge.
    fn from(error: InsufficientScope) -> Self {
        let plain = |character: &char| matches!(character, ' ' | '!' | '#'..='[' | ']'..='~');
        let scope: String = error.scope.chars().filter(plain).collect();
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        let refusal = Self::new(StatusCode::FORBIDDEN, error.to_string());
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => refusal.with_challenge(challenge),
            Err(_) => refusal,
        }
    }
}

impl IntoResponse for InsufficientScope {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
