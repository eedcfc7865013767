//! A small client of HTTP/1.1 over TCP or TLS, for what the library's own clients ask of a server: streams of events,
//! polls, posts. It keeps connections alive and follows no redirects; there are no proxies, cookies or compression.
//!
//! ```text
//!   request --> Client: an idle connection of that origin, else a new one --> head, content --> Response
//!                 ^                                                                               | its end
//!                 +------------------------------ idle connections <------------------------------+
//! ```

mod error;
mod fields;
mod idle;
mod response;
#[cfg(feature = "tls")]
mod tls;

pub use self::error::RequestError;
pub(crate) use self::fields::Fields;
pub use self::response::Response;

use crate::http1::client::address::{Address, Schemes};
use crate::http1::client::driver::idle::{Idle, Origin};
use crate::http1::client::driver::response::Exchange;
use crate::http1::client::{ResponseHead, ResponseReader};
use crate::resource::io::Io;
#[cfg(not(feature = "tls"))]
use crate::resource::no_trust::{Insecure, Trust};
#[cfg(feature = "tls")]
use crate::resource::trust::{Insecure, Trust};
use crate::service::headers::Headers;
use crate::wire::number;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Sends requests, over connections that it keeps. Cloning it gives another handle to the same connections.
///
/// ```no_run
/// use bytes::Bytes;
/// use wireline::http1::client::driver::{Client, RequestError};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new();
/// let request = http::Request::get("http://localhost:8000/orders?since=5").body(Bytes::new())?;
/// let mut response = client.send(request).await?;
/// assert_eq!(response.status(), 200);
/// println!("{:?}", response.content(64 * 1024).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    fields: Fields,
    trust: Trust,
    connect_timeout: Duration,
    response_timeout: Duration,
    silence: Duration,
    idle: Arc<Idle>,
}

impl Client {
    /// A client that waits 10 s for a connection, 10 s for the head of a response and 60 s for each piece of its content.
    pub fn new() -> Self {
        Self::from_parts(Fields::default(), Trust::default(), (TIMEOUT, TIMEOUT))
    }

    pub(crate) fn from_parts(
        fields: Fields,
        trust: Trust,
        (connect_timeout, response_timeout): (Duration, Duration),
    ) -> Self {
        Self {
            fields,
            trust,
            connect_timeout,
            response_timeout,
            silence: SILENCE,
            idle: Arc::default(),
        }
    }

