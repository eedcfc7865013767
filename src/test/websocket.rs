//! WebSockets to the service under test.

use crate::service::headers::Headers;
use crate::test::TestClient;
use crate::ws::client::{Client, ConnectError, Refused};
use crate::ws::deflate;
use crate::ws::socket::WebSocket;
use crate::ws::socket::config::Config;
use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderName, HeaderValue};
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

impl TestClient {
    /// A WebSocket at `target`, in process; awaiting it opens it. What comes of it is the ordinary client's
    /// [`WebSocket`].
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::test::TestClient;
    /// use wireline::ws::prelude::*;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let echo = async |sender: WsSender, message: Message| sender.send(message).await;
    /// let routes = Router::new().websocket_messages("/echo", Each::default(), echo).build().unwrap();
    /// let client = TestClient::new(routes);
    ///
    /// let mut socket = client.websocket("/echo").await;
    /// socket.send("Hello!").await.unwrap();
    /// let answer = socket.recv().await.unwrap().unwrap();
    /// assert_eq!(answer.as_text(), Some("Hello!"));
    /// # });
    /// ```
    pub fn websocket(&self, target: &str) -> TestWebSocket<'_> {
        TestWebSocket {
            client: self,
            target: target.to_owned(),
            host: "localhost".to_owned(),
            has_cookies: false,
            inner: Client::new(),
        }
    }
}

/// A WebSocket in the making; awaiting it opens it, and panics when the service refuses.
///
/// ```
/// use wireline::Router;
/// use wireline::test::TestClient;
/// use wireline::ws::prelude::*;
///
/// async fn chat(socket: WebSocket, Token(token): Token) {
///     let _ = socket.send(token).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let terms = |upgrade: WebSocketUpgrade| upgrade.subprotocols(Subprotocols::list(["v1.chat"]));
/// let routes = Router::new().websocket_with("/chat", terms, chat).build().unwrap();
/// let client = TestClient::new(routes);
///
/// let mut socket = client.websocket("/chat").bearer("5a1e").protocols(["v2.chat", "v1.chat"]).await;
/// assert_eq!(socket.protocol(), Some("v1.chat"));
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("5a1e"));
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a WebSocket is opened when it is awaited"]
pub struct TestWebSocket<'a> {
    client: &'a TestClient,
    target: String,
    host: String,
    has_cookies: bool,
    inner: Client,
}

impl<'a> TestWebSocket<'a> {
    /// Adds a field line to the request, as [`Client::header`].
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        if let (Ok(name), Ok(value)) = (name.try_into(), value.try_into()) {
            if name == HOST {
                self.host = String::from_utf8_lossy(value.as_bytes()).into_owned();
            }
            self.has_cookies |= name == COOKIE;
            self.inner = self.inner.header(name, value);
        } else {
            // The client says so when it connects.
            self.inner = self.inner.header("", "");
        }
        self
    }

    /// Adds `Authorization: Bearer <token>` (RFC 6750 §2.1).
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, format!("Bearer {token}"))
    }

    /// Offers subprotocols, the preferred one first. Default none.
    pub fn protocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.inner = self.inner.protocols(names);
        self
    }

    /// Offers permessage-deflate, whose configuration can be made with the feature `ws-deflate` only. Default no.
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.inner = self.inner.deflate(config);
        self
    }

    /// Limits, deadlines and queues of the client's socket. Default [`Config::default`].
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.inner = self.inner.config(config);
        self
    }

    /// Opens it. Cookies that the client keeps are sent, and those of a refusal kept.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect_over`]: [`ConnectError::Refused`] has the response in HTTP that came instead.
    pub async fn connect(self) -> Result<WebSocket, ConnectError> {
        let Self {
            client,
            target,
            host,
            has_cookies,
            mut inner,
        } = self;
        let path = target.split('?').next().unwrap_or_default();
        if !has_cookies
            && let Some(Some(value)) =
                client.with_cookies(|cookies| cookies.field(&host, path, true))
        {
            inner = inner.header(COOKIE, value);
        }
        let io = client.wire.upgradable(client).await?;
        let opened = inner
            .connect_over(io, &format!("ws://localhost{target}"))
            .await;
        if let Err(ConnectError::Refused(refused)) = &opened {
            let keep = |headers: &Headers| {
                client.with_cookies(|cookies| cookies.take(&host, path, headers));
            };
            keep(&refused.headers);
        }
        opened
    }

    /// The response in HTTP of a service that refuses to open it.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Panics
    ///
    /// When it is opened, or something else goes wrong.
    pub async fn refusal(self) -> Refused {
        let target = self.target.clone();
        match self.connect().await {
            Ok(_) => panic!("the WebSocket at {target} was opened"),
            Err(ConnectError::Refused(refused)) => *refused,
            Err(error) => panic!("no refusal at {target}: {error}"),
        }
    }
}

impl<'a> IntoFuture for TestWebSocket<'a> {
    type Output = WebSocket;
    type IntoFuture = Pin<Box<dyn Future<Output = WebSocket> + Send + 'a>>;

    /// As [`connect`](TestWebSocket::connect), for tests that expect a socket: it panics when there is none.
    fn into_future(self) -> Self::IntoFuture {
        let target = self.target.clone();
        Box::pin(async move {
            match self.connect().await {
                Ok(socket) => socket,
                Err(error) => panic!("no WebSocket at {target}: {error}"),
            }
        })
    }
}
