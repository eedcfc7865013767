//! The relay over HTTP, for programs: publish, see who is there, disconnect.
//!
//! ```text
//!   request ──> keys, or who is on the same machine ──> done once (Idempotency-Key) ──> writing ──> Relay
//!                                                  └──> reading ─────────────────────────────────> Relay
//! ```

mod answer;
mod keys;
mod reading;
mod repeats;
mod writing;

use self::answer::{Answer, wrong};
use self::keys::{Keys, SameMachine};
use self::reading::Read;
use self::repeats::{OtherContent, Repeats};
use self::writing::Act;
use crate::layer::auth::Auth;
use crate::layer::error_pages::ErrorPages;
use crate::relay::endpoint::Relay;
use crate::router::Router;
use crate::service::error::Error;
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use crate::service::user::CurrentUser;
use bytes::Bytes;
use http::StatusCode;
use std::fmt;
use std::future::ready;
use std::sync::Arc;

/// A relay over HTTP: what [`Relay`] can do, as requests and answers in JSON, for programs in any language. Mount its
/// [`router`](Self::router) where it is to be.
///
/// Whoever has a [`key`](Self::key) may use it. Without keys, only programs on the same machine may, and of the pages that are
/// open there only those of the server's own origin: a request from elsewhere, or that a proxy has passed on, is 403, and so is
/// one whose `Host` is no name of this machine, which keeps out pages whose name was made to lead here (DNS rebinding).
///
/// | request | |
/// |---|---|
/// | `POST /publish`, `/broadcast`, `/push_to_user` | an event to a topic, to up to 1,000, to a user; event and payload have 64 KiB at most, else 413 |
/// | `GET /presence`, `/history` | who is present, what is kept; of a topic that is not there nobody and nothing |
/// | `GET /topics`, `/connections`, `/stats` | what there is; `limit` is 100 unless said otherwise, and 1,000 at most; `?topic=` and `?user=` ask all nodes |
/// | `POST /subscribe`, `/unsubscribe`, `/disconnect` | what becomes of a connection, or of all of a user's |
///
/// Errors are problem details (RFC 9457). A `POST` with an `Idempotency-Key` of up to 255 octets is done once in five minutes: a
/// repetition is answered as the first one was, and the same key with other content is 422. The newest 4,096 answers are
/// remembered, up to 8 MiB of them.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::{Relay, RelayApi, RelayConfig};
///
/// let relay = Relay::new(RelayConfig::default());
/// let api = RelayApi::new(&relay).key("billing", "uhBq5FgQH2Y4sT0nWcJ7");
/// let routes = Router::new().relay(&relay).nest("/api", api.router()).build();
/// assert!(routes.is_ok());
/// ```
#[must_use = "it is there once its router is mounted"]
pub struct RelayApi {
    relay: Relay,
    keys: Keys,
    auth: Option<Auth>,
}

impl RelayApi {
    /// That of a relay, without keys.
    pub fn new(relay: &Relay) -> Self {
        Self {
            relay: relay.clone(),
            keys: Keys::default(),
            auth: None,
        }
    }

    /// A program may use it that has this key: `Authorization: Bearer KEY`, or `X-API-Key: KEY`. From the first key on nobody may
    /// without one. [`build`](Router::build) refuses a key of fewer than 16 octets; make one with `openssl rand -base64 24`.
    pub fn key(mut self, program: &str, key: &str) -> Self {
        self.keys.add(program, key);
        self
    }

