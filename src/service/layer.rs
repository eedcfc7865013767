//! Code before and after handlers that needs no future of its own.

use crate::service::request::Request;
use crate::service::response::Response;
use http::HeaderValue;
use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A pair of hooks around handlers: one sees each request, the other its response.
///
/// All layers of a route share one future, however many they are, so that a layer costs two calls; a
/// [`Middleware`](crate::service::middleware::Middleware), which may wait wherever it likes, costs a boxed future.
/// HTTP/1.1, HTTP/2 and requests that open a WebSocket pass the same layers.
///
/// Layers stand in the order of their [`Place`], whatever the order in which a router was given them; at the same place
/// those of the outer router come first. Middleware stands inside all layers.
///
/// ```
/// use wireline::router::Router;
/// use wireline::service::layer::{Before, Layer, Note};
/// use wireline::service::{request::Request, response::Response};
/// use http::StatusCode;
///
/// struct Maintenance;
///
/// impl Layer for Maintenance {
///     fn before(&self, request: &mut Request, _: &mut Note) -> Before {
///         if request.path().starts_with("/old/") {
///             return Before::Answer(Response::text("moving house").with_status(StatusCode::SERVICE_UNAVAILABLE));
///         }
///         Before::Go
///     }
///
///     fn after(&self, _: &mut Note, response: &mut Response) {
///         let _ = response.headers_mut().try_insert("x-served-by", "the new house");
///     }
/// }
///
/// let router = Router::new().layer(Maintenance).get("/", async || "hello").build().unwrap();
/// # let _ = router;
/// ```
pub trait Layer: Any + Send + Sync {
    /// Where it stands.
    fn place(&self) -> Place {
        Place::Inside
    }

    /// Whether it stands in for a layer of the same type of an outer router: one policy holds for a route, the nearest. Two
    /// of the type in one router are refused when it is built.
    fn replaces_outer(&self) -> bool {
        false
    }

    /// Looks, when the router is built, whether it can do what it was told: `build` lists what is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong, for the person who starts the server.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether [`within`](Self::within) does anything for the request with this note.
    fn surrounds(&self, note: &Note) -> bool {
        let _ = note;
        false
    }

    /// Sees the request. What it leaves in the note is its own, and is there for the other hooks of this request.
    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        let _ = (request, note);
        Before::Go
    }

    /// Sees the request once more after a [`Before::Wait`] that ended well.
    fn resume(&self, request: &mut Request, note: &mut Note) {
        let _ = (request, note);
    }

    /// Asked whenever the handler was polled and has no response yet; a response ends the handler.
    fn poll_instead(&self, note: &mut Note, cx: &mut Context<'_>) -> Poll<Response> {
        let _ = (note, cx);
        Poll::Pending
    }

    /// Surrounds each poll of what stands inside, for spans. It must call `poll` exactly once.
    fn within(&self, note: &Note, poll: &mut dyn FnMut()) {
        let _ = note;
        poll();
    }

    /// Sees the response: the handler's, or that of a layer further in which answered by itself.
    fn after(&self, note: &mut Note, response: &mut Response) {
        let _ = (note, response);
    }
}

/// How it goes on after [`Layer::before`].
///
/// ```
/// use http::StatusCode;
/// use wireline::service::layer::{Before, Layer, Note};
/// use wireline::test::TestClient;
/// use wireline::{Request, Response, Router};
///
/// /// Nobody writes while the house is moved.
/// struct ReadOnly;
///
/// impl Layer for ReadOnly {
///     fn before(&self, request: &mut Request, _: &mut Note) -> Before {
///         if request.method().is_safe() {
///             return Before::Go;
///         }
///         Before::Answer(Response::text("later").with_status(StatusCode::SERVICE_UNAVAILABLE))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().layer(ReadOnly).get("/", async || "hello").post("/", async || "thanks");
/// let client = TestClient::new(router.build().unwrap());
/// assert_eq!(client.get("/").await.text(), "hello");
/// assert_eq!(client.post("/").await.status, 503);
/// # });
/// ```
#[derive(Debug)]
pub enum Before {
    /// On to the next layer, or to the handler.
    Go,
    /// This is the response. The layers outside see it, those inside and this one do not.
    Answer(Response),
    /// First this, then on with [`Layer::resume`], or with its response.
    Wait(Waiting),
}

