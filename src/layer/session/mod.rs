//! Sessions: what a site remembers of a browser from request to request.
//!
//! ```text
//!   cookie ──unseal──> [ store.load ] ──> Session in the request ──> handler
//!                                              │  changed, renewed, destroyed, or half of its time over?
//!   Set-Cookie <──seal── [ store.update ] <────┘
//! ```
//!
//! The content is in the cookie itself, encrypted ([`Sessions::in_cookie`]), or in a [`SessionStore`], and then the cookie
//! has an id that nobody can guess, encrypted as well. A session that a handler did not touch costs no `Set-Cookie`, and one that was
//! changed is in the store before the response leaves.

mod content;
mod error;
mod memory;
mod private;
mod record;
mod store;

pub use self::content::Session;
pub use self::error::SessionError;
pub use self::memory::MemoryStore;
pub use self::store::{SessionId, SessionStore, StoreError, Stored};

use crate::layer::session::content::Outcome;
use crate::layer::session::private::keep_private;
use crate::layer::session::record::Record;
use crate::service::cookie::{CookieBuilder, CookieError, Key, SameSite};
use crate::service::error::Error;
use crate::service::handler::ResponseFuture;
use crate::service::middleware::{Middleware, Next};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Middleware that gives every request a [`Session`].
///
/// The cookie is `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax`, for the path `/`. A session ends two weeks after it was used
/// last ([`lifetime`](Self::lifetime), [`fixed`](Self::fixed)).
///
/// It reads the session before the handler runs, also before a WebSocket is opened, and writes it when there is a response: what a
/// handler changes later, in a stream or in a WebSocket, is an error. Every request with the cookie asks the store, and is 503 when the
/// store fails: leave out those that need no session with [`exempt`](Self::exempt).
///
/// It is middleware, and so it stands inside all layers: [`Auth`](crate::layer::auth::Auth),
/// [`RequireScope`](crate::layer::auth::RequireScope) and
/// [`RateLimit::by_current_user`](crate::layer::rate_limit::RateLimit::by_current_user) run before there is a session and do not see its
/// user. Ask for scopes in the handler, with [`require_scope`](crate::service::user::CurrentUser::require_scope).
///
/// ```
/// use wireline::layer::session::{Session, SessionError, Sessions};
/// use wireline::service::cookie::Key;
/// use wireline::{Error, Router};
///
/// async fn count(session: Session) -> Result<String, Error> {
///     let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
///     session.insert("visits", visits)?;
///     Ok(format!("visit {visits}"))
/// }
///
/// let key = Key::new("an example: thirty-two octets or more").unwrap();
/// let routes = Router::new().middleware(Sessions::in_cookie(key)).get("/", count).build();
/// assert!(routes.is_ok());
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Policy>);

#[derive(Clone)]
struct Policy {
    key: Key,
    store: Option<Arc<dyn SessionStore>>,
    name: String,
    domain: Option<String>,
    same_site: SameSite,
    is_secure: bool,
    lifetime: Duration,
    slides: bool,
    exempt: Option<Exempt>,
}