    /// Whom this layer lets in may use it, in place of who has a key.
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::layer::auth::{Auth, Bearer, Refusal};
    /// use wireline::relay::{Relay, RelayApi};
    /// use wireline::service::user::CurrentUser;
    ///
    /// let bearer = Bearer::by(async |token: String| match token.as_str() {
    ///     "open-sesame" => Ok(CurrentUser::new("ali")),
    ///     _ => Err(Refusal::invalid("nobody has this token")),
    /// });
    /// let api = RelayApi::new(&Relay::default()).auth(Auth::new(bearer));
    /// assert!(Router::new().nest("/api", api.router()).build().is_ok());
    /// ```
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Its routes, without a prefix.
    pub fn router(self) -> Router {
        let api = Api(Arc::new(Inner {
            relay: self.relay,
            repeats: Repeats::default(),
        }));
        let routes = Router::new()
            .layer(ErrorPages::problems())
            .max_body(LARGEST);
        let routes = match self.auth {
            Some(auth) => routes.layer(auth),
            None if self.keys.is_empty() => routes.layer(SameMachine),
            None => routes.layer(Auth::new(self.keys)),
        };
        let routes = api.post::<writing::Publish>(routes, "/publish");
        let routes = api.post::<writing::Broadcast>(routes, "/broadcast");
        let routes = api.post::<writing::PushToUser>(routes, "/push_to_user");
        let routes = api.post::<writing::Subscribe>(routes, "/subscribe");
        let routes = api.post::<writing::Unsubscribe>(routes, "/unsubscribe");
        let routes = api.post::<writing::Disconnect>(routes, "/disconnect");
        let questions: [(&str, Read); 5] = [
            ("/presence", |relay, parts| {
                Box::pin(ready(reading::presence(relay, parts)))
            }),
            ("/stats", |relay, _| Box::pin(ready(reading::stats(relay)))),
            // Other nodes may be asked for these.
            ("/history", |relay, parts| {
                Box::pin(reading::history(relay, parts))
            }),
            ("/topics", |relay, parts| {
                Box::pin(reading::topics(relay, parts))
            }),
            ("/connections", |relay, parts| {
                Box::pin(reading::connections(relay, parts))
            }),
        ];
        let get = |routes, (path, read)| api.get(routes, path, read);
        questions.into_iter().fold(routes, get)
    }
}

impl fmt::Debug for RelayApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayApi")
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}

/// What its handlers have.
#[derive(Clone)]
struct Api(Arc<Inner>);

struct Inner {
    relay: Relay,
    repeats: Repeats,
}

impl Api {
    fn get(&self, routes: Router, path: &str, read: Read) -> Router {
        let api = self.clone();
        routes.get(path, move |request: Request| {
            let api = api.clone();
            async move {
                let answer = read(&api.0.relay, &request).await;
                answer.unwrap_or_else(Answer::from)
            }
        })
    }

    fn post<T: Act>(&self, routes: Router, path: &str) -> Router {
        let api = self.clone();
        routes.post(path, move |request: Request| {
            let api = api.clone();
            async move { api.act::<T>(request).await }
        })
    }

    async fn act<T: Act>(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let key = match key_of(&parts) {
            Ok(key) => key,
            Err(error) => return Answer::from(error).into_response(),
        };
        let content = match body.collect().await {
            Ok(content) => content,
            Err(error) => return Answer::from(Error::from(error)).into_response(),
        };
        let act = || self.done::<T>(&content);
        let answer = match key {
            Some(key) => self.0.repeats.once(&key, &content, act).await,
            None => Ok(act().await),
        };
        answer
            .unwrap_or_else(|OtherContent| {
                let detail = "this Idempotency-Key came with other content";
                Error::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into()
            })
            .into_response()
    }

    async fn done<T: Act>(&self, content: &Bytes) -> Answer {
        let done = match serde_json::from_slice::<T>(content) {
            Ok(asked) => asked.act(self.0.relay.clone()).await,
            Err(error) => Err(wrong(error.to_string())),
        };
        done.unwrap_or_else(Answer::from)
    }
}

/// What tells a request from others that are not its repetitions: each program's keys are its own, for each path.
fn key_of(parts: &Parts) -> Result<Option<String>, Error> {
    let mut fields = parts.headers().get_all(IDEMPOTENCY_KEY);
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    let text = field
        .to_str()
        .ok()
        .filter(|text| (1..=255).contains(&text.len()));
    match text.filter(|_| fields.next().is_none()) {
        Some(text) => {
            let program = CurrentUser::of(parts).map_or("", CurrentUser::id);
            Ok(Some(format!("{program}\n{}\n{text}", parts.path())))
        }
        None => Err(wrong(
            "Idempotency-Key is one field of 1 to 255 visible characters",
        )),
    }
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The content of any request: 1,000 names of topics and the longest payload, with room for escapes.
const LARGEST: u64 = 512 << 10;
