//! Testing what you built: a client that calls a service in process, and a server on a port of its own.
//!
//! Both go through the real driver: limits, framing, HEAD and deadlines are those of production. The
//! client's connections are in memory, so a paused clock rules them and no port is needed.
//!
//! ```
//! use wireline::router::Router;
//! use wireline::test::TestClient;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let routes = Router::new().get("/hello", async || "Hello, World!").build().unwrap();
//! let client = TestClient::new(routes);
//!
//! let response = client.get("/hello").await;
//! assert_eq!(response.status, 200);
//! assert_eq!(response.text(), "Hello, World!");
//! # });
//! ```

#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "json")]
mod json;
mod reply;
mod server;

#[cfg(feature = "http2")]
pub use self::http2::FrameMeter;
pub use self::reply::TestResponse;
pub use self::server::TestServer;

use crate::http1::driver::Connection;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::io::memory::{self, MemoryStream};
use crate::resource::worker::{Phase, Worker};
use crate::service::body::Body;
use crate::service::handler::Service;
use crate::service::link::Shared;
use crate::service::link::config::Config;
use crate::service::request::Request;
use http::{HeaderName, HeaderValue, Method};
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Calls a service over in-memory connections, one for each request.
///
/// What the service counts and holds can be looked at, and [`connect`](Self::connect) gives a raw
/// connection for tests of the wire itself.
pub struct TestClient {
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    capacity: usize,
}

impl TestClient {
    /// A client of `service` with the default limits and deadlines.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    pub fn new(service: impl Service) -> Self {
        Self::with_config(service, Config::default())
    }

    /// A client of `service` with limits and deadlines of its own.
    ///
    /// ```
    /// use wireline::http1::driver::config::Config;
    /// use wireline::router::Router;
    /// use wireline::test::TestClient;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let mut config = Config::default();
    /// config.max_body = 3;
    /// let client = TestClient::with_config(Router::new().post("/", async || ()).build().unwrap(), config);
    /// assert_eq!(client.post("/").body("four").await.status, 413);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn with_config(service: impl Service, config: Config) -> Self {
        Self::with_budget(service, config, BUDGET)
    }

    /// As [`with_config`](Self::with_config), with a byte budget for all connections together.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn with_budget(service: impl Service, config: Config, octets: usize) -> Self {
        let budget = Arc::new(Budget::new(octets));
        let worker = Arc::new(Worker::new(budget.clone()));
        tokio::spawn(worker.clone().sweep());
        let shared = Arc::new(Shared {
            worker,
            service: Arc::new(service),
            config: Arc::new(config.settled()),
        });
        Self {
            shared,
            budget,
            capacity: CAPACITY,
        }
    }

    /// A GET request for `target`.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::GET, target)
    }

    /// A HEAD request for `target`.
    pub fn head(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::HEAD, target)
    }

    /// A POST request for `target`.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::POST, target)
    }

    /// A PUT request for `target`.
    pub fn put(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::PUT, target)
    }

    /// A PATCH request for `target`.
    pub fn patch(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::PATCH, target)
    }

    /// A DELETE request for `target`.
    pub fn delete(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::DELETE, target)
    }

    /// A request with any method. `target` is sent as it is.
    pub fn method(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest {
            client: self,
            method,
            target: target.to_owned(),
            fields: Vec::new(),
            body: Body::empty(),
        }
    }

    /// Sends a request that was made elsewhere, its body in chunks when its length is not known.
    ///
    /// # Panics
    ///
    /// When no whole response comes.
    pub async fn request(&self, mut request: Request) -> TestResponse {
        let body = request.take_body();
        let mut made = self.method(request.method().clone(), request.uri());
        for (name, value) in request.headers().iter() {
            made = made.header(name, value.as_bytes());
        }
        made.body(body).await
    }

    /// A connection to the service; write requests to it and read what comes.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use wireline::{router::Router, test::TestClient};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let client = TestClient::new(Router::new().build().unwrap());
    /// let mut connection = client.connect();
    /// connection.write_all(b"nonsense\r\n\r\n").await.unwrap();
    /// let mut answer = String::new();
    /// connection.read_to_string(&mut answer).await.unwrap();
    /// assert!(answer.starts_with("HTTP/1.1 400 "));
    /// # });
    /// ```
    pub fn connect(&self) -> MemoryStream {
        let (client, server) = memory::pair(self.capacity);
        drop(self.serve(Io::Dyn(Box::new(server))));
        client
    }

    /// Serves one more connection over any transport; the task ends when the connection does.
    pub fn serve(&self, io: impl Into<Io>) -> JoinHandle<()> {
        tokio::spawn(Connection::new(
            io.into(),
            ConnInfo::default(),
            self.shared.clone(),
            (),
        ))
    }

    /// Begins a drain: the next response of each connection says `Connection: close`.
    pub fn drain(&self) {
        self.shared.worker.enter(Phase::Draining);
    }

    /// Ends every connection at once, as a server does when the deadline of its drain has passed.
    pub fn force(&self) {
        self.shared.worker.enter(Phase::Forced);
    }

    /// What the service's connections have counted.
    pub fn count(&self, counter: Counter) -> u64 {
        self.shared.worker.counters.get(counter)
    }

    /// The connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.worker.live()
    }

    /// The octets that waiting connections hold now.
    pub fn buffered(&self) -> usize {
        self.budget.used()
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// A request in the making; awaiting it sends it.
///
/// `Host: localhost` is added unless there is a Host, and the framing that the body needs.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    method: Method,
    target: String,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Body,
}

