//! What a client is made with.

use crate::socketio::client::core::pace::Reconnection;
use crate::socketio::client::core::{Core, Tuning};
use crate::socketio::client::driver::Driver;
use crate::socketio::client::error::{ConnectError, DialError};
use crate::socketio::client::handle::{Root, SocketIoClient};
use crate::socketio::client::link::dial::{Dial, How, Place};
use crate::socketio::client::namespace::Namespace;
use crate::socketio::client::shared::Shared;
use crate::socketio::client::{BoxError, TransportName};
use crate::socketio::packet::{Form, Limits};
use crate::ws::client::Client;
use crate::ws::limits;
use crate::ws::socket::config::{Config, Overflow};
use http::{HeaderName, HeaderValue};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

pub use crate::socketio::client::namespace::NamespaceBuilder;

/// What a client asks for, how long it waits and what it holds.
///
/// ```
/// use std::time::Duration;
/// use wireline::socketio::client::{Data, Reconnection, SocketIoClient};
///
/// let builder = SocketIoClient::builder("https://example.com/admin")
///     .header("origin", "https://app.example")
///     .query("room", "7")
///     .auth_with(async || Ok::<_, std::io::Error>(serde_json::json!({ "token": "5a1e" })))
///     .reconnection(Reconnection { attempts: Some(10), ..Reconnection::default() })
///     .ack_timeout(Duration::from_secs(5))
///     .on("news", async |Data(text): Data<String>| println!("{text}"));
/// # let _ = builder;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Builder {
    url: String,
    path: String,
    query: Vec<(String, String)>,
    client: Client,
    how: How,
    tuning: Tuning,
    ack_timeout: Duration,
    retries: u32,
    handlers: usize,
    name: Option<String>,
    namespace: Namespace,
}

impl Builder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            path: "/socket.io/".to_owned(),
            query: Vec::new(),
            client: Client::new(),
            how: How {
                transports: vec![TransportName::WebSocket, TransportName::Polling],
                upgrade: true,
                cookies: true,
                timeout: Duration::from_secs(20),
                max_received: 4 * 1024 * 1024,
            },
            tuning: Tuning {
                pace: Reconnection::default(),
                form: Form::Text,
                limits: Limits {
                    attachments: 10,
                    octets: 4 * 1024 * 1024,
                },
                connect_timeout: Duration::from_secs(20),
                buffer: 1024,
                buffer_octets: 4 * 1024 * 1024,
                acks: 1024,
                spaces: 16,
            },
            ack_timeout: Duration::from_secs(10),
            retries: 0,
            handlers: 256,
            name: None,
            namespace: Namespace::default(),
        }
    }

    /// The namespace. Default `/`, or the path of the URL.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The path of the server's Socket.IO. Default `/socket.io/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds a parameter to the query of every request.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a field line to every request.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.client = self.client.header(name, value);
        self
    }

    /// The transports that are tried, in this order, the next one when a server has been reached but not over the one before.
    /// Default WebSocket, then polling.
    pub fn transports(mut self, transports: impl IntoIterator<Item = TransportName>) -> Self {
        self.how.transports = transports.into_iter().collect();
        self
    }

    /// Whether a connection over polling becomes a WebSocket where both sides can. Default yes.
    pub const fn upgrade(mut self, upgrade: bool) -> Self {
        self.how.upgrade = upgrade;
        self
    }

    /// Whether what servers set with Set-Cookie is kept and sent with the requests that follow: so a load balancer finds the node that a
    /// session is on, and, where sessions are [recovered](crate::socketio::client::SocketIoClient::recovered), that of the one before.
    /// They are forgotten when a server was reached and opened no session. Default yes.
    pub const fn cookies(mut self, keep: bool) -> Self {
        self.how.cookies = keep;
        self
    }

    /// Opens connections with this client, for what this builder has no words for: TLS, deadlines of connecting, compression.
    /// It replaces what was said by [`header`](Self::header) before; its configuration of sockets is replaced.
    pub fn websocket(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// How packets are written; the server has to be set to the same. Default text.
    pub const fn form(mut self, form: Form) -> Self {
        self.tuning.form = form;
        self
    }

    /// Whether and when the client comes back. Default for ever, after 1 s to 5 s.
    pub const fn reconnection(mut self, reconnection: Reconnection) -> Self {
        self.tuning.pace = reconnection;
        self
    }

    /// How long opening a session may take over each transport, and then the answer about a namespace. Default 20 s.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.how.timeout = limit;
        self.tuning.connect_timeout = limit;
        self
    }

    /// How long answers to events are waited for. Default 10 s.
    pub const fn ack_timeout(mut self, limit: Duration) -> Self {
        self.ack_timeout = limit;
        self
    }

    /// How often an event is sent again that was not answered, see
    /// [`EmitWithAck::retries`](crate::socketio::client::EmitWithAck::retries). Default 0.
    pub const fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// The events and octets that may wait to be sent: of each namespace until it is connected, and then of all together.
    /// Default 1,024 and 4 MiB. While more octets of events wait for handlers, nothing more is read.
    pub const fn buffer(mut self, events: usize, octets: usize) -> Self {
        self.tuning.buffer = events;
        self.tuning.buffer_octets = octets;
        self
    }

    /// The octets of a message from the server, or of a poll's content, and of the attachments of an event; beyond it the
    /// connection is given up. Default 4 MiB.
    pub const fn max_received(mut self, octets: usize) -> Self {
        self.how.max_received = octets;
        self.tuning.limits.octets = octets;
        self
    }

    /// The attachments of an event from the server. Default 10.
    pub const fn max_attachments(mut self, count: usize) -> Self {
        self.tuning.limits.attachments = count;
        self
    }

    /// The handlers that may run at once. Beyond them events wait, and beyond 1,024 of those nothing more is read. Default 256.
    pub const fn max_handlers(mut self, count: usize) -> Self {
        self.handlers = count;
        self
    }

    /// Opens the first connection, and waits until the namespace is connected. After that the client comes back by itself.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: it did not work at first, also when it might later. [`start`](Self::start) goes on trying.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O enabled.
    pub async fn connect(self) -> Result<SocketIoClient, ConnectError> {
        let (root, name, namespace) = self.run()?;
        namespace.connect(&root, name).await
    }

    /// Gives the client at once, which connects, and goes on trying. What is emitted waits for the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Dial`] with [`DialError::Unfit`]: what was said cannot be a client.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    pub fn start(self) -> Result<SocketIoClient, ConnectError> {
        let (root, name, namespace) = self.run()?;
        namespace.start(&root, name)
    }

    pub(super) const fn namespace_mut(&mut self) -> &mut Namespace {
        &mut self.namespace
    }

    fn run(self) -> Result<(Arc<Root>, String, Namespace), ConnectError> {
        let unfit = |reason: String| ConnectError::Dial(Arc::new(DialError::Unfit(reason)));
        let place = Place::read(&self.url, &self.path, &self.query).map_err(unfit)?;
        if self.how.transports.is_empty() {
            return Err(unfit("there is no transport to try".to_owned()));
        }
        let name = self.name.unwrap_or_else(|| place.namespace.clone());
        let config = Config {
            limits: limits::Limits {
                frame: self.how.max_received as u64,
                message: self.how.max_received,
                ..limits::Limits::default()
            },
            // Engine.IO has pings of its own.
            ping_interval: Duration::ZERO,
            overflow: Overflow::Wait,
            control_frames: false,
            ..Config::default()
        };
        let dial = Dial::new(place, self.client.config(config), self.how);
        let shared = Arc::new(Shared::new(Core::new(self.tuning, seed())));
        let mut driver = Driver::new(shared.clone(), dial, self.handlers);
        tokio::spawn(async move {
            poll_fn(|cx| driver.poll(cx)).await;
        });
        let root = Root {
            shared,
            ack_timeout: self.ack_timeout,
            retries: self.retries,
        };
        Ok((Arc::new(root), name, self.namespace))
    }
}