/// Whether a request has no session.
type Exempt = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl Sessions {
    /// Sessions whose content is in the cookie, encrypted with this key: nothing is kept here.
    ///
    /// The content is at most [`IN_COOKIE`](Self::IN_COOKIE) octets of JSON. A browser can keep an old cookie: a session that was destroyed
    /// is good until its time is over for who has copied it, and what must not be turned back, such as a balance, does not belong
    /// into it. Where that matters, use a store.
    pub fn in_cookie(key: Key) -> Self {
        Self::new(key, None)
    }

    /// Sessions whose content is in a store; the cookie has their id, encrypted with this key.
    pub fn in_store(key: Key, store: impl SessionStore) -> Self {
        Self::new(key, Some(Arc::new(store)))
    }

    /// The most octets of a session in a cookie, as JSON.
    pub const IN_COOKIE: usize = 2800;

    /// The most octets of a session in a store, as JSON.
    pub const IN_STORE: usize = 64 * 1024;

    /// How long a session lives after it was used last, in whole seconds. Default two weeks; at least a second, at most 400 days.
    ///
    /// That a session was used is written, with a new cookie, when half of the time is over, and not with each request.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.with(|policy| {
            policy.lifetime = lifetime.clamp(Duration::from_secs(1), LONGEST);
        })
    }

    /// A session ends so long after it began, however much it is used.
    #[must_use]
    pub fn fixed(self) -> Self {
        self.with(|policy| policy.slides = false)
    }

    /// Requests of which the function says so have no session: their cookie is not opened and the store is not asked, so that they
    /// are answered while it is away. `Option<Session>` is `None` there, and `Session` is 500.
    ///
    /// ```
    /// use wireline::layer::session::{MemoryStore, Sessions};
    /// use wireline::service::cookie::{Key, KeyError};
    ///
    /// let key = Key::new("an example: thirty-two octets or more")?;
    /// let sessions = Sessions::in_store(key, MemoryStore::default())
    ///     .exempt(|request| request.path() == "/health" || request.path().starts_with("/static/"));
    /// # let _ = sessions;
    /// # Ok::<(), KeyError>(())
    /// ```
    #[must_use]
    pub fn exempt(self, exempt: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.with(|policy| policy.exempt = Some(Arc::new(exempt)))
    }

    /// The cookie's name, in place of `__Host-session`.
    ///
    /// # Errors
    ///
    /// [`CookieError`] when a cookie of this name cannot be set with the other attributes.
    pub fn cookie(self, name: &str) -> Result<Self, CookieError> {
        self.with(|policy| policy.name = name.to_owned()).checked()
    }

    /// Whether the cookie goes with requests from pages of other sites. Default `Lax`.
    ///
    /// # Errors
    ///
    /// As [`cookie`](Self::cookie): `None` takes a cookie that is `Secure`.
    pub fn same_site(self, same_site: SameSite) -> Result<Self, CookieError> {
        self.with(|policy| policy.same_site = same_site).checked()
    }

    /// The session is shared with all hosts under a domain. The cookie is `__Secure-session` then, unless it was given a name.
    ///
    /// # Errors
    ///
    /// As [`cookie`](Self::cookie).
    pub fn domain(self, domain: &str) -> Result<Self, CookieError> {
        self.with(|policy| {
            policy.domain = Some(domain.to_owned());
            if policy.name == HOST_NAME {
                policy.name = "__Secure-session".to_owned();
            }
        })
        .checked()
    }

    /// The cookie is sent without TLS, too, under the name `session` unless it was given one: for development on another host than
    /// `localhost`, whose cookies browsers take for `Secure`.
    ///
    /// # Errors
    ///
    /// As [`cookie`](Self::cookie): a name with a prefix, and `SameSite=None`, take a cookie that is `Secure`.
    pub fn insecure(self) -> Result<Self, CookieError> {
        self.with(|policy| {
            policy.is_secure = false;
            if policy.name == HOST_NAME {
                policy.name = "session".to_owned();
            }
        })
        .checked()
    }

    fn new(key: Key, store: Option<Arc<dyn SessionStore>>) -> Self {
        Self(Arc::new(Policy {
            key,
            store,
            name: HOST_NAME.to_owned(),
            domain: None,
            same_site: SameSite::Lax,
            is_secure: true,
            lifetime: Duration::from_secs(14 * 24 * 3600),
            slides: true,
            exempt: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn checked(self) -> Result<Self, CookieError> {
        let _ = self.0.shape("").build()?;
        Ok(self)
    }
}

impl Policy {
    /// The cookie with this value, and with the attributes that it always has.
    fn shape(&self, value: &str) -> CookieBuilder {
        let mut cookie = CookieBuilder::new(&self.name, value)
            .path("/")
            .http_only()
            .same_site(self.same_site);
        if self.is_secure {
            cookie = cookie.secure();
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        cookie
    }

    /// The cookie that keeps this text for so long.
    fn cookie(&self, text: &str, left: Duration) -> Result<HeaderValue, CookieError> {
        let sealed = self.key.seal(&self.name, text);
        self.shape(&sealed).max_age(left).try_into()
    }

    fn removal(&self) -> Result<HeaderValue, CookieError> {
        self.shape("").max_age(0).try_into()
    }

    /// What the request's cookie says, if it is ours.
    fn sealed(&self, parts: &Parts) -> Option<String> {
        let cookies = parts.cookies();
        let mut values = cookies.get_all(&self.name).take(MOST_TRIED);
        values.find_map(|value| self.key.unseal(&self.name, value))
    }

    /// The session of a request: the one it names, or a new one.
    async fn open(&self, parts: &Parts) -> Result<Session, StoreError> {
        let limit = match self.store {
            Some(_) => Sessions::IN_STORE,
            None => Sessions::IN_COOKIE,
        };
        let begin = || Session::begin(limit);
        let Some(text) = self.sealed(parts) else {
            return Ok(begin());
        };
        let Some(store) = &self.store else {
            let record = Record::read(text.as_bytes());
            return Ok(record.map_or_else(begin, |record| Session::kept(record, None, limit)));
        };
        // An id that the store does not have is not taken over: nobody gives a browser an id of his choice.
        let Some(id) = SessionId::read(&text) else {
            return Ok(begin());
        };
        let record = store.load(&id).await?;
        let record = record.and_then(|text| Record::read(&text));
        Ok(record.map_or_else(begin, |record| Session::kept(record, Some(id), limit)))
    }

    /// What a response has to say of the session, once it is where it belongs.
    async fn close(&self, session: &Session) -> Result<Option<HeaderValue>, Fault> {
        let closed = session.close(self.lifetime, self.slides);
        let left = closed.record.left();
        let text = match closed.outcome {
            Outcome::Keep => return Ok(None),
            Outcome::Destroy => {
                if let (Some(store), Some(id)) = (&self.store, &closed.id) {
                    store.remove(id).await?;
                }
                return Ok(Some(self.removal()?));
            }
            Outcome::Write { renew } => {
                let content = closed.record.write();
                match &self.store {
                    None => content,
                    Some(store) => {
                        let content = content.into_bytes();
                        match &closed.id {
                            Some(id) if !renew => {
                                // Another request has ended it meanwhile: it stays so, and the browser has been told.
                                if !store.update(id, content, left).await? {
                                    return Ok(None);
                                }
                                id.to_string()
                            }
                            old => {
                                let id = SessionId::random().ok_or(Fault::Random)?;
                                store.insert(&id, content, left).await?;
                                // It goes last: a fault on the way leaves the browser a session that works.
                                if let Some(old) = old {
                                    store.remove(old).await?;
                                }
                                id.to_string()
                            }
                        }
                    }
                }
            }
        };
        Ok(Some(self.cookie(&text, left)?))
    }

    async fn run(&self, mut request: Request, next: Next) -> Response {
        let session = match self.open(&request).await {
            Ok(session) => session,
            Err(error) => return Fault::from(error).into_response(),
        };
        request.extensions_mut().insert(session.clone());
        let unclosed = Unclosed {
            store: self.store.clone(),
            session,
        };
        let mut response = next.run(request).await;
        let closed = self.close(&unclosed.session).await;
        unclosed.end();
        match closed {
            Ok(None) => {}
            Ok(Some(cookie)) => {
                let headers = response.headers_mut();
                headers.append(SET_COOKIE, cookie);
                keep_private(headers);
            }
            Err(fault) => return fault.into_response(),
        }
        response
    }
}

impl Middleware for Sessions {
    fn handle(&self, request: Request, next: Next) -> ResponseFuture {
        let is_exempt = (self.0.exempt.as_ref()).is_some_and(|exempt| exempt(&request));
        if is_exempt {
            return Box::pin(next.run(request));
        }
        let policy = self.0.clone();
        Box::pin(async move { policy.run(request, next).await })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.name)
            .field("lifetime", &self.0.lifetime)
            .finish_non_exhaustive()
    }
}

/// A session whose response is not there yet, and may never be.
struct Unclosed {
    store: Option<Arc<dyn SessionStore>>,
    session: Session,
}

impl Unclosed {
    /// The store knows what has become of it, or has said that it cannot.
    fn end(mut self) {
        self.store = None;
    }
}

impl Drop for Unclosed {
    /// The handler panicked, took too long, or its client is gone: what it has destroyed is forgotten all the same.
    fn drop(&mut self) {
        if let Some(store) = self.store.take()
            && let Some(id) = self.session.left()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { timeout(LONGEST_REMOVAL, store.remove(&id)).await });
        }
    }
}

/// Why a session could not be read or written.
enum Fault {
    Store(StoreError),
    Cookie(CookieError),
    Random,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CookieError> for Fault {
    fn from(error: CookieError) -> Self {
        Self::Cookie(error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Store(error) => Error::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "sessions are not available, try again later",
            )
            .with_source(error)
            .into_response()
            .with_header(RETRY_AFTER, HeaderValue::from_static("5")),
            Self::Cookie(error) => error.into_response(),
            Self::Random => Response::internal_error(),
        }
    }
}

const HOST_NAME: &str = "__Host-session";

const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// How long a store may take to forget a session when nobody waits for it.
const LONGEST_REMOVAL: Duration = Duration::from_secs(10);

/// Cookies of one name that are tried: each costs a decryption for every secret.
const MOST_TRIED: usize = 4;