impl<'a> TestRequest<'a> {
    /// Adds a field line.
    ///
    /// # Panics
    ///
    /// When the name or the value cannot stand in one.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => self.fields.push((name, value)),
            _ => panic!("not a field line"),
        }
        self
    }

    /// Sets the content.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the request. Content is sent without waiting for `100 Continue`, and while the response
    /// is already being read.
    ///
    /// # Errors
    ///
    /// When the connection ends, or something that is no response comes, before the response is whole.
    pub async fn send(self) -> io::Result<TestResponse> {
        let (mut reader, mut writer) = tokio::io::split(self.client.connect());
        let is_head = self.method == Method::HEAD;
        let head = self.encode_head();
        let chunked = self.body.len().is_none();
        let mut response = pin!(reply::read(&mut reader, is_head));
        let mut request = pin!(write(&mut writer, head, self.body, chunked));
        let mut sent = false;
        poll_fn(|cx| {
            // A server may answer, and close, before it has read everything: its answer is what counts.
            sent = sent || request.as_mut().poll(cx).is_ready();
            response.as_mut().poll(cx)
        })
        .await
    }

    fn encode_head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let has = |name: HeaderName| self.fields.iter().any(|(key, _)| *key == name);
        if !has(http::header::HOST) {
            head.extend_from_slice(b"host: localhost\r\n");
        }
        if !has(http::header::CONTENT_LENGTH) && !has(http::header::TRANSFER_ENCODING) {
            match self.body.len() {
                Some(0) => {}
                Some(length) => {
                    head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes())
                }
                None => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            }
        }
        for (name, value) in &self.fields {
            head.extend_from_slice(
                &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat(),
            );
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send + 'a>>;

    /// As [`send`](TestRequest::send), for tests that expect a response: it panics when none comes.
    fn into_future(self) -> Self::IntoFuture {
        let line = format!("{} {}", self.method, self.target);
        Box::pin(async move {
            match self.send().await {
                Ok(response) => response,
                Err(error) => panic!("no response to {line}: {error}"),
            }
        })
    }
}

/// Sends a request; how it went shows in the response.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    head: Vec<u8>,
    mut body: Body,
    chunked: bool,
) -> io::Result<()> {
    writer.write_all(&head).await?;
    while let Some(Ok(chunk)) = body.chunk().await {
        if chunked {
            writer
                .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())
                .await?;
            writer.write_all(&chunk).await?;
            writer.write_all(b"\r\n").await?;
        } else {
            writer.write_all(&chunk).await?;
        }
    }
    if chunked {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

/// What may be on its way in each direction.
const CAPACITY: usize = 64 * 1024;

/// The default of the server.
const BUDGET: usize = 256 * 1024 * 1024;
