//! The WebSocket client (RFC 6455 §4.1).
//!
//! ```text
//!   url --> address --> TCP, Unix, or any transport, and TLS for wss --> request --> answer (head, or the refusal's content)
//!                                                                                      |
//!                                                      WebSocket + its keeper's task <-+  handshake::client confirms it
//! ```
//!
//! A server's sockets are driven by their connections; a client's has a small task of its own, the keeper,
//! spawned on the runtime that connects. Receiving and sending happen in the caller's task, without a detour:
//! [`send`](WebSocket::send) writes before it returns, as far as the transport takes it. The keeper sleeps
//! until a deadline or until it is needed: it sends pings, ends silent and stalled connections, writes what
//! the transport did not take at once, answers pings and Close frames when nobody receives, and closes with
//! 1000 once every half was dropped.

mod answer;
mod error;
mod random;
#[cfg(feature = "tls")]
mod tls;

pub use self::error::{ConnectError, Refused};

use crate::http1::client::address::{Address, Schemes};
use crate::http1::client::driver::{self as http_client, Fields, headers};
use crate::http1::client::{ResponseHead, ResponseReader};
use crate::resource::io::Io;
#[cfg(not(feature = "tls"))]
use crate::resource::no_trust::{Insecure, Trust};
#[cfg(feature = "tls")]
use crate::resource::trust::{Insecure, Trust};
use crate::wire::grammar;
use crate::ws::connection::Connection;
use crate::ws::deflate;
use crate::ws::handshake::client::Request;
use crate::ws::mask::MaskingKey;
use crate::ws::socket::WebSocket;
use crate::ws::socket::config::Config;
use bytes::BytesMut;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};

/// What a client asks for and how long it waits; connects as often as it is told to.
///
/// ```no_run
/// use wireline::ws::client::{Client, ConnectError};
///
/// async fn hello() -> Result<(), ConnectError> {
///     let client = Client::new().header("authorization", "Bearer 5a1e").protocols(["chat"]);
///     let mut socket = client.connect("ws://localhost:8000/rooms/1?since=5").await?;
///     let _ = socket.send("Hello!").await;
///     while let Some(Ok(message)) = socket.recv().await {
///         println!("{message:?}");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    /// They know of a subprotocol that cannot be sent as well.
    fields: Fields,
    protocols: Vec<String>,
    deflate: Option<deflate::Config>,
    config: Arc<Config>,
    trust: Trust,
    connect_timeout: Duration,
    handshake_timeout: Duration,
}

/// Opens a WebSocket with the defaults, as [`Client::connect`].
///
/// Dropping the future drops the connection.
///
/// ```no_run
/// async fn hello() -> Result<(), wireline::ws::client::ConnectError> {
///     let mut socket = wireline::ws::client::connect("ws://localhost:8000/echo").await?;
///     let _ = socket.send("Hello!").await;
///     println!("{:?}", socket.recv_msg().await);
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// As there.
pub async fn connect(url: &str) -> Result<WebSocket, ConnectError> {
    Client::new().connect(url).await
}

impl Client {
    /// A client that offers nothing and waits 10 s for a connection and 10 s for the answer.
    pub fn new() -> Self {
        Self {
            fields: Fields::default(),
            protocols: Vec::new(),
            deflate: None,
            config: Arc::new(Config::default()),
            trust: Trust::default(),
            connect_timeout: TIMEOUT,
            handshake_timeout: TIMEOUT,
        }
    }