    /// Adds a field line to every request. Those of framing and of the connection are not the caller's; one that cannot be
    /// sent makes requests fail with [`RequestError::Field`].
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.fields.add(name, value, is_ours);
        self
    }

    /// How long resolving the name and connecting may take. Default 10 s.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the handshake of TLS, sending the request and waiting for the head of the response may take together.
    /// Default 10 s; a server that makes its clients wait for events wants more.
    #[must_use]
    pub const fn response_timeout(mut self, limit: Duration) -> Self {
        self.response_timeout = limit;
        self
    }

    /// How long the server may be silent within the content of a response. Default 60 s.
    #[must_use]
    pub const fn silence_timeout(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    /// Sends a request to the `http` or `https` URL that it has, and waits for the head of the response; its content is read
    /// from [`Response`]. `https` needs the feature `tls`, and authorities to trust: those of the system with the feature
    /// `native-roots`, or the caller's.
    ///
    /// Content-Length is written for what the request carries. When a connection that was kept turns out to have ended
    /// before anything was answered, a request that may be repeated (RFC 9110 §9.2.2) is sent over a new one.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// [`RequestError`]. An answer of any status is none.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response, RequestError> {
        let address = Address::read(request.uri(), SCHEMES).map_err(RequestError::Url)?;
        let head = self.encode(&request, &address)?;
        let origin = Origin::of(&address);
        if let Some(io) = self.idle.take(&origin) {
            let exchange = self.exchange(io, Some(origin.clone()), request.method());
            let tried = self.ask(exchange, &head, &request, self.deadline()).await;
            match tried {
                Err(Failed { error, answered }) if may_repeat(&error, answered, &request) => {}
                tried => return tried.map_err(|failed| failed.error),
            }
        }
        let stream = connect(&address, self.connect_timeout)
            .await
            .ok_or(RequestError::ConnectTimeout)??;
        let deadline = self.deadline();
        let io = self.secure(stream.into(), &address, deadline).await?;
        let exchange = self.exchange(io, Some(origin), request.method());
        let asked = self.ask(exchange, &head, &request, deadline).await;
        asked.map_err(|failed| failed.error)
    }

    /// Sends a request over a transport that is connected already: a tunnel, or one in memory. When the URL's scheme is
    /// `https`, TLS is spoken over it. The connection is not kept.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub async fn send_over(
        &self,
        io: impl Into<Io>,
        request: Request<Bytes>,
    ) -> Result<Response, RequestError> {
        let address = Address::read(request.uri(), SCHEMES).map_err(RequestError::Url)?;
        let head = self.encode(&request, &address)?;
        let deadline = self.deadline();
        let io = self.secure(io.into(), &address, deadline).await?;
        let exchange = self.exchange(io, None, request.method());
        let asked = self.ask(exchange, &head, &request, deadline).await;
        asked.map_err(|failed| failed.error)
    }

    /// When the head of a response must be there that is asked for now.
    fn deadline(&self) -> Instant {
        Instant::now() + self.response_timeout
    }

    async fn secure(
        &self,
        io: Io,
        address: &Address,
        deadline: Instant,
    ) -> Result<Io, RequestError> {
        if !address.is_secure() {
            return Ok(io);
        }
        timeout_at(
            deadline,
            self.trust.secure(io, address.host(), Some(b"http/1.1")),
        )
        .await
        .map_err(|_| RequestError::ResponseTimeout)?
        .map_err(|error| match error {
            Insecure::Io(error) => RequestError::Io(error),
            Insecure::Tls(error) => RequestError::Tls(error),
        })
    }

    fn exchange(&self, io: Io, origin: Option<Origin>, method: &Method) -> Exchange {
        let keep = origin.map(|origin| (self.idle.clone(), origin));
        Exchange::new(io, ResponseReader::new(method), self.silence, keep)
    }

    async fn ask(
        &self,
        mut exchange: Exchange,
        head: &[u8],
        request: &Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, Failed> {
        let answered = timeout_at(deadline, async {
            // A server that refuses need not have read all of it: what it says counts.
            let sent = exchange.write(head, request.body()).await;
            match (exchange.head().await, sent) {
                (Ok(head), _) => Ok(head),
                (Err(RequestError::Io(_)), Err(error)) => Err(RequestError::Io(error)),
                (Err(error), _) => Err(error),
            }
        });
        match answered.await {
            Ok(Ok(head)) => Ok(Response::new(exchange, head)),
            Ok(Err(error)) => Err(Failed {
                error,
                answered: exchange.has_received(),
            }),
            Err(_) => Err(Failed {
                error: RequestError::ResponseTimeout,
                answered: true,
            }),
        }
    }

    fn encode(&self, request: &Request<Bytes>, address: &Address) -> Result<Vec<u8>, RequestError> {
        if let Some(what) = self.fields.unfit() {
            return Err(RequestError::Field(what.to_owned()));
        }
        if *request.method() == Method::CONNECT {
            return Err(RequestError::Url("CONNECT asks for no resource"));
        }
        if let Some(name) = request.headers().keys().find(|name| is_ours(name)) {
            return Err(RequestError::Field(name.as_str().to_owned()));
        }
        let line = format!("{} {} HTTP/1.1\r\n", request.method(), address.target());
        let mut head = line.into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        let own = self.fields.lines();
        // What a request says counts in place of what every request says.
        let own = own.filter(|(name, _)| !request.headers().contains_key(*name));
        let fields: Vec<_> = own.chain(request.headers()).collect();
        if !fields.iter().any(|(name, _)| *name == http::header::HOST) {
            line("host", address.authority().as_bytes());
        }
        let expects_content = matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        );
        if expects_content || !request.body().is_empty() {
            let mut length = Vec::new();
            number::push_decimal(&mut length, request.body().len() as u64);
            line("content-length", &length);
        }
        for (name, value) in fields {
            line(name.as_str(), value.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("silence_timeout", &self.silence)
            .finish_non_exhaustive()
    }
}

/// A request without an answer.
struct Failed {
    error: RequestError,
    /// Whether anything of an answer came.
    answered: bool,
}

/// RFC 9112 §9.3.1: only what is idempotent is repeated without being asked, and only when the connection ended.
fn may_repeat(error: &RequestError, answered: bool, request: &Request<Bytes>) -> bool {
    !answered && matches!(error, RequestError::Io(_)) && request.method().is_idempotent()
}

/// Connects over TCP; nothing if resolving the name and connecting take longer than that.
pub(crate) async fn connect(address: &Address, limit: Duration) -> Option<io::Result<TcpStream>> {
    let connecting = async {
        let stream = TcpStream::connect((address.host(), address.port())).await?;
        // What is small must not wait for the acknowledgement of what was sent before.
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    timeout(limit, connecting).await.ok()
}

/// The header section of a response.
pub(crate) fn headers(head: &ResponseHead) -> Headers {
    let mut headers = Headers::new();
    for line in head.fields() {
        let name = HeaderName::from_bytes(line.name());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line.value())) {
            headers.append(name, value);
        }
    }
    headers
}

/// Whether the client decides about this field.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "expect"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

const SCHEMES: Schemes = Schemes {
    plain: "http",
    secure: "https",
    wrong: "its scheme is not http or https",
};

/// The default of the first two deadlines.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The default of the third.
const SILENCE: Duration = Duration::from_secs(60);