/// What a layer waits for: a note in place of its own, or a response.
///
/// Giving it up gives up the future inside: that happens when the client goes away meanwhile.
///
/// ```
/// use http::StatusCode;
/// use wireline::service::layer::{Before, Layer, Note, Waiting};
/// use wireline::{Request, Response, Router};
///
/// /// Asks somebody else whether the door is open.
/// struct Door;
///
/// impl Layer for Door {
///     fn before(&self, _: &mut Request, _: &mut Note) -> Before {
///         Before::Wait(Waiting::new(async {
///             if is_open().await {
///                 return Ok(Note::Empty);
///             }
///             Err(Response::text("closed").with_status(StatusCode::SERVICE_UNAVAILABLE))
///         }))
///     }
/// }
///
/// async fn is_open() -> bool {
///     false
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().layer(Door).get("/", async || "hello").build().unwrap();
/// assert_eq!(wireline::test::TestClient::new(routes).get("/").await.status, 503);
/// # });
/// ```
pub struct Waiting(Pin<Box<dyn Future<Output = Result<Note, Response>> + Send>>);

impl Waiting {
    /// Waits for this.
    pub fn new(until: impl Future<Output = Result<Note, Response>> + Send + 'static) -> Self {
        Self(Box::pin(until))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Note, Response>> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

/// What a layer remembers from a request to its response. All but the last come without an allocation.
///
/// ```
/// use wireline::service::layer::{Before, Layer, Note};
/// use wireline::{Request, Response, Router};
///
/// /// Says in a response which path it is for.
/// struct Echo;
///
/// impl Layer for Echo {
///     fn before(&self, request: &mut Request, note: &mut Note) -> Before {
///         *note = Note::any(request.path().to_owned());
///         Before::Go
///     }
///
///     fn after(&self, note: &mut Note, response: &mut Response) {
///         if let Some(path) = note.get::<String>() {
///             let _ = response.headers_mut().try_insert("x-path", path.as_str());
///         }
///     }
/// }
/// # let _ = Router::new().layer(Echo).build().unwrap();
/// ```
#[derive(Default)]
pub enum Note {
    /// Nothing.
    #[default]
    Empty,
    /// A number.
    Number(u64),
    /// Sixteen octets.
    Octets([u8; 16]),
    /// The value of a field.
    Value(HeaderValue),
    /// Anything else.
    Any(Box<dyn Any + Send>),
}

impl Note {
    /// A value of any type.
    pub fn any<T: Send + 'static>(value: T) -> Self {
        Self::Any(Box::new(value))
    }

    /// The value of that type, if [`any`](Self::any) was given one.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Any(value) => value.downcast_ref(),
            _ => None,
        }
    }

    /// The value of that type, if [`any`](Self::any) was given one.
    pub fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        match self {
            Self::Any(value) => value.downcast_mut(),
            _ => None,
        }
    }

    /// Takes the note, leaving an empty one.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Number(_) => "Number",
            Self::Octets(_) => "Octets",
            Self::Value(_) => "Value",
            Self::Any(_) => "Any",
        })
    }
}

/// Where a layer stands, from the outermost to the innermost.
///
/// The order is what makes them right: a refusal by a rate limit has to carry the fields of CORS, or a browser cannot
/// read it, and it has to have a request id, or nobody finds it in the log.
///
/// ```
/// use wireline::service::layer::{Layer, Place};
///
/// /// Runs after users are known, and before sessions are.
/// struct Quota;
///
/// impl Layer for Quota {
///     fn place(&self) -> Place {
///         Place::UserRateLimit
///     }
/// }
/// assert!(Quota.place() > Place::Auth && Quota.place() < Place::Session);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The request gets its id.
    RequestId,
    /// Its span begins.
    Trace,
    /// It is counted and timed.
    Metrics,
    /// It is written to the log.
    AccessLog,
    /// Security headers.
    Headers,
    /// CORS, which answers preflights: nothing further in sees them.
    Cors,
    /// Error pages: what is refused further in has them, too.
    ErrorPages,
    /// What pages of other sites send is refused.
    CrossSite,
    /// Load is shed.
    Shed,
    /// Rates are limited, by what is known before anyone is authenticated.
    RateLimit,
    /// Users are authenticated.
    Auth,
    /// It is asked what they may do.
    Scope,
    /// Rates are limited by user.
    UserRateLimit,
    /// Sessions.
    Session,
    /// Handlers get a deadline.
    TimeLimit,
    /// Responses are compressed, requests decompressed.
    Compression,
    /// Everything else.
    Inside,
}
