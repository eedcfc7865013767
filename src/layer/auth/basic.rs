//! Names and passwords (RFC 7617).

use crate::layer::auth::digest::Digest;
use crate::layer::auth::refusal::{Refusal, quotable};
use crate::layer::auth::scheme::{Scheme, Verdict, Verifying};
use crate::service::bearer::authorization;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use std::fmt;

/// `Authorization: Basic`: browsers ask their user for a name and a password, and send both with every request. Only over
/// TLS.
///
/// The users are a fixed list, or a function of yours tells. Of the list only SHA-256 digests are kept, and all of them are
/// compared, in a time that does not depend on which fits: that is for a few operators with generated passwords. For
/// passwords that people choose, give a function that asks a slow hash (argon2, scrypt) on a thread of its own.
///
/// ```
/// use wireline::layer::auth::{Auth, Basic};
///
/// let auth = Auth::new(Basic::new("the machine room").user("ada", "wJ7hB2kQ9xT4"));
/// # let _ = auth;
/// ```
pub struct Basic {
    realm: String,
    users: Vec<(Digest, CurrentUser)>,
    verify: Option<Box<Verify>>,
    problem: Option<String>,
}

/// A function of a name and a password.
type Verify = dyn Fn(String, String) -> Verifying + Send + Sync;

impl Basic {
    /// Nobody, in this realm, which browsers show.
    pub fn new(realm: &str) -> Self {
        Self {
            realm: quotable(realm),
            users: Vec::new(),
            verify: None,
            problem: None,
        }
    }

    /// Adds a user, whose name is the id and the name of the [`CurrentUser`].
    ///
    /// [`Router::build`](crate::router::Router::build) refuses an empty password, as of a variable that was not set; a name with a colon,
    /// which ends it on the wire; and control characters in either.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        if password.is_empty() {
            self.problem = Some(format!("the password of {name:?} is empty"));
        } else if name.contains(':') || !is_plain(name) || !is_plain(password) {
            self.problem = Some(format!(
                "nobody can send the name or the password of {name:?}: a name has no colon, and neither has control characters"
            ));
        }
        self.users.push((
            Digest::of(&[name.as_bytes(), password.as_bytes()]),
            CurrentUser::new(name).with_name(name),
        ));
        self
    }

    /// Asks an async function about every name and password that is not on the list; `None` is nobody.
    ///
    /// ```
    /// use wireline::layer::auth::Basic;
    /// use wireline::service::user::CurrentUser;
    ///
    /// let basic = Basic::new("the club").verify(async |name: String, password: String| {
    ///     (name == "ada" && password == "swordfish").then(|| CurrentUser::new(name))
    /// });
    /// # let _ = basic;
    /// ```
    #[must_use]
    pub fn verify<F, Fut>(mut self, function: F) -> Self
    where
        F: Fn(String, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<CurrentUser>> + Send + 'static,
    {
        self.verify = Some(Box::new(move |name, password| {
            let user = function(name, password);
            Verifying::new(async move { user.await.ok_or_else(refused) })
        }));
        self
    }
}

impl Scheme for Basic {
    fn look(&self, parts: &Parts) -> Verdict {
        if parts.headers().get_all(AUTHORIZATION).nth(1).is_some() {
            return Verdict::Refused(Refusal::invalid("there is more than one Authorization"));
        }
        let Some(found) = authorization(parts, "Basic") else {
            return Verdict::Absent;
        };
        let Some((name, password)) = credentials(found) else {
            return Verdict::Refused(Refusal::invalid("the credentials are malformed"));
        };
        let digest = Digest::of(&[name.as_bytes(), password.as_bytes()]);
        let place = digest.find(self.users.iter().map(|(digest, _)| digest));
        match (place.and_then(|place| self.users.get(place)), &self.verify) {
            (Some((_, user)), _) => Verdict::User(user.clone()),
            (None, Some(verify)) => Verdict::Wait(verify(name, password)),
            (None, None) => Verdict::Refused(refused()),
        }
    }

    fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
        Some(format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm))
    }

    fn check(&self) -> Result<(), String> {
        (self.problem.as_ref()).map_or(Ok(()), |what| Err(format!("basic authentication: {what}")))
    }
}

impl fmt::Debug for Basic {
    /// The users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("realm", &self.realm)
            .field(
                "users",
                &self.users.iter().map(|(_, user)| user).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

/// A name without a colon, and a password, neither with control characters (RFC 7617 §2).
fn credentials(encoded: &[u8]) -> Option<(String, String)> {
    if encoded.len() > LONGEST {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    let plain = !text.chars().any(char::is_control);
    plain.then(|| (name.to_owned(), password.to_owned()))
}

fn refused() -> Refusal {
    Refusal::invalid("name or password is wrong")
}

/// Octets of encoded credentials.
const LONGEST: usize = 4 * 1024;
