//! Limits and deadlines of connections.

use crate::resource::panic::PanicHook;
use crate::service::link::http2::Http2;
use crate::wire::limits::Limits;
use http::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How connections are served. Every deadline and limit is on by default, except those whose default is `None`.
///
/// ```
/// use std::time::Duration;
/// use wireline::http1::driver::config::Config;
///
/// let mut config = Config::default();
/// config.max_body = 1024 * 1024;
/// config.idle_timeout = Duration::from_secs(15);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Limits of a message's head and framing.
    pub limits: Limits,
    /// The most octets of content of a request, where its route does not say otherwise; beyond it 413.
    /// Default 10 MiB.
    pub max_body: u64,
    /// Content of at most this declared length is read before the handler runs; anything else is
    /// streamed to it. Default 64 KiB.
    pub stream_threshold: u64,
    /// The most octets that one connection borrows for reading. Default 40 KiB.
    pub read_buffer: usize,
    /// The most octets of further requests that are read while one is being answered. Default 32 KiB.
    pub read_ahead: usize,
    /// From accept, or from the first octet of a later request, to the end of the head; beyond it 408,
    /// or a silent close when nothing came at all. Default 10 s.
    pub head_timeout: Duration,
    /// The longest gap between two reads of content that a handler waits for; beyond it 408. Default 30 s.
    pub read_timeout: Duration,
    /// The whole time for the content of one request; beyond it 408. Default 1 h.
    pub body_timeout: Duration,
    /// The longest wait between two requests. Default 60 s.
    pub idle_timeout: Duration,
    /// How old a connection may become: the first response to a request that comes later says
    /// `Connection: close`. Each connection gets between 90 % and all of it, so that those that were
    /// opened at once do not come back at once. Default `None`: no limit.
    pub max_age: Option<Duration>,
    /// The most requests of one connection: the response to the last one says `Connection: close`.
    /// Default `None`: no limit.
    pub max_requests: Option<u32>,
    /// The longest time without the client taking a single octet of a response. Default 30 s.
    pub write_timeout: Duration,
    /// The least rate, in octets a second, at which a client sends content and takes responses, once it
    /// had [`rate_grace`](Self::rate_grace); 0 turns it off. Default 240.
    pub min_rate: u64,
    /// How long a rate may be below the least. Default 5 s.
    pub rate_grace: Duration,
    /// How long a handler may go on after the client has closed its side. Default 2 s.
    pub closed_grace: Duration,
    /// How long a connection is kept after its last response, for the client to read it. Default 2 s.
    pub linger: Duration,
    /// The most octets of content that a handler left unread and that are read to keep the connection;
    /// beyond it the connection closes. Default 64 KiB.
    pub drain_body: u64,
    /// The value of `Server`; empty for none. Default `wireline/` and the version.
    pub server: HeaderValue,
    /// Is told the message of each panic of a handler, on the thread where it was caught; the request is
    /// answered 500, and nothing else ends. Default `None`: Rust's own panic hook prints it, as ever.
    pub on_panic: Option<PanicHook>,
    /// Limits of HTTP/2.
    pub http2: Http2,
    /// Whether `max_age` or `max_requests` is set: one look for each request.
    pub(crate) retires: bool,
    /// Tells configurations apart in a thread's cache of stamps.
    pub(crate) id: u64,
}

impl Config {
    /// The configuration as drivers want it, with limits no higher than they can be. A [`Server`](crate::Server) does this itself; it is
    /// for whoever gives connections to a driver.
    ///
    /// ```
    /// use wireline::http1::driver::config::Config;
    ///
    /// let mut config = Config::default();
    /// config.limits.header_section = 1024 * 1024;
    /// assert_eq!(config.settled().limits.header_section, 36 * 1024);
    /// ```
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.limits = self.limits.clamped();
        self.retires = self.max_age.is_some() || self.max_requests.is_some();
        self.id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_body: 10 * 1024 * 1024,
            stream_threshold: 64 * 1024,
            read_buffer: 40 * 1024,
            read_ahead: 32 * 1024,
            head_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(60),
            max_age: None,
            max_requests: None,
            write_timeout: Duration::from_secs(30),
            min_rate: 240,
            rate_grace: Duration::from_secs(5),
            closed_grace: Duration::from_secs(2),
            linger: Duration::from_secs(2),
            drain_body: 64 * 1024,
            server: HeaderValue::from_static(concat!("wireline/", env!("CARGO_PKG_VERSION"))),
            on_panic: None,
            http2: Http2::default(),
            retires: false,
            id: 0,
        }
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