/// What both builders say of a namespace.
macro_rules! of_namespace {
    ($builder:ty) => {
        impl $builder {
            /// Signs in with a value that becomes a JSON object, at every connection.
            pub fn auth<A: serde::Serialize + ?Sized>(mut self, auth: &A) -> Self {
                self.namespace_mut().auth(auth);
                self
            }

            /// Signs in with what this callback gives, which becomes a JSON object. It is asked before every connection, and
            /// has as long as the server's answer.
            pub fn auth_with<F, Fut, A, E>(mut self, callback: F) -> Self
            where
                F: Fn() -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<A, E>> + Send + 'static,
                A: serde::Serialize,
                E: Into<BoxError>,
            {
                self.namespace_mut().auth_with(callback);
                self
            }

            /// Adds a handler of an event, as [`SocketIoClient::on`].
            pub fn on<P, H>(self, event: &str, handler: H) -> Self
            where
                H: crate::socketio::client::handler::EventHandler<P>,
            {
                self.handlers().on(event, handler, false);
                self
            }

            /// Adds a handler of the first event of this name, as [`SocketIoClient::once`].
            pub fn once<P, H>(self, event: &str, handler: H) -> Self
            where
                H: crate::socketio::client::handler::EventHandler<P>,
            {
                self.handlers().on(event, handler, true);
                self
            }

            /// Adds a function for every event that is sent, as [`SocketIoClient::on_any_outgoing`].
            pub fn on_any_outgoing(
                self,
                function: impl Fn(&str, &crate::socketio::packet::Args) + Send + Sync + 'static,
            ) -> Self {
                self.handlers().on_any_outgoing(function);
                self
            }

            /// Adds a handler of every event, as [`SocketIoClient::on_any`].
            pub fn on_any<P, H>(self, handler: H) -> Self
            where
                H: crate::socketio::client::handler::EventHandler<P>,
            {
                self.handlers().on_any(handler);
                self
            }

            /// As [`SocketIoClient::on_connect`].
            pub fn on_connect<F, Fut>(self, run: F) -> Self
            where
                F: Fn(SocketIoClient) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = ()> + Send + 'static,
            {
                self.handlers().on_connect(run);
                self
            }

            /// As [`SocketIoClient::on_connect_error`].
            pub fn on_connect_error<F, Fut>(self, run: F) -> Self
            where
                F: Fn(SocketIoClient, ConnectError) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = ()> + Send + 'static,
            {
                self.handlers().on_connect_error(run);
                self
            }

            /// As [`SocketIoClient::on_disconnect`].
            pub fn on_disconnect<F, Fut>(self, run: F) -> Self
            where
                F: Fn(SocketIoClient, crate::socketio::client::DisconnectReason) -> Fut
                    + Send
                    + Sync
                    + 'static,
                Fut: Future<Output = ()> + Send + 'static,
            {
                self.handlers().on_disconnect(run);
                self
            }
        }
    };
}

of_namespace!(Builder);
of_namespace!(NamespaceBuilder);

impl Builder {
    fn handlers(&self) -> &crate::socketio::client::handlers::Handlers {
        self.namespace.handlers()
    }
}

/// Spreads the waits of clients that lose their connections together. When the system has no random octets, so has no
/// socket, and there is nothing to spread.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}
