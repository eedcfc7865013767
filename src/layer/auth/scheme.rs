//! What a way to authenticate has to do.

use crate::layer::auth::refusal::Refusal;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use std::fmt;
use std::pin::Pin;

/// A way to authenticate, for [`Auth`](crate::layer::auth::Auth). It sees the head of each request, before any content is read
/// by a handler.
///
/// ```
/// use wireline::layer::auth::{Auth, Refusal, Scheme, Verdict};
/// use wireline::service::request::Parts;
/// use wireline::service::user::CurrentUser;
///
/// struct Ticket;
///
/// impl Scheme for Ticket {
///     fn look(&self, parts: &Parts) -> Verdict {
///         match parts.header("x-ticket").map(|ticket| ticket.as_bytes()) {
///             None => Verdict::Absent,
///             Some(b"golden") => Verdict::User(CurrentUser::new("charlie")),
///             Some(_) => Verdict::Refused(Refusal::invalid("not a golden ticket")),
///         }
///     }
///
///     fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
///         Some("Ticket".to_owned())
///     }
/// }
/// let auth = Auth::new(Ticket);
/// # let _ = auth;
/// ```
pub trait Scheme: Send + Sync + 'static {
    /// Looks for its credentials, and judges them.
    fn look(&self, parts: &Parts) -> Verdict;

    /// What stands in `WWW-Authenticate`, when a request had no good credentials (RFC 9110 §11.6.1); with the refusal when
    /// those of this scheme were refused. `None` leaves it out.
    fn challenge(&self, refusal: Option<&Refusal>) -> Option<String>;

    /// Looks, when the router is built, whether it can do what it was told: `build` lists what is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong, for the person who starts the server.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What a [`Scheme`] found.
///
/// ```
/// use wireline::layer::auth::{Refusal, Scheme, Verdict};
/// use wireline::service::request::Parts;
/// use wireline::service::user::CurrentUser;
///
/// /// Whoever has a certificate that the TLS handshake took.
/// struct Certificate;
///
/// impl Scheme for Certificate {
///     fn look(&self, parts: &Parts) -> Verdict {
///         match parts.tls().map(|tls| tls.peer_certificates().len()) {
///             None => Verdict::Refused(Refusal::forbidden("this is served over TLS only")),
///             Some(0) => Verdict::Absent,
///             Some(_) => Verdict::User(CurrentUser::new("partner")),
///         }
///     }
///
///     fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
///         None
///     }
/// }
///
/// let request = wireline::Request::get("/");
/// assert!(matches!(Certificate.look(&request), Verdict::Refused(_)));
/// ```
#[derive(Debug)]
pub enum Verdict {
    /// No credentials of its kind.
    Absent,
    /// This user.
    User(CurrentUser),
    /// Credentials that are not good.
    Refused(Refusal),
    /// It takes a while to tell: the user, why the credentials are not good, or [`Refusal::missing`], which is as
    /// `Absent`. Meanwhile the schemes behind this one have had a look, too.
    Wait(Verifying),
}

/// A verdict to come.
///
/// ```
/// use wireline::layer::auth::{Refusal, Verdict, VerifyToken, Verifying};
/// use wireline::service::user::CurrentUser;
///
/// /// Asks somebody else, who has five seconds.
/// struct Remote;
///
/// impl VerifyToken for Remote {
///     fn verify(&self, token: &str) -> Verdict {
///         let asked = ask(token.to_owned());
///         Verdict::Wait(Verifying::new(async move {
///             let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
///             answer.unwrap_or_else(|_| Err(Refusal::unavailable()))
///         }))
///     }
/// }
///
/// async fn ask(token: String) -> Result<CurrentUser, Refusal> {
///     if token == "golden" { Ok(CurrentUser::new("charlie")) } else { Err(Refusal::missing()) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let Verdict::Wait(verdict) = Remote.verify("golden") else { panic!("it takes a while") };
/// assert_eq!(verdict.await.unwrap().id(), "charlie");
/// # });
/// ```
pub struct Verifying(Pin<Box<dyn Future<Output = Result<CurrentUser, Refusal>> + Send>>);

impl Verifying {
    /// Waits for this. How long is up to you: a request waits until it is over, or until its client is gone.
    pub fn new(
        verdict: impl Future<Output = Result<CurrentUser, Refusal>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(verdict))
    }
}

impl Future for Verifying {
    type Output = Result<CurrentUser, Refusal>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Verifying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifying")
    }
}

/// A scheme that is an async function of yours: of the head of a request it makes a future that gives the user, `None`
/// where there are no credentials of its kind, or a refusal.
///
/// ```
/// use wireline::layer::auth::{Auth, Refusal, by};
/// use wireline::service::request::Parts;
/// use wireline::service::user::CurrentUser;
///
/// let by_ticket = by(|parts: &Parts| {
///     let ticket = parts.header("x-ticket").map(|ticket| ticket.as_bytes().to_vec());
///     async move {
///         match ticket.as_deref() {
///             None => Ok(None),
///             Some(b"golden") => Ok(Some(CurrentUser::new("charlie"))),
///             Some(_) => Err(Refusal::invalid("not a golden ticket")),
///         }
///     }
/// });
/// let auth = Auth::new(by_ticket);
/// # let _ = auth;
/// ```
pub fn by<F, Fut>(function: F) -> impl Scheme
where
    F: Fn(&Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<CurrentUser>, Refusal>> + Send + 'static,
{
    struct By<F>(F);

    impl<F, Fut> Scheme for By<F>
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<CurrentUser>, Refusal>> + Send + 'static,
    {
        fn look(&self, parts: &Parts) -> Verdict {
            let found = (self.0)(parts);
            Verdict::Wait(Verifying::new(async move {
                found.await?.ok_or_else(Refusal::missing)
            }))
        }

        fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
            None
        }
    }

    By(function)
}
