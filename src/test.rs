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

mod events;
#[cfg(feature = "form")]
mod form;
mod http1;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "json")]
mod json;
mod multipart;
mod reply;
mod request;
mod server;
#[cfg(feature = "client")]
mod websocket;
mod wire;

pub use self::events::TestEvent;
#[cfg(feature = "http2")]
pub use self::http2::FrameMeter;
pub use self::multipart::TestMultipart;
pub use self::reply::{TestResponse, TestStream};
pub use self::request::TestRequest;
pub use self::server::TestServer;
#[cfg(feature = "client")]
pub use self::websocket::TestWebSocket;

use crate::http1::driver::Connection;
use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::io::memory::{self, MemoryStream};
use crate::resource::worker::{Phase, Worker};
use crate::service::handler::Service;
use crate::service::jar::Jar;
use crate::service::link::Shared;
use crate::service::link::config::Config;
use crate::service::request::Request;
use crate::test::http1::Http1;
use crate::test::wire::Wire;
use http::Method;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// Calls a service over in-memory connections, one for each request; or over one connection of HTTP/2, with
/// `http2` (feature `http2`).
///
/// Redirects are answers like any other: they are not followed. Cookies are forgotten, unless it is told to
/// [keep](Self::keep_cookies) them.
///
/// What the service counts and holds can be looked at, and [`connect`](Self::connect) gives a raw
/// connection for tests of the wire itself.
pub struct TestClient {
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    capacity: usize,
    /// How requests travel.
    wire: Box<dyn Wire>,
    cookies: Option<Mutex<Jar>>,
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
        let shared = Arc::new(Shared {
            worker: Worker::start(budget.clone()),
            service: Arc::new(service),
            config: Arc::new(config.settled()),
        });
        Self {
            shared,
            budget,
            capacity: CAPACITY,
            wire: Box::new(Http1),
            cookies: None,
        }
    }

    /// Keeps the cookies of responses and sends them back, as a browser does (RFC 6265 §5): by host, domain and path,
    /// until they expire or are taken back. `Secure` ones are sent, too, as browsers do to localhost; `SameSite` and
    /// `HttpOnly` are about pages, of which there are none. A request with a Cookie field of its own has that one alone.
    ///
    /// ```
    /// use wireline::test::TestClient;
    /// use wireline::{Request, Response, Router};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let login = async || Response::ok().with_header("set-cookie", "user=7; Path=/; HttpOnly");
    /// let whoami = async |request: Request| {
    ///     request.header("cookie").map_or("nobody".to_owned(), |value| value.to_str().unwrap().to_owned())
    /// };
    /// let routes = Router::new().post("/login", login).get("/", whoami).build().unwrap();
    /// let client = TestClient::new(routes).keep_cookies();
    ///
    /// assert_eq!(client.get("/").await.text(), "nobody");
    /// client.post("/login").await;
    /// assert_eq!(client.get("/").await.text(), "user=7");
    /// assert_eq!(client.cookie("user").as_deref(), Some("7"));
    /// # });
    /// ```
    #[must_use]
    pub fn keep_cookies(mut self) -> Self {
        self.cookies = Some(Mutex::default());
        self
    }

    /// The value of a cookie that is kept, whatever its path; the newest of that name.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let newest = |cookies: &mut Jar| {
            let all = cookies.all().iter().rev();
            let mut named = all.filter(|cookie| cookie.name == name);
            named.next().map(|cookie| cookie.value.clone())
        };
        self.with_cookies(newest)?
    }

    /// Keeps a cookie for every path of `localhost`, as if a response had set it.
    ///
    /// # Panics
    ///
    /// When the client does not [keep](Self::keep_cookies) cookies.
    #[track_caller]
    pub fn set_cookie(&self, name: &str, value: &str) {
        let line = format!("{name}={value}; Path=/");
        let set = self.with_cookies(|cookies| cookies.set("localhost", "/", &line));
        assert!(set.is_some(), "this client keeps no cookies");
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&self) {
        self.with_cookies(|cookies| *cookies = Jar::default());
    }

    fn with_cookies<T>(&self, look: impl FnOnce(&mut Jar) -> T) -> Option<T> {
        let cookies = self.cookies.as_ref()?;
        Some(look(
            &mut cookies.lock().unwrap_or_else(PoisonError::into_inner),
        ))
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

    /// An OPTIONS request for `target`.
    pub fn options(&self, target: &str) -> TestRequest<'_> {
        self.method(Method::OPTIONS, target)
    }

    /// A request with any method. `target` is sent as it is.
    pub fn method(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// Sends a request that was made elsewhere, its body in chunks when its length is not known.
    ///
    /// Dropping the future ends the connection, or the stream of HTTP/2, as a client that goes away does.
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

/// What may be on its way in each direction.
const CAPACITY: usize = 64 * 1024;

/// The default of the server.
const BUDGET: usize = 256 * 1024 * 1024;