    /// Adds a field line to the request: Origin, Authorization, Cookie, or Host in place of the URL's. The
    /// fields of the handshake itself, and of content, are not the caller's; one that cannot be sent makes
    /// connecting fail with [`ConnectError::Field`].
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.fields.add(name, value, is_ours);
        self
    }

    /// Offers subprotocols, the preferred one first. One that is no token, or repeated, makes connecting
    /// fail with [`ConnectError::Field`]. Default none.
    #[must_use]
    pub fn protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        for name in names.into_iter().map(Into::into) {
            let is_token = !name.is_empty() && name.bytes().all(grammar::is_token);
            if !is_token || self.protocols.contains(&name) {
                self.fields.refuse("sec-websocket-protocol");
            } else {
                self.protocols.push(name);
            }
        }
        self
    }

    /// Offers permessage-deflate, whose configuration can be made with the feature `ws-deflate` only. Default no.
    #[must_use]
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Limits, deadlines and queues of the sockets. Default [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// How long resolving the name and connecting may take. Default 10 s.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the opening handshake may take once there is a connection, that of TLS before it. Default 10 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// A client of HTTP that waits and trusts as this one does, and sends its fields.
    ///
    /// ```
    /// use wireline::ws::client::Client;
    ///
    /// let requests = Client::new().header("authorization", "Bearer 5a1e").http();
    /// # let _ = requests;
    /// ```
    pub fn http(&self) -> http_client::Client {
        http_client::Client::from_parts(
            self.fields.clone(),
            self.trust.clone(),
            (self.connect_timeout, self.handshake_timeout),
        )
    }

    /// Opens a WebSocket at `ws://host:port/path?query`, over TCP, or at `wss://host:port/path?query`, over TLS. The
    /// port is 80 or 443 when there is none. `wss` needs the feature `tls`, and authorities to trust: those of the
    /// system with the feature `native-roots`, or the caller's.
    ///
    /// Redirects are not followed; they are answers that refuse. Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn connect(&self, url: &str) -> Result<WebSocket, ConnectError> {
        let opened = self.connect_with(url, &[]).await?;
        Ok(opened.0)
    }

    /// Opens a WebSocket over a Unix domain socket at `path`; the URL says the rest.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn connect_unix(
        &self,
        path: impl AsRef<Path>,
        url: &str,
    ) -> Result<WebSocket, ConnectError> {
        let address = address(url)?;
        let stream = timeout(self.connect_timeout, UnixStream::connect(path))
            .await
            .map_err(|_| ConnectError::ConnectTimeout)??;
        let opened = self.open(stream.into(), &address, &[]).await?;
        Ok(opened.0)
    }

    /// Opens a WebSocket over a transport that is connected already: a tunnel, or one in memory. When the URL's scheme
    /// is `wss`, TLS is spoken over it.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub async fn connect_over(
        &self,
        io: impl Into<Io>,
        url: &str,
    ) -> Result<WebSocket, ConnectError> {
        let opened = self.open(io.into(), &address(url)?, &[]).await?;
        Ok(opened.0)
    }

    /// As [`connect`](Self::connect), with fields in place of those of the same name, and with what the answer says.
    pub(crate) async fn connect_with(
        &self,
        url: &str,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Result<(WebSocket, ResponseHead), ConnectError> {
        let address = address(url)?;
        let stream = http_client::connect(&address, self.connect_timeout)
            .await
            .ok_or(ConnectError::ConnectTimeout)??;
        self.open(stream.into(), &address, fields).await
    }

    /// The values of a field that every request has.
    pub(crate) fn values<'a>(
        &'a self,
        name: &'a HeaderName,
    ) -> impl Iterator<Item = &'a HeaderValue> {
        let lines = self.fields.lines();
        lines.filter_map(move |(own, value)| (own == name).then_some(value))
    }

    async fn open(
        &self,
        io: Io,
        address: &Address,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Result<(WebSocket, ResponseHead), ConnectError> {
        if let Some(what) = self.fields.unfit() {
            return Err(ConnectError::Field(what.to_owned()));
        }
        let request = Request::new(random::take()?).protocols(self.protocols.iter().cloned());
        let deflate = self.deflate.iter().cloned();
        let request = deflate.fold(request, Request::deflate);
        let deadline = Instant::now() + self.handshake_timeout;
        let mut io = if address.is_secure() {
            timeout_at(
                deadline,
                self.trust.secure(io, address.host(), Some(b"http/1.1")),
            )
            .await
            .map_err(|_| ConnectError::HandshakeTimeout)?
            .map_err(|error| match error {
                Insecure::Io(error) => error.into(),
                Insecure::Tls(error) => ConnectError::Tls(error),
            })?
        } else {
            io
        };
        let mut buf = BytesMut::with_capacity(READ);
        let mut reader = ResponseReader::new(&Method::GET).may_upgrade();
        let head = timeout_at(deadline, async {
            io.write_all(&self.encode(&request, address, fields))
                .await?;
            io.flush().await?;
            answer::head(&mut io, &mut buf, &mut reader).await
        })
        .await
        .map_err(|_| ConnectError::HandshakeTimeout)??;

        if head.status() != StatusCode::SWITCHING_PROTOCOLS {
            let mut content = Vec::new();
            // What has come until then is better than nothing.
            let _ = timeout_at(
                deadline,
                answer::content(&mut io, &mut buf, &mut reader, &mut content),
            )
            .await;
            return Err(ConnectError::Refused(Box::new(Refused {
                status: head.status(),
                headers: headers(&head),
                content: content.into(),
            })));
        }
        let said = head.fields().map(|line| (line.name(), line.value()));
        let opened = request.confirm(head.status(), said)?;
        let keys = Box::new(|| MaskingKey::new(random::key()));
        let socket = WebSocket::keep(
            io,
            &buf,
            Connection::client(keys, opened.deflate.as_ref()),
            opened.protocol,
            self.config.clone(),
        );
        Ok((socket, head))
    }

    fn encode(
        &self,
        request: &Request,
        address: &Address,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Vec<u8> {
        let mut head = format!("GET {} HTTP/1.1\r\n", address.target()).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        if self.values(&HOST).next().is_none() {
            line("host", address.authority().as_bytes());
        }
        for (name, value) in request.fields() {
            line(name, value.as_bytes());
        }
        let is_replaced = |name: &HeaderName| fields.iter().any(|(other, _)| other == name);
        let own = self.fields.lines().filter(|(name, _)| !is_replaced(name));
        let fields = fields.iter().map(|(name, value)| (name, value));
        for (name, value) in own.chain(fields) {
            line(name.as_str(), value.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A `ws` or `wss` URL (RFC 6455 §3) in its parts.
fn address(url: &str) -> Result<Address, ConnectError> {
    // There is no fragment; `Uri` would drop it without a word.
    if url.contains('#') {
        return Err(ConnectError::Url("it has a fragment (RFC 6455 3)"));
    }
    let uri = Uri::try_from(url).map_err(|_| ConnectError::Url("it is not a URL"))?;
    Address::read(&uri, SCHEMES).map_err(ConnectError::Url)
}

/// Whether the handshake decides about this field, or the request has nothing to frame with it.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "upgrade"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "expect"
    ) || (name.as_str()).starts_with("sec-websocket-")
}

const SCHEMES: Schemes = Schemes {
    plain: "ws",
    secure: "wss",
    wrong: "its scheme is not ws or wss",
};

/// The default of both deadlines.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Room for an answer as it usually is.
const READ: usize = 1024;
